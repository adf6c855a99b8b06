//! What a shopper writes down: its orders, how its requests went, what the final comparison found.
//!
//! Filled by `shopper::mod`; taken by the shell for the CSV file, the table and the exit code.

use std::fmt;
use std::time::Duration;

use replication::Time;
use serde::Serialize;

use crate::message::{CacheUse, Order, OrderNumber};
use crate::toy::{Quantity, ToyName, Version};

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A page of the list of toys, at the start.
    List,
    /// A look at a toy.
    Query,
    /// An order.
    Order,
    /// A look at an order, at the end.
    OrderQuery,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::List => "list",
            Kind::Query => "query",
            Kind::Order => "order",
            Kind::OrderQuery => "order query",
        })
    }
}

/// How a request ended, after all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Ok,
    /// Fewer in stock than ordered.
    Refused,
    /// No such toy or order.
    NotFound,
    /// Given up, and certainly not done: no attempt reached anybody who took it on.
    Unavailable,
    /// Given up, and done or not done.
    Unknown,
    /// An answer that no shopper should get: another kind than asked for, a bad request, a used
    /// key.
    Failed,
    /// No such order where that proves nothing, however often it was looked at.
    NotYet,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "too few in stock",
            Outcome::NotFound => "not found",
            Outcome::Unavailable => "unavailable",
            Outcome::Unknown => "unknown",
            Outcome::Failed => "wrong answer",
            Outcome::NotYet => "not yet found",
        })
    }
}

/// One request, from its first attempt to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// What was asked.
    pub kind: Kind,
    /// When its first attempt began; with a pace, when it was meant to.
    pub began: Time,
    /// By how much its first attempt began later than it was meant to; zero without a pace.
    pub late: Duration,
    /// Until its end, waits between attempts included.
    pub latency: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts after the first.
    pub retries: u32,
    /// Where a product came from.
    pub cache: Option<CacheUse>,
    /// Which frontend gave the last answer, or did not.
    pub frontend: u8,
}

/// A recorded order: one line of the CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderLine {
    /// Its number.
    pub number: OrderNumber,
    /// The toy, in the catalogue's spelling.
    pub name: ToyName,
    /// How many.
    pub quantity: Quantity,
    /// Whose.
    pub session: u32,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The version that its take made.
    pub version: Version,
    /// Its index in the replicated log.
    pub index: u64,
    /// Attempts after the first.
    pub retries: u32,
}

impl OrderLine {
    /// The first line of the CSV file.
    pub const FIELDS: [&'static str; 8] = [
        "number",
        "name",
        "quantity",
        "session",
        "request_id",
        "toy_version",
        "log_index",
        "retries",
    ];

    /// A line of the CSV file, field by field, not quoted yet.
    pub fn fields(&self) -> [String; 8] {
        [
            self.number.to_string(),
            self.name.to_string(),
            self.quantity.to_string(),
            self.session.to_string(),
            self.key.clone(),
            self.version.0.to_string(),
            self.index.to_string(),
            self.retries.to_string(),
        ]
    }
}

/// What the final comparison found wrong with one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// The store has another order under this number.
    Mismatched {
        /// What this shopper was told when it ordered.
        ordered: Side,
        /// What the store says now.
        found: Side,
    },
    /// The store has no order under this number.
    Missing {
        /// What this shopper was told when it ordered.
        ordered: Side,
    },
    /// The store did not answer.
    Unanswered {
        /// What this shopper was told when it ordered.
        ordered: Side,
    },
    /// Two orders of this shopper were given the same number.
    Doubled {
        /// The later of the two.
        ordered: Side,
    },
    /// It was never learned whether this order was done.
    Unknown {
        /// Its `Idempotency-Key`.
        key: String,
    },
    /// No replica that was asked has shown the order yet, at a level at which that proves nothing.
    NotYet {
        /// What this shopper was told when it ordered.
        ordered: Side,
    },
}

/// In a sentence, for whoever must look into it.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Mismatched { ordered, found } => {
                write!(f, "{ordered} was acknowledged, but the store now says {found}")
            }
            Difference::Missing { ordered } => {
                write!(f, "{ordered} was acknowledged, but the store has no such order now")
            }
            Difference::Unanswered { ordered } => {
                write!(f, "{ordered} was acknowledged, but the store did not answer about it")
            }
            Difference::Doubled { ordered } => {
                write!(f, "{ordered} was given a number that another order has")
            }
            Difference::Unknown { key } => {
                write!(f, "it was never learned whether order {key} was done")
            }
            Difference::NotYet { ordered } => write!(
                f,
                "{ordered} was acknowledged, and the replicas that were read did not show it yet; \
                 below linearizable that proves nothing: read it again with \
                 consistency=linearizable"
            ),
        }
    }
}

/// An order as one side knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Side {
    /// Its number.
    pub number: OrderNumber,
    /// The toy.
    pub name: ToyName,
    /// How many.
    pub quantity: Quantity,
}

/// `order 17 (Tux x2)`.
impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} ({} x{})", self.number, self.name, self.quantity)
    }
}

impl From<&OrderLine> for Side {
    fn from(line: &OrderLine) -> Side {
        Side { number: line.number, name: line.name.clone(), quantity: line.quantity }
    }
}

impl From<&Order> for Side {
    fn from(order: &Order) -> Side {
        Side { number: order.number, name: order.name.clone(), quantity: order.quantity }
    }
}

/// What became of a shopper's day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Summary {
    /// Looks at toys that were answered.
    pub queries: u64,
    /// Of these, answered from a frontend's cache.
    pub hits: u64,
    /// Orders recorded.
    pub orders: u64,
    /// Orders refused: fewer in stock.
    pub refused: u64,
    /// Requests about what the store does not know.
    pub not_found: u64,
    /// Requests given up, certainly not done.
    pub unavailable: u64,
    /// Requests whose outcome was unknown when they were given up.
    pub unknown: u64,
    /// Answers that no shopper should get.
    pub failed: u64,
    /// Requests that needed more than one attempt.
    pub retried: u64,
    /// Orders that were compared at the end and found as they were recorded.
    pub matched: u64,
    /// Every order that was not.
    pub differences: Vec<Difference>,
    /// Whether everything was done that was to be done.
    pub complete: bool,
}

impl Summary {
    /// The exit condition: all work done, every comparison matched, no order left unknown, no
    /// answer that should not be.
    pub fn all_matched(&self) -> bool {
        self.complete && self.failed == 0 && self.differences.is_empty()
    }

    /// The keys of the orders of which it was never told what became.
    pub fn unknown_keys(&self) -> impl Iterator<Item = &str> {
        self.differences.iter().filter_map(|difference| match difference {
            Difference::Unknown { key } => Some(key.as_str()),
            Difference::Mismatched { .. }
            | Difference::Missing { .. }
            | Difference::Unanswered { .. }
            | Difference::Doubled { .. }
            | Difference::NotYet { .. } => None,
        })
    }

    /// Counts one finished request.
    pub(super) fn count(&mut self, sample: &Sample) {
        self.retried += u64::from(sample.retries > 0);
        let counter = match (sample.outcome, sample.kind) {
            (Outcome::Ok, Kind::Query) => {
                self.hits += u64::from(sample.cache == Some(CacheUse::Hit));
                &mut self.queries
            }
            (Outcome::Ok, Kind::Order) => &mut self.orders,
            (Outcome::Ok, Kind::List | Kind::OrderQuery) => return,
            (Outcome::Refused, _) => &mut self.refused,
            (Outcome::NotFound | Outcome::NotYet, _) => &mut self.not_found,
            (Outcome::Unavailable, _) => &mut self.unavailable,
            (Outcome::Unknown, _) => &mut self.unknown,
            (Outcome::Failed, _) => &mut self.failed,
        };
        *counter += 1;
    }
}
