//! Agreeing on a log, as pure state machines.
//!
//! This crate knows no toys: a command is a string of bytes. It has no clock, disk, socket, thread
//! or hidden randomness; time and what happened come in as [`engine::Input`], what must be done
//! goes out as [`engine::Effect`]. The order service and the catalog (crate `shop`) each put their
//! state machine on top of one [`Engine`]; the shell (crate `toystore`) performs the effects.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`time`] | a node's own monotonic clock, as a number |
//! | [`term`] | replica ids, terms, views |
//! | [`log`] | entries, the in-memory log, what is written to disk |
//! | [`members`] | who belongs to a group, and how that changes |
//! | `catch_up` | whether a replica that was started has what the others had then |
//! | [`engine`] | the trait that every way of agreeing implements |
//! | [`protocol`] | which of them a store uses, and how a replica of it is set up |
//! | [`migration`] | from one of them to another, on the disks of a store that is stopped |
//! | [`state`] | the bytes of a snapshot |
//! | [`single`] | one node: the catalog by default |
//! | [`paxos`] | a majority agrees without an arbiter: Sequence Paxos |
//! | [`planted`] | faults that are planted on purpose, under cargo feature `planted` |
//! | [`raft`] | Raft, on an existing engine |
//! | [`primary_backup`] | the course's rule with a view that makes it safe; and `naive`, without |

#![deny(clippy::wildcard_enum_match_arm)]

mod catch_up;
pub mod engine;
pub mod log;
pub mod members;
pub mod migration;
pub mod paxos;
mod pieces;
pub mod planted;
pub mod primary_backup;
pub mod protocol;
#[cfg(test)]
mod quorum_tests;
pub mod raft;
pub mod single;
pub mod state;
pub mod term;
pub mod time;

pub use engine::Engine;
pub use log::{Entry, Index, Log, Record};
pub use members::Members;
pub use protocol::Protocol;
pub use state::StateBytes;
pub use term::{NodeId, Term, View};
pub use time::Time;
