//! The trait that every way of agreeing on a log implements.
//!
//! An engine decides the order of opaque commands and never looks inside one. It is stepped by a
//! service's node (`shop::orders`, `shop::catalog`), which passes the shell's inputs down and the
//! engine's effects up.
//!
//! **Effects are a to-do list, performed top to bottom; an effect after a [`Effect::Persist`] waits
//! until it is on disk.** A leader therefore puts its frames to followers before its own `Persist`,
//! so that network and disk overlap, and its own vote counts at [`Input::Persisted`].
//!
//! That is the shell's business, for what leaves the process (`Send`, `AskView`). The service above
//! takes what is meant for itself (`Apply`, `Install`, `Discard`, `Leading`, `Following`,
//! `Passed` …) within the same step, in order: an engine applies nothing that is not on disk.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::{Checkpoint, Entry, Index, Record, Snapshot};
use crate::members::{Change, Members};
use crate::paxos;
use crate::primary_backup;
use crate::raft;
use crate::term::{NodeId, Term, View};
use crate::time::Time;

/// Why a replica that follows is not ready before [`Engine::has_caught_up`].
pub const CATCHING_UP: &str = "catching up with what was committed before it came";

/// One replica's part in agreeing on a log.
pub trait Engine: fmt::Debug + Send {
    /// One transition: takes what happened, appends what must be done to `effects`.
    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>);

    /// When it wants [`Input::Timer`]; `None` if only an input can change anything.
    fn next_timer(&self) -> Option<Time>;

    /// For people and tests; never for decisions of a service.
    fn status(&self) -> Status;

    /// Whether it has applied everything that was committed when it first heard of a leader since
    /// its start; or it has led. Once so, always so.
    fn has_caught_up(&self) -> bool;

    /// The committed position and the log, for catch-up endpoints and digests.
    fn log(&self) -> &crate::log::Log;

    /// Called when `snapshot` (of applied state) is about to be written to disk: returns what must
    /// be in the same file, and forgets the entries that the snapshot stands for.
    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint;
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The node starts; disk was fed to the engine's constructor.
    Start,
    /// The time that `next_timer` asked for has come (or a little later).
    Timer,
    /// A message from another replica. May come late, twice, or out of order.
    Receive {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// The first `upto` records ever emitted by this engine since its start are on disk.
    Persisted {
        /// How many, counted from 1 since the start of the process.
        upto: u64,
    },
    /// Offers commands to the log. Ignored unless this replica leads: the service asks
    /// [`Effect::Leading`] and [`Effect::Following`] to know.
    Propose(Vec<Bytes>),
    /// Asks for [`Effect::Passed`] with the same number once it is certain that this replica still
    /// led at a moment after this input (a read barrier, Raft §6.4). Numbers from 1.
    Barrier(u64),
    /// The frontend's choice (the course's rule): this replica should lead, since the leader of
    /// every term up to `after` has failed. Ignored by engines that choose for themselves.
    Lead {
        /// The last term that the frontend knows to have failed.
        after: Term,
    },
    /// The frontend says that another replica leads.
    Follow {
        /// Who.
        leader: NodeId,
    },
    /// The arbiter's answer to [`Effect::AskView`]; or what it said when it refused something else
    /// that carried a term.
    Viewed(Viewed),
    /// The answer to [`Effect::WantSnapshot`]: everything applied so far.
    Snapshot(Snapshot),
    /// A checkpoint with this snapshot index is on disk.
    Checkpointed {
        /// The snapshot's index.
        index: Index,
    },
    /// The snapshot of [`Effect::Install`] cannot be read: nothing was changed.
    NotInstalled {
        /// The snapshot's index.
        index: Index,
    },
    /// The transport saw a connection to a peer open, or close and be refused.
    Link {
        /// Which peer.
        peer: NodeId,
        /// Whether it can be reached.
        up: bool,
    },
    /// This process is about to stop: another replica should lead first, if one can. Ignored by
    /// engines that do not choose for themselves.
    HandOver,
    /// Somebody wants other members. Answered by [`Effect::Changed`] with the same number, once the
    /// change is committed by a configuration that is no longer joint.
    Change {
        /// Numbers from 1, each used once in the life of a process.
        tag: u64,
        /// What is wanted.
        change: Change,
    },
}

/// What came of a change of members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The members are as wanted, for good.
    Done,
    /// It is not done: why, and what to do instead.
    Refused(String),
    /// This replica does not lead (any more); the change may be under way.
    NotLeader,
}

/// What an engine says whose members are those that it began with.
pub(crate) fn fixed(tag: u64) -> Effect {
    let why = "the replicas of this store are fixed: only under --replication raft can one be \
               added, removed or replaced while the store runs";
    Effect::Changed { tag, outcome: Outcome::Refused(why.to_string()) }
}

/// What the arbiter said to a proposed view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Viewed {
    /// The view is in force, all lower terms are fenced.
    Granted(View),
    /// Refused; this is the view in force.
    Refused(View),
    /// No answer within the deadline: it may be in force or not.
    Unknown,
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Put this on disk; effects after it wait.
    Persist(Record),
    /// Send to another replica, once, without waiting.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// This entry is committed: apply it. Indexes come in order, without gaps.
    Apply(Entry),
    /// Replace the state machine by this snapshot, which is ahead of what was applied, and write a
    /// checkpoint. The engine waits for [`Input::Checkpointed`].
    Install(Snapshot),
    /// Ask the arbiter to put this view in force in the place of one; the answer comes as
    /// [`Input::Viewed`].
    AskView {
        /// The new view.
        view: View,
        /// The term of the view that it replaces: compare-and-set.
        previous: Term,
        /// Grant it even to a replica that is not in sync (an operator's choice to lose orders).
        unclean: bool,
    },
    /// This replica cannot lead: it may have missed what others acknowledged.
    NotInSync(View),
    /// A follower needs what is compacted away: give me a snapshot of what was applied so far.
    WantSnapshot,
    /// This replica now leads under this term, and everything before is applied: the service may
    /// settle, then accept work.
    Leading(Term),
    /// This replica does not lead (any more). `leader` is a hint.
    Following {
        /// Who probably leads.
        leader: Option<NodeId>,
    },
    /// The read barrier with this number is passed.
    Passed(u64),
    /// The read barrier with this number cannot be passed: not the leader (any more).
    Failed(u64),
    /// For the operator's log: what should not be, in a sentence.
    Warn(String),
    /// `naive` (and after an unclean election): another history took the place of entries. The
    /// service must roll back to a state without them and name what is lost.
    Discard {
        /// Those that give way, behind those before them that were not applied here: without these
        /// it could not be told what the others would have been. Oldest first.
        entries: Vec<Entry>,
        /// The first that gives way.
        from: Index,
        /// Up to here they are known to have been committed; behind it they may have been.
        committed: Index,
    },
    /// The answer to [`Input::Change`].
    Changed {
        /// Its number.
        tag: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// From here on in the log these are the members: told at start, with each change, and when a
    /// snapshot brings others.
    Members(Members),
}

/// What replicas say to each other: one enum, so that the shell has one codec.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Primary-backup and naive.
    PrimaryBackup(primary_backup::Message),
    /// Raft.
    Raft(raft::Message),
    /// Paxos.
    Paxos(paxos::Message),
}

impl Message {
    /// The entries that it carries to a follower.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Message::PrimaryBackup(message) => message.entries(),
            Message::Raft(message) => message.entries(),
            Message::Paxos(message) => message.entries(),
        }
    }

    /// A follower says: my log equals yours up to here, on disk.
    pub fn acknowledges(&self) -> Option<Index> {
        match self {
            Message::PrimaryBackup(message) => message.acknowledges(),
            Message::Raft(message) => message.acknowledges(),
            Message::Paxos(message) => message.acknowledges(),
        }
    }

    /// A follower says that it cannot append what it got, or not under this term.
    pub fn refuses(&self) -> bool {
        match self {
            Message::PrimaryBackup(message) => message.refuses(),
            Message::Raft(message) => message.refuses(),
            Message::Paxos(message) => message.refuses(),
        }
    }

    /// Where a snapshot stands whose last bytes it carries.
    pub fn completes_snapshot(&self) -> Option<Index> {
        match self {
            Message::PrimaryBackup(message) => message.completes_snapshot(),
            Message::Raft(message) => message.completes_snapshot(),
            Message::Paxos(message) => message.completes_snapshot(),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::PrimaryBackup(message) => write!(f, "{message}"),
            Message::Raft(message) => write!(f, "{message}"),
            Message::Paxos(message) => write!(f, "{message}"),
        }
    }
}

/// A replica as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `single`, `primary-backup`, `naive` …
    pub engine: String,
    /// `leader`, `follower`, `candidate`.
    pub role: String,
    /// The highest term it knows.
    pub term: Term,
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// The in-sync set of the view, where the engine has one.
    pub in_sync: Vec<NodeId>,
    /// The last index in the log.
    pub last: Index,
    /// The last index known to be committed.
    pub committed: Index,
    /// As leader: how far each follower is known to be, on its disk.
    pub followers: Vec<(NodeId, Index)>,
    /// Who belongs to the group, if that can change; shown as people write it, `1,2,3 learns 4`.
    #[serde(default)]
    pub members: Option<String>,
}
