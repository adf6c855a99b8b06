//! Messages that no replica sends: from a program with a bug, or from whoever has the token.

use bytes::Bytes;

use crate::engine::{self, Engine, Input};
use crate::log::{Entry, Index};
use crate::primary_backup::{Message, Rules};
use crate::term::{NodeId, Term};

use super::world::World;

const FOLLOWER: NodeId = NodeId(1);

/// What node 2 says to node 1, which follows 3 in term `0.1@3` and has its `Lead` entry.
fn check(message: Message) {
    let mut world = World::new(3, Rules::View);
    for id in [1, 2, 3] {
        world.step(NodeId(id), Input::Start);
    }
    world.settle();
    world.step(NodeId(3), Input::Lead { after: Term::ZERO });
    world.settle();
    let log = world.hosts[&FOLLOWER].engine.log().clone();
    let message = engine::Message::PrimaryBackup(message);
    world.step(FOLLOWER, Input::Receive { from: NodeId(2), message });
    assert_eq!(*world.hosts[&FOLLOWER].engine.log(), log);
    world.step(NodeId(3), Input::Propose(vec![Bytes::from_static(b"tux")]));
    world.settle();
    assert_eq!(world.hosts[&FOLLOWER].engine.log().last(), log.last().next());
}

fn append(term: Term, previous: u64, indexes: &[u64]) -> Message {
    let entry = |index: &u64| Entry { index: Index(*index), term, command: Bytes::new() };
    let entries = indexes.iter().map(entry).collect();
    let (previous, committed) = (Index(previous), Index(u64::MAX));
    Message::Append { term, previous, previous_term: term, entries, committed, barrier: 0 }
}

#[test]
fn entries_with_holes_are_not_heard() {
    let term = Term { generation: 0, number: 7, node: NodeId(2) };
    check(append(term, 0, &[1, 3]));
    check(append(term, 0, &[2]));
    check(append(term, u64::MAX, &[u64::MAX, 0]));
    let Message::Append { previous, previous_term, entries, .. } = append(term, 1, &[9]) else {
        unreachable!("append() makes one")
    };
    check(Message::Share { previous, previous_term, entries });
}

#[test]
fn who_speaks_for_the_leader_of_a_term_is_not_heard() {
    let term = Term { generation: 0, number: 7, node: NodeId(3) };
    check(append(term, 0, &[1]));
}

#[test]
fn an_acknowledgement_of_what_is_not_there_is_not_heard() {
    let mut world = World::new(3, Rules::View);
    for id in [1, 2, 3] {
        world.step(NodeId(id), Input::Start);
    }
    world.settle();
    world.step(NodeId(3), Input::Lead { after: Term::ZERO });
    world.settle();
    // Replica 1 does not get the entry, so that it must not be committed.
    world.cut.push((NodeId(3), NodeId(1)));
    world.step(NodeId(3), Input::Propose(vec![Bytes::from_static(b"tux")]));
    let term = world.hosts[&NodeId(3)].engine.status().term;
    let message = Message::Acknowledge { term, matched: Index(3), barrier: 0 };
    let message = engine::Message::PrimaryBackup(message);
    world.step(NodeId(3), Input::Receive { from: NodeId(1), message });
    world.settle();
    assert!(world.trace.contains("3: warn replica 1 acknowledges 3, the log ends at 2: not heard"));
    assert_eq!(world.hosts[&NodeId(3)].engine.status().committed, Index(1));
}

#[test]
fn indexes_beyond_any_log_do_no_harm() {
    let last = Index(u64::MAX);
    check(Message::Ask { last, last_term: Term::ZERO });
    check(Message::Share { previous: last, previous_term: Term::ZERO, entries: Vec::new() });
}
