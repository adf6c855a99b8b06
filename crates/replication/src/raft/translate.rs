//! The crate's messages as ours, and ours as the crate's; and what of ours it may hear.
//!
//! The crate trusts its peers: an index beyond a log, a hole, a term of zero end its process. So
//! each message is looked at first ([`fault`]), against what this replica knows. Called by the
//! adapter (`mod`, `ready`).

use raft::eraftpb::{Message as Theirs, MessageType};
use raft::prelude::Entry as TheirEntry;

use super::message::{Committed, Message, Said};
use super::store::Store;
use crate::log::{Entry, Index};
use crate::members::Members;
use crate::term::{NodeId, Term};

/// A leader that hands over says so by these bytes (the crate's `CAMPAIGN_TRANSFER`).
const HANDED_OVER: &[u8] = b"CampaignTransfer";

/// Why a message is not heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No replica says this: noise.
    Noise,
    /// What it means can only be if a disk lost what was on it.
    Lost(String),
}

/// What this replica knows, as far as messages are held against it.
pub(super) struct Known {
    pub generation: u32,
    pub term: u64,
    pub last: Index,
    pub leads: bool,
}

/// Whether the crate may hear it.
pub(super) fn fault(message: &Message, known: &Known) -> Option<Fault> {
    let Message { generation, term, said } = message;
    if *generation != known.generation || *term == 0 || *term > Term::NUMBER_MAX {
        return Some(Fault::Noise);
    }
    let noise = |is: bool| is.then_some(Fault::Noise);
    // What an older term says of logs is not heard by the crate either, and may well be so.
    let current = *term >= known.term;
    match said {
        Said::AskVote { last, last_term, committed, .. } => {
            noise(*last_term > *term || last.0 > HIGHEST || !may_know(*committed, *term))
        }
        Said::Vote { committed, .. } => noise(!may_know(*committed, *term)),
        Said::Heard { .. } | Said::LeadNow | Said::Arrived { .. } | Said::Left => None,
        Said::Append { previous, previous_term, entries, committed } => noise(
            (previous.0 == 0) != (*previous_term == 0)
                || previous.0 > HIGHEST
                || committed.0 > HIGHEST
                || !follow(*previous, *previous_term, entries, *generation, *term),
        ),
        Said::Appended { upto } if current && known.leads && *upto > known.last => {
            Some(Fault::Lost(format!(
                "a replica has entry {upto} of this term, the leader's log ends at {}: the \
                 leader's disk lost what was on it",
                known.last
            )))
        }
        Said::Appended { .. } => None,
        Said::NotAppended { previous, last, last_term } => {
            noise(*previous > known.last || last > previous || *last_term > *term)
        }
        Said::Heartbeat { committed, .. } if current && *committed > known.last => {
            Some(Fault::Lost(format!(
                "the leader knows entry {committed} to be on this disk, and the log ends at {}: \
                 the disk lost what was on it; start this replica under a new id",
                known.last
            )))
        }
        Said::Heartbeat { goal, .. } => noise(goal.0 > HIGHEST),
        Said::Piece { index, index_term, offset, total, bytes, members } => noise(
            index.0 == 0
                || !members.is_well_formed()
                || index.0 > HIGHEST
                || index_term.number == 0
                || index_term.number > *term
                || index_term.generation > *generation
                || !has_node(*index_term)
                || offset.checked_add(bytes.len() as u64).is_none_or(|end| end > *total),
        ),
    }
}

/// No log comes near it, and there is always a next one.
const HIGHEST: u64 = u64::MAX / 2;

/// Whether somebody of this term may know that to be committed.
fn may_know(committed: Committed, term: u64) -> bool {
    committed.index.0 <= HIGHEST
        && committed.term <= term
        && (committed.index.0 == 0) == (committed.term == 0)
}

fn has_node(term: Term) -> bool {
    (1..=NodeId::MAX).contains(&term.node.0)
}

/// Whether these entries stand one behind the other after `previous`, in terms that never fall.
fn follow(
    previous: Index,
    previous_term: u64,
    entries: &[Entry],
    generation: u32,
    term: u64,
) -> bool {
    let mut before = (previous, previous_term);
    entries.iter().all(|entry| {
        let follows = entry.index == before.0.next()
            && entry.term.number >= before.1.max(1)
            && entry.term.number <= term
            && entry.term.generation == generation
            && has_node(entry.term)
            && (!Members::is_in(&entry.command) || Members::decode(&entry.command).is_some());
        before = (entry.index, entry.term.number);
        follows
    })
}

/// Ours as the crate's; `None` for what only the adapter hears.
pub(super) fn inward(from: NodeId, to: NodeId, message: Message) -> Option<Theirs> {
    let mut theirs = Theirs {
        from: u64::from(from.0),
        to: u64::from(to.0),
        term: message.term,
        ..Theirs::default()
    };
    theirs.msg_type = match message.said {
        Said::AskVote { pre, last, last_term, handed_over, committed } => {
            (theirs.index, theirs.log_term) = (last.0, last_term);
            (theirs.commit, theirs.commit_term) = (committed.index.0, committed.term);
            if handed_over {
                theirs.context = HANDED_OVER.into();
            }
            if pre { MessageType::MsgRequestPreVote } else { MessageType::MsgRequestVote }
        }
        Said::Vote { pre, granted, committed } => {
            theirs.reject = !granted;
            (theirs.commit, theirs.commit_term) = (committed.index.0, committed.term);
            if pre {
                MessageType::MsgRequestPreVoteResponse
            } else {
                MessageType::MsgRequestVoteResponse
            }
        }
        Said::Append { previous, previous_term, entries, committed } => {
            (theirs.index, theirs.log_term, theirs.commit) =
                (previous.0, previous_term, committed.0);
            theirs.entries = entries.iter().map(Store::outward).collect::<Vec<_>>().into();
            MessageType::MsgAppend
        }
        Said::Appended { upto } => {
            theirs.index = upto.0;
            MessageType::MsgAppendResponse
        }
        Said::NotAppended { previous, last, last_term } => {
            theirs.reject = true;
            (theirs.index, theirs.reject_hint, theirs.log_term) = (previous.0, last.0, last_term);
            MessageType::MsgAppendResponse
        }
        Said::Heartbeat { committed, barrier, goal: _ } => {
            theirs.commit = committed.0;
            theirs.context = context_of(barrier).into();
            MessageType::MsgHeartbeat
        }
        Said::Heard { barrier } => {
            theirs.context = context_of(barrier).into();
            MessageType::MsgHeartbeatResponse
        }
        Said::LeadNow => MessageType::MsgTimeoutNow,
        Said::Piece { .. } | Said::Arrived { .. } | Said::Left => return None,
    };
    Some(theirs)
}

/// The crate's as ours; `None` for what the adapter says otherwise (snapshots), or never asks the
/// crate to say (forwarded proposals and reads).
pub(super) fn outward(store: &Store, committed: Index, theirs: Theirs) -> Option<Message> {
    let (term, index) = (theirs.term, Index(theirs.index));
    let committed_there = Committed { index: Index(theirs.commit), term: theirs.commit_term };
    let said = match theirs.msg_type {
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => Said::AskVote {
            pre: theirs.msg_type == MessageType::MsgRequestPreVote,
            last: index,
            last_term: theirs.log_term,
            handed_over: theirs.context == HANDED_OVER,
            committed: committed_there,
        },
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            Said::Vote {
                pre: theirs.msg_type == MessageType::MsgRequestPreVoteResponse,
                granted: !theirs.reject,
                committed: committed_there,
            }
        }
        MessageType::MsgAppend => Said::Append {
            previous: index,
            previous_term: theirs.log_term,
            entries: theirs.entries.iter().map(|entry: &TheirEntry| store.inward(entry)).collect(),
            committed: Index(theirs.commit),
        },
        MessageType::MsgAppendResponse if theirs.reject => Said::NotAppended {
            previous: index,
            last: Index(theirs.reject_hint),
            last_term: theirs.log_term,
        },
        MessageType::MsgAppendResponse => Said::Appended { upto: index },
        MessageType::MsgHeartbeat => Said::Heartbeat {
            committed: Index(theirs.commit),
            barrier: barrier_of(&theirs.context),
            goal: committed,
        },
        MessageType::MsgHeartbeatResponse => Said::Heard { barrier: barrier_of(&theirs.context) },
        MessageType::MsgTimeoutNow => Said::LeadNow,
        MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgPropose
        | MessageType::MsgSnapshot
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum
        | MessageType::MsgTransferLeader
        | MessageType::MsgReadIndex
        | MessageType::MsgReadIndexResp => return None,
    };
    Some(Message { generation: store.generation, term, said })
}

/// A read barrier as the crate's context; none is empty.
pub(super) fn context_of(barrier: u64) -> Vec<u8> {
    if barrier == 0 { Vec::new() } else { barrier.to_be_bytes().to_vec() }
}

/// The other way round.
pub(super) fn barrier_of(context: &[u8]) -> u64 {
    context.try_into().map_or(0, u64::from_be_bytes)
}
