//! One toy in the catalog's durable state, with the whole account of where its pieces went.
//!
//! Part of [`Stock`](super::stock::Stock), which moves the pieces.

use replication::planted::{Bug, planted};
use serde::{Deserialize, Serialize};

use crate::toy::{Cents, Product, ToyName, Version};

/// One toy, with the whole account of where its pieces went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shelf {
    /// In the catalogue's spelling.
    pub name: ToyName,
    /// The price of one.
    pub price: Cents,
    /// How many are in stock.
    pub quantity: u64,
    /// Counts the changes of the quantity, from 1.
    pub version: Version,
    /// How many there were at first.
    pub initial: u64,
    /// How many were added by restocking.
    pub restocked: u64,
    /// How many were ever taken.
    pub taken: u64,
    /// How many of them were put back.
    pub given_back: u64,
    /// How many of them are taken, with the fate of their order open.
    pub unsettled: u64,
}

impl Shelf {
    /// How many were taken by orders that are known to be recorded.
    pub fn sold(&self) -> u64 {
        self.taken - self.given_back - self.unsettled
    }

    /// The toy as a reader sees it.
    pub fn product(&self) -> Product {
        Product {
            name: self.name.clone(),
            price: self.price,
            quantity: self.quantity,
            version: self.version,
        }
    }

    /// Whether its numbers can be those of a shelf: what is added up here without a second look
    /// stays within 64 bits, and no piece appeared or vanished.
    pub(super) fn adds_up(&self) -> bool {
        let before = self.initial.checked_add(self.restocked);
        let after = self.quantity.checked_add(self.taken);
        let gone = self.given_back.checked_add(self.unsettled);
        before.is_some()
            && gone.is_some_and(|gone| gone <= self.taken)
            && after.map(|after| after - self.given_back) == before
    }

    /// # Panics
    /// If a piece appeared or vanished: that is a bug.
    fn check(&self) {
        let before = self.initial + self.restocked;
        let after = self.quantity + self.taken - self.given_back;
        let even = before == after || planted(Bug::Oversell);
        assert!(even, "{before} came, {after} are there, pieces appeared or vanished: {self:?}");
    }

    /// The quantity changed: a new state.
    pub(super) fn change(&mut self) {
        self.version = Version(self.version.0 + 1);
        self.check();
    }
}
