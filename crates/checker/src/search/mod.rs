//! The search: is there any order of one toy's operations that fits what was seen?
//!
//! Just-in-time linearization (Lowe, *Testing for linearizability*, 2017, §5), which refines Wing
//! and Gong, *Testing and verifying concurrent objects* (1993). Time is walked once. A
//! *configuration* is a state and which of the operations under way have had their effect; nothing
//! is linearized before an answer makes it necessary. When an operation ends, every configuration
//! in which it has not had its effect is replaced by all that can be reached from it by letting
//! others under way have theirs, until it has. If none is left, the history up to here has no
//! linearization, and that operation is the first that cannot be placed. Equal configurations are
//! one (the memo of Lowe §4).
//!
//! What keeps the sets small, and why nothing is lost by it:
//! - An operation that changes nothing has its effect as soon as the state fits: whatever is
//!   possible without that is possible with it.
//! - A version that an answer names is made by that answer's purchase and nothing else; a version
//!   that somebody reads later is not left before; a version of which somebody saw the quantity has
//!   that quantity ([`rules`]).
//! - Of several purchases of equally many without a version, the one that ended first goes first:
//!   exchanging two such changes nothing.
//! - Purchases of which nobody was told are counted, not told apart; of two configurations that
//!   differ only in how many of them were used up, the one with fewer will do. Mostly either will
//!   do, so at first one of those is kept. An order that is found so is one. If none is found, and
//!   a purchase was missing that had been used up, the search is made again with all of them.
//!
//! What may have been put back is not lazy: it happens until its purchase ends, or not at all. So
//! at that end each configuration is kept as it is, and with each further take that was put back.
//! That is much, and hardly ever needed: it is left out at first, too.
//!
//! Bounded in steps and in configurations. Called by [`crate::stock`] and [`crate::window`].

mod changes;
mod configuration;
mod rules;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::history::Micros;
use crate::model::{Action, Linearization, Object, State, Step};

use configuration::{Change, Configuration};
use rules::Rules;

/// The most configurations that are kept at one moment: some hundred megabytes.
const CONFIGURATIONS_MAX: usize = 200_000;

/// How many possible states a stuck search names.
const STATES_NAMED_MAX: usize = 8;

/// How many steps may still be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// A step is one configuration made: well under a microsecond, and 8 bytes.
    pub steps: u64,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This order fits.
    Linearization(Linearization),
    /// No order fits.
    Stuck(Stuck),
    /// The budget is spent.
    Undecided,
}

/// Where no order fits any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The move that cannot be placed.
    pub place: usize,
    /// An order of what ended before.
    pub prefix: Linearization,
    /// Some of the states that were possible before it ended.
    pub states: Vec<State>,
}

/// Searches for an order that fits.
pub fn search(object: &Object, budget: &mut Budget) -> Found {
    let mut found = Found::Undecided;
    for effort in [Effort::Lazy, Effort::OneOfAlike, Effort::All] {
        let mut search = Search::new(object, effort);
        found = search.run(budget);
        let is_final = match found {
            Found::Linearization(_) | Found::Undecided => true,
            Found::Stuck(_) => !(search.skipped || search.lost && search.missing.get()),
        };
        if is_final {
            break;
        }
    }
    found
}

/// How much is tried. What is left out may be needed for an order, but an order that is found is
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// No take is put back of what has had its effect.
    Lazy,
    /// Of configurations that differ only in which purchases were used up, one is kept.
    OneOfAlike,
    /// Nothing is left out.
    All,
}

/// Invocations before returns of the same moment: those two overlap. What must happen, but of which
/// nobody was told when, returns at the end.
fn events(object: &Object) -> Vec<(Micros, bool, usize)> {
    let mut events = Vec::with_capacity(object.moves.len() * 2);
    for (place, one) in object.moves.iter().enumerate() {
        events.push((one.invoked, false, place));
        match one.action {
            Action::Open { .. } => {}
            Action::Read { .. }
            | Action::Take { .. }
            | Action::Refused { .. }
            | Action::Impossible => events.push((one.returned, true, place)),
        }
    }
    events.sort_unstable();
    events
}

struct Search<'a> {
    object: &'a Object,
    effort: Effort,
    /// Whether a take was left out that may have been put back.
    skipped: bool,
    /// Whether one was dropped from which more may be possible.
    lost: bool,
    /// Whether a purchase could not take because it was used up.
    missing: Cell<bool>,
    rules: Rules,
    /// What is under way, by slot.
    pending: Vec<Option<usize>>,
    /// How many purchases of each class have begun, and how many takes they may have made.
    begun: Vec<(u32, u32)>,
    /// With the end of each one's path.
    configurations: BTreeMap<Configuration, u32>,
    /// Steps, each with the one before it; the first is the root, and no step.
    paths: Vec<(Step, u32)>,
}

impl<'a> Search<'a> {
    fn new(object: &'a Object, effort: Effort) -> Search<'a> {
        let rules = Rules::of(object);
        let classes = rules.classes.len();
        let initial = Configuration::new(rules.state(object.initial), classes);
        Search {
            object,
            effort,
            skipped: false,
            lost: false,
            missing: Cell::new(false),
            rules,
            pending: Vec::new(),
            begun: vec![(0, 0); classes],
            configurations: BTreeMap::from([(initial, 0)]),
            paths: vec![(Step::Restock, 0)],
        }
    }

    fn run(&mut self, budget: &mut Budget) -> Found {
        for (time, returns, place) in events(self.object) {
            if !returns {
                self.on_invocation(place);
            } else if let Err(found) = self.on_return(time, place, budget) {
                return found;
            }
        }
        let end = self.configurations.first_key_value().map_or(0, |(_, node)| *node);
        Found::Linearization(self.path(end))
    }

    fn on_invocation(&mut self, place: usize) {
        let one = &self.object.moves[place];
        if let Action::Open { quantity } = one.action {
            let class = self.rules.classes[&(quantity, one.pairs)];
            let (members, takes) = self.begun[class];
            self.begun[class] = (members + 1, takes.saturating_add(u32::from(one.pairs)));
            return;
        }
        let free = self.pending.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.pending.len());
        let fresh = slot == self.pending.len();
        if fresh {
            self.pending.push(None);
        }
        self.pending[slot] = Some(place);
        if !fresh && !one.observes() {
            return;
        }
        for (mut configuration, mut node) in std::mem::take(&mut self.configurations) {
            if fresh {
                configuration.slots.push(0);
            }
            if self.rules.sees(one, configuration.state) {
                configuration.finish(slot);
                node = self.step(Step::Move(place as u32), node);
            }
            self.configurations.insert(configuration, node);
        }
    }

    fn on_return(&mut self, time: Micros, place: usize, budget: &mut Budget) -> Result<(), Found> {
        let slot = self.pending.iter().position(|pending| *pending == Some(place));
        let slot = slot.expect("what returns was invoked");
        let before = std::mem::take(&mut self.configurations);
        let one = &self.object.moves[place];
        let mut after: BTreeMap<Configuration, u32> = BTreeMap::new();
        // With how many pairs of it were used when it was done with: it may use more until it ends,
        // but not later.
        let mut open: Vec<(Configuration, Option<u8>, u32)> = Vec::new();
        let used =
            |configuration: &Configuration| configuration::pairs_used(configuration.slots[slot]);
        for (configuration, node) in &before {
            let settled = configuration.settled(slot).then(|| used(configuration));
            if settled.is_some() {
                after.insert(configuration.clone(), *node);
            }
            let mut done = settled.is_some_and(|used| used == one.pairs);
            if !done && settled.is_some() && self.effort == Effort::Lazy {
                (done, self.skipped) = (true, true);
            }
            if !done && one.action != Action::Impossible {
                open.push((configuration.clone(), settled, *node));
            }
        }
        let mut seen: BTreeSet<(Configuration, Option<u8>)> = BTreeSet::new();
        while let Some((configuration, since, node)) = open.pop() {
            for change in self.changes(&configuration, time) {
                if budget.steps == 0 || seen.len() + after.len() > CONFIGURATIONS_MAX {
                    return Err(Found::Undecided);
                }
                budget.steps -= 1;
                let Some((next, end)) = self.apply(&configuration, change, node) else { continue };
                let mut since = since;
                if next.settled(slot) && since.is_none_or(|since| used(&next) > since) {
                    since = Some(used(&next));
                    after.entry(next.clone()).or_insert(end);
                }
                let lazy = since.is_some() && self.effort == Effort::Lazy;
                self.skipped |= lazy && since != Some(one.pairs);
                let done = lazy || since == Some(one.pairs);
                if !done && seen.insert((next.clone(), since)) {
                    open.push((next, since, end));
                }
            }
        }
        if after.is_empty() {
            return Err(Found::Stuck(self.stuck(place, &before)));
        }
        self.pending[slot] = None;
        for (mut configuration, node) in after {
            configuration.slots[slot] = 0;
            self.configurations.entry(configuration).or_insert(node);
        }
        if self.effort == Effort::All {
            configuration::drop_dominated(&mut self.configurations);
        } else {
            let configurations = &mut self.configurations;
            self.lost |= configuration::keep_one_of_alike(configurations, &self.begun);
        }
        Ok(())
    }

    /// The configuration after a change, with everything that sees the new state; nothing if
    /// somebody can no longer be placed.
    fn apply(
        &mut self,
        before: &Configuration,
        change: Change,
        node: u32,
    ) -> Option<(Configuration, u32)> {
        let mut next = before.clone();
        let step = next.change(change);
        next.state = self.rules.state(next.state);
        // What is out must be put back, also when nobody needs the state after it.
        let must = matches!(change, Change::PutBack { .. });
        if !self.rules.is_known(next.state) || !(must || self.rules.is_needed(next.state)) {
            return None;
        }
        let mut seen = Vec::new();
        for (slot, place) in self.pending.iter().enumerate() {
            let Some(place) = *place else { continue };
            let one = &self.object.moves[place];
            if next.finished(slot) {
                continue;
            }
            if self.rules.too_late(one, next.state) {
                return None;
            }
            if self.rules.sees(one, next.state) {
                next.finish(slot);
                seen.push(place);
            }
        }
        let mut end = self.step(step, node);
        for place in seen {
            end = self.step(Step::Move(place as u32), end);
        }
        Some((next, end))
    }

    fn step(&mut self, step: Step, before: u32) -> u32 {
        let node = u32::try_from(self.paths.len()).expect("a budget is far below 2^32 steps");
        self.paths.push((step, before));
        node
    }

    fn path(&self, end: u32) -> Linearization {
        let mut steps = Vec::new();
        let mut node = end;
        while node != 0 {
            let (step, before) = self.paths[node as usize];
            steps.push(step);
            node = before;
        }
        steps.reverse();
        Linearization { steps }
    }

    fn stuck(&self, place: usize, before: &BTreeMap<Configuration, u32>) -> Stuck {
        let mut states: Vec<State> =
            before.keys().map(|configuration| configuration.state).collect();
        states.dedup();
        states.truncate(STATES_NAMED_MAX);
        let end = before.first_key_value().map_or(0, |(_, node)| *node);
        Stuck { place, prefix: self.path(end), states }
    }
}
