//! From the files in the folder to an open log: rules 1 to 7 of the chapter in `mod`.
//!
//! Called once, by [`Wal::open`]. First everything is read and judged, and nothing changed; only if
//! the log is sound are torn tails cut and remains removed.

use std::sync::Arc;

use bytes::Bytes;

use super::disk::{Disk, DiskFile};
use super::error::WalError;
use super::format::{self, Batch, FORMAT_VERSION, Frame, Header, Name, Position};
use super::segment::Segment;
use super::{MAX_BATCH_BYTES, MAX_CHECKPOINT_BYTES, Options, Wal};

/// What was in the folder.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The newest checkpoint.
    pub checkpoint: Option<Bytes>,
    /// The records after it, oldest first.
    pub records: Vec<Bytes>,
    /// How many bytes of an interrupted, never promised write were cut from the log's end.
    pub torn_bytes: u64,
    /// What was unusual, a sentence each, for the node's log.
    pub notes: Vec<String>,
}

/// A segment and what its header says.
struct Found {
    id: u64,
    /// Where it begins; `None` if the header is blank or damaged.
    header: Option<Position>,
}

/// What the checkpoints say.
struct Base {
    /// Where the log must go on.
    position: Position,
    /// All that have a name, by the number of the record after.
    named: Vec<u64>,
    /// Those that are damaged.
    damaged: Vec<u64>,
}

/// What reading has found, to be mended.
struct Survey {
    /// After the last record.
    position: Position,
    /// The segments that hold records, oldest first, with the number of the record after each.
    kept: Vec<(u64, u64)>,
    /// Of the last of those: end of the last frame, and of what is not zero.
    used: u64,
    extent: u64,
    /// Segments without records: id, and end of what is not zero.
    blank: Vec<(u64, u64)>,
    /// Segments that the checkpoint stands for.
    obsolete: Vec<u64>,
}

/// Opens the log.
pub(super) fn recover(disk: Arc<dyn Disk>, options: Options) -> Result<(Wal, Recovered), WalError> {
    let reader = Reader { disk: &*disk };
    let mut recovered = Recovered::default();
    let (mut segments, mut checkpoints, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
    for name in disk.list().map_err(|e| reader.failed("", e))? {
        match format::parse_name(&name) {
            Name::Segment(id) => segments.push(id),
            Name::Checkpoint(next) => checkpoints.push(next),
            Name::Unfinished => unfinished.push(name),
            Name::Other => {}
        }
    }
    segments.sort_unstable();
    checkpoints.sort_unstable();

    let base = reader.read_checkpoints(checkpoints, &mut recovered)?;
    let survey = reader.read_log(&segments, &base, &mut recovered)?;
    let next_id = segments.last().map_or(0, |id| id + 1);
    let wal = mend(disk, options, (survey, base, next_id), unfinished)?;
    Ok((wal, recovered))
}

/// Reads and judges; changes nothing.
struct Reader<'a> {
    disk: &'a dyn Disk,
}

impl Reader<'_> {
    fn failed(&self, name: &str, source: std::io::Error) -> WalError {
        WalError::failed("read the log", self.disk.locate(name), source)
    }

    fn corrupt(&self, name: &str, offset: usize, reason: String) -> WalError {
        WalError::Corrupt { file: self.disk.locate(name), offset: offset as u64, reason }
    }

    /// The checkpoint at `next` is damaged, and the log cannot do without it.
    fn unreadable(&self, next: u64, needed: u64) -> WalError {
        let reason = format!("this checkpoint is unreadable, and record {needed} is in no segment");
        self.corrupt(&format::checkpoint_name(next), 0, reason)
    }

    fn newer(&self, name: &str, found: u32) -> WalError {
        WalError::NewerFormat { file: self.disk.locate(name), found, supported: FORMAT_VERSION }
    }

    /// A file's bytes from the start, at most `most`, all of it bounded by `limit`.
    fn read(&self, name: &str, most: usize, limit: usize) -> Result<Bytes, WalError> {
        let read = || {
            let file = self.disk.open(name)?;
            let len = file.length()?;
            let within = usize::try_from(len).ok().filter(|len| *len <= limit);
            let Some(len) = within else { return Ok(Err(len)) };
            let mut bytes = vec![0; len.min(most)];
            file.read_at(0, &mut bytes)?;
            Ok(Ok(Bytes::from(bytes)))
        };
        read().map_err(|e| self.failed(name, e))?.map_err(|len| {
            self.corrupt(name, limit, format!("it has {len} bytes, more than the log ever writes"))
        })
    }

    fn read_segment(&self, id: u64, most: usize) -> Result<Bytes, WalError> {
        self.read(&format::segment_name(id), most, MAX_BATCH_BYTES)
    }

    /// The newest whole checkpoint is the base.
    fn read_checkpoints(
        &self,
        named: Vec<u64>,
        recovered: &mut Recovered,
    ) -> Result<Base, WalError> {
        let mut damaged = Vec::new();
        for next in named.iter().rev() {
            let name = format::checkpoint_name(*next);
            let limit = MAX_CHECKPOINT_BYTES + format::CHECKPOINT_HEADER_BYTES;
            match format::read_checkpoint(&self.read(&name, limit, limit)?) {
                Header::Valid((position, state)) if position.next == *next => {
                    recovered.checkpoint = Some(state);
                    return Ok(Base { position, named, damaged });
                }
                Header::Newer(version) => return Err(self.newer(&name, version)),
                Header::Valid(_) | Header::Invalid => {
                    let file = self.disk.locate(&name);
                    recovered.notes.push(format!("passed over {file}, which is damaged"));
                    damaged.push(*next);
                }
            }
        }
        Ok(Base { position: Position::START, named, damaged })
    }

    /// The records after the base, and what else the segments hold.
    fn read_log(
        &self,
        ids: &[u64],
        base: &Base,
        recovered: &mut Recovered,
    ) -> Result<Survey, WalError> {
        let found = self.read_headers(ids)?;
        let begins = |f: &Found| f.header.is_some_and(|header| header.next <= base.position.next);
        let start = found.iter().rposition(begins);
        let obsolete = found[..start.unwrap_or(0)].iter().map(|f| f.id).collect();
        let found = &found[start.unwrap_or(0)..];
        let used: Vec<(u64, Position)> =
            found.iter().filter_map(|f| f.header.map(|header| (f.id, header))).collect();

        let mut survey = Survey {
            position: base.position,
            kept: Vec::new(),
            used: 0,
            extent: 0,
            blank: Vec::new(),
            obsolete,
        };
        if let Some((id, header)) = used.first() {
            if start.is_none() && !base.damaged.is_empty() {
                return Err(self.unreadable(base.damaged[0], base.position.next));
            }
            if start.is_none() || (header.next == base.position.next && *header != base.position) {
                let name = format::segment_name(*id);
                return Err(self.corrupt(&name, 0, gap(base.position.next, header.next)));
            }
            survey.position = *header;
        }
        for (n, (id, _)) in used.iter().enumerate() {
            let next = used.get(n + 1).copied();
            self.read_frames(*id, next, base.position, (&mut survey, recovered))?;
        }
        for id in found.iter().filter(|f| f.header.is_none()).map(|f| f.id) {
            self.read_blank(id, (&mut survey, recovered))?;
        }
        pass_remains(base, &mut survey);
        self.check_reach(ids, base, &survey)?;
        Ok(survey)
    }

    fn read_headers(&self, ids: &[u64]) -> Result<Vec<Found>, WalError> {
        let header = |id: &u64| {
            let bytes = self.read_segment(*id, format::SEGMENT_HEADER_BYTES)?;
            match format::read_segment_header(*id, &bytes) {
                Header::Valid(position) => Ok(Found { id: *id, header: Some(position) }),
                Header::Newer(version) => Err(self.newer(&format::segment_name(*id), version)),
                Header::Invalid => Ok(Found { id: *id, header: None }),
            }
        };
        ids.iter().map(header).collect()
    }

    /// The frames of one segment, up to where the `next` one begins.
    fn read_frames(
        &self,
        id: u64,
        next: Option<(u64, Position)>,
        base: Position,
        (survey, recovered): (&mut Survey, &mut Recovered),
    ) -> Result<(), WalError> {
        let name = format::segment_name(id);
        let bytes = self.read_segment(id, MAX_BATCH_BYTES)?;
        let end = next.map_or(u64::MAX, |(_, header)| header.next);
        let mut offset = format::SEGMENT_HEADER_BYTES;
        while let Some(frame) = following_frame(id, &bytes, offset, survey.position, end) {
            let astride = frame.at.next < base.next && frame.after.next > base.next;
            if astride || (frame.after.next == base.next && frame.after != base) {
                let reason = format!("record {} does not agree with the checkpoint", base.next - 1);
                return Err(self.corrupt(&name, offset, reason));
            }
            if frame.at.next >= base.next {
                recovered.records.extend(frame.records);
            }
            (survey.position, offset) = (frame.after, frame.end);
        }
        survey.kept.push((id, survey.position.next));
        let expected = survey.position.next;
        if let Some((_, header)) = next {
            if survey.position != header {
                return Err(self.corrupt(&name, offset, gap(expected, header.next)));
            }
            return Ok(());
        }
        if let Some(later) = format::find_frame(id, &bytes, offset) {
            let reason = format!(
                "record {expected} should be here, and what was written after it, at byte {later}, \
                 is whole: so this is no interrupted write"
            );
            return Err(self.corrupt(&name, offset, reason));
        }
        (survey.used, survey.extent) = (offset as u64, format::extent(&bytes).max(offset) as u64);
        self.note_torn(&name, survey.extent - survey.used, recovered);
        Ok(())
    }

    /// A segment without a header holds no record: either it was never used, or its first write was
    /// interrupted.
    fn read_blank(
        &self,
        id: u64,
        (survey, recovered): (&mut Survey, &mut Recovered),
    ) -> Result<(), WalError> {
        let name = format::segment_name(id);
        let bytes = self.read_segment(id, MAX_BATCH_BYTES)?;
        if let Some(offset) = format::find_frame(id, &bytes, 0) {
            let reason = format!("the header is damaged, and records follow it at byte {offset}");
            return Err(self.corrupt(&name, 0, reason));
        }
        let extent = format::extent(&bytes) as u64;
        survey.blank.push((id, extent));
        self.note_torn(&name, extent, recovered);
        Ok(())
    }

    fn note_torn(&self, name: &str, torn: u64, recovered: &mut Recovered) {
        if torn > 0 {
            recovered.torn_bytes += torn;
            let file = self.disk.locate(name);
            recovered.notes.push(format!("cut {torn} bytes of an interrupted write from {file}"));
        }
    }

    /// Whether the log reaches every position that a checkpoint proves to have been durable.
    fn check_reach(&self, ids: &[u64], base: &Base, survey: &Survey) -> Result<(), WalError> {
        let reached = survey.position.next;
        if let Some(next) = base.damaged.iter().find(|next| **next > reached) {
            return Err(self.unreadable(*next, reached));
        }
        if reached < base.position.next {
            let id = survey.kept.last().map_or(0, |(id, _)| *id);
            let reason = gap(reached, base.position.next);
            return Err(self.corrupt(&format::segment_name(id), survey.used as usize, reason));
        }
        // A log begins with segment 1, which goes only when a checkpoint takes its place.
        if base.named.is_empty() && survey.kept.is_empty() && ids.first().is_some_and(|id| *id > 1)
        {
            let reason = "the log begins here, but the checkpoint before it is gone".to_owned();
            return Err(self.corrupt(&format::segment_name(ids[0]), 0, reason));
        }
        Ok(())
    }
}

/// Passes over a segment that an interrupted removal has left. Names go in any order: the segment
/// that went up to the base may be gone, and one before it not, while the one that was to be gone
/// on in has nothing in it yet. Then a number is missing between the two. A segment that was gone
/// on in lacks none up to the base, and one that is damaged is not at its end where its frames end.
fn pass_remains(base: &Base, survey: &mut Survey) {
    let (&[(id, next)], Some((blank, _))) = (&survey.kept[..], survey.blank.first()) else {
        return;
    };
    let removed = *blank > id + 1 && survey.used == survey.extent;
    if next < base.position.next && removed {
        survey.obsolete.push(id);
        (survey.kept, survey.position) = (Vec::new(), base.position);
        (survey.used, survey.extent) = (0, 0);
    }
}

fn gap(expected: u64, found: u64) -> String {
    format!("record {expected} should come next, and the log goes on at record {found}")
}

/// The frame at `offset` if it is whole, stands at `position` and does not reach past `end`.
fn following_frame(
    id: u64,
    bytes: &Bytes,
    offset: usize,
    position: Position,
    end: u64,
) -> Option<Frame> {
    format::read_frame(id, bytes, offset)
        .filter(|frame| frame.at == position && frame.after.next <= end)
}

/// Cuts torn tails, syncs what was read, removes remains, and makes what is missing.
fn mend(
    disk: Arc<dyn Disk>,
    options: Options,
    (mut survey, base, next_id): (Survey, Base, u64),
    unfinished: Vec<String>,
) -> Result<Wal, WalError> {
    let failed = |name: &str, e| WalError::failed("mend the log", disk.locate(name), e);
    // The checkpoint's name first: after a crash of the process alone it may not be durable, and
    // what it stands for is about to be removed.
    disk.sync_dir().map_err(|e| failed("", e))?;
    let open = |id: u64| -> Result<(Box<dyn DiskFile>, u64), WalError> {
        let name = format::segment_name(id);
        let open = || disk.open(&name).and_then(|file| file.length().map(|len| (file, len)));
        open().map_err(|e| failed(&name, e))
    };
    // Blank segments serve again: as the current one if no other is, and as a whole reserve.
    let (mut current, mut reserve) = (None, None);
    if let Some((id, _)) = survey.kept.pop() {
        let (file, len) = open(id)?;
        let extents = (survey.used, survey.extent, len);
        current = Some(Segment::adopt(&*disk, (id, file), extents)?);
    }
    for (id, extent) in survey.blank {
        let (file, len) = open(id)?;
        let adopt = || Segment::adopt(&*disk, (id, file), (0, extent, len));
        match &current {
            None => current = Some(adopt()?),
            Some(current)
                if id > current.id && len >= options.segment_bytes && reserve.is_none() =>
            {
                reserve = Some(adopt()?);
            }
            Some(_) => survey.obsolete.push(id),
        }
    }
    let names = survey.obsolete.iter().map(|id| format::segment_name(*id));
    let old = base.named.iter().filter(|next| **next < base.position.next);
    let remains = names.chain(old.map(|next| format::checkpoint_name(*next))).chain(unfinished);
    for name in remains {
        disk.remove(&name).map_err(|e| failed(&name, e))?;
    }
    disk.sync_dir().map_err(|e| failed("", e))?;

    let current = match current {
        Some(segment) => segment,
        None => Segment::create(&*disk, 1, options.segment_bytes)?,
    };
    Ok(Wal {
        next_id: next_id.max(current.id + 1),
        current,
        reserve,
        older: survey.kept,
        checkpoints: base.named.into_iter().filter(|next| *next >= base.position.next).collect(),
        position: survey.position,
        batch: Batch::new(),
        preparing: false,
        checkpointing: false,
        failed: false,
        options,
        disk,
    })
}
