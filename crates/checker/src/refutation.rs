//! Two answers whose versions cannot both be true, in any order: a proof that needs no search.
//!
//! Versions only rise. So nobody who begins after somebody has seen or made a version may see an
//! older one, or make one that is not newer; nobody makes a version twice; and one version has one
//! quantity. That holds whatever was taken and put back in between, of which a search of a long
//! history with many faults has to try every combination. O(n log n). Called by [`crate::stock`]
//! where the versions prove nothing ([`crate::witness`]).

use std::collections::BTreeMap;

use crate::history::Micros;
use crate::model::{Action, Object, State};
use crate::witness::Doubt;

/// Two operations that cannot both be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refutation {
    /// The one that ended first.
    pub first: usize,
    /// The one that cannot be placed any more.
    pub misfit: usize,
    /// Why.
    pub doubt: Doubt,
}

/// The pair that is complete first.
pub fn refute(object: &Object) -> Option<Refutation> {
    let all = [out_of_time(object), not_one(object)];
    let ended = |one: &Refutation| object.moves[one.misfit].returned;
    all.into_iter().flatten().min_by_key(ended)
}

/// An older version after a newer one.
fn out_of_time(object: &Object) -> Option<Refutation> {
    // What was known, from when on: each raises the version.
    let places = object.moves.iter().enumerate();
    let mut known: Vec<(Micros, u64, usize)> =
        places.filter_map(|(place, one)| Some((one.returned, one.version()?, place))).collect();
    known.sort_unstable();
    let mut newest = None;
    known.retain(|(_, version, _)| {
        let newer = newest.is_none_or(|newest| *version > newest);
        newest = newest.max(Some(*version));
        newer
    });
    let misfits = object.moves.iter().enumerate().filter_map(|(misfit, one)| {
        let version = one.version()?;
        // What it makes must be newer than what is known, what it sees at least as new.
        let oldest = if one.observes() { version + 1 } else { version };
        let at = known.partition_point(|(_, known, _)| *known < oldest);
        let (since, _, first) = *known.get(at)?;
        let left = match object.moves[first].action {
            Action::Read { quantity, .. } => Some(quantity),
            Action::Take { .. }
            | Action::Refused { .. }
            | Action::Open { .. }
            | Action::Impossible => None,
        };
        let doubt = Doubt::Time { first: misfit, second: first, left };
        (since < one.invoked).then_some(Refutation { first, misfit, doubt })
    });
    misfits.min_by_key(|one| object.moves[one.misfit].returned)
}

/// One version with two makers, or two quantities.
fn not_one(object: &Object) -> Option<Refutation> {
    let mut order: Vec<usize> = (0..object.moves.len()).collect();
    order.sort_unstable_by_key(|place| (object.moves[*place].returned, *place));
    let (mut makers, mut reads) = (BTreeMap::new(), BTreeMap::new());
    for misfit in order {
        let one = &object.moves[misfit];
        let Some(version) = one.version() else { continue };
        match one.action {
            Action::Take { .. } => {
                let first = *makers.entry(version).or_insert(misfit);
                if first != misfit {
                    return Some(Refutation { first, misfit, doubt: Doubt::Twice(first, misfit) });
                }
            }
            Action::Read { quantity, .. } => {
                let (first, known) = *reads.entry(version).or_insert((misfit, quantity));
                if known != quantity {
                    let state = State { quantity: known, version };
                    let since = Some(first);
                    let doubt = Doubt::Value { place: misfit, state, since, assumed: false };
                    return Some(Refutation { first, misfit, doubt });
                }
            }
            Action::Refused { .. } | Action::Open { .. } | Action::Impossible => {}
        }
    }
    None
}
