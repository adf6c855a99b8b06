//! Tests of the log: every way a tail can be torn (`torn`), crashes at every step (`crash`), full
//! and failing disks (`faults`). What every disk must give is tested with the shell's disks.

mod crash;
mod faults;
mod steps;
mod torn;

use std::sync::Arc;

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
