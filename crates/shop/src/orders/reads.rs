//! Reads at the leader that must not be old: they wait for a read barrier, many share one.
//!
//! Only "there is none" and "not yet" need it, and a page of the log: an order and a fate are
//! written once, and what is found is final.

use std::collections::BTreeMap;

use crate::message::{OrderNumber, RequestId};
use crate::node::Token;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// An order by its number.
    Order(OrderNumber),
    /// What became of a request.
    Fate(RequestId),
    /// A page of the order log, after this number, of so many at most.
    Log(Option<OrderNumber>, u32),
}

/// Reads that wait for a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reads {
    tag: u64,
    /// By the barrier's tag.
    under_way: BTreeMap<u64, Vec<(Token, Read)>>,
    /// They came after the barrier under way began, so they need the next.
    waiting: Vec<(Token, Read)>,
}

impl Reads {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.values().map(Vec::len).sum::<usize>()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A read comes.
    pub fn push(&mut self, token: Token, read: Read) {
        self.waiting.push((token, read));
    }

    /// The tag of a barrier to begin, if reads wait and none is under way.
    pub fn next_barrier(&mut self) -> Option<u64> {
        if self.waiting.is_empty() || !self.under_way.is_empty() {
            return None;
        }
        self.tag += 1;
        self.under_way.insert(self.tag, std::mem::take(&mut self.waiting));
        Some(self.tag)
    }

    /// A barrier passed, or failed: the reads that waited for it.
    pub fn finish(&mut self, tag: u64) -> Vec<(Token, Read)> {
        self.under_way.remove(&tag).unwrap_or_default()
    }

    /// All that waits, when this replica does not lead any more.
    pub fn abandon(&mut self) -> Vec<(Token, Read)> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(std::mem::take(&mut self.under_way).into_values().flatten());
        all
    }
}
