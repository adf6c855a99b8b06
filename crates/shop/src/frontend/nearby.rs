//! Order reads that any replica may answer (`consistency=local`).
//!
//! A follower is asked rather than the leader, which has enough to do; a replica whose connection
//! is there rather than one that refused; and always the same one while that goes well, so that
//! readers of one frontend seldom see an order vanish again. Who does not answer is passed over for
//! the next one, each replica once: also where nobody leads, whoever is there answers.
//!
//! Called by `frontend::mod`; speaks to the order replicas through the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::NodeId;

use super::calls::{Outbox, Purpose};
use super::config::{Config, QUESTIONS_WAITING_MAX};
use super::leader::Leadership;
use crate::message::{Consistency, OrderNumber, Problem, Reply, Request};
use crate::node::{Address, Answer, Token};

/// A reader that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    token: Token,
    number: OrderNumber,
    /// Who was asked.
    asked: BTreeSet<NodeId>,
}

/// All of them, each with one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Nearby {
    /// This frontend: each prefers another replica.
    frontend: u8,
    /// Those whose connection was refused last.
    down: BTreeSet<NodeId>,
    /// How long one of them may take.
    deadline: Duration,
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

impl Nearby {
    pub fn new(config: &Config) -> Nearby {
        Nearby {
            frontend: config.id,
            down: BTreeSet::new(),
            deadline: config.timers.ping,
            last: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A connection opened or was refused.
    pub fn on_link(&mut self, replica: NodeId, up: bool) {
        if up {
            self.down.remove(&replica);
        } else {
            self.down.insert(replica);
        }
    }

    /// A reader comes. The replicas, and who of them leads, are as this frontend knows them.
    pub fn ask(
        &mut self,
        out: &mut Outbox<'_>,
        known: &Leadership,
        token: Token,
        number: OrderNumber,
    ) {
        if self.waiting.len() == QUESTIONS_WAITING_MAX {
            let full = format!("{QUESTIONS_WAITING_MAX} local order queries wait here");
            return out.reply(token, Err(Problem::Unavailable(full)));
        }
        self.last += 1;
        self.waiting.insert(self.last, Waiting { token, number, asked: BTreeSet::new() });
        self.ask_next(out, known, self.last);
    }

    fn ask_next(&mut self, out: &mut Outbox<'_>, known: &Leadership, sequence: u64) {
        let Some(waiting) = self.waiting.get_mut(&sequence) else { return };
        let (leader, replicas) = (known.leader().map(|(id, _)| id), known.replicas());
        let preferred = usize::from(self.frontend) % replicas.len().max(1);
        let (last, first) = replicas.split_at(preferred);
        let left = first.iter().chain(last).filter(|id| !waiting.asked.contains(id));
        // The first of the best ones.
        let next = left.min_by_key(|id| (self.down.contains(id), Some(**id) == leader));
        let Some(next) = next.copied() else {
            let token = waiting.token;
            self.waiting.remove(&sequence);
            let nobody = "no replica of the order service answered".to_string();
            return out.reply(token, Err(Problem::Unavailable(nobody)));
        };
        waiting.asked.insert(next);
        let (number, consistency) = (waiting.number, Consistency::Local);
        let request = Request::ReadOrder { number, consistency };
        out.call(Purpose::Near { sequence }, Address::Order(next), request, self.deadline);
    }

    /// A replica's answer, or none.
    pub fn on_answer(
        &mut self,
        out: &mut Outbox<'_>,
        known: &Leadership,
        sequence: u64,
        answer: Answer,
    ) {
        let response = match answer {
            Answer::Said(Ok(reply @ Reply::Order { .. })) => Ok(reply),
            Answer::Said(Err(problem @ (Problem::NoOrderHere(_) | Problem::Bad(_)))) => {
                Err(problem)
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => {
                return self.ask_next(out, known, sequence);
            }
        };
        if let Some(waiting) = self.waiting.remove(&sequence) {
            out.reply(waiting.token, response);
        }
    }

    /// Answers all that wait: the node stops.
    pub fn end(&mut self, out: &mut Outbox<'_>) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            let stops = "the frontend stops".to_string();
            out.reply(waiting.token, Err(Problem::Unavailable(stops)));
        }
    }
}
