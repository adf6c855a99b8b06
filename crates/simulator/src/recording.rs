//! What a client asked and was told as lines of a history: `docs/formats.md`, what `toystore check`
//! reads.
//!
//! One line for each attempt, with the times right before it was sent and right after its answer
//! had come; the attempts at one order have one key. A list of toys is a line for each of them.
//! Whatever may have been done is *unknown*: also an answer that is not understood. The same for
//! clients that are simulated (`record`) and for those that are real (`client::runner` of the
//! shell).

use checker::history::{
    Cache, Consistency as Level, FateKind, Line, OpKind, OutcomeKind, Reason, Text,
};
use replication::Time;
use shop::message::{
    CacheUse, Consistency, Fate, Ordered, Problem, ReadFrom, Refusal, Reply, Request, RequestId,
    Response,
};
use shop::node::Answer;
use shop::toy::{Product, Version};

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
    /// The client's number.
    pub client: u32,
    /// Its `Session-ID`.
    pub session: String,
    /// The process that it runs in, where there is one.
    pub process: Option<String>,
}

/// A request id as a client writes it that has no other key: 32 hexadecimal digits.
pub fn key_of(request_id: RequestId) -> String {
    format!("{:032x}", request_id.0)
}

impl Recorder {
    /// The lines of an attempt, as JSON; none for what no history knows.
    pub fn lines(
        &self,
        attempt: &Attempt,
        returned: Time,
        node: Option<&str>,
        answer: &Answer,
    ) -> Vec<String> {
        let base = Line {
            client: Some(self.client),
            session: Some(self.session.as_str().into()),
            process: self.process.as_deref().map(Text::from),
            invoked: Some(attempt.invoked.0),
            returned: Some(returned.0),
            node: node.map(Text::from),
            ..Line::default()
        };
        let (asked, of_key);
        match &attempt.request {
            Request::ReadProduct { name, consistency } => {
                let asked =
                    Line { op: Some(OpKind::Read), toy: Some(name.spelling().into()), ..base };
                return vec![told_at(asked, *consistency, answer)];
            }
            Request::ListProducts { consistency, .. } => {
                let Answer::Said(Ok(Reply::Products { products, from })) = answer else {
                    return vec![];
                };
                let process = from.process();
                let base = at_level(base, *consistency, Some((from, &process)));
                let read = |product| seen(Line { op: Some(OpKind::Read), ..base.clone() }, product);
                // Over HTTP a list has no versions; a read without one only lengthens the proof.
                let seen = products.iter().filter(|product| product.version.0 > 0);
                return seen.map(|product| read(product).json()).collect();
            }
            Request::PlaceOrder(order) => {
                asked = Line {
                    op: Some(OpKind::Buy),
                    toy: Some(order.name.spelling().into()),
                    quantity: Some(i64::from(order.quantity.get())),
                    key: Some(attempt.key.as_str().into()),
                    ..base
                };
            }
            Request::ReadOrder { number, consistency } => {
                let asked = Line { op: Some(OpKind::Order), order: Some(number.0), ..base };
                return vec![told_at(asked, *consistency, answer)];
            }
            Request::ReadFate { request_id } => {
                of_key = key_of(*request_id);
                asked = Line { op: Some(OpKind::Fate), key: Some(of_key.as_str().into()), ..base };
            }
            Request::ResolveFate { request_id } => {
                of_key = key_of(*request_id);
                let key = Some(of_key.as_str().into());
                asked = Line { op: Some(OpKind::Resolve), key, ..base };
            }
            // What nodes ask each other.
            Request::Fill { .. }
            | Request::RenewLease { .. }
            | Request::EndLease { .. }
            | Request::ReadLeader
            | Request::Lead { .. }
            | Request::PlaceOrders(_)
            | Request::PutView { .. }
            | Request::Take { .. }
            | Request::Settle { .. }
            | Request::Invalidate { .. }
            | Request::DropCache { .. }
            | Request::ListOrders { .. }
            | Request::ReadDigest { .. }
            | Request::ReadMissed { .. }
            | Request::ReadMembers
            | Request::ChangeMembers(_) => return vec![],
        }
        vec![told(asked, answer).json()]
    }
}

/// The line of a read, with its level and whose state it saw.
fn told_at(asked: Line<'_>, consistency: Consistency, answer: &Answer) -> String {
    let from = match answer {
        Answer::Said(Ok(Reply::Product { from, .. } | Reply::Order { from, .. })) => Some(from),
        Answer::Said(Err(Problem::NoOrderHere(from))) => Some(from),
        Answer::Said(_) | Answer::Refused | Answer::Unknown => None,
    };
    let process = from.map(ReadFrom::process).unwrap_or_default();
    let from = from.map(|from| (from, process.as_str()));
    told(at_level(asked, consistency, from), answer).json()
}

/// The same with the level that was asked for; a store that does not say whose state it was, told
/// no more.
fn at_level<'a>(
    asked: Line<'a>,
    consistency: Consistency,
    from: Option<(&ReadFrom, &'a str)>,
) -> Line<'a> {
    let from = from.filter(|(from, _)| from.applied > 0);
    let consistency = match consistency {
        Consistency::Linearizable => None,
        Consistency::Leader => Some(Level::Leader),
        Consistency::Local => Some(Level::Local),
    };
    let applied = from.map(|(from, _)| from.applied);
    Line { consistency, from: from.map(|(_, process)| process.into()), applied, ..asked }
}

/// The line with what was seen.
fn told<'a>(asked: Line<'a>, answer: &'a Answer) -> Line<'a> {
    let response: &Response = match answer {
        Answer::Said(response) => response,
        Answer::Refused => return ended(asked, OutcomeKind::Unavailable),
        Answer::Unknown => return ended(asked, OutcomeKind::Unknown),
    };
    match (asked.op, response) {
        (Some(OpKind::Read), Ok(Reply::Product { product, cache, .. })) => Line {
            cache: Some(match cache {
                CacheUse::Hit => Cache::Hit,
                CacheUse::Miss => Cache::Miss,
                CacheUse::Bypass => Cache::Bypass,
            }),
            ..seen(asked, product)
        },
        (Some(OpKind::Buy), Ok(Reply::Ordered(ordered))) => bought(asked, *ordered),
        (Some(OpKind::Order), Ok(Reply::Order { order, .. })) => Line {
            toy: Some(order.name.spelling().into()),
            quantity: Some(i64::from(order.quantity.get())),
            index: index(order.index),
            ..ended(asked, OutcomeKind::Ok)
        },
        (Some(OpKind::Fate | OpKind::Resolve), Ok(Reply::Fate(fate))) => became(asked, fate),
        (_, Ok(_)) => ended(asked, OutcomeKind::Unknown),
        (_, Err(problem)) => refused(asked, problem),
    }
}

/// What a product's reader saw.
fn seen<'a>(asked: Line<'a>, product: &'a Product) -> Line<'a> {
    Line {
        toy: Some(product.name.spelling().into()),
        quantity: i64::try_from(product.quantity).ok(),
        version: version(product.version),
        ..ended(asked, OutcomeKind::Ok)
    }
}

fn bought(asked: Line<'_>, ordered: Ordered) -> Line<'_> {
    Line {
        order: Some(ordered.number.0),
        version: version(ordered.version),
        index: index(ordered.index),
        ..ended(asked, OutcomeKind::Ok)
    }
}

/// What became of a request.
fn became<'a>(asked: Line<'a>, fate: &Fate) -> Line<'a> {
    let with = |line, kind| Line { fate: Some(kind), ..line };
    let plain = |asked, kind| with(ended(asked, OutcomeKind::Ok), kind);
    match fate {
        Fate::Recorded(ordered) => with(bought(asked, *ordered), FateKind::Recorded),
        Fate::Refused { refusal, version: seen, index: at } => Line {
            version: version(*seen),
            index: index(*at),
            reason: Some(match refusal {
                Refusal::Insufficient => Reason::Insufficient,
                Refusal::Unknown => Reason::NoSuchToy,
            }),
            ..plain(asked, FateKind::Refused)
        },
        Fate::Pending => plain(asked, FateKind::Pending),
        Fate::Never => plain(asked, FateKind::Never),
        Fate::Unknown => plain(asked, FateKind::Unknown),
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
        Problem::UnknownOrder | Problem::NoOrderHere(_) => because(asked, Reason::NoSuchOrder),
        Problem::Resolved => because(asked, Reason::Resolved),
        Problem::KeyReused => because(asked, Reason::Other),
        Problem::Unavailable(_) => ended(asked, OutcomeKind::Unavailable),
        Problem::NotLeader { .. }
        | Problem::Fenced(_)
        | Problem::NotInSync(_)
        | Problem::OutcomeUnknown(_)
        | Problem::Bad(_)
        | Problem::FrontendInUse
        | Problem::NotChanged(_) => ended(asked, OutcomeKind::Unknown),
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
        let recorder = Recorder { client: 3, session: "s".to_string(), process: None };
        let request = Request::PlaceOrder(NewOrder {
            request_id: RequestId(7),
            name: "Tux".parse().unwrap(),
            quantity: Quantity::new(2).unwrap(),
        });
        let attempt = Attempt { request, key: "k".to_string(), invoked: Time(5) };
        let line = recorder.lines(&attempt, Time(9), Some("frontend-1"), &answer).remove(0);
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

    #[test]
    fn a_list_is_a_read_of_each_toy_and_a_fate_says_what_became_of_a_key() {
        let recorder = Recorder { client: 3, session: "s".to_string(), process: None };
        let lines = |request, answer| {
            let attempt = Attempt { request, key: String::new(), invoked: Time(5) };
            recorder.lines(&attempt, Time(9), None, &Answer::Said(Ok(answer)))
        };
        let product = |name: &str, quantity| Product {
            name: name.parse().unwrap(),
            price: shop::toy::Cents(100),
            quantity,
            version: Version(2),
        };
        let products = vec![product("Tux", 4), product("Fox", 5)];
        let all = Reply::Products { products, from: ReadFrom::UNTOLD };
        let consistency = Consistency::Linearizable;
        let request = Request::ListProducts { after: None, limit: 9, consistency };
        let lines_of_list = lines(request, all);
        let begin = r#"{"op":"read","client":3,"session":"s","invoked":5,"returned":9,"#;
        let end = r#""version":2,"outcome":"ok"}"#;
        let expected = [r#""toy":"Tux","quantity":4,"#, r#""toy":"Fox","quantity":5,"#];
        assert_eq!(lines_of_list, expected.map(|toy| format!("{begin}{toy}{end}")));

        let refusal = Refusal::Insufficient;
        let fate = Fate::Refused { refusal, version: Version(2), index: 7 };
        let request = Request::ResolveFate { request_id: RequestId(0xab) };
        let line = lines(request, Reply::Fate(fate)).remove(0);
        for part in [
            r#""op":"resolve""#,
            r#""key":"000000000000000000000000000000ab""#,
            r#""fate":"refused""#,
            r#""reason":"insufficient""#,
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}
