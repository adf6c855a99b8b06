//! The engine in the test world of the quorum engines: golden scripts, random walks; and messages
//! that nobody sends.

mod noise;
mod stored;
mod timing;

use std::path::Path;

use test_each_file::test_each_path;

use crate::engine;
use crate::engine::Engine;
use crate::log::Recovered;
use crate::paxos::message::Life;
use crate::paxos::{Config, Message, Paxos, Timers};
use crate::quorum_tests::walk::{Walk, walk};
use crate::quorum_tests::world::Shown;
use crate::quorum_tests::{self, Subject};
use crate::term::NodeId;

const PAXOS: Subject = Subject { name: "paxos", make, join: None, is_heartbeat };

fn make(id: NodeId, peers: &[NodeId], seed: u64, recovered: &Recovered) -> Box<dyn Engine> {
    let peers = peers.to_vec();
    let config = Config { id, peers, timers: Timers::DEFAULT, entries_kept: 3, seed };
    Box::new(Paxos::new(config, recovered))
}

fn is_heartbeat(message: &engine::Message) -> bool {
    match message {
        engine::Message::Paxos(message) => {
            matches!(message, Message::Ask { .. } | Message::Answer { .. })
        }
        engine::Message::PrimaryBackup(_) | engine::Message::Raft(_) => false,
    }
}

/// The life of a replica on an empty disk that starts at its clock's zero, but for that.
fn fixed() -> Life {
    Life { started: 1, promised: 0, records: 0 }
}

test_each_path! { in "crates/replication/src/paxos/testscripts" as testscripts => script }

fn script(path: &Path) {
    quorum_tests::run(path, PAXOS);
}

#[test]
fn scripts_are_the_scenarios() {
    quorum_tests::assert_has_scenarios(PAXOS);
}

#[test]
fn walks() {
    quorum_tests::walks(PAXOS);
}

/// What they found is in [`crate::paxos`].
#[test]
fn walks_that_failed_once_hold() {
    for (seed, steps) in [(28_592, 2000), (225_760, 300), (651_476, 300)] {
        walk(seed, steps, PAXOS);
    }
}

/// The same inputs make the same effects.
#[test]
fn a_walk_is_the_same_each_time() {
    let trace = |seed| {
        let mut walk = Walk::new(seed, PAXOS);
        walk.world.trace = Some(String::new());
        walk.world.shown = Shown::All;
        walk.go(1000);
        walk.world.trace.expect("it is kept")
    };
    for seed in 0..20 {
        assert!(trace(seed) == trace(seed), "walk {seed} differs from itself");
    }
}

/// How many walks it takes at most to find each bug.
#[cfg(feature = "planted")]
#[test]
#[expect(clippy::disallowed_macros, reason = "a test may say what it did")]
fn every_bug_is_found() {
    use crate::planted::Bug;

    let bugs = [
        Bug::PromiseForgotten,
        Bug::AcceptUnsynced,
        Bug::LinkUnordered,
        Bug::StockSnapshot,
        Bug::SnapshotOffByOne,
        Bug::SyncTorn,
        Bug::TruncatesTooFar,
        Bug::ReachableMajority,
        Bug::ProbeSkipped,
    ];
    for bug in bugs {
        let found = quorum_tests::found(bug, PAXOS, 60_000);
        println!("{}: {found:?}", bug.name());
        assert!(found.is_some(), "{} is not found", bug.name());
    }
}
