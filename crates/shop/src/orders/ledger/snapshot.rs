//! The ledger's bytes in a snapshot, and back.
//!
//! ```text
//! format, 1 │ how many rows and refusals, and everything short │ rows │ refusals
//! ```
//!
//! Rows and refusals are shared with the ledger, so that a snapshot is made in microseconds,
//! however long the history is. What became of a request that made an order is not written: it
//! follows from the order's row.

use std::collections::BTreeSet;

use bytes::Bytes;
use replication::{Index, StateBytes, Term};
use serde::{Deserialize, Serialize};

use super::refusals::Refusals;
use super::rows::{ROW_BYTES, Row, Rows};
use super::{DIGEST_EVERY, Ledger, Names, OrderNumber, RequestId, Requests, Slot};
use crate::toy::{Quantity, Version};

/// The first byte of a snapshot.
const FORMAT: u8 = 2;

/// That of one that an older toystore wrote.
const OLD_FORMAT: u8 = 1;

/// What stands first: how much there is of what stands last.
#[derive(Serialize, Deserialize)]
struct Counts {
    orders: usize,
    refusals: usize,
    /// Refusals in front of those, that are forgotten.
    forgotten: usize,
}

impl Ledger {
    /// The state in canonical bytes.
    pub fn snapshot(&self) -> StateBytes {
        let Ledger { orders, refusals, requests, .. } = self;
        let (forgotten, refused) = (refusals.forgotten(), refusals.len());
        let counts = Counts { orders: orders.len(), refusals: refused, forgotten };
        let head = postcard::to_extend(&(counts, self), vec![FORMAT]);
        let head = head.expect("a ledger has no types that postcard cannot write");
        let head = [Bytes::from(head)].into_iter();
        head.chain(orders.parts()).chain(refusals.parts(requests)).collect()
    }

    /// # Errors
    /// If the bytes are of another format, or not a ledger: they may come from another replica.
    pub fn restore(state: &StateBytes, fencing: bool) -> Result<Ledger, String> {
        let bytes = state.whole();
        let mut ledger = match bytes.first() {
            None => Ledger::default(),
            Some(&FORMAT) => read(&bytes.slice(1..))?,
            Some(&OLD_FORMAT) => read_old(&bytes[1..])?,
            Some(format) => {
                return Err(format!("a snapshot of format {format}, this program knows {FORMAT}"));
            }
        };
        ledger.fencing = fencing;
        match ledger.contradiction() {
            None => Ok(ledger),
            Some(what) => Err(format!("a snapshot that contradicts itself: {what}")),
        }
    }

    /// What became of every request: what the orders say, and these.
    fn know(&mut self, refused: impl IntoIterator<Item = (RequestId, Slot)>) {
        let orders = (0..self.orders.len()).filter_map(|position| {
            let slot = Slot::Order(OrderNumber(position as u64));
            Some((self.orders.get(position)?.request_id, slot))
        });
        self.requests = orders.chain(refused).collect();
        self.names.find_positions();
    }

    /// What is looked up without asking whether it is there must be there.
    fn contradiction(&self) -> Option<&'static str> {
        if self.names.positions.len() != self.names.spellings.len() {
            return Some("a toy's spelling stands twice");
        }
        let names = self.names.spellings.len();
        let is_order = |at| self.orders.get(at).is_some_and(|row| (row.name as usize) < names);
        if !(0..self.orders.len()).all(is_order) {
            return Some("an order of nothing, or of a toy without a name");
        }
        let fits = |(id, slot): (&RequestId, &Slot)| match slot {
            Slot::Order(_) => true,
            Slot::Refused(refused) => refused.order.request_id == *id,
            Slot::Never(_) => true,
        };
        if self.requests.len() != self.orders.len() + self.refusals.len()
            || !self.requests.iter().all(fits)
        {
            return Some("a request stands twice, or is refused as another one");
        }
        let digests = self.orders.len() / DIGEST_EVERY;
        (self.digests.len() != digests).then_some("digests are missing, or too many")
    }
}

fn read(bytes: &Bytes) -> Result<Ledger, String> {
    let (head, rest) =
        postcard::take_from_bytes::<(Counts, Ledger)>(bytes).map_err(|error| error.to_string())?;
    let (counts, mut ledger) = head;
    let mut rest = bytes.slice(bytes.len() - rest.len()..);
    let length = counts.orders.checked_mul(ROW_BYTES).filter(|length| *length <= rest.len());
    ledger.orders = Rows::read(rest.split_to(length.ok_or("fewer orders than it says")?));
    let (refusals, slots) = Refusals::read(&rest, counts.forgotten, counts.refusals)?;
    ledger.refusals = refusals;
    ledger.know(slots);
    Ok(ledger)
}

/// The ledger as [`OLD_FORMAT`] has it, in one piece.
#[derive(Deserialize)]
struct Old {
    leads: Vec<(Index, Term)>,
    fencing: bool,
    applied: Index,
    applied_term: Term,
    orders: Vec<(RequestId, u64, Version, u32, Quantity)>,
    names: Names,
    requests: Requests,
    refused: Vec<RequestId>,
    digests: Vec<[u8; 32]>,
    digest: [u8; 32],
}

fn read_old(bytes: &[u8]) -> Result<Ledger, String> {
    let old: Old = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
    let Old { leads, fencing, applied, applied_term, names, digests, digest, .. } = old;
    let mut ledger = Ledger {
        leads,
        fencing,
        applied,
        applied_term,
        names,
        digests,
        digest,
        ..Ledger::default()
    };
    for (request_id, index, version, name, quantity) in old.orders {
        ledger.orders.push(&Row { request_id, index, version, name, quantity });
    }
    let listed: BTreeSet<RequestId> = old.refused.iter().copied().collect();
    let slots = old.requests.iter().filter(|(_, slot)| slot.index().is_some());
    if listed.len() != old.refused.len() || !listed.iter().eq(slots.map(|(id, _)| id)) {
        return Err("the refused requests are others than the listed ones".to_string());
    }
    for id in old.refused {
        ledger.refusals.push(id, &old.requests);
    }
    ledger.know(old.requests.into_iter().filter(|(_, slot)| slot.index().is_some()));
    Ok(ledger)
}
