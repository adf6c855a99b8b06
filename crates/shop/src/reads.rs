//! Answers that must not be old: they wait for a read barrier that began after their question came,
//! and many share one.
//!
//! Used by whoever answers from the state of a replicated log without adding to it: by
//! [`orders`](crate::orders) for "there is none" and "not yet", by the replicas of a
//! [`catalog`](crate::catalog) for everything that they do not commit.

use std::collections::BTreeMap;

use crate::node::Token;

/// Questions that wait for a barrier, each a token with what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reads<R> {
    tag: u64,
    /// By the barrier's tag.
    under_way: BTreeMap<u64, Vec<(Token, R)>>,
    /// They came after the barrier under way began, so they need the next.
    waiting: Vec<(Token, R)>,
}

impl<R> Default for Reads<R> {
    fn default() -> Reads<R> {
        Reads { tag: 0, under_way: BTreeMap::new(), waiting: Vec::new() }
    }
}

impl<R> Reads<R> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.values().map(Vec::len).sum::<usize>()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A question comes.
    pub fn push(&mut self, token: Token, read: R) {
        self.waiting.push((token, read));
    }

    /// The tag of a barrier to begin, if questions wait and none is under way.
    pub fn next_barrier(&mut self) -> Option<u64> {
        if self.waiting.is_empty() || !self.under_way.is_empty() {
            return None;
        }
        self.tag += 1;
        self.under_way.insert(self.tag, std::mem::take(&mut self.waiting));
        Some(self.tag)
    }

    /// A barrier passed, or failed: the questions that waited for it.
    pub fn finish(&mut self, tag: u64) -> Vec<(Token, R)> {
        self.under_way.remove(&tag).unwrap_or_default()
    }

    /// All that waits, when this replica does not lead any more.
    pub fn abandon(&mut self) -> Vec<(Token, R)> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(std::mem::take(&mut self.under_way).into_values().flatten());
        all
    }
}
