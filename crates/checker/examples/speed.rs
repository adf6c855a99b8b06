//! How long a history takes: `cargo run --release -p checker --example speed -- 1000000 30`.
//!
//! Makes a right one of so many operations over so many toys, in memory, then reads and judges it.
//! The figures are in `docs/formats.md`.

// An example is no part of the checker: it may take the time and say it.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros)]

#[path = "../tests/random/store.rs"]
mod store;

use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|text| text.parse::<u64>().ok());
    let operations = arguments.next().unwrap_or(1_000_000);
    let toys = arguments.next().unwrap_or(30) as usize;
    let mut text = Vec::new();
    let plan = store::Plan {
        seed: 7,
        toys,
        clients: 64,
        operations,
        quantity: 100,
        versions: true,
        logged_keys: true,
        unknown: arguments.next().is_some(),
    };
    store::history(plan, &mut |line| {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    });
    let megabytes = text.len() as f64 / 1e6;
    let begin = Instant::now();
    let history = checker::history::read(&text).expect("what was made is a history");
    let read = begin.elapsed();
    let begin = Instant::now();
    let judged = checker::judge(&history, checker::STEPS_DEFAULT);
    let judged_in = begin.elapsed();
    print!("{}", checker::report::text(&history, &judged));
    println!("{megabytes:.0} MB read in {read:.2?}, judged in {judged_in:.2?}");
}
