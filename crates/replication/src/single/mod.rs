//! One node that agrees with itself: the log without peers, under the catalog by default and in
//! tests.
//!
//! # The idea
//!
//! With one node, *committed* means *on this node's disk*. So the engine is the smallest thing that
//! keeps the contract of [`Engine`]: it puts each proposed command at the end of the log, asks the
//! shell to persist it, and says [`Effect::Apply`] when the shell reports that it is durable. All
//! that a service learns about leading, terms, barriers and checkpoints is the same as with three
//! replicas, which is why the catalog can move to a quorum engine without a change to its rules.
//!
//! ```text
//! propose [a b] ──► persist append 1:0.1@1, persist append 2:0.1@1
//!                        (the shell puts both, and whatever else waits, into one fdatasync)
//! persisted 3   ──► apply 1, apply 2
//! ```
//!
//! # A restart
//!
//! There is nobody who could hold another history: whatever is found on the disk is the history,
//! also an entry whose proposer never got an answer. On [`Input::Start`] the engine says
//! [`Effect::Apply`] for each entry after the snapshot, and persists the promise of a new term, the
//! first that is higher than all on the disk. Only when that promise is durable it says
//! [`Effect::Leading`]. Two things hang on that wait:
//!
//! - A term is never resumed. A crash before the promise is durable leaves no trace of the term,
//!   and nobody has heard of it.
//! - After a crash of the process (not of the machine) the disk may show entries that were written
//!   and not yet synced. The sync of the promise makes them durable too, since it comes after them
//!   in the same log. A service that answers nothing before `Leading` thus never shows state that
//!   a power cut could still take back.
//!
//! # Rules
//!
//! 1. Entries are applied in order, without gaps, each once in the life of the process.
//! 2. An entry is applied only when its record is durable.
//! 3. Commands offered before `Leading` are ignored, as the trait says: a service waits for it.
//! 4. A read barrier passes at once while leading: there is nobody who could have been elected
//!    meanwhile. (A second process on the same disk is what the shell's lock file is for.)
//!
//! # What is left out
//!
//! Everything that needs a peer. Messages, views, links and the frontend's choice of a leader are
//! ignored. What it costs: a lost disk is a lost store.

use std::fmt;

use bytes::Bytes;

use crate::engine::{Effect, Engine, Input, Status, fixed};
use crate::log::{Checkpoint, Entry, Index, Log, Record, Recovered, Snapshot};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// The engine of a node without peers.
///
/// Invariant: `applied <= log.last()`, and every entry up to `applied` is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Single {
    /// Who this is: the node part of its terms.
    id: NodeId,
    /// Everything since the last snapshot.
    log: Log,
    /// The highest term on this disk; once started, the term of this reign.
    term: Term,
    /// Whether the promise of `term` is durable, so that commands may be accepted.
    leading: bool,
    /// The last index that was given to the service.
    applied: Index,
    /// The last index that was on the disk when the process started. Record number 1 of this
    /// process is the promise, number `n + 1` is the append of entry `recovered + n`.
    recovered: Index,
}

impl Single {
    /// The engine on what was found on disk; the empty [`Recovered`] for a new disk.
    pub fn new(id: NodeId, recovered: &Recovered) -> Single {
        let (log, promised) = Log::recover(recovered);
        Single {
            id,
            term: promised.max(log.last_term()),
            leading: false,
            applied: log.start(),
            recovered: log.last(),
            log,
        }
    }

    /// Whether commands are accepted now.
    pub fn leading(&self) -> bool {
        self.leading
    }

    /// The last index that was given to the service to apply.
    pub fn applied(&self) -> Index {
        self.applied
    }

    fn on_start(&mut self, effects: &mut Vec<Effect>) {
        self.apply_up_to(self.recovered, effects);
        self.term = self.term.next(self.id);
        effects.push(Effect::Persist(Record::Promise(self.term)));
    }

    fn on_persisted(&mut self, upto: u64, effects: &mut Vec<Effect>) {
        if upto == 0 {
            return;
        }
        if !self.leading {
            self.leading = true;
            effects.push(Effect::Leading(self.term));
        }
        self.apply_up_to(Index(self.recovered.0 + upto - 1), effects);
    }

    fn on_propose(&mut self, commands: Vec<Bytes>, effects: &mut Vec<Effect>) {
        if !self.leading {
            return;
        }
        for command in commands {
            let entry = Entry { index: self.log.last().next(), term: self.term, command };
            self.log.append(entry.clone());
            effects.push(Effect::Persist(Record::Append(entry)));
        }
    }

    /// Gives the service everything up to `durable`.
    ///
    /// # Panics
    /// If the shell says that more is durable than was ever emitted.
    fn apply_up_to(&mut self, durable: Index, effects: &mut Vec<Effect>) {
        let last = self.log.last();
        assert!(durable <= last, "entry {durable} cannot be durable: the last one is {last}");
        while self.applied < durable {
            self.applied = self.applied.next();
            let entry = self.log.get(self.applied);
            let entry = entry.expect("a checkpoint only forgets what was applied").clone();
            effects.push(Effect::Apply(entry));
        }
    }
}

impl Engine for Single {
    fn step(&mut self, _now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => self.on_start(effects),
            Input::Persisted { upto } => self.on_persisted(upto, effects),
            Input::Propose(commands) => self.on_propose(commands, effects),
            Input::Barrier(number) if self.leading => effects.push(Effect::Passed(number)),
            Input::Barrier(number) => effects.push(Effect::Failed(number)),
            // Nothing that a node without peers could need to know or do.
            Input::Timer
            | Input::Receive { .. }
            | Input::Lead { .. }
            | Input::Follow { .. }
            | Input::Viewed(_)
            | Input::Snapshot(_)
            | Input::Checkpointed { .. }
            | Input::NotInstalled { .. }
            | Input::Link { .. }
            | Input::HandOver => {}
            Input::Change { tag, .. } => effects.push(fixed(tag)),
        }
    }

    fn next_timer(&self) -> Option<Time> {
        None
    }

    fn status(&self) -> Status {
        let (role, leader) =
            if self.leading { ("leader", Some(self.id)) } else { ("candidate", None) };
        Status {
            engine: "single".to_string(),
            role: role.to_string(),
            term: self.term,
            leader,
            in_sync: vec![self.id],
            last: self.log.last(),
            committed: self.applied,
            followers: Vec::new(),
            members: None,
        }
    }

    /// There is nobody who could have more.
    fn has_caught_up(&self) -> bool {
        true
    }

    fn log(&self) -> &Log {
        &self.log
    }

    /// # Panics
    /// If the snapshot is of state that was never applied.
    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint {
        assert!(
            snapshot.index <= self.applied,
            "a snapshot at {} of a node that applied {}",
            snapshot.index,
            self.applied
        );
        self.log.compact(snapshot.index);
        // Entries that are proposed and not yet durable: their records were emitted before this
        // checkpoint, which takes the place of all records before it.
        let tail = self.log.from(snapshot.index.next(), usize::MAX).to_vec();
        Checkpoint { promised: self.term, snapshot, tail, accepted: Term::ZERO, members: None }
    }
}

/// `single 0.1@1 leading applied=4 last=6`.
impl fmt::Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.leading { "leading" } else { "starting" };
        let (applied, last) = (self.applied, self.log.last());
        write!(f, "single {} {role} applied={applied} last={last}", self.term)
    }
}

#[cfg(test)]
mod tests;
