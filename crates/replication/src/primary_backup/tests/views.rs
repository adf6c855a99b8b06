//! Answers of the arbiter that were long on their way.

use bytes::Bytes;

use crate::engine::{Engine, Input, Viewed};
use crate::log::Index;
use crate::primary_backup::Rules;
use crate::term::{NodeId, Term, View};

use super::world::World;

const LEADER: NodeId = NodeId(3);

fn led() -> World {
    let mut world = World::new(3, Rules::View);
    for id in [1, 2, 3] {
        world.step(NodeId(id), Input::Start);
    }
    world.settle();
    world.step(LEADER, Input::Lead { after: Term::ZERO });
    world.settle();
    world
}

/// A refusal that names an older view, or the leader's own, is about a question of before.
#[test]
fn an_old_refusal_deposes_nobody() {
    let mut world = led();
    for in_force in [View::default(), world.view.clone()] {
        world.step(LEADER, Input::Viewed(Viewed::Refused(in_force)));
        assert_eq!(world.hosts[&LEADER].engine.status().role, "leader");
    }
}

/// While a view with a new member is being asked for it may be in force, and that member the next
/// leader: an old refusal must not let commits go on without it.
#[test]
fn an_old_refusal_ends_no_change() {
    let mut world = led();
    world.crash(NodeId(2));
    world.step(LEADER, Input::Link { peer: NodeId(2), up: false });
    world.settle();
    world.restart(NodeId(2));
    world.step(LEADER, Input::Link { peer: NodeId(2), up: true });
    while world.asked.is_empty() {
        for id in [1, 2, 3] {
            world.sync(NodeId(id));
        }
        assert!(!world.network.is_empty(), "2 has everything in the end");
        world.deliver(0);
    }
    let in_force = world.view.clone();
    assert_eq!(world.hosts[&LEADER].engine.status().term, in_force.term);
    world.step(LEADER, Input::Viewed(Viewed::Refused(in_force)));
    // 2 is granted its place, but 3 has not heard; then 2 gets nothing of what is proposed.
    let committed = world.hosts[&LEADER].engine.status().committed;
    world.network.clear();
    world.cut = vec![(LEADER, NodeId(2))];
    world.step(LEADER, Input::Propose(vec![Bytes::from_static(b"tux")]));
    for _ in 0..20 {
        for id in [1, 3] {
            world.sync(NodeId(id));
        }
        if !world.network.is_empty() {
            world.deliver(0);
        }
    }
    let status = world.hosts[&LEADER].engine.status();
    assert_eq!(status.committed, committed, "nothing is acknowledged that 2 lacks");
    assert!(status.last > Index(committed.0));
}
