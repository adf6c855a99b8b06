//! Reads at the leader that must not be old: they wait for a read barrier.
//!
//! Only "there is none" and "not yet" need it: an order and a fate are written once, and what is
//! found is final.

use crate::message::{OrderNumber, RequestId};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// An order by its number.
    Order(OrderNumber),
    /// What became of a request.
    Fate(RequestId),
}

/// Reads that wait for a barrier.
pub type Reads = crate::reads::Reads<Read>;
