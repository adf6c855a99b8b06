//! How long elections take, and what does not cause one. The network and the disks take no time.

use std::time::Duration;

use bytes::Bytes;

use super::Subject;
use super::world::World;
use crate::engine::Input;
use crate::log::Index;
use crate::term::{NodeId, Term};

const LONG: Duration = Duration::from_secs(10);

/// A group in which somebody has led for a while; how long differs.
fn led(subject: Subject, seed: u64) -> (World, NodeId) {
    let mut world = World::new(3, seed, subject);
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

/// Counted from the pause; it was heard up to a heartbeat before.
pub fn a_silent_leader_is_replaced_within_1300_ms_and_not_before_500(subject: Subject) {
    let all: Vec<u64> = (0..50)
        .map(|seed| {
            let (mut world, leader) = led(subject, seed);
            world.pause(leader);
            until_another_leads(&mut world, leader)
        })
        .collect();
    let (least, most) = (all.iter().min().expect("some"), all.iter().max().expect("some"));
    assert!(*least >= 500 && *most <= 1300, "{all:?}");
}

pub fn a_leader_whose_connections_are_refused_is_replaced_at_once(subject: Subject) {
    for seed in 0..20 {
        let (mut world, leader) = led(subject, seed);
        world.crash(leader, 0);
        let millis = until_another_leads(&mut world, leader);
        assert!(millis <= 30, "seed {seed}: {millis} ms");
    }
}

pub fn a_process_that_stalls_for_90_ms_is_not_replaced(subject: Subject) {
    for seed in 0..20 {
        let (mut world, leader) = led(subject, seed);
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

pub fn a_leader_hands_over_before_it_stops(subject: Subject) {
    let (mut world, leader) = led(subject, 1);
    world.propose(leader, vec![Bytes::from_static(b"tux")]);
    world.settle();
    world.step(leader, Input::HandOver);
    assert_eq!(until_another_leads(&mut world, leader), 0);
}

/// Another engine's log goes on as that of the next generation.
pub fn a_group_of_a_later_generation_elects_and_commits(subject: Subject) {
    let mut world = World::new(3, 1, subject);
    let ids = world.ids();
    for id in &ids {
        world.host(*id).checkpoint.promised = Term { generation: 1, ..Term::ZERO };
    }
    world.start(&ids);
    assert!(world.run(&ids, LONG, |world| world.leader().is_some()));
    let leader = world.leader().expect("it was just elected");
    assert_eq!(world.hosts[&leader].leading.map(|term| term.generation), Some(1));
    world.propose(leader, vec![Bytes::from_static(b"tux")]);
    world.settle();
    assert_eq!(world.hosts[&leader].last_applied(), Index(2));
}

pub fn a_new_group_has_a_leader_within_300_ms(subject: Subject) {
    for seed in 0..20 {
        let mut world = World::new(3, seed, subject);
        let ids = world.ids();
        world.start(&ids);
        let first = Duration::from_millis(300);
        assert!(world.run(&ids, first, |world| world.leader().is_some()), "seed {seed}");
    }
}
