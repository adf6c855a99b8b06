//! What an order replica is told at its start, and the bounds it keeps.
//!
//! Made by the shell from flags (or by a test), read by every other file of this folder.

use std::time::Duration;

use replication::protocol;

/// How long a call to the catalog may take: longer than a lease, since a take may wait for one.
pub(super) const CALL_DEADLINE: Duration = Duration::from_millis(2500);

/// How long one of several replicas of the catalog may take, before another one is asked.
pub(super) const CATALOG_TRY: Duration = Duration::from_millis(1000);

/// How long a view may take before it is asked again.
pub(super) const VIEW_DEADLINE: Duration = Duration::from_millis(500);

/// Between two tries to reach the catalog.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// How long the leader waits, when nothing else goes to the catalog, before it says what is
/// recorded.
pub(super) const FLOOR_DELAY: Duration = Duration::from_millis(100);

/// Log entries between two checkpoints, at least; see [`Orders::checkpoint_is_due`].
pub(super) const CHECKPOINT_ENTRIES: u64 = 50_000;

/// Requests to lead that may wait for an answer at once.
pub(super) const LEAD_WAITERS_MAX: usize = 64;

/// How an order replica is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its place among the replicas.
    pub engine: protocol::Config,
    /// Another number for each process, so that readers can tell a restart.
    pub incarnation: u64,
    /// How many replicas the catalog has; their ids begin with 1.
    pub catalogs: u8,
}
