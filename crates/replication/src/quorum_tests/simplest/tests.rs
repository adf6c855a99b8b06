//! The test world tested by the simplest engine, as other engines are tested by the world.

use std::path::Path;

use test_each_file::test_each_path;

use super::SIMPLEST;
#[cfg(feature = "planted")]
use crate::planted::Bug;
use crate::quorum_tests;
use crate::quorum_tests::walk::{STEPS, Walk};

test_each_path! { in "crates/replication/src/quorum_tests/simplest/testscripts" as scripts => script }

fn script(path: &Path) {
    quorum_tests::run(path, SIMPLEST);
}

#[test]
fn scripts_are_the_scenarios() {
    quorum_tests::assert_has_scenarios("quorum_tests/simplest/testscripts");
}

#[test]
fn walks() {
    quorum_tests::walks(SIMPLEST);
}

/// A seed that does not fix its walk repeats nothing.
#[test]
fn the_same_seed_is_the_same_walk() {
    let trace = |seed| {
        let mut walk = Walk::new(seed, SIMPLEST);
        walk.world.trace = Some(String::new());
        walk.go(STEPS);
        walk.world.trace
    };
    for seed in 0..20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}

#[cfg(feature = "planted")]
#[test]
fn every_bug_is_found() {
    let bugs = [
        Bug::AckBeforeReplicate,
        Bug::AckUnsynced,
        Bug::ForgottenVote,
        Bug::LeadsEarly,
        Bug::OldTermHeard,
        Bug::StaleLeaderRead,
    ];
    for bug in bugs {
        let found = quorum_tests::found(bug, SIMPLEST, 20_000);
        assert!(found.is_some(), "{} is not found", bug.name());
    }
}
