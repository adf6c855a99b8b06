//! The log: entries in memory since the last snapshot, and the records that put them on disk.
//!
//! Engines append to it and read from it; the shell writes [`Record`]s and feeds them back after a
//! crash through [`Recovered`].

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::members::Members;
use crate::state::StateBytes;
use crate::term::Term;

/// A position in the log, from 1; 0 is the place before the first entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Index(pub u64);

impl Index {
    /// The position after this one. No log comes near the last one that there is; after it comes
    /// itself, since anybody may ask for it.
    pub fn next(self) -> Index {
        Index(self.0.saturating_add(1))
    }

    /// The position before this one; that of 0 is 0.
    pub fn previous(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A command at a position, placed there by the leader of a term.
///
/// Invariant: two logs that hold an entry of the same index and term are equal up to it
/// (Log Matching, Raft §5.3), since a term has one leader and a leader never rewrites its log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub index: Index,
    /// Under whom it was placed.
    pub term: Term,
    /// What a client asked, opaque here; empty for an engine's own entries.
    pub command: Bytes,
}

/// `7:0.4@3+24B`: index, term, length of the command.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}+{}B", self.index, self.term, self.command.len())
    }
}

/// One record of the write-ahead log. Written in the order in which it was emitted; what is
/// emitted later is on disk later or at the same time, never earlier.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// No older term will be listened to.
    Promise(Term),
    /// An entry at the log's end.
    Append(Entry),
    /// Everything from this index on is forgotten: another leader's history took its place.
    Truncate(Index),
    /// Paxos: the log equals that of this term's leader. Written twice, around the records that
    /// make it so; without the second one, none of them was (`paxos::storage`).
    Accepted(Term),
    /// Raft: who belonged to the group when this disk was new, whatever a later start says; nobody,
    /// at a replica that came to a group that was there already. Later, that a change was applied.
    Members(Members),
}

impl Record {
    /// The members that it tells of, if it does.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Record::Members(members) => Some(members),
            Record::Promise(_) | Record::Append(_) | Record::Truncate(_) | Record::Accepted(_) => {
                None
            }
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Promise(term) => write!(f, "promise {term}"),
            Record::Append(entry) => write!(f, "append {entry}"),
            Record::Truncate(from) => write!(f, "truncate {from}.."),
            Record::Accepted(term) => write!(f, "accepted {term}"),
            Record::Members(members) => write!(f, "members {members}"),
        }
    }
}

/// A state machine's whole state after applying everything up to an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last applied index.
    pub index: Index,
    /// That entry's term.
    pub term: Term,
    /// The state, in the state machine's own canonical bytes; empty for the initial state.
    pub state: StateBytes,
}

/// Everything a node must have on disk, in one piece: it takes the place of all records before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The highest term promised.
    pub promised: Term,
    /// The state machine.
    pub snapshot: Snapshot,
    /// Entries after the snapshot, committed or not.
    pub tail: Vec<Entry>,
    /// Paxos: the highest term under which the log was accepted; zero with other engines.
    pub accepted: Term,
    /// Raft: who belonged to the group at the snapshot's index; absent with other engines.
    pub members: Option<Members>,
}

impl Checkpoint {
    /// What is written before the snapshot's state, its state, and what is written after it: all
    /// fields in their order, for a disk that takes the state part by part.
    pub fn around(&self) -> (impl Serialize, &[Bytes], impl Serialize) {
        let Checkpoint { promised, snapshot, tail, accepted, members } = self;
        let Snapshot { index, term, state } = snapshot;
        ((promised, index, term), state.parts(), (tail, accepted, members))
    }
}

/// A checkpoint as it was written before there was [`Checkpoint::members`]: read where today's
/// form cannot be.
#[derive(Clone, Debug, Deserialize)]
pub struct FixedCheckpoint {
    promised: Term,
    snapshot: Snapshot,
    tail: Vec<Entry>,
    accepted: Term,
}

impl From<FixedCheckpoint> for Checkpoint {
    fn from(old: FixedCheckpoint) -> Checkpoint {
        let FixedCheckpoint { promised, snapshot, tail, accepted } = old;
        Checkpoint { promised, snapshot, tail, accepted, members: None }
    }
}

/// A checkpoint as it was written before there was [`Checkpoint::accepted`] either.
#[derive(Clone, Debug, Deserialize)]
pub struct OldCheckpoint {
    promised: Term,
    snapshot: Snapshot,
    tail: Vec<Entry>,
}

impl From<OldCheckpoint> for Checkpoint {
    fn from(old: OldCheckpoint) -> Checkpoint {
        let OldCheckpoint { promised, snapshot, tail } = old;
        Checkpoint { promised, snapshot, tail, accepted: Term::ZERO, members: None }
    }
}

/// What a node finds on its disk at start: the newest checkpoint, and the records after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The newest checkpoint; the empty one on a new disk.
    pub checkpoint: Checkpoint,
    /// The records that were written after it, oldest first.
    pub records: Vec<Record>,
}

/// The log in memory: a snapshot's position and the entries after it.
///
/// Invariant: `entries[i].index == snapshot.index + 1 + i`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    start: Index,
    start_term: Term,
    entries: Vec<Entry>,
    forgotten: Forgotten,
}

/// Entries that a snapshot stands for, given back to the allocator few at a time: a million of them
/// at once would take tens of milliseconds, in which the node does nothing else. No part of what a
/// log is: equal to any other.
#[derive(Clone, Debug, Default)]
struct Forgotten(Vec<Entry>);

/// Forgotten entries that are given back with each one that is appended: more than one, so that all
/// are gone long before a log forgets as many again.
const GIVEN_BACK: usize = 8;

impl PartialEq for Forgotten {
    fn eq(&self, _: &Forgotten) -> bool {
        true
    }
}

impl Eq for Forgotten {}

impl Hash for Forgotten {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Log {
    /// The log that begins after a snapshot at `index`, written in `term`.
    pub fn after(index: Index, term: Term) -> Log {
        Log { start: index, start_term: term, ..Log::default() }
    }

    /// Rebuilds the log and the promised term from what is on disk.
    pub fn recover(recovered: &Recovered) -> (Log, Term) {
        let checkpoint = &recovered.checkpoint;
        let mut log = Log::after(checkpoint.snapshot.index, checkpoint.snapshot.term);
        for entry in &checkpoint.tail {
            log.append(entry.clone());
        }
        let mut promised = checkpoint.promised;
        for record in &recovered.records {
            match record {
                Record::Promise(term) => promised = promised.max(*term),
                Record::Append(entry) => log.append(entry.clone()),
                Record::Truncate(from) => log.truncate(*from),
                // Paxos replays its records itself.
                Record::Accepted(_) => {}
                // Raft's, which looks for it itself.
                Record::Members(_) => {}
            }
        }
        (log, promised)
    }

    /// The index of the last entry; of the snapshot, if there is none after it.
    pub fn last(&self) -> Index {
        Index(self.start.0 + self.entries.len() as u64)
    }

    /// The term of the last entry.
    pub fn last_term(&self) -> Term {
        self.entries.last().map_or(self.start_term, |entry| entry.term)
    }

    /// The index of the snapshot that the log begins after; entries up to it are gone.
    pub fn start(&self) -> Index {
        self.start
    }

    /// The term of that snapshot's last entry.
    pub fn start_term(&self) -> Term {
        self.start_term
    }

    /// The term of the entry at `index`; `None` if it is compacted away or not there yet.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.start { Some(self.start_term) } else { self.get(index).map(|e| e.term) }
    }

    /// The entry at `index`.
    pub fn get(&self, index: Index) -> Option<&Entry> {
        let offset = index.0.checked_sub(self.start.next().0)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// The entries from `from` on, at most `limit`. Empty if `from` is compacted or past the end.
    pub fn from(&self, from: Index, limit: usize) -> &[Entry] {
        let Some(offset) = from.0.checked_sub(self.start.next().0) else { return &[] };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.entries.len());
        let end = offset.saturating_add(limit).min(self.entries.len());
        &self.entries[offset..end]
    }

    /// Puts an entry at the end.
    ///
    /// # Panics
    /// If it does not follow the last one: a hole in a log is a bug, never an input.
    pub fn append(&mut self, entry: Entry) {
        assert_eq!(entry.index, self.last().next(), "a log has no holes: {entry}");
        self.entries.push(entry);
        self.forgotten.0.truncate(self.forgotten.0.len().saturating_sub(GIVEN_BACK));
    }

    /// Forgets everything from `from` on.
    ///
    /// # Panics
    /// If that would cut into the snapshot, whose entries are committed.
    pub fn truncate(&mut self, from: Index) {
        assert!(from > self.start, "cannot truncate at {from}: {} is committed", self.start);
        self.entries.truncate(usize::try_from(from.0 - self.start.0 - 1).unwrap_or(usize::MAX));
    }

    /// Forgets the entries up to `index`, which a snapshot now stands for.
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.term_at(index) else { return };
        let count = usize::try_from(index.0 - self.start.0).unwrap_or(usize::MAX);
        let kept = self.entries.split_off(count.min(self.entries.len()));
        self.forgotten.0 = std::mem::replace(&mut self.entries, kept);
        self.start = index;
        self.start_term = term;
    }
}
