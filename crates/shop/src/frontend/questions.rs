//! Questions to the order leader: an order by its number, the fate of a request.
//!
//! Each is one call, repeated like an order until it is answered or its deadline comes. Reading
//! changes nothing, so a reader whose deadline came is told that nothing was done; resolving a
//! request changes its fate, so there the outcome may be unknown.
//!
//! Called by `frontend::mod`, which passes on what an answer says of the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::{NodeId, Time};

use super::calls::{Outbox, Purpose};
use super::config::{
    AGAIN_PAUSE, Config, QUESTIONS_IN_FLIGHT_MAX, QUESTIONS_WAITING_MAX, UNAVAILABLE_PATIENCE,
};
use super::orders::{News, Verdict, judge};
use crate::message::{Problem, Reply, Request};
use crate::node::{Address, Answer, Token};

/// One question that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    token: Token,
    request: Request,
    since: Time,
    /// Whether it changes anything, and an attempt may have reached somebody.
    reached: bool,
}

/// All questions that wait, numbered as they came.
///
/// Invariant: each is in `fresh`, in `again`, or in one call; none in two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Questions {
    deadline: Duration,
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// To be asked at once.
    fresh: BTreeSet<u64>,
    /// To be asked again after a pause.
    again: BTreeSet<u64>,
    again_at: Time,
    in_flight: usize,
}

impl Questions {
    pub fn new(config: &Config) -> Questions {
        Questions {
            deadline: config.request_deadline,
            last: 0,
            waiting: BTreeMap::new(),
            fresh: BTreeSet::new(),
            again: BTreeSet::new(),
            again_at: Time::default(),
            in_flight: 0,
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When a question's deadline comes, or a pause ends while there is a leader to ask.
    pub fn next_timer(&self, led: bool) -> Option<Time> {
        let deadline = self.waiting.values().next().map(|first| first.since + self.deadline);
        let again = !self.again.is_empty() && self.in_flight < QUESTIONS_IN_FLIGHT_MAX && led;
        deadline.into_iter().chain(again.then_some(self.again_at)).min()
    }

    /// A shopper's question.
    pub fn ask(&mut self, out: &mut Outbox<'_>, token: Token, request: Request) {
        if self.waiting.len() == QUESTIONS_WAITING_MAX {
            let full = format!("{QUESTIONS_WAITING_MAX} order queries wait here");
            return out.reply(token, Err(Problem::Unavailable(full)));
        }
        self.last += 1;
        self.waiting.insert(self.last, Waiting { token, request, since: out.now, reached: false });
        self.fresh.insert(self.last);
    }

    /// Asks the leader, as far as calls may be in flight.
    pub fn send(&mut self, out: &mut Outbox<'_>, leader: (NodeId, u64), deadline: Duration) {
        if self.again_at <= out.now {
            self.fresh.append(&mut self.again);
        }
        let (id, reign) = leader;
        while self.in_flight < QUESTIONS_IN_FLIGHT_MAX
            && let Some(sequence) = self.fresh.pop_first()
        {
            self.in_flight += 1;
            let request = self.waiting[&sequence].request.clone();
            let purpose = Purpose::Question { reign, sequence };
            out.call(purpose, Address::Order(id), request, deadline);
        }
    }

    /// The answer to one. Returns what it says of the leader.
    pub fn on_answer(&mut self, out: &mut Outbox<'_>, sequence: u64, answer: Answer) -> News {
        self.in_flight -= 1;
        let Some(waiting) = self.waiting.get_mut(&sequence) else {
            // Its deadline came first; what the answer says of the leader still counts.
            return match answer {
                Answer::Said(_) => News::Nothing,
                Answer::Refused | Answer::Unknown => News::Lost,
            };
        };
        waiting.reached |= answer != Answer::Refused;
        let waited = out.now.since(waiting.since);
        let problem = match answer {
            Answer::Said(Ok(reply)) => {
                self.finish(out, sequence, Ok(reply));
                return News::Served;
            }
            Answer::Said(Err(problem)) => problem,
            Answer::Refused | Answer::Unknown => {
                self.fresh.insert(sequence);
                return News::Lost;
            }
        };
        match judge(problem) {
            Verdict::Final(problem) => self.finish(out, sequence, Err(problem)),
            Verdict::NotNow(problem) if waited >= UNAVAILABLE_PATIENCE => {
                self.finish(out, sequence, Err(problem));
            }
            Verdict::NotNow(_) | Verdict::Repeat(News::Served) => {
                if self.again.is_empty() {
                    self.again_at = out.now + AGAIN_PAUSE;
                }
                self.again.insert(sequence);
            }
            Verdict::Repeat(news) => {
                self.fresh.insert(sequence);
                return news;
            }
        }
        News::Served
    }

    fn finish(&mut self, out: &mut Outbox<'_>, sequence: u64, said: Result<Reply, Problem>) {
        if let Some(waiting) = self.waiting.remove(&sequence) {
            out.reply(waiting.token, said);
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
        let resolves = matches!(waiting.request, Request::ResolveFate { .. });
        let problem = if resolves && (waiting.reached || in_call) {
            Problem::OutcomeUnknown(why.to_string())
        } else {
            Problem::Unavailable(why.to_string())
        };
        out.reply(waiting.token, Err(problem));
    }
}
