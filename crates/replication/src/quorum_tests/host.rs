//! One replica of the test world: its process, disk, clock, and the state machine on top, which is
//! the list of what was applied. Moved by `world` and `faults`.

use std::collections::{BTreeSet, VecDeque};

use super::witness::fold;
use crate::engine::{Engine, Input, Message};
use crate::log::{Checkpoint, Entry, Index, Log, Record, Recovered, Snapshot};
use crate::members::Members;
use crate::state::StateBytes;
use crate::term::{NodeId, Term};
use crate::time::Time;

/// What is on its way to a disk, in order.
pub enum Write {
    Record(Record),
    Checkpoint(Checkpoint),
}

/// A clock that runs too fast or too slow.
#[derive(Clone, Copy, Default)]
pub struct Clock {
    /// The world's time when its speed was last set, and what it showed then.
    since: Time,
    shown: Time,
    /// Parts per million that it runs too fast.
    drift: i64,
}

impl Clock {
    const MILLION: i64 = 1_000_000;

    /// What it shows when it is `now` in the world.
    pub fn read(&self, now: Time) -> Time {
        let passed = now.0.saturating_sub(self.since.0);
        if self.drift == 0 {
            return Time(self.shown.0 + passed);
        }
        let speed = u64::try_from(Self::MILLION + self.drift).expect("no clock stands still");
        Time(self.shown.0 + passed * speed / 1_000_000)
    }

    /// When it shows `at`, or a little more, in the world.
    pub fn when(&self, at: Time) -> Time {
        let left = at.0.saturating_sub(self.shown.0);
        if self.drift == 0 {
            return Time(self.since.0.saturating_add(left));
        }
        let speed = u64::try_from(Self::MILLION + self.drift).expect("no clock stands still");
        Time(self.since.0.saturating_add(left.saturating_mul(1_000_000).div_ceil(speed)))
    }

    /// From now on it runs this much too fast.
    pub fn set_drift(&mut self, now: Time, drift: i64) {
        *self = Clock { shown: self.read(now), since: now, drift };
    }
}

/// A replica.
pub struct Host {
    pub engine: Box<dyn Engine>,
    pub up: bool,
    pub paused: bool,
    /// What came while it was paused, and waits in its sockets.
    pub inbox: VecDeque<Input>,
    pub clock: Clock,
    /// How often it was started.
    pub starts: u64,
    /// Peers whose connection it last saw close.
    pub refused: BTreeSet<NodeId>,
    /// The disk: a checkpoint and the records after it; then what is on its way there.
    pub checkpoint: Checkpoint,
    pub records: Vec<Record>,
    pub unsynced: VecDeque<Write>,
    /// A checkpoint that is being written beside the log, and how many of the records on disk it
    /// will take the place of. What comes after it may be on disk before it.
    pub writing: Option<(Checkpoint, usize)>,
    /// Whether that takes long.
    pub slow: bool,
    /// The log that a process would find, if it were started now.
    pub on_disk: Log,
    /// Records emitted since the process started, and how many of them are on disk.
    pub emitted: u64,
    pub synced: u64,
    /// Messages that wait until so many records are on disk, and to whom.
    pub held: VecDeque<(u64, NodeId, Message)>,
    /// The state machine, and a digest of it.
    pub applied: Vec<Entry>,
    pub digest: u64,
    pub leading: Option<Term>,
    /// Whether it came to a group that was there already.
    pub joins: bool,
    /// Who belongs to the group, as its engine said last.
    pub members: Option<Members>,
}

impl Host {
    pub fn new(engine: Box<dyn Engine>) -> Host {
        Host {
            joins: false,
            members: None,
            engine,
            up: false,
            paused: false,
            inbox: VecDeque::new(),
            clock: Clock::default(),
            starts: 0,
            refused: BTreeSet::new(),
            checkpoint: Checkpoint::default(),
            records: Vec::new(),
            unsynced: VecDeque::new(),
            writing: None,
            slow: false,
            on_disk: Log::default(),
            emitted: 0,
            synced: 0,
            held: VecDeque::new(),
            applied: Vec::new(),
            digest: 0,
            leading: None,
        }
    }

    pub fn runs(&self) -> bool {
        self.up && !self.paused
    }

    pub fn last_applied(&self) -> Index {
        Index(self.applied.len() as u64)
    }

    /// When, in the world's time, its engine wants to be stepped.
    pub fn due(&self) -> Option<Time> {
        let at = self.runs().then(|| self.engine.next_timer())??;
        Some(self.clock.when(at))
    }

    /// The oldest write reaches the disk. The index of a checkpoint, if it was one.
    pub fn write(&mut self) -> Option<Index> {
        let checkpoint = matches!(self.unsynced.front(), Some(Write::Checkpoint(_)));
        if checkpoint && self.writing.is_some() {
            // One at a time.
            return self.finish();
        }
        match self.unsynced.pop_front()? {
            Write::Record(record) => {
                self.synced += 1;
                // Only these two change the log, whatever else an engine puts on disk.
                if let Record::Append(entry) = &record {
                    self.on_disk.append(entry.clone());
                } else if let Record::Truncate(from) = &record {
                    self.on_disk.truncate(*from);
                }
                self.records.push(record);
                None
            }
            Write::Checkpoint(checkpoint) => {
                self.writing = Some((checkpoint, self.records.len()));
                if self.slow { None } else { self.finish() }
            }
        }
    }

    /// The checkpoint that is being written is on disk. Its index.
    pub fn finish(&mut self) -> Option<Index> {
        let (checkpoint, records) = self.writing.take()?;
        let index = checkpoint.snapshot.index;
        self.checkpoint = checkpoint;
        self.records.drain(..records);
        self.on_disk = Log::recover(&self.recovered()).0;
        Some(index)
    }

    /// What a process that starts now finds.
    pub fn recovered(&self) -> Recovered {
        Recovered { checkpoint: self.checkpoint.clone(), records: self.records.clone() }
    }

    /// The process is gone, and what was not written.
    pub fn lose(&mut self) {
        self.up = false;
        self.paused = false;
        self.inbox.clear();
        self.unsynced.clear();
        self.writing = None;
        self.held.clear();
        self.refused.clear();
        self.leading = None;
        self.members = None;
        self.emitted = 0;
        self.synced = 0;
        let state = self.checkpoint.snapshot.state.clone();
        self.restore(&state);
    }

    pub fn apply(&mut self, entry: Entry) {
        self.digest = fold(self.digest, &entry);
        self.applied.push(entry);
    }

    pub fn restore(&mut self, state: &StateBytes) {
        self.applied = decode(state);
        self.digest = self.applied.iter().fold(0, fold);
    }

    /// The state machine as it is; `None` if nothing was applied.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let last = self.applied.last()?;
        let state = encode(&self.applied);
        Some(Snapshot { index: last.index, term: last.term, state })
    }
}

/// What a person calls an entry: a client's words, or what an engine put there itself.
pub fn label(entry: &Entry) -> String {
    match entry.command.first() {
        None => "Lead".to_string(),
        Some(0) => match Members::decode(&entry.command) {
            Some(members) => members.to_string(),
            None => "Own".to_string(),
        },
        Some(_) => String::from_utf8_lossy(&entry.command).into_owned(),
    }
}

/// Whether a client asked for it.
pub fn is_clients(entry: &Entry) -> bool {
    entry.command.first().is_some_and(|first| *first != 0)
}

/// Bytes of an entry in a snapshot before its command.
const HEADER: usize = 15;

fn encode(applied: &[Entry]) -> StateBytes {
    let mut bytes = Vec::with_capacity(applied.len() * (HEADER + 8));
    for entry in applied {
        bytes.extend(entry.term.generation.to_be_bytes());
        bytes.extend(entry.term.number.to_be_bytes());
        bytes.push(entry.term.node.0);
        bytes.extend(u16::try_from(entry.command.len()).expect("short in tests").to_be_bytes());
        bytes.extend_from_slice(&entry.command);
    }
    bytes.into()
}

fn decode(state: &StateBytes) -> Vec<Entry> {
    let bytes = state.whole();
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (header, command) = (&bytes[at..at + HEADER], at + HEADER);
        let length = usize::from(u16::from_be_bytes([header[13], header[14]]));
        entries.push(Entry {
            index: Index(entries.len() as u64 + 1),
            term: Term {
                generation: u32::from_be_bytes(header[..4].try_into().expect("four bytes")),
                number: u64::from_be_bytes(header[4..12].try_into().expect("eight bytes")),
                node: NodeId(header[12]),
            },
            command: bytes.slice(command..command + length),
        });
        at = command + length;
    }
    entries
}
