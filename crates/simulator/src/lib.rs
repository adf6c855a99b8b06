//! The whole store in one deterministic world: real services, virtual time, a network and disks
//! that fail on purpose, and the question whether every promise was kept.
//!
//! **Law: the same seed makes the same run, byte for byte.** No clock, disk, socket or thread of
//! the machine; whatever is random is drawn from the seed. It knows crates `shop` and
//! `replication`, whose state machines it steps, and `wal`, the log that they are written to.
//!
//! ```text
//! seed ─► plan: setting, faults, questions ─► world: events, steps, effects ─► verdict
//!              ▲                                                                  │
//!              └──────────────── shrink: less of the same plan ◄──────────────────┘
//! ```
//!
//! A run has a **safety phase**, in which things go wrong, and after it everything heals for the
//! **liveness phase**, in which the store must come to rest and answer. Then what clients were told
//! is judged by crate `checker`, as the history of a real store is; and the nodes are asked whether
//! replicas are equal and all in sync, and nothing is left over.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `run` | one run |
//! | [`plan`], [`setting`], [`fault`], `members`, `trim`, `switch` | what is decided before; values |
//! | [`planted`] | bugs that are planted on purpose, and what must come of each |
//! | `world`, `queue`, `clock`, [`who`] | what happens |
//! | `record`, [`recording`] | what clients were told, as a history, and what its judge says |
//! | [`frames`] | what all nodes said, moment after moment, for whoever looks at a run |
//! | [`points`] | interesting states that must be reached |
//! | `costs`, [`comparison`] | what a run costs; ways of replication side by side |
//! | `tally`, `digest` | what is counted; one number for a run |
//! | `shrink` | a failing run made smaller |
//!
//! Called by the shell's `sim` command, which spreads seeds over threads.

#![deny(clippy::wildcard_enum_match_arm)]

mod clock;
mod clocks;
pub mod comparison;
mod costs;
mod digest;
pub mod fault;
pub mod frames;
mod members;
pub mod plan;
pub mod planted;
pub mod points;
mod queue;
mod record;
pub mod recording;
mod run;
pub mod scenario;
pub mod setting;
mod shape;
mod shrink;
mod switch;
mod tally;
mod trim;
pub mod who;
mod world;

pub use costs::{Acknowledged, Costs};
pub use plan::Plan;
pub use record::UNDECIDED;
pub use run::{Outcome, run, run_measured};
pub use scenario::Scenario;
pub use setting::{Setting, Wishes};
pub use shrink::{Shrunk, shrink};
pub use tally::Tally;
pub use trim::Trim;
pub use world::Broken;
