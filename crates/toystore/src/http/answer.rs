//! From a message to an HTTP answer: status, headers, JSON.
//!
//! The lab fixes the JSON, so what a proof needs travels in headers. The one table of errors is
//! [`Problem::status`] and [`Problem::message`]; the one error object is written here. Called by
//! [`super::site`].

use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use replication::log::Snapshot;
use serde_json::{Value, json};
use shop::frontend::body;
use shop::message::{CacheUse, Fate, Order, OrderOutcome, Ordered, Problem, Refusal, Reply};
use shop::toy::{Product, Version};
use tokio::sync::mpsc;

use super::endpoint::Role;
use super::wire::POSTCARD;
use crate::client::csv;

/// A body that is all there, or comes piece by piece.
pub enum Body {
    /// All there.
    Whole(Bytes),
    /// A stream of events, as long as the sender lives.
    Stream(mpsc::Receiver<Bytes>),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}

/// An HTTP answer.
pub type Answer = Response<Body>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TOY_VERSION: HeaderName = HeaderName::from_static("toystore-toy-version");
const LOG_INDEX: HeaderName = HeaderName::from_static("toystore-log-index");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// How soon a client should try again, in seconds: about as long as a failover takes.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// An answer with a body.
pub fn whole(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::Whole(body.into()));
    *answer.status_mut() = status;
    // Content type, length, date, who served, and what proof needs: one allocation.
    answer.headers_mut().reserve(10);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    whole(status, JSON, body)
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::Whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// The error object.
pub fn error(status: StatusCode, message: &str) -> Answer {
    let body = json!({"error": {"code": status.as_u16(), "message": message}});
    let mut answer = json(status, body.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    }
    answer
}

/// An expected failure, in JSON.
pub fn problem(problem: &Problem) -> Answer {
    problem_in_words(problem, &problem.message())
}

/// The same in other words.
pub fn problem_in_words(problem: &Problem, message: &str) -> Answer {
    let mut answer = error(status_of(problem), message);
    match problem {
        // Refused before it was looked up: no version has said so.
        Problem::InsufficientStock { index: 0, .. } => {}
        Problem::InsufficientStock { version, index } => {
            add_version(&mut answer, *version);
            add_index(&mut answer, *index);
        }
        _ => {}
    }
    answer
}

/// The status of an expected failure.
pub fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status()).expect("the table holds HTTP statuses")
}

/// An answer for another service.
pub fn postcard(response: &shop::message::Response) -> Answer {
    let status = response.as_ref().err().map_or(StatusCode::OK, status_of);
    let body = ::postcard::to_stdvec(response).expect("our types have nothing unknown to postcard");
    whole(status, HeaderValue::from_static(POSTCARD), body)
}

/// A product from the cache: its body was prepared when it was filled.
pub fn hit(body: Bytes, version: Version, if_none_match: Option<&HeaderValue>) -> Answer {
    product(body, version, CacheUse::Hit, if_none_match)
}

fn product(
    body: Bytes,
    version: Version,
    cache: CacheUse,
    if_none_match: Option<&HeaderValue>,
) -> Answer {
    let etag = etag(version);
    let mut answer = match if_none_match {
        Some(known) if matches(known, &etag) => empty(StatusCode::NOT_MODIFIED),
        Some(_) | None => json(StatusCode::OK, body),
    };
    add_cache_use(&mut answer, cache);
    let headers = answer.headers_mut();
    headers.insert(ETAG, etag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    add_version(&mut answer, version);
    answer
}

/// `X-Cache`.
pub fn add_cache_use(answer: &mut Answer, cache: CacheUse) {
    let cache = match cache {
        CacheUse::Hit => "hit",
        CacheUse::Miss => "miss",
        CacheUse::Bypass => "bypass",
    };
    answer.headers_mut().insert(X_CACHE, HeaderValue::from_static(cache));
}

/// `Toystore-Toy-Version`.
pub fn add_version(answer: &mut Answer, version: Version) {
    answer.headers_mut().insert(TOY_VERSION, HeaderValue::from(version.0));
}

/// `Toystore-Log-Index`.
pub fn add_index(answer: &mut Answer, index: u64) {
    answer.headers_mut().insert(LOG_INDEX, HeaderValue::from(index));
}

fn etag(version: Version) -> HeaderValue {
    let mut text = String::with_capacity(22);
    // Writing to a string cannot fail.
    let _ = write!(text, "\"{}\"", version.0);
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits in quotes are a header value")
}

/// RFC 9110 §13.1.2: a list of tags, or `*`.
fn matches(if_none_match: &HeaderValue, etag: &HeaderValue) -> bool {
    let Ok(tags) = if_none_match.to_str() else { return false };
    let tag = |tag: &str| tag.trim().trim_start_matches("W/").as_bytes() == etag.as_bytes();
    tags.trim() == "*" || tags.split(',').any(tag)
}

/// The lab's JSON for a reply; a catalog's products tell their version in the body too.
pub fn reply(role: Role, reply: &Reply, if_none_match: Option<&HeaderValue>) -> Answer {
    match reply {
        Reply::Product { product: toy, cache } => {
            product(body::product(toy), toy.version, *cache, if_none_match)
        }
        Reply::Filled { product: toy, .. } => {
            let body = format!("{{\"data\":{}}}", versioned(toy));
            product(body.into(), toy.version, CacheUse::Bypass, if_none_match)
        }
        Reply::Products(products) => {
            let written = |toy: &Product| match role {
                Role::Catalog => versioned(toy),
                Role::Frontend | Role::SeedFrontend | Role::Order => body::object(toy),
            };
            let list: Vec<String> = products.iter().map(written).collect();
            json(StatusCode::OK, format!("{{\"data\":[{}]}}", list.join(",")))
        }
        Reply::Ordered(made) => {
            let mut answer = data(&json!({"order_number": made.number.0}));
            add_ordered(&mut answer, made);
            answer
        }
        Reply::Order(found) => {
            let mut answer = json(StatusCode::OK, format!("{{\"data\":{}}}", order(found)));
            add_index(&mut answer, found.index);
            answer
        }
        Reply::Fate(fate) => fate_answer(fate),
        Reply::Orders(outcomes) => data(&outcomes.iter().map(outcome).collect()),
        Reply::Done => empty(StatusCode::NO_CONTENT),
        Reply::OrderLog { orders, .. } => {
            let list: Vec<String> = orders.iter().map(order).collect();
            json(StatusCode::OK, format!("{{\"data\":[{}]}}", list.join(",")))
        }
        Reply::Digest { upto, digest } => data(&json!({"upto": upto, "digest": digest})),
        Reply::Leased(lease) => data(&json!(lease)),
        Reply::Leader(leader) => data(&json!(leader)),
        Reply::View { view, unsettled } => data(&json!({"view": view, "unsettled": unsettled})),
        Reply::Takes(answers) => data(&json!(answers)),
        Reply::Missed { snapshot, entries, committed } => {
            let entry = |entry: &replication::Entry| {
                let command = hex(&entry.command);
                json!({"index": entry.index, "term": entry.term, "command": command})
            };
            let entries: Vec<Value> = entries.iter().map(entry).collect();
            let snapshot = snapshot.as_ref().map(snapshot_value);
            data(&json!({"snapshot": snapshot, "entries": entries, "committed": committed}))
        }
    }
}

/// `GET /snapshot`.
pub fn snapshot(snapshot: &Snapshot) -> Answer {
    data(&snapshot_value(snapshot))
}

fn snapshot_value(snapshot: &Snapshot) -> Value {
    let state = hex(&snapshot.state);
    json!({"index": snapshot.index, "term": snapshot.term, "state": state})
}

/// A page of the order log as CSV.
pub fn order_log_csv(orders: &[Order]) -> Answer {
    let mut text = csv::line(["number", "name", "quantity"]);
    for order in orders {
        let (number, quantity) = (order.number.to_string(), order.quantity.to_string());
        text += &csv::line([&number, order.name.spelling(), &quantity]);
    }
    whole(StatusCode::OK, HeaderValue::from_static("text/csv; charset=utf-8"), text)
}

/// `{"data":…}`.
pub fn data(value: &Value) -> Answer {
    json(StatusCode::OK, json!({"data": value}).to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `{"name":"Tux","price":25.99,"quantity":100,"version":17}`.
fn versioned(toy: &Product) -> String {
    let mut text = body::object(toy);
    text.pop();
    // Writing to a string cannot fail.
    let _ = write!(text, ",\"version\":{}}}", toy.version.0);
    text
}

/// `{"number":0,"name":"Tux","quantity":1}`.
fn order(order: &Order) -> String {
    let name = Value::from(order.name.spelling());
    format!("{{\"number\":{},\"name\":{name},\"quantity\":{}}}", order.number, order.quantity)
}

/// One of several orders that were placed together: each with its own status.
fn outcome(outcome: &OrderOutcome) -> Value {
    match outcome {
        OrderOutcome::Said(Ok(made)) => json!({"data": {"order_number": made.number.0}}),
        OrderOutcome::Said(Err(problem)) => {
            json!({"error": {"code": problem.status(), "message": problem.message()}})
        }
        OrderOutcome::Pending => json!({"data": {"state": "pending"}}),
    }
}

fn add_ordered(answer: &mut Answer, made: &Ordered) {
    add_version(answer, made.version);
    add_index(answer, made.index);
}

fn fate_answer(fate: &Fate) -> Answer {
    match fate {
        Fate::Recorded(made) => {
            let number = made.number.0;
            let mut answer = json(
                StatusCode::OK,
                format!(r#"{{"data":{{"state":"recorded","order_number":{number}}}}}"#),
            );
            add_ordered(&mut answer, made);
            answer
        }
        Fate::Refused { refusal, version, index } => {
            let reason = match refusal {
                Refusal::Insufficient => "insufficient stock",
                Refusal::Unknown => "product not found",
            };
            let mut answer = json(
                StatusCode::OK,
                format!(r#"{{"data":{{"state":"refused","reason":"{reason}"}}}}"#),
            );
            add_version(&mut answer, *version);
            add_index(&mut answer, *index);
            answer
        }
        Fate::Pending => data(&json!({"state": "pending"})),
        Fate::Never => data(&json!({"state": "never"})),
        Fate::Unknown => data(&json!({"state": "unknown"})),
    }
}
