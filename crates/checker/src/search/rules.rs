//! What the versions in all answers, also later ones, say about the order of one toy's changes.
//!
//! None of it is believed: each rule only skips what could never be completed, since the answer
//! that the rule comes from could not be placed any more. Made once for each search.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Micros;
use crate::model::{Action, Move, Object, State};

/// The rules of one toy's history.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Whether any answer has a version; else the state's is not counted.
    versioned: bool,
    /// Versions that an answer says its purchase made.
    made: BTreeSet<u64>,
    /// The quantity of each version that somebody read.
    quantities: BTreeMap<u64, i64>,
    /// When the last of those began who saw this version.
    seen_until: BTreeMap<u64, Micros>,
    /// Purchases of which nobody was told, by quantity and how often each may take: their places.
    pub classes: BTreeMap<(i64, u8), usize>,
}

impl Rules {
    pub fn of(object: &Object) -> Rules {
        let mut rules = Rules::default();
        let mut conflicts = BTreeSet::new();
        for one in &object.moves {
            if let Action::Open { quantity } = one.action {
                let next = rules.classes.len();
                rules.classes.entry((quantity, one.pairs)).or_insert(next);
            }
            let Some(version) = one.version() else { continue };
            rules.versioned = true;
            if !one.observes() {
                rules.made.insert(version);
                continue;
            }
            let until = rules.seen_until.entry(version).or_default();
            *until = (*until).max(one.invoked);
            if let Action::Read { quantity, .. } = one.action
                && *rules.quantities.entry(version).or_insert(quantity) != quantity
            {
                conflicts.insert(version);
            }
        }
        // One of the two cannot be placed; which one, the search finds out.
        rules.quantities.retain(|version, _| !conflicts.contains(version));
        rules
    }

    /// The state as far as it matters.
    pub fn state(&self, state: State) -> State {
        if self.versioned { state } else { State { version: 0, ..state } }
    }

    /// Whether an answer says that its purchase made this version.
    pub fn makers(&self, version: u64) -> bool {
        self.made.contains(&version)
    }

    /// Whether nobody who sees this state begins after `now`.
    pub fn may_leave(&self, state: State, now: Micros) -> bool {
        self.seen_until.get(&state.version).is_none_or(|until| *until <= now)
    }

    /// Whether the state has the quantity that somebody saw at its version.
    pub fn is_known(&self, state: State) -> bool {
        let quantity = self.quantities.get(&state.version);
        quantity.is_none_or(|quantity| *quantity == state.quantity)
    }

    /// Whether an operation that changes nothing fits the state.
    pub fn sees(&self, one: &Move, state: State) -> bool {
        let here = |version: Option<u64>| version.is_none_or(|version| version == state.version);
        match one.action {
            Action::Read { quantity, version } => quantity == state.quantity && here(version),
            Action::Refused { quantity, version } => quantity > state.quantity && here(version),
            Action::Take { .. } | Action::Open { .. } | Action::Impossible => false,
        }
    }

    /// Whether an operation that has not had its effect can have it no more: versions only rise.
    pub fn too_late(&self, one: &Move, state: State) -> bool {
        match (one.version(), one.observes()) {
            (Some(version), true) => version < state.version,
            (Some(version), false) => version <= state.version,
            (None, _) => false,
        }
    }
}
