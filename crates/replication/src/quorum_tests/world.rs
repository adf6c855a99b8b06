//! A small world for quorum engines: replicas, their disks, a network and a clock for each. It
//! performs effects as the shell does, and tells `witness` of everything that is claimed. Golden
//! scripts (`scripts`) step it by hand, random walks (`walk`) by a seed; `faults` breaks it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

use bytes::Bytes;

use super::Subject;
use super::host::{Host, Write, label};
use super::witness::Witness;
use crate::engine::{Effect, Input, Message};
use crate::log::{Recovered, Snapshot};
use crate::term::NodeId;
use crate::time::Time;

/// A message under way.
#[derive(Clone)]
pub struct Letter {
    pub from: NodeId,
    pub to: NodeId,
    pub message: Message,
}

/// Which messages a transcript shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Also what arrives, and what is done to the replicas: nobody commands a walk.
    Everything,
    All,
    /// Those that carry something.
    Some,
    None,
}

/// How much was done so far.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub steps: u64,
    pub sends: u64,
    pub persists: u64,
    pub faults: u64,
    pub leaders: u64,
    pub installs: u64,
    pub warnings: u64,
    /// Changes of members that were done.
    pub changes: u64,
    /// How long it took, after all was well again, until all were equal and served.
    pub healing: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.steps += other.steps;
        self.sends += other.sends;
        self.persists += other.persists;
        self.faults += other.faults;
        self.leaders += other.leaders;
        self.installs += other.installs;
        self.warnings += other.warnings;
        self.changes += other.changes;
        self.healing = self.healing.max(other.healing);
    }
}

pub struct World {
    pub subject: Subject,
    pub(super) seed: u64,
    pub hosts: BTreeMap<NodeId, Host>,
    pub network: Vec<Letter>,
    /// From whom to whom nothing arrives.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Connections that broke, so that both sides know; the lower id first.
    pub broken: BTreeSet<(NodeId, NodeId)>,
    /// Who does not know yet that a connection is gone, since the network was silent.
    pub unnoticed: BTreeSet<(NodeId, NodeId)>,
    /// The next snapshot that comes to these cannot be read.
    pub damaged: BTreeSet<NodeId>,
    pub now: Time,
    pub witness: Witness,
    pub tally: Tally,
    /// What happened, for people; costs more than everything else, so it is kept if it is asked.
    pub trace: Option<String>,
    pub shown: Shown,
    /// Effects of the step that is under way; kept for its allocation.
    effects: Vec<Effect>,
}

impl World {
    pub fn new(count: u8, seed: u64, subject: Subject) -> World {
        let mut world = World {
            subject,
            seed,
            hosts: BTreeMap::new(),
            network: Vec::new(),
            cut: BTreeSet::new(),
            broken: BTreeSet::new(),
            unnoticed: BTreeSet::new(),
            damaged: BTreeSet::new(),
            now: Time(0),
            witness: Witness::default(),
            tally: Tally::default(),
            trace: None,
            shown: Shown::Some,
            effects: Vec::new(),
        };
        let ids: Vec<NodeId> = (1..=count).map(NodeId).collect();
        for id in &ids {
            let peers: Vec<NodeId> = ids.iter().copied().filter(|peer| peer != id).collect();
            let engine = (subject.make)(*id, &peers, seed, &Recovered::default());
            world.hosts.insert(*id, Host::new(engine));
        }
        world
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.hosts.keys().copied().collect()
    }

    pub fn host(&mut self, id: NodeId) -> &mut Host {
        self.hosts.get_mut(&id).unwrap_or_else(|| panic!("there is no replica {id}"))
    }

    /// Who says to lead, in the highest term if there are several.
    pub fn leader(&self) -> Option<NodeId> {
        let leading = self.hosts.iter().filter(|(_, host)| host.runs());
        let leading = leading.filter_map(|(id, host)| Some((host.leading?, *id)));
        leading.max().map(|(_, id)| id)
    }

    /// A new process on this replica's disk.
    pub fn boot(&mut self, id: NodeId) {
        let peers: Vec<NodeId> = self.hosts.keys().copied().filter(|peer| *peer != id).collect();
        let (subject, seed) = (self.subject, self.seed);
        let peers: Vec<NodeId> = peers.into_iter().filter(|id| !self.hosts[id].joins).collect();
        let host = self.host(id);
        host.starts += 1;
        let seed = seed.wrapping_add(host.starts.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        host.engine = match subject.join.filter(|_| host.joins) {
            Some(join) => join(id, seed, &host.recovered()),
            None => (subject.make)(id, &peers, seed, &host.recovered()),
        };
        host.up = true;
        self.witness.restored(id, &self.hosts[&id]);
        self.step(id, Input::Start);
    }

    /// One transition of a process that runs; one that is paused finds it later.
    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.up) else { return };
        if host.paused {
            if input != Input::Timer {
                host.inbox.push_back(input);
            }
            return;
        }
        self.tally.steps += 1;
        let mut effects = std::mem::take(&mut self.effects);
        host.engine.step(host.clock.read(now), input, &mut effects);
        // What the service answers within the step, it answers when the step's effects are done.
        let mut answers = Vec::new();
        let mut after_persist = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist(record) => {
                    self.note(|out| write!(out, "{id}: persist {record}"));
                    self.tally.persists += 1;
                    let host = self.host(id);
                    host.emitted += 1;
                    host.unsynced.push_back(Write::Record(record));
                    after_persist = true;
                }
                Effect::Send { to, message } if after_persist => {
                    let host = self.host(id);
                    host.held.push_back((host.emitted, to, message));
                }
                Effect::Send { to, message } => self.send(id, to, message),
                Effect::Install(snapshot) => answers.extend(self.install(id, snapshot)),
                Effect::WantSnapshot => {
                    let snapshot = self.hosts[&id].snapshot().expect("something is compacted");
                    answers.push(Input::Snapshot(snapshot));
                }
                effect @ (Effect::Apply(_)
                | Effect::Leading(_)
                | Effect::Following { .. }
                | Effect::Passed(_)
                | Effect::Failed(_)
                | Effect::Warn(_)
                | Effect::AskView { .. }
                | Effect::NotInSync(_)
                | Effect::Changed { .. }
                | Effect::Members(_)
                | Effect::Discard { .. }) => self.perform(id, effect),
            }
        }
        self.effects = effects;
        for answer in answers {
            self.step(id, answer);
        }
    }

    /// What is meant for the service above, within the step; it asks nothing back.
    fn perform(&mut self, id: NodeId, effect: Effect) {
        match effect {
            Effect::Persist(_)
            | Effect::Send { .. }
            | Effect::Install(_)
            | Effect::WantSnapshot => {
                unreachable!("step() did it")
            }
            Effect::Apply(entry) => {
                self.note(|out| write!(out, "{id}: apply {entry} {}", label(&entry)));
                let host = self.hosts.get_mut(&id).expect("only hosts emit");
                self.witness.applies(id, host, &entry);
                host.apply(entry);
            }
            Effect::Leading(term) => {
                self.note(|out| write!(out, "{id}: leading {term}"));
                self.tally.leaders += 1;
                let host = self.hosts.get_mut(&id).expect("only hosts emit");
                self.witness.leads(id, host, term);
                host.leading = Some(term);
            }
            Effect::Following { leader } => {
                self.note(|out| match leader {
                    Some(leader) => write!(out, "{id}: following {leader}"),
                    None => write!(out, "{id}: following nobody"),
                });
                self.host(id).leading = None;
            }
            Effect::Passed(tag) => {
                self.note(|out| write!(out, "{id}: barrier {tag} passed"));
                self.witness.passes(id, tag, self.hosts[&id].last_applied());
            }
            Effect::Failed(tag) => {
                self.note(|out| write!(out, "{id}: barrier {tag} failed"));
                self.witness.fails(id, tag);
            }
            Effect::Warn(what) => {
                self.note(|out| write!(out, "{id}: warn {what}"));
                self.tally.warnings += 1;
            }
            Effect::Changed { tag, outcome } => self.changed(id, tag, &outcome),
            Effect::Members(members) => {
                if self.subject.join.is_some() {
                    self.note(|out| write!(out, "{id}: members {members}"));
                }
                self.host(id).members = Some(members);
            }
            Effect::AskView { .. } | Effect::NotInSync(_) | Effect::Discard { .. } => {
                panic!("{id}: {effect:?}: a quorum has no arbiter and loses nothing");
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        assert!(to != from && self.hosts.contains_key(&to), "{from} sends to {to}: {message}");
        if self.shows(&message) {
            self.note(|out| write!(out, "{from} -> {to}: {message}"));
        }
        self.tally.sends += 1;
        self.network.push(Letter { from, to, message });
    }

    fn install(&mut self, id: NodeId, snapshot: Snapshot) -> Option<Input> {
        let index = snapshot.index;
        if self.damaged.remove(&id) {
            self.note(|out| write!(out, "{id}: cannot read snapshot {index}"));
            return Some(Input::NotInstalled { index });
        }
        self.note(|out| write!(out, "{id}: install snapshot {index}"));
        self.tally.installs += 1;
        let host = self.hosts.get_mut(&id).expect("only hosts emit");
        let before = host.last_applied();
        host.restore(&snapshot.state);
        assert_eq!(host.last_applied(), index, "{id}: the snapshot is of another index");
        self.witness.installs(id, host, before);
        let checkpoint = host.engine.checkpoint(snapshot);
        host.unsynced.push_back(Write::Checkpoint(checkpoint));
        None
    }

    /// A client asks a replica for something.
    pub fn propose(&mut self, id: NodeId, commands: Vec<Bytes>) {
        if self.hosts[&id].up {
            self.tell(|out| write!(out, "{id}: is asked for {commands:?}"));
            self.witness.proposes(id, self.hosts[&id].leading, &commands);
            self.step(id, Input::Propose(commands));
        }
    }

    /// Somebody wants to read at this replica.
    pub fn barrier(&mut self, id: NodeId, tag: u64) {
        if self.hosts[&id].up {
            self.tell(|out| write!(out, "{id}: is asked for barrier {tag}"));
            self.witness.asks(id, tag);
            self.step(id, Input::Barrier(tag));
        }
    }

    /// So many writes reach the disk, in order, and what was held for them leaves.
    pub fn sync(&mut self, id: NodeId, writes: usize) {
        let Some(host) = self.hosts.get(&id).filter(|host| host.runs()) else { return };
        let mut told = host.synced;
        let writes = writes.min(host.unsynced.len());
        if writes > 0 {
            self.tell(|out| write!(out, "{id}: {writes} writes are on disk"));
        }
        for _ in 0..writes {
            if let Some(index) = self.host(id).write() {
                told = self.synced(id, told);
                self.step(id, Input::Checkpointed { index });
            }
        }
        self.synced(id, told);
        if self.hosts[&id].runs()
            && !self.hosts[&id].slow
            && let Some(index) = self.host(id).finish()
        {
            self.step(id, Input::Checkpointed { index });
        }
    }

    /// Tells the engine how many records are on disk, if that is news.
    fn synced(&mut self, id: NodeId, told: u64) -> u64 {
        let upto = self.hosts[&id].synced;
        while self.hosts[&id].held.front().is_some_and(|(needed, ..)| *needed <= upto)
            && let Some((_, to, message)) = self.host(id).held.pop_front()
        {
            self.send(id, to, message);
        }
        if upto > told {
            self.step(id, Input::Persisted { upto });
        }
        upto
    }

    /// Begins to write a checkpoint of what `id` applied.
    pub fn checkpoint(&mut self, id: NodeId) {
        let Some(host) = self.hosts.get_mut(&id).filter(|host| host.runs()) else { return };
        let Some(snapshot) = host.snapshot() else { return };
        // An older one, or the same again, would be no news.
        if snapshot.index > host.engine.log().start() {
            let index = snapshot.index;
            let checkpoint = host.engine.checkpoint(snapshot);
            host.unsynced.push_back(Write::Checkpoint(checkpoint));
            self.tell(|out| write!(out, "{id}: begins checkpoint {index}"));
        }
    }

    /// The message at `position` arrives, or is lost on a cut link.
    pub fn deliver(&mut self, position: usize) {
        let Letter { from, to, message } = self.network.remove(position);
        if !self.is_cut(from, to) {
            self.tell(|out| write!(out, "{to} <- {from}: {message}"));
            self.step(to, Input::Receive { from, message });
        }
    }

    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains(&(from, to)) || self.broken.contains(&(from.min(to), from.max(to)))
    }

    fn shows(&self, message: &Message) -> bool {
        match self.shown {
            Shown::Everything | Shown::All => true,
            Shown::Some => !(self.subject.is_heartbeat)(message),
            Shown::None => false,
        }
    }

    /// A line that a golden script has no use for: its commands say so.
    pub fn tell(&mut self, line: impl FnOnce(&mut String) -> fmt::Result) {
        if self.shown == Shown::Everything {
            self.note(line);
        }
    }

    /// A line of the transcript.
    pub fn note(&mut self, line: impl FnOnce(&mut String) -> fmt::Result) {
        if let Some(trace) = &mut self.trace {
            line(trace).expect("a string takes everything");
            trace.push('\n');
        }
    }
}
