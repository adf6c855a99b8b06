//! One toy in the catalog's durable state, with the whole account of where its pieces went.
//!
//! Held as a row of [`ROW_BYTES`] by [`Shelves`](super::shelves::Shelves); its pieces are moved by
//! [`Stock`](super::stock::Stock).

use bytes::{Buf, BufMut};
use replication::planted::{Bug, planted};

use super::catalogue::Toy;
use crate::toy::{Cents, Version};

/// Bytes of a row: eight numbers of 8, in the order of [`Shelf`]'s fields; big-endian.
pub(super) const ROW_BYTES: usize = 64;

/// One toy, with the whole account of where its pieces went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf {
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
    /// A toy of which nothing was sold yet.
    pub(super) fn new(toy: &Toy) -> Shelf {
        Shelf {
            price: toy.price,
            quantity: toy.quantity,
            version: Version(1),
            initial: toy.quantity,
            restocked: 0,
            taken: 0,
            given_back: 0,
            unsettled: 0,
        }
    }

    /// How many were taken by orders that are known to be recorded.
    pub fn sold(&self) -> u64 {
        self.taken - self.given_back - self.unsettled
    }

    /// Reads a row: [`ROW_BYTES`].
    pub(super) fn read(mut row: &[u8]) -> Shelf {
        Shelf {
            price: Cents(row.get_u64()),
            quantity: row.get_u64(),
            version: Version(row.get_u64()),
            initial: row.get_u64(),
            restocked: row.get_u64(),
            taken: row.get_u64(),
            given_back: row.get_u64(),
            unsettled: row.get_u64(),
        }
    }

    /// Writes a row: [`ROW_BYTES`].
    pub(super) fn write(&self, mut row: &mut [u8]) {
        row.put_u64(self.price.0);
        row.put_u64(self.quantity);
        row.put_u64(self.version.0);
        row.put_u64(self.initial);
        row.put_u64(self.restocked);
        row.put_u64(self.taken);
        row.put_u64(self.given_back);
        row.put_u64(self.unsettled);
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
