//! The log's slow work, cut out so that another thread can do it while commits go on.
//!
//! The log makes a [`Job`]; any thread runs it; the log takes the [`Done`] back. A job touches only
//! files that no commit touches.

use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use super::error::WalError;
use super::format::{self, Position};
use super::segment::Segment;

/// A checkpoint is written and synced this many bytes at a time: what commits sync meanwhile stands
/// behind so much on its way to the disk, and not behind all of it.
const PIECE_BYTES: usize = 256 * 1024;

/// Work for any thread. Dropped without being run, it leaves the log as one whose job never ends.
#[must_use = "run it, and give what it returns to Wal::finish"]
pub struct Job {
    disk: Arc<dyn Disk>,
    work: Work,
}

enum Work {
    Prepare { id: u64, len: u64 },
    Checkpoint { position: Position, state: Vec<Bytes>, gone: Vec<String> },
}

/// What became of a [`Job`].
#[must_use = "give it to Wal::finish"]
pub struct Done(pub(super) Outcome);

impl Done {
    /// Whether a checkpoint was to be written.
    pub fn is_checkpoint(&self) -> bool {
        matches!(self.0, Outcome::Checkpointed(_))
    }

    /// Whether a checkpoint found no room: the same job may be run again, and stands for the same
    /// records.
    pub fn is_checkpoint_without_room(&self) -> bool {
        matches!(&self.0, Outcome::Checkpointed(Err(error)) if error.is_full())
    }
}

pub(super) enum Outcome {
    Prepared(Result<Segment, WalError>),
    Checkpointed(Result<Position, WalError>),
}

impl Job {
    pub(super) fn prepare(disk: Arc<dyn Disk>, id: u64, len: u64) -> Job {
        Job { disk, work: Work::Prepare { id, len } }
    }

    /// Writes the checkpoint, then removes the files that it stands for.
    pub(super) fn checkpoint(
        disk: Arc<dyn Disk>,
        position: Position,
        state: Vec<Bytes>,
        gone: Vec<String>,
    ) -> Job {
        Job { disk, work: Work::Checkpoint { position, state, gone } }
    }

    /// Does the work; takes as long as the disk takes.
    pub fn run(&self) -> Done {
        self.run_resting(&mut || ())
    }

    /// Does the work, and calls `rest` after every 256 KiB of a checkpoint: what commits need of
    /// disk and processor can then come between.
    pub fn run_resting(&self, rest: &mut dyn FnMut()) -> Done {
        let disk = &*self.disk;
        Done(match &self.work {
            Work::Prepare { id, len } => Outcome::Prepared(Segment::create(disk, *id, *len)),
            Work::Checkpoint { position, state, gone } => {
                let written = write_checkpoint(disk, *position, state, rest);
                let removed = written.and_then(|()| remove_all(disk, gone));
                Outcome::Checkpointed(removed.map(|()| *position))
            }
        })
    }
}

/// Removes files for good. Not done by whoever commits: a large file is gone after milliseconds.
fn remove_all(disk: &dyn Disk, names: &[String]) -> Result<(), WalError> {
    names.iter().try_for_each(|name| remove(disk, name))?;
    disk.sync_dir().map_err(|e| WalError::failed("remove old files", disk.locate(""), e))
}

/// Removes a file; for good, once the folder is synced.
pub(super) fn remove(disk: &dyn Disk, name: &str) -> Result<(), WalError> {
    disk.remove(name).map_err(|e| WalError::failed("remove an old file", disk.locate(name), e))
}

/// Writes, syncs, renames, syncs the folder: the file is whole before it has its name, and has its
/// name for good before anything that it replaces is removed.
fn write_checkpoint(
    disk: &dyn Disk,
    position: Position,
    state: &[Bytes],
    rest: &mut dyn FnMut(),
) -> Result<(), WalError> {
    let doing = "write a checkpoint";
    let unfinished = format::unfinished_name(position.next);
    let failed = |e| WalError::failed(doing, disk.locate(&unfinished), e);
    let full_or_failed = |e| WalError::full_or_failed(doing, disk.locate(&unfinished), e);
    let file = disk.create(&unfinished).map_err(full_or_failed)?;
    let mut write = || {
        let header = format::checkpoint_header(position, state);
        file.write_at(0, &header)?;
        let mut offset = header.len() as u64;
        let mut piece = Vec::new();
        for part in state.iter().flat_map(|part| part.chunks(PIECE_BYTES)) {
            if piece.len() + part.len() > PIECE_BYTES {
                file.write_at(offset, &piece)?;
                file.sync_data()?;
                offset += piece.len() as u64;
                piece.clear();
                rest();
            }
            piece.extend_from_slice(part);
        }
        file.write_at(offset, &piece)?;
        // Nothing relies on this file yet, so a full disk that shows only here has broken nothing.
        file.sync_data()
    };
    let name = format::checkpoint_name(position.next);
    if let Err(e) = write().and_then(|()| disk.rename(&unfinished, &name)) {
        disk.remove(&unfinished).map_err(failed)?;
        return Err(full_or_failed(e));
    }
    disk.sync_dir().map_err(failed)
}
