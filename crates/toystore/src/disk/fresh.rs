//! The folder of a log that begins with a checkpoint, made by no node: `toystore migrate`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use replication::log::{Checkpoint, Record};
use wal::{Wal, encoding};

use super::RealDisk;

/// Makes it; all of it is on disk when this returns.
///
/// # Errors
/// If the folder holds something already, or the disk has no room.
pub fn write_fresh(folder: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let disk = Arc::new(RealDisk::open(folder)?);
    let (mut wal, found) = Wal::open(disk, wal::Options::default())?;
    let empty = found.checkpoint.is_none() && found.records.is_empty();
    anyhow::ensure!(empty, "{} holds a log already", folder.display());
    // The checkpoint stands for a record, in a segment that is gone with it: a log whose first
    // checkpoint is damaged would else be taken for one that never had anything.
    if let Some(job) = wal.begin_prepare()? {
        wal.finish(job.run())?;
    }
    wal.append(&encoding::encode(&Record::Promise(checkpoint.promised)))?;
    let state = encoding::encode_around(checkpoint.around());
    let job = wal.begin_checkpoint(state)?.context("a new log is writing a checkpoint")?;
    wal.finish(job.run())?;
    Ok(())
}
