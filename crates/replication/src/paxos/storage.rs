//! What the protocol crate stores, kept in memory and told as records.
//!
//! The crate owns its storage and shows it to nobody, so this one has a copy of the log, and says
//! through a channel what it changed. [`super::protocol::Protocol`] replays these records after
//! each call on the log that the engine shows; the engine takes them out and puts them on disk.
//!
//! **Taking over a leader's history is one change of many records**: which term was accepted, what
//! is cut off, what is appended. A replica that crashes in the middle must not come back with half
//! of it: with the new term and a log that is too short it would outvote others that have more;
//! with the old term and entries of the new one, others would believe to know its log. So the
//! records stand between two of [`Record::Accepted`], and [`replay`] takes all of them or none. A
//! start that finds such a change unfinished says so with [`UNDONE`] before it writes anything
//! else, and writes what was there before once more, in the same manner: so that whoever reads the
//! records one after the other ([`Log::recover`]) comes to the same log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::storage::{self, NoSnapshot, StopSign, StorageOp, StorageResult};

use super::translate::{ballot, index, nobody, position, term};
use crate::log::{Entry, Index, Log, Record, Recovered};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};

/// What is written at a start that finds a history half taken over: nobody's term.
pub(super) const UNDONE: Term =
    Term { generation: u32::MAX, number: Term::NUMBER_MAX, node: NodeId::NONE };

impl storage::Entry for Entry {
    /// Snapshots go their own way: see `transfer`.
    type Snapshot = NoSnapshot;
}

/// What an acceptor must not forget, and how far it knows the log to be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The log.
    pub log: Log,
    /// No older term is listened to.
    pub promised: Term,
    /// The log equals that of this term's leader, up to where it ends.
    pub accepted: Term,
    /// What is decided; learned anew in each life, from the snapshot on.
    pub decided: Index,
}

/// What the disk says: the state, and the records that undo a change that was broken off.
pub(super) fn replay(recovered: &Recovered) -> (State, Vec<Record>) {
    let checkpoint = &recovered.checkpoint;
    let mut log = Log::after(checkpoint.snapshot.index, checkpoint.snapshot.term);
    for entry in &checkpoint.tail {
        log.append(entry.clone());
    }
    let mut state = State {
        log,
        promised: checkpoint.promised,
        accepted: checkpoint.accepted,
        decided: checkpoint.snapshot.index,
    };
    let mut taking_over: Option<(Term, Log)> = None;
    for record in &recovered.records {
        let log = taking_over.as_mut().map_or(&mut state.log, |(_, log)| log);
        match record {
            Record::Promise(term) => state.promised = state.promised.max(*term),
            Record::Append(entry) => log.append(entry.clone()),
            Record::Truncate(from) => log.truncate(*from),
            Record::Members(_) => {}
            Record::Accepted(term) => match taking_over.take() {
                None if *term == UNDONE => {}
                None => taking_over = Some((*term, state.log.clone())),
                Some((of, log)) if of == *term => (state.log, state.accepted) = (log, of),
                Some(_) => {}
            },
        }
    }
    if planted(Bug::SyncTorn)
        && let Some((term, log)) = taking_over.take()
    {
        (state.log, state.accepted) = (log, term);
    }
    state.promised = state.promised.max(state.accepted).max(state.log.last_term());
    let (as_read, _) = Log::recover(recovered);
    let undo = match taking_over.is_some() || as_read != state.log {
        true => undo(&as_read, &state),
        false => Vec::new(),
    };
    (state, undo)
}

/// The records after which a log that is read as it stands on the disk is that of `state`.
fn undo(as_read: &Log, state: &State) -> Vec<Record> {
    let log = &state.log;
    let mut equal = log.start();
    while log.get(equal.next()).is_some() && log.get(equal.next()) == as_read.get(equal.next()) {
        equal = equal.next();
    }
    let accepted = Record::Accepted(state.accepted);
    let mut records = vec![Record::Accepted(UNDONE), accepted.clone()];
    records.push(Record::Truncate(equal.next()));
    records.extend(log.from(equal.next(), usize::MAX).iter().cloned().map(Record::Append));
    records.push(accepted);
    records
}

/// The crate's end.
#[derive(Debug)]
pub(super) struct Store {
    state: State,
    told: Sender<Record>,
    /// Entries up to here may be forgotten.
    compacted: Arc<AtomicU64>,
}

/// The engine's end.
#[derive(Debug)]
pub(super) struct Told {
    pub records: Receiver<Record>,
    /// Only the engine raises it, between two calls of the crate.
    pub compacted: Arc<AtomicU64>,
}

impl Store {
    pub(super) fn holding(state: State) -> (Store, Told) {
        let (told, records) = channel();
        let compacted = Arc::new(AtomicU64::new(state.log.start().0));
        let ends = Told { records, compacted: Arc::clone(&compacted) };
        (Store { state, told, compacted }, ends)
    }

    fn tell(&self, record: Record) {
        // The receiver is dropped together with the crate's instance that owns this.
        let _ = self.told.send(record);
    }

    fn append(&mut self, entries: Vec<Entry>) {
        let compacted = Index(self.compacted.load(Ordering::Relaxed));
        if compacted > self.state.log.start() {
            self.state.log.compact(compacted);
        }
        for entry in entries {
            // Its place was checked when it came: `super::gate`.
            let entry = Entry { index: self.state.log.last().next(), ..entry };
            self.state.log.append(entry.clone());
            self.tell(Record::Append(entry));
        }
    }

    /// Makes the log end with `entries` after `from`, keeping what is equal already: two logs with
    /// the same entry at a place are equal up to it.
    fn replace(&mut self, from: Index, mut entries: Vec<Entry>) {
        let log = &mut self.state.log;
        let equal = |entry: &&Entry| {
            entry.index <= log.start() || log.term_at(entry.index) == Some(entry.term)
        };
        let kept = entries.iter().take_while(equal).count();
        let end = Index(from.0 + kept as u64).max(log.start());
        if log.last() > end {
            log.truncate(end.next());
            let too_far = planted(Bug::TruncatesTooFar);
            self.tell(Record::Truncate(if too_far { end } else { end.next() }));
        }
        entries.drain(..kept);
        self.append(entries);
    }

    fn promise(&mut self, promised: Ballot) {
        let promised = term(promised);
        if promised > self.state.promised {
            self.state.promised = promised;
            if !planted(Bug::PromiseForgotten) {
                self.tell(Record::Promise(promised));
            }
        }
    }
}

impl storage::Storage<Entry> for Store {
    fn write_atomically(&mut self, ops: Vec<StorageOp<Entry>>) -> StorageResult<()> {
        let mut taken_over = None;
        for op in ops {
            match op {
                StorageOp::AppendEntry(entry) => self.append(vec![entry]),
                StorageOp::AppendEntries(entries) => self.append(entries),
                StorageOp::AppendOnPrefix(from, entries) => self.replace(index(from), entries),
                StorageOp::SetPromise(promised) => self.promise(promised),
                StorageOp::SetDecidedIndex(decided) => self.state.decided = index(decided),
                StorageOp::SetAcceptedRound(accepted) => {
                    let accepted = term(accepted);
                    self.state.accepted = accepted;
                    self.tell(Record::Accepted(accepted));
                    taken_over = Some(accepted);
                }
                // Nobody compacts through the crate, and nobody reconfigures.
                StorageOp::SetCompactedIdx(_)
                | StorageOp::Trim(_)
                | StorageOp::SetStopsign(_)
                | StorageOp::SetSnapshot(_) => {}
            }
        }
        if let Some(accepted) = taken_over {
            self.tell(Record::Accepted(accepted));
        }
        Ok(())
    }

    fn append_entry(&mut self, entry: Entry) -> StorageResult<()> {
        self.append(vec![entry]);
        Ok(())
    }

    fn append_entries(&mut self, entries: Vec<Entry>) -> StorageResult<()> {
        self.append(entries);
        Ok(())
    }

    fn append_on_prefix(&mut self, from: usize, entries: Vec<Entry>) -> StorageResult<()> {
        self.replace(index(from), entries);
        Ok(())
    }

    fn set_promise(&mut self, promised: Ballot) -> StorageResult<()> {
        self.promise(promised);
        Ok(())
    }

    fn set_decided_idx(&mut self, decided: usize) -> StorageResult<()> {
        self.state.decided = index(decided);
        Ok(())
    }

    fn get_decided_idx(&self) -> StorageResult<usize> {
        Ok(position(self.state.decided))
    }

    fn set_accepted_round(&mut self, accepted: Ballot) -> StorageResult<()> {
        self.write_atomically(vec![StorageOp::SetAcceptedRound(accepted)])
    }

    fn get_accepted_round(&self) -> StorageResult<Option<Ballot>> {
        Ok(Some(self.state.accepted).filter(|t| *t != Term::ZERO).map(ballot))
    }

    fn get_entries(&self, from: usize, to: usize) -> StorageResult<Vec<Entry>> {
        let count = to.saturating_sub(from);
        Ok(self.state.log.from(index(from).next(), count).to_vec())
    }

    fn get_log_len(&self) -> StorageResult<usize> {
        let log = &self.state.log;
        Ok(position(log.last()) - position(log.start()))
    }

    /// Nothing, if its beginning is compacted away: what is made of that never leaves
    /// ([`super::links`]).
    fn get_suffix(&self, from: usize) -> StorageResult<Vec<Entry>> {
        Ok(self.state.log.from(index(from).next(), usize::MAX).to_vec())
    }

    fn get_promise(&self) -> StorageResult<Option<Ballot>> {
        let promised = self.state.promised;
        let anybody = promised.node != NodeId::NONE;
        Ok(Some(if anybody { ballot(promised) } else { nobody(promised.generation) }))
    }

    fn set_stopsign(&mut self, _: Option<StopSign>) -> StorageResult<()> {
        Ok(())
    }

    fn get_stopsign(&self) -> StorageResult<Option<StopSign>> {
        Ok(None)
    }

    fn trim(&mut self, _: usize) -> StorageResult<()> {
        Ok(())
    }

    fn set_compacted_idx(&mut self, _: usize) -> StorageResult<()> {
        Ok(())
    }

    fn get_compacted_idx(&self) -> StorageResult<usize> {
        Ok(position(self.state.log.start()))
    }

    fn set_snapshot(&mut self, _: Option<NoSnapshot>) -> StorageResult<()> {
        Ok(())
    }

    fn get_snapshot(&self) -> StorageResult<Option<NoSnapshot>> {
        Ok(None)
    }
}
