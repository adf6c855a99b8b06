//! What was asked, when, and what came of it: what a history needs to know of a request.
//!
//! Pure. Kept by [`super::worker`] as it was, since it has no time to read it; made into lines by
//! [`crate::command::load`].

use std::time::Duration;

pub use super::client::Asked;
use super::reply::Frame;

/// One request that has ended.
#[derive(Debug)]
pub struct Recorded {
    /// Which of its thread's clients, from 0 on.
    pub client: usize,
    /// What it asked, and when: just before the first byte was sent.
    pub asked: Asked,
    /// Just after the last byte had come, or it was given up; on the clock of all threads.
    pub returned: Duration,
    /// What came.
    pub came: Came,
}

/// What came of a request.
#[derive(Debug)]
pub enum Came {
    /// An answer: its bytes, and where they are what.
    Answer(Box<[u8]>, Frame),
    /// No connection, so nobody has seen the request.
    Refusal,
    /// Nothing that can be understood: nobody knows what became of it.
    Nothing,
}
