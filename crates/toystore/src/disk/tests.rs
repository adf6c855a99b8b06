//! What the log does on every disk: the same tests on the machine's, the shadow's and the
//! simulator's.

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use wal::disk::Disk;
use wal::memory::{MemoryDisk, Random};
use wal::{MAX_RECORD_BYTES, Options, Recovered, Wal, WalError};

use super::{RealDisk, ShadowDisk};
use steps::{append, checkpoint, commit, prepare};

#[path = "../../../wal/src/tests/steps.rs"]
mod steps;

/// Small segments, so that few records cross from one to the next.
const SMALL: Options = Options { segment_bytes: 2048 };

/// A kind of disk, and how a process comes back to it.
trait World {
    /// The disk as a new process finds it. The one before must have been dropped.
    fn start(&mut self) -> Arc<dyn Disk>;

    /// Whether unsynced bytes are gone when a process is.
    const FORGETS: bool;
}

struct Real(TempDir);
struct Shadow(TempDir);
struct Memory(MemoryDisk);

impl World for Real {
    fn start(&mut self) -> Arc<dyn Disk> {
        Arc::new(RealDisk::open(self.0.path()).unwrap())
    }

    const FORGETS: bool = false;
}

impl World for Shadow {
    fn start(&mut self) -> Arc<dyn Disk> {
        let real = RealDisk::open(self.0.path()).unwrap();
        Arc::new(ShadowDisk::new(Arc::new(real)).unwrap())
    }

    const FORGETS: bool = true;
}

impl World for Memory {
    fn start(&mut self) -> Arc<dyn Disk> {
        self.0 = self.0.power_cut(&mut Random(0), 0);
        Arc::new(self.0.clone())
    }

    const FORGETS: bool = true;
}

fn open<W: World>(world: &mut W) -> (Wal, Recovered) {
    Wal::open(world.start(), SMALL).unwrap()
}

fn committed_records_come_back<W: World>(mut world: W) {
    let (mut wal, found) = open(&mut world);
    assert!(found.checkpoint.is_none() && found.records.is_empty() && found.notes.is_empty());
    commit(&mut wal, &[b"one", b"", b"three"]);
    commit(&mut wal, &[b"four"]);
    assert_eq!(wal.durable(), 4);
    drop(wal);
    for _ in 0..2 {
        let (wal, found) = open(&mut world);
        assert_eq!(found.records, [&b"one"[..], b"", b"three", b"four"]);
        assert_eq!((found.torn_bytes, wal.durable()), (0, 4));
    }
    let (mut wal, _) = open(&mut world);
    commit(&mut wal, &[b"five"]);
    drop(wal);
    assert_eq!(open(&mut world).1.records.len(), 5);
}

fn appended_is_not_committed<W: World>(mut world: W) {
    let (mut wal, _) = open(&mut world);
    commit(&mut wal, &[b"one"]);
    append(&mut wal, &[b"two"]);
    drop(wal);
    assert_eq!(open(&mut world).1.records, [&b"one"[..]]);
}

fn many_segments<W: World>(mut world: W) {
    let (mut wal, _) = open(&mut world);
    let records: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; 100]).collect();
    for (n, pair) in records.chunks(2).enumerate() {
        // Both ways to the next segment: prepared, and made when it is needed.
        if n % 3 == 0 {
            prepare(&mut wal);
        }
        commit(&mut wal, &[&pair[0], &pair[1]]);
    }
    drop(wal);
    assert_eq!(open(&mut world).1.records, records);
}

fn records_larger_than_a_segment<W: World>(mut world: W) {
    let (mut wal, _) = open(&mut world);
    let large = vec![7; 3 * SMALL.segment_bytes as usize];
    commit(&mut wal, &[&large]);
    prepare(&mut wal);
    commit(&mut wal, &[b"small"]);
    prepare(&mut wal);
    commit(&mut wal, &[b"with", &large, b"company"]);
    commit(&mut wal, &[b"small"]);
    let too_large = wal.append(&vec![0; MAX_RECORD_BYTES + 1]);
    assert!(matches!(too_large, Err(WalError::TooLarge { .. })));
    drop(wal);
    let records = open(&mut world).1.records;
    assert_eq!(records, [&large[..], b"small", b"with", &large, b"company", b"small"]);
}

fn a_checkpoint_takes_the_place_of_records<W: World>(mut world: W) {
    let (mut wal, _) = open(&mut world);
    commit(&mut wal, &[b"one"]);
    prepare(&mut wal);
    append(&mut wal, &[b"two"]);
    // It stands for what was appended before, committed or not.
    let job = wal.begin_checkpoint(vec![Bytes::from_static(b"one, two")]).unwrap().unwrap();
    assert!(wal.begin_checkpoint(Vec::new()).unwrap().is_none(), "one at a time");
    commit(&mut wal, &[b"three"]);
    // The file is written elsewhere while commits go on.
    let done = std::thread::spawn(move || job.run()).join().unwrap();
    commit(&mut wal, &[b"four"]);
    wal.finish(done).unwrap();
    commit(&mut wal, &[b"five"]);
    drop(wal);
    let (mut wal, found) = open(&mut world);
    assert_eq!(found.checkpoint.unwrap(), &b"one, two"[..]);
    assert_eq!(found.records, [&b"three"[..], b"four", b"five"]);
    // Nothing after it, and nothing in reserve to move on to.
    checkpoint(&mut wal, b"all five");
    checkpoint(&mut wal, b"all five again");
    drop(wal);
    let (mut wal, found) = open(&mut world);
    assert_eq!(found.checkpoint.unwrap(), &b"all five again"[..]);
    assert!(found.records.is_empty());
    commit(&mut wal, &[b"six"]);
    assert_eq!(wal.durable(), 6);
    drop(wal);
    assert_eq!(open(&mut world).1.records, [&b"six"[..]]);
}

fn what_is_replaced_is_removed<W: World>(mut world: W) {
    let disk = world.start();
    let (mut wal, _) = Wal::open(Arc::clone(&disk), SMALL).unwrap();
    for _ in 0..50 {
        for _ in 0..5 {
            commit(&mut wal, &[&[1; 1000]]);
            prepare(&mut wal);
        }
        checkpoint(&mut wal, b"state");
    }
    let names = disk.list().unwrap();
    let count = |ending| names.iter().filter(|name| name.ends_with(ending)).count();
    assert_eq!((count(".segment"), count(".checkpoint")), (1, 1), "{names:?}");
}

fn unsynced_changes_of_a_disk<W: World>(mut world: W) {
    let disk = world.start();
    let keep = disk.create("keep").unwrap();
    keep.write_at(0, b"0123456789").unwrap();
    keep.sync_data().unwrap();
    disk.create("old").unwrap();
    disk.create("gone").unwrap();
    disk.sync_dir().unwrap();
    keep.write_at(8, b"unsynced").unwrap();
    disk.create("new").unwrap().sync_data().unwrap();
    disk.rename("old", "renamed").unwrap();
    disk.remove("gone").unwrap();
    // The process sees all of it.
    let mut bytes = [0; 4];
    disk.open("keep").unwrap().read_at(6, &mut bytes).unwrap();
    assert_eq!(&bytes, b"67un");
    let names = |disk: &Arc<dyn Disk>| {
        let mut names = disk.list().unwrap();
        names.retain(|name| name != "lock");
        names.sort();
        names
    };
    assert_eq!(names(&disk), ["keep", "new", "renamed"]);
    assert!(disk.create("new").is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists));
    assert!(disk.open("gone").is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound));
    assert!(
        keep.read_at(15, &mut bytes)
            .is_err_and(|e| { e.kind() == std::io::ErrorKind::UnexpectedEof })
    );
    drop((disk, keep));

    let disk = world.start();
    disk.open("keep").unwrap().read_at(6, &mut bytes).unwrap();
    if W::FORGETS {
        assert_eq!(names(&disk), ["gone", "keep", "old"]);
        assert_ne!(&bytes, b"67un");
        assert_eq!(&bytes[..2], b"67");
    } else {
        assert_eq!(names(&disk), ["keep", "new", "renamed"]);
    }
    // What is synced after a start is kept over the next.
    disk.open("keep").unwrap().write_at(6, b"abcd").unwrap();
    disk.open("keep").unwrap().sync_data().unwrap();
    disk.rename("keep", "kept").unwrap();
    disk.sync_dir().unwrap();
    drop(disk);
    let disk = world.start();
    disk.open("kept").unwrap().read_at(6, &mut bytes).unwrap();
    assert_eq!(&bytes, b"abcd");
}

macro_rules! on_every_disk {
    ($($test:ident)*) => {
        mod real { $(#[test] fn $test() {
            super::$test(super::Real(tempfile::tempdir().unwrap()));
        })* }
        mod shadow { $(#[test] fn $test() {
            super::$test(super::Shadow(tempfile::tempdir().unwrap()));
        })* }
        mod memory { $(#[test] fn $test() {
            super::$test(super::Memory(super::MemoryDisk::default()));
        })* }
    };
}

on_every_disk! {
    committed_records_come_back
    appended_is_not_committed
    many_segments
    records_larger_than_a_segment
    a_checkpoint_takes_the_place_of_records
    what_is_replaced_is_removed
    unsynced_changes_of_a_disk
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    // Folders above it are made too.
    let path = folder.path().join("deep").join("node-1");
    let disk = RealDisk::open(&path).unwrap();
    let Err(refused) = RealDisk::open(&path) else { panic!("opened twice") };
    assert_eq!(
        refused.to_string(),
        format!(
            "the folder {} is in use by another toystore process (process {}): \
             stop that one, or choose another folder with --data",
            path.display(),
            std::process::id()
        )
    );
    // Its owner may be about to end.
    let ending = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(disk);
    });
    RealDisk::open(&path).unwrap();
    ending.join().unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let Err(refused) = RealDisk::open(file.join("data")) else { panic!("opened below a file") };
    assert!(refused.to_string().contains("file/data"), "{refused}");
}

#[test]
fn the_segments_of_other_options_are_read() {
    let mut world = Memory(MemoryDisk::default());
    for segment_bytes in [500, 5000, 300, 1] {
        let (mut wal, _) = Wal::open(world.start(), Options { segment_bytes }).unwrap();
        for _ in 0..10 {
            commit(&mut wal, &[&[segment_bytes as u8; 100]]);
            prepare(&mut wal);
        }
    }
    assert_eq!(open(&mut world).1.records.len(), 40);
}

#[test]
fn a_file_too_large_to_be_ours_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("00000000000000000001.segment")).unwrap();
    file.set_len(1 << 40).unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    let Err(refused) = Wal::open(Arc::new(disk), SMALL) else {
        panic!("opened a segment of a tebibyte")
    };
    assert!(refused.to_string().contains("more than the log ever writes"), "{refused}");
}
