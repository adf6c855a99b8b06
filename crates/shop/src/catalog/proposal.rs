//! A command on its way through the catalog's log, and what is to be done when it is applied.
//!
//! An entry is the one that was proposed if it stands at the same place under the same term: in one
//! term only one node writes. The engine may drop a proposal, or another leader's entry may take
//! its place; then whoever waits is sent to the leader.
//!
//! Part of [`Catalog`]; looked through by whoever must know what is on its way.

use std::collections::VecDeque;

use bytes::Bytes;
use replication::{Entry, Index, Term, Time, engine};

use super::command::{Command, ToyId};
use super::stock::Applied;
use super::takes::Outcome;
use super::{CHANGES_KEPT, Catalog};
use crate::invalidation::Invalidation;
use crate::message::Reply;
use crate::node::{Effect, Token};

/// What to do when a proposed command is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Then {
    /// Nothing more.
    Nothing,
    /// So many toys of the catalogue are recorded, and there are more.
    Recorded { toys: usize },
    /// The process has begun.
    Begun,
    /// Answer a batch of takes: in the order asked, with the answers that were known before.
    AnswerTakes { token: Token, answers: Vec<(u64, Option<Outcome>)>, new_items: usize },
    /// Answer whoever proposed the view or settled takes.
    Answer { token: Token },
    /// Grant the lease that the registration was for.
    Grant { token: Token, frontend: u8, incarnation: u64 },
    /// A registration is gone.
    Unregistered { frontend: u8 },
    /// Toys are restocked; those from `next` on are to follow.
    Restocked { next: Option<ToyId> },
    /// A clean stop is recorded.
    Closed,
}

/// A command on its way through the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proposal {
    /// Where it stands.
    pub index: Index,
    /// Under which term: another leader's entry may take its place.
    pub term: Term,
    /// The toys that it may change.
    pub touches: Vec<ToyId>,
    /// What to do then.
    pub then: Then,
}

impl Catalog {
    /// Offers a command to the log. The toys that it may change are *changing* from now on, and
    /// whoever may hold one is told before the record is written, so that both overlap.
    pub(super) fn propose(
        &mut self,
        now: Time,
        command: &Command,
        touches: Vec<ToyId>,
        then: Then,
        effects: &mut Vec<Effect>,
    ) {
        for toy in &touches {
            self.visibility.begin(*toy);
            if self.config.invalidation == Invalidation::Lease {
                self.leases.invalidate(now, *toy);
            }
        }
        self.call(now, effects);
        let index = self.group.engine().log().last().next();
        let command: Bytes = command.encode();
        self.drive(now, engine::Input::Propose(vec![command.clone()]), effects);
        let taken = self.taken_at(index, &command);
        let proposal = Proposal { index, term: taken.unwrap_or_default(), touches, then };
        match taken {
            Some(_) => self.proposals.push_back(proposal),
            None => self.abandon(proposal, effects),
        }
    }

    pub(super) fn on_apply(&mut self, now: Time, entry: &Entry, effects: &mut Vec<Effect>) {
        self.chores.count(entry);
        self.notice_other_leader(entry, effects);
        if entry.command.is_empty() {
            // An engine's own, with which a term begins.
            return;
        }
        let command = Command::decode(&entry.command);
        let applied =
            self.stock.apply(command.expect("this program wrote it, or read it at start"));
        match &applied {
            Applied::Settled(Ok(put_back)) => keep_last(&mut self.put_back, put_back),
            Applied::Restocked(restocked) => keep_last(&mut self.restocked, restocked),
            Applied::Settled(Err(_)) | Applied::Done | Applied::Takes(_) | Applied::View(_) => {}
        }
        if self.proposals.front().is_none_or(|proposal| proposal.index != entry.index) {
            // Recovery, or another leader's: nobody waits for it.
            return;
        }
        let proposal = self.proposals.pop_front().expect("it was just looked at");
        for toy in &proposal.touches {
            self.visibility.applied(*toy);
            if self.config.invalidation == Invalidation::Push
                && !self.visibility.current(*toy, &self.stock.shelf(*toy))
            {
                self.leases.push(*toy);
            }
        }
        self.show(proposal.touches);
        self.on_applied(now, applied, proposal.then, effects);
    }

    fn on_applied(&mut self, now: Time, applied: Applied, then: Then, effects: &mut Vec<Effect>) {
        match then {
            Then::Nothing => {}
            Then::Recorded { toys } => self.record_from(now, toys, effects),
            Then::Begun => self.on_begun(now, effects),
            Then::AnswerTakes { token, answers, .. } => {
                self.on_taken(now, token, answers, applied, effects);
            }
            Then::Answer { token } => {
                let response = match applied {
                    Applied::View(Ok((view, unsettled))) => Ok(Reply::View { view, unsettled }),
                    Applied::View(Err(problem)) | Applied::Settled(Err(problem)) => Err(problem),
                    Applied::Settled(Ok(_)) | Applied::Restocked(_) | Applied::Done => {
                        Ok(Reply::Done)
                    }
                    Applied::Takes(_) => unreachable!("takes are answered item by item"),
                };
                effects.push(Effect::Reply { token, response });
            }
            Then::Grant { token, frontend, incarnation } => {
                self.on_registered(now, token, frontend, incarnation, effects);
            }
            Then::Unregistered { frontend } => self.chores.forget(frontend),
            Then::Restocked { next } => self.on_restocked(now, next, effects),
            Then::Closed => self.leave(now, effects),
        }
    }
}

/// Adds to what is remembered, and forgets the oldest.
fn keep_last<T: Clone>(kept: &mut VecDeque<T>, new: &[T]) {
    kept.extend(new.iter().cloned());
    while kept.len() > CHANGES_KEPT {
        kept.pop_front();
    }
}
