//! What can go wrong between two nodes, and the one table that turns it into a status and a
//! message.

use replication::{NodeId, View};
use serde::{Deserialize, Serialize};

use super::ReadFrom;
use crate::toy::Version;

/// An expected failure: a value, never a panic. A timeout is not among them: it is
/// [`Answer::Unknown`](crate::node::Answer::Unknown).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Problem {
    /// The catalogue has no such toy.
    UnknownProduct,
    /// No order has this number (linearizable).
    UnknownOrder,
    /// Fewer in stock than asked for; recorded, so that the same request id is told the same again.
    InsufficientStock {
        /// The state of the stock that refused.
        version: Version,
        /// The log index of the recorded refusal.
        index: u64,
    },
    /// The request was resolved as "never" before it arrived.
    Resolved,
    /// The same request id came before with another toy or quantity.
    KeyReused,
    /// Something in the request is wrong; says what and what was expected.
    Bad(String),
    /// Not the leader; ask that one.
    NotLeader {
        /// A hint.
        leader: Option<NodeId>,
    },
    /// The arbiter refuses: another view is in force.
    Fenced(View),
    /// This replica may not lead: it is not in the in-sync set of the view in force.
    NotInSync(View),
    /// A second frontend with an id that is in use.
    FrontendInUse,
    /// Cannot be served now, and was not done.
    Unavailable(String),
    /// No answer in time: it may have been done or not. A retry with the same key is harmless.
    OutcomeUnknown(String),
    /// This state has no order of this number; below `linearizable`, where that proves nothing.
    NoOrderHere(ReadFrom),
    /// The members cannot be as wanted; says why and what to do instead.
    NotChanged(String),
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Problem::UnknownProduct | Problem::UnknownOrder | Problem::NoOrderHere(_) => 404,
            Problem::InsufficientStock { .. } | Problem::Bad(_) => 400,
            Problem::KeyReused => 422,
            Problem::NotLeader { .. } => 421,
            Problem::Fenced(_)
            | Problem::NotInSync(_)
            | Problem::FrontendInUse
            | Problem::NotChanged(_)
            | Problem::Resolved => 409,
            Problem::Unavailable(_) | Problem::OutcomeUnknown(_) => 503,
        }
    }

    /// What the error object says.
    pub fn message(&self) -> String {
        match self {
            Problem::UnknownProduct => "product not found".to_string(),
            Problem::UnknownOrder => "order not found".to_string(),
            Problem::InsufficientStock { .. } => "insufficient stock".to_string(),
            Problem::Resolved => "this request was resolved as never to be done".to_string(),
            Problem::KeyReused => {
                "this Idempotency-Key was used before for another order".to_string()
            }
            Problem::Bad(what) | Problem::NotChanged(what) => what.clone(),
            Problem::NotLeader { leader: Some(leader) } => {
                format!("not the leader, replica {leader} is")
            }
            Problem::NotLeader { leader: None } => "not the leader".to_string(),
            Problem::Fenced(view) => format!("fenced: the view in force is {view}"),
            Problem::NotInSync(view) => {
                format!("this replica may have missed orders: the view in force is {view}")
            }
            Problem::FrontendInUse => "another frontend uses this id".to_string(),
            Problem::Unavailable(what) => format!("not available: {what}; nothing was done"),
            Problem::OutcomeUnknown(what) => {
                format!("outcome unknown: {what}; retry with the same Idempotency-Key")
            }
            Problem::NoOrderHere(from) => {
                let ReadFrom { consistency, node, applied, .. } = from;
                format!(
                    "order not found by {node} at log index {applied}; read as {consistency}, it \
                     may be recorded all the same"
                )
            }
        }
    }
}
