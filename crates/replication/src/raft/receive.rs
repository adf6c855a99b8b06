//! What comes from other replicas: looked at, then heard by the adapter or by the crate.
//!
//! Called by `mod` for each message, and by `transfer` for what stands in for one.

use raft::eraftpb::Message as Theirs;

use super::message::{Message, Said};
use super::transfer::Piece;
use super::{Raft, translate};
use crate::engine::Effect;
use crate::log::Index;
use crate::term::{NodeId, Term};
use crate::time::Time;

impl Raft {
    pub(super) fn on_receive(
        &mut self,
        now: Time,
        from: NodeId,
        message: Message,
        out: &mut Vec<Effect>,
    ) {
        // Also one that is not known yet: it may lead, by entries that are not here.
        let is_replica = (1..=NodeId::MAX).contains(&from.0) && from != self.config.id;
        if !is_replica || self.lost {
            return;
        }
        self.belong_to(message.generation);
        let known = translate::Known {
            generation: self.node.store().generation,
            term: self.node.raft.term,
            last: Index(self.node.raft.raft_log.last_index()),
            leads: self.leads(),
        };
        match translate::fault(&message, &known) {
            Some(translate::Fault::Noise) => return,
            Some(translate::Fault::Lost(what)) => {
                // It may have voted, and would again: from now on it hears nothing, asks for
                // nothing, and is counted for nothing.
                self.lost = true;
                out.push(Effect::Warn(what));
                return self.stop_leading_if_out();
            }
            None => {}
        }
        if self.is_gone(from, &message.said, out) {
            return;
        }
        self.unreachable.remove(&from);
        let term = message.term;
        match message.said {
            Said::Piece { index, index_term, offset, total, bytes, members } => {
                let members = *members;
                let piece = Piece { index, index_term, offset, total, bytes, members };
                self.on_piece(now, from, (term, piece), out);
            }
            Said::Left => self.on_left(from, out),
            Said::Arrived { index, upto } => self.on_arrived(now, from, (term, index, upto), out),
            Said::NotAppended { previous, .. } if self.matched(from) >= previous => {
                // Said before it had what it has now. The crate would go back behind that
                // (raft-rs #557).
            }
            said @ Said::AskVote { pre: true, .. } if self.leads() => {
                self.hear(from, Message { said, ..message });
                // The crate is silent to one that asks although there is a leader: it did not hear
                // of it yet, so it is told.
                self.node.ping();
            }
            // Who asked for it had everything on disk before it asked.
            Said::Vote { .. } if !self.disk.is_idle() => {}
            // It is written beside the log, so that an entry could be on disk before it, with a
            // hole between; and the crate would read entries that it stands for.
            Said::Append { .. } | Said::LeadNow if self.disk.is_replacing() => {}
            said @ (Said::AskVote { .. }
            | Said::Vote { .. }
            | Said::Append { .. }
            | Said::Appended { .. }
            | Said::NotAppended { .. }
            | Said::Heartbeat { .. }
            | Said::Heard { .. }
            | Said::LeadNow) => self.hear(from, Message { said, ..message }),
        }
    }

    /// How far a follower's log is known to equal this leader's.
    pub(super) fn matched(&self, peer: NodeId) -> Index {
        let progress = self.node.raft.prs().get(u64::from(peer.0));
        Index(progress.map_or(0, |progress| progress.matched))
    }

    pub(super) fn hear(&mut self, from: NodeId, message: Message) {
        let term = message.term;
        let committed = match &message.said {
            Said::Append { committed, .. } | Said::Heartbeat { goal: committed, .. } => {
                Some(*committed)
            }
            Said::AskVote { .. }
            | Said::Vote { .. }
            | Said::Appended { .. }
            | Said::NotAppended { .. }
            | Said::Heard { .. }
            | Said::Piece { .. }
            | Said::Arrived { .. }
            | Said::LeadNow
            | Said::Left => None,
        };
        if let Some(committed) = committed.filter(|_| term >= self.node.raft.term) {
            let generation = self.node.store().generation;
            self.catch_up.heard(Term { generation, number: term, node: from }, committed);
        }
        if let Some(theirs) = translate::inward(from, self.config.id, message) {
            self.tell_crate(theirs);
        }
    }

    pub(super) fn tell_crate(&mut self, theirs: Theirs) {
        // An error says that the message was of no use, to somebody who does not ask.
        let _useless = self.node.step(theirs);
    }
}
