//! From a message to the lab's JSON.
//!
//! The lab fixes the JSON, so what a proof needs travels in headers. The one table of errors is
//! [`Problem::status`] and [`Problem::message`]. Called by [`super::site`] and, for what both
//! dialects share, by [`super::seed`].

use std::fmt::Write;

use bytes::Bytes;
use hyper::StatusCode;
use replication::log::Snapshot;
use serde_json::{Value, json};
use shop::frontend::body;
use shop::message::{
    CacheUse, Consistency, Fate, Order, OrderOutcome, Ordered, Problem, ReadFrom, Refusal, Reply,
};
use shop::node::Address;
use shop::toy::{Product, Version};

use super::answer::{self, Answer, Digits, data, empty, json, status_of};
use super::endpoint::Role;
use crate::client::csv;

/// An expected failure, in JSON.
pub fn problem(problem: &Problem) -> Answer {
    problem_in_words(problem, &problem.message())
}

/// The same at a node of this role: the leader that it names is one of its own.
pub fn problem_at(role: Role, problem: &Problem) -> Answer {
    match problem {
        Problem::NotLeader { leader: Some(leader) } => {
            let role = role.name();
            problem_in_words(problem, &format!("not the leader, {role}-{leader} is"))
        }
        _ => self::problem(problem),
    }
}

/// The same in other words.
pub fn problem_in_words(problem: &Problem, message: &str) -> Answer {
    let mut answer = answer::error(status_of(problem), message);
    match problem {
        // Refused before it was looked up: no version has said so.
        Problem::InsufficientStock { index: 0, .. } => {}
        Problem::InsufficientStock { version, index } => {
            add_version(&mut answer, *version);
            add_index(&mut answer, *index);
        }
        Problem::UnknownOrder => add_consistency(&mut answer, Consistency::Linearizable),
        Problem::NoOrderHere(from) => add_from(&mut answer, from),
        _ => {}
    }
    answer
}

/// A product: `data` is the lab's JSON, which the cache prepares when it is filled.
pub fn product(
    data: Bytes,
    version: Version,
    cache: CacheUse,
    from: &ReadFrom,
    if_none_match: Option<&[u8]>,
) -> Answer {
    let mut space = Digits::default();
    let version = answer::digits(version.0, &mut space);
    let mut answer = match if_none_match {
        Some(known) if is_named(version, known) => empty(StatusCode::NOT_MODIFIED),
        Some(_) | None => json(StatusCode::OK, data),
    };
    add_cache_use(&mut answer, cache);
    answer.add_lines(&[
        b"cache-control: private, no-cache\r\netag: \"",
        version,
        b"\"\r\ntoystore-toy-version: ",
        version,
        b"\r\n",
    ]);
    add_from(&mut answer, from);
    answer
}

/// Whether `If-None-Match` names the entity tag `"version"` (RFC 9110 §13.1.2: a list, or `*`).
fn is_named(version: &[u8], if_none_match: &[u8]) -> bool {
    let is_it = |tag: &[u8]| {
        let tag = tag.trim_ascii();
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")) == Some(version)
    };
    if_none_match.trim_ascii() == b"*" || if_none_match.split(|byte| *byte == b',').any(is_it)
}

/// `X-Cache`.
pub fn add_cache_use(answer: &mut Answer, cache: CacheUse) {
    let cache = match cache {
        CacheUse::Hit => "hit",
        CacheUse::Miss => "miss",
        CacheUse::Bypass => "bypass",
    };
    answer.add("x-cache", cache);
}

/// `Toystore-Toy-Version`.
pub fn add_version(answer: &mut Answer, version: Version) {
    answer.add("toystore-toy-version", answer::digits(version.0, &mut Digits::default()));
}

/// `Toystore-Log-Index`.
pub fn add_index(answer: &mut Answer, index: u64) {
    answer.add("toystore-log-index", answer::digits(index, &mut Digits::default()));
}

fn add_consistency(answer: &mut Answer, consistency: Consistency) {
    answer.add("toystore-consistency", consistency.name());
}

/// `Toystore-Consistency`, `Toystore-Applied-Index`, `Toystore-Read-From`.
pub fn add_from(answer: &mut Answer, from: &ReadFrom) {
    let (role, number): (&[u8], u8) = match from.node {
        Address::Frontend(number) => (b"frontend-", number),
        Address::Order(id) => (b"order-", id.0),
        Address::Catalog(id) => (b"catalog-", id.0),
    };
    let (mut one, mut two, mut three) = Default::default();
    answer.add_lines(&[
        b"toystore-consistency: ",
        from.consistency.name().as_bytes(),
        b"\r\ntoystore-applied-index: ",
        answer::digits(from.applied, &mut one),
        b"\r\ntoystore-read-from: ",
        role,
        answer::digits(number.into(), &mut two),
        b"/",
        answer::digits(from.incarnation, &mut three),
        b"\r\n",
    ]);
}

/// The lab's JSON for a reply; a catalog's products tell their version in the body too.
pub fn reply(role: Role, reply: &Reply, if_none_match: Option<&[u8]>) -> Answer {
    match reply {
        Reply::Product { product: toy, cache, from } => {
            product(body::product(toy), toy.version, *cache, from, if_none_match)
        }
        Reply::Filled { product: toy, from, .. } => {
            let body = format!("{{\"data\":{}}}", versioned(toy));
            product(body.into(), toy.version, CacheUse::Bypass, from, if_none_match)
        }
        Reply::Products { products, from } => {
            let written = |toy: &Product| match role {
                Role::Catalog => versioned(toy),
                Role::Frontend | Role::SeedFrontend | Role::Order => body::object(toy),
            };
            let list: Vec<String> = products.iter().map(written).collect();
            page(&list, from)
        }
        Reply::Ordered(made) => {
            let number = made.number.0;
            let mut answer =
                json(StatusCode::OK, format!("{{\"data\":{{\"order_number\":{number}}}}}"));
            add_ordered(&mut answer, made);
            answer
        }
        Reply::Order { order: found, from } => {
            let mut answer = json(StatusCode::OK, format!("{{\"data\":{}}}", order(found)));
            add_index(&mut answer, found.index);
            add_from(&mut answer, from);
            answer
        }
        Reply::Fate(fate) => fate_answer(fate),
        Reply::Orders(outcomes) => data(&outcomes.iter().map(outcome).collect()),
        Reply::Done => empty(StatusCode::NO_CONTENT),
        Reply::OrderLog { orders, from, .. } => {
            let list: Vec<String> = orders.iter().map(order).collect();
            page(&list, from)
        }
        Reply::Digest { upto, digest } => data(&json!({"upto": upto, "digest": digest})),
        Reply::Leased(lease) => data(&json!(lease)),
        Reply::Leader(leader) => data(&json!(leader)),
        Reply::Members(group) => data(&json!(group)),
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

/// Some of a list.
fn page(list: &[String], from: &ReadFrom) -> Answer {
    let mut answer = json(StatusCode::OK, format!("{{\"data\":[{}]}}", list.join(",")));
    add_from(&mut answer, from);
    answer
}

/// `GET /snapshot`.
pub fn snapshot(snapshot: &Snapshot) -> Answer {
    data(&snapshot_value(snapshot))
}

fn snapshot_value(snapshot: &Snapshot) -> Value {
    let state = hex(&snapshot.state.whole());
    json!({"index": snapshot.index, "term": snapshot.term, "state": state})
}

/// A page of the order log as CSV.
pub fn order_log_csv(orders: &[Order], from: &ReadFrom) -> Answer {
    let mut text = csv::line(["number", "name", "quantity"]);
    for order in orders {
        let (number, quantity) = (order.number.to_string(), order.quantity.to_string());
        text += &csv::line([&number, order.name.spelling(), &quantity]);
    }
    let mut answer = answer::whole(StatusCode::OK, "text/csv; charset=utf-8", text);
    add_from(&mut answer, from);
    answer
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
