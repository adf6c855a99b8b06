//! Random runs: several frontends, a leader that changes, a network that loses and reorders, a
//! catalog that crashes with any part of its writes on disk. Each seed is one run.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::system::{Action, System};
use super::world::World;
use crate::catalog::Config;
use crate::catalog::catalogue::Toy;
use crate::catalog::stock::Stock;
use crate::invalidation::Invalidation;
use crate::toy::Cents;

/// Enough to meet every branch many times, in a few seconds.
const SEEDS: u64 = 3000;
const STEPS: usize = 500;

fn config(random: &mut Pcg64Mcg, invalidation: Invalidation) -> Config {
    let toy = |(name, quantity): (&str, u64)| Toy {
        name: name.parse().unwrap(),
        price: Cents(100),
        quantity,
    };
    Config {
        toys: Some([("Tux", 9), ("Whale", 4), ("Fox", 2)].map(toy).to_vec()),
        restock_interval: Duration::from_millis(700),
        restock_level: 5,
        invalidation,
        checkpoint_entries: random.random_range(1..40),
        ..Config::default()
    }
}

fn draw(system: &System, random: &mut Pcg64Mcg) -> Action {
    if !system.alive() {
        return match random.random_range(0..3) {
            0 => Action::Wait(random.random_range(1..1_500_000)),
            _ => Action::Start,
        };
    }
    let front = random.random_range(1..=3);
    let (in_flight, calls) = (system.in_flight(), system.calls());
    match random.random_range(0..1000) {
        0..8 => Action::Crash { written: random.random_range(0..4) },
        8..11 => Action::Stop,
        11..15 if system.world.stopped => Action::Crash { written: 0 },
        15..19 => Action::Restart { front },
        19..30 => Action::Lead,
        30..50 => Action::Settle,
        50..80 => Action::Retry,
        80..100 => Action::RaiseFloor,
        100..180 => Action::Renew { front },
        180..200 if !calls.is_empty() => Action::Fail(calls[random.random_range(0..calls.len())]),
        200..210 if in_flight > 0 => Action::Lose(random.random_range(0..in_flight)),
        210..260 => {
            let count = random.random_range(1..4);
            let item = |_| (random.random_range(0..3), random.random_range(1..4));
            Action::Take { items: (0..count).map(item).collect() }
        }
        260..300 => Action::Wait(random.random_range(1..30_000)),
        300..320 => Action::Wait(random.random_range(1..900_000)),
        320..500 => Action::Read { front, toy: random.random_range(0..3) },
        500..650 if system.world.unsynced() > 0 => Action::Sync(random.random_range(1..4)),
        _ if in_flight > 0 => Action::Deliver(random.random_range(0..in_flight)),
        _ => Action::Renew { front },
    }
}

/// One run; how many cache hits it had.
fn run(seed: u64) -> u64 {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut world = World::new(config(&mut random, Invalidation::Lease));
    world.auto = false;
    let mut system = System::new(world, 3);
    for _ in 0..STEPS {
        let action = draw(&system, &mut random);
        let quiet = system.alive() && system.world.unsynced() == 0;
        let before = quiet.then(|| system.world.node().stock().clone());
        let crash = matches!(action, Action::Crash { .. });
        system.perform(action);
        if let (true, Some(before)) = (crash, before) {
            // Everything was durable, so the next process finds exactly this.
            system.perform(Action::Start);
            let after = system.world.node().stock();
            assert_eq!(*after, before);
            assert_eq!(Stock::restore(&after.snapshot()).as_ref(), Ok(after));
        }
    }
    system.come_to_rest();
    system.hits
}

#[test]
fn random_runs_keep_the_promises() {
    let mut hits = 0;
    for seed in 0..SEEDS {
        let run = std::panic::AssertUnwindSafe(|| run(seed));
        match std::panic::catch_unwind(run) {
            Ok(of_run) => hits += of_run,
            Err(panic) => {
                // The one line a person needs to repeat it, next to the message above.
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("seed {seed}: {text}");
            }
        }
    }
    assert!(hits > SEEDS, "a test without cache hits shows nothing: {hits}");
}

/// The checks can fail: a catalog that waits for no acknowledgement is convicted by them.
#[test]
fn push_is_convicted() {
    let convicted = (0..SEEDS).any(|seed| {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut random = Pcg64Mcg::seed_from_u64(seed);
            let mut world = World::new(config(&mut random, Invalidation::Push));
            world.auto = false;
            let mut system = System::new(world, 3);
            for _ in 0..STEPS {
                let action = draw(&system, &mut random);
                system.perform(action);
            }
        });
        let text = |panic: Box<dyn std::any::Any + Send>| {
            panic.downcast_ref::<String>().is_some_and(|text| text.contains("was seen"))
        };
        std::panic::catch_unwind(run).is_err_and(text)
    });
    assert!(convicted, "no seed shows a stale read in mode push");
}
