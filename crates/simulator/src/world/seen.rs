//! What was seen of the replicas of a service: whoever comes to the same place of the log is
//! compared with who was there first.
//!
//! Called by `catalogs` and `orders`, after each step of one of theirs.

use std::collections::BTreeMap;

use replication::Index;

use crate::who::Seat;

/// States at places of a log.
#[derive(Debug)]
pub struct Seen<S> {
    states: BTreeMap<Index, S>,
    /// How far each replica had applied when it was looked at last.
    applied: BTreeMap<Seat, Index>,
}

impl<S> Default for Seen<S> {
    fn default() -> Seen<S> {
        Seen { states: BTreeMap::new(), applied: BTreeMap::new() }
    }
}

impl<S: PartialEq> Seen<S> {
    /// Whether a replica has another state than who was at this place before. `state` is asked for
    /// where it came to the place since it was looked at last.
    pub fn differs(&mut self, seat: Seat, applied: Index, state: impl FnOnce() -> S) -> bool {
        if self.applied.insert(seat, applied) == Some(applied) {
            return false;
        }
        let state = state();
        match self.states.get(&applied) {
            Some(known) => *known != state,
            None => {
                self.states.insert(applied, state);
                false
            }
        }
    }
}
