//! What `up` and `demo` are asked for, in their own words.
//!
//! Filled by [`crate::command::up`] from flags and by `demo` itself; read by [`super::layout`],
//! which turns it into the flags of each node.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use replication::Protocol;
use replication::protocol::Pace;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;

use super::folder::Made;
use super::ports::Wanted;

/// Order replicas, where nobody says how many.
const ORDERS_DEFAULT: u8 = 3;

/// Catalogs, where nobody says how many.
const CATALOGS_DEFAULT: u8 = 1;

/// How order replicas agree, as a flag.
pub fn replication() -> impl TypedValueParser<Value = Protocol> {
    let values = Protocol::ALL.map(|protocol| {
        PossibleValue::new(protocol.name()).help(match protocol {
            Protocol::Naive => {
                "The course's rule taken literally: no view, no fence; loses orders, and names them"
            }
            Protocol::PrimaryBackup => {
                "The course's rule, made safe by a view that the catalog keeps"
            }
            Protocol::Raft => "A majority elects the leader, and decides what is committed",
            Protocol::Paxos => "The same by Paxos",
        })
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Protocol>())
}

/// How soon silence is taken for death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Timers {
    /// Survives disks that stall for 90 ms
    Default,
    /// For quiet disks, and comparisons with etcd's fast setting
    Fast,
}

impl From<Timers> for Pace {
    fn from(timers: Timers) -> Pace {
        match timers {
            Timers::Default => Pace::Default,
            Timers::Fast => Pace::Fast,
        }
    }
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timers::Default => "default",
            Timers::Fast => "fast",
        })
    }
}

/// Where what the nodes log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// To the stderr of the parent.
    Inherit,
    /// To `DATA/NODE.log`, so that the parent can tell a story of its own.
    Files,
}

/// A store to be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many frontends, 1 to 9.
    pub frontends: u8,
    /// How many order replicas, 1 to 9; as the data folder has it, or 3, if not given.
    pub orders: Option<u8>,
    /// How many catalogs, 1 to 9; as the data folder has it, or 1, if not given.
    pub catalogs: Option<u8>,
    /// How the replicas agree; as the data folder has it, or `raft`, if not given.
    pub replication: Option<Protocol>,
    /// Toys in each frontend's cache; 0 switches it off.
    pub cache_capacity: u32,
    /// Which toy goes when another needs its slot in a cache.
    pub cache_policy: Policy,
    /// What keeps the caches right.
    pub invalidation: Invalidation,
    /// How often toys that are sold out are restocked.
    pub restock_interval: Duration,
    /// A CSV file in place of the built-in catalogue.
    pub catalogue: Option<PathBuf>,
    /// How soon silence is taken for death.
    pub timers: Timers,
    /// For tests: what was not synced is lost with its process.
    pub shadow_disk: bool,
    /// Let nodes break their own network edges when they are told to (`PUT /faults`).
    pub chaos: bool,
    /// Free ports instead of those of `wanted`.
    pub ports_auto: bool,
    /// Addresses.
    pub wanted: Wanted,
    /// Where the page is, if there is one.
    pub dashboard: Option<String>,
    /// The data folder; absent for one that is removed at the end.
    pub data: Option<PathBuf>,
    /// Where the nodes' logs go.
    pub logs: Logs,
}

impl Options {
    /// What a new store of these options is made with.
    pub fn made(&self) -> Made {
        let replication = self.replication.unwrap_or_default();
        let orders = self.orders.unwrap_or(ORDERS_DEFAULT);
        Made::new(replication, orders, self.catalogs.unwrap_or(CATALOGS_DEFAULT))
    }
}
