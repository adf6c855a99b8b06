//! What a suite prints: what was run, what went wrong on purpose, which states were reached.
//!
//! Called by `sim::mod`.

use anstream::println;
use simulator::points::Point;
use simulator::{Tally, Wishes};

use super::paint;

/// Seeds that were run under the same wishes.
pub struct Suite {
    /// What was fixed for all.
    pub wishes: Wishes,
    /// What was counted.
    pub tally: Tally,
}

impl Suite {
    /// One without a seed.
    pub fn new(wishes: Wishes) -> Suite {
        Suite { wishes, tally: Tally::default() }
    }

    /// Adds a run.
    pub fn add(&mut self, tally: &Tally) {
        self.tally.add(tally);
    }
}

/// Prints everything; with `due`, points that were missed are marked.
pub fn print(suite: &Suite, due: bool) {
    let tally = &suite.tally;
    print_sums(tally);
    let mut faults = paint::table_of_numbers(&["fault", "times"], 1);
    for (kind, times) in &tally.faults {
        faults.add_row([kind.clone(), times.to_string()]);
    }
    println!("{faults}");
    let mut points = paint::table_of_numbers(&["sometimes", "seeds"], 1);
    for point in Point::ALL.into_iter().filter(|point| point.is_due(&suite.wishes)) {
        let seeds = tally.points.get(point.words()).copied().unwrap_or(0);
        let words = if seeds == 0 && due { "NEVER".to_string() } else { seeds.to_string() };
        points.add_row([point.words().to_string(), words]);
    }
    println!("{points}");
}

/// Prints the numbers of a suite, or of the whole ledger.
pub fn print_sums(tally: &Tally) {
    let mut sums = paint::table_of_numbers(&["counted", ""], 1);
    let hours = tally.simulated_micros as f64 / 3.6e9;
    let share = |part: u64| part as f64 * 100.0 / tally.operations().max(1) as f64;
    let forgiven = tally.seeds_forgiven.to_string();
    let rows = [
        ("seeds", tally.seeds.to_string()),
        ("of these, a promise broken", tally.seeds_broken.to_string()),
        ("of these, with stale reads where none is promised fresh", forgiven),
        ("of these, run twice with equal digests", tally.seeds_twice.to_string()),
        ("simulated hours", format!("{hours:.2}")),
        ("CPU seconds", format!("{:.1}", tally.cpu_micros as f64 / 1e6)),
        ("simulated seconds for a CPU second", format!("{:.0}", tally.speed())),
        ("faults", tally.faults_total().to_string()),
        ("client operations", tally.operations().to_string()),
        ("answered, %", format!("{:.1}", share(tally.answered))),
        ("unknown, %", format!("{:.1}", share(tally.unknown))),
        ("orders acknowledged", tally.orders.to_string()),
        ("reads judged", tally.reads.to_string()),
        ("stale reads", tally.stale.to_string()),
        ("acknowledged orders lost, and named", tally.lost.to_string()),
        ("messages lost", tally.messages_lost.to_string()),
        ("steps of nodes", tally.steps.to_string()),
    ];
    for (name, number) in rows {
        sums.add_row([name.to_string(), number]);
    }
    println!("{sums}");
}
