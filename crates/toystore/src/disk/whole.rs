//! Small files that are there as a whole or not at all, after a power cut too.
//!
//! Called by whoever keeps a note beside a log: what a folder was made with, who runs where.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts bytes in the place of a file. They are on disk when this returns; whoever reads meanwhile
/// finds the old file or the new one, never half of one.
///
/// # Errors
/// If it cannot be written: then the old one is still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// If that fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
