//! Every planted bug is found, by the promise that it breaks; and what came of each is written in
//! `docs/planted-bugs.md`, which is compared, or written anew with `UPDATE_GOLDENFILES=1`.
//!
//! Needs cargo feature `planted`: `cargo test -p simulator --features planted --test planted`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use simulator::planted::{ALL, COVERED, Planted, RARE};
use simulator::{Plan, UNDECIDED, Wishes, run};

/// Each bug is looked for from each of these on, so that it is not by luck that it is found soon.
const FROM: [u64; 3] = [0, 10_000, 20_000];

/// And must be found within so many seeds.
const SEEDS_MAX: u64 = 1000;

/// Of what another rule covers, so many seeds must show nothing.
const SEEDS_COVERED: u64 = 100;

/// The characters of a verdict that are shown.
const VERDICT_MAX: usize = 150;

/// Where the table is, from this crate's folder.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/planted-bugs.md");

/// The rows of the zoo, from this crate's folder.
const ZOO: &str = include_str!("../../../docs/bug-zoo.md");

const INTRODUCTION: &str = "\
# Planted bugs

The checker is checked: bugs are planted on purpose, each in a store of its own, and the simulator
must find it, by the promise that it breaks. Written by `crates/simulator/tests/planted.rs`, which
also compares it in each run of the gate; anew, with every change of a protocol:

```text
UPDATE_GOLDENFILES=1 cargo test -p simulator --features planted --test planted
```

A bug is where it would be in a real store: in the *world* (disk, network, clock, or whoever
performs effects), `crates/simulator/src/world/lies.rs`; or at a *point* of the code, which cargo
feature `planted` compiles in, `crates/replication/src/planted.rs`. *Seeds*: how many 60-second
seeds it took, from seed 0, 10000 and 20000 on. *Broke*: every guarantee of which the checker says
so in the first of these; `liveness`: clients get no answers after everything has healed, or while
one replica stays away then; `recovery`: a process refuses to start. To see a bug happen:

```text
cargo run --release --features planted -- sim --planted stale-fill --seed 0 --trace
```
";

const COVERED_INTRODUCTION: &str = "
## Covered

Where a rule is kept twice, one place without it shows nothing. These are planted in 100 seeds, and
every promise is kept; where the other place is a rule too, both are planted together above.

| bug | what is wrong | what stands in |
| --- | --- | --- |
";

const RARE_INTRODUCTION: &str = "
## Rare

These were found once in many hundreds of seeds, or not at all, so the gate does not look for them:
the simulator shows little of these rules. The moment is named that a seed would have to meet.

| bug | what is wrong | what would have to happen |
| --- | --- | --- |
";

const ELSEWHERE_INTRODUCTION: &str = "
## Elsewhere

What cannot be planted here, and what shows that we have not got it.

| bug | why not here | shown by |
| --- | --- | --- |
";

/// What cannot be planted: name, why, where else it is looked for.
#[rustfmt::skip]
const ELSEWHERE: [(&str, &str, &str); 7] = [
    ("per-request-lock", "there is no lock: each node has one owner; what it leads to is oversell",
     "`tests/it/zoo.rs::oversell`"),
    ("negative-quantity", "a quantity below 1 has no value: `crates/shop/src/toy.rs`",
     "`tests/it/zoo.rs::negative_quantity`"),
    ("pool-deadlock", "there is no pool; and a lease bounds what a silent frontend holds up",
     "`tests/it/zoo.rs::pool_deadlock`"),
    ("fifo-as-lru", "breaks no guarantee: more misses",
     "`crates/shop/src/frontend/cache/tests.rs::a_hit_refreshes_recency`"),
    ("error-cached", "breaks no guarantee: an unknown toy is not found, cached or not",
     "`tests/it/zoo.rs::error_cached`"),
    ("timeout-mismatch", "harms nobody while retries have request ids; double-buy is one without",
     "`tests/it/zoo.rs::timeout_mismatch`"),
    ("torn-tail", "the log's own format: crate `wal` knows no planted bugs",
     "`crates/wal/src/tests/torn.rs`"),
];

/// How a bug was found.
struct Found {
    seeds: u64,
    seed: u64,
    convicted: Vec<&'static str>,
    sentence: String,
}

fn find(planted: &'static Planted, from: u64, seeds: u64) -> Option<Found> {
    let orders = planted.orders;
    let protocol = planted.protocol;
    let catalogs = planted.catalogs;
    let members = planted.members;
    let planted = Some(planted);
    let wishes = Wishes { planted, protocol, orders, catalogs, members, ..Wishes::default() };
    (from..from + seeds).find_map(|seed| {
        let outcome = run(&Plan::drawn(seed, &wishes), false);
        // What is not decided is not named.
        let broken = outcome.broken.filter(|broken| broken.promise != UNDECIDED)?;
        let sentence = format!("{}: {}", broken.promise, broken.what);
        Some(Found { seeds: seed - from + 1, seed, convicted: outcome.convicted, sentence })
    })
}

/// Does all of it, on as many threads as there are cores, and returns it in order.
fn all<T: Send>(count: usize, one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= count {
                return done;
            }
            done.push((place, one(place)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|thread| thread.join().expect("a search ends")).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, one)| one).collect()
}

/// As much of a sentence as fits into a cell.
fn shortened(sentence: &str) -> String {
    let sentence = sentence.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ");
    if sentence.chars().count() <= VERDICT_MAX {
        return sentence;
    }
    let short: String = sentence.chars().take(VERDICT_MAX).collect();
    let words = short.rsplit_once(' ').map_or(short.as_str(), |(words, _)| words);
    format!("{words} …")
}

fn place_of(planted: &Planted) -> String {
    let with: Vec<&str> = planted.points().iter().skip(1).map(|bug| bug.name()).collect();
    match planted.lie() {
        Some(_) => "world".to_string(),
        None if with.is_empty() => "point".to_string(),
        None => format!("point, with {}", with.join(" and ")),
    }
}

fn row(planted: &Planted, found: &[Option<Found>]) -> String {
    let cell = |found: &Option<Found>| match found {
        Some(found) => found.seeds.to_string(),
        None => format!("over {SEEDS_MAX}"),
    };
    let seeds: Vec<String> = found.iter().map(cell).collect();
    let mut flags = planted.orders.map_or_else(String::new, |orders| format!(" --orders {orders}"));
    if planted.catalogs > 1 {
        flags.push_str(&format!(" --catalog-replicas {}", planted.catalogs));
    }
    let Some(first) = found.iter().flatten().next() else {
        return format!("| {} | {} | | | not found | | |\n", planted.full_name(), planted.wrong());
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | `sim --planted {name}{flags} --seed {}` |\n",
        planted.wrong(),
        place_of(planted),
        first.convicted.join(", "),
        seeds.join(", "),
        shortened(&first.sentence),
        first.seed,
        name = planted.full_name(),
    )
}

/// Only those whose names contain this, and no table: `TOYSTORE_PLANTED=paxos/`.
#[expect(clippy::disallowed_macros, reason = "a test may say what it found")]
fn try_some(names: &str) {
    for planted in ALL.iter().filter(|planted| planted.full_name().contains(names)) {
        for from in FROM {
            let found = find(planted, from, SEEDS_MAX);
            let words = found.map(|found| (found.seeds, found.convicted, found.sentence));
            println!("{} from {from}: {words:?}", planted.full_name());
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the table is a file, and may be written anew")]
fn every_planted_bug_is_found_by_the_promise_that_it_breaks() {
    if let Ok(names) = std::env::var("TOYSTORE_PLANTED") {
        return try_some(&names);
    }
    // A panic in a node is a broken promise, and told as one.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let searches = ALL.len() * FROM.len();
    let found = all(searches, |n| find(&ALL[n / FROM.len()], FROM[n % FROM.len()], SEEDS_MAX));
    let covered = all(COVERED.len(), |n| find(&COVERED[n].planted, 0, SEEDS_COVERED));
    std::panic::set_hook(hook);

    let mut wrong = Vec::new();
    let mut table = INTRODUCTION.to_string();
    table.push_str("\n| bug | what is wrong | where | broke | seeds | verdict | see it |\n");
    table.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for (planted, found) in ALL.iter().zip(found.chunks(FROM.len())) {
        table.push_str(&row(planted, found));
        for (from, found) in FROM.iter().zip(found) {
            match found {
                None => {
                    wrong.push(format!("{} not found from seed {from} on", planted.full_name()))
                }
                Some(found) if !planted.is_named_by(&found.convicted) => {
                    let (name, seed, by) = (planted.full_name(), found.seed, &found.convicted);
                    wrong.push(format!("{name} broke {by:?} in seed {seed}: {}", found.sentence));
                }
                Some(_) => {}
            }
        }
    }
    let mut counts: Vec<u64> = found.iter().flatten().map(|found| found.seeds).collect();
    counts.sort_unstable();
    let (bugs, median, most) = (ALL.len(), counts[counts.len() / 2], counts[counts.len() - 1]);
    let words = "seeds to find one; the median is";
    writeln!(table, "\n{bugs} bugs; {words} {median}, the most {most}.").unwrap();
    table.push_str(COVERED_INTRODUCTION);
    for (one, found) in COVERED.iter().zip(covered) {
        let (name, what) = (one.planted.name(), one.planted.wrong());
        writeln!(table, "| {name} | {what} | {} |", one.why).unwrap();
        if let Some(found) = found {
            wrong.push(format!("{name} shows in seed {}: {}", found.seed, found.sentence));
        }
    }
    table.push_str(RARE_INTRODUCTION);
    for one in RARE {
        let (name, what) = (one.planted.name(), one.planted.wrong());
        writeln!(table, "| {name} | {what} | {} |", one.why).unwrap();
    }
    table.push_str(ELSEWHERE_INTRODUCTION);
    for (name, why, shown) in ELSEWHERE {
        writeln!(table, "| {name} | {why} | {shown} |").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if std::env::var("UPDATE_GOLDENFILES").is_ok_and(|value| value == "1") {
        std::fs::write(TABLE, &table).unwrap();
    }
    let kept = std::fs::read_to_string(TABLE).unwrap_or_default();
    let different = kept.lines().zip(table.lines()).find(|(kept, new)| kept != new);
    assert!(kept == table, "docs/planted-bugs.md is not current; first: {different:#?}");
}

#[test]
fn every_fault_of_the_zoo_is_planted_or_has_a_reason_why_not() {
    let elsewhere = ELSEWHERE.iter().map(|(name, _, _)| *name);
    let names: BTreeSet<&str> = ALL.iter().map(Planted::name).chain(elsewhere).collect();
    let rows = ZOO.lines().filter_map(|line| line.strip_prefix("| ")).skip(2);
    let rows: Vec<&str> = rows.filter_map(|row| row.split(" |").next()).collect();
    assert!(rows.len() > 20, "{rows:?}");
    let missing: Vec<&&str> = rows.iter().filter(|row| !names.contains(**row)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
