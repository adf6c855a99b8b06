//! Faults that are planted on purpose, each at a named point of the code: so that it is known what
//! the simulator finds, and that the checker names the guarantee that broke.
//!
//! Asked by crates `replication` and `shop` at their points: `if planted(Bug::StaleFill)`. Without
//! cargo feature `planted`, which no binary that serves is built with, the answer is a constant,
//! and the point is gone. With it, the simulator plants a bug for one run (`plant`). What is to
//! come of each is written in crate `simulator`, module `planted`; what came of it, in
//! `docs/planted-bugs.md`.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])* $bug:ident: $name:literal,)*) => {
        /// A fault that a named point of the code can have. What is wrong, is its documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[doc = $doc])* $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// What it is called: as in `docs/bug-zoo.md`, if it stands there.
            pub fn name(self) -> &'static str {
                match self {
                    $(Bug::$bug => $name,)*
                }
            }

            /// What is wrong.
            pub fn wrong(self) -> &'static str {
                match self {
                    $(Bug::$bug => concat!($($doc,)*),)*
                }
            }
        }
    };
}

bugs! {
    /// a leader commits what is on its own disk, whatever its followers have
    AckBeforeReplicate: "ack-before-replicate",
    /// a leader waits only for those members of the view that it can reach
    ReachableMajority: "reachable-majority",
    /// a leader goes on without a follower first, and asks for the view without it afterwards
    PutAsideLate: "put-aside-late",
    /// a leader does not wait for a follower that is on its way back into the view
    JoinUnwaited: "join-unwaited",
    /// a follower comes back into the view before it has everything
    JoinsTooSoon: "joins-too-soon",
    /// a follower keeps what it has at a position, whoever wrote it
    CatchUpByIndex: "catch-up-by-index",
    /// a leader that crashed leads on under the term that it had
    ForgottenVote: "forgotten-vote",
    /// a term is used before its promise is on disk
    TermUnsynced: "term-unsynced",
    /// whom a replica voted for is not put on disk
    VoteForgotten: "vote-forgotten",
    /// when another history takes the place of entries, the disk forgets one entry more
    TruncatesTooFar: "truncates-too-far",
    /// a leader answers reads without asking whether it still leads
    StaleLeaderRead: "stale-leader-read",
    /// a replica listens to a leader of an older term
    OldTermHeard: "old-term-heard",
    /// a follower acknowledges what is still on its way to its disk
    AckUnsynced: "ack-unsynced",
    /// a snapshot takes the place of a log that has more than it
    SnapshotOverwrites: "snapshot-overwrites",
    /// a leader serves before its first entry is committed
    LeadsEarly: "leads-early",
    /// a replica that shall lead does not ask the others for what it lacks
    GatherSkipped: "gather-skipped",
    /// a follower gives up what it knows to be committed, if its leader's history is another one
    CommittedChanges: "committed-changes",
    /// a leader commits entries of an older term by counting who has them
    OldTermCommitted: "old-term-committed",
    /// a replica that is not in sync may lead
    HoleLeads: "hole-leads",
    /// a new leader's first order gets the number of the last one before it
    NumberReuse: "number-reuse",
    /// what was taken for an order that was never recorded is not put back
    HalfPurchase: "half-purchase",
    /// a leader takes before the takes of older terms are settled, and a retry adopts one of them
    TakeBeforeSettled: "take-before-settled",
    /// nobody looks whether a request was bought already
    DoubleBuy: "double-buy",
    /// a leader does not look whether a request is in its ledger before it takes for it
    RetryTakesAgain: "retry-takes-again",
    /// a new leader does not know which requests were bought before it
    DedupeLost: "dedupe-lost",
    /// a refusal is not recorded: the same request may be bought after a restock
    SecondOpinion: "second-opinion",
    /// a request is said never to be done, and that is not recorded
    ResolveUnrecorded: "resolve-unrecorded",
    /// the ledger records an order whose take is of an older term
    OldTermRecorded: "old-term-recorded",
    /// a leader proposes an order when the answer to a take of its last term comes late
    LateTakeAnswer: "late-take-answer",
    /// a leader says that a take is recorded as soon as it is answered
    FloorEarly: "floor-early",
    /// a leader asks for a take once, and never again if it gets no answer
    TakeAskedOnce: "take-asked-once",
    /// a leader forgets the number of a take that it gave up, so that a late one may land
    NoTombstone: "no-tombstone",
    /// the catalog executes a take whose number it has forgotten
    FloorIgnored: "floor-ignored",
    /// stock is taken without a look whether it is there
    Oversell: "oversell",
    /// the catalog executes takes of a deposed leader
    NoFence: "no-fence",
    /// a view is granted whatever view it was to follow
    ViewUncompared: "view-uncompared",
    /// the answer to a view does not list what is unsettled
    TakesUnlisted: "takes-unlisted",
    /// a new stock is visible at once, without waiting for the caches
    LateInvalidate: "late-invalidate",
    /// a reader is shown a new stock that caches need not show yet
    ShownEarly: "shown-early",
    /// a take is answered before its change is visible
    AnswerEarly: "answer-early",
    /// a take is refused because of a change that is not visible yet
    RefusalEarly: "refusal-early",
    /// a cache may keep a toy that is about to change
    KeptWhileChanging: "kept-while-changing",
    /// a catalog that starts does not take back the leases of its last run
    LeasesUnrevoked: "leases-unrevoked",
    /// the catalog waits for a lease as long as it lasts, and no longer
    WaitWithoutMargin: "wait-without-margin",
    /// an invalidation passes a fill, and what the fill brings is kept
    StaleFill: "stale-fill",
    /// a reader may join a fill that an invalidation has passed
    PassedFillJoined: "passed-fill-joined",
    /// whoever joined a fill is answered by it, though the catalog did not cover it
    UncoveredFillShared: "uncovered-fill-shared",
    /// a fill is kept, though the catalog did not cover it
    UncoveredFillKept: "uncovered-fill-kept",
    /// a frontend counts its lease from the answer, not from before the question
    LeaseFromAnswer: "lease-from-answer",
    /// a frontend serves from its cache when its lease has run out
    LeaseOverrun: "lease-overrun",
    /// a frontend keeps its cache under a new generation of its lease
    GenerationIgnored: "generation-ignored",
    /// a timeout is told as "nothing was done"
    TimeoutIsFailure: "timeout-is-failure",
    /// a frontend that finds no leader does not search again
    ExitOnNoLeader: "exit-on-no-leader",
    /// paxos: an acceptor forgets what it promised when it crashes
    PromiseForgotten: "promise-forgotten",
    /// paxos: an acceptor speaks of what is still on its way to its disk
    AcceptUnsynced: "accept-unsynced",
    /// paxos: what comes late, twice or after a gap is heard as if it came in order, links are
    /// never said to have lost anything, and nobody watches whether a replica gets on
    LinkUnordered: "link-unordered",
    /// paxos: a follower goes on behind a snapshot without what the snapshot stands for, as the
    /// stock crate's snapshots make it
    StockSnapshot: "stock-snapshot",
    /// paxos: a follower believes that a snapshot stands for one entry more than it does
    SnapshotOffByOne: "snapshot-off-by-one",
    /// paxos: a crash in the middle of taking over a leader's history leaves half of it
    SyncTorn: "sync-torn",
    /// paxos: a leader answers reads without asking whether it still leads
    ProbeSkipped: "probe-skipped",
    /// a replica that is read locally answers from entries that are not known to be committed
    UncommittedRead: "uncommitted-read",
    /// the answer to a local read is kept in the cache, where nobody drops it when it is old
    LocalAnswerKept: "local-answer-kept",
    /// a new leader of the catalog waits for the leases of the old one from its own start on
    LeasesFromStart: "leases-from-start",
    /// a leader of the catalog grants and answers without asking whether it still leads
    CatalogUnconfirmed: "catalog-unconfirmed",
    /// raft: a leader that hears of no majority leads on until it hears of another leader
    LeadsUnheard: "leads-unheard",
    /// while the members change, the old majority alone decides
    OldMajorityAlone: "old-majority-alone",
    /// a replica that restarts takes the members of its group's beginning for those of now
    MembersForgotten: "members-forgotten",
    /// a replica that restarts does not conclude from its log that a change of members is committed
    ChangeForgotten: "change-forgotten",
    /// a change of members is said to be done when nobody but the leader may know that it is
    ChangeUnconfirmed: "change-unconfirmed",
    /// raft: the crate is not told that a connection broke, with what was on its way
    LinkUnreported: "link-unreported",
}

/// Whether a bug is planted in this run. Without the feature it never is, at no cost.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted")]
pub use chosen::{Planting, plant, planted};

#[cfg(feature = "planted")]
mod chosen {
    //! What is planted, one set for each thread: a run stays on one, and others run beside it. A
    //! parameter would go through every function of every core for the sake of a test.

    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        /// A bit for each bug.
        static PLANTED: Cell<u128> = const { Cell::new(0) };
    }

    fn bit(bug: Bug) -> u128 {
        1 << bug as u32
    }

    /// Whether a bug is planted in this run.
    pub fn planted(bug: Bug) -> bool {
        PLANTED.with(|planted| planted.get() & bit(bug) != 0)
    }

    /// Bugs are planted as long as this lives.
    #[derive(Debug)]
    pub struct Planting(());

    /// Plants these bugs on this thread, and no others.
    #[must_use]
    pub fn plant(bugs: &[Bug]) -> Planting {
        let bits = bugs.iter().fold(0, |bits, bug| bits | bit(*bug));
        PLANTED.with(|planted| planted.set(bits));
        Planting(())
    }

    impl Drop for Planting {
        fn drop(&mut self) {
            PLANTED.with(|planted| planted.set(0));
        }
    }
}
