//! The shopper: the client's algorithm, and the store's first witness.
//!
//! **The idea.** Look at a random toy; if it is in stock, order some with probability p; n times.
//! Write down every order that was recorded. At the end (if p > 0) read each of them again and
//! compare. One that is told to look orders up also reads some of them in between.
//!
//! **One order.** `order Tux x2` goes to a frontend under the key `toystore-5eed-1-0`. The frontend
//! dies. After 2 s the shopper tries the next one *under the same key*: if the first attempt was
//! recorded after all, the ledger gives the recorded number and nothing is bought twice (bug zoo:
//! double-buy). After three retries it gives up: the outcome is *unknown*, not "failed". Unknown
//! orders are asked about at the end by repeating them once more, which the key makes harmless.
//!
//! **The rules it keeps.**
//! - The same request, byte for byte, in every attempt (`errand`).
//! - Every choice comes from the seed, and does not depend on what the store answers (`plan`).
//! - An order counts as matched only if the store says the same number, toy and quantity; one whose
//!   outcome stayed unknown counts against the store ([`Summary::all_matched`]).
//!
//! | file | what it holds |
//! | --- | --- |
//! | `config` | what it is told at its start |
//! | `stage` | what it is at |
//! | `plan` | what it does next, drawn from the seed |
//! | `errand` | one request until it is answered or given up |
//! | `pace` | when requests are meant to begin, in an open loop |
//! | `book` | where it writes down what happened |
//! | `record` | what it writes down |
//!
//! Called by the shell's `client` and `demo` commands, and by the simulator.

mod book;
mod config;
mod errand;
mod pace;
mod plan;
mod record;
mod stage;

use replication::Time;
use serde::Serialize;

pub use config::{
    CALL_DEADLINE_DEFAULT, Config, Draw, Probability, REQUESTS_DEFAULT, RETRIES_DEFAULT,
    RETRY_INTERVAL_DEFAULT,
};
pub use pace::{LATE_MAX, Pace};
pub use record::{Difference, Kind, OrderLine, Outcome, Sample, Side, Summary};

use book::Book;
use errand::{Doing, Errand, Next};
use pace::Beat;
use plan::Plan;
use stage::Stage;

use crate::message::{NewOrder, Reply, Request, RequestId};
use crate::node::{Address, Answer, CallId, Effect, Input, Node};
use crate::toy::{Quantity, ToyName};

/// Toys on one page of the list.
const PAGE: u32 = 100;

/// Toys that a shopper can choose from; further ones it never looks at.
const TOYS_MAX: usize = 10_000;

/// What `/status` would show of a shopper: how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its number.
    pub session: u32,
    /// Rounds done.
    pub done: u32,
    /// Rounds in all.
    pub total: u32,
    /// What it has written down so far.
    pub summary: Summary,
}

/// One shopper as a pure state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shopper {
    config: Config,
    plan: Plan,
    toys: Vec<ToyName>,
    stage: Stage,
    errand: Option<Errand>,
    /// What it looks up when this round is over, see [`plan::Round`].
    lookup: Option<u32>,
    /// When it began to read again what was recorded.
    compares_since: Option<Time>,
    /// The place in `config.frontends` of the one in use.
    frontend: usize,
    calls: u64,
    /// When its requests are meant to begin.
    beat: Option<Beat>,
    book: Book,
}

impl Shopper {
    /// A shopper that has not begun.
    ///
    /// # Panics
    /// If it has no frontend to go to.
    pub fn new(config: Config) -> Shopper {
        assert!(!config.frontends.is_empty(), "a shopper needs a frontend");
        Shopper {
            plan: Plan::new(&config),
            toys: config.toys.clone(),
            stage: Stage::New,
            errand: None,
            lookup: None,
            compares_since: None,
            frontend: 0,
            calls: 0,
            beat: config.pace.map(Beat::new),
            book: Book::new(&config),
            config,
        }
    }

    /// The `Idempotency-Key` of an order that is under way: what goes over HTTP in its place.
    pub fn key_of(&self, request_id: RequestId) -> Option<&str> {
        self.book.key_of(request_id)
    }

    /// The orders recorded since this was called last.
    pub fn take_orders(&mut self) -> Vec<OrderLine> {
        self.book.take_orders()
    }

    /// The requests finished since this was called last.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        self.book.take_samples()
    }

    /// The requests that were given up since this was called last: they would have begun more than
    /// [`LATE_MAX`] late.
    pub fn take_given_up(&mut self) -> u64 {
        self.beat.as_mut().map_or(0, |beat| std::mem::take(&mut beat.given_up))
    }

    /// Whether it has nothing more to do.
    pub fn finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// No round begins any more: it finishes what it is at, compares what was recorded, and ends.
    pub fn end_rounds(&mut self) {
        self.plan.end();
    }

    /// What it has written down so far; final once it is finished.
    pub fn summary(&self) -> &Summary {
        self.book.summary()
    }

    /// Rounds done, and rounds in all: for a progress bar.
    pub fn progress(&self) -> (u32, u32) {
        (self.config.requests - self.plan.left(), self.config.requests)
    }

    fn call(&mut self, request: Request, effects: &mut Vec<Effect>) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        let to = Address::Frontend(self.config.frontends[self.frontend]);
        effects.push(Effect::Call { call, to, request, deadline: self.config.call_deadline });
        call
    }

    fn begin(&mut self, now: Time, stage: Stage, request: Request, effects: &mut Vec<Effect>) {
        let beat = self.beat.as_mut().filter(|_| stage.is_paced());
        let begins = beat.map_or(now, |beat| beat.next(now));
        self.stage = stage;
        let mut errand = Errand::new(request, begins, self.compares_since.unwrap_or(now));
        if begins <= now {
            errand.call(now, self.call(errand.request.clone(), effects));
        }
        self.errand = Some(errand);
    }

    fn begin_page(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (after, consistency) = (self.toys.last().cloned(), self.config.consistency);
        let request = Request::ListProducts { after, limit: PAGE, consistency };
        self.begin(now, Stage::Listing, request, effects);
    }

    /// What the round looks up; the next round after a pause, if there is to be one.
    fn end_round(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let Some(number) = self.lookup.take().and_then(|drawn| self.book.any_number(drawn)) {
            let request = Request::ReadOrder { number, consistency: self.config.consistency };
            self.begin(now, Stage::LookingUp, request, effects);
        } else if self.config.pause.is_zero() || self.beat.is_some() || self.plan.left() == 0 {
            self.begin_round(now, effects);
        } else {
            self.stage = Stage::Pausing(now + self.config.pause);
        }
    }

    /// The next round, or what comes after the last.
    fn begin_round(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match self.plan.next_round(self.toys.len()) {
            Some(round) => {
                let (name, consistency) = (self.toys[round.toy].clone(), self.config.consistency);
                let request = Request::ReadProduct { name, consistency };
                self.lookup = round.lookup;
                self.begin(now, Stage::Looking(round.order), request, effects);
            }
            None => self.begin_asking(now, effects),
        }
    }

    fn begin_order(
        &mut self,
        now: Time,
        name: ToyName,
        quantity: Quantity,
        effects: &mut Vec<Effect>,
    ) {
        let request_id = self.book.open();
        let order = NewOrder { request_id, name, quantity };
        self.begin(now, Stage::Ordering(order.clone()), Request::PlaceOrder(order), effects);
    }

    /// Repeats the orders whose outcome is unknown, then compares.
    fn begin_asking(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(order) = self.book.next_unknown() else {
            return self.begin_comparing(now, 0, effects);
        };
        self.begin(now, Stage::Asking(order.clone()), Request::PlaceOrder(order), effects);
    }

    fn begin_comparing(&mut self, now: Time, place: usize, effects: &mut Vec<Effect>) {
        let Some(number) = self.book.number(place) else {
            self.book.close();
            return self.finish(effects);
        };
        self.compares_since.get_or_insert(now);
        let request = Request::ReadOrder { number, consistency: self.config.consistency };
        self.begin(now, Stage::Comparing(place), request, effects);
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.stage = Stage::Finished;
        self.errand = None;
        effects.push(Effect::Stopped);
    }

    fn on_answer(&mut self, now: Time, call: CallId, answer: Answer, effects: &mut Vec<Effect>) {
        let Some(mut errand) = self.errand.take() else { return };
        if errand.doing != Doing::Calling(call) {
            self.errand = Some(errand);
            return;
        }
        match errand.on_answer(now, &self.config, answer) {
            Next::CallNextFrontend => {
                self.turn();
                errand.call(now, self.call(errand.request.clone(), effects));
                self.errand = Some(errand);
            }
            Next::Wait(until) => {
                self.turn();
                errand.doing = Doing::Waiting(until);
                self.errand = Some(errand);
            }
            Next::Over(outcome, reply) => self.on_over(now, &errand, outcome, reply, effects),
        }
    }

    /// On to the next frontend.
    fn turn(&mut self) {
        self.frontend = (self.frontend + 1) % self.config.frontends.len();
    }

    fn on_over(
        &mut self,
        now: Time,
        errand: &Errand,
        outcome: Outcome,
        reply: Option<Reply>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(kind) = self.stage.kind() else { return };
        let cache = match &reply {
            Some(Reply::Product { cache, .. }) => Some(*cache),
            Some(_) | None => None,
        };
        let sample = Sample {
            kind,
            began: errand.began,
            late: errand.sent.unwrap_or(now).since(errand.began),
            latency: now.since(errand.began),
            outcome,
            retries: errand.retries,
            cache,
            frontend: self.config.frontends[self.frontend],
        };
        self.book.sample(sample);
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Listing => self.on_page(now, reply, effects),
            Stage::Looking(wanted) => match (wanted, reply) {
                (Some(quantity), Some(Reply::Product { product, .. })) if product.quantity > 0 => {
                    self.begin_order(now, product.name, quantity, effects);
                }
                (Some(_) | None, _) => self.end_round(now, effects),
            },
            Stage::Ordering(order) => {
                self.book.ordered(errand.retries, order, outcome, reply, false);
                self.end_round(now, effects);
            }
            Stage::LookingUp => self.end_round(now, effects),
            Stage::Asking(order) => {
                self.book.ordered(errand.retries, order, outcome, reply, true);
                self.begin_asking(now, effects);
            }
            Stage::Comparing(place) => {
                self.book.compare(place, outcome, reply);
                self.begin_comparing(now, place + 1, effects);
            }
            Stage::New | Stage::Pausing(_) | Stage::Finished => {}
        }
    }

    /// A page of the list. It ends with an empty page, since a server may give fewer than asked
    /// for.
    fn on_page(&mut self, now: Time, reply: Option<Reply>, effects: &mut Vec<Effect>) {
        let Some(Reply::Products { products, .. }) = reply else { return self.finish(effects) };
        let last = self.toys.last().cloned();
        self.toys.extend(products.into_iter().map(|product| product.name));
        self.toys.truncate(TOYS_MAX);
        if self.toys.is_empty() {
            self.finish(effects);
        } else if self.toys.len() == TOYS_MAX || self.toys.last() == last.as_ref() {
            self.begin_round(now, effects);
        } else {
            self.begin_page(now, effects);
        }
    }

    /// Ends early. An order that is under way may be done or not.
    fn on_stop(&mut self, effects: &mut Vec<Effect>) {
        if self.finished() {
            return;
        }
        self.book.close_early();
        self.finish(effects);
    }
}

impl Node for Shopper {
    type Status = Status;

    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start if self.toys.is_empty() => self.begin_page(now, effects),
            Input::Start => self.begin_round(now, effects),
            Input::Timer => {
                if matches!(self.stage, Stage::Pausing(until) if until <= now) {
                    return self.begin_round(now, effects);
                }
                let Some(mut errand) = self.errand.take() else { return };
                if matches!(errand.doing, Doing::Waiting(until) if until <= now) {
                    errand.call(now, self.call(errand.request.clone(), effects));
                }
                self.errand = Some(errand);
            }
            Input::Answer { call, answer } => self.on_answer(now, call, answer, effects),
            Input::Stop => self.on_stop(effects),
            // Nobody asks a shopper anything, and it keeps nothing on disk.
            Input::Request { .. }
            | Input::Receive { .. }
            | Input::Persisted { .. }
            | Input::Checkpointed { .. }
            | Input::Link { .. }
            | Input::DiskFull(_) => {}
        }
    }

    fn next_timer(&self) -> Option<Time> {
        if let Stage::Pausing(until) = self.stage {
            return Some(until);
        }
        match self.errand.as_ref()?.doing {
            Doing::Waiting(until) => Some(until),
            Doing::Calling(_) => None,
        }
    }

    fn status(&self, _now: Time) -> Status {
        let (done, total) = self.progress();
        Status { session: self.config.session, done, total, summary: self.book.summary().clone() }
    }

    fn ready(&self, _now: Time) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
