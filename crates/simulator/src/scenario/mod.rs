//! A scenario: one story that can be told in every world. Which store, who shops at it and for how
//! long, what goes wrong when, and what verdict that must end in.
//!
//! It is a TOML file ([`read`](Scenario::read); `docs/formats.md` describes it), and nothing in it
//! belongs to one world: the simulator makes a [`Plan`] of it, real processes are started and
//! broken by it in the shell's `run` command. Called by both.

mod answered;
mod file;
mod links;

use std::fmt;
use std::time::Duration;

use checker::history::History;
use checker::verdict::{Guarantee, Verdict};
use replication::Protocol;
use replication::Time;
use replication::protocol::ENTRIES_KEPT;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use shop::shopper::{Probability, RETRY_INTERVAL_DEFAULT};

use crate::fault::{Fault, Timeline};
use crate::plan::Plan;
use crate::setting::{Clocks, Kinds, Levels, Network, Setting};
use crate::who::Seats;

pub use answered::{Answered, Question};
pub use file::Wrong;

/// What a simulated message needs, in microseconds: a local network with some reordering.
const DELAY_US: (u64, u64) = (50, 400);

/// Entries between two checkpoints.
const CHECKPOINT_ENTRIES: u64 = 2000;

/// Length of a segment of a simulated log, in bytes.
const SEGMENT_BYTES: u64 = 64 * 1024;

/// In stock of each toy at first, and after a restock: what a real catalog has.
const STOCK: u64 = shop::catalog::RESTOCK_LEVEL;

/// A story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it teaches, in a sentence.
    pub about: String,
    /// Order replicas, frontends and shoppers.
    pub seats: Seats,
    /// How order replicas agree.
    pub protocol: Protocol,
    /// How caches learn of changes.
    pub invalidation: Invalidation,
    /// Toys in each frontend's cache; 0 switches it off.
    pub cache_capacity: u32,
    /// Which toy goes when another needs its slot.
    pub cache_policy: Policy,
    /// How often toys that are sold out are restocked.
    pub restock_interval: Duration,
    /// How many toys are sold, from the front of the built-in catalogue.
    pub toys: usize,
    /// How likely a shopper orders what it saw in stock.
    pub probability: Probability,
    /// How likely it reads one of its orders again, after a toy.
    pub lookups: Probability,
    /// How long it thinks after each toy.
    pub pause: Duration,
    /// How often it tries again.
    pub retries: u32,
    /// How long it shops; then everything heals, and it reads back every order.
    pub length: Duration,
    /// What goes wrong, in order.
    pub faults: Timeline,
    /// How it must end.
    pub expected: Expected,
    /// What must be answered meanwhile, and under whom.
    pub answered: Vec<Answered>,
}

/// The verdict that a scenario must end in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Everything that can be judged holds.
    Held,
    /// At least these are broken.
    Broke(Vec<Guarantee>),
}

impl Expected {
    /// What is wrong with a verdict; nothing, if it is as expected.
    pub fn compare(&self, judged: &checker::Judged) -> Option<String> {
        let of = |guarantee: Guarantee| {
            judged.judgements.iter().find(|judgement| judgement.guarantee == guarantee)
        };
        match self {
            Expected::Held => {
                let verdict = judged.verdict();
                let held = verdict == Verdict::Held;
                (!held).then(|| format!("expected: everything held; it is: {verdict}"))
            }
            Expected::Broke(guarantees) => {
                let kept = guarantees.iter().find(|guarantee| {
                    of(**guarantee).is_none_or(|judgement| judgement.verdict != Verdict::Broke)
                })?;
                let verdict = of(*kept).map_or(Verdict::NotJudged, |judgement| judgement.verdict);
                Some(format!("expected: {kept} broke; it is: {verdict}"))
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Held => f.write_str("everything held"),
            Expected::Broke(guarantees) => {
                let names: Vec<&str> = guarantees.iter().map(|one| one.name()).collect();
                write!(f, "{} broke", names.join(", "))
            }
        }
    }
}

impl Scenario {
    /// The same story under another way of replication. What breaks under one that protects nothing
    /// must hold under one that does.
    #[must_use]
    pub fn under(self, protocol: Protocol) -> Scenario {
        let protected = !self.protocol.is_safe() && protocol.is_safe();
        let expected = if protected { Expected::Held } else { self.expected };
        Scenario { protocol, expected, ..self }
    }

    /// What is wrong with a run of it; nothing, if it is as expected.
    pub fn compare(&self, history: &History, judged: &checker::Judged) -> Option<String> {
        self.expected.compare(judged).or_else(|| {
            self.answered.iter().find_map(|answered| answered.compare(self.protocol, history))
        })
    }

    /// How it must end under this way of replication, in words.
    pub fn expectation(&self) -> String {
        let answered = self.answered.iter().map(|one| one.expectation(self.protocol));
        [self.expected.to_string()].into_iter().chain(answered).collect::<Vec<_>>().join("; ")
    }

    /// The same story in a simulated world; the seed fixes what is left to chance.
    pub fn plan(&self, seed: u64) -> Plan {
        let skew = self.faults.iter().any(|(_, fault)| matches!(fault, Fault::Skew { .. }));
        let (low, high) = DELAY_US;
        let setting = Setting {
            seed,
            seats: self.seats,
            protocol: self.protocol,
            invalidation: self.invalidation,
            cache_capacity: self.cache_capacity as usize,
            cache_policy: self.cache_policy,
            entries_kept: ENTRIES_KEPT,
            checkpoint_entries: CHECKPOINT_ENTRIES,
            catalog_checkpoint_entries: CHECKPOINT_ENTRIES,
            segment_bytes: SEGMENT_BYTES,
            toys: self.toys,
            stock: STOCK,
            restock_interval: self.restock_interval,
            drift: false,
            network: Network { delay_us: (low, high), lost: 0, doubled: 0, late: 0 },
            commit: None,
            kinds: Kinds { skew, ..Kinds::NONE },
            fault_interval: self.length,
            probability: self.probability,
            lookups: self.lookups,
            retries: self.retries,
            retry_interval: RETRY_INTERVAL_DEFAULT,
            pause: self.pause,
            ask_interval: self.length,
            length: self.length,
            absence: false,
            strict: false,
            planted: None,
            levels: Levels::STRONG,
            clocks: Clocks::Drawn,
        };
        let heal_at = Time(0) + self.length;
        let (faults, asks) = (self.faults.clone(), Vec::new());
        Plan { setting, faults, asks, heal_at, rounds: u32::MAX, noise: 0 }
    }
}
