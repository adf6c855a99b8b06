//! A shopper's operations as lines of a history: `docs/formats.md`, what `toystore check` reads.
//!
//! One line for each attempt, with the times right before it was sent and right after its answer
//! had come; the attempts at one order have one key. Made by [`super::runner`], written by the
//! command `client`. Whatever may have been done is *unknown*: also an answer that is not
//! understood.

use checker::history::{Cache, Line, OpKind, OutcomeKind, Reason, Text};
use replication::Time;
use shop::message::{CacheUse, Problem, Reply, Request};
use shop::node::Answer;
use shop::toy::Version;

/// One attempt under way.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What is asked.
    pub request: Request,
    /// Under which key, if it is an order.
    pub key: String,
    /// When.
    pub invoked: Time,
}

/// Who does it.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The shopper's number.
    pub client: u32,
    /// Its `Session-ID`.
    pub session: String,
}

impl Recorder {
    /// The line of an attempt; none for what no history knows.
    pub fn line(
        &self,
        attempt: &Attempt,
        returned: Time,
        node: Option<&str>,
        answer: &Answer,
    ) -> Option<String> {
        let base = Line {
            client: Some(self.client),
            session: Some(self.session.as_str().into()),
            invoked: Some(attempt.invoked.0),
            returned: Some(returned.0),
            node: node.map(Text::from),
            ..Line::default()
        };
        let asked = match &attempt.request {
            Request::ReadProduct { name } => {
                Line { op: Some(OpKind::Read), toy: Some(name.spelling().into()), ..base }
            }
            Request::PlaceOrder(order) => Line {
                op: Some(OpKind::Buy),
                toy: Some(order.name.spelling().into()),
                quantity: Some(i64::from(order.quantity.get())),
                key: Some(attempt.key.as_str().into()),
                ..base
            },
            Request::ReadOrder { number } => {
                Line { op: Some(OpKind::Order), order: Some(number.0), ..base }
            }
            _ => return None,
        };
        Some(told(asked, answer).json())
    }
}

/// The line with what was seen.
fn told<'a>(asked: Line<'a>, answer: &'a Answer) -> Line<'a> {
    let response = match answer {
        Answer::Said(response) => response,
        Answer::Refused => return ended(asked, OutcomeKind::Unavailable),
        Answer::Unknown => return ended(asked, OutcomeKind::Unknown),
    };
    match (asked.op, response) {
        (Some(OpKind::Read), Ok(Reply::Product { product, cache })) => Line {
            toy: Some(product.name.spelling().into()),
            quantity: i64::try_from(product.quantity).ok(),
            version: version(product.version),
            cache: Some(match cache {
                CacheUse::Hit => Cache::Hit,
                CacheUse::Miss => Cache::Miss,
                CacheUse::Bypass => Cache::Bypass,
            }),
            ..ended(asked, OutcomeKind::Ok)
        },
        (Some(OpKind::Buy), Ok(Reply::Ordered(ordered))) => Line {
            order: Some(ordered.number.0),
            version: version(ordered.version),
            index: index(ordered.index),
            ..ended(asked, OutcomeKind::Ok)
        },
        (Some(OpKind::Order), Ok(Reply::Order(order))) => Line {
            toy: Some(order.name.spelling().into()),
            quantity: Some(i64::from(order.quantity.get())),
            index: index(order.index),
            ..ended(asked, OutcomeKind::Ok)
        },
        (_, Ok(_)) => ended(asked, OutcomeKind::Unknown),
        (_, Err(problem)) => refused(asked, problem),
    }
}

fn refused<'a>(asked: Line<'a>, problem: &Problem) -> Line<'a> {
    let because =
        |asked, reason| Line { reason: Some(reason), ..ended(asked, OutcomeKind::Refused) };
    match problem {
        Problem::InsufficientStock { version: seen, index: at } => Line {
            version: version(*seen),
            index: index(*at),
            ..because(asked, Reason::Insufficient)
        },
        Problem::UnknownProduct => because(asked, Reason::NoSuchToy),
        Problem::UnknownOrder => because(asked, Reason::NoSuchOrder),
        Problem::Resolved => because(asked, Reason::Resolved),
        Problem::KeyReused => because(asked, Reason::Other),
        Problem::Unavailable(_) => ended(asked, OutcomeKind::Unavailable),
        Problem::NotLeader { .. }
        | Problem::Fenced(_)
        | Problem::NotInSync(_)
        | Problem::OutcomeUnknown(_)
        | Problem::Bad(_)
        | Problem::FrontendInUse => ended(asked, OutcomeKind::Unknown),
    }
}

fn ended(asked: Line<'_>, outcome: OutcomeKind) -> Line<'_> {
    Line { outcome: Some(outcome), ..asked }
}

/// A store without versions says none.
fn version(version: Version) -> Option<u64> {
    (version.0 > 0).then_some(version.0)
}

fn index(index: u64) -> Option<u64> {
    (index > 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use shop::message::{NewOrder, OrderNumber, Ordered, RequestId};
    use shop::toy::Quantity;

    use super::*;

    fn check(answer: Answer, expected: &str) {
        let recorder = Recorder { client: 3, session: "s".to_string() };
        let request = Request::PlaceOrder(NewOrder {
            request_id: RequestId(7),
            name: "Tux".parse().unwrap(),
            quantity: Quantity::new(2).unwrap(),
        });
        let attempt = Attempt { request, key: "k".to_string(), invoked: Time(5) };
        let line = recorder.line(&attempt, Time(9), Some("frontend-1"), &answer).unwrap();
        let begin = r#"{"op":"buy","client":3,"session":"s","invoked":5,"returned":9,"key":"k","#;
        let begin = format!(r#"{begin}"toy":"Tux","quantity":2,"#);
        assert_eq!(line, format!(r#"{begin}{expected}"node":"frontend-1"}}"#));
    }

    #[test]
    fn an_order_is_written_with_all_that_was_told() {
        let (number, version) = (OrderNumber(0), Version(2));
        let ordered = Reply::Ordered(Ordered { number, version, index: 4 });
        let expected = r#""order":0,"version":2,"index":4,"outcome":"ok","#;
        check(Answer::Said(Ok(ordered)), expected);
        let few = Problem::InsufficientStock { version: Version(3), index: 5 };
        let expected = r#""version":3,"index":5,"outcome":"refused","reason":"insufficient","#;
        check(Answer::Said(Err(few)), expected);
    }

    #[test]
    fn whatever_may_have_been_done_is_unknown() {
        let unknown = r#""outcome":"unknown","#;
        check(Answer::Unknown, unknown);
        for problem in [
            Problem::OutcomeUnknown("no answer".to_string()),
            Problem::Bad("an answer without an order number".to_string()),
            Problem::NotLeader { leader: None },
        ] {
            check(Answer::Said(Err(problem)), unknown);
        }
        check(Answer::Said(Ok(Reply::Done)), unknown);
        check(Answer::Refused, r#""outcome":"unavailable","#);
    }
}
