//! What an order replica shows of itself.

use serde::{Deserialize, Serialize};

use super::*;
use crate::message::Order;

/// `/status` of an order replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its id.
    pub id: NodeId,
    /// The engine: role, term, leader, in-sync set, log positions.
    pub engine: engine::Status,
    /// `following`, `fencing` (elected; the catalog is to fence older terms), `settling` or `open`.
    pub state: String,
    /// How many orders it has applied.
    pub orders: u64,
    /// The chained hash of all of them, hexadecimal.
    pub digest: String,
    /// Purchases under way (leader).
    pub purchases: usize,
    /// Whether its disk is full.
    pub disk_full: bool,
    /// Orders that were, or may have been, acknowledged and gave way to another history (naive),
    /// newest last.
    pub discarded: Vec<Order>,
}

impl Orders {
    /// The term of its own that it knows of, if it leads or is about to.
    pub fn term_led(&self) -> Option<Term> {
        match &self.state {
            State::Following => None,
            State::Fencing { term, .. } | State::Settling { term, .. } | State::Open(term) => {
                Some(*term)
            }
        }
    }

    pub(super) fn make_status(&self) -> Status {
        let state = match self.state {
            State::Following => "following",
            State::Fencing { .. } => "fencing",
            State::Settling { .. } => "settling",
            State::Open(_) => "open",
        };
        let digest = self.ledger.digest_of(self.ledger.len());
        Status {
            id: self.config.engine.id,
            engine: self.engine.status(),
            state: state.to_string(),
            orders: self.ledger.len(),
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            purchases: self.purchases.len(),
            disk_full: self.disk_full,
            discarded: self.discarded.iter().cloned().collect(),
        }
    }
}
