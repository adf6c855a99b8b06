//! Seeds over threads. The simulator knows no thread: each run is made on one, from its beginning
//! to its end, and runs know nothing of each other.
//!
//! Called by `sim::mod`.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use indicatif::{ProgressBar, ProgressStyle};
use rustix::time::{ClockId, clock_gettime};
use simulator::{Broken, Outcome, Plan, run as run_plan};

/// What this thread has worked, in microseconds.
fn cpu_micros() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unwrap_or(0)
}

/// One run, with what it cost.
pub fn measured(plan: &Plan, traced: bool) -> Outcome {
    let before = cpu_micros();
    let mut outcome = run_plan(plan, traced);
    outcome.tally.cpu_micros = cpu_micros() - before;
    outcome
}

/// Does something without a word about the panics in it: each is a broken promise, and told as one.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
}

/// Runs all seeds, and hands over what came of each as it comes.
pub fn run(
    seeds: Range<u64>,
    jobs: usize,
    twice: bool,
    plan_of: &(impl Fn(u64) -> Plan + Sync),
    mut each: impl FnMut(u64, &Outcome),
) {
    let bar = ProgressBar::new(seeds.end - seeds.start);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {eta} left") {
        bar.set_style(style);
    }
    let next = AtomicU64::new(seeds.start);
    quietly(|| {
        std::thread::scope(|scope| {
            // Bounded by the number of seeds, and emptied at once.
            let (sender, receiver) = mpsc::channel();
            for _ in 0..jobs {
                let (sender, next, end) = (sender.clone(), &next, seeds.end);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        // Whoever would hear it is gone only after a panic.
                        if seed >= end || sender.send((seed, one(&plan_of(seed), twice))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (seed, outcome) in receiver {
                bar.suspend(|| each(seed, &outcome));
                bar.inc(1);
            }
        });
    });
    bar.finish_and_clear();
}

fn one(plan: &Plan, twice: bool) -> Outcome {
    let mut outcome = measured(plan, false);
    if twice {
        let again = measured(plan, false);
        outcome.tally.cpu_micros += again.tally.cpu_micros;
        outcome.tally.simulated_micros += again.tally.simulated_micros;
        outcome.tally.seeds_twice = 1;
        if again.digest != outcome.digest {
            let what = format!("{:016x}, then {:016x}", outcome.digest, again.digest);
            outcome.broken = Some(Broken { promise: "same seed, same run", what });
            outcome.tally.seeds_broken = 1;
        }
    }
    outcome
}
