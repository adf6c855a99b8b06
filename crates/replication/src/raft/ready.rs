//! What the crate wants done, as effects.
//!
//! Its contract (`Ready`): messages of a leader may leave at once, beside its own write to disk
//! (Ongaro §10.2.1); everybody else's only when term, vote and entries before them are on disk;
//! entries are executed when they are committed and on this disk. Called by `mod` after every
//! input.

use raft::StateRole;
use raft::eraftpb::{Message as Theirs, MessageType};
use raft::prelude::Entry as TheirEntry;

use super::disk::Waiting;
use super::{Announced, Raft, membership, translate};
use crate::engine::{self, Effect};
use crate::log::{Entry, Index, Log, Record};
use crate::members::Members;
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

impl Raft {
    /// Does what the crate wants, until it wants nothing more.
    pub(super) fn drain(&mut self, now: Time, out: &mut Vec<Effect>) {
        loop {
            while self.node.has_ready() {
                self.work(now, out);
            }
            if !self.release(out) && !self.propose_held() && !self.change_next(out) {
                break;
            }
        }
        self.set_timeout();
        self.announce(out);
        self.barriers.pass(self.applied, out);
        if self.node.store().snapshot_wanted.take() && self.leads() {
            out.push(Effect::WantSnapshot);
        }
    }

    /// One round of its work.
    fn work(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut ready = self.node.ready();
        self.send_at_once(now, ready.take_messages(), out);
        if let Some(state) = ready.hs() {
            let vote = NodeId(u8::try_from(state.vote).expect("one of the members"));
            self.promise(state.term, vote, out);
        }
        if !ready.snapshot().is_empty() {
            let index = Index(ready.snapshot().get_metadata().index);
            let term = self.transfers.installed_term();
            self.membership.members = self.transfers.installed_members();
            let members = self.membership.members.as_ref().map(membership::conf_state);
            self.node.mut_store().members = members.unwrap_or_default();
            self.node.mut_store().log = Log::after(index, term);
            self.applied = index;
        }
        for entry in ready.take_entries() {
            let entry = self.node.store().inward(&entry);
            self.write(entry, out);
        }
        let held = ready.take_persisted_messages();
        let committed = ready.take_committed_entries();
        for read in ready.take_read_states() {
            self.barriers.confirm(translate::barrier_of(&read.request_ctx), Index(read.index));
        }
        let number = ready.number();
        self.node.advance_append_async(ready);
        self.disk.wait(Waiting::Ready(number));
        for theirs in held {
            let to = node_id(theirs.to);
            let Some(message) = self.outward(theirs) else { continue };
            if planted(Bug::AckUnsynced) {
                out.push(send(to, message));
            } else {
                self.disk.wait(Waiting::Send(to, message));
            }
        }
        self.apply(&committed, out);
    }

    /// Messages of a leader, by follower in rising order: the crate goes through a hash map.
    fn send_at_once(&mut self, now: Time, mut messages: Vec<Theirs>, out: &mut Vec<Effect>) {
        messages.sort_by_key(|theirs| theirs.to);
        for theirs in messages {
            let to = node_id(theirs.to);
            if theirs.msg_type == MessageType::MsgSnapshot {
                self.begin_transfer(now, to, out);
            } else if let Some(message) = self.outward(theirs) {
                out.push(send(to, message));
            }
        }
    }

    fn outward(&self, theirs: Theirs) -> Option<super::Message> {
        let committed = Index(self.node.raft.raft_log.committed);
        translate::outward(self.node.store(), committed, theirs)
    }

    fn promise(&mut self, term: u64, vote: NodeId, out: &mut Vec<Effect>) {
        let store = self.node.mut_store();
        let promised = Term { generation: store.generation, number: term, node: vote };
        if promised == store.promised {
            return;
        }
        store.promised = promised;
        if !planted(Bug::VoteForgotten) {
            self.persist(Record::Promise(promised), out);
        }
    }

    /// Puts an entry into the log; what another leader had placed there gives way.
    fn write(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        if entry.index <= self.node.store().log.last() {
            self.node.mut_store().log.truncate(entry.index);
            let too_far = planted(Bug::TruncatesTooFar);
            let from = if too_far { entry.index.previous() } else { entry.index };
            self.persist(Record::Truncate(from), out);
        }
        self.node.mut_store().log.append(entry.clone());
        self.persist(Record::Append(entry), out);
    }

    pub(super) fn persist(&mut self, record: Record, out: &mut Vec<Effect>) {
        self.disk.emitted();
        out.push(Effect::Persist(record));
    }

    /// What waits for the disk no longer. Whether the crate heard anything new.
    fn release(&mut self, out: &mut Vec<Effect>) -> bool {
        let mut heard = false;
        while let Some(waiting) = self.disk.next() {
            match waiting {
                Waiting::Ready(number) => {
                    self.node.on_persist_ready(number);
                    heard = true;
                }
                Waiting::Send(to, message) => out.push(send(to, message)),
            }
        }
        heard
    }

    fn apply(&mut self, committed: &[TheirEntry], out: &mut Vec<Effect>) {
        let Some(last) = committed.last() else { return };
        for theirs in committed {
            let entry = self.node.store().log.get(Index(theirs.index));
            let entry = entry.expect("what is not applied is not compacted").clone();
            let begins = entry.command.is_empty();
            let own = entry.term == self.own_term();
            self.applied = entry.index;
            let members = Members::is_in(&entry.command).then(|| entry.command.clone());
            out.push(Effect::Apply(entry));
            // Everything before is applied too, and nobody else leads in this term.
            if begins && own && self.leads() {
                self.announced = Announced::Leading;
                out.push(Effect::Leading(self.own_term()));
            }
            if let Some(command) = members {
                self.apply_members(&command, out);
            }
        }
        self.node.advance_apply_to(last.index);
        self.stop_leading_if_out();
    }

    /// Tells the service who leads, if that changed.
    fn announce(&mut self, out: &mut Vec<Effect>) {
        let raft = &self.node.raft;
        let leader = Some(node_id(raft.leader_id)).filter(|id| *id != NodeId::NONE);
        let now = match (raft.state, self.announced) {
            (StateRole::Leader, Announced::Leading) => return,
            // Elected; it leads when its first entry is applied.
            (StateRole::Leader, Announced::Following(_)) => None,
            (StateRole::Follower | StateRole::Candidate | StateRole::PreCandidate, _) => leader,
        };
        if self.node.raft.state != StateRole::Leader {
            // Also where it was not announced yet that it led: pieces would pass for heartbeats.
            self.forget_transfers();
        }
        if self.announced == Announced::Following(now) {
            return;
        }
        if self.announced == Announced::Leading {
            self.barriers.fail(out);
            self.fail_changes(out);
        }
        self.announced = Announced::Following(now);
        out.push(Effect::Following { leader: now });
    }
}

pub(super) fn send(to: NodeId, message: super::Message) -> Effect {
    Effect::Send { to, message: engine::Message::Raft(message) }
}

/// The crate's ids are ours; 0 is nobody.
pub(super) fn node_id(theirs: u64) -> NodeId {
    NodeId(u8::try_from(theirs).unwrap_or(0))
}
