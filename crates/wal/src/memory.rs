//! A disk in memory that can lose power, die after any operation, fill up and fail to sync.
//!
//! It keeps what POSIX keeps and no more: at a power cut every unsynced sector and every unsynced
//! change of the folder survives or not, each for itself. Used by the simulator, and by every test
//! of the log.

#![expect(clippy::disallowed_types, reason = "a disk may be called from any thread: Disk is Sync")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

/// What a disk writes in one piece, in bytes.
const SECTOR_BYTES: u64 = 512;

/// SplitMix64 (Steele, Lea, Flood 2014): enough randomness for faults, in four lines.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// A file, whatever it is called.
#[derive(Clone, Default)]
struct Inode {
    /// As the process sees it.
    view: Vec<u8>,
    /// As a power cut leaves it, but for what of `unsynced` survives.
    durable: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
    /// Where the last write of more than zeros began that was synced.
    last_synced: u64,
}

/// A change of the folder.
#[derive(Clone)]
enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct State {
    inodes: Vec<Inode>,
    view: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Change>,
    operations: u64,
    syncs: u64,
    stop_after: Option<u64>,
    capacity: Option<usize>,
    writes_before_full: Option<usize>,
    syncs_fail: bool,
    syncs_lie: bool,
}

/// The disk. A clone is the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

struct MemoryFile(MemoryDisk, usize);

fn change(names: &mut BTreeMap<String, usize>, change: Change) {
    match change {
        Change::Create(name, inode) => {
            names.insert(name, inode);
        }
        // After a power cut the source of a surviving change may be gone itself.
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
        Change::Remove(name) => {
            names.remove(&name);
        }
    }
}

fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    file.resize(file.len().max(end), 0);
    file[start..end].copy_from_slice(bytes);
}

/// Cuts a write where sectors end.
fn sectors(mut offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let room = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        pieces.push((offset, piece));
        (offset, bytes) = (offset + piece.len() as u64, rest);
    }
    pieces
}

impl MemoryDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        // One that panicked is a test that fails.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state after counting one operation, which fails if the power is out.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.operations += 1;
        if state.stop_after.is_some_and(|last| state.operations > last) {
            return Err(io::Error::other("the power is out"));
        }
        Ok(state)
    }

    /// How many operations that change something were performed.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many times something was made durable.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The power goes out after `count` more operations.
    pub fn stop_after(&self, count: u64) {
        let mut state = self.state();
        state.stop_after = Some(state.operations + count);
    }

    /// What is there after a power cut: of what was not synced, each piece with a chance of
    /// `kept` in 4.
    pub fn power_cut(&self, random: &mut Random, kept: u64) -> MemoryDisk {
        let mut state = self.state().clone();
        for inode in &mut state.inodes {
            for (offset, bytes) in std::mem::take(&mut inode.unsynced) {
                for (offset, piece) in sectors(offset, &bytes) {
                    if random.below(4) < kept {
                        write(&mut inode.durable, offset, piece);
                    }
                }
            }
            inode.view = inode.durable.clone();
        }
        for lost in std::mem::take(&mut state.unsynced) {
            if random.below(4) < kept {
                change(&mut state.durable, lost);
            }
        }
        state.view = state.durable.clone();
        // Nobody has a file open on the new machine: what has no name is gone.
        let named: BTreeSet<usize> = state.view.values().copied().collect();
        for (number, inode) in state.inodes.iter_mut().enumerate() {
            if !named.contains(&number) {
                *inode = Inode::default();
            }
        }
        MemoryDisk::new_machine(state)
    }

    /// What is there after the process alone has died: everything, some of it still not durable.
    pub fn killed(&self) -> MemoryDisk {
        MemoryDisk::new_machine(self.state().clone())
    }

    fn new_machine(state: State) -> MemoryDisk {
        let faultless = State {
            stop_after: None,
            capacity: None,
            writes_before_full: None,
            syncs_fail: false,
            ..state
        };
        MemoryDisk(Arc::new(Mutex::new(faultless)))
    }

    /// The disk has room for so many bytes in all; `None` for any number.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// How many bytes all files take.
    pub fn bytes(&self) -> usize {
        let state = self.state();
        state.view.values().map(|inode| state.inodes[*inode].view.len()).sum()
    }

    /// As on a file system that writes nothing in place: after so many more bytes, even bytes that
    /// are there already cannot be written again.
    pub fn set_room_for_writes(&self, bytes: Option<usize>) {
        self.state().writes_before_full = bytes;
    }

    /// Every sync fails from now on.
    pub fn fail_syncs(&self) {
        self.state().syncs_fail = true;
    }

    /// Every sync is said to be done, and is not, on this machine and on all after it.
    pub fn ignore_syncs(&self) {
        self.state().syncs_lie = true;
    }

    /// A file's bytes.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.view[name]].view.clone()
    }

    /// How many bytes of a file stand before its last write that was synced: damage there can be
    /// told from a torn write.
    pub fn settled_bytes(&self, name: &str) -> u64 {
        let state = self.state();
        state.view.get(name).map_or(0, |inode| state.inodes[*inode].last_synced)
    }

    /// Flips one bit of what is durable, as a disk does that rots.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) {
        let mut state = self.state();
        let Some(number) = state.view.get(name).copied() else { return };
        let inode = &mut state.inodes[number];
        inode.view[offset] ^= 1 << (bit % 8);
        inode.durable[offset] ^= 1 << (bit % 8);
    }

    /// Puts a file there, durably, whatever was there before: damage, or the work of others.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = Inode { view: bytes.to_vec(), durable: bytes.to_vec(), ..Inode::default() };
        state.inodes.push(inode);
        let number = state.inodes.len() - 1;
        state.view.insert(name.to_owned(), number);
        state.durable.insert(name.to_owned(), number);
    }

    /// The names that end so, in order.
    pub fn names(&self, ending: &str) -> Vec<String> {
        self.state().view.keys().filter(|name| name.ends_with(ending)).cloned().collect()
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().view.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.operate()?;
        if state.view.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.view.insert(name.to_owned(), inode);
        state.unsynced.push(Change::Create(name.to_owned(), inode));
        Ok(Box::new(MemoryFile(self.clone(), inode)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().view.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(MemoryFile(self.clone(), inode)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.operate()?;
        let inode = state.view.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.view.insert(to.to_owned(), inode);
        state.unsynced.push(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.operate()?;
        state.view.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.unsynced.push(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.operate()?;
        if state.syncs_fail {
            return Err(io::Error::other("the disk does not answer"));
        }
        state.syncs += 1;
        if state.syncs_lie {
            return Ok(());
        }
        state.unsynced.clear();
        state.durable = state.view.clone();
        Ok(())
    }

    fn locate(&self, name: &str) -> String {
        format!("disk/{name}")
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.state().inodes[self.1].view.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let view = &state.inodes[self.1].view;
        let start = offset as usize;
        let bytes = view.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // Read before the lock that `operate` takes.
        let taken = self.0.bytes();
        let mut state = self.0.operate()?;
        let len = state.inodes[self.1].view.len();
        let mut fitting = bytes.len();
        if let Some(capacity) = state.capacity {
            let last = len + capacity.saturating_sub(taken);
            fitting = fitting.min(last.saturating_sub(offset as usize));
        }
        if let Some(room) = &mut state.writes_before_full {
            fitting = fitting.min(*room);
            *room -= fitting;
        }
        let inode = &mut state.inodes[self.1];
        write(&mut inode.view, offset, &bytes[..fitting]);
        inode.unsynced.push((offset, bytes[..fitting].to_vec()));
        if fitting < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.operate()?;
        if state.syncs_fail {
            return Err(io::Error::other("the disk does not answer"));
        }
        state.syncs += 1;
        if state.syncs_lie {
            return Ok(());
        }
        let inode = &mut state.inodes[self.1];
        for (offset, bytes) in std::mem::take(&mut inode.unsynced) {
            if bytes.iter().any(|byte| *byte != 0) {
                inode.last_synced = offset;
            }
            write(&mut inode.durable, offset, &bytes);
        }
        Ok(())
    }
}
