//! One line of a history file as JSON: the same fields for writing and for reading.
//!
//! Flat: every kind of line has its fields among these, so that a message about a line can say the
//! column of the field it means. Written by whoever records, read by [`super::Reader`], which says
//! which fields each kind needs.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A text that is borrowed from the line where it has no escapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`super::MAGIC`].
    pub history: String,
    /// [`super::FORMAT`].
    pub format: u64,
    /// The unit of all times: `us`.
    pub clock: String,
    /// Every toy's state before the first operation.
    pub catalogue: Vec<Shelf<String>>,
    /// How the catalog restocks by itself; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restock: Option<RestockRule>,
    /// How caches learn of changes: `lease`, `push`, `ttl=2s`, `none`, `no cache`; free for stores
    /// that do otherwise.
    pub invalidation: String,
    /// How orders are replicated: `primary-backup`, `naive` …; free for other stores.
    pub replication: String,
    /// Whether each purchase has a request id that is the same in every attempt.
    pub keys: bool,
    /// How many takes the store itself may begin for one attempt of a client: more than one if it
    /// tries again under another leader.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub takes: u32,
    /// How many orders there were before the first operation: the first order's number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub orders: u64,
    /// The command that makes this run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
}

fn one() -> u32 {
    1
}

fn one_version() -> u64 {
    1
}

// Serde asks with a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A toy before the first operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shelf<N> {
    /// Its name.
    pub toy: N,
    /// How many there were.
    pub quantity: i64,
    /// Its version then.
    #[serde(default = "one_version")]
    pub version: u64,
}

/// What the catalog does with what is sold out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestockRule {
    /// To how many it refills, at any moment, a toy of which none is left.
    pub to: i64,
    /// Whether every restock stands in the history as an event.
    #[serde(default)]
    pub events: bool,
}

/// What an operation asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpKind {
    /// `toy`.
    Read,
    /// `toy`, `quantity`, `key`.
    Buy,
    /// `order`.
    Order,
    /// `key`.
    Fate,
    /// `key`.
    Resolve,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// `at`, `toy`, `quantity`.
    Restock,
    /// `at`, `node`, `term`.
    Leader,
    /// `at`, `until`, `node`, `what`.
    Fault,
    /// `node`, `orders`.
    Log,
    /// `toy`, `quantity`, `version`.
    Stock,
    /// `toy`, `quantity`, `key`, `taken`, `version`.
    PutBack,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// Done, with the values that were seen.
    Ok,
    /// Not done, for good, with a `reason`.
    Refused,
    /// It may have happened.
    Unknown,
    /// Certainly not done: no attempt reached anybody.
    Unavailable,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Fewer in stock than asked for.
    Insufficient,
    /// There is no such toy.
    NoSuchToy,
    /// There is no order with this number.
    NoSuchOrder,
    /// The request was resolved before: it never happens.
    Resolved,
    /// Anything else that says for certain that nothing was done.
    Other,
}

/// Where a product's answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// From the cache.
    Hit,
    /// From the catalog, since the cache did not have it.
    Miss,
    /// From the catalog, past the cache.
    Bypass,
}

/// How fresh the answer to a read was to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// It sees whatever was acknowledged before it began.
    #[default]
    Linearizable,
    /// A state that was, of whoever thought that it leads: it may be old.
    Leader,
    /// A state that was, of any replica: it may be old.
    Local,
}

impl Consistency {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::Linearizable => "linearizable",
            Consistency::Leader => "leader",
            Consistency::Local => "local",
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FateKind {
    /// An order, for good: `order`, `version`, `index`.
    Recorded,
    /// Refused, for good: `reason`, `version`, `index`.
    Refused,
    /// Under way.
    Pending,
    /// It never happened, and never will.
    Never,
    /// Not seen yet; it may still arrive.
    Unknown,
}

/// One order of a `log` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedLine<'a> {
    /// Its number.
    pub number: u64,
    /// Which toy.
    #[serde(borrow)]
    pub toy: Text<'a>,
    /// How many.
    pub quantity: i64,
    /// The request that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub key: Option<Text<'a>>,
    /// The version that its take made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Its index in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// Any line but the first. What a field means depends on the kind of line: `docs/formats.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[serde(bound(deserialize = "'de: 'a"))]
#[allow(missing_docs)]
pub struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<OpKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toy: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fate: Option<FateKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<Vec<LoggedLine<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
}

impl Line<'_> {
    /// As it stands in the file, without a line break.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }
}

impl Head {
    /// As it stands in the file, without a line break.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written as JSON")
    }
}
