//! Orders that wait: sent in batches to whoever leads, asked again until they are decided.
//!
//! A call carries everything that waits, so that the number of exchanges does not grow with the
//! number of shoppers. An order is tried with the same request id until its deadline, at one leader
//! after the other; the ledger makes that harmless. At the deadline the shopper is told the truth:
//! *unknown* if any attempt may have reached somebody, *not available, nothing was done* if none
//! did.
//!
//! Two orders with one request id are both sent: the ledger decides.
//!
//! Called by `frontend::mod`, which passes on what an answer says of the leader ([`News`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::planted::{Bug, planted};
use replication::{NodeId, Time};

use super::calls::{Outbox, Purpose};
use super::config::{
    AGAIN_PAUSE, Config, ORDER_CALLS_MAX, ORDERS_PER_CALL_MAX, ORDERS_WAITING_MAX,
    UNAVAILABLE_PATIENCE,
};
use crate::message::{NewOrder, OrderOutcome, Ordered, Problem, Reply, Request};
use crate::node::{Address, Answer, Token};

/// Calls in flight with orders that were asked before: one, since a leader holds its answer to it
/// until they are decided or 100 ms have passed.
const AGAIN_CALLS_MAX: usize = 1;

/// What an answer says of the leader that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum News {
    /// It did its work.
    Served,
    /// It does not lead; perhaps that one does.
    Elsewhere(Option<NodeId>),
    /// It was not reached, or not in time.
    Lost,
    /// Nothing.
    Nothing,
}

/// What a problem in an answer means for the one who waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    /// To be passed on.
    Final(Problem),
    /// The leader cannot do it now, and says that nothing was done.
    NotNow(Problem),
    /// Perhaps done, perhaps not; to be repeated at the leader.
    Repeat(News),
}

/// The one place that decides which problems are worth another attempt.
pub(super) fn judge(problem: Problem) -> Verdict {
    match problem {
        Problem::NotLeader { leader } => Verdict::Repeat(News::Elsewhere(leader)),
        Problem::Fenced(_) | Problem::NotInSync(_) => Verdict::Repeat(News::Elsewhere(None)),
        Problem::OutcomeUnknown(_) => Verdict::Repeat(News::Served),
        Problem::Unavailable(_) => Verdict::NotNow(problem),
        Problem::UnknownProduct
        | Problem::UnknownOrder
        | Problem::NoOrderHere(_)
        | Problem::InsufficientStock { .. }
        | Problem::Resolved
        | Problem::KeyReused
        | Problem::Bad(_)
        | Problem::FrontendInUse
        | Problem::NotChanged(_) => Verdict::Final(problem),
    }
}

/// One order that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    token: Token,
    order: NewOrder,
    since: Time,
    /// Whether an attempt got no answer: it may still be on its way to somebody.
    reached: bool,
    /// Whether a leader has it under way, as its last word was.
    pending: bool,
}

/// All orders that wait, numbered as they came.
///
/// Invariant: each is in `fresh`, in `again`, or in one call; none in two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Orders {
    deadline: Duration,
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// To be sent at once.
    fresh: BTreeSet<u64>,
    /// To be sent again after a pause: pending, or refused for the moment.
    again: BTreeSet<u64>,
    again_at: Time,
    fresh_calls: usize,
    again_calls: usize,
}

impl Orders {
    pub fn new(config: &Config) -> Orders {
        Orders {
            deadline: config.request_deadline,
            last: 0,
            waiting: BTreeMap::new(),
            fresh: BTreeSet::new(),
            again: BTreeSet::new(),
            again_at: Time::default(),
            fresh_calls: 0,
            again_calls: 0,
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When an order's deadline comes, or a pause ends while there is a leader to ask.
    pub fn next_timer(&self, led: bool) -> Option<Time> {
        let deadline = self.waiting.values().next().map(|first| first.since + self.deadline);
        let again = !self.again.is_empty() && self.again_calls < AGAIN_CALLS_MAX && led;
        deadline.into_iter().chain(again.then_some(self.again_at)).min()
    }

    /// A shopper's order.
    pub fn place(&mut self, out: &mut Outbox<'_>, token: Token, order: NewOrder) {
        if self.waiting.len() == ORDERS_WAITING_MAX {
            let full = format!("{ORDERS_WAITING_MAX} orders wait here");
            return out.reply(token, Err(Problem::Unavailable(full)));
        }
        self.last += 1;
        let since = out.now;
        self.waiting
            .insert(self.last, Waiting { token, order, since, reached: false, pending: false });
        self.fresh.insert(self.last);
    }

    /// Sends what waits to the leader, as far as calls may be in flight.
    pub fn send(&mut self, out: &mut Outbox<'_>, leader: (NodeId, u64), deadline: Duration) {
        while !self.fresh.is_empty() && self.fresh_calls < ORDER_CALLS_MAX {
            let batch = first(&mut self.fresh);
            self.fresh_calls += 1;
            self.call(out, leader, deadline, batch, false);
        }
        if !self.again.is_empty() && self.again_calls < AGAIN_CALLS_MAX && self.again_at <= out.now
        {
            let batch = first(&mut self.again);
            self.again_calls += 1;
            self.call(out, leader, deadline, batch, true);
        }
    }

    fn call(
        &mut self,
        out: &mut Outbox<'_>,
        (leader, reign): (NodeId, u64),
        deadline: Duration,
        sequences: Vec<u64>,
        again: bool,
    ) {
        let orders = sequences.iter().map(|sequence| self.waiting[sequence].order.clone());
        let request = Request::PlaceOrders(orders.collect());
        let purpose = Purpose::Orders { reign, sequences, again };
        out.call(purpose, Address::Order(leader), request, deadline);
    }

    /// The answer to a batch. Returns what it says of the leader.
    pub fn on_answer(
        &mut self,
        out: &mut Outbox<'_>,
        sequences: Vec<u64>,
        again: bool,
        answer: Answer,
    ) -> News {
        if again {
            self.again_calls -= 1;
        } else {
            self.fresh_calls -= 1;
        }
        match answer {
            Answer::Said(Ok(Reply::Orders(outcomes))) if outcomes.len() == sequences.len() => {
                let mut news = News::Served;
                for (sequence, outcome) in sequences.into_iter().zip(outcomes) {
                    match self.on_outcome(out, sequence, outcome) {
                        elsewhere @ News::Elsewhere(_) => news = elsewhere,
                        News::Served | News::Lost | News::Nothing => {}
                    }
                }
                news
            }
            Answer::Said(Err(problem)) => {
                let mut news = News::Nothing;
                for sequence in sequences {
                    let outcome = OrderOutcome::Said(Err(problem.clone()));
                    news = self.on_outcome(out, sequence, outcome);
                }
                news
            }
            Answer::Refused => {
                for sequence in sequences {
                    self.repeat(sequence, false);
                }
                News::Lost
            }
            // An answer of another kind or length is no answer.
            Answer::Said(Ok(_)) | Answer::Unknown => {
                for sequence in sequences {
                    self.repeat(sequence, true);
                }
                News::Lost
            }
        }
    }

    fn on_outcome(&mut self, out: &mut Outbox<'_>, sequence: u64, outcome: OrderOutcome) -> News {
        match outcome {
            OrderOutcome::Said(Ok(ordered)) => self.finish(out, sequence, Ok(ordered)),
            OrderOutcome::Pending => {
                if let Some(waiting) = self.waiting.get_mut(&sequence) {
                    waiting.pending = true;
                }
                self.ask_again(out.now, sequence, false);
            }
            OrderOutcome::Said(Err(problem)) => match judge(problem) {
                Verdict::Final(problem) => self.finish(out, sequence, Err(problem)),
                Verdict::NotNow(problem) => {
                    let Some(waiting) = self.waiting.get_mut(&sequence) else {
                        return News::Served;
                    };
                    // The leader knows of no take for it, its own or an older leader's.
                    waiting.pending = false;
                    if waiting.reached || out.now.since(waiting.since) < UNAVAILABLE_PATIENCE {
                        self.ask_again(out.now, sequence, false);
                    } else {
                        self.finish(out, sequence, Err(problem));
                    }
                }
                Verdict::Repeat(News::Served) => self.ask_again(out.now, sequence, true),
                // It may have been taken before the leader was deposed: nothing here says no.
                Verdict::Repeat(news) => {
                    self.repeat(sequence, true);
                    return news;
                }
            },
        }
        News::Served
    }

    fn finish(&mut self, out: &mut Outbox<'_>, sequence: u64, said: Result<Ordered, Problem>) {
        // It is gone if its deadline came first.
        if let Some(waiting) = self.waiting.remove(&sequence) {
            out.reply(waiting.token, said.map(Reply::Ordered));
        }
    }

    /// To be sent as soon as there is a leader.
    fn repeat(&mut self, sequence: u64, reached: bool) {
        if let Some(waiting) = self.waiting.get_mut(&sequence) {
            waiting.reached |= reached;
            self.fresh.insert(sequence);
        }
    }

    /// To be sent after a pause.
    fn ask_again(&mut self, now: Time, sequence: u64, reached: bool) {
        if let Some(waiting) = self.waiting.get_mut(&sequence) {
            waiting.reached |= reached;
            if self.again.is_empty() {
                self.again_at = now + AGAIN_PAUSE;
            }
            self.again.insert(sequence);
        }
    }

    /// Answers those whose deadline has come.
    pub fn expire(&mut self, out: &mut Outbox<'_>) {
        while let Some((sequence, first)) = self.waiting.first_key_value() {
            if out.now < first.since + self.deadline {
                return;
            }
            let sequence = *sequence;
            self.give_up(out, sequence, "the order service did not answer in time");
        }
    }

    /// Answers all that wait: the node stops.
    pub fn end(&mut self, out: &mut Outbox<'_>) {
        while let Some((sequence, _)) = self.waiting.first_key_value() {
            let sequence = *sequence;
            self.give_up(out, sequence, "the frontend stops");
        }
    }

    fn give_up(&mut self, out: &mut Outbox<'_>, sequence: u64, why: &str) {
        let in_call = !self.fresh.remove(&sequence) && !self.again.remove(&sequence);
        let Some(waiting) = self.waiting.remove(&sequence) else { return };
        let reached = waiting.reached || waiting.pending || in_call;
        let problem = if reached && !planted(Bug::TimeoutIsFailure) {
            Problem::OutcomeUnknown(why.to_string())
        } else {
            Problem::Unavailable(why.to_string())
        };
        out.reply(waiting.token, Err(problem));
    }
}

/// Takes the oldest out, as many as fit into a call.
fn first(waiting: &mut BTreeSet<u64>) -> Vec<u64> {
    let mut batch = Vec::with_capacity(waiting.len().min(ORDERS_PER_CALL_MAX));
    while batch.len() < ORDERS_PER_CALL_MAX
        && let Some(sequence) = waiting.pop_first()
    {
        batch.push(sequence);
    }
    batch
}
