//! What `/status` of a frontend shows: its beliefs, its lease and its cache, for people and tests.
//!
//! Made by `frontend::mod`; written as JSON by the shell.

use replication::{NodeId, Term};
use serde::{Deserialize, Serialize};

use super::cache::Policy;
use super::happened::HappeningStatus;
use crate::invalidation::Invalidation;
use crate::message::Generation;
use crate::toy::Version;

/// What has happened to the cache since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counters {
    /// Reads answered from the cache.
    pub hits: u64,
    /// Reads that went to the catalog because the toy was not there.
    pub misses: u64,
    /// Reads that went to the catalog because there is no cache, or no lease.
    pub bypasses: u64,
    /// Calls to the catalog for a product: fewer than misses, where readers shared one.
    pub fills: u64,
    /// Entries dropped because there was no room.
    pub evictions: u64,
    /// Entries dropped because the catalog said that they are old.
    pub invalidations: u64,
    /// Entries dropped because they were too old (mode `ttl`).
    pub expirations: u64,
    /// Times that the whole cache was dropped: a new generation, or a catalog that starts anew.
    pub drops: u64,
}

/// The leader that the frontend believes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaderStatus {
    /// Which replica.
    pub id: NodeId,
    /// Its term, once it has said it.
    pub term: Option<Term>,
}

/// The lease that was granted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Its generation.
    pub generation: Generation,
    /// How long it still lasts; 0 if it has lapsed.
    pub remaining_ms: u64,
}

/// One toy in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlotStatus {
    /// In the catalogue's spelling.
    pub name: String,
    /// How many are in stock, as it says.
    pub quantity: u64,
    /// Which state of the stock that is.
    pub version: Version,
    /// Since its fill left.
    pub age_ms: u64,
    /// Reads answered from it.
    pub hits: u64,
}

/// A frontend's whole public state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Its number.
    pub id: u8,
    /// How its cache learns of changes.
    pub mode: Invalidation,
    /// How many toys its cache may hold.
    pub capacity: usize,
    /// Which toy goes when another one needs its slot.
    #[serde(default)]
    pub policy: Policy,
    /// Who leads, as it believes.
    pub leader: Option<LeaderStatus>,
    /// Its lease; absent until the first grant, and in modes without one.
    pub lease: Option<LeaseStatus>,
    /// The cache: the toy that would go next first, as its policy has it; under `random`, where any
    /// may, the one that was filled first.
    pub cache: Vec<SlotStatus>,
    /// What has happened.
    pub counters: Counters,
    /// What happened to the cache lately, the oldest first; hits are in its slots.
    #[serde(default)]
    pub happened: Vec<HappeningStatus>,
    /// Orders that wait for the order service.
    pub orders_waiting: usize,
    /// Order reads and fates that wait for the order service.
    pub questions_waiting: usize,
    /// Readers that wait for the catalog.
    pub readers_waiting: usize,
    /// Calls that wait for an answer, of any kind.
    pub calls_in_flight: usize,
}
