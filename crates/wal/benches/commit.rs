//! What the log costs a processor: records as bytes, and commits of them on a disk that takes
//! everything and keeps nothing. `cargo bench -p wal`.
//!
//! A record here has the shape and length of an order's. *Commit* is what stands before the sync of
//! a disk: appending, the frame with its checksum, and one write.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wal::disk::{Disk, DiskFile};
use wal::{Options, Wal, encoding};

/// Records in a commit: of one order alone, of a usual load, and of a heavy one.
const RECORDS: [u64; 3] = [1, 16, 256];

/// Bytes of an order's command.
const COMMAND_BYTES: usize = 60;

/// A disk of no bytes.
struct Nowhere;

impl Disk for Nowhere {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Nowhere))
    }

    fn open(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn locate(&self, name: &str) -> String {
        name.to_string()
    }
}

impl DiskFile for Nowhere {
    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn write_at(&self, _offset: u64, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Kind, index, term and command, as a replica's record has them.
type Record = (u8, u64, (u32, u64, u8), Vec<u8>);

fn record() -> Record {
    (1, 1_000_000, (0, 17, 3), vec![b'o'; COMMAND_BYTES])
}

fn log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    let encoded = encoding::encode(&record());
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group.bench_function("encode", |bencher| {
        let record = record();
        bencher.iter(|| encoding::encode(black_box(&record)));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| encoding::decode::<Record>(black_box(&encoded)).expect("it is whole"));
    });
    group.finish();

    let mut group = criterion.benchmark_group("commit");
    for records in RECORDS {
        let (mut wal, _) =
            Wal::open(Arc::new(Nowhere), Options::default()).expect("there is always room");
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            bencher.iter(|| {
                for _ in 0..records {
                    wal.append(black_box(&encoded)).expect("it is short");
                }
                wal.commit().expect("the disk takes everything")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
