//! The asker: a client that does not wait for an answer before it asks again, and asks what
//! shoppers do not: fates, early and late. At the end it probes everybody who serves shoppers.
//!
//! Called by the world's loop. Its answers are judged as those of shoppers are.

use std::collections::BTreeSet;
use std::time::Duration;

use shop::message::{Consistency, NewOrder, OrderNumber, Problem, Request, RequestId};
use shop::node::{Answer, CallId};
use shop::toy::Quantity;

use super::{Event, World};
use crate::plan::{Ask, Question, toys};
use crate::who::Who;

/// How long it waits for an answer: longer than a frontend's own deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// The questions that wait for an answer.
#[derive(Default)]
pub struct Asker {
    open: BTreeSet<CallId>,
    /// Probes that wait for an answer, and those that got none that counts.
    probes: BTreeSet<CallId>,
    asked: u64,
}

impl Asker {
    /// A call leaves.
    pub fn begin(&mut self, call: CallId) {
        self.open.insert(call);
    }

    /// A call was answered; whether it was waited for.
    pub fn end(&mut self, call: CallId) -> bool {
        self.open.remove(&call)
    }

    fn next_call(&mut self) -> CallId {
        self.asked += 1;
        CallId(self.asked)
    }
}

impl World {
    /// Asks the plan's question with this number.
    pub(super) fn ask(&mut self, number: usize) {
        let Ask { frontend, question, consistency, .. } = self.plan.asks[number].clone();
        let request = match question {
            Question::Buy(order) => Request::PlaceOrder(order),
            Question::Fate(request_id) => Request::ReadFate { request_id },
            Question::Resolve(request_id) => Request::ResolveFate { request_id },
            Question::Look(name) => Request::ReadProduct { name, consistency },
            Question::List => Request::ListProducts { after: None, limit: 100, consistency },
            Question::Order(share) => {
                let highest = self.record.acknowledged.keys().last().map_or(0, |(n, _)| n.0 + 1);
                let number = OrderNumber(highest * share / 1000);
                Request::ReadOrder { number, consistency }
            }
        };
        self.put(frontend, request);
    }

    fn put(&mut self, frontend: u8, request: Request) -> CallId {
        let call = self.asker.next_call();
        let to = self.seat(Who::Frontend(frontend));
        if let Some(trace) = &mut self.trace {
            trace.push(format!(
                "{} asker -> call !{} frontend-{frontend} {request}",
                self.now, call.0
            ));
        }
        self.call(self.seat(Who::Asker), call, to, request, DEADLINE);
        call
    }

    /// Asks every frontend for a toy, and to buy one: all must be answered.
    pub(super) fn probe(&mut self) {
        let name = toys(&self.plan.setting).remove(0);
        for frontend in 1..=self.seats.frontends {
            let consistency = Consistency::Linearizable;
            let look = Request::ReadProduct { name: name.clone(), consistency };
            let look = self.put(frontend, look);
            let order = NewOrder {
                request_id: RequestId(u128::MAX - u128::from(frontend)),
                name: name.clone(),
                quantity: Quantity::new(1).expect("one is in range"),
            };
            let buy = self.put(frontend, Request::PlaceOrder(order));
            self.asker.probes.extend([look, buy]);
        }
    }

    /// The asker hears an answer.
    pub(super) fn on_asked(&mut self, call: CallId, answer: &Answer) {
        let decided =
            matches!(answer, Answer::Said(Ok(_) | Err(Problem::InsufficientStock { .. })));
        if self.asker.probes.remove(&call) && !decided {
            self.breaks("liveness", format!("after healing, a client is told: {answer}"));
        }
    }

    /// Begins to probe, at once.
    pub fn begin_probe(&mut self) {
        self.schedule(Duration::ZERO, Event::Probe);
    }

    /// Whether the asker waits for nothing any more.
    pub fn asker_is_done(&self) -> bool {
        self.asker.open.is_empty()
    }
}
