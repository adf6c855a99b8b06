//! What kind of world a seed is run in: how many processes, which rules, which network, which
//! faults, for how long.
//!
//! Drawn from the seed, but for what the [`Wishes`] of whoever runs it fix. Read by `plan` and by
//! the world.

use std::time::Duration;

use checker::verdict::Guarantee;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use replication::protocol::ENTRIES_KEPT;
use replication::{NodeId, Protocol};
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use shop::message::Consistency;
use shop::shopper::{Probability, RETRY_INTERVAL_DEFAULT};
use wal::memory::Random;

pub use crate::clocks::Clocks;
pub use crate::members::Members;
use crate::planted::{Lie, Planted};
use crate::who::Seats;

/// How long a run is, faults and healing together, unless told otherwise.
pub const LENGTH_DEFAULT: Duration = Duration::from_secs(60);

/// How likely a shopper orders what it saw in stock.
const PROBABILITY: &str = "0.7";

/// How often a shopper tries again: longer than any outage, so that none gives up.
const RETRIES: u32 = 1000;

/// The highest id of an order replica, where they come and go.
const IDS_MAX: u8 = 9;

/// The most frontends: as many as the promises are claimed for.
pub const FRONTENDS_MAX: u8 = 3;

/// What is fixed for all seeds of a suite; everything else is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// How order replicas agree.
    pub protocol: Protocol,
    /// How caches learn of changes.
    pub invalidation: Invalidation,
    /// Which toy goes when another needs its slot in a cache.
    pub cache_policy: Policy,
    /// How many frontends; drawn if absent.
    pub frontends: Option<u8>,
    /// How many order replicas; drawn if absent.
    pub orders: Option<u8>,
    /// How many replicas the catalog has.
    pub catalogs: u8,
    /// How long a run is, faults and healing together.
    pub length: Duration,
    /// Whether anything may go wrong at all.
    pub faults: bool,
    /// Whether a mode that promises less is judged, and convicted, as if it promised everything.
    pub strict: bool,
    /// A bug that is planted.
    pub planted: Option<&'static Planted>,
    /// How clocks run.
    pub clocks: Clocks,
    /// Whether order replicas come, go and are replaced.
    pub members: Members,
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes {
            protocol: Protocol::PrimaryBackup,
            invalidation: Invalidation::Lease,
            cache_policy: Policy::Lru,
            frontends: None,
            orders: None,
            catalogs: 1,
            length: LENGTH_DEFAULT,
            faults: true,
            strict: false,
            planted: None,
            clocks: Clocks::Drawn,
            members: Members::Drawn,
        }
    }
}

/// How messages travel while no fault concerns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The shortest and the longest way, in microseconds. The difference reorders.
    pub delay_us: (u64, u64),
    /// Of a thousand messages so many are lost,
    pub lost: u32,
    /// so many arrive twice,
    pub doubled: u32,
    /// and so many are late, by up to 700 ms.
    pub late: u32,
}

/// Which kinds of faults may happen. Each seed leaves some out: one shows more where it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Processes die, machines lose their power.
    pub crash: bool,
    /// Processes are asked to stop.
    pub stop: bool,
    /// Processes stand still.
    pub pause: bool,
    /// Edges are cut, connections break.
    pub cut: bool,
    /// Bursts of loss and lag.
    pub weather: bool,
    /// Disks are slow, full, or fail.
    pub disk: bool,
    /// Bits flip.
    pub rot: bool,
    /// Clocks run beyond their bound.
    pub skew: bool,
    /// Order replicas come, go and are replaced.
    pub members: bool,
}

impl Kinds {
    /// None at all.
    pub const NONE: Kinds = Kinds {
        crash: false,
        stop: false,
        pause: false,
        cut: false,
        weather: false,
        disk: false,
        rot: false,
        skew: false,
        members: false,
    };

    fn drawn(random: &mut Pcg64Mcg) -> Kinds {
        let mut likely = || random.random_range(0..10) < 7;
        let kinds = Kinds {
            crash: likely(),
            stop: likely(),
            pause: likely(),
            cut: likely(),
            weather: likely(),
            disk: likely(),
            rot: likely(),
            skew: false,
            members: false,
        };
        // Rare, since where it is on, reads are not judged.
        let skew = random.random_range(0..12) == 0;
        let count = [kinds.crash, kinds.stop, kinds.pause, kinds.cut, kinds.weather, kinds.disk];
        if count.into_iter().filter(|on| *on).count() < 3 {
            return Kinds { crash: true, pause: true, cut: true, skew, ..kinds };
        }
        Kinds { skew, ..kinds }
    }
}

/// One world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Fixes every choice.
    pub seed: u64,
    /// How many of each kind of process there are.
    pub seats: Seats,
    /// How order replicas agree.
    pub protocol: Protocol,
    /// How caches learn of changes.
    pub invalidation: Invalidation,
    /// Toys in a frontend's cache.
    pub cache_capacity: usize,
    /// Which toy goes when another needs its slot.
    pub cache_policy: Policy,
    /// Entries that a leader keeps behind a snapshot.
    pub entries_kept: u64,
    /// Entries between two checkpoints, of order replicas and of the catalog.
    pub checkpoint_entries: u64,
    /// The catalog's.
    pub catalog_checkpoint_entries: u64,
    /// Length of a segment of the log.
    pub segment_bytes: u64,
    /// How many toys are sold, from the front of the built-in catalogue, and of each how many.
    pub toys: usize,
    /// In stock at first, and after a restock.
    pub stock: u64,
    /// Between two looks for what is sold out.
    pub restock_interval: Duration,
    /// Whether clocks run at different speeds, within their bound.
    pub drift: bool,
    /// The network in good weather.
    pub network: Network,
    /// How long a commit to disk takes, if always equally long; else it is drawn.
    pub commit: Option<Duration>,
    /// What may go wrong.
    pub kinds: Kinds,
    /// Between two faults, on average.
    pub fault_interval: Duration,
    /// How likely a shopper orders what it saw in stock.
    pub probability: Probability,
    /// How likely it reads one of its orders again, after a round: never where worlds are drawn,
    /// since there the asker does.
    pub lookups: Probability,
    /// How often a shopper tries again.
    pub retries: u32,
    /// How long it waits before that.
    pub retry_interval: Duration,
    /// How long shoppers think between two rounds.
    pub pause: Duration,
    /// Between two questions of the asker, on average.
    pub ask_interval: Duration,
    /// Faults and healing together; the first five sixths are for faults.
    pub length: Duration,
    /// Whether an order replica, the leader if that may be, stays away while everybody is probed at
    /// the end.
    pub absence: bool,
    /// Whether it is judged as if it promised everything.
    pub strict: bool,
    /// A bug that is planted.
    pub planted: Option<&'static Planted>,
    /// How fresh the answers to reads must be.
    pub levels: Levels,
    /// How clocks run.
    pub clocks: Clocks,
}

/// How fresh the answers to the reads of one run must be: of each shopper by itself, of the asker
/// by question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of so many reads one asks the leader, and one whoever is near; none does, if there is none.
    one_in: Option<u64>,
    seed: u64,
}

impl Levels {
    /// All linearizable.
    pub const STRONG: Levels = Levels { one_in: None, seed: 0 };

    /// Every other seed has weak ones. Drawn apart, so that whatever else a seed draws is as it was
    /// before there were levels.
    fn drawn(seed: u64) -> Levels {
        Levels { one_in: (Random(seed ^ 0x1e7e_15ee).below(2) == 0).then_some(6), seed }
    }

    /// None linearizable.
    fn weak(seed: u64) -> Levels {
        Levels { one_in: Some(2), seed }
    }

    /// A third of the shoppers look at the leader or nearby.
    pub fn of_shopper(&self, shopper: u8) -> Consistency {
        self.at(u64::from(shopper) << 32)
    }

    /// And a third of the questions do.
    pub fn of_question(&self, number: u64) -> Consistency {
        self.at(number)
    }

    fn at(&self, place: u64) -> Consistency {
        let mixed =
            (self.seed ^ 0x5eed_1e7e).wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        match self.one_in.map(|one_in| Random(mixed).below(one_in)) {
            Some(0) => Consistency::Leader,
            Some(1) => Consistency::Local,
            Some(_) | None => Consistency::Linearizable,
        }
    }
}

/// One of these.
fn pick<T: Copy, const N: usize>(random: &mut Pcg64Mcg, from: [T; N]) -> T {
    from[random.random_range(0..N)]
}

impl Setting {
    /// Another world for each seed: mostly small logs, so that snapshots are needed, and few toys,
    /// so that shoppers meet.
    pub fn drawn(seed: u64, wishes: &Wishes, random: &mut Pcg64Mcg) -> Setting {
        let orders = pick(random, [1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7, 9]);
        let frontends = pick(random, [1, 2, 2, 3]);
        let shoppers = random.random_range(3..=8);
        let drawn = Kinds::drawn(random);
        let loss = pick(random, [0, 0, 5, 20, 60]);
        let delay_us = pick(random, [(30, 2000), (30, 400), (200, 8000), (1000, 30_000)]);
        let network = Network { delay_us, lost: loss / 2, doubled: loss, late: loss };
        let mut setting = Setting {
            seed,
            seats: Seats {
                orders: wishes.orders.unwrap_or(orders),
                frontends: wishes.frontends.unwrap_or(frontends),
                shoppers,
                catalogs: wishes.catalogs,
                spares: 0,
            },
            protocol: wishes.protocol,
            invalidation: wishes.invalidation,
            cache_capacity: pick(random, [0, 2, 7, 7, 7, 7, 7, 7]),
            cache_policy: wishes.cache_policy,
            entries_kept: pick(random, [0, 5, 50, 500, ENTRIES_KEPT]),
            checkpoint_entries: pick(random, [7, 30, 200, 1000, 50_000]),
            catalog_checkpoint_entries: pick(random, [5, 50, 500, 10_000]),
            segment_bytes: pick(random, [2048, 8192, 16_384]),
            toys: pick(random, [1, 3, 6, 10, 31]),
            stock: pick(random, [3, 20, 100, 100]),
            restock_interval: Duration::from_millis(pick(random, [300, 1000, 3000, 10_000])),
            drift: random.random_range(0..2) == 0,
            network,
            commit: None,
            kinds: drawn,
            fault_interval: Duration::from_millis(pick(random, [1000, 1500, 2500, 5000])),
            probability: PROBABILITY.parse().expect("a probability"),
            lookups: Probability::default(),
            retries: RETRIES,
            retry_interval: RETRY_INTERVAL_DEFAULT,
            pause: Duration::from_millis(pick(random, [10, 40, 100, 300])),
            ask_interval: Duration::from_millis(pick(random, [50, 100, 300])),
            length: wishes.length,
            absence: wishes.protocol.is_safe() && Random(!seed).below(3) == 0,
            strict: wishes.strict,
            planted: wishes.planted,
            levels: match wishes.planted.is_some_and(|planted| planted.weak_reads) {
                true => Levels::weak(seed),
                false => Levels::drawn(seed),
            },
            clocks: wishes.clocks,
        };
        // A shelf that is empty most of the time sells nothing.
        if setting.toys < 6 {
            setting.stock = setting.stock.max(20);
            setting.restock_interval = setting.restock_interval.min(Duration::from_secs(1));
        }
        match wishes.clocks {
            Clocks::Drawn => {}
            Clocks::WithinBound => setting.kinds.skew = false,
            Clocks::BeyondBound => setting.kinds.skew = true,
        }
        if !wishes.faults {
            setting.kinds = Kinds::NONE;
            setting.absence = false;
            setting.network = Network { lost: 0, doubled: 0, late: 0, ..network };
        }
        if wishes.members.change(seed, wishes) {
            setting.kinds.members = true;
            setting.seats.spares = IDS_MAX - setting.seats.orders;
        }
        setting
    }

    /// The replicas of the order service that the store begins with.
    pub fn replicas(&self) -> Vec<NodeId> {
        (1..=self.seats.orders).map(NodeId).collect()
    }

    /// How the replicas of the catalog agree: by a majority, since nobody judges who leads them.
    pub fn catalog_protocol(&self) -> Protocol {
        if self.protocol.is_quorum() { self.protocol } else { Protocol::Raft }
    }

    /// Its name.
    pub fn replication(&self) -> &'static str {
        self.protocol.name()
    }

    /// Whether a run in this world must keep a guarantee.
    pub fn promises(&self, guarantee: Guarantee) -> bool {
        match guarantee {
            Guarantee::Stock
            | Guarantee::Orders
            | Guarantee::Once
            | Guarantee::Kept
            | Guarantee::Gapless
            | Guarantee::Conserved
            | Guarantee::Oversold => self.firm(),
            Guarantee::LeaderReads | Guarantee::LocalReads => self.firm(),
            Guarantee::ReadYourWrites | Guarantee::MonotonicReads => self.firm() && self.fresh(),
            Guarantee::Replicas => true,
            // Only a mode that bounds the age is judged; clocks beyond their bound bound nothing.
            Guarantee::Staleness => !self.kinds.skew,
        }
    }

    /// Whether a read must never be older than what anybody has seen.
    pub fn fresh(&self) -> bool {
        let trusted = self.invalidation == Invalidation::Lease && !self.kinds.skew;
        trusted || self.cache_capacity == 0 || self.strict
    }

    /// Whether the world of a planted bug has this lie.
    pub fn lies(&self, lie: Lie) -> bool {
        self.planted.is_some_and(|planted| planted.lie() == Some(lie))
    }

    /// Whether what was acknowledged must stay; under `naive` it need not.
    pub fn firm(&self) -> bool {
        self.protocol.is_safe() || self.strict
    }
}
