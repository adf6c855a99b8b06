//! What a leader is asked to put into the log, and to whom it hands the lead. Called by `mod`, and
//! by `ready` for what had to wait.

use bytes::Bytes;
use raft::eraftpb::{Message as Theirs, MessageType};
use raft::prelude::Entry as TheirEntry;

use super::message::{Message, Said};
use super::{Announced, Raft};
use crate::log::Index;
use crate::members::Members;
use crate::planted::{Bug, planted};

impl Raft {
    pub(super) fn on_propose(&mut self, commands: Vec<Bytes>) {
        if self.announced != Announced::Leading || commands.is_empty() {
            return;
        }
        let own = commands.iter().any(|command| Members::is_in(command));
        assert!(!own, "a service's commands do not begin with the byte of an engine's own");
        if self.node.raft.lead_transferee.is_some() {
            // The crate takes nothing while the lead is handed over. If that comes to nothing, the
            // service hears of no other leader, and waits for these.
            self.held.extend(commands);
        } else {
            self.propose(commands);
        }
    }

    /// What came while the lead was to be handed over, and was not. Whether there was any.
    pub(super) fn propose_held(&mut self) -> bool {
        let waits = self.node.raft.lead_transferee.is_some() || !self.leads();
        if self.held.is_empty() || waits {
            return false;
        }
        let commands = std::mem::take(&mut self.held);
        self.propose(commands);
        true
    }

    fn propose(&mut self, commands: Vec<Bytes>) {
        let context = self.node.store().own_context();
        let entries = commands.into_iter().map(|data| TheirEntry {
            data,
            context: context.clone(),
            ..TheirEntry::default()
        });
        let mut theirs = Theirs {
            msg_type: MessageType::MsgPropose,
            from: u64::from(self.config.id.0),
            ..Theirs::default()
        };
        theirs.set_entries(entries.collect::<Vec<_>>().into());
        // Nothing is refused but while the lead is handed over.
        let _refused = self.node.raft.step(theirs);
        if planted(Bug::ReachableMajority) {
            let upto = Index(self.node.raft.raft_log.last_index());
            for peer in self.unreachable.clone() {
                let generation = self.node.store().generation;
                let (term, said) = (self.node.raft.term, Said::Appended { upto });
                self.hear(peer, Message { generation, term, said });
            }
        }
    }

    /// Hands the lead to the voter that has most.
    pub(super) fn on_hand_over(&mut self) {
        let reachable = self.other_voters().filter(|peer| !self.unreachable.contains(peer));
        let best = reachable.max_by_key(|peer| (self.matched(*peer), *peer));
        if let Some(peer) = best.filter(|_| self.leads()) {
            self.node.transfer_leader(u64::from(peer.0));
        }
    }
}
