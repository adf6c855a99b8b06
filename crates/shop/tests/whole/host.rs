//! One process of the world: its node, its clock, its disk, and what waits for that disk.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use replication::engine::Message;
use replication::log::{Checkpoint, Recovered};
use replication::primary_backup::{self, Rules, Timers};
use replication::{NodeId, Record, Time};
use shop::catalog::{self, Catalog};
use shop::frontend::{self, Frontend};
use shop::orders::{self, Orders};
use shop::shopper::{self, Shopper};
use shop::{Effect, Input, Node};

use crate::setting::Setting;

/// A process by its role and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Catalog,
    Order(u8),
    Frontend(u8),
    Shopper(u32),
    /// The world itself, which asks questions in between.
    Examiner,
}

/// A node of any kind.
pub enum Process {
    Catalog(Box<Catalog>),
    Order(Box<Orders>),
    Frontend(Box<Frontend>),
    Shopper(Box<Shopper>),
}

impl Process {
    pub fn new(name: Name, recovered: &Recovered, incarnation: u64, setting: &Setting) -> Process {
        let replicas = (1..=setting.replicas).map(NodeId);
        match name {
            Name::Catalog => {
                let config = catalog::Config {
                    invalidation: setting.invalidation,
                    fencing: setting.rules == Rules::View,
                    checkpoint_entries: setting.catalog_checkpoint_entries,
                    ..catalog::Config::default()
                };
                Process::Catalog(Box::new(Catalog::new(config, recovered).expect("own snapshot")))
            }
            Name::Order(id) => {
                let engine = primary_backup::Config {
                    id: NodeId(id),
                    peers: replicas.filter(|peer| peer.0 != id).collect(),
                    rules: setting.rules,
                    timers: Timers::DEFAULT,
                    unclean: false,
                    entries_kept: setting.entries_kept,
                };
                let config = orders::Config { engine };
                let orders = Orders::new(config, recovered).expect("own snapshot");
                let orders = orders.checkpoint_every(setting.checkpoint_entries);
                Process::Order(Box::new(orders))
            }
            Name::Frontend(id) => {
                let url = format!("http://frontend-{id}");
                let mut config = frontend::Config::new(id, replicas.collect(), url, incarnation);
                config.invalidation = setting.invalidation;
                Process::Frontend(Box::new(Frontend::new(config)))
            }
            Name::Shopper(session) => {
                let mut config = shopper::Config::new(session, vec![1, 2], setting.seed);
                config.requests = 400;
                config.retries = 30;
                config.probability = "0.7".parse().expect("a probability");
                Process::Shopper(Box::new(Shopper::new(config)))
            }
            Name::Examiner => unreachable!("the examiner is the world itself"),
        }
    }

    pub fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match self {
            Process::Catalog(node) => node.step(now, input, effects),
            Process::Order(node) => node.step(now, input, effects),
            Process::Frontend(node) => node.step(now, input, effects),
            Process::Shopper(node) => node.step(now, input, effects),
        }
    }

    pub fn next_timer(&self) -> Option<Time> {
        match self {
            Process::Catalog(node) => node.next_timer(),
            Process::Order(node) => node.next_timer(),
            Process::Frontend(node) => node.next_timer(),
            Process::Shopper(node) => node.next_timer(),
        }
    }
}

/// A clock that started at another time, and runs a little faster or slower than the world's.
#[derive(Clone, Copy)]
pub struct Clock {
    offset: u64,
    /// In thousandths: 1000 is the world's own speed.
    speed: u64,
}

impl Clock {
    pub fn new(random: &mut Pcg64Mcg, drift: bool) -> Clock {
        let speed = if drift { random.random_range(996..1005) } else { 1000 };
        Clock { offset: random.random_range(0..1_000_000_000), speed }
    }

    pub fn read(&self, now: Time) -> Time {
        Time(self.offset + now.0 * self.speed / 1000)
    }

    /// How long the world waits until this clock shows `at`.
    pub fn until(&self, now: Time, at: Time) -> Duration {
        let left = at.0.saturating_sub(self.read(now).0);
        Duration::from_micros((left * 1000).div_ceil(self.speed) + u64::from(left > 0))
    }
}

/// What is on a disk. Records are numbered over all lives.
#[derive(Default)]
struct Disk {
    checkpoint: Checkpoint,
    /// The last record that the checkpoint stands for.
    covered: u64,
    records: Vec<(u64, Record)>,
}

impl Disk {
    fn write(&mut self, number: u64, record: Record) {
        if number > self.covered {
            self.records.push((number, record));
        }
    }
}

/// A process and everything that is its own.
pub struct Host {
    pub process: Option<Process>,
    /// Raised by each crash: what was meant for an earlier life is dropped.
    pub life: u64,
    pub paused: bool,
    /// Inputs that came while it was paused.
    pub held: Vec<Input>,
    pub clock: Clock,
    /// The disk has no room: nothing is written until it has.
    pub full: bool,
    disk: Disk,
    unsynced: VecDeque<(u64, Record)>,
    /// Written in the background, each with the last record that it stands for.
    checkpoints: VecDeque<(u64, Checkpoint)>,
    pub syncing: bool,
    /// The last record that the sync under way will make durable.
    sync_upto: u64,
    /// Numbers of the last record of earlier lives, emitted, and durable.
    base: u64,
    emitted: u64,
    durable: u64,
    /// Effects that wait until so many records are durable.
    waiting: VecDeque<(u64, Effect)>,
    /// The timer that is set, so that no second one is set for the same moment.
    pub timer: Option<Time>,
}

impl Host {
    pub fn new(clock: Clock) -> Host {
        Host {
            process: None,
            life: 0,
            paused: false,
            held: Vec::new(),
            clock,
            full: false,
            disk: Disk::default(),
            unsynced: VecDeque::new(),
            checkpoints: VecDeque::new(),
            syncing: false,
            sync_upto: 0,
            base: 0,
            emitted: 0,
            durable: 0,
            waiting: VecDeque::new(),
            timer: None,
        }
    }

    pub fn start(&mut self, name: Name, now: Time, setting: &Setting) {
        self.base = self.emitted;
        self.durable = self.emitted;
        let records = self.disk.records.iter().map(|(_, record)| record.clone()).collect();
        let recovered = Recovered { checkpoint: self.disk.checkpoint.clone(), records };
        self.process = Some(Process::new(name, &recovered, now.0, setting));
    }

    /// A power cut. Of what was not synced, the first `written` records reach the disk after all.
    pub fn crash(&mut self, random: &mut Pcg64Mcg) {
        let written = random.random_range(0..=self.unsynced.len());
        for (number, record) in self.unsynced.drain(..).take(written) {
            self.disk.write(number, record);
        }
        self.unsynced.clear();
        self.checkpoints.clear();
        self.process = None;
        self.life += 1;
        self.paused = false;
        self.full = false;
        self.held.clear();
        self.syncing = false;
        self.waiting.clear();
        self.timer = None;
    }

    pub fn persist(&mut self, record: Record) {
        self.emitted += 1;
        self.unsynced.push_back((self.emitted, record));
    }

    /// Begins to write a checkpoint, which stands for every record emitted so far.
    pub fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push_back((self.emitted, checkpoint));
    }

    /// The oldest checkpoint is on disk.
    pub fn checkpointed(&mut self) -> Input {
        let (covered, checkpoint) = self.checkpoints.pop_front().expect("one is being written");
        let index = checkpoint.snapshot.index;
        self.disk.checkpoint = checkpoint;
        self.disk.covered = covered;
        self.disk.records.retain(|(number, _)| *number > covered);
        Input::Checkpointed { index }
    }

    /// An effect that comes after a record waits for it.
    pub fn wait_for_disk(&mut self, effect: Effect) {
        self.waiting.push_back((self.emitted, effect));
    }

    /// Begins to sync everything that was emitted by now, if there is anything.
    pub fn begin_sync(&mut self) -> bool {
        if self.syncing || self.full || self.unsynced.is_empty() {
            return false;
        }
        self.syncing = true;
        self.sync_upto = self.emitted;
        true
    }

    /// The sync is over: what it made possible, and what must be told.
    pub fn synced(&mut self) -> (Vec<Effect>, Input) {
        self.syncing = false;
        while let Some((number, record)) = self.unsynced.pop_front() {
            if number > self.sync_upto {
                self.unsynced.push_front((number, record));
                break;
            }
            self.disk.write(number, record);
            self.durable = number;
        }
        let mut effects = Vec::new();
        while let Some((needed, effect)) = self.waiting.pop_front() {
            if needed > self.durable {
                self.waiting.push_front((needed, effect));
                break;
            }
            effects.push(effect);
        }
        (effects, Input::Persisted { upto: self.durable - self.base })
    }
}

/// A replication message under way.
pub fn receive(from: u8, message: Message) -> Input {
    Input::Receive { from: NodeId(from), message }
}
