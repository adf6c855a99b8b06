//! One request until it is answered or given up: attempts, the frontends in turn, the waits
//! between.
//!
//! An attempt fails if nobody can be reached, if no answer comes, or if the store says that it
//! cannot serve now. A refused connection reached nobody, so the next frontend is tried in the same
//! attempt. Every attempt sends the same request, with the same request id.
//!
//! Called by `shopper::mod`, which makes the calls.

use std::time::Duration;

use replication::Time;

use super::config::Config;
use super::record::Outcome;
use crate::message::{Problem, Reply, Request};
use crate::node::{Answer, CallId};

/// How soon an order is looked at again that a replica does not have yet.
const NOT_YET_PAUSE: Duration = Duration::from_millis(50);

/// What an errand is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    /// Waits for an answer.
    Calling(CallId),
    /// Waits until it is time for the next attempt.
    Waiting(Time),
}

/// What must be done after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Call the next frontend at once.
    CallNextFrontend,
    /// Wait, then call the next frontend.
    Wait(Time),
    /// It is over.
    Over(Outcome, Option<Reply>),
}

/// One request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Errand {
    pub request: Request,
    /// When it was meant to begin.
    pub began: Time,
    /// When it did.
    pub sent: Option<Time>,
    /// Since when what it reads has had time to be everywhere.
    acknowledged: Time,
    pub retries: u32,
    pub doing: Doing,
    /// Frontends that refused the connection in this attempt.
    refused: usize,
    /// Whether any attempt may have reached somebody.
    reached: bool,
}

impl Errand {
    /// One that waits until it is time to begin.
    pub fn new(request: Request, began: Time, acknowledged: Time) -> Errand {
        let (doing, sent) = (Doing::Waiting(began), None);
        Errand { request, began, sent, acknowledged, retries: 0, doing, refused: 0, reached: false }
    }

    /// A call of it is on its way.
    pub fn call(&mut self, now: Time, call: CallId) {
        self.sent.get_or_insert(now);
        self.doing = Doing::Calling(call);
    }

    /// Judges an answer.
    pub fn on_answer(&mut self, now: Time, config: &Config, answer: Answer) -> Next {
        match answer {
            Answer::Said(Ok(reply)) if answers(&self.request, &reply) => {
                return Next::Over(Outcome::Ok, Some(reply));
            }
            Answer::Said(Ok(_)) => return Next::Over(Outcome::Failed, None),
            Answer::Said(Err(problem)) => match problem {
                Problem::InsufficientStock { .. } => return Next::Over(Outcome::Refused, None),
                Problem::UnknownProduct | Problem::UnknownOrder => {
                    return Next::Over(Outcome::NotFound, None);
                }
                // Where that proves nothing: it is looked at again, as long as retries would take
                // for one order, however many there are that were lost.
                Problem::NoOrderHere(_) => {
                    let patience = config.retry_interval.saturating_mul(config.retries);
                    if now.since(self.acknowledged) >= patience {
                        return Next::Over(Outcome::NotYet, None);
                    }
                    return Next::Wait(now + NOT_YET_PAUSE);
                }
                Problem::Resolved
                | Problem::KeyReused
                | Problem::Bad(_)
                | Problem::FrontendInUse
                | Problem::NotChanged(_) => return Next::Over(Outcome::Failed, None),
                Problem::Unavailable(_) => {}
                Problem::NotLeader { .. }
                | Problem::Fenced(_)
                | Problem::NotInSync(_)
                | Problem::OutcomeUnknown(_) => self.reached = true,
            },
            Answer::Unknown => self.reached = true,
            Answer::Refused => {
                self.refused += 1;
                if self.refused < config.frontends.len() {
                    return Next::CallNextFrontend;
                }
            }
        }
        self.refused = 0;
        if self.retries == config.retries {
            let outcome = if self.reached { Outcome::Unknown } else { Outcome::Unavailable };
            return Next::Over(outcome, None);
        }
        self.retries += 1;
        Next::Wait(now + config.retry_interval)
    }
}

/// Whether this is the kind of reply that was asked for.
fn answers(request: &Request, reply: &Reply) -> bool {
    matches!(
        (request, reply),
        (Request::ReadProduct { .. }, Reply::Product { .. })
            | (Request::ListProducts { .. }, Reply::Products { .. })
            | (Request::PlaceOrder(_), Reply::Ordered(_))
            | (Request::ReadOrder { .. }, Reply::Order { .. })
    )
}
