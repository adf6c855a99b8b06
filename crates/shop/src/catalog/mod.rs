//! The catalog service: stock, takes, restock, leases, and the view.
//!
//! # The idea
//!
//! The catalog owns three things that must never be lost or doubled: how many of each toy there
//! are, which takes have happened, and who may lead the order replicas. They are one deterministic
//! state machine, [`stock::Stock`], over a log that an engine makes durable
//! ([`replication::single`], one node). Around it stands what may be forgotten in a crash, since it
//! ends by itself: the leases of the frontends ([`leases`]) and what readers see of a change that
//! is still on its way ([`visibility`]).
//!
//! ```text
//!  take ──► propose ──────────────► persist ──► apply ──┐
//!              │                                         ├──► visible ──► answer
//!              └─► invalidate the holders ──► acks or ──┘
//!                                             lapse
//! ```
//!
//! # One purchase here
//!
//! 1. A batch of takes comes from the order leader. Those that are known already have their answer;
//!    the others become one [`command`], proposed and persisted with whatever else waits.
//! 2. At the same moment each frontend that may hold one of these toys is told to drop it
//!    (`Invalidate`), so that network and disk overlap. From now on readers get the last visible
//!    state, and nobody may cache it.
//! 3. The record is durable: `Stock::apply` decides each take, once and for all.
//! 4. The change is visible when every holder acknowledged, or its lease has run out. Then the take
//!    is answered; an item that takes longer is answered *pending* and asked again.
//!
//! # Rules
//!
//! - At most one take for each request, and the same answer to whoever repeats it ([`takes`]).
//! - A new view fences lower terms and lists what they left unsettled, in one step ([`view`]).
//!   Nothing is taken before that is settled.
//! - A toy's version rises by one with each change: take, give-back, restock. No reader sees a
//!   version before nobody can be shown an older one.
//! - A cacheable answer goes only to a live lease of the generation that the asker names, and only
//!   while no change of the toy is on its way.
//! - At start the last run's leases are revoked; nothing is read or taken until each registered
//!   frontend has acknowledged, or a full lease has passed.
//! - Pieces neither appear nor vanish: initial + restocked = in stock + sold + unsettled.
//!
//! # What is left out
//!
//! A catalog of several replicas: the state machine is ready for it, the node is not (grants and
//! cacheable answers would need read barriers). With invalidation mode `push` or `ttl` the promises
//! about reads do not hold, as is their nature.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`catalogue`] | what a new store sells |
//! | [`command`] | what is in the log |
//! | [`stock`], [`shelf`], [`takes`], [`view`] | the durable state machine |
//! | [`leases`], [`visibility`] | the volatile part |
//! | `serve` | reads, takes, views, settlements |
//! | `registration` | which frontends may have a lease |
//! | `lifecycle` | starting, restocking, checkpoints, stopping |
//! | `proposal` | a command on its way, and what waits for it |
//! | `config` | what it is started with |
//! | [`status`] | what people see |

use std::collections::VecDeque;

use bytes::Bytes;
use replication::log::Recovered;
use replication::planted::{Bug, planted};
use replication::single::Single;
use replication::{Engine, Entry, NodeId, Time, engine};

use crate::invalidation::Invalidation;
use crate::message::{Problem, Reply, Request, Response};
use crate::node::{Answer, Effect, Input, Node, Token};

pub mod catalogue;
pub mod command;
mod config;
pub mod leases;
mod lifecycle;
mod proposal;
mod registration;
mod serve;
pub mod shelf;
pub mod status;
pub mod stock;
pub mod takes;
pub mod view;
pub mod visibility;

use self::command::{Command, ToyId};
pub use self::config::{Config, RESTOCK_INTERVAL, RESTOCK_LEVEL};
use self::leases::Leases;
use self::proposal::{Proposal, Then};
pub use self::registration::{FRONTENDS_MAX, URL_BYTES_MAX};
pub use self::serve::{LIST_LIMIT_MAX, TAKE_ITEMS_MAX, TAKES_MAX};
use self::status::Status;
use self::stock::{Applied, PutBack, Restocked, Stock};
use self::visibility::Visibility;

/// The most commands that are proposed and not yet applied. A disk that is so far behind is better
/// refused new work.
pub const PROPOSALS_MAX: usize = 1024;

/// Changes of the stock that nobody asked for: so many of each kind are remembered, more than one
/// change of the leader, or one restock, makes.
pub const CHANGES_KEPT: usize = 256;

/// Where the process stands between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Its beginning is not durable yet.
    Starting,
    /// The leases of the last run are being revoked: no read, no take.
    Revoking,
    /// It serves.
    Open,
    /// It was asked to stop, and takes its leases back.
    Stopping,
    /// No lease is left; that is being recorded.
    Closing,
    /// The process may end.
    Stopped,
}

/// The catalog node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Catalog {
    config: Config,
    engine: Single,
    /// Everything that is durable, up to the last applied entry.
    stock: Stock,
    leases: Leases,
    visibility: Visibility,
    phase: Phase,
    /// When the process started: no lease of an earlier run was granted after this.
    started: Time,
    /// In log order; each is applied in its turn.
    proposals: VecDeque<Proposal>,
    /// The last call's number.
    calls: u64,
    /// Housekeeping: restocks, silent frontends, checkpoints.
    chores: lifecycle::Chores,
    /// The disk has no room: nothing that needs the log is accepted.
    disk_full: bool,
    /// The last takes that were put back.
    put_back: VecDeque<PutBack>,
    /// The last restocks.
    restocked: VecDeque<Restocked>,
}

impl Catalog {
    /// A catalog on what was found on its disk.
    ///
    /// # Errors
    /// If the disk holds what this version cannot read, or the catalogue given has no toys or too
    /// many.
    pub fn new(config: Config, recovered: &Recovered) -> Result<Catalog, String> {
        let toys = config.toys.as_ref().map_or(1, Vec::len);
        if toys == 0 || toys > catalogue::TOYS_MAX {
            return Err(format!("a catalogue has 1 to {} toys, not {toys}", catalogue::TOYS_MAX));
        }
        let stock = Stock::restore(&recovered.checkpoint.snapshot.state)?;
        // Applied at start; looked at here, where an error can still be told.
        let engine = Single::new(NodeId(1), recovered);
        let log = engine.log();
        for entry in log.from(log.start().next(), usize::MAX) {
            Command::decode(&entry.command)?;
        }
        Ok(Catalog {
            leases: Leases::new(config.lease),
            config,
            engine,
            stock,
            visibility: Visibility::default(),
            phase: Phase::Starting,
            started: Time::default(),
            proposals: VecDeque::new(),
            calls: 0,
            chores: lifecycle::Chores::default(),
            disk_full: false,
            put_back: VecDeque::new(),
            restocked: VecDeque::new(),
        })
    }

    /// The durable state, as far as it is applied; for tests and digests.
    pub fn stock(&self) -> &Stock {
        &self.stock
    }

    /// The takes that were put back since this was asked last; the last [`CHANGES_KEPT`] of them.
    /// A start tells those since the last checkpoint again.
    pub fn take_put_back(&mut self) -> VecDeque<PutBack> {
        std::mem::take(&mut self.put_back)
    }

    /// The same for restocks.
    pub fn take_restocked(&mut self) -> VecDeque<Restocked> {
        std::mem::take(&mut self.restocked)
    }

    /// Passes an input to the engine, and does what it says.
    fn drive(&mut self, now: Time, input: engine::Input, effects: &mut Vec<Effect>) {
        let mut said = Vec::new();
        self.engine.step(now, input, &mut said);
        for effect in said {
            match effect {
                engine::Effect::Persist(record) => effects.push(Effect::Persist(record)),
                engine::Effect::Apply(entry) => self.on_apply(now, &entry, effects),
                engine::Effect::Leading(_) => self.on_leading(now, effects),
                engine::Effect::Send { .. }
                | engine::Effect::Install(_)
                | engine::Effect::Changed { .. }
                | engine::Effect::Members(_)
                | engine::Effect::AskView { .. }
                | engine::Effect::NotInSync(_)
                | engine::Effect::WantSnapshot
                | engine::Effect::Following { .. }
                | engine::Effect::Passed(_)
                | engine::Effect::Failed(_)
                | engine::Effect::Warn(_)
                | engine::Effect::Discard { .. } => {
                    unreachable!("one node has no peers and was asked for no barrier: {effect:?}")
                }
            }
        }
    }

    /// Offers a command to the log. The toys that it may change are *changing* from now on, and
    /// whoever may hold one is told before the record is written, so that both overlap.
    fn propose(
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
        let index = self.engine.log().last().next();
        self.proposals.push_back(Proposal { index, touches, then });
        let commands: Vec<Bytes> = vec![command.encode()];
        self.drive(now, engine::Input::Propose(commands), effects);
    }

    fn on_apply(&mut self, now: Time, entry: &Entry, effects: &mut Vec<Effect>) {
        self.chores.count(entry);
        let command = Command::decode(&entry.command);
        let applied =
            self.stock.apply(command.expect("this process wrote it, or read it at start"));
        match &applied {
            Applied::Settled(Ok(put_back)) => keep_last(&mut self.put_back, put_back),
            Applied::Restocked(restocked) => keep_last(&mut self.restocked, restocked),
            Applied::Settled(Err(_)) | Applied::Done | Applied::Takes(_) | Applied::View(_) => {}
        }
        if self.proposals.front().is_none_or(|proposal| proposal.index != entry.index) {
            // Recovery: nobody waits for it.
            return;
        }
        let proposal = self.proposals.pop_front().expect("it was just looked at");
        for toy in &proposal.touches {
            self.visibility.applied(*toy);
            if self.config.invalidation == Invalidation::Push
                && !self.visibility.current(*toy, self.stock.shelf(*toy))
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
            Then::Restocked => self.chores.restocking = false,
            Then::Closed => self.finish(effects),
        }
    }

    /// Lets readers see what is applied, of those toys of which nobody can be shown an older state.
    fn show(&mut self, toys: impl IntoIterator<Item = ToyId>) {
        for toy in toys {
            if !self.leases.owed(toy) || planted(Bug::LateInvalidate) {
                self.visibility.show(toy, self.stock.shelf(toy));
            }
        }
    }

    /// Tells the frontends what they must drop.
    fn call(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.leases.calls(now, &self.stock, &mut self.calls, effects);
    }
}

/// Adds to what is remembered, and forgets the oldest.
fn keep_last<T: Clone>(kept: &mut VecDeque<T>, new: &[T]) {
    kept.extend(new.iter().cloned());
    while kept.len() > CHANGES_KEPT {
        kept.pop_front();
    }
}

impl Node for Catalog {
    type Status = Status;

    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        // Leases end by the clock, whether or not the timer came in time.
        self.lapse(now, effects);
        match input {
            Input::Start => {
                self.started = now;
                self.drive(now, engine::Input::Start, effects);
            }
            Input::Timer => {}
            Input::Request { token, request } => self.on_request(now, token, request, effects),
            Input::Answer { call, answer } => {
                let done = matches!(answer, Answer::Said(Ok(Reply::Done)));
                let answered = self.leases.answered(now, call, done);
                self.on_answered(now, answered, effects);
            }
            Input::Persisted { upto } => {
                self.drive(now, engine::Input::Persisted { upto }, effects);
            }
            Input::Checkpointed { index } => {
                self.chores.checkpointed();
                self.drive(now, engine::Input::Checkpointed { index }, effects);
            }
            Input::Link { node, up } => self.on_link(node, up),
            Input::DiskFull(full) => self.on_disk_full(full, effects),
            Input::Stop => self.on_stop(now, effects),
            // One node has no peers.
            Input::Receive { .. } => {}
        }
        self.visibility.answer_ready(now, &self.stock, effects);
        self.call(now, effects);
        self.do_chores(now, effects);
    }

    fn next_timer(&self) -> Option<Time> {
        let chores = self.next_chore();
        [self.leases.next_timer(), self.visibility.next_timer(), chores].into_iter().flatten().min()
    }

    fn status(&self, now: Time) -> Status {
        self.status_at(now)
    }

    fn ready(&self, now: Time) -> Result<(), String> {
        self.open(now)
    }
}

/// An answer to a request.
fn reply(effects: &mut Vec<Effect>, token: Token, response: Response) {
    effects.push(Effect::Reply { token, response });
}

/// A request that belongs to another kind of node.
fn misdirected(request: &Request) -> Problem {
    Problem::Bad(format!("the catalog does not answer this: {request}"))
}

#[cfg(test)]
mod tests;
