//! Many walks: those of every test run, the hundred thousand of the gate, and the first that finds
//! a planted bug. Called by the engines' tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Subject;
use super::walk::{STEPS, Walk, walk};
use super::world::{Shown, Tally};

/// Walks of a test run, where nobody says otherwise.
const WALKS: u64 = 2000;

/// Threads that share the walks.
const THREADS: u64 = 2;

/// Lines of the trace of a failed walk.
const TAIL: usize = 80;

/// What many walks did.
#[derive(Clone, Copy, Default)]
struct Sum {
    walks: u64,
    acknowledged: u64,
    passed: u64,
    tally: Tally,
}

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.walks += other.walks;
        self.acknowledged += other.acknowledged;
        self.passed += other.passed;
        self.tally.add(&other.tally);
    }
}

/// Walks of an engine, none of which may fail.
///
/// `TOYSTORE_WALKS=100000` for the gate; `TOYSTORE_WALK_SEED=155` runs that one and prints what
/// happened if it fails; `TOYSTORE_WALK_STEPS=1000` for longer ones.
#[expect(clippy::disallowed_methods, reason = "a test may be told its seeds")]
#[expect(clippy::disallowed_macros, reason = "a test may say what it did")]
pub fn walks(subject: Subject) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let steps = number("TOYSTORE_WALK_STEPS").map_or(STEPS, |n| n.try_into().expect("small"));
    let seeds = match number("TOYSTORE_WALK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TOYSTORE_WALKS").unwrap_or(WALKS),
    };
    let (mut sum, mut failed) = (Sum::default(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let seeds = seeds.clone().filter(move |seed| seed % THREADS == thread);
                scope.spawn(move || some(seeds, steps, subject))
            })
            .collect();
        for thread in threads {
            let (part, first) = thread.join().expect("walks are caught");
            sum.add(&part);
            failed.extend(first);
        }
    });
    if let Some(seed) = failed.iter().min() {
        let report = report(*seed, steps, subject);
        panic!("{report}\nthe first to fail of each thread: {failed:?}");
    }
    let Sum { walks, acknowledged, passed, tally: t } = sum;
    println!(
        "{}: {walks} walks, {} steps, {} faults, {} leaders, {acknowledged} acknowledged, \
         {passed} reads, {} changes of members, {} snapshots installed, {} messages, \
         {} records, {} warnings, healed within {:?}",
        subject.name,
        t.steps,
        t.faults,
        t.leaders,
        t.changes,
        t.installs,
        t.sends,
        t.persists,
        t.warnings,
        t.healing
    );
    if walks >= WALKS {
        assert_repeats(steps, subject);
        assert!(acknowledged > walks && passed > walks, "walks get somewhere");
        assert!(t.installs > 0, "some replica gets a snapshot");
        let changing = subject.join.is_some();
        assert!(!changing || t.changes > walks / 4, "members change");
    }
}

/// A seed that does not fix its walk repeats nothing.
fn assert_repeats(steps: usize, subject: Subject) {
    let trace = |seed| {
        let mut walk = Walk::new(seed, subject);
        walk.world.trace = Some(String::new());
        walk.go(steps);
        walk.world.trace
    };
    for seed in 0..10 {
        assert!(trace(seed) == trace(seed), "walk {seed} is another one when it is repeated");
    }
}

/// These walks, up to the first that fails.
fn some(seeds: impl Iterator<Item = u64>, steps: usize, subject: Subject) -> (Sum, Option<u64>) {
    let mut sum = Sum::default();
    for seed in seeds {
        let Ok(world) = catch_unwind(|| walk(seed, steps, subject)) else {
            return (sum, Some(seed));
        };
        sum.add(&Sum {
            walks: 1,
            acknowledged: world.witness.acknowledged() as u64,
            passed: world.witness.passed,
            tally: world.tally,
        });
    }
    (sum, None)
}

/// What a failed walk did last, and how to see it again.
fn report(seed: u64, steps: usize, subject: Subject) -> String {
    let mut walk = Walk::new(seed, subject);
    walk.world.trace = Some(String::new());
    walk.world.shown = Shown::Everything;
    let failed = catch_unwind(AssertUnwindSafe(|| walk.go(steps)));
    let why = match &failed {
        Ok(()) => "nothing, when it is repeated: it is not deterministic".to_string(),
        Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_string(),
            (None, None) => "a panic without words".to_string(),
        },
    };
    let trace = walk.world.trace.unwrap_or_default();
    let lines: Vec<&str> = trace.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
    let name = subject.name;
    format!(
        "{tail}\n\n{name}: walk {seed} of {steps} steps fails: {why}\nrepeat it by \
         TOYSTORE_WALK_SEED={seed} TOYSTORE_WALK_STEPS={steps} cargo test -p replication {name}"
    )
}

/// The first of so many walks that fails with a bug planted: `None` if it is not found.
#[cfg(feature = "planted")]
pub fn found(bug: crate::planted::Bug, subject: Subject, seeds: u64) -> Option<u64> {
    let _planting = crate::planted::plant(&[bug]);
    some(0..seeds, STEPS, subject).1
}
