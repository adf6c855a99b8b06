//! Where a toy stands among the others when the one that was read least often goes first.
//!
//! LFU with dynamic aging, after Arlitt, Cherkasova, Dilley, Friedrich and Jin, "Evaluating content
//! management techniques for Web proxy caches" (ACM SIGMETRICS Performance Evaluation Review 27(4),
//! 2000), where it is LFU-DA: a toy's *rank* is how often it was read, the fill included, plus the
//! cache's *age*, as it was when the toy was read last; the lowest rank goes, and becomes the age.
//! So whatever was read a hundred times, and is not read any more, goes once each of the other
//! slots was given on a hundred times, where a plain count would keep it for good. Among equals the
//! one that nobody has read for longest goes.
//!
//! A count ends with its slot: a toy that comes back after an eviction or an invalidation begins
//! anew, as one that the cache has never seen. (The paper's objects have sizes, and stay until they
//! are evicted; ours are all of one size.)
//!
//! Called by `cache::mod`, whose list this keeps sorted by rank: a read costs a look into a map of
//! the ranks that there are, O(log capacity).

use std::collections::BTreeMap;

use super::NOWHERE;

/// The ranks that there are, and where each ends in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frequency {
    /// The last slot of each rank. Invariant: those of `Cache`'s list whose successor has another
    /// rank, and none else.
    ends: BTreeMap<u64, usize>,
    /// The rank of the toy that was evicted last. Invariant: no rank is below it.
    age: u64,
}

impl Frequency {
    /// The rank of a toy that was read `reads` times, just now for the last time.
    pub fn rank(&self, reads: u64) -> u64 {
        self.age + reads
    }

    /// A slot of this rank comes into the list. Returns the one that it stands behind;
    /// [`NOWHERE`] for the front.
    pub fn enter(&mut self, rank: u64, place: usize) -> usize {
        let before = self.ends.range(..=rank).next_back().map_or(NOWHERE, |(_, end)| *end);
        self.ends.insert(rank, place);
        before
    }

    /// A slot leaves the list in which it stands behind `before`, if behind any: rank and place.
    pub fn leave(&mut self, rank: u64, place: usize, before: Option<(u64, usize)>) {
        if self.ends.get(&rank) != Some(&place) {
            return;
        }
        match before {
            Some((same, before)) if same == rank => self.ends.insert(rank, before),
            Some(_) | None => self.ends.remove(&rank),
        };
    }

    /// A toy of this rank was evicted.
    pub fn evicted(&mut self, rank: u64) {
        self.age = rank;
    }

    /// The list is empty now.
    pub fn clear(&mut self) {
        *self = Frequency::default();
    }
}
