//! What may change the state of a configuration at a moment.
//!
//! Called by [`super::Search`] for each configuration that an answer makes go on.

use crate::history::Micros;
use crate::model::Action;

use super::Search;
use super::configuration::{Change, Configuration, is_open, pairs_used};

impl Search<'_> {
    /// Everything that may change the state now.
    pub(super) fn changes(&self, configuration: &Configuration, now: Micros) -> Vec<Change> {
        let state = configuration.state;
        let mut changes = Vec::new();
        if !self.rules.may_leave(state, now) {
            return changes;
        }
        let named = self.rules.makers(state.version + 1);
        for (slot, place) in self.pending.iter().enumerate() {
            let Some(place) = *place else { continue };
            let one = &self.object.moves[place];
            let stage = configuration.slots[slot];
            let (quantity, version) = match one.action {
                Action::Take { quantity, version } => (quantity, version),
                Action::Refused { quantity, .. } => (quantity, None),
                Action::Read { .. } | Action::Open { .. } | Action::Impossible => continue,
            };
            let enough = quantity > 0 && quantity <= state.quantity;
            if !one.observes() && !configuration.finished(slot) && enough {
                let fits = match version {
                    Some(version) => version == state.version + 1,
                    None => !named && !self.later_twin(configuration, slot, quantity),
                };
                if fits {
                    changes.push(Change::Take { slot, place, quantity });
                }
            }
            if named || one.pairs == 0 {
                continue;
            }
            if is_open(stage) {
                changes.push(Change::PutBack { slot, quantity });
            } else if pairs_used(stage) < one.pairs && enough {
                changes.push(Change::TakePair { slot, quantity });
            }
        }
        if named {
            return changes;
        }
        for ((quantity, _), class) in &self.rules.classes {
            let (out, taken) = configuration.classes[*class];
            let (members, takes) = self.begun[*class];
            if out > 0 {
                changes.push(Change::PutBackClass { class: *class, quantity: *quantity });
            }
            if out < members && *quantity > 0 && *quantity <= state.quantity {
                if taken < takes {
                    changes.push(Change::TakeClass { class: *class, quantity: *quantity });
                } else {
                    self.missing.set(true);
                }
            }
        }
        if let (0, Some(level)) = (state.quantity, self.object.restock) {
            changes.push(Change::Restock { level });
        }
        changes
    }

    /// Whether another purchase under way takes as many, ended earlier, and goes first.
    fn later_twin(&self, configuration: &Configuration, slot: usize, quantity: i64) -> bool {
        let key = |slot: usize, place: usize| (self.object.moves[place].returned, slot);
        let Some(own) = self.pending[slot] else { return false };
        if self.object.moves[own].pairs > 0 {
            return false;
        }
        self.pending.iter().enumerate().any(|(other, place)| {
            let Some(place) = *place else { return false };
            let one = &self.object.moves[place];
            one.action == (Action::Take { quantity, version: None })
                && one.pairs == 0
                && !configuration.finished(other)
                && key(other, place) < key(slot, own)
        })
    }
}
