//! The takes that the catalog still remembers, and why it may forget the others.
//!
//! A take must happen at most once, however often it is asked for, and its stock must end in an
//! order or back on the shelf. So the catalog keeps each take, with its answer, until it is sure
//! that nobody will ask for it again:
//!
//! - of the current term, until the leader's *floor* passes it: everything below is recorded in
//!   the order log, and a number below the floor is refused for ever;
//! - of lower terms, while it is *unsettled*: it holds stock, and the new leader must say whether
//!   its order was recorded. Refused ones are forgotten at once, since nobody of a lower term gets
//!   an answer any more.
//!
//! Part of [`Stock`](super::stock::Stock), which moves the stock itself.

use std::collections::BTreeMap;

use replication::Term;
use replication::planted::{Bug, planted};
use serde::{Deserialize, Serialize};

use super::command::{Item, ToyId};
use super::shelves::Shelves;
use crate::message::{Problem, Refusal, RequestId};
use crate::toy::Version;

/// How many terms are kept without fencing (`naive`), where old leaders go on taking. The takes of
/// the lowest are forgotten when there are more; the stock they hold stays lost.
pub const UNFENCED_TERMS_MAX: usize = 64;

/// What a take did; repeated word for word to whoever asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Stock was taken.
    Taken {
        /// Of which toy.
        toy: ToyId,
        /// The state it made.
        version: Version,
    },
    /// Nothing was taken.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Of which toy, if there is one.
        toy: Option<ToyId>,
        /// The state that refused; 0 for an unknown toy.
        version: Version,
    },
}

/// One remembered take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kept {
    /// What was asked.
    pub item: Item,
    /// What was answered.
    pub outcome: Outcome,
    /// Whether it holds stock whose fate is open. False for refused and settled ones, and for a
    /// second number of the same request.
    pub held: bool,
}

/// A number of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Slot {
    Kept(Kept),
    /// The leader gave it up, perhaps before it arrived: it must not land after that.
    GivenUp,
}

/// The takes of one term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Reign {
    /// Everything below is recorded and forgotten.
    floor: u64,
    /// By number.
    slots: BTreeMap<u64, Slot>,
    /// The first number of each request.
    by_request: BTreeMap<RequestId, u64>,
}

impl Reign {
    fn known(&self, item: &Item) -> Option<&Kept> {
        let slot = self.slots.get(&item.number);
        let first = || self.slots.get(self.by_request.get(&item.request_id)?);
        match slot.or_else(first)? {
            Slot::Kept(kept) => Some(kept),
            Slot::GivenUp => None,
        }
    }
}

/// All remembered takes.
///
/// Invariant: with fencing, a term below that of the view has only slots that hold stock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Takes {
    reigns: BTreeMap<Term, Reign>,
}

impl Takes {
    /// How many numbers are remembered, over all terms.
    pub fn outstanding(&self) -> usize {
        self.reigns.values().map(|reign| reign.slots.len()).sum()
    }

    /// Whether these can be the takes of these shelves: what is looked up or subtracted without a
    /// second look is there.
    pub(super) fn fit(&self, shelves: &Shelves) -> bool {
        let mut open: Vec<u64> = shelves.iter().map(|(_, shelf)| shelf.unsettled).collect();
        let mut slots = self.reigns.values().flat_map(|reign| reign.slots.values());
        slots.all(|slot| {
            let Slot::Kept(kept) = slot else { return true };
            let (toy, taken) = match kept.outcome {
                Outcome::Taken { toy, .. } => (Some(toy), true),
                Outcome::Refused { toy, .. } => (toy, false),
            };
            let Some(toy) = toy else { return kept.item.toy.is_none() && !kept.held };
            let Some(open) = open.get_mut(toy.place()) else { return false };
            let held = if kept.held { u64::from(kept.item.quantity.get()) } else { 0 };
            let left = open.checked_sub(held);
            *open = left.unwrap_or(0);
            left.is_some() && kept.item.toy == Some(toy) && (taken || !kept.held)
        })
    }

    /// The answer that this number of this term got.
    pub fn answer(&self, term: Term, number: u64) -> Option<Outcome> {
        match self.reigns.get(&term)?.slots.get(&number)? {
            Slot::Kept(kept) => Some(kept.outcome),
            Slot::GivenUp => None,
        }
    }

    /// The take that this request of this term made, under this or another number.
    pub fn known(&self, term: Term, item: &Item) -> Option<Kept> {
        if planted(Bug::DoubleBuy) || planted(Bug::RetryTakesAgain) {
            return None;
        }
        let known = self.reigns.get(&term).and_then(|reign| reign.known(item).copied());
        if planted(Bug::TakeBeforeSettled) {
            let mut older = self.unsettled_below(term).map(|(_, kept)| kept);
            return known.or_else(|| older.find(|kept| kept.item.request_id == item.request_id));
        }
        known
    }

    /// Whether everything in a batch may be answered.
    ///
    /// # Errors
    /// If a number is below the floor, given up, or was used for something else, or a request id
    /// was; a leader that keeps the rules never meets one, a delayed message may.
    pub fn check(&self, term: Term, floor: u64, items: &[Item]) -> Result<(), Problem> {
        let bad =
            |number: u64, what: &str| Err(Problem::Bad(format!("take {term}/{number} {what}")));
        if let Some(pair) = items.windows(2).find(|pair| pair[0].number >= pair[1].number) {
            return bad(pair[1].number, "does not rise: expected rising numbers in a batch");
        }
        let reign = self.reigns.get(&term);
        let floor = floor.max(reign.map_or(0, |reign| reign.floor));
        for item in items {
            if item.number < floor && !planted(Bug::FloorIgnored) {
                return bad(item.number, &format!("is below the floor {floor}: it is forgotten"));
            }
            let Some(reign) = reign else { continue };
            match reign.slots.get(&item.number) {
                Some(Slot::GivenUp) => return bad(item.number, "was given up"),
                Some(Slot::Kept(kept)) if kept.item.request_id != item.request_id => {
                    return bad(item.number, "was for another request");
                }
                Some(Slot::Kept(_)) | None => {}
            }
            let same =
                |kept: &Kept| (kept.item.toy, kept.item.quantity) == (item.toy, item.quantity);
            if reign.known(item).is_some_and(|kept| !same(kept)) {
                return Err(Problem::KeyReused);
            }
        }
        Ok(())
    }

    /// Forgets everything of a term below `floor`; returns what held stock, which is sold now.
    pub fn raise_floor(&mut self, term: Term, floor: u64) -> Vec<Kept> {
        let reign = self.reigns.entry(term).or_default();
        if floor <= reign.floor {
            return Vec::new();
        }
        reign.floor = floor;
        let rest = reign.slots.split_off(&floor);
        let forgotten = std::mem::replace(&mut reign.slots, rest);
        let mut sold = Vec::new();
        for (number, slot) in forgotten {
            let Slot::Kept(kept) = slot else { continue };
            let request_id = kept.item.request_id;
            if reign.by_request.get(&request_id) == Some(&number) {
                reign.by_request.remove(&request_id);
            }
            if kept.held {
                sold.push(kept);
            }
        }
        sold
    }

    /// Remembers what a number was answered.
    pub fn keep(&mut self, term: Term, kept: Kept) {
        let reign = self.reigns.entry(term).or_default();
        reign.slots.insert(kept.item.number, Slot::Kept(kept));
        reign.by_request.entry(kept.item.request_id).or_insert(kept.item.number);
    }

    /// Without fencing: forgets the lowest terms beyond [`UNFENCED_TERMS_MAX`].
    pub fn bound_terms(&mut self) {
        while self.reigns.len() > UNFENCED_TERMS_MAX {
            self.reigns.pop_first();
        }
    }

    /// A new view is in force: of the terms below it only what holds stock is kept.
    pub fn fence(&mut self, term: Term) {
        for (_, reign) in self.reigns.range_mut(..term) {
            reign.slots.retain(|_, slot| matches!(slot, Slot::Kept(Kept { held: true, .. })));
            reign.by_request.clear();
        }
        self.reigns.retain(|of, reign| *of >= term || !reign.slots.is_empty());
    }

    /// What holds stock under a term below this one, oldest first.
    pub fn unsettled_below(&self, term: Term) -> impl Iterator<Item = (Term, Kept)> + '_ {
        self.reigns.range(..term).flat_map(|(of, reign)| {
            reign.slots.values().filter_map(|slot| match slot {
                Slot::Kept(kept) if kept.held => Some((*of, *kept)),
                Slot::Kept(_) | Slot::GivenUp => None,
            })
        })
    }

    /// What a take holds whose fate is open.
    pub fn held(&self, term: Term, number: u64) -> Option<Kept> {
        match self.reigns.get(&term)?.slots.get(&number)? {
            Slot::Kept(kept) if kept.held => Some(*kept),
            Slot::Kept(_) | Slot::GivenUp => None,
        }
    }

    /// The order of a take is recorded: it holds nothing any more. Its answer is kept while its
    /// term is the current one.
    pub fn record(&mut self, term: Term, number: u64, current: Term) {
        let Some(reign) = self.reigns.get_mut(&term) else { return };
        if term < current {
            reign.slots.remove(&number);
            self.forget_if_empty(term);
        } else if let Some(Slot::Kept(kept)) = reign.slots.get_mut(&number) {
            kept.held = false;
        }
    }

    /// A take is given up. In the current term a tombstone stays in its place, and in that of every
    /// other number of the same request, until the floor passes it.
    pub fn give_up(&mut self, term: Term, number: u64, current: Term) {
        if term < current {
            if let Some(reign) = self.reigns.get_mut(&term) {
                reign.slots.remove(&number);
                self.forget_if_empty(term);
            }
            return;
        }
        let reign = self.reigns.entry(term).or_default();
        if number < reign.floor {
            return;
        }
        if let Some(Slot::Kept(kept)) = reign.slots.insert(number, Slot::GivenUp) {
            let request_id = kept.item.request_id;
            reign.by_request.remove(&request_id);
            for slot in reign.slots.values_mut() {
                if matches!(slot, Slot::Kept(other) if other.item.request_id == request_id) {
                    *slot = Slot::GivenUp;
                }
            }
        }
    }

    fn forget_if_empty(&mut self, term: Term) {
        if self.reigns.get(&term).is_some_and(|reign| reign.slots.is_empty()) {
            self.reigns.remove(&term);
        }
    }
}
