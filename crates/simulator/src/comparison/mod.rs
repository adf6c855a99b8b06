//! Ways of replication side by side: one workload, one set of faults, every protocol; what an order
//! costs, how long there are none after a fault, what loss of messages does, and what was kept.
//!
//! ```text
//! Extent ─► cases: protocol, replicas, what happens, seed ─► runs, one each ─► rows
//! ```
//!
//! A message between two processes always takes [`DELAY`], and a commit to disk [`COMMIT`], so that
//! numbers say how often the protocols wait, not for which machine. A run is a case of its own: the
//! shell's `compare` command spreads them over threads, and draws the rows. It plays the same cases
//! with real processes too ([`Case::scenario`]), and makes rows of those in the same way.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mod` | which runs there are, and the world of each |
//! | `outage` | what goes wrong in them |
//! | `rows` | what is read off a run, and the runs of a row together |

mod outage;
mod rows;

use std::ops::Range;
use std::time::Duration;

use replication::protocol::ENTRIES_KEPT;
use replication::{Protocol, Time};
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use shop::shopper::Probability;

pub use outage::Outage;
pub use rows::{Comparison, CostRow, Kept, LossRow, Measured, OutageRow, quantile};

use crate::fault::{Fault, Shape, Target, Timeline};
use crate::plan::Plan;
use crate::run::run_measured;
use crate::scenario::{Expected, Scenario};
use crate::setting::{Clocks, Kinds, Levels, Network, Setting};
use crate::who::Seats;

/// What a message between two processes needs.
pub const DELAY: Duration = Duration::from_micros(500);

/// What a commit to disk needs: the sync of a good solid-state disk.
pub const COMMIT: Duration = Duration::from_micros(1000);

/// Frontends; their caches are off, so that nothing but the purchase is measured.
pub const FRONTENDS: u8 = 2;

/// Nothing is measured before: a leader is found by then.
pub const WARM_UP: Duration = Duration::from_secs(3);

/// How long a run goes on after its fault.
const AFTER: Duration = Duration::from_secs(4);

/// Shoppers of a run with a fault, or with loss.
pub const SHOPPERS: u8 = 16;

/// How long each of them thinks after an order: some 300 orders a second in all.
pub const PAUSE: Duration = Duration::from_millis(50);

/// How long a shopper waits before it tries again: short, so that a gap is the store's.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Tries of a shopper: more than any outage needs.
const RETRIES: u32 = 1000;

/// Toys that are sold.
pub const TOYS: usize = 10;

/// In stock of each: a number that is never sold out.
pub const STOCK: u64 = 1_000_000_000;

/// Entries between two checkpoints: the same as in scenarios.
const CHECKPOINT_ENTRIES: u64 = 2000;

/// Length of a segment of a simulated log, in bytes.
const SEGMENT_BYTES: u64 = 64 * 1024;

/// Of a thousand messages between nodes, so many are lost.
pub const LOSSES: [u32; 3] = [0, 10, 50];

/// What happens in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    /// Nothing; so many shoppers order one thing after the other, without thinking.
    Nothing {
        /// How many.
        shoppers: u8,
    },
    /// A fault, while [`SHOPPERS`] shop.
    Outage(Outage),
    /// Messages between nodes are lost, while [`SHOPPERS`] order without thinking.
    Loss {
        /// Only between the leader and its followers.
        replication: bool,
        /// Of a thousand.
        per_mille: u32,
    },
}

/// How much is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Numbers of replicas for what an order costs, and what loss does; and for those faults that
    /// can be had with them.
    pub replicas: Vec<u8>,
    /// Numbers of shoppers for the same.
    pub shoppers: Vec<u8>,
    /// The first seed.
    pub seed: u64,
    /// Runs of each fault and each loss, each with another seed.
    pub seeds: u64,
    /// Runs of what costs are counted from: with no chance in it but the choice of toys, one says
    /// all; on a real machine it does not.
    pub cost_seeds: u64,
    /// How long it is counted what an order costs.
    pub length: Duration,
    /// How long messages are lost.
    pub loss_length: Duration,
    /// How long a fault lasts.
    pub span: Duration,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// How replicas agree.
    pub protocol: Protocol,
    /// How many there are.
    pub replicas: u8,
    /// What happens.
    pub happens: Happens,
    /// Fixes what is left to chance.
    pub seed: u64,
    /// How long it happens.
    pub length: Duration,
}

impl Extent {
    /// Every run, those of a row one after the other.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for replicas in &self.replicas {
            for shoppers in &self.shoppers {
                let happens = Happens::Nothing { shoppers: *shoppers };
                self.add(&mut cases, *replicas, happens, self.length, self.cost_seeds);
            }
        }
        for outage in Outage::ALL {
            let length = outage.lasts(self.span);
            for replicas in outage.replicas(&self.replicas) {
                self.add(&mut cases, replicas, Happens::Outage(outage), length, self.seeds);
            }
        }
        for replication in [true, false] {
            for per_mille in LOSSES {
                let happens = Happens::Loss { replication, per_mille };
                for replicas in &self.replicas {
                    self.add(&mut cases, *replicas, happens, self.loss_length, self.seeds);
                }
            }
        }
        cases
    }

    fn add(
        &self,
        cases: &mut Vec<Case>,
        replicas: u8,
        happens: Happens,
        length: Duration,
        seeds: u64,
    ) {
        for protocol in Protocol::ALL {
            let seeds = self.seed..self.seed.saturating_add(seeds);
            cases.extend(seeds.map(|seed| Case { protocol, replicas, happens, seed, length }));
        }
    }
}

impl Case {
    /// When what happens begins and ends: what is counted is counted in between.
    pub fn window(&self) -> Range<Time> {
        let begin = Time(0) + WARM_UP;
        begin..begin + self.length
    }

    /// What goes wrong, from `begin` on.
    fn faults(&self, begin: Time) -> Timeline {
        match self.happens {
            Happens::Nothing { .. } | Happens::Loss { per_mille: 0, .. } => Timeline::new(),
            Happens::Outage(outage) => outage.faults(begin, self.length),
            Happens::Loss { replication, per_mille: loss } => {
                let (delay, jitter) = (Duration::ZERO, Duration::ZERO);
                let links = if replication { Shape::Peers(Target::Leader) } else { Shape::All };
                let span = self.length;
                let fault = Fault::Degrade { links, loss, doubled: 0, delay, jitter, span };
                vec![(begin, fault)]
            }
        }
    }

    fn seats(&self) -> Seats {
        let shoppers = match self.happens {
            Happens::Nothing { shoppers } => shoppers,
            Happens::Outage(_) | Happens::Loss { .. } => SHOPPERS,
        };
        Seats { orders: self.replicas, frontends: FRONTENDS, shoppers, catalogs: 1, spares: 0 }
    }

    /// How long a shopper thinks; and, of `after`, how long a run goes on after what happens.
    fn pause_and_rest(&self, after: Duration) -> (Duration, Duration) {
        match self.happens {
            Happens::Outage(_) => (PAUSE, after),
            Happens::Nothing { .. } | Happens::Loss { .. } => (Duration::ZERO, Duration::ZERO),
        }
    }

    /// The same run as a story for real processes, which begins after `warm_up` and goes on for
    /// `after` after a fault. Its toys and its shoppers' patience are the world's matter.
    pub fn scenario(&self, warm_up: Duration, after: Duration) -> Scenario {
        let (pause, rest) = self.pause_and_rest(after);
        let length = warm_up + self.length + rest;
        Scenario {
            about: format!("{:?} under {}", self.happens, self.protocol),
            seats: self.seats(),
            protocol: self.protocol,
            invalidation: Invalidation::Lease,
            cache_capacity: 0,
            cache_policy: Policy::Lru,
            restock_interval: length,
            toys: TOYS,
            probability: Probability::from_millionths(Probability::ONE).unwrap_or_default(),
            lookups: Probability::default(),
            pause,
            retries: RETRIES,
            length,
            faults: self.faults(Time(0) + warm_up),
            expected: Expected::Held,
            answered: Vec::new(),
        }
    }

    /// The world of this run.
    pub fn plan(&self) -> Plan {
        let (pause, after) = self.pause_and_rest(AFTER);
        let delay_us = DELAY.as_micros() as u64;
        let length = WARM_UP + self.length + after;
        let probability = Probability::from_millionths(Probability::ONE).unwrap_or_default();
        let setting = Setting {
            seed: self.seed,
            seats: self.seats(),
            protocol: self.protocol,
            invalidation: Invalidation::Lease,
            cache_capacity: 0,
            cache_policy: Policy::Lru,
            entries_kept: ENTRIES_KEPT,
            checkpoint_entries: CHECKPOINT_ENTRIES,
            catalog_checkpoint_entries: CHECKPOINT_ENTRIES,
            segment_bytes: SEGMENT_BYTES,
            toys: TOYS,
            stock: STOCK,
            restock_interval: length,
            drift: false,
            // The upper end is the first that is too long.
            network: Network { delay_us: (delay_us, delay_us + 1), lost: 0, doubled: 0, late: 0 },
            commit: Some(COMMIT),
            kinds: Kinds::NONE,
            fault_interval: length,
            probability,
            lookups: Probability::default(),
            retries: RETRIES,
            retry_interval: RETRY_INTERVAL,
            pause,
            ask_interval: length,
            length,
            absence: false,
            // So that naive is convicted of what it loses.
            strict: true,
            planted: None,
            levels: Levels::STRONG,
            clocks: Clocks::Drawn,
        };
        let heal_at = Time(0) + length;
        let (faults, asks) = (self.faults(self.window().start), Vec::new());
        Plan { setting, faults, asks, heal_at, rounds: u32::MAX, noise: 0 }
    }

    /// Runs it, and reads off what came of it.
    pub fn run(&self) -> Measured {
        let plan = self.plan();
        let (outcome, costs) = run_measured(&plan, self.window());
        Measured::new(self, plan.heal_at, &outcome, &costs)
    }
}
