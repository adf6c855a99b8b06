//! What is judged, and how a judgement looks.
//!
//! Filled by every judge of this crate, shown by [`crate::report`] and [`crate::picture`].

use std::fmt;

use serde::Serialize;

use crate::history::Name;

/// Counterexamples of one guarantee that are kept; all are counted.
pub const KEPT_MAX: usize = 20;

/// What a store may promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Each toy's stock is linearizable.
    Stock,
    /// Each order number is linearizable.
    Orders,
    /// One order per request id, and one request id per order.
    Once,
    /// Every later read finds an acknowledged order as it was acknowledged, and so do the logs.
    Kept,
    /// All replicas end with the same order log.
    Replicas,
    /// Order numbers rise by one, and in the order of the log.
    Gapless,
    /// For every toy: what was there and what came is in stock or sold.
    Conserved,
    /// Nothing is sold more often than it is there.
    Oversold,
    /// Within a session: what it bought, it sees.
    ReadYourWrites,
    /// Within a session: what it saw does not go back.
    MonotonicReads,
    /// How old answers are that were older than they might have been.
    Staleness,
    /// Reads at level `leader` show states that were.
    LeaderReads,
    /// Reads at level `local` show states that were, and no process goes back.
    LocalReads,
}

impl Guarantee {
    /// All, in the order in which they are shown.
    pub const ALL: [Guarantee; 13] = [
        Guarantee::Stock,
        Guarantee::Orders,
        Guarantee::Once,
        Guarantee::Kept,
        Guarantee::Replicas,
        Guarantee::Gapless,
        Guarantee::Conserved,
        Guarantee::Oversold,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::Staleness,
        Guarantee::LeaderReads,
        Guarantee::LocalReads,
    ];
}

impl Guarantee {
    /// As the text and the JSON name it.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::Stock => "stock",
            Guarantee::Orders => "orders",
            Guarantee::Once => "once",
            Guarantee::Kept => "kept",
            Guarantee::Replicas => "replicas",
            Guarantee::Gapless => "gapless",
            Guarantee::Conserved => "conserved",
            Guarantee::Oversold => "oversold",
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::Staleness => "staleness",
            Guarantee::LeaderReads => "leader-reads",
            Guarantee::LocalReads => "local-reads",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What became of a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The history does not say what is needed to judge it. Never counted as held.
    NotJudged,
    /// Proved for this history.
    Held,
    /// It could be both: the search ended at its bounds, or an outcome stayed unknown. Never
    /// counted as held.
    NotDecided,
    /// Disproved, with a counterexample.
    Broke,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::NotJudged => "not judged",
            Verdict::Held => "held",
            Verdict::NotDecided => "not decided",
            Verdict::Broke => "broke",
        })
    }
}

/// What cannot be true together with the guarantee, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The sentence, with operations by their lines, times and values.
    pub sentence: String,
    /// The operations that it speaks of, by their places in the history; the last is the one that
    /// cannot be placed.
    pub operations: Vec<usize>,
    /// The toy that it is about, if it is about one.
    pub toy: Option<Name>,
}

/// One guarantee, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which.
    pub guarantee: Guarantee,
    /// What became of it.
    pub verdict: Verdict,
    /// In words: what was compared, or what is wrong, or what is missing.
    pub words: String,
    /// The first counterexamples, [`KEPT_MAX`] at most.
    pub found: Vec<Counterexample>,
    /// How many there are.
    pub count: u64,
}

/// Gathers counterexamples.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    found: Vec<Counterexample>,
    count: u64,
}

impl Findings {
    /// Adds one; its sentence is made only if it is kept.
    pub fn add(&mut self, found: impl FnOnce() -> Counterexample) {
        self.count += 1;
        if self.found.len() < KEPT_MAX {
            self.found.push(found());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds those of another.
    pub fn append(&mut self, other: Findings) {
        self.count += other.count;
        self.found.extend(other.found);
        self.found.truncate(KEPT_MAX);
    }

    /// Broke if there is one; else what is given.
    pub fn judge(self, guarantee: Guarantee, verdict: Verdict, words: String) -> Judgement {
        let count = self.count;
        let (verdict, words) = match self.found.first() {
            Some(_) => (Verdict::Broke, format!("{} found", many(count, "violation"))),
            None => (verdict, words),
        };
        Judgement { guarantee, verdict, words, found: self.found, count }
    }
}

/// `1 read`, `2,000 reads`.
pub fn many(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(count))
}

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
