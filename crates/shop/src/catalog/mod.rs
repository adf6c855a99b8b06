//! The catalog service: stock, takes, restock, leases, and the view.
//!
//! # The idea
//!
//! The catalog owns three things that must never be lost or doubled: how many of each toy there
//! are, which takes have happened, and who may lead the order replicas. They are one deterministic
//! state machine, [`stock::Stock`], over a log that an engine makes durable
//! ([`replication::single`] where the catalog is one node, else one that elects its leader by a
//! majority). Around it stands what may be forgotten in a crash, since it
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
//! # Several replicas
//!
//! One leads, the others apply what it commits and refuse everybody with a hint who leads (but for
//! reads at level `local`). What is volatile belongs to a reign. A new leader commits `Begin`, by
//! which generations of the old one are known as such, and takes its leases back as after a
//! restart; for those that stay silent it waits a full lease *from that commit on*, since the old
//! one granted until it was deposed, and may not know yet that it was. Hence the second rule:
//! whatever is answered without a commit (a fill, a list, a renewal, what a known take did) waits
//! for a read barrier that began after the question. A leader that is cut off passes none, so it
//! grants and shows nothing. A grant that it gave before and that arrives late is no harm: the
//! frontend counts it from before it asked, and takes no generation below one that was revoked.
//!
//! Whoever waits at a leader that is deposed is sent to another one. What it asked for may be done,
//! and be asked for again: takes have numbers, views are compared, settling and registering say the
//! same twice.
//!
//! # What is left out
//!
//! Replicas that follow answer local reads only: others cost the leader a round trip to a majority,
//! shared by all that wait. With invalidation mode `push` or `ttl` the promises about reads do not
//! hold, as is their nature.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`catalogue`] | what a new store sells |
//! | [`command`] | what is in the log |
//! | [`stock`], [`shelves`], [`shelf`], [`takes`], [`view`] | the durable state machine |
//! | `snapshot` | its bytes |
//! | [`leases`], [`visibility`] | the volatile part |
//! | `serve`, `taking` | reads, views, settlements; takes |
//! | `registration` | which frontends may have a lease |
//! | `lifecycle` | starting, restocking, checkpoints, stopping |
//! | `recording` | what a new store sells, into the log |
//! | [`recovered`] | what a disk holds that no process runs on |
//! | `proposal` | a command on its way, and what waits for it |
//! | `replica` | the engine; following, handing the lead over |
//! | `config` | what it is started with |
//! | [`status`] | what people see |

use std::collections::VecDeque;

use replication::log::Recovered;
use replication::planted::{Bug, planted};
use replication::{Index, NodeId, Term, Time, engine};

use crate::message::{Problem, Reply, Request, Response};
use crate::node::{Answer, Effect, Input, Node, Token};
use crate::reads::Reads;

pub mod catalogue;
pub mod command;
mod config;
pub mod leases;
mod lifecycle;
mod proposal;
mod recording;
pub mod recovered;
mod registration;
mod replica;
mod serve;
pub mod shelf;
pub mod shelves;
mod snapshot;
pub mod status;
pub mod stock;
pub mod takes;
mod taking;
pub mod view;
pub mod visibility;

use self::command::{Command, ToyId};
pub use self::config::{Config, RESTOCK_INTERVAL, RESTOCK_LEVEL};
use self::leases::Leases;
use self::proposal::{Proposal, Then};
pub use self::registration::{FRONTENDS_MAX, URL_BYTES_MAX};
use self::replica::Group;
pub use self::serve::{LIST_LIMIT_MAX, TAKE_ITEMS_MAX, TAKES_MAX};
use self::status::Status;
use self::stock::{PutBack, Restocked, Stock};
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
    /// Another replica leads, or none.
    Following,
}

/// The catalog node.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub struct Catalog {
    config: Config,
    group: Group,
    /// What the engine said that is to be done still; empty between two steps.
    said: VecDeque<engine::Effect>,
    /// Who leads the replicas of the catalog, as far as is known.
    leader: Option<NodeId>,
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
    /// Questions that wait for a read barrier, where there are other replicas.
    reads: Reads<Request>,
    /// When to try again to hand the lead over, for want of room on the disk.
    hand_over_at: Option<Time>,
    /// Asked to stop, with other replicas: when to do so in any case.
    stop_at: Option<Time>,
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
        let group = Group::new(&config, recovered);
        let log = group.engine().log();
        let entries = log.from(log.start().next(), usize::MAX).iter();
        for entry in entries.filter(|entry| !entry.command.is_empty()) {
            Command::decode(&entry.command)?;
        }
        let snapshot = &recovered.checkpoint.snapshot;
        let phase = if config.replica.is_some() { Phase::Following } else { Phase::Starting };
        Ok(Catalog {
            leases: Leases::new(config.lease),
            config,
            group,
            said: VecDeque::new(),
            leader: None,
            stock,
            visibility: Visibility::default(),
            phase,
            started: Time::default(),
            proposals: VecDeque::new(),
            calls: 0,
            chores: lifecycle::Chores::after(snapshot.index, snapshot.term),
            disk_full: false,
            put_back: VecDeque::new(),
            restocked: VecDeque::new(),
            reads: Reads::default(),
            hand_over_at: None,
            stop_at: None,
        })
    }

    /// The durable state, as far as it is applied; for tests and digests.
    pub fn stock(&self) -> &Stock {
        &self.stock
    }

    /// The last entry of the log that is in that state.
    pub fn applied(&self) -> Index {
        self.chores.applied().0
    }

    /// The term under which this node leads, if it does; for tests and digests.
    pub fn leads_under(&self) -> Option<Term> {
        let leads = !matches!(self.phase, Phase::Following | Phase::Stopped);
        leads.then(|| self.group.engine().status().term)
    }

    /// The takes that were put back since this was asked last; the last [`CHANGES_KEPT`] of them.
    /// A start tells those since the last checkpoint again. Of several replicas only the leader
    /// tells, and a new one tells again what the old one did.
    pub fn take_put_back(&mut self) -> VecDeque<PutBack> {
        let tells = self.phase != Phase::Following;
        if tells { std::mem::take(&mut self.put_back) } else { VecDeque::new() }
    }

    /// The same for restocks.
    pub fn take_restocked(&mut self) -> VecDeque<Restocked> {
        let tells = self.phase != Phase::Following;
        if tells { std::mem::take(&mut self.restocked) } else { VecDeque::new() }
    }

    /// Lets readers see what is applied, of those toys of which nobody can be shown an older state.
    fn show(&mut self, toys: impl IntoIterator<Item = ToyId>) {
        for toy in toys {
            if !self.leases.owed(toy) || planted(Bug::LateInvalidate) {
                self.visibility.show(toy, &self.stock.shelf(toy));
            }
        }
    }

    /// Tells the frontends what they must drop.
    fn call(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.leases.calls(now, &self.stock, &mut self.calls, effects);
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
            Input::Timer => self.on_timer(now, effects),
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
            Input::Link { node, up } => self.on_link(now, node, up, effects),
            Input::DiskFull(full) => self.on_disk_full(now, full, effects),
            Input::Stop => self.on_stop(now, effects),
            Input::Receive { from, message } => {
                self.drive(now, engine::Input::Receive { from, message }, effects);
            }
        }
        loop {
            self.hear(now, effects);
            self.visibility.answer_ready(now, &self.stock, effects);
            self.call(now, effects);
            self.do_chores(now, effects);
            if self.said.is_empty() {
                break;
            }
        }
    }

    fn next_timer(&self) -> Option<Time> {
        let timers = [
            self.leases.next_timer(),
            self.visibility.next_timer(),
            self.next_chore(),
            self.group.engine().next_timer(),
            self.hand_over_at,
            self.stop_at,
        ];
        timers.into_iter().flatten().min()
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
