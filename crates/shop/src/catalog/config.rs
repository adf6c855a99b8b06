//! What a catalog is started with. Filled in by the shell from flags; read by
//! [`Catalog`](super::Catalog).

use std::time::Duration;

use replication::protocol;

use super::catalogue::Toy;
use super::leases::LEASE_DURATION;
use super::lifecycle::{CHECKPOINT_BYTES, CHECKPOINT_ENTRIES};
use crate::invalidation::Invalidation;

/// The lab's: every toy at 0 is restocked every 10 s.
pub const RESTOCK_INTERVAL: Duration = Duration::from_secs(10);

/// The lab's: to 100.
pub const RESTOCK_LEVEL: u64 = 100;

/// What a catalog is started with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// What is sold, if the disk is empty; afterwards the disk wins, with a warning where this
    /// differs. `None`: the built-in catalogue, or silently what is on the disk.
    pub toys: Option<Vec<Toy>>,
    /// How often toys at 0 are restocked; zero for never.
    pub restock_interval: Duration,
    /// To how many; zero for never.
    pub restock_level: u64,
    /// How caches learn of changes.
    pub invalidation: Invalidation,
    /// How long a lease lasts on a frontend's clock.
    pub lease: Duration,
    /// Whether takes of other terms than the view's are refused. Only `naive` does without.
    pub fencing: bool,
    /// A checkpoint is written when so many entries were applied since the last one.
    pub checkpoint_entries: u64,
    /// Or when the commands of those entries have so many bytes.
    pub checkpoint_bytes: u64,
    /// Another number for each process, so that readers can tell a restart.
    pub incarnation: u64,
    /// Its place among the replicas of the catalog, under a protocol that elects by a majority;
    /// `None`: it is alone.
    pub replica: Option<protocol::Config>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            toys: None,
            restock_interval: RESTOCK_INTERVAL,
            restock_level: RESTOCK_LEVEL,
            invalidation: Invalidation::Lease,
            lease: LEASE_DURATION,
            fencing: true,
            checkpoint_entries: CHECKPOINT_ENTRIES,
            checkpoint_bytes: CHECKPOINT_BYTES,
            incarnation: 0,
            replica: None,
        }
    }
}
