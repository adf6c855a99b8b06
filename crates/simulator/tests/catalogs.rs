//! A catalog with replicas: every promise is kept whatever happens to them, and the store hardly
//! notices when the one that leads is gone.

use std::time::Duration;

use replication::{Protocol, Time};
use simulator::{Plan, Scenario, Wishes, run, run_measured};

/// When the leader of the catalog is struck.
const STRUCK: Time = Time(3_000_000);

/// Until it is back.
const DOWN: Duration = Duration::from_secs(4);

fn safe() -> impl Iterator<Item = Protocol> {
    Protocol::ALL.into_iter().filter(|protocol| protocol.is_safe())
}

#[test]
fn every_promise_is_kept_with_three_catalogs() {
    for protocol in safe() {
        let wishes = Wishes { protocol, catalogs: 3, ..Wishes::default() };
        for seed in 0..12 {
            let outcome = run(&Plan::drawn(seed, &wishes), false);
            let again = format!("--seed {seed} --replication {protocol} --catalog-replicas 3");
            assert_eq!(outcome.broken, None, "toystore sim {again}");
        }
    }
}

#[test]
fn two_and_five_catalogs_keep_every_promise_too() {
    for catalogs in [2, 5] {
        let wishes = Wishes { protocol: Protocol::Raft, catalogs, ..Wishes::default() };
        for seed in 0..4 {
            let outcome = run(&Plan::drawn(seed, &wishes), false);
            let again = format!("--seed {seed} --catalog-replicas {catalogs}");
            assert_eq!(outcome.broken, None, "toystore sim {again}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let wishes = Wishes { protocol: Protocol::Raft, catalogs: 3, ..Wishes::default() };
    for seed in 0..3 {
        let plan = Plan::drawn(seed, &wishes);
        assert_eq!(run(&plan, false).digest, run(&plan, true).digest, "seed {seed}");
    }
}

/// The longest time without an order while the leader of the catalog is away.
fn longest_gap(what: &str, protocol: Protocol, seed: u64) -> Duration {
    let text = format!(
        "about = \"The leader of the catalog is gone for a while.\"\n\
         [store]\nfrontends = 2\nreplication = \"{protocol}\"\ncatalog-replicas = 3\n\
         [shoppers]\nclients = 8\nprobability = 0.9\npause = \"5ms\"\nretries = 5\nfor = \"9s\"\n\
         [[faults]]\nat = \"3s\"\nwhat = \"{what}\"\nnode = \"catalog\"\nfor = \"4s\"\n\
         [expect]\nheld = true\n"
    );
    let plan = Scenario::read(&text).expect("a scenario").plan(seed);
    let end = STRUCK + DOWN;
    let (outcome, costs) = run_measured(&plan, STRUCK..end);
    assert_eq!(outcome.broken, None, "{what} {protocol} seed {seed}");
    let told = costs.acknowledged.iter().map(|order| order.at).filter(|at| *at < end);
    let (mut last, mut longest) = (STRUCK, Duration::ZERO);
    for at in told.filter(|at| *at > STRUCK).chain([end]) {
        longest = longest.max(at.since(last));
        last = at;
    }
    longest
}

#[test]
fn orders_go_on_at_once_when_the_leader_of_the_catalog_is_killed_or_stopped() {
    for protocol in safe() {
        for (what, seed) in [("kill", 1), ("kill", 2), ("kill", 3), ("stop", 4), ("stop", 5)] {
            let gap = longest_gap(what, protocol, seed);
            // Mostly some tens of milliseconds; one more election timeout, if votes are split.
            assert!(gap < Duration::from_millis(1500), "{what} {protocol} seed {seed}: {gap:?}");
        }
    }
}

#[test]
fn a_leader_of_the_catalog_that_hangs_is_left_in_time() {
    for protocol in safe() {
        for seed in 1..4 {
            let gap = longest_gap("pause", protocol, seed);
            assert!(gap < Duration::from_millis(2500), "{protocol} seed {seed}: {gap:?}");
        }
    }
}
