//! What nodes and whoever injects faults say happened: the ground truth of a history.
//!
//! It is drawn in the picture. A guarantee that uses one of them as a premise says so: conservation
//! and no oversell use restocks and the final stock, exactly once and equal replicas use the final
//! logs. Made by [`super::Reader`].

use super::{Micros, Name};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A toy that was sold out was refilled.
    Restock {
        /// When.
        at: Micros,
        /// Which toy.
        toy: Name,
        /// How many there are now.
        quantity: i64,
    },
    /// A node began to lead.
    Leader {
        /// When.
        at: Micros,
        /// Which node.
        node: Name,
        /// Under which term, as the store writes it.
        term: Option<Name>,
    },
    /// Something went wrong, or was made to.
    Fault {
        /// When it began.
        at: Micros,
        /// When it ended; the same as `at` for what has no length.
        until: Micros,
        /// Where.
        node: Option<Name>,
        /// What: `kill`, `pause`, `partition` …
        what: Name,
    },
    /// A part of the final order log of a replica, after everything was quiet.
    Log {
        /// Which replica.
        node: Name,
        /// Its orders.
        orders: Vec<Logged>,
    },
    /// The final stock of a toy at the catalog, after everything was quiet.
    Stock {
        /// Which toy.
        toy: Name,
        /// How many there are.
        quantity: i64,
        /// Its version, where the store has versions.
        version: Option<u64>,
    },
    /// A take whose order was never recorded was put back: proposes who made two versions.
    PutBack {
        /// Of which toy.
        toy: Name,
        /// How many.
        quantity: i64,
        /// For which request.
        key: Name,
        /// The version that the take made.
        taken: u64,
        /// The version that putting it back made.
        version: u64,
    },
}

/// One order in a replica's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The line of the file that it stands in.
    pub line: u32,
    /// Its number.
    pub number: u64,
    /// Which toy.
    pub toy: Name,
    /// How many.
    pub quantity: i64,
    /// The request that it is for, where the log says so.
    pub key: Option<Name>,
    /// The version of the toy that its take made, where the log says so.
    pub version: Option<u64>,
    /// Its index, where the log says so.
    pub index: Option<u64>,
}
