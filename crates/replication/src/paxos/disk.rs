//! How much of what was emitted is on this replica's disk, by counting records out and back.

use std::collections::VecDeque;

use super::storage::UNDONE;
use crate::engine::Effect;
use crate::log::{Index, Record};
use crate::term::Term;

/// Follows records from [`Effect::Persist`] to
/// [`Input::Persisted`](crate::engine::Input::Persisted).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    /// Records emitted since the process started.
    count: u64,
    /// How many of them are on disk.
    confirmed: u64,
    /// The end of the log with all that was emitted.
    last: Index,
    /// Invariant: every entry of the log up to here is on disk, and counts there.
    durable: Index,
    /// (record number, index that is durable with it), both rising.
    waiting: VecDeque<(u64, Index)>,
    /// A history is being taken over: its entries count with its last record.
    taking_over: Option<Term>,
}

impl Disk {
    pub(super) fn holding(last: Index) -> Disk {
        let waiting = VecDeque::new();
        Disk { count: 0, confirmed: 0, last, durable: last, waiting, taking_over: None }
    }

    pub(super) fn durable(&self) -> Index {
        self.durable
    }

    /// The number of the newest record: what relies on the disk waits for it.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    pub(super) fn is_idle(&self) -> bool {
        self.confirmed >= self.count
    }

    pub(super) fn persist(&mut self, record: Record, effects: &mut Vec<Effect>) {
        self.count += 1;
        match &record {
            // Raft's alone are members.
            Record::Promise(_) | Record::Members(_) => {}
            Record::Append(entry) => {
                self.last = entry.index;
                if self.taking_over.is_none() {
                    self.waiting.push_back((self.count, entry.index));
                }
            }
            Record::Truncate(from) => {
                self.last = from.previous();
                self.durable = self.durable.min(self.last);
                self.waiting.retain(|(_, index)| index < from);
            }
            Record::Accepted(UNDONE) => {}
            Record::Accepted(term) => match self.taking_over.take() {
                None => self.taking_over = Some(*term),
                Some(_) => self.waiting.push_back((self.count, self.last)),
            },
        }
        effects.push(Effect::Persist(record));
    }

    pub(super) fn persisted(&mut self, upto: u64) {
        self.confirmed = self.confirmed.max(upto.min(self.count));
        while let Some((number, index)) = self.waiting.front().copied()
            && number <= upto
        {
            self.durable = self.durable.max(index);
            self.waiting.pop_front();
        }
    }

    /// A checkpoint stands for everything up to `index`, and for all records before it.
    pub(super) fn replaced(&mut self, index: Index) {
        self.last = index;
        self.durable = index;
        self.waiting.clear();
    }
}
