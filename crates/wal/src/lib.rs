//! The write-ahead log: what a node has promised, in a folder, in order.
//!
//! A node with a disk (catalog, order replica) emits records; the shell appends them here, commits,
//! and only then lets out the effects that rely on them. The log knows nothing of what a record
//! means: it takes bytes, and gives the same bytes back after a crash. It is synchronous and has
//! one owner; all it asks of the world goes through [`disk::Disk`].
//!
//! Called by the shell's disk thread, over the machine's disk, and by the simulator, over the one
//! in memory ([`memory::MemoryDisk`]); both through [`Writer`], which says when to commit.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `format` | names, headers, frames: the bytes |
//! | `segment`, `job`, `recovery` | a file being written; slow work; from files to an open log |
//! | [`disk`], [`memory`] | what a disk must do; one in memory that loses power |
//! | `writer` | group commit: one node's records and checkpoints, in order |
//! | [`encoding`] | values as bytes |
//!
//! # The files
//!
//! ```text
//! lock                              held while a process has the folder (the shell's disk)
//! 00000000000000000003.segment      header, frame, frame, frame, zeros …
//! 00000000000000000004.segment      zeros: the reserve
//! 00000000000000000351.checkpoint   header, state: stands for the records 1 to 350
//! 00000000000000000420.checkpoint.tmp   one that was being written
//! ```
//!
//! Numbers are little endian, checksums CRC-32C, lengths in bytes.
//!
//! | segment header, 40 | checkpoint header, 40 | frame header, 36 |
//! | --- | --- | --- |
//! | magic `toy-log\n`, 8 | magic `toy-ckp\n`, 8 | magic `TOYF`, 4 |
//! | format version, 4 | format version, 4 | length of the payload, 4 |
//! | CRC of these two, 4 | CRC of these two, 4 | segment id, 8 |
//! | segment id, 8 | first record after it, 8 | first record in it, 8 |
//! | first record in it, 8 | CRC of the frame before, 4 | CRC of the frame before, 4 |
//! | CRC of the frame before, 4 | length of the state, 8 | number of records, 4 |
//! | CRC of all above, 4 | CRC of all above and state, 4 | CRC of all above and payload, 4 |
//!
//! A payload is the records, each behind its length (4). Records are numbered from 1 without gaps.
//! Every frame names its segment, its first record and the CRC of the frame before, across segments
//! too: so neither zeros nor bytes of a file's earlier life are ever taken for a frame that
//! follows.
//!
//! # Group commit: one commit, one frame, one write, one sync
//!
//! [`Wal::append`] only collects. [`Wal::commit`] makes **one frame** of everything that waits,
//! writes it and syncs it. A segment is full of zeros that were synced before its first use, so a
//! commit changes no length and no extent: `fdatasync` has nothing to put in the file system's own
//! journal, which halves its time. A frame is never split over two segments: one that does not fit
//! begins the next segment, one that is larger than a segment gets a segment of its own size.
//!
//! That a commit is *one* frame is what makes recovery simple. The next frame is written only after
//! the sync of this one succeeded, therefore:
//!
//! **A whole frame proves that every frame before it was durable.** At most one frame, the last,
//! can be torn; its pages may be on disk in any selection. Nobody relies on any record in it, so
//! all of it is cut, even if some of its records are legible.
//!
//! # Recovery
//!
//! 1. The newest whole checkpoint is the base; without one, the base is record 1. Unfinished ones
//!    are removed.
//! 2. Reading begins in the last segment whose header says that it begins at or before the base;
//!    segments before that are remains of an interrupted removal. So is that one, if it ends before
//!    the base and the number after it is missing.
//! 3. Frames are read as long as each is whole and follows the one before (number and chain). A
//!    segment ends where the header of the next says that it begins; nothing may be missing there.
//! 4. What comes after the last frame is a **torn tail** and is overwritten with zeros, unless
//!    there is **proof that more was durable**: a whole frame further on, a later segment's
//!    header, or a checkpoint of a later position. Then it is a **corrupt middle**: refused with
//!    file and offset. (A damaged last frame with nothing behind it cannot be told from a torn
//!    one. A damaged segment header before a whole frame can: they share a sector.)
//! 5. A damaged checkpoint is passed over only if the log still reaches its position.
//! 6. What was read is synced before it is returned: after a crash of the process alone, it may be
//!    in the kernel's memory only, and the node is about to act on it.
//! 7. A newer format version is refused. The version has a checksum of its own, so that damage does
//!    not look like a newer version.
//!
//! # Checkpoints and the reserve
//!
//! Both are slow, so they are [`Job`]s: begun and finished on the disk thread, run on any thread,
//! while commits go on.
//!
//! ```text
//! loop {
//!     append everything that waits; commit; let out the effects
//!     if let Some(job) = wal.begin_prepare()? { run it elsewhere, later wal.finish(done)? }
//!     if the node gave a checkpoint { wal.begin_checkpoint(state)? … the same }
//! }
//! ```
//!
//! [`Wal::begin_checkpoint`] fixes the position: the state stands for every record appended before.
//! It moves on to the reserve, so that the job can remove all segments before. Records that
//! rely on the *checkpoint* (a follower that installed a leader's snapshot) must not be committed
//! before it is finished.
//!
//! # A full disk
//!
//! Room is found ahead: [`Wal::begin_prepare`] keeps one segment in reserve, and its failing with
//! [`WalError::Full`] is the early warning, on which a node refuses new work; what was already
//! accepted has the rest of the current segment. A commit that finds no room fails before it has
//! synced anything: its records still wait and go out with the next commit. What it may have
//! written stands where the next frame goes, or behind the end that the next segment's header
//! states, and so is never read. A failed sync is never retried, whatever its reason: afterwards
//! every call fails, and the shell ends the process.
//!
//! # What is left out
//!
//! - Padding frames to sectors: a commit rewrites the sector in which the last frame ended. We
//!   trust that a disk which loses power keeps those of its bytes that do not change.
//! - Recycling old segments: making zeros in the background costs writes, and no commit waits.
//! - Detecting that the whole folder was emptied or put back from an old copy: that is for the
//!   protocol above (ids, views).
//! - A record that holds the bytes of a whole later frame of its own segment, in a torn tail, would
//!   be taken for proof of damage: a refused start, never a wrong record.
//! - Direct I/O, compression, encryption.

pub mod disk;
pub mod encoding;
mod error;
mod format;
mod job;
pub mod memory;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::Arc;

use bytes::Bytes;

pub use error::WalError;
pub use job::{Done, Job};
pub use recovery::Recovered;
pub use writer::{Finished, Owner, Write, Writer};

use disk::Disk;
use format::{Batch, Position};
use job::Outcome;
use segment::Segment;

/// Length of a segment, in bytes: half a second of the heaviest load, and prepared in milliseconds.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// The largest record, in bytes: twice the largest body that nodes send each other.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most that may wait for one commit, in bytes, lengths included. Reached only if a caller goes
/// on appending while commits fail.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// The largest checkpoint, in bytes: 25 times what we expect after years of orders.
pub const MAX_CHECKPOINT_BYTES: usize = 1024 * 1024 * 1024;

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Length of a segment, in bytes; at most [`MAX_BATCH_BYTES`].
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: SEGMENT_BYTES }
    }
}

/// The log of one node, open for appending.
pub struct Wal {
    disk: Arc<dyn Disk>,
    options: Options,
    /// Where commits go.
    current: Segment,
    /// Where they go when that is full.
    reserve: Option<Segment>,
    /// The segments before `current`, oldest first, each with the number of the record after it.
    older: Vec<(u64, u64)>,
    /// The positions of the checkpoints on disk, by the number of the record after.
    checkpoints: Vec<u64>,
    /// After the last durable record.
    position: Position,
    /// What was appended since.
    batch: Batch,
    /// The id of the next segment. Ids rise; one that could not be made leaves a gap.
    next_id: u64,
    /// Whether a preparation is under way.
    preparing: bool,
    /// Whether a checkpoint is under way.
    checkpointing: bool,
    /// Whether the disk has failed: nothing is true of it any more.
    failed: bool,
}

impl Wal {
    /// Opens the log in a folder, or begins one if the folder has none.
    ///
    /// # Errors
    /// [`WalError::Corrupt`], [`WalError::NewerFormat`], [`WalError::Full`] (a new log finds no
    /// room), [`WalError::Failed`]. The folder is as before, but for remains that mean nothing.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Wal, Recovered), WalError> {
        assert!(
            options.segment_bytes > 0 && options.segment_bytes <= MAX_BATCH_BYTES as u64,
            "a segment of {} bytes: at most {MAX_BATCH_BYTES}",
            options.segment_bytes
        );
        recovery::recover(disk, options)
    }

    /// The number of the last durable record; 0 before the first. Counted over the log's whole
    /// life, across restarts and checkpoints.
    pub fn durable(&self) -> u64 {
        self.position.next - 1
    }

    /// Adds a record to the next commit.
    ///
    /// # Errors
    /// [`WalError::TooLarge`], [`WalError::Backlog`]: the record was not added.
    pub fn append(&mut self, record: &[u8]) -> Result<(), WalError> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(WalError::TooLarge { bytes: record.len(), limit: MAX_RECORD_BYTES });
        }
        let bytes = self.batch.bytes() + size_of::<u32>() + record.len();
        if bytes > MAX_BATCH_BYTES {
            return Err(WalError::Backlog { bytes, limit: MAX_BATCH_BYTES });
        }
        self.batch.push(record);
        Ok(())
    }

    /// Makes everything that was appended durable, with one write and one sync. Returns
    /// [`Wal::durable`].
    ///
    /// # Errors
    /// [`WalError::Full`]: what was appended still waits. [`WalError::Failed`]: end the process.
    pub fn commit(&mut self) -> Result<u64, WalError> {
        self.check_alive()?;
        if self.batch.count() > 0 {
            let written = self.write_batch();
            self.position = self.note(written)?;
            self.batch.clear();
        }
        Ok(self.durable())
    }

    fn write_batch(&mut self) -> Result<Position, WalError> {
        if !self.current.fits(&self.batch) {
            self.roll()?;
        }
        self.current.write(&*self.disk, &mut self.batch, self.position)
    }

    /// Moves on to a segment that the batch fits into.
    fn roll(&mut self) -> Result<(), WalError> {
        let next = match self.reserve.take() {
            Some(reserve) if reserve.fits(&self.batch) => reserve,
            too_small => {
                if let Some(segment) = too_small {
                    job::remove(&*self.disk, &format::segment_name(segment.id))?;
                }
                let len = self.options.segment_bytes.max(self.batch.bytes() as u64);
                let id = self.take_id();
                Segment::create(&*self.disk, id, len)?
            }
        };
        self.move_to(next);
        Ok(())
    }

    fn move_to(&mut self, next: Segment) {
        assert!(next.id > self.current.id, "segment {} after {}", next.id, self.current.id);
        let full = std::mem::replace(&mut self.current, next);
        self.older.push((full.id, self.position.next));
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Whether a segment lies in reserve. A node without one should refuse new work if the last
    /// preparation said [`WalError::Full`].
    pub fn has_reserve(&self) -> bool {
        self.reserve.is_some()
    }

    /// The preparation of a segment to move on to, if none lies in reserve. `None` also while one
    /// is under way. Worth calling after each commit: it costs nothing when there is nothing to do.
    pub fn begin_prepare(&mut self) -> Result<Option<Job>, WalError> {
        self.check_alive()?;
        if self.reserve.is_some() || self.preparing {
            return Ok(None);
        }
        self.preparing = true;
        let id = self.take_id();
        Ok(Some(Job::prepare(Arc::clone(&self.disk), id, self.options.segment_bytes)))
    }

    /// The writing of a checkpoint: `state`, all parts of it, takes the place of every record
    /// appended so far.
    /// Commits first, for a checkpoint stands between two durable records. `None` while another is
    /// under way.
    ///
    /// # Errors
    /// As [`Wal::commit`]; [`WalError::TooLarge`].
    pub fn begin_checkpoint(&mut self, state: Vec<Bytes>) -> Result<Option<Job>, WalError> {
        let bytes = state.iter().map(Bytes::len).sum();
        if bytes > MAX_CHECKPOINT_BYTES {
            return Err(WalError::TooLarge { bytes, limit: MAX_CHECKPOINT_BYTES });
        }
        self.commit()?;
        if self.checkpointing {
            return Ok(None);
        }
        self.checkpointing = true;
        if self.current.is_used()
            && let Some(reserve) = self.reserve.take()
        {
            self.move_to(reserve);
        }
        let gone = self.before(self.position);
        Ok(Some(Job::checkpoint(Arc::clone(&self.disk), self.position, state, gone)))
    }

    /// Takes back a job that was run: puts the prepared segment in reserve, or forgets what the
    /// checkpoint stands for, which the job has removed.
    ///
    /// # Errors
    /// The job's own: after [`WalError::Full`] it can be begun again, and the log is as if it had
    /// never been. [`WalError::Failed`]: end the process.
    pub fn finish(&mut self, done: Done) -> Result<(), WalError> {
        self.check_alive()?;
        let finished = match done.0 {
            Outcome::Prepared(segment) => {
                self.preparing = false;
                segment.and_then(|segment| self.put_in_reserve(segment))
            }
            Outcome::Checkpointed(position) => {
                self.checkpointing = false;
                position.map(|position| self.forget_before(position))
            }
        };
        self.note(finished)
    }

    fn put_in_reserve(&mut self, segment: Segment) -> Result<(), WalError> {
        // The commits were faster than the preparation, and moved on to a later segment.
        if segment.id < self.current.id {
            return job::remove(&*self.disk, &format::segment_name(segment.id));
        }
        self.reserve = Some(segment);
        Ok(())
    }

    /// Segments and checkpoints that a durable checkpoint at `position` stands for. Until it is one
    /// there are only more: segments that end behind it.
    fn before(&self, position: Position) -> Vec<String> {
        let segments = self.older.iter().filter(|(_, end)| *end <= position.next);
        let segments = segments.map(|(id, _)| format::segment_name(*id));
        let checkpoints = self.checkpoints.iter().filter(|next| **next != position.next);
        segments.chain(checkpoints.map(|next| format::checkpoint_name(*next))).collect()
    }

    /// The same are gone.
    fn forget_before(&mut self, position: Position) {
        self.older.retain(|(_, end)| *end > position.next);
        self.checkpoints = vec![position.next];
    }

    /// Remembers that the disk has failed.
    fn note<T>(&mut self, result: Result<T, WalError>) -> Result<T, WalError> {
        self.failed |= result.as_ref().is_err_and(|e| !e.is_full());
        result
    }

    fn check_alive(&self) -> Result<(), WalError> {
        if self.failed {
            let source = io::Error::other("the disk failed before, and what is on it is unknown");
            return Err(WalError::failed("use the log", self.disk.locate(""), source));
        }
        Ok(())
    }
}
