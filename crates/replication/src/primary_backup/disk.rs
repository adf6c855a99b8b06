//! What of the log is on this replica's disk, by counting records out and back.

use std::collections::VecDeque;

use crate::engine::Effect;
use crate::log::{Index, Record};

/// Follows records from [`Effect::Persist`] to
/// [`Input::Persisted`](crate::engine::Input::Persisted).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    /// Records emitted since the process started.
    count: u64,
    /// How many of them are on disk.
    confirmed: u64,
    /// The number of the newest promise.
    promise: u64,
    /// Invariant: every entry of the log up to here is on disk.
    durable: Index,
    /// (record number, index that is durable with it), both rising.
    waiting: VecDeque<(u64, Index)>,
}

impl Disk {
    pub(super) fn holding(last: Index) -> Disk {
        Disk { count: 0, confirmed: 0, promise: 0, durable: last, waiting: VecDeque::new() }
    }

    pub(super) fn durable(&self) -> Index {
        self.durable
    }

    pub(super) fn persist(&mut self, record: Record, effects: &mut Vec<Effect>) {
        self.count += 1;
        match &record {
            Record::Promise(_) => self.promise = self.count,
            Record::Accepted(_) | Record::Members(_) => {}
            Record::Append(entry) => self.waiting.push_back((self.count, entry.index)),
            Record::Truncate(from) => {
                self.durable = self.durable.min(from.previous());
                self.waiting.retain(|(_, index)| index < from);
            }
        }
        effects.push(Effect::Persist(record));
    }

    /// Whether the newest promise is on disk, so that its term may be used.
    pub(super) fn has_promise(&self) -> bool {
        self.confirmed >= self.promise
    }

    pub(super) fn persisted(&mut self, upto: u64) {
        self.confirmed = self.confirmed.max(upto);
        while let Some((number, index)) = self.waiting.front().copied()
            && number <= upto
        {
            self.durable = self.durable.max(index);
            self.waiting.pop_front();
        }
    }

    /// A checkpoint stands for everything up to `index`.
    pub(super) fn replaced(&mut self, index: Index) {
        self.durable = index;
        self.waiting.clear();
    }
}
