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
    /// The last version that an answer names, if every answer names one: nobody needs a later one.
    last: Option<u64>,
    /// Versions that an answer says its purchase made, by how many it took.
    made: BTreeMap<u64, i64>,
    /// The quantity of each version that somebody read, or that follows from those.
    quantities: BTreeMap<u64, i64>,
    /// When the last of those began who saw this version.
    seen_until: BTreeMap<u64, Micros>,
    /// Purchases of which nobody was told, by quantity and how often each may take: their places.
    pub classes: BTreeMap<(i64, u8), usize>,
}

impl Rules {
    pub fn of(object: &Object) -> Rules {
        let mut rules = Rules::default();
        let (mut conflicts, mut plain) = (BTreeSet::new(), false);
        rules.quantities.insert(object.initial.version, object.initial.quantity);
        for one in &object.moves {
            if let Action::Open { quantity } = one.action {
                let next = rules.classes.len();
                rules.classes.entry((quantity, one.pairs)).or_insert(next);
            }
            let Some(version) = one.version() else {
                plain |= !matches!(one.action, Action::Open { .. });
                continue;
            };
            rules.versioned = true;
            rules.last = rules.last.max(Some(version));
            if let Action::Take { quantity, .. } = one.action {
                rules.made.insert(version, quantity);
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
        if plain {
            rules.last = None;
        }
        if rules.versioned {
            rules.conclude();
        } else {
            rules.quantities.clear();
        }
        rules
    }

    /// What the quantities that were read say of those before and after: from one version to the
    /// next that an answer names, it is known how many were taken.
    fn conclude(&mut self) {
        for (version, taken) in &self.made {
            if let Some(before) = self.quantities.get(&version.saturating_sub(1)) {
                let after = before.saturating_sub(*taken);
                self.quantities.entry(*version).or_insert(after);
            }
        }
        for (version, taken) in self.made.iter().rev() {
            if let Some(after) = self.quantities.get(version) {
                let before = after.saturating_add(*taken);
                self.quantities.entry(version.saturating_sub(1)).or_insert(before);
            }
        }
    }

    /// The state as far as it matters.
    pub fn state(&self, state: State) -> State {
        if self.versioned { state } else { State { version: 0, ..state } }
    }

    /// Whether an answer says that its purchase made this version.
    pub fn makers(&self, version: u64) -> bool {
        self.made.contains_key(&version)
    }

    /// Whether nobody who sees this state begins after `now`.
    pub fn may_leave(&self, state: State, now: Micros) -> bool {
        self.seen_until.get(&state.version).is_none_or(|until| *until <= now)
    }

    /// Whether somebody may need this state.
    pub fn is_needed(&self, state: State) -> bool {
        self.last.is_none_or(|last| state.version <= last)
    }

    /// Whether the state has the quantity that is known of its version, and enough for the purchase
    /// that made the next.
    pub fn is_known(&self, state: State) -> bool {
        let quantity = self.quantities.get(&state.version);
        let next = self.made.get(&(state.version + 1));
        quantity.is_none_or(|quantity| *quantity == state.quantity)
            && next.is_none_or(|taken| *taken <= state.quantity)
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
