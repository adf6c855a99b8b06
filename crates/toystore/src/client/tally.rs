//! What shoppers met: how long each kind of request took, and how it ended.
//!
//! Fed by [`super::runner`] with every HTTP exchange; shown by `client` and `demo`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use shop::message::{CacheUse, Problem, Reply, Request};
use shop::node::Answer;

/// The longest latency that is told apart, in microseconds: longer than any deadline.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Two digits of each latency are kept exactly.
const DIGITS: u8 = 2;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `GET /products/{name}`.
    Query,
    /// `POST /orders`.
    Order,
    /// `GET /orders/{number}`.
    Comparison,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Query => "query",
            Kind::Order => "order",
            Kind::Comparison => "order query",
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A product, from the cache.
    Hit,
    /// A product, from the catalog.
    Miss,
    /// A product, without a cache.
    Bypass,
    /// An order was recorded.
    Placed,
    /// An order was read.
    Found,
    /// Too few in stock.
    SoldOut,
    /// No such toy or order.
    NotFound,
    /// Another refusal.
    Refused,
    /// Not served, and not done.
    Unavailable,
    /// No connection.
    NoConnection,
    /// It may have been done or not.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Hit => "hit",
            Outcome::Miss => "miss",
            Outcome::Bypass => "no cache",
            Outcome::Placed => "placed",
            Outcome::Found => "found",
            Outcome::SoldOut => "sold out",
            Outcome::NotFound => "not found",
            Outcome::Refused => "refused",
            Outcome::Unavailable => "unavailable",
            Outcome::NoConnection => "no connection",
            Outcome::Unknown => "unknown",
        })
    }
}

/// Latencies by kind and outcome.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(Kind, Outcome), Histogram<u64>>,
}

/// One line of a summary; latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was asked.
    pub kind: Kind,
    /// How it ended; absent where all outcomes are taken together.
    pub outcome: Option<Outcome>,
    /// How often.
    pub count: u64,
    /// Half were quicker.
    pub p50_us: u64,
    /// Nine tenths were quicker.
    pub p90_us: u64,
    /// Ninety-nine of a hundred were quicker.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Tally {
    /// One exchange.
    pub fn record(&mut self, kind: Kind, outcome: Outcome, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let row = self.rows.entry((kind, outcome)).or_insert_with(empty);
        row.saturating_record(micros.clamp(1, LATENCY_US_MAX));
    }

    /// Takes over what another shopper met.
    pub fn add(&mut self, other: &Tally) {
        for (key, row) in &other.rows {
            let own = self.rows.entry(*key).or_insert_with(empty);
            own.add(row).expect("all rows are made by empty(), so their ranges are the same");
        }
    }

    /// How often a kind of request ended so.
    pub fn count(&self, kind: Kind, outcome: Outcome) -> u64 {
        self.rows.get(&(kind, outcome)).map_or(0, Histogram::len)
    }

    /// For each kind of request: all of them, then each outcome.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = vec![];
        for kind in [Kind::Query, Kind::Order, Kind::Comparison] {
            let rows: Vec<_> = self.rows.iter().filter(|((k, _), _)| *k == kind).collect();
            let mut all = empty();
            for (_, row) in &rows {
                all.add(*row).expect("all rows are made by empty(), so their ranges are the same");
            }
            if !all.is_empty() {
                lines.push(line(kind, None, &all));
            }
            lines.extend(rows.iter().map(|((_, outcome), row)| line(kind, Some(*outcome), row)));
        }
        lines
    }
}

/// The kind and the outcome of an exchange; absent for what no shopper asks.
pub fn classify(request: &Request, answer: &Answer) -> Option<(Kind, Outcome)> {
    let kind = match request {
        Request::ReadProduct { .. } => Kind::Query,
        Request::PlaceOrder(_) => Kind::Order,
        Request::ReadOrder { .. } => Kind::Comparison,
        _ => return None,
    };
    let outcome = match answer {
        Answer::Said(Ok(Reply::Product { cache: CacheUse::Hit, .. })) => Outcome::Hit,
        Answer::Said(Ok(Reply::Product { cache: CacheUse::Miss, .. })) => Outcome::Miss,
        Answer::Said(Ok(Reply::Product { cache: CacheUse::Bypass, .. })) => Outcome::Bypass,
        Answer::Said(Ok(Reply::Ordered(_))) => Outcome::Placed,
        Answer::Said(Ok(_)) => Outcome::Found,
        Answer::Said(Err(problem)) => match problem {
            Problem::InsufficientStock { .. } => Outcome::SoldOut,
            Problem::UnknownProduct | Problem::UnknownOrder => Outcome::NotFound,
            Problem::Unavailable(_) | Problem::NotLeader { .. } => Outcome::Unavailable,
            Problem::OutcomeUnknown(_) => Outcome::Unknown,
            _ => Outcome::Refused,
        },
        Answer::Refused => Outcome::NoConnection,
        Answer::Unknown => Outcome::Unknown,
    };
    Some((kind, outcome))
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)
        .expect("the bounds are constants that the library takes")
}

fn line(kind: Kind, outcome: Option<Outcome>, row: &Histogram<u64>) -> Line {
    Line {
        kind,
        outcome,
        count: row.len(),
        p50_us: row.value_at_quantile(0.5),
        p90_us: row.value_at_quantile(0.9),
        p99_us: row.value_at_quantile(0.99),
        max_us: row.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_all_shoppers_are_counted_apart_and_together() {
        let (mut all, mut one) = (Tally::default(), Tally::default());
        for millis in 1..=100 {
            one.record(Kind::Query, Outcome::Hit, Duration::from_millis(millis));
        }
        all.record(Kind::Query, Outcome::Miss, Duration::from_millis(500));
        all.add(&one);
        all.add(&one);
        assert_eq!(all.count(Kind::Query, Outcome::Hit), 200);
        let lines = all.lines();
        let shown: Vec<_> = lines.iter().map(|line| (line.outcome, line.count)).collect();
        let expected = [(None, 201), (Some(Outcome::Hit), 200), (Some(Outcome::Miss), 1)];
        assert_eq!(shown, expected);
        let hit = lines[1];
        assert!((49_000..=51_000).contains(&hit.p50_us), "{hit:?}");
        assert!((98_000..=101_000).contains(&hit.max_us), "{hit:?}");
        assert!(lines[0].max_us >= 500_000);
    }
}
