//! Answers to orders that came together: each item has its own outcome, and none is held by the
//! slowest for longer than [`BATCH_HOLD`].

use std::collections::BTreeMap;
use std::time::Duration;

use replication::Time;

use crate::message::{OrderOutcome, Ordered, Problem, Reply, Response};
use crate::node::{Effect, Token};

/// How long a batch waits for its slowest item; then that one is answered "pending", and asked for
/// again by the frontend.
pub const BATCH_HOLD: Duration = Duration::from_millis(100);

/// One answer that waits for its items.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Batch {
    token: Token,
    outcomes: Vec<Option<Result<Ordered, Problem>>>,
    missing: usize,
    /// A single order is answered by itself, not in a list.
    single: bool,
}

impl Batch {
    fn response(self) -> Response {
        if self.single {
            let outcome = self.outcomes.into_iter().next().flatten();
            return outcome.expect("answered when nothing is missing").map(Reply::Ordered);
        }
        let outcomes = self.outcomes.into_iter().map(|outcome| match outcome {
            Some(outcome) => OrderOutcome::Said(outcome),
            None => OrderOutcome::Pending,
        });
        Ok(Reply::Orders(outcomes.collect()))
    }
}

/// All answers that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Batches {
    next: u64,
    open: BTreeMap<u64, Batch>,
    /// When those of them are answered at the latest that do not wait as long as their caller does.
    /// Numbers rise with time, so that the first is the oldest.
    until: BTreeMap<u64, Time>,
}

impl Batches {
    /// Opens an answer of `count` items, at least one; `single` for one that is no array.
    pub fn open(&mut self, now: Time, token: Token, count: usize, single: bool) -> u64 {
        self.next += 1;
        if !single {
            self.until.insert(self.next, now + BATCH_HOLD);
        }
        let batch = Batch { token, outcomes: vec![None; count], missing: count, single };
        self.open.insert(self.next, batch);
        self.next
    }

    /// How many answers wait.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether this answer still waits.
    pub fn waits(&self, batch: u64) -> bool {
        self.open.contains_key(&batch)
    }

    /// An item is decided; answers when it was the last.
    pub fn decide(
        &mut self,
        (batch, position): (u64, usize),
        outcome: Result<Ordered, Problem>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(open) = self.open.get_mut(&batch) else { return };
        if open.outcomes[position].is_none() {
            open.outcomes[position] = Some(outcome);
            open.missing -= 1;
        }
        if open.missing == 0 {
            self.answer(batch, effects);
        }
    }

    fn answer(&mut self, batch: u64, effects: &mut Vec<Effect>) {
        if let Some(done) = self.open.remove(&batch) {
            if !done.single {
                self.until.remove(&batch);
            }
            effects.push(Effect::Reply { token: done.token, response: done.response() });
        }
    }

    /// Answers the batches whose time is up.
    pub fn expire(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((batch, until)) = self.until.first_key_value()
            && *until <= now
        {
            let batch = *batch;
            self.answer(batch, effects);
        }
    }

    /// When the next batch's time is up: numbers rise with time, so that the first is the oldest.
    pub fn next_timer(&self) -> Option<Time> {
        self.until.values().next().copied()
    }
}
