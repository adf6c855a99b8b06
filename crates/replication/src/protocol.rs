//! Which way of agreeing a group of replicas uses, and how one replica of it is set up.
//!
//! Chosen once for a store, and remembered by its data folder. Services, simulator and command line
//! name it by this enum; [`Config::start`] is the only place that knows every engine.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::log::Recovered;
use crate::paxos::{self, Paxos};
use crate::primary_backup::{self, PrimaryBackup, Rules};
use crate::raft::{self, Raft};
use crate::term::NodeId;

/// Entries kept in memory behind a snapshot, so that a follower that was away for a short while
/// needs no snapshot; [`Config::entries_kept`] by default.
pub const ENTRIES_KEPT: u64 = 8192;

/// How long a leader that is to lead no longer waits for another to lead.
pub const HAND_OVER: Duration = Duration::from_millis(500);

/// A way of agreeing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The course's rule taken literally: no view, no fence; loses orders, and names them.
    Naive,
    /// The course's rule, made safe by a view that an arbiter keeps.
    PrimaryBackup,
    /// A majority elects, a majority commits.
    #[default]
    Raft,
    /// The same by Paxos: whoever wants to lead asks a majority what it has accepted.
    Paxos,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 4] =
        [Protocol::Naive, Protocol::PrimaryBackup, Protocol::Raft, Protocol::Paxos];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Naive => "naive",
            Protocol::PrimaryBackup => "primary-backup",
            Protocol::Raft => "raft",
            Protocol::Paxos => "paxos",
        }
    }

    /// Whether a deposed leader can do no harm: older terms are fenced, and what was acknowledged
    /// is never lost.
    pub fn is_safe(self) -> bool {
        match self {
            Protocol::Naive => false,
            Protocol::PrimaryBackup | Protocol::Raft | Protocol::Paxos => true,
        }
    }

    /// Whether an arbiter says who may lead, and the frontend whom to ask.
    pub fn has_arbiter(self) -> bool {
        match self {
            Protocol::PrimaryBackup => true,
            Protocol::Naive | Protocol::Raft | Protocol::Paxos => false,
        }
    }

    /// Whether a majority of the replicas elects the leader, and decides what is committed.
    pub fn is_quorum(self) -> bool {
        match self {
            Protocol::Naive | Protocol::PrimaryBackup => false,
            Protocol::Raft | Protocol::Paxos => true,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Protocol, String> {
        let found = Protocol::ALL.into_iter().find(|protocol| protocol.name() == text);
        found.ok_or_else(|| {
            let names = Protocol::ALL.map(Protocol::name).join(", ");
            format!("{text:?} is no way of replication: expected one of {names}")
        })
    }
}

/// How soon silence is taken for death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pace {
    /// For disks that stall up to 90 ms now and then: heartbeats every 100 ms, an election after
    /// 600 to 1200 ms of silence.
    #[default]
    Default,
    /// For quiet disks: every 10 ms, after 100 to 200 ms.
    Fast,
}

/// One replica's place in its group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// How the group agrees.
    pub protocol: Protocol,
    /// This replica.
    pub id: NodeId,
    /// The others, in rising order.
    pub peers: Vec<NodeId>,
    /// How soon silence is taken for death.
    pub pace: Pace,
    /// `primary-backup`: allow a replica outside the in-sync set to lead, and lose what it missed.
    pub unclean: bool,
    /// Entries kept in memory behind a snapshot, so that a follower that was away for a short while
    /// needs none.
    pub entries_kept: u64,
    /// What makes one store's timeouts differ from another's; any number will do.
    pub seed: u64,
    /// `raft`: this replica comes to a group that is there already, and learns from its log who
    /// belongs to it; `peers` are then only those that it may meet.
    pub joins: bool,
}

impl Config {
    /// A replica with what was found on its disk.
    pub fn start(&self, recovered: &Recovered) -> Box<dyn Engine> {
        let rules = match self.protocol {
            Protocol::Naive => Rules::Naive,
            Protocol::PrimaryBackup => Rules::View,
            Protocol::Raft => return Box::new(Raft::new(self.raft(), recovered)),
            // One replica is a majority, and all of them: there is nothing to agree on.
            Protocol::Paxos if self.peers.is_empty() => {
                return Box::new(Raft::new(self.raft(), recovered));
            }
            Protocol::Paxos => return Box::new(Paxos::new(self.paxos(), recovered)),
        };
        let config = primary_backup::Config {
            id: self.id,
            peers: self.peers.clone(),
            rules,
            timers: match self.pace {
                Pace::Default => primary_backup::Timers::DEFAULT,
                Pace::Fast => primary_backup::Timers::FAST,
            },
            unclean: self.unclean,
            entries_kept: self.entries_kept,
        };
        Box::new(PrimaryBackup::new(config, recovered))
    }

    fn paxos(&self) -> paxos::Config {
        paxos::Config {
            id: self.id,
            peers: self.peers.clone(),
            timers: match self.pace {
                Pace::Default => paxos::Timers::DEFAULT,
                Pace::Fast => paxos::Timers::FAST,
            },
            entries_kept: self.entries_kept,
            seed: self.seed,
        }
    }

    fn raft(&self) -> raft::Config {
        raft::Config {
            joins: self.joins,
            id: self.id,
            peers: self.peers.clone(),
            timers: match self.pace {
                Pace::Default => raft::Timers::DEFAULT,
                Pace::Fast => raft::Timers::FAST,
            },
            entries_kept: self.entries_kept,
            seed: self.seed,
        }
    }
}
