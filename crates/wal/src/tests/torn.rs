//! Every way a tail can be torn is cut; every damage before the tail is refused; nothing is
//! misread.

use super::{append, checkpoint, commit, open, prepare, refusal, try_open};
use crate::WalError;
use crate::format::{self, FRAME_HEADER_BYTES, Header, Name, SEGMENT_HEADER_BYTES, parse_name};
use crate::memory::{MemoryDisk, Random};

const FIRST: &str = "00000000000000000001.segment";
const SECOND: &str = "00000000000000000002.segment";

/// A log of two commits, the last of them several sectors long, and where that one begins.
fn two_commits() -> (MemoryDisk, usize) {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"promised", b"this too"]);
    let last = format::extent(&disk.read(FIRST));
    commit(&mut wal, &[b"not yet", &[0xaa; 700], &[0; 300], b"promised!"]);
    (disk, last)
}

/// Opens a log whose last commit is torn: it is cut, and the log goes on after what was promised.
fn check_cut(bytes: &[u8], last: usize) {
    let disk = MemoryDisk::default();
    disk.put(FIRST, bytes);
    let (mut wal, found) = open(&disk);
    assert_eq!(found.records, [&b"promised"[..], b"this too"]);
    assert_eq!(found.torn_bytes as usize, format::extent(bytes).saturating_sub(last));
    assert_eq!(found.notes.len(), usize::from(found.torn_bytes > 0));
    commit(&mut wal, &[b"next"]);
    let (_, found) = open(&disk.power_cut(&mut Random(0), 0));
    assert_eq!(found.records, [&b"promised"[..], b"this too", b"next"]);
    assert_eq!(found.torn_bytes, 0, "what was cut is gone");
}

#[test]
fn cut_at_every_byte_of_the_last_commit() {
    let (disk, last) = two_commits();
    let whole = disk.read(FIRST);
    for end in last..format::extent(&whole) {
        // The rest is zeros, as in a prepared segment …
        let mut bytes = whole.clone();
        bytes[end..].fill(0);
        check_cut(&bytes, last);
        // … or missing, as in a file that grew.
        check_cut(&whole[..end], last);
    }
}

#[test]
fn any_sector_of_the_last_commit_missing() {
    let (disk, last) = two_commits();
    let whole = disk.read(FIRST);
    let sectors: Vec<_> = (0..whole.len()).step_by(512).map(|at| at..at + 512).collect();
    // Every selection of them: the disk may write them in any order.
    for missing in 1..1u32 << sectors.len() {
        let mut bytes = whole.clone();
        for (n, sector) in sectors.iter().enumerate() {
            if missing & (1 << n) != 0 {
                bytes[sector.start.max(last)..sector.end.max(last)].fill(0);
            }
        }
        if bytes != whole {
            check_cut(&bytes, last);
        }
    }
}

#[test]
fn any_bit_of_the_last_commit_flipped() {
    let (disk, last) = two_commits();
    let whole = disk.read(FIRST);
    for bit in last * 8..format::extent(&whole) * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        check_cut(&bytes, last);
    }
}

#[test]
fn the_first_commit_of_a_segment_torn_anywhere() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"promised", b"this too", &[1; 1500]]);
    let full = disk.read(FIRST);
    commit(&mut wal, &[&[2; 700]]);
    let second = disk.read(SECOND);
    let extent = format::extent(&second);
    // The tail missing from any byte on, or the sectors at the front: they may arrive in any order.
    let tails = (0..extent).map(|end| end..extent);
    let front = 0..512;
    for missing in tails.chain([front]) {
        let mut bytes = second.clone();
        bytes[missing].fill(0);
        let disk = MemoryDisk::default();
        disk.put(FIRST, &full);
        disk.put(SECOND, &bytes);
        let (mut wal, found) = open(&disk);
        assert_eq!(found.records.len(), 3);
        prepare(&mut wal);
        commit(&mut wal, &[&[3; 700]]);
        let (_, found) = open(&disk.power_cut(&mut Random(0), 0));
        assert_eq!((found.records.len(), &found.records[3][..]), (4, &[3; 700][..]));
    }
}

#[test]
fn a_damaged_header_before_a_whole_frame_is_refused() {
    // They share a sector, so no interrupted write leaves one without the other.
    let (disk, _) = two_commits();
    for offset in 0..SEGMENT_HEADER_BYTES {
        let disk = disk.killed();
        let mut bytes = disk.read(FIRST);
        bytes[offset] ^= 1;
        disk.put(FIRST, &bytes);
        assert!(refusal(&disk).contains("the header is damaged, and records follow it at byte 40"));
    }
}

#[test]
fn any_bit_flipped_before_the_last_commit_is_refused() {
    let (disk, last) = two_commits();
    let whole = disk.read(FIRST);
    for bit in 0..last * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let disk = MemoryDisk::default();
        disk.put(FIRST, &bytes);
        match try_open(&disk) {
            Err(WalError::Corrupt { file, offset, .. }) => {
                let header = bit / 8 < SEGMENT_HEADER_BYTES;
                let at = if header { 0 } else { SEGMENT_HEADER_BYTES as u64 };
                assert_eq!((&*file, offset), ("disk/00000000000000000001.segment", at));
            }
            Err(e) => panic!("bit {bit}: {e}"),
            Ok(_) => panic!("bit {bit} was not noticed"),
        }
    }
}

#[test]
fn the_refusal_says_where_and_what_to_do() {
    let (disk, _) = two_commits();
    let mut bytes = disk.read(FIRST);
    bytes[SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 5] ^= 1;
    disk.put(FIRST, &bytes);
    assert_eq!(
        refusal(&disk),
        "disk/00000000000000000001.segment is damaged at byte 40: record 1 should be here, and \
         what was written after it, at byte 100, is whole: so this is no interrupted write. \
         Records that were acknowledged are affected, so the node does not start. Do not delete \
         files from it. Put back a copy of this folder only if the node has not run since: an \
         older one has forgotten what the node acknowledged and promised"
    );
    // Refused again: looking at it has changed nothing.
    assert!(refusal(&disk).contains("byte 40"));
}

/// Three segments with two commits each.
fn three_segments() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    for n in 1..=6 {
        commit(&mut wal, &[&[n; 900]]);
    }
    assert_eq!(disk.names(".segment").len(), 3);
    disk
}

#[test]
fn damage_in_a_segment_that_is_not_the_last_is_refused() {
    for name in [FIRST, SECOND] {
        // In its header, its first frame, its last frame.
        for offset in [20, 500, 1500] {
            let disk = three_segments();
            let mut bytes = disk.read(name);
            bytes[offset] ^= 0x10;
            disk.put(name, &bytes);
            assert!(refusal(&disk).contains(".segment is damaged at byte "), "{name} {offset}");
        }
    }
}

#[test]
fn a_missing_segment_is_refused() {
    for name in [FIRST, SECOND] {
        let disk = three_segments();
        disk.put(name, &[]);
        assert!(refusal(&disk).contains("record "), "emptied {name}");
        disk.put(name, &[0; 2048]);
        assert!(refusal(&disk).contains("record "), "zeros in {name}");
    }
}

#[test]
fn old_bytes_of_the_same_file_are_never_read_again() {
    // Recycled: a whole segment's bytes under the name of a later one, as its first life left it.
    let disk = three_segments();
    for (from, to) in [(FIRST, 4), (SECOND, 5)] {
        disk.put(&format::segment_name(to), &disk.read(from));
    }
    let (mut wal, found) = open(&disk);
    assert_eq!(found.records.len(), 6);
    assert!(wal.has_reserve());
    assert_eq!(disk.names(".segment").len(), 4, "one serves as the reserve, one is removed");
    for n in 7..=9 {
        commit(&mut wal, &[&[n; 900]]);
    }
    let (_, found) = open(&disk);
    assert_eq!(found.records.iter().map(|r| r[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn frames_of_another_history_do_not_follow() {
    // Same segment, same record number, same length, whole: but after another frame.
    let (one, other) = (MemoryDisk::default(), MemoryDisk::default());
    for (disk, first) in [(&one, b"this"), (&other, b"that")] {
        let (mut wal, _) = open(disk);
        commit(&mut wal, &[first]);
        commit(&mut wal, &[b"same", first]);
    }
    let start = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 4 + 4;
    let mut bytes = one.read(FIRST);
    bytes[start..].copy_from_slice(&other.read(FIRST)[start..]);
    one.put(FIRST, &bytes);
    assert!(refusal(&one).contains(&format!("damaged at byte {start}")));
}

#[test]
fn segments_of_another_history_do_not_follow() {
    let (one, other) = (three_segments(), MemoryDisk::default());
    let (mut wal, _) = open(&other);
    for n in 1..=6 {
        commit(&mut wal, &[&[n + 10; 900]]);
    }
    one.put(SECOND, &other.read(SECOND));
    assert!(refusal(&one).contains("00000000000000000001.segment is damaged"));
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let (disk, _) = two_commits();
    let (mut wal, _) = open(&disk);
    checkpoint(&mut wal, b"state");
    for name in [FIRST, "00000000000000000007.checkpoint"] {
        let disk = disk.killed();
        let mut bytes = disk.read(name);
        bytes[8] = 2;
        // A flipped bit is not a newer version.
        disk.put(name, &bytes);
        let flipped = try_open(&disk.killed());
        assert!(!matches!(flipped, Err(WalError::NewerFormat { .. })), "{name}");
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        disk.put(name, &bytes);
        assert_eq!(
            refusal(&disk),
            format!(
                "disk/{name} has format version 2, this toystore reads up to version 1: start the \
                 newer toystore that wrote it"
            )
        );
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_only_if_the_log_is_complete() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"one"]);
    checkpoint(&mut wal, b"one");
    commit(&mut wal, &[b"two"]);
    prepare(&mut wal);
    // The file is there, its predecessors are not removed yet.
    let job = wal.begin_checkpoint(vec![bytes::Bytes::from_static(b"one, two")]).unwrap().unwrap();
    let named = |name: String| (disk.read(&name), name);
    let before: Vec<_> = disk.names("").into_iter().map(named).collect();
    let _ = job.run();
    let after = disk.names("");
    let gone = before.iter().filter(|(_, name)| !after.contains(name));
    gone.for_each(|(bytes, name)| disk.put(name, bytes));
    commit(&mut wal, &[b"three"]);
    let newest = "00000000000000000003.checkpoint";
    assert_eq!(open(&disk.killed()).1.records, [&b"three"[..]]);

    let mut bytes = disk.read(newest);
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = disk.killed();
    damaged.put(newest, &bytes);
    for _ in 0..2 {
        let (_, found) = open(&damaged);
        assert_eq!(found.checkpoint.unwrap(), &b"one"[..]);
        assert_eq!(found.records, [&b"two"[..], b"three"]);
        assert_eq!(found.notes, [format!("passed over disk/{newest}, which is damaged")]);
    }
    // Once the older ones are gone, there is nothing to fall back to.
    let (wal, _) = open(&disk);
    drop(wal);
    disk.put(newest, &bytes);
    assert!(refusal(&disk).contains("unreadable"));
    let alone = MemoryDisk::default();
    alone.put(newest, &bytes);
    assert!(refusal(&alone).contains("unreadable"), "without any segment");
    // Every way to damage it.
    for cut in 0..bytes.len() {
        disk.put(newest, &bytes[..cut]);
        assert!(refusal(&disk).contains("unreadable"), "cut at {cut}");
    }
}

#[test]
fn a_log_without_its_checkpoint_is_refused() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"one"]);
    prepare(&mut wal);
    checkpoint(&mut wal, b"one");
    let empty = disk.killed();
    // Nothing but an unused segment: only its number tells.
    std::mem::drop(crate::disk::Disk::remove(&empty, "00000000000000000002.checkpoint"));
    assert!(refusal(&empty).contains("the checkpoint before it is gone"));
    commit(&mut wal, &[b"two"]);
    std::mem::drop(crate::disk::Disk::remove(&disk, "00000000000000000002.checkpoint"));
    assert!(refusal(&disk).contains("record 1 should come next"));
}

#[test]
fn the_log_must_reach_its_checkpoint() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    commit(&mut wal, &[b"one"]);
    commit(&mut wal, &[b"two"]);
    checkpoint(&mut wal, b"one, two");
    let mut bytes = disk.read(FIRST);
    let end = format::extent(&bytes);
    bytes[end - 1] ^= 1;
    disk.put(FIRST, &bytes);
    assert!(refusal(&disk).contains("record 2 should come next"));
}

#[test]
fn remains_and_files_of_others_are_told_apart() {
    let (disk, _) = two_commits();
    disk.put("00000000000000000009.checkpoint.tmp", b"half");
    disk.put("9.checkpoint", b"not ours");
    disk.put("notes.txt", b"not ours");
    let (_, found) = open(&disk);
    assert_eq!((found.records.len(), found.notes.len()), (6, 0));
    assert!(disk.names(".tmp").is_empty());
    assert_eq!((disk.names("9.checkpoint").len(), disk.names(".txt").len()), (1, 1));
    assert_eq!(parse_name(&format::segment_name(7)), Name::Segment(7));
    assert_eq!(parse_name(&format::checkpoint_name(u64::MAX)), Name::Checkpoint(u64::MAX));
    assert_eq!(parse_name("99999999999999999999.segment"), Name::Other);
    assert_eq!(parse_name(&format::segment_name(u64::MAX)), Name::Other);
    assert_eq!(parse_name("+0000000000000000001.segment"), Name::Other);
}

#[test]
fn decoders_take_any_bytes() {
    let (disk, _) = two_commits();
    let whole = disk.read(FIRST);
    let mut random = Random(1);
    for round in 0..20_000 {
        let mut bytes = whole[..random.below(1200) as usize].to_vec();
        for _ in 0..random.below(8) {
            if !bytes.is_empty() {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.draw() as u8;
            }
        }
        let bytes = bytes::Bytes::from(bytes);
        for offset in [0, SEGMENT_HEADER_BYTES, random.below(2000) as usize] {
            if let Some(frame) = format::read_frame(1, &bytes, offset) {
                assert!(frame.end <= bytes.len(), "round {round}");
            }
            format::find_frame(1, &bytes, offset);
        }
        let _ = format::read_segment_header(1, &bytes);
        assert!(!matches!(format::read_checkpoint(&bytes), Header::Valid(_)), "round {round}");
    }
}

#[test]
fn a_count_that_the_payload_does_not_justify_is_no_frame() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    append(&mut wal, &[b"abc"]);
    wal.commit().unwrap();
    let mut bytes = disk.read(FIRST);
    let frame = SEGMENT_HEADER_BYTES;
    let end = frame + FRAME_HEADER_BYTES + 4 + 3;
    for count in [0, 2, u32::MAX] {
        // Everything else is right, the checksum too.
        bytes[frame + 28..frame + 32].copy_from_slice(&count.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[frame..frame + 32]);
        let crc = crc32c::crc32c_append(crc, &bytes[frame + FRAME_HEADER_BYTES..end]);
        bytes[frame + 32..frame + 36].copy_from_slice(&crc.to_le_bytes());
        assert!(format::read_frame(1, &bytes::Bytes::from(bytes.clone()), frame).is_none());
    }
}
