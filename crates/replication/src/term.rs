//! Who may lead, and since when: replica ids, terms and views.
//!
//! Used by every engine, by the catalog (which keeps the view) and by the ledger (which rejects
//! entries of older terms).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A replica of the order service (or of the catalog), from 1 to [`NodeId::MAX`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NodeId(pub u8);

impl NodeId {
    /// The highest id. Higher than [`NodeId::GROUP_MAX`], since no id is used twice: what comes in
    /// the place of a replica has one that nobody had.
    pub const MAX: u8 = 99;

    /// The most replicas of one service: as many as a majority protocol has use for.
    pub const GROUP_MAX: usize = 9;

    /// Nobody: the node part of [`Term::ZERO`].
    pub const NONE: NodeId = NodeId(0);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A reign: unique, compared field by field in this order, on disk before it is used, never
/// resumed. A leader that restarts leads only under a new term.
///
/// Elsewhere called epoch, ballot or view number. Two replicas can never hold the same term, since
/// it names its node; converting a data folder to another engine raises the generation.
/// JSON writes it as people do, `"0.4@3"`; postcard field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Raised when the log moves to another engine.
    pub generation: u32,
    /// Raised with each new leader, and with each change of the in-sync set.
    pub number: u64,
    /// Who leads in this term.
    pub node: NodeId,
}

impl Term {
    /// Before anybody led.
    pub const ZERO: Term = Term { generation: 0, number: 0, node: NodeId::NONE };

    /// The highest number that is read from anybody: one so high that no store comes near it, and
    /// that there is always a next one.
    pub const NUMBER_MAX: u64 = u64::MAX / 2;

    /// The lowest term of `node` that is higher than this one.
    pub fn next(self, node: NodeId) -> Term {
        Term { generation: self.generation, number: self.number + 1, node }
    }
}

impl Default for Term {
    fn default() -> Self {
        Self::ZERO
    }
}

/// `0.4@3`: generation 0, number 4, led by node 3.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.generation, self.number, self.node)
    }
}

/// The same in encodings that nobody reads.
#[derive(Serialize, Deserialize)]
struct Fields(u32, u64, NodeId);

impl Serialize for Term {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            Fields(self.generation, self.number, self.node).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            let Fields(generation, number, node) = Fields::deserialize(deserializer)?;
            if number > Term::NUMBER_MAX {
                return Err(serde::de::Error::custom("no term has a number that high"));
            }
            Ok(Term { generation, number, node })
        }
    }
}

impl std::str::FromStr for Term {
    type Err = String;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a term: expected GENERATION.NUMBER@NODE, as 0.4@3");
        let (generation, rest) = text.split_once('.').ok_or_else(wrong)?;
        let (number, node) = rest.split_once('@').ok_or_else(wrong)?;
        Ok(Term {
            generation: generation.parse().map_err(|_| wrong())?,
            number: number
                .parse()
                .ok()
                .filter(|number| *number <= Term::NUMBER_MAX)
                .ok_or_else(wrong)?,
            node: NodeId(node.parse().map_err(|_| wrong())?),
        })
    }
}

/// Who leads, under which term, and which replicas hold everything that was acknowledged.
///
/// Kept durably by an arbiter outside the replicas (the catalog), changed by compare-and-set.
///
/// Invariant: an acknowledged entry is on the disk of every member of `in_sync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View {
    /// The term; its node leads.
    pub term: Term,
    /// The replicas that have everything, the leader among them. Only one of them may lead next.
    pub in_sync: BTreeSet<NodeId>,
}

impl View {
    /// The leader's id; [`NodeId::NONE`] before anybody led.
    pub fn leader(&self) -> NodeId {
        self.term.node
    }
}

/// `0.4@3{1,3}`.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.term)?;
        for (position, node) in self.in_sync.iter().enumerate() {
            if position > 0 {
                write!(f, ",")?;
            }
            write!(f, "{node}")?;
        }
        write!(f, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A term without a next one would be the last that anybody leads under.
    #[test]
    fn no_term_is_read_that_has_no_next_one() {
        let term = |number| Term { generation: 0, number, node: NodeId(3) };
        let read = |term: Term| term.to_string().parse::<Term>().ok();
        let highest = term(Term::NUMBER_MAX);
        assert_eq!(read(highest), Some(highest));
        assert_eq!(read(term(Term::NUMBER_MAX + 1)), None);
        assert_eq!(read(term(u64::MAX)), None);
    }
}
