//! One process of the world: its node, its disk, and what waits for that disk.

use std::collections::VecDeque;

use replication::engine::Message;
use replication::log::{Checkpoint, Recovered};
use replication::primary_backup::{self, ENTRIES_KEPT, Rules, Timers};
use replication::{NodeId, Record, Time};
use shop::catalog::{self, Catalog};
use shop::frontend::{self, Frontend};
use shop::orders::{self, Orders};
use shop::shopper::{self, Shopper};
use shop::{Effect, Input, Node};

/// A process by its role and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Catalog,
    Order(u8),
    Frontend(u8),
    Shopper(u32),
}

/// A node of any kind.
pub enum Process {
    Catalog(Box<Catalog>),
    Order(Box<Orders>),
    Frontend(Box<Frontend>),
    Shopper(Box<Shopper>),
}

impl Process {
    pub fn new(name: Name, recovered: &Recovered, incarnation: u64, seed: u64) -> Process {
        let replicas = (1..=3).map(NodeId);
        match name {
            Name::Catalog => {
                let config = catalog::Config::default();
                Process::Catalog(Box::new(Catalog::new(config, recovered).expect("own snapshot")))
            }
            Name::Order(id) => {
                let engine = primary_backup::Config {
                    id: NodeId(id),
                    peers: replicas.filter(|peer| peer.0 != id).collect(),
                    rules: Rules::View,
                    timers: Timers::DEFAULT,
                    unclean: false,
                    entries_kept: ENTRIES_KEPT,
                };
                let config = orders::Config { engine };
                Process::Order(Box::new(Orders::new(config, recovered).expect("own snapshot")))
            }
            Name::Frontend(id) => {
                let url = format!("http://frontend-{id}");
                let config = frontend::Config::new(id, replicas.collect(), url, incarnation);
                Process::Frontend(Box::new(Frontend::new(config)))
            }
            Name::Shopper(session) => {
                let mut config = shopper::Config::new(session, vec![1, 2], seed);
                config.requests = 400;
                config.retries = 30;
                config.probability = "0.7".parse().expect("a probability");
                Process::Shopper(Box::new(Shopper::new(config)))
            }
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

/// What is on its way to disk, in order.
pub enum Write {
    Record(Record),
    Checkpoint(Checkpoint),
}

/// A process and everything that is its own.
pub struct Host {
    pub process: Option<Process>,
    /// Raised by each crash: what was meant for an earlier life is dropped.
    pub life: u64,
    pub paused: bool,
    /// Inputs that came while it was paused.
    pub held: Vec<Input>,
    pub disk: Recovered,
    pub unsynced: VecDeque<Write>,
    pub syncing: bool,
    /// Records emitted and durable in this life.
    pub emitted: u64,
    pub durable: u64,
    /// Effects that wait until so many records are durable.
    pub waiting: VecDeque<(u64, Effect)>,
    /// The timer that is set, so that no second one is set for the same moment.
    pub timer: Option<Time>,
}

impl Host {
    pub fn new() -> Host {
        Host {
            process: None,
            life: 0,
            paused: false,
            held: Vec::new(),
            disk: Recovered::default(),
            unsynced: VecDeque::new(),
            syncing: false,
            emitted: 0,
            durable: 0,
            waiting: VecDeque::new(),
            timer: None,
        }
    }

    /// A power cut.
    pub fn crash(&mut self) {
        self.process = None;
        self.life += 1;
        self.paused = false;
        self.held.clear();
        self.unsynced.clear();
        self.syncing = false;
        self.waiting.clear();
        self.timer = None;
    }

    /// Puts everything that was on its way on disk. Returns the inputs that say so.
    pub fn sync(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        self.syncing = false;
        for write in std::mem::take(&mut self.unsynced) {
            match write {
                Write::Record(record) => {
                    self.disk.records.push(record);
                    self.durable += 1;
                }
                Write::Checkpoint(checkpoint) => {
                    let index = checkpoint.snapshot.index;
                    self.disk = Recovered { checkpoint, records: Vec::new() };
                    inputs.push(Input::Checkpointed { index });
                }
            }
        }
        inputs.insert(0, Input::Persisted { upto: self.durable });
        inputs
    }
}

/// A replication message under way.
pub fn receive(from: u8, message: Message) -> Input {
    Input::Receive { from: NodeId(from), message }
}
