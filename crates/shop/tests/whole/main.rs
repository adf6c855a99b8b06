//! The whole store in one deterministic world, in virtual time: real shoppers, frontends, order
//! replicas and catalog, with crashes that lose what was not synced, pauses and cuts. When all is
//! healed and quiet: every acknowledged order is there, none is doubled, stock is conserved, the
//! replicas are equal.

mod host;
mod world;

use replication::Time;
use world::{Faults, World};

/// One run: a seed, faults for some virtual seconds, then healing, then the checks.
fn run(seed: u64, faults: Faults) {
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, faults);
        world.run_until(Time::from_millis(40_000));
        world.heal();
        world.run_until_quiet(Time::from_millis(400_000));
        world.check();
    });
    if let Err(panic) = outcome {
        #[expect(clippy::disallowed_macros, reason = "a failing test says how to repeat it")]
        {
            eprintln!("seed {seed} fails: TOYSTORE_SEED={seed} cargo test -p shop --test whole");
        }
        std::panic::resume_unwind(panic);
    }
}

/// `TOYSTORE_SEEDS=1000` goes deeper, `TOYSTORE_SEED=7` runs that one.
#[expect(clippy::disallowed_methods, reason = "a test may be told its seeds")]
fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TOYSTORE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("TOYSTORE_SEEDS").unwrap_or(default)).collect(),
    }
}

#[test]
fn without_faults_everything_matches() {
    for seed in seeds(5) {
        run(seed, Faults::NONE);
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_whatever_happens() {
    for seed in seeds(30) {
        run(seed, Faults::ALL);
    }
}
