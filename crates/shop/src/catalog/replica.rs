//! One replica of the catalog, or the only one: the engine under it, following another replica, and
//! handing the lead over.
//!
//! A replica that follows applies what is committed and refuses everybody, with a hint who leads.
//! Everything volatile belongs to one reign: it begins when [`Command::Begin`](super::command)
//! of the new leader is committed, and is dropped when the reign ends. Whoever waits is told to ask
//! the leader; what it asked for may be done or not, and can be asked for again without harm.
//!
//! Part of [`Catalog`]; called by its `step`.

use std::time::Duration;

use replication::log::{Recovered, Snapshot};
use replication::planted::{Bug, planted};
use replication::protocol::HAND_OVER;
use replication::single::Single;
use replication::{Engine, Entry, Index, NodeId, Term, Time, engine};

use super::leases::Leases;
use super::proposal::{Proposal, Then};
use super::stock::Stock;
use super::{Catalog, Config, Phase, reply};
use crate::message::Problem;
use crate::node::{Effect, Token};

/// What agrees on the log.
#[derive(Debug)]
pub(super) enum Group {
    /// A node without peers.
    Alone(Single),
    /// One of several, or one that may become so.
    Replica {
        /// Its id.
        id: NodeId,
        /// Whether there are others.
        peers: bool,
        /// Its engine.
        engine: Box<dyn Engine>,
    },
}

impl Group {
    pub(super) fn new(config: &Config, recovered: &Recovered) -> Group {
        match &config.replica {
            None => Group::Alone(Single::new(NodeId(1), recovered)),
            Some(replica) => Group::Replica {
                id: replica.id,
                peers: !replica.peers.is_empty(),
                engine: replica.start(recovered),
            },
        }
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        match self {
            Group::Alone(engine) => engine,
            Group::Replica { engine, .. } => engine.as_ref(),
        }
    }

    pub(super) fn engine_mut(&mut self) -> &mut dyn Engine {
        match self {
            Group::Alone(engine) => engine,
            Group::Replica { engine, .. } => engine.as_mut(),
        }
    }

    pub(super) fn id(&self) -> NodeId {
        match self {
            Group::Alone(_) => NodeId(1),
            Group::Replica { id, .. } => *id,
        }
    }

    /// Whether another one may lead.
    pub(super) fn has_peers(&self) -> bool {
        match self {
            Group::Alone(_) => false,
            Group::Replica { peers, .. } => *peers,
        }
    }

    /// Whether a checkpoint may be written: the term of a node that is alone is not durable before
    /// it leads.
    pub(super) fn may_checkpoint(&self) -> bool {
        match self {
            Group::Alone(engine) => engine.leading(),
            Group::Replica { .. } => true,
        }
    }
}

impl Catalog {
    /// Passes an input to the engine. What leaves the process is done at once, so that records
    /// stand in the order in which the engine made them; what is meant for the catalog waits for
    /// [`Catalog::hear`], for it may lead to the next input.
    pub(super) fn drive(&mut self, now: Time, input: engine::Input, effects: &mut Vec<Effect>) {
        let mut said = Vec::new();
        self.group.engine_mut().step(now, input, &mut said);
        for effect in said {
            match effect {
                engine::Effect::Persist(record) => effects.push(Effect::Persist(record)),
                engine::Effect::Send { to, message } => effects.push(Effect::Send { to, message }),
                engine::Effect::Warn(text) => effects.push(Effect::Warn(text)),
                // Those that it began with: nobody can ask a catalog for others.
                engine::Effect::Members(_) => {}
                engine::Effect::Apply(_)
                | engine::Effect::Install(_)
                | engine::Effect::AskView { .. }
                | engine::Effect::NotInSync(_)
                | engine::Effect::WantSnapshot
                | engine::Effect::Leading(_)
                | engine::Effect::Following { .. }
                | engine::Effect::Passed(_)
                | engine::Effect::Failed(_)
                | engine::Effect::Changed { .. }
                | engine::Effect::Discard { .. } => self.said.push_back(effect),
            }
        }
    }

    /// Does what the engine said, in order.
    pub(super) fn hear(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(effect) = self.said.pop_front() {
            match effect {
                engine::Effect::Apply(entry) => self.on_apply(now, &entry, effects),
                engine::Effect::Leading(_) => {
                    self.step_down(effects);
                    if self.phase != Phase::Stopped {
                        self.phase = Phase::Starting;
                        self.leader = Some(self.group.id());
                        self.record_catalogue(now, effects);
                        self.hand_over_if_full(now, effects);
                    }
                }
                engine::Effect::Following { leader } => self.on_following(leader, effects),
                engine::Effect::Passed(tag) => {
                    for (token, request) in self.reads.finish(tag) {
                        self.answer(now, token, request, true, effects);
                    }
                }
                engine::Effect::Failed(tag) => {
                    for (token, _) in self.reads.finish(tag) {
                        reply(effects, token, Err(self.not_leader()));
                    }
                }
                engine::Effect::WantSnapshot => {
                    let (index, term) = self.chores.applied();
                    let snapshot = Snapshot { index, term, state: self.stock.snapshot() };
                    self.drive(now, engine::Input::Snapshot(snapshot), effects);
                }
                engine::Effect::Install(snapshot) => self.on_install(now, snapshot, effects),
                engine::Effect::Persist(_)
                | engine::Effect::Send { .. }
                | engine::Effect::Warn(_)
                | engine::Effect::AskView { .. }
                | engine::Effect::NotInSync(_)
                | engine::Effect::Members(_)
                | engine::Effect::Changed { .. }
                | engine::Effect::Discard { .. } => {
                    unreachable!("a majority asks no arbiter and loses nothing: {effect:?}")
                }
            }
        }
    }

    /// Whether an answer is that of the leader at this moment, or the question must wait for a read
    /// barrier first. `confirmed`: one passed that began after the question came.
    pub(super) fn certain(&self, confirmed: bool) -> bool {
        confirmed || !self.group.has_peers() || planted(Bug::CatalogUnconfirmed)
    }

    /// Whom to ask instead of this replica.
    pub(super) fn not_leader(&self) -> Problem {
        Problem::NotLeader { leader: self.leader.filter(|id| *id != self.group.id()) }
    }

    /// A snapshot from the leader takes the place of everything.
    fn on_install(&mut self, now: Time, snapshot: Snapshot, effects: &mut Vec<Effect>) {
        match Stock::restore(&snapshot.state) {
            Ok(stock) => {
                self.stock = stock;
                self.chores.begin_checkpoint((snapshot.index, snapshot.term));
                let checkpoint = self.group.engine_mut().checkpoint(snapshot);
                effects.push(Effect::Checkpoint(checkpoint));
            }
            Err(problem) => {
                let text = format!("a snapshot from the leader is refused: {problem}");
                effects.push(Effect::Warn(text));
                let index = snapshot.index;
                self.drive(now, engine::Input::NotInstalled { index }, effects);
            }
        }
    }

    /// Another replica leads, or may lead.
    fn on_following(&mut self, leader: Option<NodeId>, effects: &mut Vec<Effect>) {
        self.leader = leader;
        self.step_down(effects);
        if self.phase == Phase::Following && self.stop_at.take().is_some() {
            self.finish(effects);
        }
    }

    /// A reign is over: everything volatile goes, whoever waits is sent away.
    fn step_down(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Following | Phase::Stopped => return,
            Phase::Starting | Phase::Revoking | Phase::Open | Phase::Stopping | Phase::Closing => {}
        }
        self.phase = Phase::Following;
        self.hand_over_at = None;
        self.abandon_proposals(effects);
        let visibility = std::mem::take(&mut self.visibility);
        let reads = self.reads.abandon().into_iter().map(|(token, _)| token);
        let tokens: Vec<Token> = visibility.tokens().chain(reads).collect();
        for token in tokens {
            reply(effects, token, Err(self.not_leader()));
        }
        self.leases = Leases::new(self.config.lease);
        self.chores.step_down();
    }

    /// An entry that another leader put where one of this node's was to stand: what was proposed
    /// there and behind it is lost.
    pub(super) fn notice_other_leader(&mut self, entry: &Entry, effects: &mut Vec<Effect>) {
        let displaced = |proposal: &Proposal| {
            proposal.index <= entry.index
                && (proposal.index, proposal.term) != (entry.index, entry.term)
        };
        if self.proposals.front().is_some_and(displaced) {
            self.abandon_proposals(effects);
        }
    }

    fn abandon_proposals(&mut self, effects: &mut Vec<Effect>) {
        for proposal in std::mem::take(&mut self.proposals) {
            self.abandon(proposal, effects);
        }
    }

    /// A command may be in the log or not, and this node will not hear of it: it leads no more, or
    /// hands its lead over.
    pub(super) fn abandon(&mut self, proposal: Proposal, effects: &mut Vec<Effect>) {
        for toy in &proposal.touches {
            self.visibility.applied(*toy);
        }
        match proposal.then {
            Then::AnswerTakes { token, .. }
            | Then::Answer { token }
            | Then::Grant { token, .. } => {
                reply(effects, token, Err(self.not_leader()));
            }
            Then::Restocked { .. } => self.chores.restocking = false,
            // The next leader begins anew; a stop is bounded in time.
            Then::Nothing
            | Then::Recorded { .. }
            | Then::Begun
            | Then::Unregistered { .. }
            | Then::Closed => {}
        }
    }

    /// A leader without room lets another lead: it could decide nothing. Again and again, for it
    /// may fail when the others are busy.
    pub(super) fn hand_over_if_full(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let leads = !matches!(self.phase, Phase::Following | Phase::Stopped);
        let should = self.disk_full && self.group.has_peers() && leads;
        self.hand_over_at = should.then_some(now + HAND_OVER);
        if should {
            self.drive(now, engine::Input::HandOver, effects);
        }
    }

    /// The process ends as soon as another replica leads, if there is one.
    pub(super) fn leave(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if !self.group.has_peers() {
            return self.finish(effects);
        }
        self.phase = Phase::Closing;
        self.stop_at = Some(now + HAND_OVER);
        self.drive(now, engine::Input::HandOver, effects);
    }

    /// How long a stop may take where a majority may be out of reach: as long as the leases that
    /// are taken back, and a while.
    pub(super) fn stop_bound(&self) -> Duration {
        self.leases.wait() + HAND_OVER
    }

    /// What is due.
    pub(super) fn on_timer(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.stop_at.is_some_and(|at| at <= now) {
            self.stop_at = None;
            self.finish(effects);
        }
        if self.hand_over_at.is_some_and(|at| at <= now) {
            self.hand_over_if_full(now, effects);
        }
        if self.group.engine().next_timer().is_some_and(|at| at <= now) {
            self.drive(now, engine::Input::Timer, effects);
        }
    }

    /// The term of an entry that was offered for this place, if the engine took it: it takes none
    /// while it hands its lead over, or when it has lost it.
    pub(super) fn taken_at(&self, index: Index, command: &[u8]) -> Option<Term> {
        let entry = self.group.engine().log().get(index)?;
        (entry.command == command).then_some(entry.term)
    }
}
