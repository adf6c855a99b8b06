//! The test world of the quorum engines: replicas with disks, clocks and a network, in which an
//! engine is stepped by golden scripts and by seeded random walks. Whoever agrees by majorities,
//! without an arbiter, is tested here, and by the same scenarios, so that their transcripts can be
//! laid side by side.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`world`] | replicas and their network; performs effects as the shell does |
//! | [`host`] | one replica's process, disk, clock and state machine |
//! | [`passing`] | how time passes, from timer to timer |
//! | [`faults`] | what goes wrong: crashes, pauses, cuts, broken connections, drifting clocks |
//! | [`witness`] | what must hold after every step, by name |
//! | [`scripts`] | the golden scripts' commands |
//! | [`walk`] | a seeded random walk with every fault |
//! | [`temper`] | how likely each fault is |
//! | [`changes`] | members that come and go |
//! | [`healing`] | the end of a walk, when all must become well |
//! | [`timing`] | how long elections take, and what does not cause one |
//! | [`gate`] | many walks, and the first that finds a planted bug |
//!
//! An engine's tests plug in by a [`Subject`]:
//!
//! ```text
//! const RAFT: Subject = Subject { name: "raft", make, join: None, is_heartbeat };
//!
//! test_each_path! { in "crates/replication/src/raft/testscripts" as scripts => script }
//! fn script(path: &Path) { quorum_tests::run(path, RAFT); }
//! #[test] fn scripts_are_the_scenarios() {
//!     quorum_tests::assert_has_scenarios(RAFT);
//! }
//! #[test] fn walks() { quorum_tests::walks(RAFT); }
//! #[cfg(feature = "planted")] #[test] fn every_bug_is_found() {
//!     assert!(quorum_tests::found(Bug::ForgottenVote, RAFT, 20_000).is_some());
//! }
//! ```
//!
//! `cp quorum_tests/scenarios/* raft/testscripts/` and `UPDATE_GOLDENFILES=1 cargo test -p
//! replication raft` make the transcripts; then they are read.

mod changes;
pub mod faults;
pub mod gate;
mod healing;
pub mod host;
pub mod passing;
pub mod scripts;
pub mod temper;
pub mod timing;
pub mod walk;
pub mod witness;
pub mod world;

use crate::engine::{Engine, Message};
use crate::log::Recovered;
use crate::term::NodeId;

#[cfg(feature = "planted")]
pub use gate::found;
pub use gate::walks;
pub use scripts::{assert_has_scenarios, run};

/// Makes a replica of an engine from what is on its disk. The seed differs for each start.
pub type Make = fn(id: NodeId, peers: &[NodeId], seed: u64, &Recovered) -> Box<dyn Engine>;

/// The same of one that comes to a group that is there already.
pub type Join = fn(id: NodeId, seed: u64, &Recovered) -> Box<dyn Engine>;

/// An engine under test.
#[derive(Clone, Copy)]
pub struct Subject {
    /// Its module: its folder under `src`, and how its tests are called.
    pub name: &'static str,
    /// Makes a replica.
    pub make: Make,
    /// Makes a newcomer; `None` if the members are fixed, or are not to change in these tests.
    pub join: Option<Join>,
    /// Whether a message only says that somebody is alive: transcripts leave it out.
    pub is_heartbeat: fn(&Message) -> bool,
}
