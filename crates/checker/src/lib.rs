//! Judges what clients of a toy store saw.
//!
//! # One history, judged
//!
//! A client reads 5 left of a toy at 12.340 s. At 12.101 s a purchase had been acknowledged that
//! left 4. No order of the two fits what both were told: the history is not *linearizable*. This
//! crate finds that, says it in a sentence, and draws it.
//!
//! It is pure, and imports no other crate of the project: a mistake cannot be in the store and in
//! its judge at once. It knows of the store what `docs/formats.md` says.
//!
//! # The order of the proof
//!
//! 1. [`purchase`]: every attempt at one request is one purchase, and what became of those whose
//!    outcome is unknown is looked up where it was told: later questions, final logs.
//! 2. [`witness`]: the toy versions in the answers propose an order, and each answer is checked
//!    against it. O(n log n). That the versions come from the store does no harm: if the order fits
//!    what the clients saw, it is a proof.
//! 3. Only where that fails: [`refutation`] looks for two answers whose versions cannot both be
//!    true; [`search`], a just-in-time search bounded in steps and memory, for any order that fits.
//!    It ends with *held*, *broke*, or *not decided*.
//! 4. Everything else that was promised: `once`, `orders`, `invariants`, `conservation`,
//!    `sessions`, [`staleness`]. Reads that were asked for less are judged by `levels`.
//!
//! Called by `toystore check` and by whatever runs a store and wants a verdict.

#![deny(clippy::wildcard_enum_match_arm)]

mod conservation;
pub mod history;
mod invariants;
mod judge;
mod levels;
pub mod model;
mod once;
mod orders;
pub mod picture;
pub mod purchase;
pub mod refutation;
pub mod report;
pub mod search;
mod sessions;
pub mod staleness;
pub mod stock;
pub mod verdict;
pub mod window;
pub mod witness;
mod words;

pub use history::History;
pub use judge::{Judged, STEPS_DEFAULT, judge};
