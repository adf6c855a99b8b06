//! A disk for tests of real processes (`--shadow-disk`): `kill -9` becomes a power cut.
//!
//! When a process is killed, the kernel keeps what it had written, so a missing fsync goes
//! unnoticed. This disk keeps everything unsynced in the memory of the process: writes until
//! `sync_data`, creations, renames and removals until `sync_dir`. What dies with the process is
//! what a power cut would have taken. The shell puts it on top of a [`RealDisk`](super::RealDisk).
//!
//! A file that is not in the folder yet already takes room there, under a hidden name, and grows
//! when it is written to, as on a file system that reserves room at the write: so a full disk shows
//! at the write and not at the sync.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wal::disk::{Disk, DiskFile};

/// How the names of files begin whose creation is not synced. Leftovers are removed at start.
const HIDDEN: &str = ".shadow-";

/// Zeros are written this many at a time.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A disk whose unsynced part lives in memory only.
pub struct ShadowDisk {
    under: Arc<dyn Disk>,
    /// Locked because checkpoints are written on a thread of their own.
    names: Mutex<Names>,
}

/// The folder as the process sees it.
struct Names {
    files: BTreeMap<String, Arc<Inode>>,
    /// What the folder underneath does not have yet, in order.
    unsynced: Vec<Change>,
    /// How many hidden names were given.
    hidden: u64,
}

/// A change of the folder.
enum Change {
    /// Also a creation: from its hidden name.
    Rename(String, String),
    Remove(String),
}

/// A file, whatever it is called, and the writes it has not synced, oldest first.
struct Inode {
    under: Box<dyn DiskFile>,
    /// Locked because two handles may share the file.
    unsynced: Mutex<Vec<(u64, Vec<u8>)>>,
}

impl ShadowDisk {
    /// Puts a shadow on a disk. What that disk holds now counts as synced.
    pub fn new(under: Arc<dyn Disk>) -> io::Result<ShadowDisk> {
        let mut files = BTreeMap::new();
        for name in under.list()? {
            if name.starts_with(HIDDEN) {
                under.remove(&name)?;
            } else {
                let inode = Inode { under: under.open(&name)?, unsynced: Mutex::default() };
                files.insert(name, Arc::new(inode));
            }
        }
        let names = Mutex::new(Names { files, unsynced: Vec::new(), hidden: 0 });
        Ok(ShadowDisk { under, names })
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        // A thread that panicked left the tables whole: each change of them is one statement.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl Disk for ShadowDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut names = self.names();
        if names.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.hidden += 1;
        let home = format!("{HIDDEN}{}", names.hidden);
        let under = self.under.create(&home)?;
        let inode = Arc::new(Inode { under, unsynced: Mutex::default() });
        names.files.insert(name.to_owned(), Arc::clone(&inode));
        names.unsynced.push(Change::Rename(home, name.to_owned()));
        Ok(Box::new(ShadowFile(inode)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let names = self.names();
        let inode = names.files.get(name).ok_or_else(|| missing(name))?;
        Ok(Box::new(ShadowFile(Arc::clone(inode))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.names();
        let inode = names.files.remove(from).ok_or_else(|| missing(from))?;
        names.files.insert(to.to_owned(), inode);
        names.unsynced.push(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names();
        names.files.remove(name).ok_or_else(|| missing(name))?;
        names.unsynced.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut names = self.names();
        for change in names.unsynced.drain(..) {
            match change {
                Change::Rename(from, to) => self.under.rename(&from, &to)?,
                Change::Remove(name) => self.under.remove(&name)?,
            }
        }
        self.under.sync_dir()
    }

    fn locate(&self, name: &str) -> String {
        self.under.locate(name)
    }
}

impl Inode {
    fn unsynced(&self) -> MutexGuard<'_, Vec<(u64, Vec<u8>)>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open file: two handles may share it.
struct ShadowFile(Arc<Inode>);

impl DiskFile for ShadowFile {
    fn length(&self) -> io::Result<u64> {
        self.0.under.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let unsynced = self.0.unsynced();
        self.0.under.read_at(offset, buffer)?;
        let end = offset + buffer.len() as u64;
        for (at, bytes) in unsynced.iter() {
            let (from, to) = ((*at).max(offset), (at + bytes.len() as u64).min(end));
            if from < to {
                let target = (from - offset) as usize..(to - offset) as usize;
                buffer[target].copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut unsynced = self.0.unsynced();
        let (mut len, end) = (self.0.under.length()?, offset + bytes.len() as u64);
        while len < end {
            let chunk = ZEROS.len().min((end - len) as usize);
            self.0.under.write_at(len, &ZEROS[..chunk])?;
            len += chunk as u64;
        }
        unsynced.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut unsynced = self.0.unsynced();
        for (offset, bytes) in unsynced.drain(..) {
            self.0.under.write_at(offset, &bytes)?;
        }
        self.0.under.sync_data()
    }
}
