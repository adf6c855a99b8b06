//! What the crate underneath reads: the log in memory, promise and members; and the one place that
//! turns our entries into the crate's and back.
//!
//! Nothing here is on disk by itself: the adapter emits a record for each change. Called by the
//! crate through its trait `Storage`, and by the adapter through `mut_store`.

use std::cell::Cell;

use bytes::Bytes;
use raft::eraftpb;
use raft::prelude::{ConfState, HardState, Snapshot as Outline};
use raft::storage::GetEntriesContext;
use raft::{RaftState, Storage, StorageError};

use super::membership::conf_state;
use super::ready::node_id;
use crate::log::{Entry, Index, Log, Snapshot};
use crate::members::Members;
use crate::term::{NodeId, Term};

/// The context of a crate's entry names the leader that placed it, which its term does not.
static NODES: [u8; NodeId::MAX as usize + 1] = {
    let mut ids = [0; NodeId::MAX as usize + 1];
    let mut id = 0;
    while id < ids.len() {
        ids[id] = id as u8;
        id += 1;
    }
    ids
};

/// A snapshot that followers may have.
pub(super) struct Offered {
    pub snapshot: Snapshot,
    /// Who belonged to the group at its index.
    pub members: Members,
}

/// The log and what belongs to it.
pub(super) struct Store {
    /// This replica: what the crate itself places (the first entry of a term) names nobody.
    pub id: NodeId,
    /// The generation of every term here.
    pub generation: u32,
    /// Invariant: holds what the crate calls stable, on disk or on its way there.
    pub log: Log,
    /// The highest term, and whom this replica voted for in it.
    pub promised: Term,
    /// How far the log was known to be committed when the process started.
    pub committed: Index,
    /// Who belongs to the group, as of what is applied.
    pub members: ConfState,
    /// What followers get whose entries are compacted away.
    pub snapshot: Option<Offered>,
    /// Whether a follower needs one that is not there. A cell, since the crate asks by `&self`.
    pub snapshot_wanted: Cell<bool>,
}

impl Store {
    /// An entry as the crate wants it. Cheap: the command is shared.
    pub fn outward(entry: &Entry) -> eraftpb::Entry {
        let node = usize::from(entry.term.node.0).min(NODES.len() - 1);
        let mut theirs = eraftpb::Entry {
            index: entry.index.0,
            term: entry.term.number,
            data: entry.command.clone(),
            context: context_of(node),
            ..eraftpb::Entry::default()
        };
        if Members::is_in(&entry.command) {
            // The crate looks whether one is committed and not applied before it campaigns.
            theirs.set_entry_type(eraftpb::EntryType::EntryConfChangeV2);
        }
        theirs
    }

    /// The crate's entry as ours.
    pub fn inward(&self, entry: &eraftpb::Entry) -> Entry {
        let node = entry.context.first().map_or(self.id, |node| NodeId(*node));
        Entry {
            index: Index(entry.index),
            term: Term { generation: self.generation, number: entry.term, node },
            command: entry.data.clone(),
        }
    }

    /// The context of what this replica proposes.
    pub fn own_context(&self) -> Bytes {
        context_of(usize::from(self.id.0))
    }
}

fn context_of(node: usize) -> Bytes {
    Bytes::from_static(&NODES[node..=node])
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        // The commit index is not on disk: it begins at the snapshot, or where the members changed,
        // and is learned again, as in the paper (figure 2, volatile state).
        let hard_state = HardState {
            term: self.promised.number,
            vote: u64::from(self.promised.node.0),
            commit: self.committed.0,
            ..HardState::default()
        };
        Ok(RaftState::new(hard_state, self.members.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        if low <= self.log.start().0 {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        let limit = usize::try_from(high.saturating_sub(low)).unwrap_or(usize::MAX);
        let mut room = max_size.into().unwrap_or(u64::MAX);
        let mut entries = Vec::new();
        for entry in self.log.from(Index(low), limit) {
            let size = entry.command.len() as u64;
            if size > room && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            entries.push(Store::outward(entry));
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing = if index < self.log.start().0 {
            StorageError::Compacted
        } else {
            StorageError::Unavailable
        };
        let term = self.log.term_at(Index(index)).map(|term| term.number);
        term.ok_or(raft::Error::Store(missing))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.log.start().next().0)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.log.last().0)
    }

    /// Only where it stands: its bytes go in pieces (`transfer`), not through the crate.
    fn snapshot(&self, _: u64, to: u64) -> raft::Result<Outline> {
        match &self.snapshot {
            Some(Offered { snapshot, members }) if self.is_for(snapshot, members, to) => {
                Ok(outline(snapshot.index, snapshot.term, members))
            }
            Some(_) | None => {
                self.snapshot_wanted.set(true);
                Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}

impl Store {
    /// One that is older than the log's start would leave a gap behind it; one in which its
    /// receiver is no member yet, the crate does not take there.
    fn is_for(&self, snapshot: &Snapshot, members: &Members, to: u64) -> bool {
        snapshot.index >= self.log.start() && members.all().contains(&node_id(to))
    }
}

/// A snapshot without its bytes.
pub(super) fn outline(index: Index, term: Term, members: &Members) -> Outline {
    let mut outline = Outline::default();
    let metadata = outline.mut_metadata();
    metadata.index = index.0;
    metadata.term = term.number;
    metadata.set_conf_state(conf_state(members));
    outline
}
