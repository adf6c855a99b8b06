//! Bugs that are planted on purpose, and what must come of each: the checker is checked.
//!
//! A bug is where it would be in a real store. Either the *world* lies ([`Lie`]): the disk, the
//! network, a clock, or whoever performs effects breaks the contract that the nodes rely on. Or a
//! *point* of the code has it ([`Bug`], compiled in under cargo feature `planted` only).
//!
//! Where a rule is kept twice, by a node and by whoever it talks to, one place without it shows
//! nothing: then both are planted together. Read by [`Setting`](crate::setting::Setting), the world
//! and `run`; every row is tried by `tests/planted.rs`, which writes `docs/planted-bugs.md`.

use replication::Protocol;
use replication::planted::Bug;

use crate::members::Members;

macro_rules! lies {
    ($($(#[doc = $doc:literal])* $lie:ident: $name:literal,)*) => {
        /// How the world lies. What is wrong, is its documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Lie {
            $($(#[doc = $doc])* $lie,)*
        }

        impl Lie {
            fn name(self) -> &'static str {
                match self {
                    $(Lie::$lie => $name,)*
                }
            }

            fn wrong(self) -> &'static str {
                match self {
                    $(Lie::$lie => concat!($($doc,)*),)*
                }
            }
        }
    };
}

lies! {
    /// a disk says that it has synced, and has not
    NoFsync: "no-fsync",
    /// what is to wait for the disk is done before it
    MemoryAck: "memory-ack",
    /// an invalidation is acknowledged by somebody who never passes it on
    InvalidationsLost: "invalidations-lost",
    /// a frontend never hears that its lease is taken back, and it is acknowledged all the same
    RevocationsLost: "revocations-lost",
    /// clocks run faster and slower than is assumed
    ClockBeyondBound: "clock-beyond-bound",
    /// a clock stands still while its process is paused
    ClockStopsInPause: "clock-stops-in-pause",
    /// a call whose answer is lost is waited for without end
    HungNotDead: "hung-not-dead",
    /// a connection that breaks is taken for one that was refused
    UnknownIsRefused: "unknown-is-refused",
    /// the catalog's disk forgets who leads
    ViewForgotten: "view-forgotten",
    /// the disks of replicas forget the promise of a term
    PromiseForgotten: "promise-forgotten",
    /// whoever tells the replicas who leads stops at the first one that is dead
    NotifyStops: "notify-stops",
    /// a snapshot lacks the last order that it stands for
    SnapshotMissesLast: "snapshot-misses-last",
}

/// A bug, and what must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The world's lie, if there is one; it names the bug then.
    lie: Option<Lie>,
    /// The points of the code that are wrong; the first one names the bug, if no lie does.
    points: &'static [Bug],
    /// How its order replicas agree.
    pub protocol: Protocol,
    /// How many order replicas the store has; drawn if absent.
    pub orders: Option<u8>,
    /// How many replicas its catalog has.
    pub catalogs: u8,
    /// Whether its order replicas change.
    pub members: Members,
    /// Whether no read is linearizable.
    pub weak_reads: bool,
    /// The promises that the bug breaks; which of them first, is a matter of the seed.
    breaks: &'static [&'static str],
}

/// A bug that is not to be found, and why.
#[derive(Clone, Copy, Debug)]
pub struct Hidden {
    /// The bug.
    pub planted: Planted,
    /// What stands in for the rule that is broken, or what would have to happen.
    pub why: &'static str,
}

const fn world(lie: Lie, breaks: &'static [&'static str]) -> Planted {
    Planted { lie: Some(lie), ..points(&[], breaks) }
}

const fn points(points: &'static [Bug], breaks: &'static [&'static str]) -> Planted {
    let (protocol, orders, catalogs) = (Protocol::PrimaryBackup, None, 1);
    let (members, weak_reads) = (Members::Fixed, false);
    Planted { lie: None, points, protocol, orders, catalogs, members, weak_reads, breaks }
}

/// The same in a store whose replicas agree by majorities.
const fn quorum(protocol: Protocol, planted: Planted) -> Planted {
    Planted { protocol, ..planted }
}

/// Where a third replica would nearly always have what one of two has lost.
const fn of_two(points: &'static [Bug], breaks: &'static [&'static str]) -> Planted {
    Planted { orders: Some(2), ..self::points(points, breaks) }
}

/// In a store whose order replicas come and go.
const fn changing(points: &'static [Bug]) -> Planted {
    let planted = quorum(Protocol::Raft, self::points(points, LOST_BY_MAJORITY));
    Planted { members: Members::Changing, ..planted }
}

/// In a store whose catalog has replicas.
const fn replicated(planted: Planted) -> Planted {
    Planted { catalogs: 3, ..planted }
}

const fn hidden(bugs: &'static [Bug], why: &'static str) -> Hidden {
    Hidden { planted: points(bugs, &[]), why }
}

/// What clients see of stock that is taken twice, or for nobody.
const STOCK: &[&str] = &["stock", "conserved", "conservation", "oversold"];

/// What clients see of an order that is there twice, or where it should not be.
const ORDERS: &[&str] = &["once", "orders"];

/// What clients see of an order that is gone: by itself, by another one in its place, by the
/// replicas that still have it, by the stock that it leaves behind, or by the stock that it left
/// when it was acknowledged.
const LOST: &[&str] = &["kept", "once", "replicas", "conserved", "stock"];

/// The same where an engine looks at itself: it stops when its log cannot be as it is, and then
/// perhaps nobody is served any more.
const LOST_BY_MAJORITY: &[&str] = &[
    "kept",
    "once",
    "orders",
    "replicas",
    "conserved",
    "stock",
    "recovery",
    "invariant",
    "liveness",
    "members",
];

/// What clients see of a cache that is too old.
const STALE: &[&str] = &["stock"];

/// That nobody is served any more.
const STILL: &[&str] = &["liveness"];

/// All that must be found, in the order of the table.
pub static ALL: &[Planted] = &[
    world(Lie::NoFsync, &["recovery", "kept"]),
    world(Lie::MemoryAck, LOST),
    world(Lie::SnapshotMissesLast, LOST),
    world(Lie::ViewForgotten, STOCK),
    world(Lie::HungNotDead, STILL),
    world(Lie::NotifyStops, STILL),
    world(Lie::UnknownIsRefused, &["stock", "once", "orders"]),
    world(Lie::InvalidationsLost, STALE),
    world(Lie::RevocationsLost, STALE),
    world(Lie::ClockBeyondBound, STALE),
    world(Lie::ClockStopsInPause, STALE),
    points(&[Bug::AckBeforeReplicate, Bug::CommittedChanges], LOST),
    points(&[Bug::ReachableMajority], LOST),
    points(&[Bug::PutAsideLate, Bug::CommittedChanges], LOST),
    of_two(&[Bug::JoinsTooSoon, Bug::GatherSkipped, Bug::CommittedChanges], LOST),
    points(&[Bug::HoleLeads, Bug::CommittedChanges], LOST),
    points(&[Bug::OldTermHeard, Bug::CommittedChanges], LOST),
    points(&[Bug::CatchUpByIndex], LOST),
    points(&[Bug::ForgottenVote], &["liveness", "stock"]),
    points(&[Bug::LeadsEarly], STOCK),
    points(&[Bug::StaleLeaderRead], ORDERS),
    points(&[Bug::NumberReuse], ORDERS),
    points(&[Bug::HalfPurchase], STOCK),
    points(&[Bug::TakeBeforeSettled], STOCK),
    points(&[Bug::NoFence], STOCK),
    points(&[Bug::TakesUnlisted], STILL),
    points(&[Bug::LateTakeAnswer, Bug::OldTermRecorded], STOCK),
    points(&[Bug::TakeAskedOnce], STILL),
    points(&[Bug::FloorEarly], &["conserved", "liveness"]),
    points(&[Bug::FloorIgnored], STOCK),
    points(&[Bug::Oversell], STOCK),
    points(&[Bug::DoubleBuy], ORDERS),
    points(&[Bug::RetryTakesAgain], STOCK),
    points(&[Bug::DedupeLost], ORDERS),
    points(&[Bug::SecondOpinion], ORDERS),
    points(&[Bug::ResolveUnrecorded], ORDERS),
    points(&[Bug::TimeoutIsFailure], &["orders", "once", "stock"]),
    points(&[Bug::ExitOnNoLeader], STILL),
    points(&[Bug::LateInvalidate], STALE),
    points(&[Bug::ShownEarly], STALE),
    points(&[Bug::AnswerEarly], STALE),
    points(&[Bug::RefusalEarly], STALE),
    points(&[Bug::KeptWhileChanging], STALE),
    points(&[Bug::LeasesUnrevoked], STALE),
    points(&[Bug::StaleFill], STALE),
    points(&[Bug::PassedFillJoined], STALE),
    points(&[Bug::UncoveredFillShared], STALE),
    points(&[Bug::UncoveredFillKept], STALE),
    points(&[Bug::LeaseOverrun], STALE),
    points(&[Bug::GenerationIgnored], STALE),
    quorum(Protocol::Raft, world(Lie::NoFsync, LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, world(Lie::MemoryAck, LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, world(Lie::SnapshotMissesLast, LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, points(&[Bug::AckUnsynced], LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, points(&[Bug::VoteForgotten], LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, points(&[Bug::TruncatesTooFar], LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, points(&[Bug::ReachableMajority], LOST_BY_MAJORITY)),
    quorum(Protocol::Raft, points(&[Bug::NoFence], STOCK)),
    quorum(Protocol::Raft, points(&[Bug::DedupeLost], ORDERS)),
    quorum(Protocol::Raft, points(&[Bug::HalfPurchase], STOCK)),
    Planted {
        weak_reads: true,
        ..quorum(Protocol::Raft, points(&[Bug::UncommittedRead], &["local-reads", "leader-reads"]))
    },
    quorum(Protocol::Raft, points(&[Bug::LocalAnswerKept], STALE)),
    changing(&[Bug::OldMajorityAlone]),
    changing(&[Bug::MembersForgotten]),
    changing(&[Bug::ChangeForgotten]),
    quorum(Protocol::Paxos, world(Lie::NoFsync, LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, world(Lie::SnapshotMissesLast, LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::StockSnapshot], LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::PromiseForgotten], LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::LinkUnordered], LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::TruncatesTooFar], LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::ReachableMajority], LOST_BY_MAJORITY)),
    quorum(Protocol::Paxos, points(&[Bug::NoFence], STOCK)),
    quorum(Protocol::Paxos, points(&[Bug::DedupeLost], ORDERS)),
    quorum(Protocol::Raft, replicated(points(&[Bug::LeasesFromStart], STALE))),
    quorum(
        Protocol::Raft,
        replicated(points(&[Bug::CatalogUnconfirmed, Bug::LeadsUnheard], STALE)),
    ),
];

/// Those of which nothing can be seen, each with what stands in.
pub static COVERED: &[Hidden] = &[
    Hidden {
        planted: world(Lie::PromiseForgotten, &[]),
        why: "the catalog keeps the terms, and a leader's first entry is on the same disks",
    },
    hidden(
        &[Bug::TermUnsynced],
        "the catalog grants no term twice, and a leader that crashed asks",
    ),
    hidden(
        &[Bug::OldTermCommitted],
        "every member of the view has what is committed, so whoever leads next has it, of whatever \
         term it is",
    ),
    hidden(
        &[Bug::GatherSkipped],
        "whoever is in sync has all that was acknowledged; what is gathered was not",
    ),
    hidden(
        &[Bug::CommittedChanges],
        "no leader's history is another one where anything is committed; it lets other bugs go on \
         until clients see them",
    ),
    Hidden {
        planted: quorum(Protocol::Raft, points(&[Bug::LinkUnreported], &[])),
        why: "a follower refuses what does not follow, and the answer to each heartbeat shows who \
              lacks entries: what was lost is sent again a heartbeat later",
    },
    hidden(&[Bug::OldTermRecorded], "a leader drops the answers to takes of its last term"),
];

/// Those that show once in many hundreds of seeds, if at all: too seldom for the gate.
pub static RARE: &[Hidden] = &[
    Hidden {
        planted: of_two(&[Bug::AckUnsynced, Bug::GatherSkipped, Bug::CommittedChanges], LOST),
        why: "leader and follower must lose power within one sync, and the follower lead then",
    },
    Hidden {
        planted: of_two(&[Bug::JoinUnwaited, Bug::GatherSkipped, Bug::CommittedChanges], LOST),
        why: "a leader must die within a millisecond of the view that a follower came back by",
    },
    Hidden {
        planted: quorum(Protocol::Raft, points(&[Bug::StaleLeaderRead], ORDERS)),
        why: "a leader that nobody hears steps down before, or hardly after, another is elected; \
              the walks of the engine alone find it (`crates/replication/src/raft/tests/mod.rs`)",
    },
    Hidden {
        planted: quorum(Protocol::Paxos, points(&[Bug::AcceptUnsynced], LOST_BY_MAJORITY)),
        why: "a majority must lose power within one sync; the walks of the engine alone find it \
              (`crates/replication/src/paxos/tests/mod.rs`)",
    },
    Hidden {
        planted: changing(&[Bug::ChangeUnconfirmed]),
        why: "a leader must lose its disk before another replica hears that the change is done: \
              each that applied a change has that on its disk",
    },
    hidden(&[Bug::ViewUncompared], "two replicas must be told to lead in the same milliseconds"),
    hidden(
        &[Bug::SnapshotOverwrites],
        "a piece of a snapshot must come again after what the snapshot began",
    ),
    hidden(
        &[Bug::NoTombstone],
        "a batch of takes must come twice, with the end of another term's settlement between",
    ),
    hidden(&[Bug::WaitWithoutMargin], "the margin is some milliseconds of two seconds"),
    hidden(&[Bug::LeaseFromAnswer], "the same, unless the answer was late"),
];

impl Planted {
    /// The bug of this name.
    pub fn named(name: &str) -> Option<&'static Planted> {
        let hidden = COVERED.iter().chain(RARE).map(|hidden| &hidden.planted);
        ALL.iter().chain(hidden).find(|planted| planted.full_name() == name)
    }

    /// What it is called: as in `docs/bug-zoo.md`, if it stands there.
    pub fn name(&self) -> &'static str {
        self.lie.map_or_else(|| self.points[0].name(), Lie::name)
    }

    /// The same, behind the way of replication, if that is not the course's.
    pub fn full_name(&self) -> String {
        match self.protocol {
            Protocol::PrimaryBackup => self.name().to_string(),
            Protocol::Naive | Protocol::Raft | Protocol::Paxos => {
                format!("{}/{}", self.protocol, self.name())
            }
        }
    }

    /// What is wrong.
    pub fn wrong(&self) -> &'static str {
        self.lie.map_or_else(|| self.points[0].wrong(), Lie::wrong).trim()
    }

    /// The points of the code that are wrong.
    pub fn points(&self) -> &'static [Bug] {
        self.points
    }

    /// The world's lie, if there is one.
    pub fn lie(&self) -> Option<Lie> {
        self.lie
    }

    /// Whether one of these promises is one that the bug breaks.
    pub fn is_named_by(&self, promises: &[&'static str]) -> bool {
        promises.iter().any(|promise| self.breaks.contains(promise))
    }
}
