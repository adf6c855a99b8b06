//! The disk of one process: the real write-ahead log over a disk in memory, with group commit in
//! virtual time, and what waits for it.
//!
//! The log's code is the one that runs in processes (crate `wal`). What is played here is the disk
//! thread: a commit takes a while, what is emitted meanwhile goes out with the next one, slow jobs
//! run beside. When the power goes, the commit and the jobs that are under way are cut off after
//! any operation, and of what was not synced any sector may be lost.
//!
//! Called by the world and by `strike`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use replication::log::{Checkpoint, Recovered};
use replication::{Index, Record};
use shop::{Effect, Input};
use wal::memory::{MemoryDisk, Random};
use wal::{Done, Finished, Job, Options, Owner, Wal, Write, Writer, encoding};

/// The most operations of a commit or a job that still happen while the power goes.
const LAST_OPERATIONS: u64 = 8;

/// A commit of so many bytes is written in several pieces, of which some may be lost.
const LARGE_COMMIT_BYTES: usize = 400;

/// What the log told, and the jobs that it gave.
#[derive(Default)]
struct Told {
    finished: Vec<Finished>,
    jobs: Vec<Job>,
}

impl Owner for Told {
    fn tell(&mut self, finished: Finished) {
        self.finished.push(finished);
    }

    fn run(&mut self, job: Job) {
        self.jobs.push(job);
    }
}

/// What a commit or a job made possible, in order.
#[derive(Debug)]
pub enum Outcome {
    /// An effect that waited for the disk may be performed.
    Perform(Effect),
    /// The node is told.
    Step(Input),
}

/// Why a process must end.
#[derive(Debug)]
pub struct Failed;

/// What recovery found.
pub struct Found {
    /// For the node.
    pub recovered: Recovered,
    /// Bytes of an interrupted write.
    pub torn_bytes: u64,
    /// Whether there was a checkpoint.
    pub checkpoint: bool,
}

/// A disk and what waits for it.
pub struct HostDisk {
    memory: MemoryDisk,
    segment_bytes: u64,
    dice: Random,
    /// How long a commit takes, if always equally long.
    commit: Option<Duration>,
    writer: Option<Writer>,
    /// Emitted since the commit under way began.
    incoming: Vec<Write>,
    /// A commit is under way.
    committing: bool,
    /// It is a large one.
    large: bool,
    /// The next try of a full disk is planned.
    retrying: bool,
    /// Jobs under way, each with its number.
    jobs: Vec<(u64, Job)>,
    jobs_begun: u64,
    /// Jobs that were given and have no event yet.
    given: Vec<u64>,
    /// Records emitted in this life.
    emitted: u64,
    /// Effects that wait until so many records are durable.
    waiting: VecDeque<(u64, Effect)>,
    /// How much longer a sync takes at most, in microseconds.
    slow_us: u64,
    /// Its syncs fail.
    failing: bool,
    /// The bit that flipped: file, offset, bit.
    flipped: Option<(String, usize, u8)>,
}

impl HostDisk {
    /// An empty disk.
    pub fn new(seed: u64, segment_bytes: u64) -> HostDisk {
        HostDisk {
            memory: MemoryDisk::default(),
            segment_bytes,
            dice: Random(seed),
            commit: None,
            writer: None,
            incoming: Vec::new(),
            committing: false,
            large: false,
            retrying: false,
            jobs: Vec::new(),
            jobs_begun: 0,
            given: Vec::new(),
            emitted: 0,
            waiting: VecDeque::new(),
            slow_us: 0,
            failing: false,
            flipped: None,
        }
    }

    /// Opens the log, as a process does that starts. `None` if the power went again in between.
    ///
    /// # Errors
    /// What the log says when it refuses to open.
    pub fn open(&mut self, dies: bool) -> Result<Option<Found>, String> {
        if dies {
            self.memory.stop_after(self.dice.below(LAST_OPERATIONS));
        }
        let disk = Arc::new(self.memory.clone());
        let opened = Wal::open(disk, Options { segment_bytes: self.segment_bytes });
        if dies {
            drop(opened);
            let kept = self.dice.below(5);
            self.lose_power(kept);
            return Ok(None);
        }
        let (wal, found) = opened.map_err(|error| error.to_string())?;
        // What is damaged is whole for the log now, or it was never read.
        self.flipped = None;
        let decoded = |bytes: &bytes::Bytes| encoding::decode::<Record>(bytes);
        let checkpoint = found.checkpoint.as_ref().map(|state| encoding::decode(state));
        let recovered = Recovered {
            checkpoint: checkpoint.transpose()?.unwrap_or_default(),
            records: found.records.iter().map(decoded).collect::<Result<_, _>>()?,
        };
        self.writer = Some(Writer::new(wal));
        let checkpoint = found.checkpoint.is_some();
        Ok(Some(Found { recovered, torn_bytes: found.torn_bytes, checkpoint }))
    }

    /// The process ends, or the power goes. Of what was not synced, any part is on the disk.
    pub fn crash(&mut self) {
        // Mostly between the write of a commit and its sync, so that some of it is there.
        let torn = self.committing && self.dice.below(4) > 0;
        if let Some(mut writer) = self.writer.take() {
            let last = if torn { 1 } else { self.dice.below(LAST_OPERATIONS) };
            self.memory.stop_after(last);
            let mut told = Told::default();
            let jobs_first = !torn && self.dice.below(2) == 0;
            if self.committing && !jobs_first {
                // An error says that the power is out.
                let _ = writer.round(&mut told);
            }
            for (_, job) in self.jobs.drain(..).chain(told.jobs.drain(..).map(|job| (0, job))) {
                drop(job.run());
            }
            if self.committing && jobs_first {
                let _ = writer.round(&mut told);
            }
        }
        let kept = if torn { 1 + self.dice.below(3) } else { self.dice.below(5) };
        self.lose_power(kept);
        self.incoming.clear();
        self.committing = false;
        self.retrying = false;
        self.failing = false;
        self.jobs.clear();
        self.given.clear();
        self.emitted = 0;
        self.waiting.clear();
    }

    /// Of what was not synced, each sector is kept with a chance of `kept` in 4.
    fn lose_power(&mut self, kept: u64) {
        self.memory = self.memory.power_cut(&mut self.dice, kept);
    }

    /// Puts a record at the end of what is to be written.
    pub fn persist(&mut self, record: &Record) {
        self.emitted += 1;
        self.incoming.push(Write::Record(encoding::encode(record)));
    }

    /// How many records there were in this life.
    pub fn emitted(&self) -> u64 {
        self.emitted
    }

    /// The same, for a checkpoint.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let state = encoding::encode_around(checkpoint.around());
        self.incoming.push(Write::Checkpoint { index: checkpoint.snapshot.index.0, state });
    }

    /// An effect that comes after a record waits for it.
    pub fn wait(&mut self, effect: Effect) {
        self.waiting.push_back((self.emitted, effect));
    }

    /// Begins a commit if there is something to be written and none is under way; how long it
    /// takes.
    pub fn begin_commit(&mut self) -> Option<Duration> {
        let writer = self.writer.as_mut()?;
        if self.committing {
            return None;
        }
        let more = !self.incoming.is_empty();
        let mut bytes = 0;
        for write in self.incoming.drain(..) {
            bytes += match &write {
                Write::Record(record) => record.len(),
                Write::Checkpoint { .. } => 0,
            };
            writer.push(write);
        }
        self.large = bytes > LARGE_COMMIT_BYTES;
        if !writer.is_ready() && !more {
            return None;
        }
        self.committing = true;
        let mut micros = match self.dice.below(50) {
            0 => 1000 + self.dice.below(90_000),
            _ => 80 + self.dice.below(320),
        };
        if self.slow_us > 0 {
            micros += self.dice.below(self.slow_us);
        }
        Some(self.commit.unwrap_or(Duration::from_micros(micros)))
    }

    /// Every commit takes so long from now on.
    pub fn set_commit(&mut self, length: Duration) {
        self.commit = Some(length);
    }

    /// How many times something was made durable.
    pub fn syncs(&self) -> u64 {
        self.memory.syncs()
    }

    /// Whether the commit under way can be torn.
    pub fn is_large_commit(&self) -> bool {
        self.large
    }

    /// The commit is over: what it made possible. Also called every now and then while the disk is
    /// full.
    ///
    /// # Errors
    /// If the disk failed: the process must end.
    pub fn commit(&mut self) -> Result<Vec<Outcome>, Failed> {
        self.committing = false;
        let Some(writer) = self.writer.as_mut() else { return Ok(Vec::new()) };
        let mut told = Told::default();
        let round = writer.round(&mut told);
        self.after(round, told)
    }

    /// Whether the commit must be tried again after a while; said once for each try.
    pub fn wants_retry(&mut self) -> bool {
        let behind = self.writer.as_ref().is_some_and(Writer::is_behind);
        behind && !std::mem::replace(&mut self.retrying, true)
    }

    /// The time for the next try has come: whether there is no commit under way that does it.
    pub fn retries(&mut self) -> bool {
        self.retrying = false;
        !self.committing
    }

    /// The next job that was given: its number, and how long it takes.
    pub fn next_job(&mut self) -> Option<(u64, Duration)> {
        let number = self.given.pop()?;
        Some((number, Duration::from_micros(200 + self.dice.below(60_000))))
    }

    /// A job is over. `Ok(None)` if it found no room and goes on.
    ///
    /// # Errors
    /// If the disk failed: the process must end.
    pub fn finish(&mut self, number: u64) -> Result<Option<Vec<Outcome>>, Failed> {
        let Some(place) = self.jobs.iter().position(|(other, _)| *other == number) else {
            return Ok(Some(Vec::new()));
        };
        let done: Done = self.jobs[place].1.run();
        if done.is_checkpoint_without_room() {
            return Ok(None);
        }
        drop(self.jobs.remove(place));
        let Some(writer) = self.writer.as_mut() else { return Ok(Some(Vec::new())) };
        let mut told = Told::default();
        let finished = writer.finish(done, &mut told);
        self.after(finished, told).map(Some)
    }

    fn after(
        &mut self,
        result: Result<(), wal::WalError>,
        told: Told,
    ) -> Result<Vec<Outcome>, Failed> {
        if result.is_err_and(|error| !error.is_full()) {
            return Err(Failed);
        }
        for job in told.jobs {
            self.jobs_begun += 1;
            self.jobs.push((self.jobs_begun, job));
            self.given.push(self.jobs_begun);
        }
        let mut outcomes = Vec::new();
        for finished in told.finished {
            let input = match finished {
                Finished::Persisted { upto } => {
                    while self.waiting.front().is_some_and(|(needed, _)| *needed <= upto)
                        && let Some((_, effect)) = self.waiting.pop_front()
                    {
                        outcomes.push(Outcome::Perform(effect));
                    }
                    Input::Persisted { upto }
                }
                Finished::Checkpointed { index } => Input::Checkpointed { index: Index(index) },
                Finished::Full(_) => Input::DiskFull(true),
                Finished::Room => Input::DiskFull(false),
            };
            outcomes.push(Outcome::Step(input));
        }
        Ok(outcomes)
    }

    /// Every sync takes longer by up to so much.
    pub fn set_slow(&mut self, by: Duration) {
        self.slow_us = by.as_micros() as u64;
    }

    /// The disk takes so many bytes more; `None` for any number.
    pub fn set_room(&mut self, room: Option<u32>) {
        let bytes = self.memory.bytes();
        self.memory.set_capacity(room.map(|room| bytes + room as usize));
    }

    /// Every sync is said to be done, and is not.
    pub fn ignore_syncs(&mut self) {
        self.memory.ignore_syncs();
    }

    /// Every sync fails from now on.
    pub fn fail(&mut self) {
        self.memory.fail_syncs();
        self.failing = true;
    }

    /// Whether its syncs fail.
    pub fn fails(&self) -> bool {
        self.failing
    }

    /// Whether a bit of it has flipped.
    pub fn is_damaged(&self) -> bool {
        self.flipped.is_some()
    }

    /// Flips one bit of what was promised, where recovery can tell it from a torn write: before the
    /// last frame of a segment. Returns whether there was one to flip.
    pub fn rot(&mut self, draw: u64) -> bool {
        let mut dice = Random(draw);
        let mut names = self.memory.names(".segment");
        names.retain(|name| self.memory.settled_bytes(name) > 0);
        if names.is_empty() || self.flipped.is_some() {
            return false;
        }
        let name = names.swap_remove(dice.below(names.len() as u64) as usize);
        let offset = dice.below(self.memory.settled_bytes(&name)) as usize;
        let bit = dice.below(8) as u8;
        self.memory.flip(&name, offset, bit);
        self.flipped = Some((name, offset, bit));
        true
    }

    /// The folder is put back from a copy.
    pub fn restore(&mut self) {
        if let Some((name, offset, bit)) = self.flipped.take() {
            self.memory.flip(&name, offset, bit);
        }
    }
}
