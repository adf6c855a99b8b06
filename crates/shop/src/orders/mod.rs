//! The order service: one replica.
//!
//! It puts a [`Ledger`] on a replicated log. The leader takes stock at the catalog for each order,
//! proposes the order, and answers when it is committed and applied; followers apply what the
//! leader commits. Called by frontends (`PlaceOrders`, `ReadOrder`, `Lead` …) and other replicas;
//! calls the catalog (`PutView`, `Take`, `Settle`).
//!
//! # One purchase
//!
//! ```text
//! request #1 orders [Tux x1:k]                      from a frontend, with its request id
//! call catalog-1 take 0.1@3 floor=1 [1=Tux x1:k]    at most once per number, under this term
//! answer [1=Tux:v2]                                 taken, and no cache shows the old stock
//! send 1: append …    send 2: append …    persist   an entry that carries the take's term
//! persisted; receive 1: acknowledge                 every member of the view has it: committed
//! reply #1 [(0 v2 @2)]                              order number 0, at log index 2
//! ```
//!
//! # A new leader
//!
//! A leader begins a term by a view at the catalog, whose answer lists every take of older terms
//! that nobody settled. When its `Lead` entry is committed its ledger is complete: what is recorded
//! there was bought, everything else is given back. Only then it takes anything, since a retry
//! would adopt a take that is being given back. Purchases under way start over, under new numbers.

mod answer;
pub mod batch;
pub mod checkpoint;
pub mod command;
mod config;
mod discard;
mod lead;
pub mod ledger;
mod members;
pub mod purchase;
pub mod reads;
pub mod recovered;
mod serve;
mod status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use replication::engine::{self, CATCHING_UP, Viewed};
use replication::log::{Recovered, Snapshot};
use replication::protocol::{self, HAND_OVER};
use replication::{Engine, Entry, NodeId, Term, Time};

use crate::catalog_leader::CatalogLeader;
use crate::message::{
    Consistency, Order, Ordered, Problem, Request, RequestId, Response, Unsettled,
};
use crate::node::{Address, Answer, CallId, Effect, Input, Node, Token};
use answer::Call;
use batch::Batches;
pub use config::Config;
use config::{
    CALL_DEADLINE, CATALOG_TRY, CHECKPOINT_ENTRIES, FLOOR_DELAY, LEAD_WAITERS_MAX, RETRY,
    VIEW_DEADLINE,
};
pub use discard::DISCARDED_MAX;
use ledger::{Applied, Ledger};
use purchase::Purchases;
use reads::Reads;
pub use status::Status;

/// Where this replica stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Following,
    /// A majority elected it and `Lead` is committed; the catalog is to fence older terms, and to
    /// say what they left.
    Fencing {
        term: Term,
        /// The term that the catalog is thought to know.
        previous: Term,
        /// Those that belonged to the group when it was elected: the view is the same in each
        /// call, or the catalog would take it for another leader's.
        in_sync: BTreeSet<NodeId>,
        calling: bool,
    },
    /// Leads by the arbiter's word, or will when `Lead` is committed; no take yet.
    Settling {
        term: Term,
        /// Whether `Lead` is committed.
        leading: bool,
        unsettled: Vec<Unsettled>,
        calling: bool,
    },
    /// Takes and proposes under this term.
    Open(Term),
}

/// Who waits for a request to be resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Resolving {
    /// Those who asked for it.
    tokens: Vec<Token>,
    /// Orders under the same key: (batch, position). Not refused before "never" is recorded, since
    /// it may come to nothing together with its leader.
    orders: Vec<(u64, usize)>,
}

/// One replica of the order service.
#[derive(Debug)]
pub struct Orders {
    config: Config,
    engine: Box<dyn Engine>,
    ledger: Ledger,
    state: State,
    leader: Option<NodeId>,
    purchases: Purchases,
    batches: Batches,
    reads: Reads,
    /// Requests to be resolved as "never", whose entry is under way.
    resolving: BTreeMap<RequestId, Resolving>,
    lead_waiters: Vec<Token>,
    /// Calls under way, and which replica of the catalog was asked.
    calls: BTreeMap<CallId, (Call, NodeId)>,
    next_call: u64,
    catalog: CatalogLeader,
    retry_at: Option<Time>,
    /// The term of the leader before this one, as the log has it.
    previous_term: Term,
    /// When to try again to hand the lead over, for want of room on the disk.
    hand_over_at: Option<Time>,
    /// Asked to stop: when to do so even if nobody else leads yet.
    stop_at: Option<Time>,
    floor_at: Option<Time>,
    checkpointed: u64,
    /// Checkpoints that are being written.
    checkpointing: usize,
    /// Log entries between two checkpoints, at least.
    checkpoint_entries: u64,
    disk_full: bool,
    discarded: VecDeque<Order>,
    membership: members::Membership,
}

impl Orders {
    /// A replica with what was found on its disk.
    ///
    /// # Errors
    /// If the snapshot is of another format or damaged.
    pub fn new(config: Config, recovered: &Recovered) -> Result<Orders, String> {
        let fencing = config.engine.protocol.is_safe();
        let snapshot = &recovered.checkpoint.snapshot;
        let ledger = if snapshot.state.is_empty() {
            Ledger::new(fencing)
        } else {
            Ledger::restore(&snapshot.state, fencing)?
        };
        let discarded = discard::before(&config.engine, &ledger, recovered);
        Ok(Orders {
            engine: config.engine.start(recovered),
            ledger,
            state: State::Following,
            leader: None,
            purchases: Purchases::default(),
            batches: Batches::default(),
            reads: Reads::default(),
            resolving: BTreeMap::new(),
            lead_waiters: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            catalog: CatalogLeader::new(config.catalogs),
            retry_at: None,
            previous_term: Term::ZERO,
            hand_over_at: None,
            stop_at: None,
            floor_at: None,
            checkpointed: snapshot.index.0,
            checkpointing: 0,
            checkpoint_entries: CHECKPOINT_ENTRIES,
            disk_full: false,
            discarded,
            config,
            membership: members::Membership::default(),
        })
    }

    /// The same replica with another number of log entries between two checkpoints; a small one
    /// lets tests see snapshots.
    #[must_use]
    pub fn checkpoint_every(mut self, entries: u64) -> Orders {
        self.checkpoint_entries = entries;
        self
    }

    /// The replica's ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Steps the engine and does what it says, until it says nothing more.
    fn drive(&mut self, now: Time, input: engine::Input, out: &mut Vec<Effect>) {
        let mut next = Some(input);
        // What the engine asked for and gets at once, seldom anything.
        let mut inputs = VecDeque::new();
        let mut effects = Vec::new();
        while let Some(input) = next {
            self.engine.step(now, input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(now, effect, out));
            }
            next = inputs.pop_front();
        }
    }

    fn perform(
        &mut self,
        now: Time,
        effect: engine::Effect,
        out: &mut Vec<Effect>,
    ) -> Option<engine::Input> {
        match effect {
            engine::Effect::Persist(record) => out.push(Effect::Persist(record)),
            engine::Effect::Send { to, message } => out.push(Effect::Send { to, message }),
            engine::Effect::Apply(entry) => self.on_apply(&entry, out),
            engine::Effect::Install(snapshot) => return self.on_install(snapshot, out),
            engine::Effect::AskView { view, previous, unclean } => {
                let request = Request::PutView { view, previous, unclean };
                self.call(Call::View, request, VIEW_DEADLINE, out);
            }
            engine::Effect::NotInSync(view) => {
                for token in std::mem::take(&mut self.lead_waiters) {
                    let response = Err(Problem::NotInSync(view.clone()));
                    out.push(Effect::Reply { token, response });
                }
            }
            engine::Effect::WantSnapshot => return Some(engine::Input::Snapshot(self.snapshot())),
            engine::Effect::Leading(term) => {
                self.on_leading(term, out);
                return self.other_than_full(now);
            }
            engine::Effect::Following { leader } => self.on_following(leader, out),
            engine::Effect::Passed(tag) => {
                for (token, read) in self.reads.finish(tag) {
                    let response = self.answer_read(read, Consistency::Linearizable);
                    out.push(Effect::Reply { token, response });
                }
            }
            engine::Effect::Failed(tag) => {
                for (token, _) in self.reads.finish(tag) {
                    out.push(Effect::Reply { token, response: Err(self.not_leader()) });
                }
            }
            engine::Effect::Warn(what) => out.push(Effect::Warn(what)),
            engine::Effect::Discard { entries, from, committed } => {
                self.on_discard(&entries, from, committed, out);
            }
            engine::Effect::Changed { tag, outcome } => self.on_changed(tag, outcome, out),
            engine::Effect::Members(members) => self.on_members(members, out),
        }
        None
    }

    fn on_apply(&mut self, entry: &Entry, out: &mut Vec<Effect>) {
        if entry.command.is_empty() {
            self.previous_term = self.ledger.term();
        }
        match self.ledger.apply(entry) {
            // A purchase of this leader's that is rejected starts over when the term is settled.
            Applied::Lead | Applied::Rejected(_) => {}
            Applied::Decided(request_id, fate) => self.on_decided(request_id, &fate, out),
        }
    }

    /// What every step may have made possible.
    fn go_on(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.fence_next(out);
        self.settle_next(out);
        if let State::Open(term) = self.state {
            // After a failure the catalog is left alone for a moment.
            while self.retry_at.is_none()
                && let Some((request, numbers)) = self.purchases.next_call(term)
            {
                self.call(Call::Take { term, numbers }, request, CALL_DEADLINE, out);
            }
            if self.retry_at.is_none()
                && let Some((request, numbers)) = self.purchases.give_up_call(term)
            {
                self.call(Call::GiveUp { term, numbers }, request, CALL_DEADLINE, out);
            }
            if let Some(tag) = self.reads.next_barrier() {
                self.drive(now, engine::Input::Barrier(tag), out);
            }
            if self.floor_at.is_none() && self.purchases.floor_is_due() {
                self.floor_at = Some(now + FLOOR_DELAY);
            }
        }
        if self.checkpoint_is_due() {
            self.checkpointed = self.ledger.applied().0.0;
            self.checkpointing += 1;
            let snapshot = self.snapshot();
            out.push(Effect::Checkpoint(self.engine.checkpoint(snapshot)));
        }
    }

    fn on_timer(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.stop_at.is_some_and(|at| at <= now) {
            self.stop_at = None;
            out.push(Effect::Stopped);
        }
        if self.hand_over_at.is_some_and(|at| at <= now) {
            self.hand_over_if_full(now, out);
        }
        self.batches.expire(now, out);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
        }
        if self.floor_at.is_some_and(|at| at <= now) {
            self.floor_at = None;
            if let State::Open(term) = self.state
                && let Some(request) = self.purchases.floor_call(term)
            {
                let call = Call::Take { term, numbers: Vec::new() };
                self.call(call, request, CALL_DEADLINE, out);
            }
        }
        if self.engine.next_timer().is_some_and(|at| at <= now) {
            self.drive(now, engine::Input::Timer, out);
        }
    }
}

impl Node for Orders {
    type Status = Status;

    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Start => self.drive(now, engine::Input::Start, out),
            Input::Timer => self.on_timer(now, out),
            Input::Request { token, request } => self.on_request(now, token, request, out),
            Input::Answer { call, answer } => self.on_answer(now, call, answer, out),
            Input::Receive { from, message } => {
                self.drive(now, engine::Input::Receive { from, message }, out);
            }
            Input::Persisted { upto } => self.drive(now, engine::Input::Persisted { upto }, out),
            Input::Checkpointed { index } => {
                self.checkpointing = self.checkpointing.saturating_sub(1);
                self.drive(now, engine::Input::Checkpointed { index }, out);
            }
            Input::Link { node: Address::Order(peer), up } => {
                self.drive(now, engine::Input::Link { peer, up }, out);
            }
            Input::Link { node: Address::Catalog(replica), up } => {
                self.catalog.on_link(replica, up);
            }
            Input::Link { node: Address::Frontend(_), .. } => {}
            Input::DiskFull(full) => self.on_disk_full(now, full, out),
            Input::Stop => self.on_stop(now, out),
        }
        self.go_on(now, out);
    }

    fn next_timer(&self) -> Option<Time> {
        let timers = [
            self.engine.next_timer(),
            self.batches.next_timer(),
            self.retry_at,
            self.floor_at,
            self.hand_over_at,
            self.stop_at,
        ];
        timers.into_iter().flatten().min()
    }

    fn status(&self, _now: Time) -> Status {
        self.make_status()
    }

    fn ready(&self, _now: Time) -> Result<(), String> {
        match (&self.state, self.leader, self.disk_full) {
            (_, _, true) => Err("disk full".to_string()),
            (State::Following, None, _) => Err("no leader is known".to_string()),
            (State::Fencing { .. }, _, _) => Err("the catalog is to fence older terms".to_string()),
            (State::Settling { .. }, _, _) => Err("settling takes of older terms".to_string()),
            (State::Following, Some(_), _) if !self.engine.has_caught_up() => {
                Err(CATCHING_UP.to_string())
            }
            (State::Following, Some(_), _) | (State::Open(_), _, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
