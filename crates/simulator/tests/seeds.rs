//! Seeds: many worlds, in each of which every promise must be kept; runs that are equal; and modes
//! that promise less, which must be caught at it, since a judge that convicts nobody shows nothing.

use std::time::Duration;

use replication::Protocol;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use simulator::points::Point;
use simulator::setting::{Clocks, Members};
use simulator::{Outcome, Plan, Tally, Wishes, run};

fn outcome(seed: u64, wishes: &Wishes) -> Outcome {
    run(&Plan::drawn(seed, wishes), false)
}

/// Every promise is kept in each of these; what was counted.
fn check(seeds: impl IntoIterator<Item = u64>, wishes: &Wishes) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let outcome = outcome(seed, wishes);
        if let Some(broken) = outcome.broken {
            let (protocol, catalogs, what) = (wishes.protocol, wishes.catalogs, broken.what);
            let (members, clocks) = (wishes.members, wishes.clocks);
            let store = format!("--replication {protocol} --catalog-replicas {catalogs}");
            let invalidation = wishes.invalidation;
            let store = format!("{store} --members {members} --clocks {clocks}");
            let store = format!("{store} --invalidation {invalidation}");
            let store = format!("{store} --cache-policy {}", wishes.cache_policy);
            let again = format!("toystore sim --seed {seed} {store}");
            panic!("{}: {what}: {again}", broken.promise);
        }
        tally.add(&outcome.tally);
    }
    tally
}

/// Those that showed something once.
#[test]
fn what_was_found_once_stays_found() {
    let lines = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut words = line.split(' ');
        let seed = words.next().and_then(|seed| seed.parse().ok()).expect("a seed");
        let protocol = words.next().and_then(|word| word.parse().ok()).expect("its replication");
        let mut wishes = Wishes { protocol, ..Wishes::default() };
        for (name, value) in words.map_while(|word| word.split_once('=')) {
            match name {
                "catalogs" => wishes.catalogs = value.parse().expect("a number"),
                "members" => wishes.members = value.parse().expect("whether they change"),
                "invalidation" => wishes.invalidation = value.parse().expect("a mode"),
                _ => panic!("{name}: expected catalogs=3, members=fixed or invalidation=push"),
            }
        }
        check([seed], &wishes);
    }
}

#[test]
fn whoever_protects_loses_and_doubles_nothing() {
    for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.is_safe()) {
        check(30..50, &Wishes { protocol, ..Wishes::default() });
    }
}

/// In every seed, whether or not its kind of faults would be drawn.
#[test]
fn order_replicas_come_and_go_under_every_fault() {
    let members = Members::Changing;
    let tally = check(0..20, &Wishes { protocol: Protocol::Raft, members, ..Wishes::default() });
    let changed = tally.points.get(Point::Changed.words()).copied().unwrap_or(0);
    assert!(changed > 15, "members changed in {changed} of 20 seeds");
}

#[test]
fn without_faults_everything_matches() {
    check(0..5, &Wishes { faults: false, ..Wishes::default() });
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_whatever_happens() {
    check(0..30, &Wishes::default());
}

#[test]
fn the_same_seed_is_the_same_run_byte_for_byte() {
    for seed in 0..4 {
        let plan = Plan::drawn(seed, &Wishes::default());
        let (first, second) = (run(&plan, true), run(&plan, true));
        assert!(first.trace == second.trace, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.digest, run(&plan, false).digest, "a trace changes nothing: seed {seed}");
        // A look each tenth of a second, and one at the end.
        let looks: Vec<u64> = first.frames.iter().map(|frame| frame.at.0).collect();
        assert!(looks.len() > 100 && looks[..2] == [0, 100_000], "{looks:?}: seed {seed}");
        let seen = |frames: &[simulator::frames::Frame]| format!("{frames:?}");
        assert_eq!(seen(&first.frames), seen(&second.frames), "seed {seed}");
    }
}

/// The other ways to keep caches promise less about reads, and everything else. That stale reads
/// are seen in them shows that the judge can see them.
#[test]
fn weaker_caches_weaken_nothing_but_reads() {
    let modes = [Invalidation::Push, Invalidation::Ttl(Duration::from_secs(2)), Invalidation::None];
    for invalidation in modes {
        let tally = check(0..6, &Wishes { invalidation, ..Wishes::default() });
        assert!(tally.stale > 0, "{invalidation}: no read was ever stale");
    }
}

/// Which toy goes when a cache is full is nobody's business but the cache's.
#[test]
fn no_cache_policy_breaks_anything() {
    for cache_policy in [Policy::Fifo, Policy::Lfu, Policy::Random(1)] {
        check(0..4, &Wishes { cache_policy, ..Wishes::default() });
    }
    let plan = Plan::drawn(1, &Wishes { cache_policy: Policy::Random(1), ..Wishes::default() });
    assert_eq!(run(&plan, false).digest, run(&plan, false).digest, "a draw is repeated");
}

/// Leases trust clocks: beyond their bound, caches serve what is old, and are caught at it. What
/// waits for a barrier trusts none: orders, and what was bought, hold in every seed.
#[test]
fn clocks_beyond_their_bound_break_cached_reads_and_nothing_else() {
    for protocol in [Protocol::Raft, Protocol::Paxos] {
        let clocks = Clocks::BeyondBound;
        let tally = check(0..6, &Wishes { protocol, clocks, ..Wishes::default() });
        assert!(tally.seeds_forgiven > 0, "{protocol}: no cached read was caught to be old");
    }
}

/// `naive` is kept to be convicted: it must lose acknowledged orders, and name each.
#[test]
fn naive_loses_acknowledged_orders_and_names_them() {
    let tally = check(0..20, &Wishes { protocol: Protocol::Naive, ..Wishes::default() });
    assert!(tally.lost > 0, "naive lost nothing");
}
