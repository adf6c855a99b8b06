//! What tests do with a log, in one word each. Used by the log's own tests, and by those of the
//! shell's disks, which read this file too.

use bytes::Bytes;

use super::Wal;

pub fn append(wal: &mut Wal, records: &[&[u8]]) {
    for record in records {
        wal.append(record).unwrap();
    }
}

pub fn commit(wal: &mut Wal, records: &[&[u8]]) {
    append(wal, records);
    wal.commit().unwrap();
}

pub fn prepare(wal: &mut Wal) {
    if let Some(job) = wal.begin_prepare().unwrap() {
        wal.finish(job.run()).unwrap();
    }
}

pub fn checkpoint(wal: &mut Wal, state: &'static [u8]) {
    let (head, rest) = state.split_at(state.len() / 2);
    let parts = vec![Bytes::from_static(head), Bytes::from_static(rest)];
    let job = wal.begin_checkpoint(parts).unwrap().unwrap();
    wal.finish(job.run()).unwrap();
}
