//! The disk of the machine: one folder, `std::fs`, `fdatasync`.
//!
//! Opened by the shell for each node's data folder. Holds a lock on the folder for as long as it
//! lives, so that two processes never write the same log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wal::WalError;
use wal::disk::{Disk, DiskFile};

/// The file that the lock is taken on. It is never removed: a lock on a removed file excludes
/// nobody.
const LOCK_NAME: &str = "lock";

/// How long a folder may be held by a process that is ending: one whose `up` was killed ends a
/// moment after it, and whoever starts the store again at once is faster on a busy machine.
const ENDING_MAX: Duration = Duration::from_secs(1);
const LOOKS_INTERVAL: Duration = Duration::from_millis(20);

/// A folder of the machine's file system, locked.
pub struct RealDisk {
    folder: PathBuf,
    /// The open folder, for `sync_dir`.
    entries: File,
    /// Kept open because the lock ends with it.
    _lock: File,
}

impl RealDisk {
    /// Opens a folder, making it if need be, and locks it; waits up to a second for whoever has it.
    ///
    /// # Errors
    /// [`WalError::InUse`] if another process (or this one) has it open; [`WalError::Failed`] if
    /// the folder cannot be made or opened.
    pub fn open(folder: impl AsRef<Path>) -> Result<RealDisk, WalError> {
        let folder = folder.as_ref();
        let name = || folder.display().to_string();
        make_folder(folder).map_err(|e| WalError::failed("make the folder", name(), e))?;
        let open = || {
            let lock = folder.join(LOCK_NAME);
            let lock = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(lock)?;
            Ok((File::open(folder)?, lock))
        };
        let (entries, mut lock) =
            open().map_err(|e| WalError::failed("open the folder", name(), e))?;
        match lock_within(&lock, ENDING_MAX) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Who it is helps a person; it is a hint, and the lock does not depend on it.
                let holder = io::read_to_string(&lock).ok().and_then(|id| id.trim().parse().ok());
                return Err(WalError::InUse { folder: name(), holder });
            }
            Err(TryLockError::Error(e)) => {
                return Err(WalError::failed("lock the folder", name(), e));
            }
        }
        // On a full disk the hint is missing, which is no reason not to start.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(RealDisk { folder: folder.to_owned(), entries, _lock: lock })
    }
}

fn lock_within(lock: &File, patience: Duration) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => {
                std::thread::sleep(LOOKS_INTERVAL);
            }
            done => return done,
        }
    }
}

/// Makes a folder and those above it, and makes their names durable: a synced file in a folder
/// whose own name was not synced is lost with the folder.
fn make_folder(folder: &Path) -> io::Result<()> {
    let above = match folder.parent() {
        None => return Ok(()),
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
    };
    if !folder.is_dir() {
        make_folder(above)?;
        match std::fs::create_dir(folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    match File::open(above) {
        // Inside a container the folder may be a mount whose parent is not ours to read.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        above => above?.sync_all(),
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is not one of ours.
        std::fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.map(|e| e.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(self.folder.join(name))?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.folder.join(name))?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.entries.sync_all()
    }

    fn locate(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// A file of the machine.
struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
