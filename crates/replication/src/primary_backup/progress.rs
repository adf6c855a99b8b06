//! How far a follower is, as its leader knows.

use crate::log::Index;
use crate::time::Time;

/// One follower's progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    /// Invariant: the follower's log equals the leader's up to here, on its disk.
    pub matched: Index,
    /// The next entry to send; runs ahead of `matched` while frames are under way.
    pub next: Index,
    /// Set after a rejection: one frame at a time until one is acknowledged.
    pub probing: bool,
    /// When it was last heard.
    pub heard: Time,
    /// When it last moved, or had everything.
    pub moved: Time,
    /// When something was last sent to it.
    pub sent: Time,
    /// The newest barrier that it acknowledged.
    pub barrier: u64,
    /// Its bytes of the snapshot, while one is being sent.
    pub snapshot_bytes: Option<u64>,
}

impl Progress {
    /// Nothing is known; try the log's end first.
    pub(super) fn new(now: Time, last: Index) -> Progress {
        Progress {
            matched: Index(0),
            next: last.next(),
            probing: true,
            heard: now,
            moved: now,
            sent: now,
            barrier: 0,
            snapshot_bytes: None,
        }
    }

    /// An acknowledgement.
    pub(super) fn acknowledged(&mut self, now: Time, matched: Index, barrier: u64, last: Index) {
        self.heard = now;
        if matched > self.matched || matched == last {
            self.moved = now;
        }
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        self.barrier = self.barrier.max(barrier);
        self.probing = false;
        self.snapshot_bytes = None;
    }

    /// A rejection: `last` is where the logs may still be equal. Returns whether to try again now.
    pub(super) fn rejected(&mut self, now: Time, last: Index) -> bool {
        self.heard = now;
        let next = last.next().max(self.matched.next());
        let back = next < self.next;
        if back {
            self.next = next;
        }
        self.probing = true;
        back
    }
}
