//! What waits for the disk: the crate's own progress, and messages that promise what is on it.
//!
//! A follower says "appended" and a voter says "yes" only of what is on disk; the crate counts its
//! own vote and its own copy only then. Both wait here in one queue, in the order in which they
//! came, so that nothing overtakes what it relies on. Asked by `ready`.

use std::collections::VecDeque;

use super::message::Message;
use crate::log::Index;
use crate::term::NodeId;

/// What waits.
pub(super) enum Waiting {
    /// The crate is to hear that this round of its work is on disk.
    Ready(u64),
    /// A message.
    Send(NodeId, Message),
}

/// Counts records out and back.
#[derive(Default)]
pub(super) struct Disk {
    /// Records emitted since the process started.
    emitted: u64,
    /// How many of them are on disk.
    confirmed: u64,
    /// A snapshot that is on its way to the disk, and the records before it, of which it takes the
    /// place; everything waits for it.
    checkpoint: Option<(Index, u64)>,
    /// With the number of records before it.
    queue: VecDeque<(u64, Waiting)>,
}

impl Disk {
    /// A record is emitted.
    pub fn emitted(&mut self) {
        self.emitted += 1;
    }

    /// The first `upto` records are on disk.
    pub fn confirmed(&mut self, upto: u64) {
        self.confirmed = self.confirmed.max(upto);
    }

    /// A snapshot takes the place of the log, once it is on disk.
    pub fn replacing(&mut self, index: Index) {
        self.checkpoint = Some((index, self.emitted));
    }

    /// Whether such a snapshot is on its way.
    pub fn is_replacing(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// That snapshot is on disk, or a later one.
    pub fn replaced(&mut self, index: Index) -> bool {
        let replaced = self.checkpoint.take_if(|(of, _)| *of <= index);
        self.confirmed = self.confirmed.max(replaced.map_or(0, |(_, records)| records));
        replaced.is_some()
    }

    /// Whether everything is on disk and said.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.checkpoint.is_none()
    }

    /// Waits for everything emitted so far.
    pub fn wait(&mut self, waiting: Waiting) {
        self.queue.push_back((self.emitted, waiting));
    }

    /// The next that waits no longer.
    pub fn next(&mut self) -> Option<Waiting> {
        if self.checkpoint.is_some() {
            return None;
        }
        let (after, _) = self.queue.front()?;
        if *after > self.confirmed {
            return None;
        }
        self.queue.pop_front().map(|(_, waiting)| waiting)
    }
}
