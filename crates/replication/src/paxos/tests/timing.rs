//! How long elections take, and what does not cause one. The network and the disks take no time.

use std::time::Duration;

use super::PAXOS;
use crate::quorum_tests::world::World;
use crate::term::NodeId;

const LONG: Duration = Duration::from_secs(10);

/// A group in which somebody has led for a while; how long differs.
fn led(seed: u64) -> (World, NodeId) {
    let mut world = World::new(3, seed, PAXOS);
    let ids = world.ids();
    world.start(&ids);
    assert!(world.run(&ids, LONG, |world| world.leader().is_some()));
    let more = Duration::from_millis(1000 + 37 * seed);
    world.run(&ids, more, |_| false);
    let leader = world.leader().expect("nothing went wrong");
    (world, leader)
}

/// Until somebody else leads, in milliseconds.
fn until_another_leads(world: &mut World, old: NodeId) -> u64 {
    let (ids, begin) = (world.ids(), world.now);
    let other = |world: &World| world.hosts.iter().any(|(id, h)| *id != old && h.leading.is_some());
    assert!(world.run(&ids, LONG, other), "nobody leads");
    world.now.since(begin).as_millis().try_into().expect("a short while")
}

#[test]
fn a_silent_leader_is_replaced_within_1200_ms_and_not_before_300() {
    let all: Vec<u64> = (0..50)
        .map(|seed| {
            let (mut world, leader) = led(seed);
            world.pause(leader);
            until_another_leads(&mut world, leader)
        })
        .collect();
    let (least, most) = (all.iter().min().expect("some"), all.iter().max().expect("some"));
    assert!(*least >= 300 && *most <= 1200, "{all:?}");
}

#[test]
fn a_leader_whose_connections_are_refused_is_replaced_at_once() {
    for seed in 0..20 {
        let (mut world, leader) = led(seed);
        world.crash(leader, 0);
        let millis = until_another_leads(&mut world, leader);
        assert!((5..=30).contains(&millis), "seed {seed}: {millis} ms");
    }
}

#[test]
fn a_process_that_stalls_for_90_ms_is_not_replaced() {
    for seed in 0..20 {
        let (mut world, leader) = led(seed);
        let term = world.hosts[&leader].leading;
        let ids = world.ids();
        for turn in 0..100 {
            let stalled = ids[turn % ids.len()];
            world.pause(stalled);
            world.run(&ids, Duration::from_millis(90), |_| false);
            world.resume(stalled);
            world.run(&ids, Duration::from_millis(seed), |_| false);
        }
        assert_eq!(world.hosts[&leader].leading, term, "seed {seed}");
    }
}

#[test]
fn a_leader_hands_over_before_it_stops() {
    let (mut world, leader) = led(1);
    world.propose(leader, vec![bytes::Bytes::from_static(b"tux")]);
    world.settle();
    world.step(leader, crate::engine::Input::HandOver);
    assert_eq!(until_another_leads(&mut world, leader), 0);
}
