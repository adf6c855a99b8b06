//! The cache: the toys that were asked for last, least recently used first out.
//!
//! Why not a list that is searched: a cache hit is the store's hottest path, so a lookup is
//! O(log n) and a touch O(1), at any capacity. Called by `frontend::mod`; calls nobody.
//!
//! A linked list runs through a slab of slots; positions are numbers, not pointers, and the same
//! inputs give the same slab, so that a run can be repeated byte for byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use replication::Time;

use crate::message::Generation;
use crate::toy::{Product, ToyName};

/// No position: the end of the list.
const NOWHERE: usize = usize::MAX;

/// One toy in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What the catalog said.
    pub product: Product,
    /// Under which generation it may be kept. Invariant: the lease's current one.
    pub generation: Generation,
    /// When the fill that brought it left: what it says was true then or later.
    pub filled_at: Time,
    /// How often it was read since.
    pub hits: u64,
    /// The answer's JSON, prepared once.
    pub body: Bytes,
    /// How far the catalog's log was applied in the state that it is from.
    pub applied: u64,
    /// The slot that was used just after this one; [`NOWHERE`] for the newest.
    newer: usize,
    /// The slot that was used just before this one; [`NOWHERE`] for the oldest.
    older: usize,
}

/// A product has no hash of its own, and its name and version say all.
impl std::hash::Hash for Slot {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let Slot { product, generation, filled_at, hits, applied, newer, older, body: _ } = self;
        let position = (newer, older);
        (&product.name, product.version, generation, filled_at, hits, applied).hash(state);
        position.hash(state);
    }
}

/// What a fill brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// What the catalog said.
    pub product: Product,
    /// Under which generation it may be kept.
    pub generation: Generation,
    /// When the fill left.
    pub filled_at: Time,
    /// The answer's JSON.
    pub body: Bytes,
    /// How far the catalog's log was applied.
    pub applied: u64,
}

/// What a fill did to the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has a slot now.
    Added,
    /// It took the place of an older state of the same toy.
    Replaced,
    /// It has the slot of the toy that nobody had asked for longest.
    Evicted(ToyName),
    /// It was older than what is there, or there is no room at all.
    Ignored,
}

/// A map from toys to slots that forgets the least recently used.
///
/// Invariant: `by_name` and the list from `newest` to `oldest` hold the same slots, at most
/// `capacity`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    capacity: usize,
    by_name: BTreeMap<ToyName, usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
}

impl Cache {
    /// An empty cache for `capacity` toys; with 0 it keeps nothing.
    pub fn new(capacity: usize) -> Cache {
        Cache {
            capacity,
            by_name: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NOWHERE,
            oldest: NOWHERE,
        }
    }

    /// How many toys are in it.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Looks without touching. `key` is in lower case.
    pub fn peek(&self, key: &str) -> Option<&Slot> {
        self.slots[*self.by_name.get(key)?].as_ref()
    }

    /// A hit: counts it and makes the toy the most recently used (a queue that forgets this is
    /// FIFO, not LRU). `key` is in lower case.
    pub fn touch(&mut self, key: &str) -> Option<&Slot> {
        let place = *self.by_name.get(key)?;
        if self.newest != place {
            self.unlink(place);
            self.link_newest(place);
        }
        let slot = self.slot(place);
        slot.hits += 1;
        Some(slot)
    }

    /// Keeps what a fill brought, as the most recently used.
    pub fn keep(&mut self, filled: Filled) -> Kept {
        let Filled { product, generation, filled_at, body, applied } = filled;
        if self.capacity == 0 {
            return Kept::Ignored;
        }
        let name = product.name.clone();
        let mut kept = Kept::Added;
        if let Some(existing) = self.peek(name.key()) {
            // Two fills of one toy may be under way when one of them may not be shared; their
            // answers come in any order.
            if existing.generation == generation && existing.product.version > product.version {
                return Kept::Ignored;
            }
            self.invalidate(name.key());
            kept = Kept::Replaced;
        } else if self.len() == self.capacity {
            let oldest = self.slot(self.oldest).product.name.clone();
            self.invalidate(oldest.key());
            kept = Kept::Evicted(oldest);
        }
        let (hits, newer, older) = (0, NOWHERE, NOWHERE);
        let slot = Slot { product, generation, filled_at, hits, body, applied, newer, older };
        let place = self.free.pop().unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.slots.push(Some(slot));
        } else {
            self.slots[place] = Some(slot);
        }
        self.by_name.insert(name, place);
        self.link_newest(place);
        kept
    }

    /// Drops one toy; says whether it was there. `key` is in lower case.
    pub fn invalidate(&mut self, key: &str) -> bool {
        let Some(place) = self.by_name.remove(key) else { return false };
        self.unlink(place);
        self.slots[place] = None;
        self.free.push(place);
        true
    }

    /// Drops everything; says how many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.len();
        *self = Cache::new(self.capacity);
        count
    }

    /// The slots, the least recently used first.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        let at = |place: usize| self.slots.get(place).and_then(Option::as_ref);
        std::iter::successors(at(self.oldest), move |slot| at(slot.newer))
    }

    fn slot(&mut self, place: usize) -> &mut Slot {
        self.slots[place].as_mut().expect("every place in the map or the list is filled")
    }

    fn unlink(&mut self, place: usize) {
        let Slot { newer, older, .. } = *self.slot(place);
        match newer {
            NOWHERE => self.newest = older,
            newer => self.slot(newer).older = older,
        }
        match older {
            NOWHERE => self.oldest = newer,
            older => self.slot(older).newer = newer,
        }
    }

    fn link_newest(&mut self, place: usize) {
        let before = self.newest;
        let slot = self.slot(place);
        slot.older = before;
        slot.newer = NOWHERE;
        match before {
            NOWHERE => self.oldest = place,
            before => self.slot(before).newer = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests;
