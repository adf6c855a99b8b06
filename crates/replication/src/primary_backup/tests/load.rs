//! What must go on while more and more is proposed.

use bytes::Bytes;

use crate::engine::Input;
use crate::primary_backup::Rules;
use crate::term::{NodeId, Term};

use super::world::World;

/// Some milliseconds in which a command comes before the acknowledgements of the last one do.
fn busy(world: &mut World) {
    let leader = NodeId(3);
    world.step(leader, Input::Propose(vec![Bytes::from_static(b"tux")]));
    for _ in 0..world.network.len() {
        world.deliver(0);
    }
    for id in world.hosts.keys().copied().collect::<Vec<_>>() {
        world.sync(id);
    }
    world.arbitrate(true);
    world.advance(5);
    world.check();
}

/// Alone, a leader commits as soon as its own disk has an entry: no follower ever has everything
/// that is committed. So commits wait for one that is close.
#[test]
fn followers_come_back_under_load() {
    let mut world = World::new(3, Rules::View);
    for id in [1, 2, 3] {
        world.step(NodeId(id), Input::Start);
    }
    world.settle();
    world.step(NodeId(3), Input::Lead { after: Term::ZERO });
    world.settle();
    world.crash(NodeId(1));
    world.crash(NodeId(2));
    for _ in 0..400 {
        busy(&mut world);
    }
    assert_eq!(world.view.in_sync, [NodeId(3)].into());
    world.restart(NodeId(1));
    world.restart(NodeId(2));
    for _ in 0..200 {
        busy(&mut world);
    }
    assert_eq!(world.view.in_sync, [1, 2, 3].map(NodeId).into());
}
