//! What must hold of every byte sequence that a decoder is given: one module for each kind of
//! bytes that come from outside (a disk, another node, a client, a file of a person).
//!
//! `check` of each module takes any bytes, and panics where a promise is broken. libFuzzer makes
//! bytes up, guided by what they reach (`targets`, run by `.ci/fuzz`); the ones that are kept, in
//! `corpus`, are checked by `tests/corpus.rs` on every machine. What a fuzzer has found once is put
//! there under a name that says what it was.
//!
//! | module | bytes | from |
//! | --- | --- | --- |
//! | [`log`] | segments and checkpoints | a disk |
//! | [`messages`] | messages, bodies, commands, snapshots | another node, a disk |
//! | [`json`] | a request, head and body | a client |
//! | [`catalogue`] | a catalogue | a person |
//! | [`history`] | a history | whoever records |
//! | [`scenario`] | a scenario | a person |

pub mod catalogue;
pub mod history;
pub mod json;
pub mod log;
pub mod messages;
pub mod scenario;

use std::alloc::System;

use cap::Cap;

/// What all bytes that are alive may take, in bytes. No input is longer than 64 KiB, so a decoder
/// that comes near it has believed a length that stood in its input. The allocator refuses more,
/// which ends the process, which is a finding.
const ALLOCATED_BYTES_MAX: usize = 64 << 20;

// The allocator is the one place that sees every allocation; a bound on the process's memory would
// not see what is allocated and never touched.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, ALLOCATED_BYTES_MAX);

/// A target: its name, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; each has a program in `targets` and a folder in `corpus`, both of its name.
pub const TARGETS: [Target; 6] = [
    ("catalogue", catalogue::check),
    ("history", history::check),
    ("json", json::check),
    ("log", log::check),
    ("messages", messages::check),
    ("scenario", scenario::check),
];
