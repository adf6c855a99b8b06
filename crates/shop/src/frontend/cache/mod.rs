//! The cache: so many slots with a toy each; when all are taken, a policy says which one is given
//! on.
//!
//! Why not a list that is searched: a cache hit is the store's hottest path, so a lookup is
//! O(log n) and a touch O(1) (`lfu`: O(log n)), at any capacity. Called by `frontend::mod`; calls
//! nobody.
//!
//! A linked list runs through a slab of slots, in the order in which toys go; a policy is nothing
//! but where a toy enters it and whether a hit moves it. Only `random` has no order: it draws from
//! the slab. Positions are numbers, not pointers, and the same inputs give the same slab, so that a
//! run can be repeated byte for byte.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `policy` | the choice, as it is written in flags |
//! | `frequency` | `lfu`: what a count is worth, and how it ages |

mod frequency;
mod policy;

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use replication::Time;

pub use policy::Policy;

use frequency::Frequency;

use crate::message::Generation;
use crate::toy::{Product, ToyName};

/// No position: beyond an end of the list.
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
    /// `lfu`: its rank, see [`frequency`]; else 0. Invariant: it never falls along the list.
    rank: u64,
    /// The slot that goes just before this one; [`NOWHERE`] for the first.
    before: usize,
    /// The slot that goes just after this one; [`NOWHERE`] for the last.
    after: usize,
}

/// A product has no hash of its own, and its name and version say all.
impl std::hash::Hash for Slot {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let Slot { product, generation, filled_at, hits, applied, rank, before, after, body: _ } =
            self;
        let position = (rank, before, after);
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
    /// It has the slot of this toy, which the policy let go.
    Evicted(ToyName),
    /// It was older than what is there, or there is no room at all.
    Ignored,
}

/// What a policy needs besides the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Order {
    /// `lru`: a hit moves a toy to the end of the list.
    Recency,
    /// `fifo`: nothing moves.
    Arrival,
    /// `lfu`: a hit moves a toy behind those of its new rank.
    Frequency(Frequency),
    /// `random`: nothing moves, and the list does not count. What the next draw is made from.
    Chance(u64),
}

impl Order {
    fn new(policy: Policy) -> Order {
        match policy {
            Policy::Lru => Order::Recency,
            Policy::Fifo => Order::Arrival,
            Policy::Lfu => Order::Frequency(Frequency::default()),
            Policy::Random(seed) => Order::Chance(seed),
        }
    }
}

/// A map from toys to slots that lets one go when another comes and all slots are taken.
///
/// Invariant: `by_name` and the list from `first` to `last` hold the same slots, at most
/// `capacity`; `slots` has no more places than that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    capacity: usize,
    order: Order,
    by_name: BTreeMap<ToyName, usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// What goes first.
    first: usize,
    /// What goes last.
    last: usize,
}

impl Cache {
    /// An empty cache for `capacity` toys; with 0 it keeps nothing.
    pub fn new(capacity: usize, policy: Policy) -> Cache {
        Cache {
            capacity,
            order: Order::new(policy),
            by_name: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            first: NOWHERE,
            last: NOWHERE,
        }
    }

    /// How many toys are in it.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Looks without touching. `key` is in lower case.
    pub fn peek(&self, key: &str) -> Option<&Slot> {
        self.slots[*self.by_name.get(key)?].as_ref()
    }

    /// A hit: counts it, and moves the toy if the policy wants that (LRU that forgets this is
    /// FIFO). `key` is in lower case.
    pub fn touch(&mut self, key: &str) -> Option<&Slot> {
        let place = *self.by_name.get(key)?;
        match self.order {
            Order::Recency if self.last != place => {
                self.unlink(place);
                self.link_behind(place, self.last);
            }
            Order::Frequency(_) => {
                let hits = self.slot(place).hits + 1;
                self.take_out(place);
                self.put_in(place, hits);
            }
            Order::Recency | Order::Arrival | Order::Chance(_) => {}
        }
        let slot = self.slot(place);
        slot.hits += 1;
        Some(slot)
    }

    /// Keeps what a fill brought, as if it had never been there before.
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
            kept = Kept::Evicted(self.evict());
        }
        let (hits, rank, before, after) = (0, 0, NOWHERE, NOWHERE);
        let slot =
            Slot { product, generation, filled_at, hits, body, applied, rank, before, after };
        let place = self.free.pop().unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.slots.push(Some(slot));
        } else {
            self.slots[place] = Some(slot);
        }
        self.by_name.insert(name, place);
        self.put_in(place, 0);
        kept
    }

    /// Lets the toy go whose turn it is, of a full cache: then every place has a slot.
    fn evict(&mut self) -> ToyName {
        let place = match &mut self.order {
            Order::Recency | Order::Arrival | Order::Frequency(_) => self.first,
            Order::Chance(state) => {
                // Made anew from what the last draw left, since a generator of the library cannot
                // be compared and hashed, as the state of a node must be.
                let mut random = Pcg64Mcg::seed_from_u64(*state);
                *state = random.random();
                random.random_range(0..self.capacity)
            }
        };
        let Slot { product, rank, .. } = self.slot(place);
        let (name, rank) = (product.name.clone(), *rank);
        self.invalidate(name.key());
        if let Order::Frequency(frequency) = &mut self.order {
            frequency.evicted(rank);
        }
        name
    }

    /// Drops one toy; says whether it was there. `key` is in lower case.
    pub fn invalidate(&mut self, key: &str) -> bool {
        let Some(place) = self.by_name.remove(key) else { return false };
        self.take_out(place);
        self.slots[place] = None;
        self.free.push(place);
        true
    }

    /// Drops everything; says how many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.len();
        self.by_name.clear();
        self.slots.clear();
        self.free.clear();
        (self.first, self.last) = (NOWHERE, NOWHERE);
        match &mut self.order {
            Order::Frequency(frequency) => frequency.clear(),
            Order::Recency | Order::Arrival | Order::Chance(_) => {}
        }
        count
    }

    /// The slots, what goes first first; under `random` what was filled first.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        let at = |place: usize| self.slots.get(place).and_then(Option::as_ref);
        std::iter::successors(at(self.first), move |slot| at(slot.after))
    }

    fn slot(&mut self, place: usize) -> &mut Slot {
        self.slots[place].as_mut().expect("every place in the map or the list is filled")
    }

    /// Puts a slot into the list, where the policy wants one that was hit so often.
    fn put_in(&mut self, place: usize, hits: u64) {
        let before = match &mut self.order {
            Order::Recency | Order::Arrival | Order::Chance(_) => self.last,
            Order::Frequency(frequency) => {
                // The fill was a read, too.
                let rank = frequency.rank(1 + hits);
                let before = frequency.enter(rank, place);
                self.slot(place).rank = rank;
                before
            }
        };
        self.link_behind(place, before);
    }

    /// Takes a slot out of the list.
    fn take_out(&mut self, place: usize) {
        let Slot { rank, before, .. } = *self.slot(place);
        if let Order::Frequency(frequency) = &mut self.order {
            let slot = self.slots.get(before).and_then(Option::as_ref);
            frequency.leave(rank, place, slot.map(|slot| (slot.rank, before)));
        }
        self.unlink(place);
    }

    fn unlink(&mut self, place: usize) {
        let Slot { before, after, .. } = *self.slot(place);
        match after {
            NOWHERE => self.last = before,
            after => self.slot(after).before = before,
        }
        match before {
            NOWHERE => self.first = after,
            before => self.slot(before).after = after,
        }
    }

    fn link_behind(&mut self, place: usize, before: usize) {
        let after = match before {
            NOWHERE => std::mem::replace(&mut self.first, place),
            before => std::mem::replace(&mut self.slot(before).after, place),
        };
        match after {
            NOWHERE => self.last = place,
            after => self.slot(after).before = place,
        }
        let slot = self.slot(place);
        (slot.before, slot.after) = (before, after);
    }
}

#[cfg(test)]
mod tests;
