//! The Raft engine, tested: the scenarios that every quorum engine goes through, and walks.

mod noise;
mod timing;

use std::path::Path;

use test_each_file::test_each_path;

use super::message::Said;
use super::{Config, Raft, Timers};
use crate::engine::{Engine, Message};
use crate::log::Recovered;
use crate::quorum_tests::walk::{STEPS, walk};
use crate::quorum_tests::{self, Subject};
use crate::term::NodeId;

const RAFT: Subject = Subject { name: "raft", make, join: None, is_heartbeat };

/// The same with members that change.
const CHANGING: Subject = Subject { join: Some(join), ..RAFT };

fn make(id: NodeId, peers: &[NodeId], seed: u64, recovered: &Recovered) -> Box<dyn Engine> {
    let config = Config {
        id,
        peers: peers.to_vec(),
        timers: Timers::DEFAULT,
        entries_kept: 3,
        seed,
        joins: false,
    };
    Box::new(Raft::new(config, recovered))
}

fn join(id: NodeId, seed: u64, recovered: &Recovered) -> Box<dyn Engine> {
    let timers = Timers::DEFAULT;
    let config = Config { id, peers: Vec::new(), timers, entries_kept: 3, seed, joins: true };
    Box::new(Raft::new(config, recovered))
}

fn is_heartbeat(message: &Message) -> bool {
    match message {
        Message::Raft(message) => {
            matches!(message.said, Said::Heartbeat { barrier: 0, .. } | Said::Heard { barrier: 0 })
        }
        Message::PrimaryBackup(_) | Message::Paxos(_) => false,
    }
}

test_each_path! { in "crates/replication/src/raft/testscripts" as scripts => script }

fn script(path: &Path) {
    quorum_tests::run(path, RAFT);
}

#[test]
fn scripts_are_the_scenarios() {
    quorum_tests::assert_has_scenarios(RAFT);
}

#[test]
fn walks() {
    quorum_tests::walks(RAFT);
}

#[test]
fn walks_with_changes() {
    quorum_tests::walks(CHANGING);
}

/// 151936: a leader that had not announced itself went on sending a snapshot when it led no longer,
/// and its follower, which took that for a leader's word, gave nobody a vote. 227339 and 444530: of
/// two replicas one was taken out, and the other restarted before it had written that it is alone;
/// the one that was out had more of the log, and did not say what it knew to be committed.
#[test]
fn walks_that_failed_once_hold() {
    for seed in [151_936, 227_339, 444_530] {
        walk(seed, STEPS, CHANGING);
    }
}

test_each_path! {
    in "crates/replication/src/members/testscripts" as members => changing_script
}

fn changing_script(path: &Path) {
    quorum_tests::run(path, CHANGING);
}

/// Each is the mistake of somebody's Raft; the walk finds it by what it breaks.
#[cfg(feature = "planted")]
#[test]
fn every_bug_is_found() {
    use crate::planted::Bug;
    let bugs = [
        (Bug::AckUnsynced, 200),
        (Bug::VoteForgotten, 20_000),
        (Bug::TruncatesTooFar, 2000),
        (Bug::ReachableMajority, 2000),
        (Bug::StaleLeaderRead, 2000),
        (Bug::SnapshotOverwrites, 20_000),
    ];
    for (bug, seeds) in bugs {
        let found = quorum_tests::found(bug, RAFT, seeds);
        assert!(found.is_some(), "{}: {}", bug.name(), bug.wrong());
    }
    for bug in [Bug::OldMajorityAlone, Bug::MembersForgotten, Bug::ChangeForgotten] {
        let found = quorum_tests::found(bug, CHANGING, 20_000);
        assert!(found.is_some(), "{}: {}", bug.name(), bug.wrong());
    }
}
