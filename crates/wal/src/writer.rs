//! Group commit: puts everything that a node wants on its disk into the log, in order, with as few
//! syncs as there can be.
//!
//! What waits goes out together: while one commit is under way, the node goes on and emits more,
//! and the next commit takes all of it. Pure but for the disk that the log was opened on: it is
//! called again and again by its owner, the shell's disk thread or the simulator, which is told
//! what is durable and given the slow jobs to run ([`Owner`]).
//!
//! ```text
//! writer.push(what the node emitted) ──► writer.round() ──► owner.tell(persisted …)
//!                                             └──────────► owner.run(job) … writer.finish(done)
//! ```
//!
//! **A full disk**: the owner is told, the node refuses new work, and what it emitted already waits
//! here; the owner calls again every now and then. **A failed disk**: what is on it is unknown, so
//! the owner ends the process, and recovery will tell.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Done, Job, Wal, WalError};

/// Something to be put on disk, in order; encoded.
#[derive(Debug)]
pub enum Write {
    /// A record of the log.
    Record(Vec<u8>),
    /// What takes the place of every record before it.
    Checkpoint {
        /// Names it when it is told durable.
        index: u64,
        /// What is written, in parts.
        state: Vec<Bytes>,
    },
}

/// What the disk has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The first so many records since the start of the process are durable.
    Persisted {
        /// How many.
        upto: u64,
    },
    /// The checkpoint with this index is durable.
    Checkpointed {
        /// Which.
        index: u64,
    },
    /// The disk has no room; says where, for the operator.
    Full(String),
    /// It has room again.
    Room,
}

/// Who has a writer, and what it does for it.
pub trait Owner {
    /// Hears what the disk has done.
    fn tell(&mut self, finished: Finished);

    /// Runs a job, at once or later, and gives it back by [`Writer::finish`]. A checkpoint that
    /// found no room is run again, since it stands for the records before it and no others.
    fn run(&mut self, job: Job);
}

/// The writer of one node's log.
pub struct Writer {
    wal: Wal,
    /// What was not appended yet.
    backlog: VecDeque<Write>,
    /// Records appended since the start of the process, and how many of them were told durable.
    appended: u64,
    told: u64,
    /// The checkpoint that is being written.
    checkpointing: Option<u64>,
    /// What the owner was told last.
    full: bool,
}

impl Writer {
    /// One for a log that was just opened.
    pub fn new(wal: Wal) -> Writer {
        Writer {
            wal,
            backlog: VecDeque::new(),
            appended: 0,
            told: 0,
            checkpointing: None,
            full: false,
        }
    }

    /// Puts something at the end of what waits.
    pub fn push(&mut self, write: Write) {
        self.backlog.push_back(write);
    }

    /// Whether a round could do anything now that the last one could not: something waits, and it
    /// does not wait for a job or for room.
    pub fn is_ready(&self) -> bool {
        let blocked = self.checkpointing.is_some()
            && matches!(self.backlog.front(), Some(Write::Checkpoint { .. }));
        // On a full disk a checkpoint's turn may have come without room for what stands before it.
        !(blocked || self.full || self.backlog.is_empty())
    }

    /// Whether a round should be tried again after a while, ready or not.
    pub fn is_behind(&self) -> bool {
        self.full || self.told < self.appended
    }

    /// Appends what waits, commits it, tells, and begins the slow jobs that are due.
    ///
    /// # Errors
    /// If the disk is full, which the owner was told: call again later. Or it failed, which is the
    /// end of the process.
    pub fn round(&mut self, owner: &mut dyn Owner) -> Result<(), WalError> {
        while let Some(write) = self.backlog.pop_front() {
            match write {
                Write::Record(record) => {
                    self.wal.append(&record)?;
                    self.appended += 1;
                }
                // One at a time: its position must be fixed between its neighbours in the queue.
                Write::Checkpoint { .. } if self.checkpointing.is_some() => {
                    self.backlog.push_front(write);
                    break;
                }
                Write::Checkpoint { index, state } => {
                    if let Err(error) = self.begin_checkpoint(index, state.clone(), owner) {
                        self.backlog.push_front(Write::Checkpoint { index, state });
                        return self.note(Err(error), owner);
                    }
                }
            }
        }
        let committed = self.wal.commit().map(|_| ());
        self.note(committed, owner)?;
        self.tell_persisted(owner);
        if let Some(job) = self.wal.begin_prepare()? {
            owner.run(job);
        }
        Ok(())
    }

    fn tell_persisted(&mut self, owner: &mut dyn Owner) {
        if self.told < self.appended {
            self.told = self.appended;
            owner.tell(Finished::Persisted { upto: self.told });
        }
    }

    fn begin_checkpoint(
        &mut self,
        index: u64,
        state: Vec<Bytes>,
        owner: &mut dyn Owner,
    ) -> Result<(), WalError> {
        let job = self.wal.begin_checkpoint(state)?;
        self.tell_persisted(owner);
        self.checkpointing = Some(index);
        if let Some(job) = job {
            owner.run(job);
        }
        Ok(())
    }

    /// Takes back a job that was run.
    ///
    /// # Errors
    /// As [`Writer::round`].
    pub fn finish(&mut self, done: Done, owner: &mut dyn Owner) -> Result<(), WalError> {
        let checkpoint = done.is_checkpoint();
        let finished = self.wal.finish(done);
        if finished.is_ok()
            && checkpoint
            && let Some(index) = self.checkpointing.take()
        {
            owner.tell(Finished::Checkpointed { index });
        }
        self.note(finished, owner)
    }

    /// Tells the owner when the disk becomes full, and when it has room again.
    fn note(
        &mut self,
        result: Result<(), WalError>,
        owner: &mut dyn Owner,
    ) -> Result<(), WalError> {
        let full =
            result.as_ref().is_err_and(WalError::is_full) || (self.full && !self.wal.has_reserve());
        if full != self.full {
            self.full = full;
            owner.tell(match &result {
                Err(error) => Finished::Full(error.to_string()),
                Ok(()) => Finished::Room,
            });
        }
        result
    }
}
