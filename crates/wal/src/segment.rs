//! One open segment: a file of zeros that frames are written into.
//!
//! Made by a preparation (`job`), by `recovery`, and by the log when nothing was prepared in time;
//! written by the log's commits.

use std::io;

use super::disk::{Disk, DiskFile};
use super::error::WalError;
use super::format::{self, Batch, Position, SEGMENT_HEADER_BYTES};

/// Zeros are written this many at a time, in bytes: few calls, and little memory.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// A segment that is being written, or waits for its turn.
pub struct Segment {
    /// Its id, in its name and in each of its frames.
    pub id: u64,
    file: Box<dyn DiskFile>,
    /// Length of the file, all of it written once, in bytes.
    len: u64,
    /// Where the next frame goes; 0 while not even the header is written.
    ///
    /// Invariant: everything before is durable, and nothing after it was promised.
    used: u64,
}

/// Writes zeros over `from..to`.
fn write_zeros(file: &dyn DiskFile, mut from: u64, to: u64) -> io::Result<()> {
    while from < to {
        let chunk = (ZEROS.len() as u64).min(to - from);
        file.write_at(from, &ZEROS[..chunk as usize])?;
        from += chunk;
    }
    Ok(())
}

impl Segment {
    /// Makes the segment `id`: zeros written and synced, and its name too, so that a commit into it
    /// changes nothing but bytes that the file system has placed already.
    ///
    /// # Errors
    /// [`WalError::Full`], and then nothing is left of it.
    pub fn create(disk: &dyn Disk, id: u64, len: u64) -> Result<Segment, WalError> {
        let doing = "prepare a segment of the log";
        let name = format::segment_name(id);
        let error = |e| WalError::full_or_failed(doing, disk.locate(&name), e);
        let file = disk.create(&name).map_err(error)?;
        // No frame stands in it yet, so a full disk that shows only at the sync has broken nothing.
        if let Err(e) = write_zeros(&*file, 0, len).and_then(|()| file.sync_data()) {
            disk.remove(&name).map_err(error)?;
            return Err(error(e));
        }
        disk.sync_dir().map_err(|e| WalError::failed(doing, disk.locate(&name), e))?;
        Ok(Segment { id, file, len, used: 0 })
    }

    /// Takes over a segment found at recovery: `used` bytes of it count, and what is left of torn
    /// writes up to `extent` is overwritten with zeros, so that no later write can complete it.
    ///
    /// Syncs in any case: after a mere crash of the process, the frames that recovery has read may
    /// be in the kernel's memory only.
    pub fn adopt(
        disk: &dyn Disk,
        (id, file): (u64, Box<dyn DiskFile>),
        (used, extent, len): (u64, u64, u64),
    ) -> Result<Segment, WalError> {
        write_zeros(&*file, used, extent).and_then(|()| file.sync_data()).map_err(|e| {
            WalError::failed("cut the log's tail", disk.locate(&format::segment_name(id)), e)
        })?;
        Ok(Segment { id, file, len, used })
    }

    /// Whether a frame has been written, or at least the header.
    pub fn is_used(&self) -> bool {
        self.used > 0
    }

    /// Whether a batch fits behind what is there.
    pub fn fits(&self, batch: &Batch) -> bool {
        let headers = if self.is_used() { SEGMENT_HEADER_BYTES } else { 0 };
        self.used + (batch.bytes() - headers) as u64 <= self.len
    }

    /// One write and one sync. Returns the position after the batch.
    ///
    /// # Errors
    /// [`WalError::Full`] if the write found no room (on a file system that writes elsewhere than
    /// where the zeros are): the same call may be repeated, with more records too. A failed sync is
    /// final, whatever its reason.
    pub fn write(
        &mut self,
        disk: &dyn Disk,
        batch: &mut Batch,
        position: Position,
    ) -> Result<Position, WalError> {
        let doing = "write the log";
        let name = || disk.locate(&format::segment_name(self.id));
        let after = batch.seal(self.id, position);
        let bytes = batch.sealed(!self.is_used());
        self.file
            .write_at(self.used, bytes)
            .map_err(|e| WalError::full_or_failed(doing, name(), e))?;
        self.file.sync_data().map_err(|e| WalError::failed(doing, name(), e))?;
        self.used += bytes.len() as u64;
        Ok(after)
    }
}
