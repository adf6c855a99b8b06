//! Full disks, which the log survives; failing disks, which end it.

use bytes::Bytes;

use super::{append, checkpoint, commit, open, prepare, try_open};
use crate::memory::{MemoryDisk, Random};
use crate::{MAX_BATCH_BYTES, MAX_RECORD_BYTES, WalError};

fn after_power_cut(disk: &MemoryDisk) -> Vec<Bytes> {
    open(&disk.power_cut(&mut Random(0), 0)).1.records
}

#[test]
fn a_full_disk_shows_at_the_preparation_before_any_commit_fails() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"one"]);
    disk.set_capacity(Some(disk.bytes() + 100));
    let job = wal.begin_prepare().unwrap().unwrap();
    let full = wal.finish(job.run()).unwrap_err();
    assert!(full.is_full() && !wal.has_reserve());
    assert_eq!(
        full.to_string(),
        "no room to prepare a segment of the log, disk/00000000000000000002.segment: no storage \
         space; nothing acknowledged is lost: free some space on that disk"
    );
    assert_eq!(disk.names(".segment").len(), 1, "what was begun is removed");
    // What is accepted already has room.
    commit(&mut wal, &[&[2; 1000]]);
    // And when the segment is full, a commit fails, again and again, and nothing is lost.
    append(&mut wal, &[&[3; 1000]]);
    for _ in 0..3 {
        assert!(wal.commit().unwrap_err().is_full());
        assert_eq!(wal.durable(), 2);
        assert_eq!(after_power_cut(&disk).len(), 2);
    }
    append(&mut wal, &[b"four"]);
    disk.set_capacity(None);
    assert_eq!(wal.commit().unwrap(), 4);
    prepare(&mut wal);
    assert!(wal.has_reserve());
    assert_eq!(after_power_cut(&disk), [&b"one"[..], &[2; 1000], &[3; 1000], b"four"]);
}

#[test]
fn a_full_disk_at_every_number_of_bytes() {
    for room in (0..12_000).step_by(37) {
        let disk = MemoryDisk::default();
        disk.set_capacity(Some(room));
        let mut wal = match try_open(&disk) {
            Ok((wal, _)) => wal,
            Err(e) => {
                assert!(e.is_full(), "{e}");
                assert_eq!(disk.bytes(), 0, "what was begun is removed");
                disk.set_capacity(None);
                open(&disk).0
            }
        };
        disk.set_capacity(Some(room));
        let mut durable = 0;
        for n in 0..20u8 {
            append(&mut wal, &[&vec![n; 100 * usize::from(n)]]);
            match wal.commit() {
                Ok(_) => durable = usize::from(n) + 1,
                Err(e) => assert!(e.is_full(), "{e}"),
            }
            // With and without a segment in reserve.
            if n % 3 > 0
                && let Some(job) = wal.begin_prepare().unwrap()
            {
                assert_eq!(wal.finish(job.run()).is_ok(), wal.has_reserve());
            }
        }
        let found = after_power_cut(&disk);
        assert_eq!(found.len(), durable, "room for {room} bytes");
        disk.set_capacity(None);
        assert_eq!(wal.commit().unwrap(), 20);
        let found = after_power_cut(&disk);
        assert!(found.iter().map(|r| r.len()).eq((0..20).map(|n| 100 * n)));
    }
}

#[test]
fn a_full_disk_at_a_checkpoint_leaves_the_log_as_it_was() {
    for room in 0..200 {
        let disk = MemoryDisk::default();
        let (mut wal, _) = open(&disk);
        commit(&mut wal, &[b"one"]);
        prepare(&mut wal);
        disk.set_capacity(Some(disk.bytes() + room));
        let state = vec![Bytes::from(vec![7; 160])];
        let job = wal.begin_checkpoint(state.clone()).unwrap().unwrap();
        commit(&mut wal, &[b"two"]);
        assert!(wal.finish(job.run()).unwrap_err().is_full());
        assert!(disk.names(".tmp").is_empty());
        assert_eq!(after_power_cut(&disk), [&b"one"[..], b"two"]);
        disk.set_capacity(None);
        let job = wal.begin_checkpoint(state).unwrap().unwrap();
        wal.finish(job.run()).unwrap();
        assert!(after_power_cut(&disk).is_empty());
    }
}

#[test]
fn a_write_in_place_that_finds_no_room_is_never_read() {
    // Any number of bytes of the failed write may stand there; the records go out later, with more,
    // in the same segment or in the next.
    for room in 0..200 {
        for more in [10, 1800] {
            let disk = MemoryDisk::default();
            let (mut wal, _) = open(&disk);
            prepare(&mut wal);
            commit(&mut wal, &[b"one"]);
            append(&mut wal, &[&[2; 100]]);
            disk.set_room_for_writes(Some(room));
            let failed = wal.commit().is_err_and(|e| e.is_full());
            assert_eq!(failed, room < 36 + 4 + 100);
            let mut random = Random(room as u64);
            for kept in [0, 2, 4] {
                let found = open(&disk.power_cut(&mut random, kept)).1.records;
                assert_eq!(found.len(), if failed { 1 } else { 2 });
            }
            disk.set_room_for_writes(None);
            append(&mut wal, &[&vec![3; more]]);
            assert_eq!(wal.commit().unwrap(), 3);
            let found = after_power_cut(&disk);
            assert_eq!(found, [&b"one"[..], &[2; 100], &vec![3; more]]);
        }
    }
}

#[test]
fn a_failed_write_that_reached_the_disk_whole_gives_way_to_the_next_segment() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    prepare(&mut wal);
    commit(&mut wal, &[b"one"]);
    append(&mut wal, &[b"two"]);
    disk.set_room_for_writes(Some(0));
    assert!(wal.commit().unwrap_err().is_full());
    // What the log asked to be written is there after all, the error notwithstanding.
    let twin = MemoryDisk::default();
    let (mut other, _) = open(&twin);
    commit(&mut other, &[b"one"]);
    commit(&mut other, &[b"two"]);
    let file = crate::disk::Disk::open(&disk, "00000000000000000001.segment").unwrap();
    disk.set_room_for_writes(None);
    file.write_at(0, &twin.read("00000000000000000001.segment")).unwrap();
    append(&mut wal, &[&[3; 1960]]);
    assert_eq!(wal.commit().unwrap(), 3);
    assert!(disk.read("00000000000000000002.segment").starts_with(b"toy-log\n"), "it moved on");
    assert_eq!(open(&disk.killed()).1.records, [&b"one"[..], b"two", &[3; 1960]]);
}

#[test]
fn a_failed_sync_is_final() {
    for step in ["commit", "prepare", "checkpoint"] {
        let disk = MemoryDisk::default();
        let (mut wal, _) = open(&disk);
        commit(&mut wal, &[b"one"]);
        disk.fail_syncs();
        let failed = match step {
            "commit" => {
                append(&mut wal, &[b"two"]);
                wal.commit().map(|_| ())
            }
            "prepare" => {
                let job = wal.begin_prepare().unwrap().unwrap();
                wal.finish(job.run())
            }
            _ => {
                let job = wal.begin_checkpoint(Vec::new()).unwrap().unwrap();
                wal.finish(job.run())
            }
        };
        assert!(matches!(failed, Err(WalError::Failed { .. })), "{step}");
        // The next sync would say Ok; the log does not ask.
        let operations = disk.operations();
        append(&mut wal, &[b"three"]);
        assert!(matches!(wal.commit(), Err(WalError::Failed { .. })));
        assert!(matches!(wal.begin_prepare(), Err(WalError::Failed { .. })));
        assert!(matches!(wal.begin_checkpoint(Vec::new()), Err(WalError::Failed { .. })));
        assert_eq!(disk.operations(), operations);
        assert_eq!(after_power_cut(&disk), [&b"one"[..]]);
    }
}

#[test]
fn what_waits_is_bounded() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    let record = vec![1; MAX_RECORD_BYTES];
    let mut fitting = 0;
    while wal.append(&record).is_ok() {
        fitting += 1;
    }
    assert_eq!(fitting, MAX_BATCH_BYTES / MAX_RECORD_BYTES - 1);
    assert!(matches!(wal.append(&record), Err(WalError::Backlog { .. })));
    // What was taken is not harmed, and the largest frame can be read back.
    assert_eq!(wal.commit().unwrap(), fitting as u64);
    assert_eq!(after_power_cut(&disk).len(), fitting);
}

#[test]
fn a_preparation_that_comes_too_late_is_put_away() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    let job = wal.begin_prepare().unwrap().unwrap();
    assert!(wal.begin_prepare().unwrap().is_none(), "one at a time");
    for n in 0..4 {
        commit(&mut wal, &[&[n; 1500]]);
    }
    wal.finish(job.run()).unwrap();
    assert!(!wal.has_reserve());
    assert_eq!(after_power_cut(&disk).len(), 4);
    prepare(&mut wal);
    checkpoint(&mut wal, b"");
    assert_eq!(disk.names(".segment").len(), 1);
}
