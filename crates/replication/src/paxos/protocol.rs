//! The protocol crate's instance, with what it stored taken out of it.
//!
//! Called by every part of the engine. After each call of the crate the engine takes out
//! [`Protocol::records`], then [`Protocol::said`]: what the crate says may rely on those records.

use std::fmt;

use omnipaxos::messages::Message as Outer;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};

use super::storage::{State, Store, Told};
use super::translate::{self, Said, from_crate, index, term};
use super::{Config, Timers};
use crate::log::{Entry, Index, Log, Record};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};

/// One instance. A new one, on the same state, is what a restart of the process would make.
pub(super) struct Protocol {
    id: NodeId,
    generation: u32,
    inner: OmniPaxos<Entry, Store>,
    told: Told,
    /// What was stored and not taken out yet.
    records: Vec<Record>,
    /// The log with all that was stored: what is checked against it is the crate's own.
    log: Log,
    accepted: Term,
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("promised", &self.promised())
            .field("accepted", &self.accepted)
            .field("decided", &self.decided())
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Protocol {
    /// # Panics
    /// If the replica has no peers: one replica alone needs no protocol.
    pub(super) fn new(config: &Config, generation: u32, state: State) -> Protocol {
        let mut nodes: Vec<u64> = config.peers.iter().map(|peer| u64::from(peer.0)).collect();
        nodes.push(u64::from(config.id.0));
        nodes.sort_unstable();
        let cluster_config = ClusterConfig {
            configuration_id: generation.saturating_add(1),
            nodes,
            flexible_quorum: None,
        };
        let server_config = ServerConfig {
            pid: u64::from(config.id.0),
            election_tick_timeout: Timers::TICKS_PER_ROUND,
            resend_message_tick_timeout: Timers::TICKS_PER_RESEND,
            // Nothing is ever held back to make a batch.
            batch_size: 1,
            flush_batch_tick_timeout: u64::MAX,
            ..ServerConfig::default()
        };
        let (log, accepted) = (state.log.clone(), state.accepted);
        let (store, told) = Store::holding(state);
        let inner = OmniPaxosConfig { cluster_config, server_config }
            .build(store)
            .expect("ids from 1 on, this one among them, and at least one peer");
        Protocol { id: config.id, generation, inner, told, records: Vec::new(), log, accepted }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn promised(&self) -> Term {
        term(self.inner.get_promise())
    }

    /// The term under which the log was accepted.
    pub(super) fn accepted(&self) -> Term {
        self.accepted
    }

    pub(super) fn decided(&self) -> Index {
        index(self.inner.get_decided_idx())
    }

    /// Whether log and leader are known to fit: the leader is the one of the promised term.
    pub(super) fn is_accepting(&self) -> bool {
        self.inner.get_current_leader().is_some_and(|(_, accepting)| accepting)
    }

    /// The term under which this replica appends what it likes.
    pub(super) fn leads(&self) -> Option<Term> {
        Some(self.promised()).filter(|term| term.node == self.id && self.is_accepting())
    }

    /// Whose log this one follows.
    pub(super) fn follows(&self) -> Option<NodeId> {
        Some(self.promised().node).filter(|leader| *leader != self.id && self.is_accepting())
    }

    pub(super) fn state(&self) -> State {
        State {
            log: self.log.clone(),
            promised: self.promised(),
            accepted: self.accepted,
            decided: self.decided(),
        }
    }

    pub(super) fn hear(&mut self, message: Outer<Entry>) {
        self.inner.handle_incoming(message);
        self.follow_store();
    }

    pub(super) fn tick(&mut self) {
        self.inner.tick();
        self.follow_store();
    }

    /// Something between this replica and `peer` may have been lost.
    pub(super) fn reconnected(&mut self, peer: NodeId) {
        if planted(Bug::LinkUnordered) {
            return;
        }
        self.inner.reconnected(u64::from(peer.0));
        self.follow_store();
    }

    /// Begins to lead, if others agree, under a term higher than any promised here.
    pub(super) fn try_to_lead(&mut self) {
        self.inner.try_become_leader();
        self.follow_store();
    }

    /// As leader: puts an entry at the end of the log.
    pub(super) fn append(&mut self, entry: Entry) {
        let refused = self.inner.append(entry).is_err();
        assert!(!refused, "only a reconfiguration closes a log, and there are none");
        self.follow_store();
    }

    /// What was stored by the last calls, oldest first.
    pub(super) fn records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Does to the log what the last call did to the store.
    fn follow_store(&mut self) {
        for record in self.told.records.try_iter() {
            match &record {
                Record::Promise(_) | Record::Members(_) => {}
                Record::Append(entry) => self.log.append(entry.clone()),
                Record::Truncate(from) => self.log.truncate(*from),
                Record::Accepted(term) => self.accepted = *term,
            }
            self.records.push(record);
        }
    }

    /// What the last calls want to be said.
    pub(super) fn said(&mut self) -> Vec<(NodeId, Said)> {
        let mut messages = Vec::new();
        self.inner.take_outgoing_messages(&mut messages);
        messages.into_iter().filter_map(from_crate).collect()
    }

    /// Forgets entries up to `upto`, which are decided and stand in a snapshot.
    pub(super) fn compact(&mut self, upto: Index) {
        self.log.compact(upto);
        let start = self.log.start().0;
        self.told.compacted.store(start, std::sync::atomic::Ordering::Relaxed);
    }

    /// A question of another replica's election.
    pub(super) fn asked(&mut self, from: NodeId, round: u32) {
        self.hear(translate::ask(from, self.id, round));
    }
}
