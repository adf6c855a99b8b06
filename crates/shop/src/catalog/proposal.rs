//! A command on its way through the catalog's log, and what is to be done when it is applied.
//!
//! Made and finished by [`Catalog`](super::Catalog); looked through by whoever must know what is on
//! its way.

use replication::{Index, Term};

use super::command::ToyId;
use super::takes::Outcome;
use crate::node::Token;

/// What to do when a proposed command is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Then {
    /// Nothing more.
    Nothing,
    /// The process has begun.
    Begun,
    /// Answer a batch of takes: in the order asked, with the answers that were known before.
    AnswerTakes { token: Token, answers: Vec<(u64, Option<Outcome>)>, new_items: usize },
    /// Answer whoever proposed the view or settled takes.
    Answer { token: Token },
    /// Grant the lease that the registration was for.
    Grant { token: Token, frontend: u8, incarnation: u64 },
    /// A registration is gone.
    Unregistered { frontend: u8 },
    /// A restock is over.
    Restocked,
    /// A clean stop is recorded.
    Closed,
}

/// A command on its way through the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proposal {
    /// Where it stands.
    pub index: Index,
    /// Under which term: another leader's entry may take its place.
    pub term: Term,
    /// The toys that it may change.
    pub touches: Vec<ToyId>,
    /// What to do then.
    pub then: Then,
}
