//! The ledger's orders, held in the bytes in which a snapshot carries them: a row of [`ROW_BYTES`]
//! for each, by number.
//!
//! Rows stand in pages. A page that is full never changes, so that every snapshot shares it: making
//! one copies the last page only. Used by [`super::Ledger`].

use bytes::{Buf, BufMut, Bytes};

use crate::message::RequestId;
use crate::toy::{Quantity, Version};

/// Bytes of a row: request id 16, log index 8, version 8, name 4, quantity 4; big-endian.
pub(super) const ROW_BYTES: usize = 40;

/// Bytes of a page: 256 rows, few enough that a simulated store fills some.
const PAGE_BYTES: usize = 256 * ROW_BYTES;

/// A recorded order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub request_id: RequestId,
    pub index: u64,
    pub version: Version,
    /// Position in the ledger's `Names`.
    pub name: u32,
    pub quantity: Quantity,
}

/// All rows, by order number from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rows {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Rows {
    pub fn len(&self) -> usize {
        (self.full.len() * PAGE_BYTES + self.last.len()) / ROW_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of an order; `None` if there is none (yet), or of no order that can be made: one
    /// from a damaged snapshot, which [`super::Ledger::restore`] refuses.
    pub fn get(&self, position: usize) -> Option<Row> {
        let at = position.checked_mul(ROW_BYTES)?;
        let page = self.full.get(at / PAGE_BYTES).map_or(&self.last[..], |page| page);
        let begin = at - (at / PAGE_BYTES).min(self.full.len()) * PAGE_BYTES;
        let mut bytes = page.get(begin..begin.checked_add(ROW_BYTES)?)?;
        Some(Row {
            request_id: RequestId(bytes.get_u128()),
            index: bytes.get_u64(),
            version: Version(bytes.get_u64()),
            name: bytes.get_u32(),
            quantity: Quantity::try_from(bytes.get_u32()).ok()?,
        })
    }

    pub fn push(&mut self, row: &Row) {
        if self.last.is_empty() {
            self.last.reserve_exact(PAGE_BYTES);
        }
        self.last.put_u128(row.request_id.0);
        self.last.put_u64(row.index);
        self.last.put_u64(row.version.0);
        self.last.put_u32(row.name);
        self.last.put_u32(row.quantity.get());
        if self.last.len() == PAGE_BYTES {
            self.full.push(std::mem::take(&mut self.last).into());
        }
    }

    /// Takes the last row back.
    pub fn pop(&mut self) {
        if self.last.is_empty() {
            self.last = self.full.pop().map(Vec::from).unwrap_or_default();
        }
        self.last.truncate(self.last.len().saturating_sub(ROW_BYTES));
    }

    /// Their bytes.
    pub fn parts(&self) -> impl Iterator<Item = Bytes> {
        self.full.iter().cloned().chain([Bytes::copy_from_slice(&self.last)])
    }

    /// Rows from those bytes, whole ones.
    pub fn read(mut bytes: Bytes) -> Rows {
        let mut full = Vec::with_capacity(bytes.len() / PAGE_BYTES);
        while bytes.len() >= PAGE_BYTES {
            full.push(bytes.split_to(PAGE_BYTES));
        }
        Rows { full, last: bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_taken_back_and_read_again_on_every_side_of_a_page() {
        let row = |number: usize| Row {
            request_id: RequestId(number as u128 + 7),
            index: 2 * number as u64,
            version: Version(3),
            name: 1,
            quantity: Quantity::new(number as i64 + 1).unwrap(),
        };
        let mut rows = Rows::default();
        for number in 0..600 {
            assert_eq!(rows.len(), number);
            assert_eq!(rows.get(number), None);
            rows.push(&row(number));
            assert_eq!(rows.get(number), Some(row(number)));
            let bytes: Vec<u8> = rows.parts().flatten().collect();
            assert_eq!(bytes.len(), rows.len() * ROW_BYTES);
            assert_eq!(Rows::read(bytes.into()), rows);
        }
        assert!((0..600).all(|number| rows.get(number) == Some(row(number))));
        assert_eq!(rows.get(usize::MAX), None);
        for number in (0..600).rev() {
            rows.pop();
            assert_eq!(rows.len(), number);
            assert_eq!(rows.get(number), None);
            assert_eq!(number.checked_sub(1).and_then(|last| rows.get(last)).is_some(), number > 0);
        }
        rows.pop();
        assert!(rows.is_empty());
    }
}
