//! A configuration: a state of the toy, and which operations under way have had their effect.
//!
//! Compared, kept in sets and changed by [`super::search`]; it knows no times and no rules.

use std::collections::BTreeMap;

use crate::model::{State, Step};

/// An operation under way has had its effect.
const FINISHED: u8 = 0x80;
/// A take of it is out that must be put back.
const OPEN: u8 = 0x40;
/// How many takes of it were put back, or are to be.
const PAIRS: u8 = 0x3f;

/// One way in which everything until now may have happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Configuration {
    pub state: State,
    /// By slot: the stage of each operation under way.
    pub slots: Vec<u8>,
    /// By class of purchases of which nobody was told: how many takes are out, and how many were
    /// made.
    pub classes: Vec<(u32, u32)>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The purchase in a slot takes what it was given.
    Take { slot: usize, place: usize, quantity: i64 },
    /// The purchase in a slot takes what is put back later.
    TakePair { slot: usize, quantity: i64 },
    /// And it is put back.
    PutBack { slot: usize, quantity: i64 },
    /// The same for a purchase of which nobody was told.
    TakeClass { class: usize, quantity: i64 },
    /// And it is put back.
    PutBackClass { class: usize, quantity: i64 },
    /// The catalog refills the toy.
    Restock { level: i64 },
}

pub(super) fn is_open(stage: u8) -> bool {
    stage & OPEN != 0
}

pub(super) fn pairs_used(stage: u8) -> u8 {
    stage & PAIRS
}

impl Configuration {
    pub fn new(state: State, classes: usize) -> Configuration {
        Configuration { state, slots: Vec::new(), classes: vec![(0, 0); classes] }
    }

    /// The operation in a slot has had its effect.
    pub fn finish(&mut self, slot: usize) {
        self.slots[slot] |= FINISHED;
    }

    pub fn finished(&self, slot: usize) -> bool {
        self.slots[slot] & FINISHED != 0
    }

    /// Whether the operation in a slot may end: it has had its effect, and nothing of it is out.
    pub fn settled(&self, slot: usize) -> bool {
        self.finished(slot) && !is_open(self.slots[slot])
    }

    pub fn change(&mut self, change: Change) -> Step {
        self.state.version += 1;
        match change {
            Change::Take { slot, place, quantity } => {
                self.finish(slot);
                self.state.quantity -= quantity;
                Step::Move(place as u32)
            }
            Change::TakePair { slot, quantity } => {
                self.slots[slot] = (self.slots[slot] + 1) | OPEN;
                self.state.quantity -= quantity;
                Step::Taken(quantity)
            }
            Change::PutBack { slot, quantity } => {
                self.slots[slot] &= !OPEN;
                self.state.quantity += quantity;
                Step::PutBack(quantity)
            }
            Change::TakeClass { class, quantity } => {
                let (out, taken) = self.classes[class];
                self.classes[class] = (out + 1, taken + 1);
                self.state.quantity -= quantity;
                Step::Taken(quantity)
            }
            Change::PutBackClass { class, quantity } => {
                self.classes[class].0 -= 1;
                self.state.quantity += quantity;
                Step::PutBack(quantity)
            }
            Change::Restock { level } => {
                self.state.quantity = level;
                Step::Restock
            }
        }
    }

    /// Whether everything that is possible from `other` is possible from this one.
    fn dominates(&self, other: &Configuration) -> bool {
        let pairs = self.classes.iter().zip(&other.classes);
        self.state == other.state
            && self.slots == other.slots
            && pairs.into_iter().all(|(own, theirs)| own.0 == theirs.0 && own.1 <= theirs.1)
    }
}

/// Of those that differ only in which purchases of which nobody was told took and put back, keeps
/// one: that with the most left. Returns whether one was dropped that the kept one does not
/// dominate.
pub(super) fn keep_one_of_alike(
    configurations: &mut BTreeMap<Configuration, u32>,
    begun: &[(u32, u32)],
) -> bool {
    if begun.is_empty() || configurations.len() < 2 {
        return false;
    }
    let left = |one: &Configuration| {
        let classes = one.classes.iter().zip(begun);
        classes.map(|((_, taken), (_, takes))| takes.saturating_sub(*taken)).min()
    };
    let key = |one: &Configuration| {
        let out: Vec<u32> = one.classes.iter().map(|(out, _)| *out).collect();
        (one.state, one.slots.clone(), out)
    };
    let mut best: BTreeMap<_, (Configuration, u32)> = BTreeMap::new();
    let mut lost = false;
    for (one, node) in std::mem::take(configurations) {
        match best.get_mut(&key(&one)) {
            None => {
                best.insert(key(&one), (one, node));
            }
            Some(other) => {
                let better = left(&one) > left(&other.0);
                let (kept, dropped) = if better { (&one, &other.0) } else { (&other.0, &one) };
                lost |= !kept.dominates(dropped);
                if better {
                    *other = (one, node);
                }
            }
        }
    }
    configurations.extend(best.into_values());
    lost
}

/// Removes configurations that differ from another only in having used up more.
pub(super) fn drop_dominated(configurations: &mut BTreeMap<Configuration, u32>) {
    let worth = 2..=256;
    if !worth.contains(&configurations.len()) {
        return;
    }
    let all: Vec<Configuration> = configurations.keys().cloned().collect();
    for one in &all {
        let beaten = configurations.keys().any(|other| other != one && other.dominates(one));
        if beaten {
            configurations.remove(one);
        }
    }
}
