//! What is let through to the protocol crate: it believes its peers, and panics where they are
//! wrong about a log's length.
//!
//! Everything here holds of what a replica without a bug says over a link that keeps the order. It
//! is no defence against peers that lie well: they are ours.

use super::message::{Beat, Body, History, Sequence};
use super::protocol::Protocol;
use crate::log::{Entry, Index};
use crate::term::{NodeId, Term};

/// The highest number of a term, and the highest index, that is believed: sums with them fit, also
/// in the crate's 32 bits.
const NUMBER_MAX: u64 = 1 << 31;
const INDEX_MAX: u64 = 1 << 48;

/// Whether the term can be one of this group.
pub(super) fn is_term(term: Term, generation: u32) -> bool {
    (term.number, term.node) == (0, NodeId::NONE)
        || term.generation == generation
            && term.number <= NUMBER_MAX
            && (1..=NodeId::MAX).contains(&term.node.0)
}

/// Whether a leader of `term` can have an entry of another term there.
pub(super) fn is_place(index: Index, of: Term, term: Term) -> bool {
    index.0 <= INDEX_MAX && of <= term
}

/// Whether a peer may say this of the election.
pub(super) fn is_beat(beat: &Beat, from: NodeId, generation: u32) -> bool {
    is_term(beat.ballot, generation) && is_term(beat.leader, generation) && beat.ballot.node == from
}

/// The terms and indexes that a message names.
fn bounded(body: &Body, generation: u32) -> bool {
    let (terms, indexes): (Vec<Term>, Vec<Index>) = match body {
        Body::More { .. } => (Vec::new(), Vec::new()),
        Body::PrepareMe { promised } | Body::Refused { promised } => (vec![*promised], Vec::new()),
        Body::Prepare { term, decided, accepted, last }
        | Body::Promise { term, decided, accepted, last, .. } => {
            (vec![*term, *accepted], vec![*decided, *last])
        }
        Body::TakeOver { term, decided, history, .. } => {
            (vec![*term], vec![*decided, history.after])
        }
        Body::Accept { term, decided, .. } | Body::Decided { term, decided, .. } => {
            (vec![*term], vec![*decided])
        }
        Body::Accepted { term, last } => (vec![*term], vec![*last]),
    };
    terms.into_iter().all(|term| is_term(term, generation))
        && indexes.into_iter().all(|index| index.0 <= INDEX_MAX)
}

/// Whether these entries stand one behind the other after `previous`, placed under no later term.
fn follow(previous: Index, entries: &[Entry], term: Term) -> bool {
    let indexes = (1..).map(|step| previous.0.checked_add(step));
    let mut places = entries.iter().zip(indexes);
    places.all(|(entry, index)| Some(entry.index.0) == index && entry.term <= term)
}

fn countable(sequence: Sequence) -> bool {
    sequence.session <= INDEX_MAX && sequence.counter <= INDEX_MAX
}

/// Whether the crate may hear it.
pub(super) fn makes_sense(body: &Body, from: NodeId, to: NodeId, own: &Protocol) -> bool {
    if !bounded(body, own.generation()) {
        return false;
    }
    let last = own.log().last();
    match body {
        Body::More { .. } => false,
        Body::PrepareMe { .. } | Body::Refused { .. } => true,
        Body::Prepare { term, decided, accepted, last } => {
            term.node == from && accepted <= term && decided <= last
        }
        Body::Promise { term, accepted, decided, last, more } => {
            let longer = (*accepted, *last) > (own.accepted(), own.log().last());
            let shown = match more {
                // Too late to count: it is taken away (`Paxos::sync_from_decided`).
                Some(_) if own.is_accepting() => true,
                Some(History { after, entries }) => {
                    *after >= own.decided()
                        && *after <= own.log().last()
                        && follow(*after, entries, *term)
                        && after.0 + entries.len() as u64 == last.0
                }
                // While it is to be seen whose log is the best, nobody hides one.
                None => own.is_accepting() || !longer,
            };
            let known = decided <= &own.log().last().max(*last);
            let late = !own.is_accepting() || decided <= &own.log().last();
            term.node == to && accepted <= term && decided <= last && shown && known && late
        }
        Body::TakeOver { term, sequence, decided, history } => {
            let end = Index(history.after.0 + history.entries.len() as u64);
            let fits = history.after >= own.decided()
                && history.after <= last
                && end >= own.decided()
                && *decided <= end;
            let heard = *term == own.promised();
            term.node == from
                && countable(*sequence)
                && follow(history.after, &history.entries, *term)
                && (fits || !heard)
        }
        Body::Accept { term, sequence, decided, entries } => {
            let fits = follow(last, entries, *term) && decided.0 <= last.0 + entries.len() as u64;
            let heard = *term == own.promised() && own.is_accepting();
            term.node == from && countable(*sequence) && (fits || !heard)
        }
        Body::Decided { term, sequence, decided } => {
            let heard = *term == own.promised() && own.is_accepting();
            term.node == from && countable(*sequence) && (*decided <= last || !heard)
        }
        Body::Accepted { term, last: accepted } => term.node == to && *accepted <= last,
    }
}
