//! The toy store's services as pure state machines.
//!
//! ```text
//! shopper ──► frontend ──► order leader ──► catalog           a purchase
//!                ▲  cache      │  log ──► followers   │
//!                └─────────────┴──────── invalidate ◄─┘       and its way back
//! ```
//!
//! Read it in the order of a purchase. Every service is a [`Node`]: inputs in, effects out, no
//! clock, disk, socket, thread or hidden randomness. The shell (crate `toystore`) runs them as
//! processes; the simulator runs the same code in virtual time.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`node`] | the contract between a core and its shell |
//! | [`message`] | every message of the system, in dataflow order |
//! | [`invalidation`] | how caches learn of changes: one choice for the whole store |
//! | [`toy`] | names, prices, quantities, products |
//! | [`shopper`] | the client: queries, orders, retries, compares |
//! | [`frontend`] | cache, lease, and the search for a leader |
//! | [`orders`] | purchases and the ledger, on a replicated log |
//! | [`catalog`] | stock, takes, restock, leases, the view |
//! | [`catalog_leader`] | which replica of the catalog its callers ask |
//! | [`past`] | what a store comes to after many orders, made up |
//! | [`reads`] | answers that wait for a read barrier |

#![deny(clippy::wildcard_enum_match_arm)]

pub mod catalog;
pub mod catalog_leader;
pub mod frontend;
pub mod invalidation;
pub mod message;
pub mod node;
pub mod orders;
pub mod past;
pub mod reads;
pub mod shopper;
pub mod toy;

pub use node::{Effect, Input, Node};
pub use replication::{NodeId, Term, Time, View};
