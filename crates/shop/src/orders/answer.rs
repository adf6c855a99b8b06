//! Calls to the catalog, and its answers.

use replication::planted::{Bug, planted};

use super::purchase::Purchase;
use super::*;
use crate::catalog_leader::Heard;
use crate::message::Reply;

/// What a call under way was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    View,
    Fence { term: Term },
    Take { term: Term, numbers: Vec<u64> },
    GiveUp { term: Term, numbers: Vec<u64> },
    Settle { term: Term, count: usize },
}

impl Orders {
    pub(super) fn call(
        &mut self,
        call: Call,
        request: Request,
        deadline: Duration,
        out: &mut Vec<Effect>,
    ) {
        self.next_call += 1;
        let id = CallId(self.next_call);
        self.calls.insert(id, (call, self.catalog.believed()));
        let to = self.catalog.address();
        let others = self.catalog.has_replicas();
        let deadline = if others { deadline.min(CATALOG_TRY) } else { deadline };
        out.push(Effect::Call { call: id, to, request, deadline });
    }

    pub(super) fn on_answer(
        &mut self,
        now: Time,
        id: CallId,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let Some((call, asked)) = self.calls.remove(&id) else { return };
        let heard = self.catalog.heard(asked, &answer);
        self.on_answer_to(now, call, answer, out);
        if heard == Heard::Hint {
            // The replica of the catalog that leads is known now.
            self.retry_at = None;
        }
    }

    fn on_answer_to(&mut self, now: Time, call: Call, answer: Answer, out: &mut Vec<Effect>) {
        match call {
            Call::View => self.on_view_answer(now, answer, out),
            Call::Fence { term } => self.on_fence_answer(now, term, answer, out),
            Call::Settle { term, count } => {
                self.on_settle_answer(now, (term, count), answer, out);
            }
            Call::Take { term, numbers }
                if self.state == State::Open(term) || planted(Bug::LateTakeAnswer) =>
            {
                self.on_take_answer(now, term, numbers, answer, out);
            }
            Call::GiveUp { term, numbers } if self.state == State::Open(term) => {
                self.on_given_up(now, &numbers, answer, out);
            }
            // Of an older term: the new one's settlement speaks of it.
            Call::Take { .. } | Call::GiveUp { .. } => {}
        }
    }

    fn on_take_answer(
        &mut self,
        now: Time,
        term: Term,
        numbers: Vec<u64>,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        match answer {
            Answer::Said(Ok(Reply::Takes(answers))) => {
                let commands = self.purchases.answered(term, &numbers, answers);
                if !commands.is_empty() {
                    let commands = command::Command::encode_all(&commands);
                    self.drive(now, engine::Input::Propose(commands), out);
                }
            }
            Answer::Said(Err(Problem::Fenced(view))) => {
                self.purchases.unanswered(numbers);
                // It may be this leader's next view, whose answer is still under way.
                self.retry_at = Some(now + RETRY);
                self.drive(now, engine::Input::Viewed(Viewed::Refused(view)), out);
            }
            // Its disk is full, or it has just started.
            Answer::Said(Err(problem @ Problem::Unavailable(_))) => {
                let resolving = &self.resolving;
                let over = self.purchases.not_now(numbers, |id| resolving.contains_key(&id));
                self.end(over, &problem, out);
                self.retry_at = Some(now + RETRY);
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => {
                self.purchases.unanswered(numbers);
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    fn on_given_up(&mut self, now: Time, numbers: &[u64], answer: Answer, out: &mut Vec<Effect>) {
        if let Answer::Said(Ok(_)) = answer {
            return self.purchases.gave_up(numbers);
        }
        self.retry_at = Some(now + RETRY);
        let problem = match answer {
            Answer::Said(Err(problem @ Problem::Unavailable(_))) => Some(problem),
            Answer::Said(_) | Answer::Refused | Answer::Unknown => None,
        };
        let resolving = &self.resolving;
        let keep = |request_id| resolving.contains_key(&request_id);
        let over = self.purchases.not_given_up(problem.clone(), keep);
        if let Some(problem) = problem {
            self.end(over, &problem, out);
        }
    }

    /// These purchases are over, and whoever waits for one is told why.
    fn end(&mut self, over: Vec<Purchase>, problem: &Problem, out: &mut Vec<Effect>) {
        for waiter in over.into_iter().flat_map(|purchase| purchase.waiters) {
            self.batches.decide(waiter, Err(problem.clone()), out);
        }
    }
}
