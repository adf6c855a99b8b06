//! Shoppers over real HTTP: what `toystore client` and `demo` run.
//!
//! The shopper itself is a pure state machine ([`shop::shopper`]); here are the two dialects that
//! it speaks, its clock, and what is made of its records.

pub mod csv;
pub mod dialect;
pub mod order_log;
pub mod runner;
pub mod tally;
