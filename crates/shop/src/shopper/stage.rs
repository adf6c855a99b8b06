//! What a shopper is at. Read and changed by [`super::Shopper`] only.

use replication::Time;

use super::record::Kind;
use crate::message::NewOrder;
use crate::toy::Quantity;

/// What the shopper is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not started yet.
    New,
    /// Asks for the list of toys, page by page.
    Listing,
    /// Thinks, before the next round.
    Pausing(Time),
    /// Looks at a toy, and orders so many if it is in stock.
    Looking(Option<Quantity>),
    /// Orders.
    Ordering(NewOrder),
    /// Reads one of its orders, in between.
    LookingUp,
    /// Repeats an order whose outcome is unknown.
    Asking(NewOrder),
    /// Reads an order of this place in the record, and compares.
    Comparing(usize),
    /// Done.
    Finished,
}

impl Stage {
    /// Whether its request begins at its own moment, if the shopper has a pace.
    pub fn is_paced(&self) -> bool {
        match self {
            Stage::Looking(_) | Stage::Ordering(_) | Stage::LookingUp => true,
            Stage::New
            | Stage::Listing
            | Stage::Pausing(_)
            | Stage::Asking(_)
            | Stage::Comparing(_)
            | Stage::Finished => false,
        }
    }

    /// What kind of request is under way.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Stage::Listing => Some(Kind::List),
            Stage::Looking(_) => Some(Kind::Query),
            Stage::Ordering(_) | Stage::Asking(_) => Some(Kind::Order),
            Stage::LookingUp | Stage::Comparing(_) => Some(Kind::OrderQuery),
            Stage::New | Stage::Pausing(_) | Stage::Finished => None,
        }
    }
}
