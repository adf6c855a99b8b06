//! A history: what every client of a store asked, when, and what it was told.
//!
//! `docs/formats.md` describes the file. [`Line`] is one line of it, [`Reader`] makes a [`History`]
//! of lines; everything else of this crate judges that. Names are kept once each, since the same
//! few toys, nodes and sessions stand in a million lines.

mod event;
mod line;
mod read;
mod row;

use std::collections::BTreeMap;

pub use event::{Event, Logged};
pub use line::{
    Cache, Consistency, EventKind, FateKind, Head, Line, LoggedLine, OpKind, OutcomeKind, Reason,
    RestockRule, Shelf, Text,
};
pub use read::{BadInput, LINE_BYTES_MAX, NUMBER_MAX, QUANTITY_MAX, Reader, read};

/// The format that this version reads and writes.
pub const FORMAT: u64 = 1;

/// The word in the first line that says what the file is.
pub const MAGIC: &str = "toystore";

/// A point in time: microseconds on the one monotonic clock of the history.
pub type Micros = u64;

/// No answer was ever seen: later than every time.
pub const NEVER_RETURNED: Micros = u64::MAX;

/// A name or a key that stands in the history, by its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// Every different name or key, once.
///
/// Found by a hash of the text, since comparing a million keys that begin alike with each other
/// takes longer than reading them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<Box<str>>,
    /// By hash: the first that had it.
    places: BTreeMap<u64, u32>,
    /// Those whose hash another text had before.
    others: BTreeMap<Box<str>, u32>,
}

impl Names {
    /// The name with this text, new or known.
    pub fn put(&mut self, text: &str) -> Name {
        let next = u32::try_from(self.texts.len()).expect("a file has fewer than 2^32 names");
        let place = *self.places.entry(hash(text)).or_insert(next);
        if place == next {
            self.texts.push(text.into());
            return Name(place);
        }
        if &*self.texts[place as usize] == text {
            return Name(place);
        }
        if let Some(place) = self.others.get(text) {
            return Name(*place);
        }
        self.texts.push(text.into());
        self.others.insert(text.into(), next);
        Name(next)
    }

    /// Its text.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }
}

/// FNV-1a, eight bytes at a time.
fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |word: u64| {
        hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    };
    let chunks = text.as_bytes().chunks_exact(8);
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    for chunk in chunks {
        mix(u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes")));
    }
    mix(u64::from_le_bytes(last));
    mix(text.len() as u64);
    hash
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// How many of a toy there are.
    Read {
        /// Which toy.
        toy: Name,
    },
    /// To buy some of a toy.
    Buy {
        /// Which toy.
        toy: Name,
        /// How many; what a store should refuse (0, negative) can be written down too.
        quantity: i64,
        /// The request id, if the client sent one.
        key: Option<Name>,
    },
    /// What is recorded under an order number.
    Order {
        /// Which number.
        number: u64,
    },
    /// What became of a request.
    Fate {
        /// Its request id.
        key: Name,
        /// Whether nothing was to happen any more if nothing had.
        resolve: bool,
    },
}

/// A recorded order as a buyer, or whoever asks for its fate, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Its number.
    pub order: u64,
    /// The version of the toy that it made, where the store has versions.
    pub version: Option<u64>,
    /// Its index in the replicated log, where the store shows it.
    pub index: Option<u64>,
}

/// Why nothing was done, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The version of the toy that refused.
    pub version: Option<u64>,
    /// The log index of the recorded refusal.
    pub index: Option<u64>,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To a read: so many there are.
    Product {
        /// How many; a store that sells too much may say a negative number.
        quantity: i64,
        /// The toy's version, where the store has versions.
        version: Option<u64>,
        /// Where the answer came from.
        cache: Option<Cache>,
    },
    /// To a purchase: it is recorded.
    Bought(Bought),
    /// To a read of an order: this is it.
    Found {
        /// Which toy.
        toy: Name,
        /// How many.
        quantity: i64,
        /// Its index in the replicated log.
        index: Option<u64>,
    },
    /// To a question about a request: it is recorded.
    FateRecorded(Bought),
    /// To a question about a request: it is refused for good.
    FateRefused(Refused),
    /// To a question about a request: it never happened, and never will.
    FateNever,
    /// To a question about a request: that is not decided yet, or nothing is known of it.
    FateOpen,
    /// No: nothing was done.
    Refused(Refused),
    /// No answer, or one that says that nobody knows: it may have happened, or may still happen.
    Unknown,
    /// Certainly not done: no attempt reached anybody.
    Unavailable,
}

/// One operation of one client, from its invocation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The line of the file that it stands in, from 1: its name in every sentence.
    pub line: u32,
    /// Who.
    pub client: u32,
    /// Which sequence of operations it belongs to, for the guarantees within a session.
    pub session: Name,
    /// Which process the client ran in.
    pub process: Option<Name>,
    /// Who answered.
    pub node: Option<Name>,
    /// When the client sent it first.
    pub invoked: Micros,
    /// When it was answered, or given up.
    pub returned: Micros,
    /// How often the client sent it.
    pub attempts: u32,
    /// What was asked.
    pub asked: Asked,
    /// What was answered.
    pub outcome: Outcome,
    /// How fresh the answer was to be, if it is a read of a toy or of an order.
    pub consistency: Consistency,
    /// Whose state the answer is from: a process, another one after each start.
    pub from: Option<Name>,
    /// How far the replicated log was applied in that state.
    pub applied: Option<u64>,
}

impl Operation {
    /// Whether it was to see whatever was acknowledged before it began.
    pub fn is_linearizable(&self) -> bool {
        self.consistency == Consistency::Linearizable
    }
}

/// What clients saw, and what nodes say happened.
#[derive(Clone, Debug)]
pub struct History {
    /// The first line.
    pub head: Head,
    /// Every toy's state at the beginning, in catalogue order.
    pub catalogue: Vec<Shelf<Name>>,
    /// Toys, sessions, processes, nodes.
    pub names: Names,
    /// Request ids.
    pub keys: Names,
    /// In the order of the file.
    pub operations: Vec<Operation>,
    /// In the order of the file.
    pub events: Vec<Event>,
}

impl History {
    /// The text of a toy's, node's or session's name.
    pub fn name(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The text of a request id.
    pub fn key(&self, key: Name) -> &str {
        self.keys.text(key)
    }

    /// The final order log of each replica that shows one: its orders in the order of the file.
    pub fn logs(&self) -> BTreeMap<Name, Vec<&Logged>> {
        let mut logs: BTreeMap<Name, Vec<&Logged>> = BTreeMap::new();
        for event in &self.events {
            if let Event::Log { node, orders } = event {
                logs.entry(*node).or_default().extend(orders);
            }
        }
        logs
    }

    /// When the last operation ended.
    pub fn end(&self) -> Micros {
        self.operations.iter().map(|operation| operation.returned).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_name_also_where_hashes_meet() {
        let mut names = Names::default();
        let first = names.put("Tux");
        assert_eq!(names.put("Tux"), first);
        // As if "Fox" had the hash of "Tux".
        names.places.insert(hash("Fox"), 0);
        let fox = names.put("Fox");
        assert_ne!(fox, first);
        assert_eq!((names.put("Fox"), names.text(fox), names.text(first)), (fox, "Fox", "Tux"));
    }
}
