//! The requests that made no order, oldest first: what is remembered of them is bounded, and the
//! oldest is forgotten at the same entry on every replica.
//!
//! Their bytes in a snapshot stand in pages as those of the orders do ([`super::rows`]): a full
//! page is encoded once and shared. What became of a request stands in the ledger's `requests`.
//! Used by [`super::Ledger`].

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Requests, Slot};
use crate::message::RequestId;

/// Refusals that are remembered. An order is remembered for good.
pub const REFUSALS_MAX: usize = 1 << 20;

/// Requests of a page.
const PAGE: usize = 256;

/// Refused and resolved requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Refusals {
    ids: VecDeque<RequestId>,
    pages: VecDeque<Bytes>,
    /// How many of the first page are forgotten.
    forgotten: usize,
}

impl Refusals {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many at the front of [`Refusals::parts`] are forgotten.
    pub fn forgotten(&self) -> usize {
        self.forgotten
    }

    pub fn newest(&self) -> Option<RequestId> {
        self.ids.back().copied()
    }

    /// Remembers a request, whose slot is there. Returns the one that is forgotten for it.
    pub fn push(&mut self, id: RequestId, requests: &Requests) -> Option<RequestId> {
        self.ids.push_back(id);
        if (self.forgotten + self.ids.len()).is_multiple_of(PAGE) {
            let page = self.encode(self.ids.len() - PAGE.min(self.ids.len()), requests);
            self.pages.push_back(page);
        }
        if self.ids.len() <= REFUSALS_MAX {
            return None;
        }
        self.forgotten += 1;
        if self.forgotten == PAGE {
            self.forgotten = 0;
            self.pages.pop_front();
        }
        self.ids.pop_front()
    }

    /// Takes the newest one back.
    pub fn pop_newest(&mut self) {
        if self.ids.pop_back().is_some() {
            self.pages.truncate((self.forgotten + self.ids.len()) / PAGE);
        }
    }

    /// The bytes of those from this position on.
    fn encode(&self, from: usize, requests: &Requests) -> Bytes {
        let slots = self.ids.range(from..).filter_map(|id| Some((id, requests.get(id)?)));
        let bytes = slots.fold(Vec::new(), |bytes, slot| {
            postcard::to_extend(&slot, bytes).expect("nothing that postcard cannot write")
        });
        bytes.into()
    }

    /// Their bytes: whole pages, so that some of the first one may be forgotten.
    pub fn parts<'a>(&'a self, requests: &'a Requests) -> impl Iterator<Item = Bytes> + 'a {
        let paged = (self.pages.len() * PAGE).saturating_sub(self.forgotten);
        self.pages.iter().cloned().chain([self.encode(paged, requests)])
    }

    /// Requests from those bytes, with what became of them.
    ///
    /// # Errors
    /// If there are not so many, or one of them made an order.
    pub fn read(
        bytes: &Bytes,
        forgotten: usize,
        count: usize,
    ) -> Result<(Refusals, Vec<(RequestId, Slot)>), String> {
        let mut refusals = Refusals { forgotten, ..Refusals::default() };
        let mut slots = Vec::new();
        let (mut rest, mut page) = (&bytes[..], 0);
        if forgotten >= PAGE || count > REFUSALS_MAX {
            return Err("more refusals than are remembered".to_string());
        }
        // They stand before others in a page that is full, or nobody would have forgotten them.
        if forgotten > 0 && forgotten + count < PAGE {
            return Err("refusals are forgotten, and there are few".to_string());
        }
        for position in 1..=forgotten + count {
            let (slot, after) = postcard::take_from_bytes::<(RequestId, Slot)>(rest)
                .map_err(|error| error.to_string())?;
            rest = after;
            if slot.1.index().is_none() {
                return Err("a refusal that is an order".to_string());
            }
            if position > forgotten {
                refusals.ids.push_back(slot.0);
                slots.push(slot);
            }
            if position.is_multiple_of(PAGE) {
                let end = bytes.len() - rest.len();
                refusals.pages.push_back(bytes.slice(page..end));
                page = end;
            }
        }
        match rest.is_empty() {
            true => Ok((refusals, slots)),
            false => Err("bytes behind its end".to_string()),
        }
    }
}
