//! The bytes of the log: names, headers, frames. Pure functions, no disk.
//!
//! Called by the writer (`mod`, `job`) and by `recovery`. Numbers are little endian. Every decoder
//! takes any bytes without panicking, and what it returns borrows from them.

use bytes::{Buf, BufMut, Bytes};
use crc32c::{crc32c, crc32c_append};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// How a segment begins.
const SEGMENT_MAGIC: &[u8; 8] = b"toy-log\n";
/// How a checkpoint begins.
const CHECKPOINT_MAGIC: &[u8; 8] = b"toy-ckp\n";
/// How a frame begins: `TOYF`.
const FRAME_MAGIC: &[u8; 4] = b"TOYF";

/// Magic, version, and the CRC of both: so that a version is believed only if it was written. This
/// part stays as it is in every later version.
const PREAMBLE_BYTES: usize = 16;
/// Preamble, segment id, position, CRC.
pub const SEGMENT_HEADER_BYTES: usize = PREAMBLE_BYTES + 24;
/// Preamble, position, length of the state, CRC of all.
pub const CHECKPOINT_HEADER_BYTES: usize = PREAMBLE_BYTES + 24;
/// Magic, payload length, segment id, position, record count, CRC of all.
pub const FRAME_HEADER_BYTES: usize = 36;
/// What a batch keeps free at its front.
pub const HEADERS_BYTES: usize = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;

/// A place between two records of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sequence number of the record that comes next, from 1.
    pub next: u64,
    /// The CRC of the frame before; 0 at the start.
    pub chain: u32,
}

impl Position {
    /// Before the first record ever.
    pub const START: Position = Position { next: 1, chain: 0 };
}

/// The name of a segment.
pub fn segment_name(id: u64) -> String {
    format!("{id:020}.segment")
}

/// The name of the checkpoint that stands for every record before `next`.
pub fn checkpoint_name(next: u64) -> String {
    format!("{next:020}.checkpoint")
}

/// The name of a checkpoint that is being written.
pub fn unfinished_name(next: u64) -> String {
    format!("{}.tmp", checkpoint_name(next))
}

/// What a file of the folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The segment with this id.
    Segment(u64),
    /// The checkpoint that stands for every record before this number.
    Checkpoint(u64),
    /// A checkpoint whose writing was interrupted.
    Unfinished,
    /// Not a file of the log.
    Other,
}

/// Reads a name; the inverse of the functions above. The last number that there is names no
/// segment of ours: ids rise by one, and there would be none for the next.
pub fn parse_name(name: &str) -> Name {
    let Some((number, kind)) = name.split_once('.') else { return Name::Other };
    let Ok(number) = number.parse() else { return Name::Other };
    let parsed = match kind {
        "segment" if number < u64::MAX => (Name::Segment(number), segment_name(number)),
        "checkpoint" => (Name::Checkpoint(number), checkpoint_name(number)),
        "checkpoint.tmp" => (Name::Unfinished, unfinished_name(number)),
        _ => return Name::Other,
    };
    if parsed.1 == name { parsed.0 } else { Name::Other }
}

/// What stands where a header should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<T> {
    /// The header.
    Valid(T),
    /// That of a newer format, with its version.
    Newer(u32),
    /// Zeros, old bytes of another file, or damage.
    Invalid,
}

fn put_preamble(out: &mut Vec<u8>, magic: &[u8; 8]) {
    let start = out.len();
    out.put_slice(magic);
    out.put_u32_le(FORMAT_VERSION);
    out.put_u32_le(crc32c(&out[start..]));
}

fn check_preamble(bytes: &[u8], magic: &[u8; 8]) -> Header<()> {
    let Some(preamble) = bytes.get(..PREAMBLE_BYTES) else { return Header::Invalid };
    let (covered, mut crc) = preamble.split_at(PREAMBLE_BYTES - 4);
    if !covered.starts_with(magic) || crc.get_u32_le() != crc32c(covered) {
        return Header::Invalid;
    }
    match (&covered[magic.len()..]).get_u32_le() {
        FORMAT_VERSION => Header::Valid(()),
        newer if newer > FORMAT_VERSION => Header::Newer(newer),
        _ => Header::Invalid,
    }
}

fn put_position(out: &mut Vec<u8>, position: Position) {
    out.put_u64_le(position.next);
    out.put_u32_le(position.chain);
}

fn get_position(bytes: &mut &[u8]) -> Position {
    Position { next: bytes.get_u64_le(), chain: bytes.get_u32_le() }
}

/// The header of the segment `id` whose first frame stands at `position`.
fn segment_header(id: u64, position: Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    put_preamble(&mut out, SEGMENT_MAGIC);
    out.put_u64_le(id);
    put_position(&mut out, position);
    out.put_u32_le(crc32c(&out));
    out
}

/// Reads the header of a file that is named as segment `id`: the position of its first frame.
pub fn read_segment_header(id: u64, bytes: &[u8]) -> Header<Position> {
    match check_preamble(bytes, SEGMENT_MAGIC) {
        Header::Valid(()) => {}
        Header::Newer(version) => return Header::Newer(version),
        Header::Invalid => return Header::Invalid,
    }
    let Some(header) = bytes.get(..SEGMENT_HEADER_BYTES) else { return Header::Invalid };
    let (mut covered, mut crc) = header.split_at(SEGMENT_HEADER_BYTES - 4);
    let whole = crc.get_u32_le() == crc32c(covered);
    covered.advance(PREAMBLE_BYTES);
    let named = covered.get_u64_le() == id;
    let position = get_position(&mut covered);
    if whole && named && position.next > 0 { Header::Valid(position) } else { Header::Invalid }
}

/// The header of a checkpoint file; the state follows it.
pub fn checkpoint_header(position: Position, state: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(CHECKPOINT_HEADER_BYTES);
    put_preamble(&mut out, CHECKPOINT_MAGIC);
    put_position(&mut out, position);
    out.put_u64_le(state.iter().map(|part| part.len() as u64).sum());
    out.put_u32_le(state.iter().fold(crc32c(&out), |crc, part| crc32c_append(crc, part)));
    out
}

/// Reads a whole checkpoint file: where it stands, and the state.
pub fn read_checkpoint(file: &Bytes) -> Header<(Position, Bytes)> {
    match check_preamble(file, CHECKPOINT_MAGIC) {
        Header::Valid(()) => {}
        Header::Newer(version) => return Header::Newer(version),
        Header::Invalid => return Header::Invalid,
    }
    let Some(header) = file.get(..CHECKPOINT_HEADER_BYTES) else { return Header::Invalid };
    let state = file.slice(CHECKPOINT_HEADER_BYTES..);
    let (mut covered, mut crc) = header.split_at(CHECKPOINT_HEADER_BYTES - 4);
    let whole = crc.get_u32_le() == crc32c_append(crc32c(covered), &state);
    covered.advance(PREAMBLE_BYTES);
    let position = get_position(&mut covered);
    let length = covered.get_u64_le();
    if whole && length == state.len() as u64 && position.next > 0 {
        Header::Valid((position, state))
    } else {
        Header::Invalid
    }
}

/// The records of the next commit, encoded as they are appended, with room for both headers in
/// front: so a commit is one write.
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
}

/// A batch's buffer is given back above this size, so that one large record does not hold memory
/// for ever. In bytes; some thousand ordinary records.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

impl Batch {
    /// One without records.
    pub fn new() -> Batch {
        Batch { bytes: vec![0; HEADERS_BYTES], count: 0 }
    }

    /// How many records it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What it takes at the start of a segment, both headers included, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record; the caller has checked its length.
    pub fn push(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("records are bounded far below 4 GiB");
        self.bytes.put_u32_le(length);
        self.bytes.put_slice(record);
        self.count += 1;
    }

    /// Fills in the headers for a frame at `position` in `segment`. Returns the position after it.
    /// May be called again with another segment if the write failed.
    pub fn seal(&mut self, segment: u64, position: Position) -> Position {
        let payload = self.bytes.len() - HEADERS_BYTES;
        let mut header = segment_header(segment, position);
        header.put_slice(FRAME_MAGIC);
        header.put_u32_le(u32::try_from(payload).expect("batches are bounded far below 4 GiB"));
        header.put_u64_le(segment);
        put_position(&mut header, position);
        header.put_u32_le(self.count);
        let covered = crc32c(&header[SEGMENT_HEADER_BYTES..]);
        let chain = crc32c_append(covered, &self.bytes[HEADERS_BYTES..]);
        header.put_u32_le(chain);
        self.bytes[..HEADERS_BYTES].copy_from_slice(&header);
        Position { next: position.next + u64::from(self.count), chain }
    }

    /// The sealed frame, with the segment's header in front of it if it is the first.
    pub fn sealed(&self, first: bool) -> &[u8] {
        if first { &self.bytes } else { &self.bytes[SEGMENT_HEADER_BYTES..] }
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADERS_BYTES);
        self.bytes.shrink_to(BUFFER_KEPT_BYTES);
        self.count = 0;
    }
}

/// A frame that is whole: one commit.
#[derive(Debug)]
pub struct Frame {
    /// The position that it was written at.
    pub at: Position,
    /// The position after it.
    pub after: Position,
    /// The offset in the file where it ends, in bytes.
    pub end: usize,
    /// Its records.
    pub records: Vec<Bytes>,
}

/// Reads the frame of `segment` at `offset`. `None` if there is none that is whole; whether it
/// follows the one before is for the caller to check.
pub fn read_frame(segment: u64, file: &Bytes, offset: usize) -> Option<Frame> {
    let header = file.get(offset..)?.get(..FRAME_HEADER_BYTES)?;
    let (mut covered, mut crc) = header.split_at(FRAME_HEADER_BYTES - 4);
    if !covered.starts_with(FRAME_MAGIC) {
        return None;
    }
    let crc_of_header = crc32c(covered);
    covered.advance(FRAME_MAGIC.len());
    let length = usize::try_from(covered.get_u32_le()).ok()?;
    if covered.get_u64_le() != segment {
        return None;
    }
    let at = get_position(&mut covered);
    let count = covered.get_u32_le();
    let start = offset + FRAME_HEADER_BYTES;
    let end = start.checked_add(length).filter(|end| *end <= file.len())?;
    let payload = file.slice(start..end);
    let chain = crc.get_u32_le();
    if count == 0 || chain != crc32c_append(crc_of_header, &payload) {
        return None;
    }
    let after = Position { next: at.next.checked_add(u64::from(count))?, chain };
    Some(Frame { at, after, end, records: split(payload, count)? })
}

/// Takes a payload apart. `None` if the lengths do not add up to it.
fn split(mut payload: Bytes, count: u32) -> Option<Vec<Bytes>> {
    let mut records = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(payload.try_get_u32_le().ok()?).ok()?;
        if length > payload.len() {
            return None;
        }
        records.push(payload.split_to(length));
    }
    payload.is_empty().then_some(records)
}

/// The offset of the first whole frame of `segment` that begins at `from` or later.
pub fn find_frame(segment: u64, file: &Bytes, from: usize) -> Option<usize> {
    // Most of a segment is zeros, which begin no frame.
    let windows = file.get(from..extent(file).max(from))?.windows(FRAME_MAGIC.len());
    let candidates = windows.enumerate().filter(|(_, window)| window == FRAME_MAGIC);
    let mut offsets = candidates.map(|(n, _)| from + n);
    offsets.find(|offset| read_frame(segment, file, *offset).is_some())
}

/// The offset after the last byte that is not zero.
pub fn extent(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut rest = bytes;
    while let Some(shorter) = rest.strip_suffix(&ZEROS) {
        rest = shorter;
    }
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}
