//! Every interleaving of a small system: one real catalog, one or two abstract frontends, a few
//! reads, a take, and one fault, with messages in any order. States that were met before are not
//! gone into again; every way into them is still checked.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::system::{Action, System};
use super::world::World;
use crate::catalog::Config;
use crate::catalog::catalogue::Toy;
use crate::toy::Cents;

/// What may still happen; each action uses some of it up.
#[derive(Clone, Copy, Hash)]
struct Budget {
    reads: u8,
    takes: u8,
    renewals: u8,
    /// Messages lost, calls given up, crashes.
    faults: u8,
    restarts: u8,
    /// Long waits: into the middle of a lease, past its end.
    waits: u8,
}

struct Explorer {
    met: BTreeSet<u64>,
    hits: u64,
    fronts: u8,
}

/// More states than this, and the test is not small any more.
const STATES_MAX: usize = 200_000;

impl Explorer {
    fn explore(&mut self, system: &System, budget: Budget) {
        let mut hasher = DefaultHasher::new();
        system.fingerprint(&mut hasher);
        budget.hash(&mut hasher);
        if !self.met.insert(hasher.finish()) {
            return;
        }
        assert!(self.met.len() < STATES_MAX, "too many states");
        self.hits += system.hits;
        for (action, left) in self.actions(system, budget) {
            let mut next = system.clone();
            next.hits = 0;
            next.perform(action);
            self.explore(&next, left);
        }
    }

    fn actions(&self, system: &System, budget: Budget) -> Vec<(Action, Budget)> {
        let mut actions = Vec::new();
        if !system.alive() {
            return vec![(Action::Start, budget)];
        }
        for at in 0..system.in_flight() {
            actions.push((Action::Deliver(at), budget));
        }
        if system.world.unsynced() > 0 {
            actions.push((Action::Sync(1), budget));
        }
        if budget.reads > 0 {
            let left = Budget { reads: budget.reads - 1, ..budget };
            actions.extend((1..=self.fronts).map(|front| (Action::Read { front, toy: 0 }, left)));
        }
        if budget.renewals > 0 {
            let left = Budget { renewals: budget.renewals - 1, ..budget };
            actions.extend((1..=self.fronts).map(|front| (Action::Renew { front }, left)));
        }
        if budget.takes > 0 {
            let left = Budget { takes: budget.takes - 1, ..budget };
            actions.push((Action::Take { items: vec![(0, 1)] }, left));
        }
        if budget.restarts > 0 {
            let left = Budget { restarts: budget.restarts - 1, ..budget };
            actions.push((Action::Restart { front: 1 }, left));
        }
        if budget.waits > 0 {
            let left = Budget { waits: budget.waits - 1, ..budget };
            actions.extend([1_000_000, 2_069_999].map(|micros| (Action::Wait(micros), left)));
        }
        if budget.faults > 0 {
            let left = Budget { faults: budget.faults - 1, ..budget };
            actions.extend((0..system.in_flight()).map(|at| (Action::Lose(at), left)));
            actions.extend(system.calls().into_iter().map(|call| (Action::Fail(call), left)));
            let unsynced = system.world.unsynced();
            actions.extend((0..=unsynced).map(|written| (Action::Crash { written }, left)));
        }
        actions
    }
}

/// A catalog that serves, a leader with a view, and frontends with a lease and (if so wanted) the
/// toy in their cache; then everything that may happen.
fn check(fronts: u8, cached: bool, budget: Budget) {
    let toys = vec![Toy { name: "Tux".parse().unwrap(), price: Cents(100), quantity: 3 }];
    let mut world = World::new(Config { toys: Some(toys), ..Config::default() });
    world.start().unwrap();
    let mut system = System::new(world, fronts);
    let settle = |system: &mut System| {
        while system.in_flight() > 0 {
            system.perform(Action::Deliver(0));
        }
    };
    system.perform(Action::Lead);
    settle(&mut system);
    for front in 1..=fronts {
        system.perform(Action::Renew { front });
        settle(&mut system);
        if cached {
            system.perform(Action::Read { front, toy: 0 });
            settle(&mut system);
        }
    }
    system.world.auto = false;
    let mut explorer = Explorer { met: BTreeSet::new(), hits: 0, fronts };
    explorer.explore(&system, budget);
    let (states, hits) = (explorer.met.len(), explorer.hits);
    assert!(states > 100 && hits > 0, "{states} states, {hits} hits");
}

const NOTHING: Budget =
    Budget { reads: 0, takes: 0, renewals: 0, faults: 0, restarts: 0, waits: 0 };

#[test]
fn fills_and_a_take_in_any_order() {
    check(1, false, Budget { reads: 2, takes: 2, ..NOTHING });
}

#[test]
fn two_frontends_and_a_take_in_any_order() {
    check(2, true, Budget { reads: 2, takes: 1, ..NOTHING });
}

#[test]
fn a_take_with_one_fault_in_any_order() {
    check(1, true, Budget { reads: 2, takes: 1, faults: 1, ..NOTHING });
}

#[test]
fn a_lease_that_lapses_in_any_order() {
    let waits = Budget { reads: 2, takes: 1, renewals: 1, waits: 2, ..NOTHING };
    check(1, true, waits);
}

#[test]
fn a_restart_of_either_side_in_any_order() {
    let restarts = Budget { reads: 1, takes: 1, renewals: 2, faults: 1, restarts: 1, waits: 0 };
    check(1, true, restarts);
}
