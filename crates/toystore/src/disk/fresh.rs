//! The folder of a log that is made by no node: `toystore migrate`, which begins it with a
//! checkpoint, and `toystore generate`, which puts records behind that.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use replication::log::{Checkpoint, Record};
use wal::{Wal, encoding};

use super::RealDisk;

/// Records are committed when they have so many bytes: some syncs a second on any disk, and a
/// segment has room for eight of them.
const COMMIT_BYTES: usize = 512 * 1024;

/// A log that is being made.
pub struct FreshLog {
    wal: Wal,
    /// Of records that are not committed yet.
    waiting: usize,
}

impl FreshLog {
    /// Begins one; the checkpoint is on disk when this returns.
    ///
    /// # Errors
    /// If the folder holds something already, or the disk has no room.
    pub fn begin(folder: &Path, checkpoint: &Checkpoint) -> Result<FreshLog> {
        let disk = Arc::new(RealDisk::open(folder)?);
        let (mut wal, found) = Wal::open(disk, wal::Options::default())?;
        let empty = found.checkpoint.is_none() && found.records.is_empty();
        anyhow::ensure!(empty, "{} holds a log already", folder.display());
        // The checkpoint stands for a record, in a segment that is gone with it: a log whose first
        // checkpoint is damaged would else be taken for one that never had anything.
        prepare(&mut wal)?;
        wal.append(&encoding::encode(&Record::Promise(checkpoint.promised)))?;
        let state = encoding::encode_around(checkpoint.around());
        let job = wal.begin_checkpoint(state)?.context("a new log is writing a checkpoint")?;
        wal.finish(job.run())?;
        Ok(FreshLog { wal, waiting: 0 })
    }

    /// Puts an encoded record at its end.
    ///
    /// # Errors
    /// If the disk has no room.
    pub fn append(&mut self, record: &[u8]) -> Result<()> {
        self.wal.append(record)?;
        self.waiting += record.len();
        if self.waiting >= COMMIT_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    /// All of it is on disk when this returns.
    ///
    /// # Errors
    /// If the disk has no room.
    pub fn end(mut self) -> Result<()> {
        self.commit()
    }

    fn commit(&mut self) -> Result<()> {
        prepare(&mut self.wal)?;
        self.wal.commit()?;
        self.waiting = 0;
        Ok(())
    }
}

/// Finds room for what comes next, as a node's disk thread does.
fn prepare(wal: &mut Wal) -> Result<()> {
    if let Some(job) = wal.begin_prepare()? {
        wal.finish(job.run())?;
    }
    Ok(())
}

/// Makes a log that has nothing but a checkpoint; all of it is on disk when this returns.
///
/// # Errors
/// If the folder holds something already, or the disk has no room.
pub fn write_fresh(folder: &Path, checkpoint: &Checkpoint) -> Result<()> {
    FreshLog::begin(folder, checkpoint)?;
    Ok(())
}
