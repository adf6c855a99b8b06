//! The witness check: the versions in the answers propose an order, and each answer is checked
//! against it.
//!
//! Sorted by version, with the purchase that made a version before those who saw it, the operations
//! of one toy stand in an order. It is a linearization if each answer fits the state that the order
//! gives, and nobody stands behind somebody who began only after it had ended. Both are checked
//! against what the clients recorded alone, so that a lying store gains nothing: whatever order it
//! proposes, one that fits is a proof. O(n log n), for the sorting. The idea is that of Jepsen's
//! check of TigerBeetle; the definition is Herlihy and Wing, *Linearizability* (1990), §2.
//!
//! Which purchase a version belongs to that nobody was told of, the store may propose as well: it
//! was a take that was put back later (event `put-back`). That is believed no more than the
//! versions: both halves must lie between the purchase's two ends, and be no more than its attempts
//! allow. Else such a version may be a restock. Where both fail, [`crate::search`] decides. Called
//! by [`crate::stock`].

use std::collections::BTreeMap;

use crate::history::Micros;
use crate::model::{Action, Linearization, Object, Proposed, State, Step};

/// Why the versions prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An answer has no version, or fits no state.
    NoVersion(usize),
    /// Nobody is known to have made this version, of which so many were left before.
    Gap(State),
    /// `second` stands behind `first`, but had ended before `first` began.
    Time {
        /// The one that stands first.
        first: usize,
        /// The one that stands behind it.
        second: usize,
        /// How many were left after the second, if that is known.
        left: Option<i64>,
    },
    /// The answer does not fit the state of its version, which `since` established (nobody: it is
    /// the initial one, or a restock).
    Value {
        /// Whose answer.
        place: usize,
        /// What the state is by the others.
        state: State,
        /// Who made or saw that state.
        since: Option<usize>,
        /// Whether a restock is assumed before it.
        assumed: bool,
    },
    /// Both made the same version.
    Twice(usize, usize),
}

/// A linearization by the toy's versions.
///
/// # Errors
/// The first place where they prove nothing.
pub fn check(object: &Object) -> Result<Linearization, Doubt> {
    let mut order: Vec<(u64, bool, Micros, u32)> = Vec::with_capacity(object.moves.len());
    for (place, one) in (0..).zip(&object.moves) {
        match (one.version(), one.action) {
            (Some(version), _) => order.push((version, one.observes(), one.invoked, place)),
            // May have done nothing.
            (None, Action::Open { .. }) => {}
            (
                None,
                Action::Read { .. }
                | Action::Take { .. }
                | Action::Refused { .. }
                | Action::Impossible,
            ) => return Err(Doubt::NoVersion(place as usize)),
        }
    }
    order.sort_unstable();
    let mut walk = Walk {
        object,
        state: object.initial,
        since: None,
        maker: None,
        latest: None,
        assumed: false,
        pairs: BTreeMap::new(),
        steps: Vec::with_capacity(order.len()),
    };
    for (version, observes, _, place) in order {
        walk.reach(if observes { version } else { version.saturating_sub(1) })?;
        walk.take(version, place)?;
    }
    walk.finish()?;
    Ok(Linearization { steps: walk.steps })
}

struct Walk<'a> {
    object: &'a Object,
    state: State,
    /// Who established the state.
    since: Option<usize>,
    /// Who made the version.
    maker: Option<usize>,
    /// Of those that stand in the order, the one that began last, and when.
    latest: Option<(Micros, usize)>,
    /// Whether a version was taken for a restock, which no answer says.
    assumed: bool,
    /// By purchase: the takes that are proposed for it, and those of them that are out.
    pairs: BTreeMap<u32, (u8, Vec<i64>)>,
    steps: Vec<Step>,
}

impl Walk<'_> {
    /// On to a version, by takes that are put back, and by restocks.
    fn reach(&mut self, version: u64) -> Result<(), Doubt> {
        while self.state.version < version {
            if let Some(proposed) = self.object.proposed.get(&(self.state.version + 1))
                && let Some(place) = self.maker_of(*proposed)
            {
                self.pass(place, *proposed);
                continue;
            }
            if self.state.quantity != 0 || self.object.restock.is_none() {
                return Err(Doubt::Gap(self.state));
            }
            self.state = self.object.after(self.state, Step::Restock);
            self.steps.push(Step::Restock);
            (self.since, self.maker, self.assumed) = (None, None, true);
        }
        Ok(())
    }

    /// The first of a request's moves that may have done that, as things stand.
    fn maker_of(&self, Proposed { key, quantity, back }: Proposed) -> Option<u32> {
        let places = self.object.requests.get(&key)?;
        let may = |place: &&u32| {
            let one = &self.object.moves[**place as usize];
            let asked = match one.action {
                Action::Take { quantity, .. }
                | Action::Refused { quantity, .. }
                | Action::Open { quantity } => quantity,
                Action::Read { .. } | Action::Impossible => return false,
            };
            if self.latest.is_some_and(|(began, _)| one.returned < began) {
                return false;
            }
            let (taken, out) =
                self.pairs.get(*place).map_or((0, &[][..]), |(n, out)| (*n, &out[..]));
            match back {
                true => out.contains(&quantity),
                false => {
                    let there = quantity > 0 && quantity <= self.state.quantity;
                    there && quantity == asked && taken < one.pairs
                }
            }
        };
        places.iter().find(may).copied()
    }

    /// A take is put back, or one that will be is made.
    fn pass(&mut self, place: u32, Proposed { quantity, back, .. }: Proposed) {
        let began = self.object.moves[place as usize].invoked;
        if self.latest.is_none_or(|(latest, _)| latest < began) {
            self.latest = Some((began, place as usize));
        }
        let (taken, out) = self.pairs.entry(place).or_default();
        let step = if back {
            out.retain(|one| *one != quantity);
            Step::PutBack(quantity)
        } else {
            *taken += 1;
            out.push(quantity);
            Step::Taken(quantity)
        };
        self.state = self.object.after(self.state, step);
        self.steps.push(step);
        (self.since, self.maker, self.assumed) = (None, None, true);
    }

    /// Whatever was taken is put back, but for those of whom nobody was told.
    fn finish(&self) -> Result<(), Doubt> {
        for (place, (_, out)) in &self.pairs {
            let open = matches!(self.object.moves[*place as usize].action, Action::Open { .. });
            if !out.is_empty() && !open {
                return Err(Doubt::Gap(self.state));
            }
        }
        Ok(())
    }

    /// Nobody stands behind somebody who began only after it had ended.
    fn in_time(&mut self, place: u32) -> Result<(), Doubt> {
        let one = &self.object.moves[place as usize];
        let second = place as usize;
        match self.latest {
            Some((began, first)) if one.returned < began => {
                Err(Doubt::Time { first, second, left: None })
            }
            Some((began, _)) if began >= one.invoked => Ok(()),
            Some(_) | None => {
                self.latest = Some((one.invoked, second));
                Ok(())
            }
        }
    }

    fn take(&mut self, version: u64, place: u32) -> Result<(), Doubt> {
        let one = &self.object.moves[place as usize];
        let place_wide = place as usize;
        let (state, since, assumed) = (self.state, self.since, self.assumed);
        let value = Doubt::Value { place: place_wide, state, since, assumed };
        // Below the initial version, or made before.
        if version < self.state.version {
            return Err(value);
        }
        if !one.observes() && version == self.state.version {
            return Err(match self.maker {
                Some(maker) => Doubt::Twice(maker, place_wide),
                None => value,
            });
        }
        let fits = match one.action {
            Action::Read { quantity, .. } => quantity == self.state.quantity,
            Action::Take { quantity, .. } => quantity > 0 && quantity <= self.state.quantity,
            Action::Refused { quantity, .. } => quantity > self.state.quantity,
            Action::Open { .. } | Action::Impossible => false,
        };
        if !fits {
            return Err(value);
        }
        let next = self.object.after(self.state, Step::Move(place));
        if let Err(Doubt::Time { first, second, .. }) = self.in_time(place) {
            return Err(Doubt::Time { first, second, left: Some(next.quantity) });
        }
        self.state = next;
        self.steps.push(Step::Move(place));
        if !one.observes() {
            self.maker = Some(place_wide);
        }
        self.since = Some(place_wide);
        Ok(())
    }
}
