//! What a frontend is told at its start, and the bounds it keeps.
//!
//! Made by the shell from flags (or by a test), read by every other file of this folder.

use std::time::Duration;

use replication::NodeId;

use super::cache::Policy;
use crate::invalidation::Invalidation;

/// How many toys a cache keeps unless told otherwise: the course's number.
pub const CACHE_CAPACITY_DEFAULT: usize = 7;

/// How long an order or an order question is tried before its shopper is told that the outcome is
/// unknown. Longer than the longest failover, shorter than a shopper's own deadline (10 s), so that
/// the shopper is told before it gives up by itself.
pub const REQUEST_DEADLINE_DEFAULT: Duration = Duration::from_secs(8);

/// How long a call to the catalog may take. Longer than a lease, for which a starting catalog makes
/// its callers wait.
pub(super) const CATALOG_DEADLINE: Duration = Duration::from_secs(3);

/// How long one of several replicas of the catalog may take, before another one is asked.
pub(super) const CATALOG_TRY: Duration = Duration::from_millis(500);

/// How long until a question is asked again that no replica of the catalog answered: some tens of
/// them are enough until another one leads.
pub(super) const CATALOG_PAUSE: Duration = Duration::from_millis(50);

/// How long a clean stop waits for the catalog and for the orders under way.
pub(super) const STOP_DEADLINE: Duration = Duration::from_secs(1);

/// Orders that may wait in one frontend: as many as it has connections.
pub(super) const ORDERS_WAITING_MAX: usize = 16_384;

/// Orders in one `PlaceOrders` call: some 150 kB, far below the 8 MiB of an internal body.
pub(super) const ORDERS_PER_CALL_MAX: usize = 512;

/// `PlaceOrders` calls in flight with orders that were not asked before: one at the leader, one on
/// its way, so that what waits goes together. A leader holds none for more than 100 ms.
pub(super) const ORDER_CALLS_MAX: usize = 2;

/// Order questions (reads, fates) that may wait in one frontend.
pub(super) const QUESTIONS_WAITING_MAX: usize = 16_384;

/// Order questions in flight: each is one HTTP exchange on one of the links to the leader.
pub(super) const QUESTIONS_IN_FLIGHT_MAX: usize = 64;

/// How long until a pending or refused order or question is asked again.
pub(super) const AGAIN_PAUSE: Duration = Duration::from_millis(20);

/// How long a leader's "not available, nothing was done" is retried before it is passed on: a
/// leader that just settles needs less, and so does a catalog that just started and waits for the
/// leases of its last run (2.1 s); one whose disk is full should be heard soon.
pub(super) const UNAVAILABLE_PATIENCE: Duration = Duration::from_secs(3);

/// Fill calls in flight: more than the catalogue has toys in any sensible store.
pub(super) const FILLS_MAX: usize = 1024;

/// Readers that may wait for fills, in all: as many as there are connections.
pub(super) const READERS_MAX: usize = 16_384;

/// Calls in flight for pages of products, and for products that are read at a weaker level: each
/// has one reader.
pub(super) const LOOKS_MAX: usize = 1024;

/// How soon the frontend suspects an order replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timers {
    /// How often the leader is asked whether it still leads.
    pub check: Duration,
    /// How long a replica may take to answer that.
    pub ping: Duration,
    /// How long the chosen replica may take to become leader: catch-up, view, settlement.
    pub lead: Duration,
    /// How long one order call may take. A leader answers within 100 ms, if only "pending".
    pub call: Duration,
}

impl Timers {
    /// For machines whose disks stall now and then.
    pub const STANDARD: Timers = Timers {
        check: Duration::from_millis(500),
        ping: Duration::from_millis(300),
        lead: Duration::from_secs(2),
        call: Duration::from_secs(1),
    };

    /// For quiet machines: a hung leader is left about as soon as the replicas elect another.
    pub const FAST: Timers = Timers {
        check: Duration::from_millis(50),
        ping: Duration::from_millis(50),
        lead: Duration::from_secs(1),
        call: Duration::from_millis(400),
    };
}

/// What a frontend is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Its number, from 1.
    pub id: u8,
    /// Every replica of the order service.
    pub orders: Vec<NodeId>,
    /// How many toys the cache keeps; 0 turns it off.
    pub cache_capacity: usize,
    /// Which toy goes when another one needs its slot.
    pub cache_policy: Policy,
    /// How the cache learns of changes; the catalog must be told the same.
    pub invalidation: Invalidation,
    /// How soon a leader is suspected.
    pub timers: Timers,
    /// How long an order is tried, see [`REQUEST_DEADLINE_DEFAULT`].
    pub request_deadline: Duration,
    /// Where the catalog reaches this frontend: `http://host:port`.
    pub url: String,
    /// Drawn anew by each process: tells a restarted frontend from a second one.
    pub incarnation: u64,
    /// How many replicas the catalog has; their ids begin with 1.
    pub catalogs: u8,
}

impl Config {
    /// The defaults: capacity 7, LRU, leases, standard timers, 8 s for a request, one catalog.
    pub fn new(id: u8, orders: Vec<NodeId>, url: String, incarnation: u64) -> Config {
        Config {
            id,
            orders,
            cache_capacity: CACHE_CAPACITY_DEFAULT,
            cache_policy: Policy::default(),
            invalidation: Invalidation::Lease,
            timers: Timers::STANDARD,
            request_deadline: REQUEST_DEADLINE_DEFAULT,
            url,
            incarnation,
            catalogs: 1,
        }
    }
}
