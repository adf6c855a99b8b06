//! The disk thread of a node: puts everything that waits into one `fdatasync` (group commit), and
//! tells the driver what is durable.
//!
//! A thread and not a task, because the calls of a disk block: while it syncs, the node goes on
//! answering, and what it emits meanwhile goes out together with the next sync. Called by the
//! driver (`push`); owns the [`Wal`].
//!
//! **A full disk**: the node is told, refuses new work, and what it emitted already waits here; the
//! commit is tried again every [`FULL_RETRY`] until there is room. **A failed disk**: what is on it
//! is unknown, so the process ends at once, and recovery will tell.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use replication::log::{Checkpoint, Recovered};
use replication::{Index, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wal::disk::{Disk, RealDisk, ShadowDisk};
use crate::wal::{self, Done, Job, Wal, WalError};

/// How often a commit that found no room is tried again.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// The first byte of every record and checkpoint. Raise it when their encoding changes.
const FORMAT: u8 = 1;

/// Something to be put on disk, in order.
#[derive(Debug)]
pub enum Write {
    /// A record of the log.
    Record(Record),
    /// What takes the place of every record before it.
    Checkpoint(Checkpoint),
}

/// What the disk has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The first so many records since the start of the process are durable.
    Persisted {
        /// How many.
        upto: u64,
    },
    /// The checkpoint whose snapshot stands at this index is durable.
    Checkpointed {
        /// Where.
        index: Index,
    },
    /// The disk has no room, or has room again.
    Full(bool),
}

/// The driver's end of a disk.
pub struct DiskQueue {
    shared: Arc<Shared>,
    /// Until [`DiskQueue::start`].
    wal: Mutex<Option<Wal>>,
    /// After it.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Shared by the driver, the disk thread and the threads of its slow jobs.
struct Shared {
    /// Locked for pushes and takes only.
    queue: Mutex<Queue>,
    /// Wakes the disk thread.
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Write>,
    done: Vec<Done>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // It guards plain queues, which no panic leaves half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskQueue {
    /// Opens the log in a folder. With `shadow`, what was not synced is lost with the process.
    ///
    /// # Errors
    /// If the folder is in use, damaged, of a newer format, or cannot be read or written.
    pub fn open(folder: &Path, shadow: bool) -> Result<(DiskQueue, Recovered)> {
        let real: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let disk = match shadow {
            true => Arc::new(ShadowDisk::new(real).context("cannot shadow the disk")?),
            false => real,
        };
        let (mut wal, found) = Wal::open(disk, wal::Options::default())?;
        // A new log without room for its reserve is refused here, where an error can be told: its
        // node would begin by saying that the disk is full, and nobody could wait for it.
        if found.checkpoint.is_none()
            && found.records.is_empty()
            && let Some(job) = wal.begin_prepare()?
        {
            wal.finish(job.run())?;
        }
        for note in &found.notes {
            tracing::warn!("{note}");
        }
        if found.torn_bytes > 0 {
            tracing::warn!(
                "cut {} bytes of an interrupted write from the log's end; \
                 nothing in them was ever promised",
                found.torn_bytes
            );
        }
        let checkpoint = found.checkpoint.as_deref().map(decode).transpose();
        let records: Result<Vec<Record>> =
            found.records.iter().map(|bytes| decode(bytes)).collect();
        let recovered = Recovered {
            checkpoint: checkpoint
                .with_context(|| format!("the checkpoint in {}", folder.display()))?
                .unwrap_or_default(),
            records: records.with_context(|| format!("a record in {}", folder.display()))?,
        };
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Condvar::new() });
        let queue = DiskQueue { shared, wal: Mutex::new(Some(wal)), thread: Mutex::new(None) };
        Ok((queue, recovered))
    }

    /// Begins to write, and to tell.
    pub fn start(&self, tell: impl Fn(Finished) + Send + 'static) {
        let wal = self.wal.lock().unwrap_or_else(PoisonError::into_inner).take();
        let wal = wal.expect("a disk is started once");
        let shared = self.shared.clone();
        let writer = Writer {
            shared,
            wal,
            tell: Box::new(tell),
            backlog: VecDeque::new(),
            appended: 0,
            told: 0,
            checkpointing: None,
            full: false,
        };
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || writer.run());
        let thread = thread.expect("a process that just started may have one more thread");
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// Puts what one step wants written at the end of the queue: at once, so that it is not torn
    /// into two commits.
    ///
    /// Not bounded here: the node bounds what it has under way, and refuses work when it is told
    /// that the disk is full.
    pub fn push(&self, writes: Vec<Write>) {
        self.shared.lock().writes.extend(writes);
        self.shared.more.notify_one();
    }

    /// Waits until everything is written, and ends the thread.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.more.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has said so in the log.
            let _ = thread.join();
        }
    }
}

/// The disk thread.
struct Writer {
    shared: Arc<Shared>,
    wal: Wal,
    tell: Box<dyn Fn(Finished) + Send>,
    /// What was taken from the queue and not appended yet.
    backlog: VecDeque<Write>,
    /// Records appended since the start of the process, and how many of them were told durable.
    appended: u64,
    told: u64,
    /// The index of the checkpoint that is being written.
    checkpointing: Option<Index>,
    /// What the node was told last.
    full: bool,
}

impl Writer {
    fn run(mut self) {
        while self.wait() {
            if let Err(error) = self.round()
                && !error.is_full()
            {
                tracing::error!("{error}; what is on the disk is unknown: the process ends");
                std::process::exit(1);
            }
        }
    }

    /// Takes what there is to do; `false` when there will be nothing more.
    fn wait(&mut self) -> bool {
        let mut queue = self.shared.lock();
        let blocked = self.checkpointing.is_some()
            && matches!(self.backlog.front(), Some(Write::Checkpoint(_)));
        // On a full disk a checkpoint's turn may have come without room for what stands before it.
        let waiting = blocked || self.full || self.backlog.is_empty();
        let unwritten = self.full || self.told < self.appended;
        while waiting && queue.writes.is_empty() && queue.done.is_empty() {
            if queue.closed {
                return false;
            }
            if unwritten {
                let timeout = self.shared.more.wait_timeout(queue, FULL_RETRY);
                let (again, timeout) = timeout.unwrap_or_else(PoisonError::into_inner);
                queue = again;
                if timeout.timed_out() {
                    break;
                }
            } else {
                queue = self.shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.backlog.append(&mut queue.writes);
        let done = std::mem::take(&mut queue.done);
        drop(queue);
        for done in done {
            self.finish(done);
        }
        true
    }

    /// Appends what waits, commits it, tells, and begins the slow jobs that are due.
    fn round(&mut self) -> Result<(), WalError> {
        while let Some(write) = self.backlog.pop_front() {
            match write {
                Write::Record(record) => {
                    self.wal.append(&encode(&record))?;
                    self.appended += 1;
                }
                // One at a time: its position must be fixed between its neighbours in the queue.
                Write::Checkpoint(checkpoint) if self.checkpointing.is_some() => {
                    self.backlog.push_front(Write::Checkpoint(checkpoint));
                    break;
                }
                Write::Checkpoint(checkpoint) => {
                    if let Err(error) = self.begin_checkpoint(&checkpoint) {
                        self.backlog.push_front(Write::Checkpoint(checkpoint));
                        return self.note(Err(error));
                    }
                }
            }
        }
        let committed = self.wal.commit().map(|_| ());
        self.note(committed)?;
        self.tell_persisted();
        let prepared = self.wal.begin_prepare();
        self.spawn(prepared?);
        Ok(())
    }

    fn tell_persisted(&mut self) {
        if self.told < self.appended {
            self.told = self.appended;
            (self.tell)(Finished::Persisted { upto: self.told });
        }
    }

    fn begin_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), WalError> {
        let state = Bytes::from(encode(checkpoint));
        let job = self.wal.begin_checkpoint(state)?;
        self.tell_persisted();
        self.checkpointing = Some(checkpoint.snapshot.index);
        self.spawn(job);
        Ok(())
    }

    /// Slow work goes to a thread of its own: some milliseconds every few megabytes.
    fn spawn(&self, job: Option<Job>) {
        let Some(job) = job else { return };
        let shared = self.shared.clone();
        let run = move || {
            let mut done = job.run();
            // A checkpoint stands for the records before it and no others, so it cannot be begun
            // anew; it is written when there is room.
            while done.is_checkpoint_without_room() {
                std::thread::sleep(FULL_RETRY);
                done = job.run();
            }
            shared.lock().done.push(done);
            shared.more.notify_one();
        };
        let thread = std::thread::Builder::new().name("disk job".into()).spawn(run);
        if let Err(error) = thread {
            tracing::error!("cannot start a thread for the disk: {error}; the process ends");
            std::process::exit(1);
        }
    }

    fn finish(&mut self, done: Done) {
        let checkpoint = done.is_checkpoint();
        let finished = self.wal.finish(done);
        if finished.is_ok()
            && checkpoint
            && let Some(index) = self.checkpointing.take()
        {
            (self.tell)(Finished::Checkpointed { index });
        }
        if let Err(error) = self.note(finished)
            && !error.is_full()
        {
            tracing::error!("{error}; what is on the disk is unknown: the process ends");
            std::process::exit(1);
        }
    }

    /// Tells the node when the disk becomes full, and when it has room again.
    fn note(&mut self, result: Result<(), WalError>) -> Result<(), WalError> {
        let full =
            result.as_ref().is_err_and(WalError::is_full) || (self.full && !self.wal.has_reserve());
        if full != self.full {
            self.full = full;
            match &result {
                Err(error) => tracing::error!("{error}"),
                Ok(()) => tracing::info!("the disk has room again"),
            }
            (self.tell)(Finished::Full(full));
        }
        result
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("our types have nothing unknown to postcard")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).context("is damaged"),
        Some((format, _)) => anyhow::bail!(
            "is of format {format}, and this program reads format {FORMAT}: \
             start the newer toystore that wrote it"
        ),
        None => anyhow::bail!("is empty"),
    }
}
