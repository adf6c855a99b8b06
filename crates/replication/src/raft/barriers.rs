//! Read barriers: whether this replica still led at a moment after the question (Raft §6.4, read
//! index). The crate asks a quorum by a round of heartbeats, and repeats the newest question with
//! every later one, so that a lost message costs a heartbeat interval and no answer.

use std::collections::BTreeSet;

use crate::engine::Effect;
use crate::log::Index;

/// Barriers under way at this leader.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    asked: BTreeSet<u64>,
    /// Confirmed, but what was committed then is not applied yet: (index, tag).
    confirmed: BTreeSet<(Index, u64)>,
}

impl Barriers {
    pub fn ask(&mut self, tag: u64) {
        self.asked.insert(tag);
    }

    /// A quorum said that this replica led, when `index` was committed.
    pub fn confirm(&mut self, tag: u64, index: Index) {
        if self.asked.remove(&tag) {
            self.confirmed.insert((index, tag));
        }
    }

    /// Everything up to `applied` is applied.
    pub fn pass(&mut self, applied: Index, out: &mut Vec<Effect>) {
        while let Some((index, tag)) = self.confirmed.first().copied()
            && index <= applied
        {
            self.confirmed.pop_first();
            out.push(Effect::Passed(tag));
        }
    }

    /// This replica leads no longer, or nobody knows.
    pub fn fail(&mut self, out: &mut Vec<Effect>) {
        let confirmed = std::mem::take(&mut self.confirmed);
        let tags = confirmed.into_iter().map(|(_, tag)| tag);
        let tags: BTreeSet<u64> = tags.chain(std::mem::take(&mut self.asked)).collect();
        out.extend(tags.into_iter().map(Effect::Failed));
    }
}
