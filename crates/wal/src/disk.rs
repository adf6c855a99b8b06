//! One folder of files, as the log sees it: the seam between the log and the world.
//!
//! The log calls nothing of `std::fs`; it holds an `Arc<dyn Disk>`. The shell's disks are in
//! `crates/toystore/src/disk`, the simulator's is [`crate::memory::MemoryDisk`]. All are
//! synchronous; a shell calls them from a thread of their own.
//!
//! What may be relied on is only what POSIX promises. A write is durable once `sync_data` of its
//! file has returned; a creation, rename or removal once `sync_dir` has. Before that a power cut
//! may keep any part of them, in any order.

use std::io;

/// One folder. Names are plain file names without a separator.
///
/// Every method may fail with [`io::ErrorKind::StorageFull`] where it needs room.
pub trait Disk: Send + Sync {
    /// The names of all files in the folder, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new empty file. Fails with [`io::ErrorKind::AlreadyExists`] if the name is taken.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// An existing file, to read and to write.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in one step; a file that had that name is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name. Files that are open stay readable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every creation, rename and removal so far durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// The whole path of a name, for messages to people.
    fn locate(&self, name: &str) -> String;
}

/// One open file. Closed when dropped, which makes nothing durable.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes, unsynced writes included.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on; fails with [`io::ErrorKind::UnexpectedEof`] past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file if need be. When it fails, any part of
    /// them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every write so far durable, and the length. After a failure nobody knows what is on
    /// the disk, and a second call may say Ok without having written anything: never retry.
    fn sync_data(&self) -> io::Result<()>;
}
