//! The files of a write-ahead log: read at each start of a node, after whatever happened to them.
//!
//! Two kinds of inputs, told apart by the first byte: any bytes as files of the folder, and a
//! script that writes a log and then damages it. Checksums are put right in some of the former, or
//! nothing behind them would ever be reached. Called by the target of this name and by
//! `tests/corpus.rs`; calls `wal` over its disk in memory.

use std::sync::Arc;

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use wal::memory::{MemoryDisk, Random};
use wal::{Options, Recovered, Wal, WalError};

/// Small segments, in bytes, so that few records cross from one to the next, and few zeros are
/// written ahead.
const SMALL: Options = Options { segment_bytes: 256 };

/// Files of one input.
const FILES_MAX: usize = 6;

/// Steps of one script.
const STEPS_MAX: usize = 32;

/// Where the fields of the format stand that a checksum is over, and the checksums: as the text of
/// crate `wal` has it, written here a second time.
const SEGMENT_HEADER: usize = 40;
const CHECKPOINT_HEADER: usize = 40;
const FRAME_HEADER: usize = 36;

/// Neither panics, nor invents a record, nor says different things of the same bytes.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind % 3 {
        0 => any_files(rest, false),
        1 => any_files(rest, true),
        _ => damaged(&mut Script(rest)),
    }
}

fn open(disk: &MemoryDisk) -> Result<(Wal, Recovered), WalError> {
    Wal::open(Arc::new(disk.clone()), SMALL)
}

/// The input, taken from its front; zeros behind its end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A folder with any files: the log opens and goes on, or is refused, for good, and untouched.
fn any_files(input: &[u8], mended: bool) {
    let disk = MemoryDisk::default();
    let mut script = Script(input);
    let mut total = 0;
    for _ in 0..FILES_MAX {
        if script.0.is_empty() {
            break;
        }
        let (kind, id, length) = (script.byte(), script.byte(), script.number());
        // The last number that there is stands for all those that are high.
        let id = if id == u8::MAX { u64::MAX } else { u64::from(id) };
        let mut bytes = script.bytes(length).to_vec();
        let is_checkpoint = kind % 4 == 0;
        if mended && is_checkpoint {
            mend_checkpoint(&mut bytes);
        } else if mended {
            mend_segment(&mut bytes);
        }
        let ending = if is_checkpoint { "checkpoint" } else { "segment" };
        disk.put(&format!("{id:020}.{ending}"), &bytes);
        total += bytes.len();
    }
    let operations = disk.operations();
    match open(&disk) {
        Ok((mut wal, found)) => {
            let read = found.records.iter().map(Bytes::len).sum::<usize>()
                + found.checkpoint.as_ref().map_or(0, Bytes::len);
            assert!(read <= total, "{read} bytes of records in {total} bytes");
            if wal.durable() < u64::MAX / 2 {
                goes_on(&disk, &mut wal, &found);
            }
        }
        Err(error) => {
            assert!(!matches!(error, WalError::Failed { .. }), "nothing failed: {error}");
            assert_eq!(disk.operations(), operations, "refused, and changed: {error}");
            let again = open(&disk).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(again, Err(error.to_string()), "refused once, not twice");
        }
    }
}

/// A log that was opened takes another record, and has all of them at the next start.
fn goes_on(disk: &MemoryDisk, wal: &mut Wal, found: &Recovered) {
    let before = wal.durable();
    wal.append(b"the next").expect("it is short");
    match wal.commit() {
        Ok(durable) => assert_eq!(durable, before + 1, "one more"),
        Err(error) => panic!("there is room, and nothing fails: {error}"),
    }
    let disk = disk.power_cut(&mut Random(0), 0);
    let (wal, again) = open(&disk).expect("what was opened once");
    assert_eq!(wal.durable(), before + 1, "a record went, or came");
    assert_eq!(again.checkpoint, found.checkpoint, "another checkpoint");
    let (last, others) = again.records.split_last().expect("one was written");
    assert!(others == found.records, "other records");
    assert_eq!(&last[..], b"the next");
    assert_eq!(again.torn_bytes, 0, "what was cut is gone");
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// The checksum over the version, at byte 12 of every file.
fn mend_preamble(bytes: &mut [u8]) {
    let crc = crc32c(&bytes[..12]);
    put(bytes, 12, crc);
}

fn mend_checkpoint(bytes: &mut [u8]) {
    if bytes.len() < CHECKPOINT_HEADER {
        return;
    }
    mend_preamble(bytes);
    let length = (bytes.len() - CHECKPOINT_HEADER) as u64;
    bytes[28..36].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c_append(crc32c(&bytes[..36]), &bytes[CHECKPOINT_HEADER..]);
    put(bytes, 36, crc);
}

/// Checksums of the header and of each frame that follows, chain included, up to what is none.
fn mend_segment(bytes: &mut [u8]) {
    if bytes.len() < SEGMENT_HEADER {
        return;
    }
    mend_preamble(bytes);
    let crc = crc32c(&bytes[..36]);
    put(bytes, 36, crc);
    let (mut chain, mut at) = (bytes[32..36].to_vec(), SEGMENT_HEADER);
    while bytes.len() >= at + FRAME_HEADER && bytes[at..].starts_with(b"TOYF") {
        let field = |from: usize| {
            let bytes = [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let end = at + FRAME_HEADER + field(at + 4).min(bytes.len());
        if end > bytes.len() {
            return;
        }
        bytes[at + 24..at + 28].copy_from_slice(&chain);
        let header = crc32c(&bytes[at..at + 32]);
        let crc = crc32c_append(header, &bytes[at + FRAME_HEADER..end]);
        put(bytes, at + 32, crc);
        (chain, at) = (crc.to_le_bytes().to_vec(), end);
    }
}

/// What a script has written.
struct Written {
    disk: MemoryDisk,
    wal: Wal,
    /// All that was appended, in this order; the checkpoint of a position is their number.
    records: Vec<Vec<u8>>,
    /// How many of them are durable.
    durable: usize,
}

impl Written {
    /// One step; false if the power is out.
    fn step(&mut self, script: &mut Script<'_>) -> bool {
        match script.byte() % 8 {
            0..4 => {
                let length = script.byte();
                let mut record = script.bytes(usize::from(length % 16)).to_vec();
                record.resize(usize::from(length), length);
                self.wal.append(&record).expect("it is short");
                self.records.push(record);
                true
            }
            4 | 5 => self.wal.commit().map(|durable| self.durable = durable as usize).is_ok(),
            6 => self.run(Wal::begin_prepare),
            _ => {
                let state = (self.records.len() as u64).to_le_bytes();
                let done =
                    self.run(|wal| wal.begin_checkpoint(vec![Bytes::copy_from_slice(&state)]));
                self.durable = self.wal.durable() as usize;
                done
            }
        }
    }

    fn run(&mut self, begin: impl FnOnce(&mut Wal) -> Result<Option<wal::Job>, WalError>) -> bool {
        match begin(&mut self.wal) {
            Ok(Some(job)) => self.wal.finish(job.run()).is_ok(),
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

/// Writes a log, with a power cut somewhere; then damages it, or does not.
fn damaged(script: &mut Script<'_>) {
    let disk = MemoryDisk::default();
    let (wal, _) = open(&disk).expect("an empty folder is a new log");
    let mut written = Written { disk: disk.clone(), wal, records: Vec::new(), durable: 0 };
    let (stop, damages) = (script.byte(), script.byte() % 4);
    if stop > 0 {
        disk.stop_after(u64::from(stop));
    }
    let damages: Vec<_> = (0..damages)
        .map(|_| (script.byte(), script.byte(), script.number(), script.number()))
        .collect();
    for _ in 0..STEPS_MAX {
        if script.0.is_empty() || !written.step(script) {
            break;
        }
    }
    let kept = u64::from(stop % 5);
    let left = written.disk.power_cut(&mut Random(u64::from(stop)), kept);
    let mut harmed = false;
    for (kind, file, at, count) in damages {
        harmed |= harm(&left, kind, file, at, count);
    }
    match open(&left) {
        Ok((mut wal, found)) => {
            is_prefix(&written, &found, harmed);
            goes_on(&left, &mut wal, &found);
        }
        Err(error) => {
            assert!(harmed, "refused after a mere power cut: {error}");
            assert!(matches!(error, WalError::Corrupt { .. }), "{error}");
        }
    }
}

/// Flips a bit, cuts a file's end off, or puts zeros into it. Says whether anything is different.
fn harm(disk: &MemoryDisk, kind: u8, file: u8, at: usize, count: usize) -> bool {
    let names = disk.names("");
    let Some(name) = names.get(usize::from(file) % names.len().max(1)) else { return false };
    let whole = disk.read(name);
    if whole.is_empty() {
        return false;
    }
    let at = at % whole.len();
    let mut bytes = whole.clone();
    match kind % 3 {
        0 => bytes[at] ^= 1 << (count % 8),
        1 => bytes.truncate(at),
        _ => {
            let end = (at + count).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
    disk.put(name, &bytes);
    bytes != whole
}

/// What is found is the beginning of what was written; all that was durable, if nothing is damaged.
fn is_prefix(written: &Written, found: &Recovered, harmed: bool) {
    let base = match &found.checkpoint {
        None => 0,
        Some(state) => {
            let number: [u8; 8] = state[..].try_into().expect("a checkpoint that nobody wrote");
            u64::from_le_bytes(number) as usize
        }
    };
    let end = base + found.records.len();
    let all = &written.records;
    assert!(end <= all.len(), "{end} records, and {} were written", all.len());
    assert!(
        found.records.iter().zip(&all[base..]).all(|(found, wrote)| found == wrote),
        "a record that nobody wrote, after record {base}"
    );
    assert!(harmed || end >= written.durable, "{end} of {} durable records", written.durable);
}
