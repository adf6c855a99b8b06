//! Ways of replication side by side: one workload, one set of faults, every protocol; what an order
//! costs, how long there are none after a fault, what loss of messages does, and what was kept.
//!
//! ```text
//! Extent ─► cases: protocol, replicas, what happens, seed ─► runs, one each ─► rows
//! ```
//!
//! A message between two processes always takes [`DELAY`], and a commit to disk [`COMMIT`], so that
//! numbers say how often the protocols wait, not for which machine. A run is a case of its own: the
//! shell's `compare` command spreads them over threads, and draws the rows.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mod` | which runs there are, and the world of each |
//! | `rows` | what is read off a run, and the runs of a row together |

mod rows;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use replication::protocol::ENTRIES_KEPT;
use replication::{Protocol, Time};
use shop::invalidation::Invalidation;
use shop::shopper::Probability;

pub use rows::{Comparison, CostRow, Kept, LossRow, Measured, OutageRow};

use crate::fault::{Fault, Moment, Shape, Target, Timeline};
use crate::plan::Plan;
use crate::run::run_measured;
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
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Tries of a shopper: more than any outage needs.
const RETRIES: u32 = 1000;

/// Toys that are sold, each in a number that is never sold out.
const TOYS: usize = 10;
const STOCK: u64 = 1_000_000_000;

/// Entries between two checkpoints: the same as in scenarios.
const CHECKPOINT_ENTRIES: u64 = 2000;

/// Length of a segment of a simulated log, in bytes.
const SEGMENT_BYTES: u64 = 64 * 1024;

/// Replicas of runs with a fault, or with loss; where three are a chain, three.
pub const REPLICAS: u8 = 5;

/// How long a leader that is paused stands still.
const PAUSED: Duration = Duration::from_secs(5);

/// How much sooner one follower is cut off, so that its log is behind (*constrained election*).
const BEHIND: Duration = Duration::from_millis(100);

/// How long a leader that is cut off lives: nobody has noticed by then.
const ALONE: Duration = Duration::from_millis(300);

/// Of a thousand messages between nodes, so many are lost.
pub const LOSSES: [u32; 3] = [0, 10, 50];

/// What goes wrong with the leader, or with links. The last three are the partial partitions of
/// Ng, Haridi and Carbone, *Omni-Paxos: Breaking the Barriers of Partial Connectivity* (EuroSys
/// 2023); only links between order replicas are cut in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// The leader dies, and comes back at the end.
    Killed,
    /// The leader stands still for 5 s.
    Paused,
    /// The leader reaches nobody.
    Isolated,
    /// The leader reaches no other replica; catalog and frontends it does.
    OffFollowers,
    /// The same, and it dies 300 ms later: whatever it acknowledged alone is with it.
    CutThenKilled,
    /// Replicas reach none of them but one follower: it alone has a majority.
    QuorumLoss,
    /// The same, but nobody reaches the leader, and that follower's log is behind.
    Constrained,
    /// Three replicas; leader and one follower do not reach each other, the third reaches both.
    Chained,
}

impl Outage {
    /// All of them.
    pub const ALL: [Outage; 8] = [
        Outage::Killed,
        Outage::Paused,
        Outage::Isolated,
        Outage::OffFollowers,
        Outage::CutThenKilled,
        Outage::QuorumLoss,
        Outage::Constrained,
        Outage::Chained,
    ];

    /// What it is called, as the end of a sentence "after …".
    pub fn name(self) -> &'static str {
        match self {
            Outage::Killed => "leader killed",
            Outage::Paused => "leader paused",
            Outage::Isolated => "leader isolated",
            Outage::OffFollowers => "leader off its followers",
            Outage::CutThenKilled => "leader off, then killed",
            Outage::QuorumLoss => "quorum loss",
            Outage::Constrained => "constrained election",
            Outage::Chained => "chained",
        }
    }

    /// How many replicas it is played with.
    pub fn replicas(self) -> u8 {
        match self {
            Outage::Killed
            | Outage::Paused
            | Outage::Isolated
            | Outage::OffFollowers
            | Outage::CutThenKilled
            | Outage::QuorumLoss
            | Outage::Constrained => REPLICAS,
            Outage::Chained => 3,
        }
    }

    /// How long it lasts, where others last `span`.
    pub fn lasts(self, span: Duration) -> Duration {
        match self {
            Outage::Paused => PAUSED.min(span),
            Outage::Killed
            | Outage::Isolated
            | Outage::OffFollowers
            | Outage::CutThenKilled
            | Outage::QuorumLoss
            | Outage::Constrained
            | Outage::Chained => span,
        }
    }

    fn faults(self, span: Duration) -> Timeline {
        let at = Time(0) + WARM_UP;
        let span = self.lasts(span);
        let cut = |shape| Fault::Cut { shape, held: false, span };
        let (leader, follower) = (Target::Leader, Target::Follower);
        let pair = Shape::Pair { a: leader, b: follower };
        match self {
            Outage::Killed => {
                let moment = Moment::Now;
                vec![(at, Fault::Crash { whom: leader, moment, down: span, again: 0 })]
            }
            Outage::Paused => vec![(at, Fault::Pause { whom: leader, span })],
            Outage::Isolated => vec![(at, cut(Shape::Isolate(leader)))],
            Outage::OffFollowers => vec![(at, cut(Shape::Peers(leader)))],
            Outage::CutThenKilled => {
                let (moment, down) = (Moment::Now, span.saturating_sub(ALONE));
                let dies = Fault::Crash { whom: leader, moment, down, again: 0 };
                vec![(at, cut(Shape::Peers(leader))), (at + ALONE, dies)]
            }
            Outage::QuorumLoss => vec![(at, cut(Shape::Star(follower)))],
            Outage::Constrained => {
                let later = at + BEHIND;
                let all = [Shape::Star(follower), Shape::Peers(leader)];
                let first = (at, cut(pair));
                [first].into_iter().chain(all.map(|shape| (later, cut(shape)))).collect()
            }
            Outage::Chained => vec![(at, cut(pair))],
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
    /// Numbers of replicas for what an order costs.
    pub replicas: Vec<u8>,
    /// Numbers of shoppers for the same.
    pub shoppers: Vec<u8>,
    /// The first seed.
    pub seed: u64,
    /// Runs of each fault and each loss, each with another seed.
    pub seeds: u64,
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
    /// Every run, those of a row one after the other. What costs are counted from has no chance in
    /// it but the choice of toys: one seed is enough.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for replicas in &self.replicas {
            for shoppers in &self.shoppers {
                let happens = Happens::Nothing { shoppers: *shoppers };
                self.add(&mut cases, *replicas, happens, self.length, 1);
            }
        }
        for outage in Outage::ALL {
            let length = outage.lasts(self.span);
            let happens = Happens::Outage(outage);
            self.add(&mut cases, outage.replicas(), happens, length, self.seeds);
        }
        for replication in [true, false] {
            for per_mille in LOSSES {
                let happens = Happens::Loss { replication, per_mille };
                self.add(&mut cases, REPLICAS, happens, self.loss_length, self.seeds);
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

    fn faults(&self) -> Timeline {
        match self.happens {
            Happens::Nothing { .. } | Happens::Loss { per_mille: 0, .. } => Timeline::new(),
            Happens::Outage(outage) => outage.faults(self.length),
            Happens::Loss { replication, per_mille: loss } => {
                let (delay, jitter) = (Duration::ZERO, Duration::ZERO);
                let links = if replication { Shape::Peers(Target::Leader) } else { Shape::All };
                let span = self.length;
                let fault = Fault::Degrade { links, loss, doubled: 0, delay, jitter, span };
                vec![(self.window().start, fault)]
            }
        }
    }

    /// The world of this run.
    pub fn plan(&self) -> Plan {
        let (shoppers, pause, after) = match self.happens {
            Happens::Nothing { shoppers } => (shoppers, Duration::ZERO, Duration::ZERO),
            Happens::Outage(_) => (SHOPPERS, PAUSE, AFTER),
            Happens::Loss { .. } => (SHOPPERS, Duration::ZERO, Duration::ZERO),
        };
        let delay_us = DELAY.as_micros() as u64;
        let length = WARM_UP + self.length + after;
        let probability = Probability::from_millionths(Probability::ONE).unwrap_or_default();
        let setting = Setting {
            seed: self.seed,
            seats: Seats { orders: self.replicas, frontends: FRONTENDS, shoppers, catalogs: 1 },
            protocol: self.protocol,
            invalidation: Invalidation::Lease,
            cache_capacity: 0,
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
        let (faults, asks) = (self.faults(), Vec::new());
        Plan { setting, faults, asks, heal_at, rounds: u32::MAX, noise: 0 }
    }

    /// Runs it, and reads off what came of it.
    pub fn run(&self) -> Measured {
        let plan = self.plan();
        let (outcome, costs) = run_measured(&plan, self.window());
        Measured::new(self, plan.heal_at, &outcome, &costs)
    }
}
