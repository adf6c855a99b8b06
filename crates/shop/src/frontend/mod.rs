//! The frontend: what shoppers talk to. It keeps a cache, a lease, and a belief about who leads.
//!
//! **The idea.** Reads are answered from a cache of the toys asked for last. What makes that right
//! is a *lease*: the catalog promises to let no change become visible before this frontend has
//! dropped the toy, or its lease has run out. Orders are not cached; they go to whoever leads the
//! order service, in batches, and are tried again with the same request id until they are decided.
//!
//! **One read.** The shell calls [`Frontend::hit`] under the node's one mutex: lease live, toy
//! there → the body that was prepared when it was filled. Else `step` with the request: a call
//! `fill tux for frontend-1 g1.4` to the catalog, which remembers that this frontend may hold Tux
//! now; the answer says under which generation it may be kept. A purchase of Tux makes the catalog
//! send `invalidate [tux]`; we drop it, answer `done` at once, and only then does anybody see the
//! new stock.
//!
//! **The rules it keeps.**
//! - A hit needs a live lease, checked with the time of the read (`lease`).
//! - A new generation drops the whole cache; a fill is kept only under the generation it was asked
//!   and answered under, and only if no invalidation passed it (`fills`).
//! - An invalidation is answered in the step that brings it: it waits behind nothing (bug zoo:
//!   pool-deadlock). Errors never enter the cache (bug zoo: error-cached).
//! - Leadership is sticky; a replica that hangs is left by deadline; the search never ends in vain
//!   (`leader`). An order's outcome is unknown, never "failed", once it may have reached somebody
//!   (`orders`).
//!
//! **What is left out**: leases for single toys, which would let the catalog forget one holder
//! without the rest; it costs one generation for the whole cache where a frontend lapses.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `config` | what it is told at its start, and every bound |
//! | `cache` | so many toys, and which of them goes for another |
//! | `lease` | the lease and its generation |
//! | `reads` | a read: hit, fill, or neither; invalidations |
//! | `fills` | products that are being fetched, and who waits |
//! | `leader` | search, watch, notify |
//! | `orders` | orders that wait, in batches |
//! | `questions` | order reads and fates that wait |
//! | `nearby` | order reads that any replica may answer |
//! | `again` | what is to be asked of another replica of the catalog |
//! | `calls` | what an answer is for |
//! | `body` | the lab's JSON, prepared once |
//! | `happened` | what happened to the cache lately, for people |
//! | `status` | what `/status` shows |
//!
//! Called by the shell's `frontend` command, and by the simulator.

mod again;
pub mod body;
mod cache;
mod calls;
mod config;
mod fills;
mod happened;
mod leader;
mod lease;
mod nearby;
mod orders;
mod questions;
mod reads;
mod status;

use replication::{NodeId, Time};

pub use cache::{Cache, Filled, Policy};
pub use config::{CACHE_CAPACITY_DEFAULT, Config, REQUEST_DEADLINE_DEFAULT, Timers};
pub use happened::{Happening, HappeningStatus};
pub use reads::Hit;
pub use status::{Counters, LeaderStatus, LeaseStatus, SlotStatus, Status};

use again::Resting;
use cache::Slot;
use calls::{Calls, Outbox, Purpose};
use config::STOP_DEADLINE;
use fills::Fills;
use happened::Happened;
use leader::Leadership;
use lease::Lease;
use nearby::Nearby;
use orders::{News, Orders};
use questions::Questions;

use crate::catalog_leader::Heard;
use crate::message::{Consistency, Problem, Request};
use crate::node::{Address, Answer, CallId, Effect, Input, Node, Token};

/// A clean stop under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stopping {
    /// When it ends in any case.
    at: Time,
    /// Whether the catalog has still to confirm the end of the lease.
    ending: bool,
    /// Whether [`Effect::Stopped`] was said.
    said: bool,
}

/// One frontend as a pure state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frontend {
    config: Config,
    cache: Cache,
    counters: Counters,
    happened: Happened,
    lease: Lease,
    fills: Fills,
    leadership: Leadership,
    orders: Orders,
    questions: Questions,
    nearby: Nearby,
    calls: Calls,
    looks: usize,
    resting: Resting,
    stopping: Option<Stopping>,
}

impl Frontend {
    /// A frontend that knows nothing yet: no leader, no lease, nothing in its cache.
    pub fn new(config: Config) -> Frontend {
        Frontend {
            cache: Cache::new(config.cache_capacity, config.cache_policy),
            counters: Counters::default(),
            happened: Happened::default(),
            lease: Lease::new(&config),
            fills: Fills::default(),
            leadership: Leadership::new(&config),
            orders: Orders::new(&config),
            questions: Questions::new(&config),
            nearby: Nearby::new(&config),
            calls: Calls::new(config.catalogs),
            looks: 0,
            resting: Resting::default(),
            stopping: None,
            config,
        }
    }

    /// The order replicas that it looks for a leader among; for tests.
    pub fn replicas(&self) -> &[NodeId] {
        self.leadership.replicas()
    }

    fn on_request(&mut self, out: &mut Outbox<'_>, token: Token, request: Request) {
        match request {
            Request::ReadProduct { name, consistency } => {
                self.on_read(out, token, name, consistency);
            }
            Request::ListProducts { .. } => self.look(out, token, request),
            Request::PlaceOrder(order) => self.orders.place(out, token, order),
            Request::ReadOrder { number, consistency: Consistency::Local } => {
                self.nearby.ask(out, &self.leadership, token, number);
            }
            Request::ReadOrder { .. } | Request::ReadFate { .. } | Request::ResolveFate { .. } => {
                self.questions.ask(out, token, request);
            }
            Request::Invalidate { names } => self.on_invalidate(out, token, &names),
            Request::DropCache { catalog } => self.on_drop_cache(out, token, catalog),
            Request::Fill { .. }
            | Request::RenewLease { .. }
            | Request::EndLease { .. }
            | Request::ReadLeader
            | Request::Lead { .. }
            | Request::PlaceOrders(_)
            | Request::PutView { .. }
            | Request::Take { .. }
            | Request::Settle { .. }
            | Request::ListOrders { .. }
            | Request::ReadDigest { .. }
            | Request::ReadMembers
            | Request::ChangeMembers(_)
            | Request::ReadMissed { .. } => {
                let wrong = "a frontend does not answer this kind of request".to_string();
                out.reply(token, Err(Problem::Bad(wrong)));
            }
        }
    }

    fn on_answer(&mut self, out: &mut Outbox<'_>, call: CallId, answer: Answer) {
        let Some((purpose, heard)) = out.calls.finish(call, &answer) else { return };
        match purpose {
            Purpose::Fill => self.on_filled(out, call, heard, answer),
            Purpose::Look { token, request, since } => {
                self.on_looked(out, call, (token, request, since), heard, answer);
            }
            Purpose::Renew { left } => {
                if self.lease.on_renewed(out, left, heard, answer) {
                    self.drop_all(out.now);
                }
            }
            Purpose::Probe => self.lease.on_probed(out.now, &answer),
            Purpose::End if heard == Heard::Hint => self.lease.tell_end(out),
            Purpose::End => {
                if let Some(stopping) = &mut self.stopping {
                    stopping.ending = false;
                }
            }
            Purpose::Watch { reign } => self.leadership.on_watch(out, reign, answer),
            Purpose::Ping { replica, round } => {
                self.leadership.on_ping(out, replica, round, answer);
            }
            Purpose::Lead { replica, round } => {
                self.leadership.on_lead(out, replica, round, answer);
            }
            Purpose::Orders { reign, sequences, again } => {
                let news = self.orders.on_answer(out, sequences, again, answer);
                self.on_news(out, reign, news);
            }
            Purpose::Question { reign, sequence } => {
                let news = self.questions.on_answer(out, sequence, answer);
                self.on_news(out, reign, news);
            }
            Purpose::Near { sequence } => {
                self.nearby.on_answer(out, &self.leadership, sequence, answer);
            }
        }
    }

    fn on_news(&mut self, out: &mut Outbox<'_>, reign: u64, news: News) {
        match news {
            News::Served => self.leadership.served(reign),
            News::Elsewhere(hint) => self.leadership.redirected(out, reign, hint),
            News::Lost => self.leadership.lost(out, reign),
            News::Nothing => {}
        }
    }

    /// What was asked of another replica than the one that leads now is asked again, as if its
    /// deadline had come: a leader that hangs holds nobody longer than it takes to find the next.
    fn leave_old_leader(&mut self, out: &mut Outbox<'_>) {
        for call in out.calls.of_earlier_reigns(self.leadership.reign_begun()) {
            self.on_answer(out, call, Answer::Unknown);
        }
    }

    fn on_stop(&mut self, out: &mut Outbox<'_>) {
        if self.stopping.is_none() {
            let ending = self.lease.end(out);
            self.stopping = Some(Stopping { at: out.now + STOP_DEADLINE, ending, said: false });
        }
    }

    /// Does what is due: every step ends with this, so that a late timer delays nothing.
    fn wake(&mut self, out: &mut Outbox<'_>) {
        self.orders.expire(out);
        self.questions.expire(out);
        self.lease.ask_if_due(out);
        self.ask_again_if_due(out);
        self.leadership.wake_if_due(out);
        if let Some(leader) = self.leadership.leader() {
            self.leave_old_leader(out);
            let deadline = self.config.timers.call;
            self.orders.send(out, leader, deadline);
            self.questions.send(out, leader, deadline);
        }
        let Some(stopping) = &mut self.stopping else { return };
        let reading = self.fills.readers() + self.looks + self.nearby.len();
        let waiting = self.orders.len() + self.questions.len() + reading;
        let over = out.now >= stopping.at;
        if !stopping.said && (over || (!stopping.ending && waiting == 0)) {
            stopping.said = true;
            self.orders.end(out);
            self.questions.end(out);
            self.nearby.end(out);
            self.leadership.end();
            out.effects.push(Effect::Stopped);
        }
    }
}

impl Node for Frontend {
    type Status = Status;

    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        let mut calls = std::mem::replace(&mut self.calls, Calls::new(1));
        let mut out = Outbox { now, calls: &mut calls, effects };
        match input {
            Input::Start => {
                self.lease.start(&mut out);
                self.leadership.start(&mut out);
            }
            Input::Request { token, request } => self.on_request(&mut out, token, request),
            Input::Answer { call, answer } => self.on_answer(&mut out, call, answer),
            Input::Link { node: Address::Order(replica), up } => {
                self.nearby.on_link(replica, up);
                self.leadership.on_link(&mut out, replica, up);
            }
            Input::Link { node: Address::Catalog(replica), up } => {
                out.calls.catalog.on_link(replica, up);
            }
            Input::Stop => self.on_stop(&mut out),
            // It has no log, and asks for the rest by itself.
            Input::Timer
            | Input::Link { node: Address::Frontend(_), .. }
            | Input::Receive { .. }
            | Input::Persisted { .. }
            | Input::Checkpointed { .. }
            | Input::DiskFull(_) => {}
        }
        self.wake(&mut out);
        self.calls = calls;
    }

    fn next_timer(&self) -> Option<Time> {
        let led = self.leadership.leader().is_some();
        [
            self.lease.next_timer(),
            self.resting.next_timer(),
            self.leadership.next_timer(),
            self.orders.next_timer(led),
            self.questions.next_timer(led),
            self.stopping.filter(|stopping| !stopping.said).map(|stopping| stopping.at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn status(&self, now: Time) -> Status {
        let millis = |duration: std::time::Duration| duration.as_millis() as u64;
        let slot = |slot: &Slot| SlotStatus {
            name: slot.product.name.to_string(),
            quantity: slot.product.quantity,
            version: slot.product.version,
            age_ms: millis(now.since(slot.filled_at)),
            hits: slot.hits,
        };
        let leader = self.leadership.known();
        let lease = self.lease.granted(now);
        Status {
            id: self.config.id,
            mode: self.config.invalidation,
            capacity: self.config.cache_capacity,
            policy: self.config.cache_policy,
            leader: leader.map(|known| LeaderStatus { id: known.id, term: known.term }),
            lease: lease.map(|(generation, remaining)| LeaseStatus {
                generation,
                remaining_ms: millis(remaining),
            }),
            cache: self.cache.slots().map(slot).collect(),
            counters: self.counters,
            happened: self.happened.shown(now),
            orders_waiting: self.orders.len(),
            questions_waiting: self.questions.len() + self.nearby.len(),
            readers_waiting: self.fills.readers() + self.looks,
            calls_in_flight: self.calls.in_flight(),
        }
    }

    fn ready(&self, _now: Time) -> Result<(), String> {
        if self.stopping.is_some() {
            return Err("the frontend stops".to_string());
        }
        self.lease.ready()?;
        match self.leadership.leader() {
            Some(_) => Ok(()),
            None => Err("no leader of the order service is known".to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
