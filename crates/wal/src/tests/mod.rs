//! Tests of the log: every way a tail can be torn (`torn`), crashes at every step (`crash`), full
//! and failing disks (`faults`). What every disk must give is tested with the shell's disks.

mod crash;
mod faults;
mod steps;
mod torn;

use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use super::memory::MemoryDisk;
use super::{Options, Recovered, Wal, WalError};
use steps::{append, checkpoint, commit, prepare};

/// Small segments, so that few records cross from one to the next.
const SMALL: Options = Options { segment_bytes: 2048 };

fn open(disk: &MemoryDisk) -> (Wal, Recovered) {
    try_open(disk).unwrap()
}

fn try_open(disk: &MemoryDisk) -> Result<(Wal, Recovered), WalError> {
    Wal::open(Arc::new(disk.clone()), SMALL)
}

/// The error that refuses the start, as a person reads it.
fn refusal(disk: &MemoryDisk) -> String {
    match try_open(disk) {
        Ok((_, recovered)) => panic!("opened with {} records", recovered.records.len()),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_job_may_run_on_any_thread() {
    fn check<T: Send + 'static>() {}
    check::<super::Job>();
    check::<super::Done>();
    check::<Wal>();
    check::<Arc<dyn Disk>>();
}

#[test]
fn a_checkpoint_rests_after_every_piece_that_is_on_the_disk() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"record"]);
    let state = vec![Bytes::from(vec![7; 600 * 1024]), Bytes::from_static(b"end")];
    let job = wal.begin_checkpoint(state).unwrap().unwrap();
    let mut lengths = Vec::new();
    let done = job.run_resting(&mut || {
        let names = disk.list().unwrap();
        let unfinished = names.iter().find(|name| name.ends_with(".tmp")).unwrap();
        lengths.push(disk.open(unfinished).unwrap().length().unwrap() / 1024);
    });
    assert_eq!(lengths, [256, 512]);
    wal.finish(done).unwrap();
}
