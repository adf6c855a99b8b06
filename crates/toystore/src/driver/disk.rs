//! The disk thread of a node: gives what the node emits to the log's [`Writer`], and tells the
//! driver what is durable.
//!
//! A thread and not a task, because the calls of a disk block: while it syncs, the node goes on
//! answering, and what it emits meanwhile goes out together with the next sync. Called by the
//! driver (`push`); owns the writer, which decides what is committed when.
//!
//! On a **full disk** the commit is tried again every [`FULL_RETRY`] until there is room. When a
//! **disk fails**, what is on it is unknown, so the process ends at once, and recovery will tell.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use replication::Record;
use replication::log::{Checkpoint, FixedCheckpoint, OldCheckpoint, Recovered};
use serde::de::DeserializeOwned;
use wal::disk::Disk;
use wal::encoding;
use wal::{Done, Finished, Job, Owner, Wal, WalError, Writer};

use crate::disk::{RealDisk, ShadowDisk};
use crate::histogram::Histogram;
use crate::http::metrics::Page;

/// How often a commit that found no room is tried again.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// A checkpoint rests so many times as long as it has been at work.
const RESTS: u32 = 3;

/// Something to be put on disk, in order.
#[derive(Debug)]
pub enum Write {
    /// A record of the log.
    Record(Record),
    /// What takes the place of every record before it.
    Checkpoint(Checkpoint),
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
#[derive(Default)]
struct Shared {
    /// Locked for pushes and takes only.
    queue: Mutex<Queue>,
    /// Wakes the disk thread.
    more: Condvar,
    /// How long commits took: the write and its sync.
    commits: Histogram,
    /// Whether the disk was full when it was last looked at.
    full: AtomicBool,
    /// Records that are on disk since the start.
    persisted: AtomicU64,
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
    pub fn open(
        folder: &Path,
        options: wal::Options,
        shadow: bool,
    ) -> Result<(DiskQueue, Recovered)> {
        let real: Arc<dyn Disk> = Arc::new(RealDisk::open(folder)?);
        let disk = match shadow {
            true => Arc::new(ShadowDisk::new(real).context("cannot shadow the disk")?),
            false => real,
        };
        let (mut wal, found) = Wal::open(disk, options)?;
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
        let checkpoint = found.checkpoint.as_deref().map(decode_checkpoint).transpose();
        let records: Result<Vec<Record>> =
            found.records.iter().map(|bytes| decode(bytes)).collect();
        let recovered = Recovered {
            checkpoint: checkpoint
                .with_context(|| format!("the checkpoint in {}", folder.display()))?
                .unwrap_or_default(),
            records: records.with_context(|| format!("a record in {}", folder.display()))?,
        };
        let shared = Arc::new(Shared::default());
        let queue = DiskQueue { shared, wal: Mutex::new(Some(wal)), thread: Mutex::new(None) };
        Ok((queue, recovered))
    }

    /// Begins to write, and to tell.
    pub fn start(&self, tell: impl Fn(Finished) + Send + 'static) {
        let wal = self.wal.lock().unwrap_or_else(PoisonError::into_inner).take();
        let wal = wal.expect("a disk is started once");
        let shared = self.shared.clone();
        let writer = Writer::new(wal);
        let hands = Hands { shared, tell: Box::new(tell) };
        let work = move || DiskThread { writer, hands }.run();
        let thread = std::thread::Builder::new().name("disk".into()).spawn(work);
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

    /// What was counted, for `/metrics`.
    pub fn measured(&self, page: &mut Page) {
        let help = "Time of commits to the log: one write and one sync each.";
        page.histogram("toystore_commit_duration_seconds", help, "", &self.shared.commits);
        let help = "Records that were committed; many share a commit.";
        let count = self.shared.persisted.load(Ordering::Relaxed);
        page.counter("toystore_records_persisted_total", help, "", count);
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
struct DiskThread {
    writer: Writer,
    hands: Hands,
}

/// What the thread does for its writer.
struct Hands {
    shared: Arc<Shared>,
    tell: Box<dyn Fn(Finished) + Send>,
}

impl DiskThread {
    fn run(mut self) {
        while self.wait() {
            let (began, before) = (Instant::now(), self.hands.persisted());
            let round = self.writer.round(&mut self.hands);
            if self.hands.persisted() > before {
                self.hands.shared.commits.observe(began.elapsed());
            }
            end_if_failed(round);
        }
    }

    /// Takes what there is to do; `false` when there will be nothing more.
    fn wait(&mut self) -> bool {
        let mut queue = self.hands.shared.lock();
        let (ready, behind) = (self.writer.is_ready(), self.writer.is_behind());
        while !ready && queue.writes.is_empty() && queue.done.is_empty() {
            if queue.closed {
                return false;
            }
            if behind {
                let timeout = self.hands.shared.more.wait_timeout(queue, FULL_RETRY);
                let (again, timeout) = timeout.unwrap_or_else(PoisonError::into_inner);
                queue = again;
                if timeout.timed_out() {
                    break;
                }
            } else {
                let woken = self.hands.shared.more.wait(queue);
                queue = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        let writes = std::mem::take(&mut queue.writes);
        let done = std::mem::take(&mut queue.done);
        drop(queue);
        for write in writes {
            self.writer.push(encoded(&write));
        }
        for done in done {
            let finished = self.writer.finish(done, &mut self.hands);
            end_if_failed(finished);
        }
        true
    }
}

impl Hands {
    fn persisted(&self) -> u64 {
        self.shared.persisted.load(Ordering::Relaxed)
    }
}

impl Owner for Hands {
    fn tell(&mut self, finished: Finished) {
        match &finished {
            Finished::Full(words) => {
                self.shared.full.store(true, Ordering::Relaxed);
                tracing::error!("{words}");
            }
            Finished::Room => {
                self.shared.full.store(false, Ordering::Relaxed);
                tracing::info!("the disk has room again");
            }
            Finished::Persisted { upto } => self.shared.persisted.store(*upto, Ordering::Relaxed),
            Finished::Checkpointed { .. } => {}
        }
        (self.tell)(finished);
    }

    /// Slow work goes to a thread of its own: some milliseconds every few megabytes.
    fn run(&mut self, job: Job) {
        let shared = self.shared.clone();
        let run = move || {
            if shared.full.load(Ordering::Relaxed) {
                // What finds no room is begun again as soon as it is done.
                std::thread::sleep(FULL_RETRY);
            }
            let mut done = run_resting(&job);
            while done.is_checkpoint_without_room() {
                std::thread::sleep(FULL_RETRY);
                done = run_resting(&job);
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
}

/// A checkpoint of a million orders is then some hundred short disturbances of those who order
/// meanwhile, and no long one.
fn run_resting(job: &Job) -> Done {
    let mut began = Instant::now();
    job.run_resting(&mut || {
        std::thread::sleep(began.elapsed() * RESTS);
        began = Instant::now();
    })
}

/// A full disk is tried again; after any other error nothing is true of the disk any more.
fn end_if_failed(result: Result<(), WalError>) {
    if let Err(error) = result
        && !error.is_full()
    {
        tracing::error!("{error}; what is on the disk is unknown: the process ends");
        std::process::exit(1);
    }
}

fn encoded(write: &Write) -> wal::Write {
    match write {
        Write::Record(record) => wal::Write::Record(encoding::encode(record)),
        Write::Checkpoint(checkpoint) => {
            let state = encoding::encode_around(checkpoint.around());
            wal::Write::Checkpoint { index: checkpoint.snapshot.index.0, state }
        }
    }
}

/// One that an older toystore wrote too.
fn decode_checkpoint(bytes: &[u8]) -> Result<Checkpoint> {
    let fixed = |error| decode::<FixedCheckpoint>(bytes).map(Checkpoint::from).map_err(|_| error);
    let old = |error| decode::<OldCheckpoint>(bytes).map(Checkpoint::from).map_err(|_| error);
    decode(bytes).or_else(fixed).or_else(old)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    encoding::decode(bytes).map_err(anyhow::Error::msg)
}
