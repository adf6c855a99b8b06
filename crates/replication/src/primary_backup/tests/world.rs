//! A small world for the engine's tests: replicas, their disks, a network, an arbiter. Golden
//! scripts step it by hand, the random test by a seeded generator; both check every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use bytes::Bytes;

use crate::engine::{self, Effect, Engine, Input, Viewed};
use crate::log::{Checkpoint, Entry, Index, Record, Recovered, Snapshot};
use crate::primary_backup::{Config, PrimaryBackup, Rules, Timers};
use crate::state::StateBytes;
use crate::term::{NodeId, Term, View};
use crate::time::Time;

/// What is on its way to a disk, in order.
pub enum OnItsWay {
    Record(Record),
    Checkpoint(Checkpoint),
}

/// A replica and its disk.
pub struct Host {
    pub engine: PrimaryBackup,
    pub up: bool,
    pub paused: bool,
    /// Records on disk, and those on their way there.
    pub durable: Vec<Record>,
    pub checkpoint: Checkpoint,
    pub unsynced: Vec<OnItsWay>,
    /// Effects that wait for the unsynced records before them.
    waiting: VecDeque<Effect>,
    count: u64,
    /// What was applied: the state machine.
    pub applied: Vec<Entry>,
    pub leading: Option<Term>,
}

pub struct World {
    pub hosts: BTreeMap<NodeId, Host>,
    pub network: Vec<(NodeId, NodeId, engine::Message)>,
    pub cut: Vec<(NodeId, NodeId)>,
    pub view: View,
    pub arbiter_up: bool,
    pub asked: Vec<(NodeId, View, Term)>,
    pub now: Time,
    pub trace: String,
    /// Every entry that any leader applied: acknowledged to a client. Index → entry.
    pub acknowledged: BTreeMap<Index, Entry>,
    pub discarded: BTreeSet<Entry>,
    /// The same, also where another history took their place (naive).
    pub ever_acknowledged: BTreeSet<Entry>,
    pub passed: Vec<u64>,
    /// Read barriers under way: by whom, and what had been acknowledged when they began.
    pub barriers: BTreeMap<u64, (NodeId, Index)>,
    pub rules: Rules,
    /// Whether anybody may lead, at the price of what the others have.
    pub unclean: bool,
    /// The next snapshot that comes to these cannot be read.
    pub damaged: BTreeSet<NodeId>,
}

impl World {
    pub fn new(count: u8, rules: Rules) -> World {
        World::of(count, rules, false)
    }

    /// One in which anybody may lead, at the price of what the others have.
    pub fn unclean(count: u8) -> World {
        World::of(count, Rules::View, true)
    }

    fn of(count: u8, rules: Rules, unclean: bool) -> World {
        let mut world = World {
            hosts: BTreeMap::new(),
            network: Vec::new(),
            cut: Vec::new(),
            view: View::default(),
            arbiter_up: true,
            asked: Vec::new(),
            now: Time(0),
            trace: String::new(),
            acknowledged: BTreeMap::new(),
            discarded: BTreeSet::new(),
            ever_acknowledged: BTreeSet::new(),
            passed: Vec::new(),
            barriers: BTreeMap::new(),
            rules,
            unclean,
            damaged: BTreeSet::new(),
        };
        for id in (1..=count).map(NodeId) {
            let engine = PrimaryBackup::new(world.config(id, count), &Recovered::default());
            let host = Host {
                engine,
                up: true,
                paused: false,
                durable: Vec::new(),
                checkpoint: Checkpoint::default(),
                unsynced: Vec::new(),
                waiting: VecDeque::new(),
                count: 0,
                applied: Vec::new(),
                leading: None,
            };
            world.hosts.insert(id, host);
        }
        world
    }

    fn config(&self, id: NodeId, count: u8) -> Config {
        let peers = (1..=count).map(NodeId).filter(|peer| *peer != id).collect();
        Config {
            id,
            peers,
            rules: self.rules,
            timers: Timers::DEFAULT,
            unclean: self.unclean,
            entries_kept: 3,
        }
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&id).filter(|h| h.up && !h.paused) else { return };
        let mut effects = Vec::new();
        host.engine.step(now, input, &mut effects);
        let mut after_persist = false;
        for effect in effects {
            let host = self.hosts.get_mut(&id).expect("it was there");
            if let Effect::Persist(record) = effect {
                writeln!(self.trace, "{id}: persist {record}").expect("a string");
                host.unsynced.push(OnItsWay::Record(record));
                after_persist = true;
            } else if let Effect::Install(Snapshot { index, .. }) = effect
                && self.damaged.remove(&id)
            {
                writeln!(self.trace, "{id}: cannot read snapshot {index}").expect("a string");
                self.step(id, Input::NotInstalled { index });
            } else if let Effect::Install(snapshot) = effect {
                // A checkpoint keeps its place among the records; it does not wait for them.
                writeln!(self.trace, "{id}: install snapshot {}", snapshot.index)
                    .expect("a string");
                host.applied = decode(&snapshot.state);
                host.unsynced.push(OnItsWay::Checkpoint(host.engine.checkpoint(snapshot)));
            } else if after_persist
                && matches!(effect, Effect::Send { .. } | Effect::AskView { .. })
            {
                host.waiting.push_back(effect);
            } else {
                self.perform(id, effect);
            }
        }
    }

    fn perform(&mut self, id: NodeId, effect: Effect) {
        let host = self.hosts.get_mut(&id).expect("only hosts emit");
        match effect {
            Effect::Persist(_) | Effect::Install(_) => unreachable!("handled by step"),
            Effect::Send { to, message } => {
                writeln!(self.trace, "{id} -> {to}: {message}").expect("a string");
                self.network.push((id, to, message));
            }
            Effect::Apply(entry) => {
                writeln!(self.trace, "{id}: apply {entry}").expect("a string");
                let last = host.applied.last().map_or(Index(0), |e| e.index);
                assert_eq!(entry.index, last.next(), "applied in order");
                if host.engine.status().role == "leader" {
                    self.acknowledged.insert(entry.index, entry.clone());
                    self.ever_acknowledged.insert(entry.clone());
                }
                host.applied.push(entry);
            }
            Effect::AskView { view, previous, .. } => {
                writeln!(self.trace, "{id} -> arbiter: view {view} after {previous}")
                    .expect("a string");
                self.asked.push((id, view, previous));
            }
            Effect::Changed { .. } | Effect::Members(_) => unreachable!("its members are fixed"),
            Effect::NotInSync(view) => {
                writeln!(self.trace, "{id}: not in sync, {view}").expect("a string");
            }
            Effect::WantSnapshot => {
                let last = host.applied.last().expect("something is compacted");
                let snapshot =
                    Snapshot { index: last.index, term: last.term, state: encode(&host.applied) };
                self.step(id, Input::Snapshot(snapshot));
            }
            Effect::Leading(term) => {
                writeln!(self.trace, "{id}: leading {term}").expect("a string");
                host.leading = Some(term);
            }
            Effect::Following { leader } => {
                let leader = leader.map_or("nobody".to_string(), |id| id.to_string());
                writeln!(self.trace, "{id}: following {leader}").expect("a string");
                host.leading = None;
            }
            Effect::Passed(tag) => {
                writeln!(self.trace, "{id}: barrier {tag} passed").expect("a string");
                let applied = host.applied.last().map_or(Index(0), |entry| entry.index);
                self.passed.push(tag);
                let (_, acknowledged) = self.barriers.remove(&tag).expect("each passes once");
                assert!(
                    self.rules == Rules::Naive || applied >= acknowledged,
                    "{id} would answer from {applied}, {acknowledged} was acknowledged before"
                );
            }
            Effect::Warn(what) => writeln!(self.trace, "{id}: warn {what}").expect("a string"),
            Effect::Failed(tag) => {
                writeln!(self.trace, "{id}: barrier {tag} failed").expect("a string");
                self.barriers.remove(&tag).expect("each fails once");
            }
            Effect::Discard { entries, from, committed } => {
                let first = entries.first().expect("something gives way").index;
                let applied = host.applied.last().map_or(Index(0), |entry| entry.index);
                assert_eq!(first, applied.next().min(from), "nothing is missing");
                host.applied.truncate(usize::try_from(from.0 - 1).expect("small"));
                for entry in entries.into_iter().filter(|entry| entry.index >= from) {
                    let known = if entry.index <= committed { "committed " } else { "" };
                    writeln!(self.trace, "{id}: discard {known}{entry}").expect("a string");
                    self.discarded.insert(entry);
                }
            }
        }
    }

    /// Somebody wants to read at this replica.
    pub fn barrier(&mut self, id: NodeId, tag: u64) {
        if self.hosts[&id].up && !self.hosts[&id].paused {
            let acknowledged = self.acknowledged.keys().last().copied().unwrap_or_default();
            self.barriers.insert(tag, (id, acknowledged));
            self.step(id, Input::Barrier(tag));
        }
    }

    /// The disk catches up.
    pub fn sync(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get_mut(&id).filter(|h| h.up && !h.paused) else { return };
        if host.unsynced.is_empty() {
            return;
        }
        let mut checkpointed = None;
        for write in std::mem::take(&mut host.unsynced) {
            match write {
                OnItsWay::Record(record) => {
                    host.count += 1;
                    host.durable.push(record);
                }
                OnItsWay::Checkpoint(checkpoint) => {
                    checkpointed = Some(checkpoint.snapshot.index);
                    host.checkpoint = checkpoint;
                    host.durable.clear();
                }
            }
        }
        let upto = host.count;
        for effect in std::mem::take(&mut host.waiting) {
            self.perform(id, effect);
        }
        self.step(id, Input::Persisted { upto });
        if let Some(index) = checkpointed {
            self.step(id, Input::Checkpointed { index });
        }
    }

    /// Delivers message `position`, unless the link is cut.
    pub fn deliver(&mut self, position: usize) {
        let (from, to, message) = self.network.remove(position);
        if self.cut.contains(&(from, to)) {
            return;
        }
        self.step(to, Input::Receive { from, message });
    }

    /// The arbiter answers its oldest question, unless it is down; if it is not `heard`, the asker
    /// learns only that it got no answer.
    pub fn arbitrate(&mut self, heard: bool) {
        let answerable = self.asked.iter().position(|(id, _, _)| !self.hosts[id].paused);
        let Some(position) = answerable else { return };
        let (id, view, previous) = self.asked.remove(position);
        let viewed = if !self.arbiter_up {
            Viewed::Unknown
        } else if view == self.view {
            Viewed::Granted(view)
        } else if previous == self.view.term
            && view.term > previous
            && (previous == Term::ZERO
                || self.unclean
                || self.view.in_sync.contains(&view.leader()))
        {
            self.view = view.clone();
            Viewed::Granted(view)
        } else {
            Viewed::Refused(self.view.clone())
        };
        let said = match &viewed {
            Viewed::Granted(view) => format!("granted {view}"),
            Viewed::Refused(view) => format!("refused, in force {view}"),
            Viewed::Unknown => "unknown".to_string(),
        };
        writeln!(self.trace, "arbiter -> {id}: {said}").expect("a string");
        self.step(id, Input::Viewed(if heard { viewed } else { Viewed::Unknown }));
    }

    /// Disks, messages and the arbiter, until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.hosts.values().any(|h| h.up && !h.paused && !h.unsynced.is_empty());
            if busy {
                for id in self.hosts.keys().copied().collect::<Vec<_>>() {
                    self.sync(id);
                }
            } else if !self.network.is_empty() {
                self.deliver(0);
            } else if self.asked.iter().any(|(id, _, _)| !self.hosts[id].paused) {
                self.arbitrate(true);
            } else {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Time passes; timers that are due fire, host by host.
    pub fn advance(&mut self, millis: u64) {
        self.now = Time(self.now.0 + millis * 1000);
        for id in self.hosts.keys().copied().collect::<Vec<_>>() {
            let due = self.hosts[&id].engine.next_timer().is_some_and(|at| at <= self.now);
            if due {
                self.step(id, Input::Timer);
            }
        }
    }

    /// Power loss: what was not synced is gone.
    pub fn crash(&mut self, id: NodeId) {
        let host = self.hosts.get_mut(&id).expect("a host");
        host.up = false;
        host.paused = false;
        host.unsynced.clear();
        host.waiting.clear();
        host.leading = None;
        self.asked.retain(|(asker, _, _)| *asker != id);
        self.barriers.retain(|_, (asker, _)| *asker != id);
    }

    pub fn restart(&mut self, id: NodeId) {
        let count = u8::try_from(self.hosts.len()).expect("few");
        let config = self.config(id, count);
        let host = self.hosts.get_mut(&id).expect("a host");
        let recovered =
            Recovered { checkpoint: host.checkpoint.clone(), records: host.durable.clone() };
        host.engine = PrimaryBackup::new(config, &recovered);
        host.applied = decode(&host.checkpoint.snapshot.state);
        host.count = 0;
        host.up = true;
        self.step(id, Input::Start);
    }

    /// Begins to write a checkpoint of what `id` applied.
    pub fn checkpoint(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get_mut(&id).filter(|h| h.up) else { return };
        let Some(last) = host.applied.last() else { return };
        let (index, term) = (last.index, last.term);
        let snapshot = Snapshot { index, term, state: encode(&host.applied) };
        host.unsynced.push(OnItsWay::Checkpoint(host.engine.checkpoint(snapshot)));
    }

    /// What holds at every moment under a view: replicas that applied an index applied the same
    /// entry there, and what a leader applied is on every in-sync disk.
    pub fn check(&self) {
        if self.rules == Rules::Naive || self.unclean {
            return;
        }
        for (id, host) in &self.hosts {
            for entry in &host.applied {
                if let Some(acknowledged) = self.acknowledged.get(&entry.index) {
                    assert_eq!(acknowledged, entry, "replica {id} applied another entry");
                }
            }
        }
    }
}

fn encode(applied: &[Entry]) -> StateBytes {
    let mut bytes = Vec::new();
    for entry in applied {
        bytes.extend(entry.term.number.to_be_bytes());
        bytes.push(entry.term.node.0);
        bytes.push(u8::try_from(entry.command.len()).expect("short in tests"));
        bytes.extend_from_slice(&entry.command);
    }
    bytes.into()
}

fn decode(state: &StateBytes) -> Vec<Entry> {
    let mut entries = Vec::new();
    let bytes = state.whole();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let number = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
        let length = usize::from(rest[9]);
        entries.push(Entry {
            index: Index(entries.len() as u64 + 1),
            term: Term { generation: 0, number, node: NodeId(rest[8]) },
            command: Bytes::copy_from_slice(&rest[10..10 + length]),
        });
        rest = &rest[10 + length..];
    }
    entries
}
