//! The smallest window of one toy's operations that no order fits, whatever went before.
//!
//! A history may be long, and what is wrong with it short. The search skips what later answers rule
//! out, so it may be stuck early: the window ends with the first operation up to which no order
//! fits, whatever comes after. It is made shorter from its beginning as long as the operations in
//! it still fit no order from *any* state, with any of those that overlap its beginning done before
//! it or not: so nobody has to look at what went before. Called by [`crate::stock`]; the picture
//! shows it.

use crate::history::{Micros, NEVER_RETURNED};
use crate::model::{Action, Linearization, Move, Object, State, Step};
use crate::refutation::Refutation;
use crate::search::{Budget, Found, Stuck, search};

/// Steps of all searches for one window.
const STEPS: u64 = 2_000_000;

/// Quantities that a window may begin with; with more the whole history is the window.
const QUANTITY_MAX: i64 = 2_000;

/// Purchases that overlap the beginning of a window and may have happened before: each doubles the
/// searches.
const OVERLAPPING_MAX: usize = 6;

/// Takes that may be out when a window begins, where there are versions.
const OUT_MAX: u64 = 3;

/// A part of a toy's operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The moves in it, in the order in which they ended; the last cannot be placed.
    pub moves: Vec<usize>,
}

/// The first move that cannot be placed, whatever comes after it, and the smallest window that ends
/// with it.
pub fn smallest(object: &Object, stuck: Stuck) -> (Stuck, Window) {
    let mut budget = Budget { steps: STEPS };
    let stuck = first(object, stuck, &mut budget);
    let window = shortened(object, stuck.place, &mut budget);
    (stuck, window)
}

/// Two operations that fit no order by their versions, and an order of what had ended before.
pub fn of_two(object: &Object, refutation: &Refutation) -> (Stuck, Window) {
    let Refutation { first, misfit, .. } = *refutation;
    let mut budget = Budget { steps: STEPS };
    let prefix = order_before(object, &[misfit], &mut budget).unwrap_or_default();
    let stuck = Stuck { place: misfit, prefix, states: Vec::new() };
    (stuck, Window { moves: vec![first, misfit] })
}

/// An order of all that had ended when some misfits end, as if these went on; of which one is the
/// first.
fn order_before(object: &Object, misfits: &[usize], budget: &mut Budget) -> Option<Linearization> {
    let end = object.moves[*misfits.first()?].returned;
    let (part, places) = until(object, end, misfits);
    let Found::Linearization(mut order) = search(&part, budget) else { return None };
    for step in &mut order.steps {
        if let Step::Move(place) = step {
            *place = places[*place as usize] as u32;
        }
    }
    Some(order)
}

/// Where the history is stuck without what comes after.
fn first(object: &Object, stuck: Stuck, budget: &mut Budget) -> Stuck {
    let mut ends: Vec<Micros> = object.moves.iter().map(|one| one.returned).collect();
    ends.retain(|end| *end >= object.moves[stuck.place].returned && *end != NEVER_RETURNED);
    ends.sort_unstable();
    ends.dedup();
    // Once no order fits, none does with more. Below `low` some order fits.
    let (mut low, mut high) = (0, 0);
    let mut is_stuck = |at: usize| {
        let (part, _) = until(object, ends[at], &[]);
        matches!(search(&part, budget), Found::Stuck(_))
    };
    while high < ends.len() && !is_stuck(high) {
        (low, high) = (high + 1, 2 * high + 1);
    }
    high = high.min(ends.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if is_stuck(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let Some(end) = ends.get(high).copied() else { return stuck };
    if object.moves[stuck.place].returned == end {
        return stuck;
    }
    let last: Vec<usize> =
        (0..object.moves.len()).filter(|place| object.moves[*place].returned == end).collect();
    // An order of all the others; of all that ended before, where two of the last do not fit.
    let alone = last.iter().map(std::slice::from_ref);
    for misfits in alone.chain([&last[..]]) {
        if let Some(prefix) = order_before(object, misfits, budget) {
            return Stuck { place: misfits[0], prefix, states: Vec::new() };
        }
    }
    stuck
}

/// What had ended by a moment, but for some that are taken to go on, and what went on then; with
/// the places of all.
fn until(object: &Object, end: Micros, going_on: &[usize]) -> (Object, Vec<usize>) {
    let mut places: Vec<usize> = Vec::new();
    let mut part = object.without_moves();
    for (place, one) in object.moves.iter().enumerate().filter(|(_, one)| one.invoked <= end) {
        if one.returned <= end && !going_on.contains(&place) {
            part.moves.push(*one);
        } else {
            part.moves.extend(beyond(one));
        }
        places.resize(part.moves.len(), place);
    }
    (part, places)
}

/// What goes on beyond a window may have happened, or not, and so may each take of it that was put
/// back; what only sees does not matter.
fn beyond(one: &Move) -> impl Iterator<Item = Move> {
    let (quantity, takes, pairs) = match one.action {
        Action::Take { quantity, .. } => (quantity, 1, one.pairs),
        Action::Refused { quantity, .. } | Action::Open { quantity } => (quantity, 0, one.pairs),
        Action::Read { .. } | Action::Impossible => (0, 0, 0),
    };
    let open = Move { action: Action::Open { quantity }, returned: NEVER_RETURNED, ..*one };
    [takes, pairs].into_iter().filter(|pairs| *pairs > 0).map(move |pairs| Move { pairs, ..open })
}

fn shortened(object: &Object, stuck: usize, budget: &mut Budget) -> Window {
    let end = object.moves[stuck].returned;
    let mut ended: Vec<usize> = (0..object.moves.len())
        .filter(|place| object.moves[*place].returned <= end && *place != stuck)
        .collect();
    ended.sort_unstable_by_key(|place| (object.moves[*place].returned, *place));
    ended.push(stuck);
    let mut broken = |count: usize| {
        let (dropped, window) = ended.split_at(ended.len() - count);
        dropped.is_empty() || is_broken(object, dropped, window, budget)
    };
    let mut high = 1;
    while high < ended.len() && !broken(high) {
        high = (high * 2).min(ended.len());
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if broken(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Window { moves: ended.split_off(ended.len() - high) }
}

/// Whether a window fits no order from any state.
fn is_broken(object: &Object, dropped: &[usize], window: &[usize], budget: &mut Budget) -> bool {
    let moves = |places: &[usize]| places.iter().map(|place| object.moves[*place]).collect();
    let begin = dropped.last().map_or(0, |place| object.moves[*place].returned);
    let (end, stuck) = match window.last() {
        Some(stuck) => (object.moves[*stuck].returned, *stuck),
        None => return false,
    };
    let window: Vec<Move> = moves(window);
    let (overlapping, inside): (Vec<Move>, Vec<Move>) =
        window.into_iter().partition(|one| one.invoked <= begin);
    if object.moves[stuck].invoked <= begin {
        return false;
    }
    // What sees may have seen before; what takes may have taken before, or not.
    let refused: Vec<Move> =
        overlapping.iter().filter(|one| one.observes()).flat_map(beyond).collect();
    let overlapping: Vec<Move> = overlapping.into_iter().filter(|one| !one.observes()).collect();
    if overlapping.len() > OVERLAPPING_MAX {
        return false;
    }
    let later = object.moves.iter().filter(|one| one.invoked <= end && one.returned > end);
    let later: Vec<Move> = later.flat_map(beyond).collect();
    (0..1_u32 << overlapping.len()).all(|done| {
        let kept = (0..).zip(&overlapping).filter(|(bit, _)| done & (1 << bit) == 0);
        let mut moves: Vec<Move> = kept.map(|(_, one)| *one).collect();
        moves.extend(&inside);
        moves.extend(refused.iter().chain(&later));
        from_no_state(object, moves, begin, budget)
    })
}

/// Whether these fit no order from any state. Of all versions to begin with, the highest that is
/// possible allows the most, but for takes that were out before and are put back within: those are
/// made within, from a version so many lower.
fn from_no_state(object: &Object, moves: Vec<Move>, begin: Micros, budget: &mut Budget) -> bool {
    let mut most = object.initial.quantity.max(object.restock.unwrap_or(0));
    let mut taken: i64 = 1;
    let (mut versioned, mut plain, mut out) = (false, false, 0);
    for one in &moves {
        match one.action {
            Action::Read { quantity, .. } | Action::Refused { quantity, .. } => {
                most = most.max(quantity);
            }
            Action::Take { quantity, .. } | Action::Open { quantity } => {
                taken = taken.saturating_add(quantity.max(0));
            }
            Action::Impossible => {}
        }
        out += u64::from(one.pairs > 0 && one.invoked <= begin);
        match (one.version(), one.action) {
            (Some(_), _) => versioned = true,
            (None, Action::Open { .. } | Action::Impossible) => {}
            (None, Action::Read { .. } | Action::Take { .. } | Action::Refused { .. }) => {
                plain = true;
            }
        }
    }
    let most = most.saturating_add(taken);
    if most > QUANTITY_MAX || (versioned && (plain || out > OUT_MAX)) {
        return false;
    }
    let needed = |one: &Move| Some(one.version()?.saturating_sub(u64::from(!one.observes())));
    let version = moves.iter().filter_map(needed).min().unwrap_or(0);
    let mut part = Object { moves, ..object.without_moves() };
    let lowest = version.saturating_sub(if versioned { out } else { 0 });
    (lowest..=version).all(|version| {
        (0..=most).all(|quantity| {
            part.initial = State { quantity, version };
            match search(&part, budget) {
                Found::Stuck(_) => true,
                Found::Linearization(_) | Found::Undecided => false,
            }
        })
    })
}
