//! Some order replicas, their disks, their network, and a real catalog behind them. Everything is
//! performed at once, unless a script holds it back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use replication::engine::Message;
use replication::log::Recovered;
use replication::protocol::{self, Pace};
use replication::{NodeId, Protocol, Record, Time};

use crate::catalog::catalogue::Toy;
use crate::catalog::{self, Catalog};
use crate::message::{Consistency, Reply, Request, Response};
use crate::node::{Address, Answer, CallId, Effect, Input, Node, Token};
use crate::orders::{Config, Orders};
use crate::toy::Cents;

/// What is on its way to a disk, in order.
enum Write {
    Record(Record),
    Checkpoint(replication::log::Checkpoint),
}

/// One replica and what is its own.
#[derive(Default)]
pub struct Host {
    pub orders: Option<Orders>,
    pub paused: bool,
    pub disk_held: bool,
    held: Vec<Input>,
    disk: Recovered,
    /// It comes to a group that is there already.
    joins: bool,
    unsynced: VecDeque<Write>,
    /// Effects that wait for the record of this number.
    waiting: VecDeque<(u64, Effect)>,
    emitted: u64,
}

/// A call on its way to the catalog.
struct Call {
    from: NodeId,
    id: CallId,
    request: Request,
}

/// What a script may hold back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// Messages between replicas.
    Net,
    /// Calls to the catalog.
    Calls,
    /// The catalog's answers.
    Answers,
}

pub struct World {
    pub hosts: BTreeMap<NodeId, Host>,
    pub now: Time,
    pub held: BTreeSet<Path>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Whether messages and records are in the trace too.
    pub wire: bool,
    pub trace: Vec<String>,
    pub protocol: Protocol,
    pub checkpoint_every: Option<u64>,
    catalog: Catalog,
    net: VecDeque<(NodeId, NodeId, Message)>,
    calls: VecDeque<Call>,
    answers: VecDeque<(NodeId, CallId, Answer)>,
    /// Calls whose caller still waits, with their deadlines.
    open: BTreeMap<(NodeId, CallId), Time>,
    /// The catalog's requests, by its tokens.
    asked: BTreeMap<Token, (NodeId, CallId)>,
    /// The catalog's calls to a frontend that answers when it is told to.
    invalidations: VecDeque<CallId>,
    tokens: u64,
    catalog_tokens: u64,
    catalog_records: u64,
    /// What the replicas asked the catalog, by call.
    said: BTreeMap<(NodeId, CallId), Request>,
}

impl World {
    pub fn new(count: u8, protocol: Protocol, toys: &[(&str, u64)]) -> World {
        let toy = |(name, quantity): &(&str, u64)| {
            let name = name.parse().expect("a name");
            Toy { name, price: Cents(2599), quantity: *quantity }
        };
        let config = catalog::Config {
            toys: Some(toys.iter().map(toy).collect()),
            fencing: protocol.is_safe(),
            ..catalog::Config::default()
        };
        let mut world = World {
            hosts: (1..=count).map(|id| (NodeId(id), Host::default())).collect(),
            now: Time(0),
            held: BTreeSet::new(),
            cut: BTreeSet::new(),
            wire: false,
            trace: Vec::new(),
            protocol,
            checkpoint_every: None,
            catalog: Catalog::new(config, &Recovered::default()).expect("a new disk"),
            net: VecDeque::new(),
            calls: VecDeque::new(),
            answers: VecDeque::new(),
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
            invalidations: VecDeque::new(),
            tokens: 0,
            catalog_tokens: 0,
            catalog_records: 0,
            said: BTreeMap::new(),
        };
        world.step_catalog(Input::Start);
        world
    }

    pub fn start(&mut self, id: NodeId) {
        let others = self.hosts.iter().filter(|(peer, host)| **peer != id && !host.joins);
        let peers = others.map(|(peer, _)| *peer).collect();
        let engine = protocol::Config {
            protocol: self.protocol,
            id,
            peers,
            pace: Pace::Default,
            unclean: false,
            entries_kept: 2,
            seed: 1,
            joins: self.hosts[&id].joins,
        };
        let host = self.hosts.get_mut(&id).expect("a host");
        let config = Config { engine, incarnation: 0, catalogs: 1 };
        let orders = Orders::new(config, &host.disk).expect("its own disk");
        host.emitted = 0;
        host.orders = Some(match self.checkpoint_every {
            Some(entries) => orders.checkpoint_every(entries),
            None => orders,
        });
        self.step(id, Input::Start);
    }

    /// A replica with an empty disk that shall come to the group.
    pub fn newcomer(&mut self, id: NodeId) {
        self.hosts.insert(id, Host { joins: true, ..Host::default() });
        self.start(id);
    }

    /// Power loss: what was not synced is gone.
    pub fn crash(&mut self, id: NodeId) {
        let host = self.hosts.get_mut(&id).expect("a host");
        let (disk, joins) = (std::mem::take(&mut host.disk), host.joins);
        *host = Host { disk, joins, ..Host::default() };
        self.open.retain(|(from, _), _| *from != id);
    }

    pub fn resume(&mut self, id: NodeId) {
        let host = self.hosts.get_mut(&id).expect("a host");
        host.paused = false;
        for input in std::mem::take(&mut host.held) {
            self.step(id, input);
        }
        self.step(id, Input::Timer);
    }

    pub fn ask(&mut self, id: NodeId, request: Request) {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.step(id, Input::Request { token, request });
    }

    /// A frontend gets a lease and keeps a toy: its change is invisible until the frontend says so.
    pub fn keep(&mut self, toy: &str) {
        let url = "http://frontend-1".to_string();
        self.ask_catalog(Request::RenewLease { frontend: 1, url, incarnation: 1 });
        let generation = self.catalog.status(self.now).leases[0].generation;
        let holder = crate::message::LeaseHolder { frontend: 1, generation };
        let name = toy.parse().expect("a name");
        self.ask_catalog(Request::Fill {
            name,
            holder: Some(holder),
            consistency: Consistency::Linearizable,
        });
    }

    /// The frontend drops what it was told to.
    pub fn drop_kept(&mut self) {
        while let Some(call) = self.invalidations.pop_front() {
            self.step_catalog(Input::Answer { call, answer: Answer::Said(Ok(Reply::Done)) });
        }
    }

    /// A call comes to the catalog a second time, late; nobody waits for the answer.
    pub fn say_again(&mut self, id: NodeId, call: CallId) {
        self.ask_catalog(self.said[&(id, call)].clone());
    }

    fn ask_catalog(&mut self, request: Request) {
        self.catalog_tokens += 1;
        self.step_catalog(Input::Request { token: Token(self.catalog_tokens), request });
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn step(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let host = self.hosts.get_mut(&id).expect("a host");
        if host.paused {
            host.held.push(input);
            return;
        }
        let Some(orders) = &mut host.orders else { return };
        let mut effects = Vec::new();
        let timer = matches!(input, Input::Timer);
        orders.step(now, input, &mut effects);
        assert!(!timer || orders.next_timer().is_none_or(|at| at > now), "a timer stays due");
        self.perform_all(id, effects);
    }

    /// Performs the effects of one step as the contract says.
    pub fn perform_all(&mut self, id: NodeId, effects: Vec<Effect>) {
        let mut behind = false;
        for effect in effects {
            let host = self.hosts.get_mut(&id).expect("a host");
            match effect {
                Effect::Persist(record) => {
                    if self.wire {
                        self.trace.push(format!("{id}: persist {record}"));
                    }
                    host.emitted += 1;
                    host.unsynced.push_back(Write::Record(record));
                    behind = true;
                }
                Effect::Checkpoint(checkpoint) => {
                    self.trace.push(format!("{id}: checkpoint at {}", checkpoint.snapshot.index));
                    host.unsynced.push_back(Write::Checkpoint(checkpoint));
                }
                Effect::Reply { .. }
                | Effect::Call { .. }
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Stopped
                    if behind =>
                {
                    host.waiting.push_back((host.emitted, effect));
                }
                Effect::Reply { .. }
                | Effect::Call { .. }
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Warn(_)
                | Effect::Stopped => self.perform(id, effect),
            }
        }
    }

    fn perform(&mut self, id: NodeId, effect: Effect) {
        if self.wire || !matches!(effect, Effect::Send { .. }) {
            self.trace.push(format!("{id}: {effect}"));
        }
        match effect {
            Effect::Call { call, request, deadline, .. } => {
                self.open.insert((id, call), self.now + deadline);
                self.said.insert((id, call), request.clone());
                self.calls.push_back(Call { from: id, id: call, request });
            }
            Effect::Send { to, message } if !self.cut.contains(&(id, to)) => {
                self.net.push_back((id, to, message));
            }
            Effect::Send { .. }
            | Effect::Reply { .. }
            | Effect::Know { .. }
            | Effect::Warn(_)
            | Effect::Stopped => {}
            Effect::Persist(_) | Effect::Checkpoint(_) => unreachable!("handled by step"),
        }
    }

    /// Something happens to the catalog.
    pub fn step_catalog(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.catalog.step(self.now, input, &mut effects);
        let mut records = 0;
        for effect in effects {
            match effect {
                Effect::Persist(_) => records += 1,
                Effect::Reply { token, response } => self.on_catalog_reply(token, response),
                Effect::Call { call, to: Address::Frontend(_), .. } => {
                    self.invalidations.push_back(call);
                }
                Effect::Call { .. }
                | Effect::Checkpoint(_)
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Warn(_)
                | Effect::Stopped => {}
            }
        }
        if records > 0 {
            self.catalog_records += records;
            self.step_catalog(Input::Persisted { upto: self.catalog_records });
        }
    }

    fn on_catalog_reply(&mut self, token: Token, response: Response) {
        if let Some((to, call)) = self.asked.remove(&token) {
            self.answers.push_back((to, call, Answer::Said(response)));
        }
    }

    fn answer(&mut self, id: NodeId, call: CallId, answer: Answer) {
        if self.open.remove(&(id, call)).is_some() {
            self.trace.push(format!("{id} <- answer !{} {answer}", call.0));
            self.step(id, Input::Answer { call, answer });
        }
    }

    pub fn sync(&mut self, id: NodeId) {
        let host = self.hosts.get_mut(&id).expect("a host");
        let mut inputs = Vec::new();
        for write in std::mem::take(&mut host.unsynced) {
            match write {
                Write::Record(record) => host.disk.records.push(record),
                Write::Checkpoint(checkpoint) => {
                    let index = checkpoint.snapshot.index;
                    host.disk = Recovered { checkpoint, records: Vec::new() };
                    inputs.push(Input::Checkpointed { index });
                }
            }
        }
        inputs.insert(0, Input::Persisted { upto: host.emitted });
        for (_, effect) in std::mem::take(&mut host.waiting) {
            self.perform(id, effect);
        }
        for input in inputs {
            self.step(id, input);
        }
    }

    /// Loses what is held on a path; a caller is told that it will get no answer.
    pub fn lose(&mut self, path: Path) {
        match path {
            Path::Net => self.net.clear(),
            Path::Calls => {
                for call in std::mem::take(&mut self.calls) {
                    self.answer(call.from, call.id, Answer::Unknown);
                }
            }
            Path::Answers => {
                for (to, call, _) in std::mem::take(&mut self.answers) {
                    self.answer(to, call, Answer::Unknown);
                }
            }
        }
    }

    /// What is at this place of a path happens, if there is anything.
    fn happen(&mut self, path: Path, place: usize) -> bool {
        match path {
            Path::Net => {
                let Some((from, to, message)) = self.net.remove(place) else { return false };
                self.step(to, Input::Receive { from, message });
            }
            Path::Calls => {
                let Some(call) = self.calls.remove(place) else { return false };
                self.catalog_tokens += 1;
                let token = Token(self.catalog_tokens);
                self.asked.insert(token, (call.from, call.id));
                self.step_catalog(Input::Request { token, request: call.request });
            }
            Path::Answers => {
                let Some((to, call, answer)) = self.answers.remove(place) else { return false };
                self.answer(to, call, answer);
            }
        }
        true
    }

    /// What is held at this place of a path happens.
    pub fn pass(&mut self, path: Path, place: usize) {
        assert!(self.happen(path, place), "nothing is held there");
    }

    /// Everything that is not held happens, and what follows from it; no time passes.
    pub fn run(&mut self) {
        loop {
            let dirty = |host: &&NodeId| {
                let host = &self.hosts[*host];
                host.orders.is_some() && !host.disk_held && !host.unsynced.is_empty()
            };
            if let Some(id) = self.hosts.keys().find(dirty).copied() {
                self.sync(id);
                continue;
            }
            let paths = [Path::Net, Path::Calls, Path::Answers];
            if !paths.into_iter().any(|path| !self.held.contains(&path) && self.happen(path, 0)) {
                return;
            }
        }
    }

    /// Lets time pass; timers fire and deadlines end when they are due.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.run();
            let timer = |host: &Host| match &host.orders {
                Some(orders) if !host.paused => orders.next_timer(),
                Some(_) | None => None,
            };
            let timers = self.hosts.values().filter_map(timer);
            let deadlines = self.open.values().copied();
            let Some(at) = timers.chain(deadlines).chain(self.catalog.next_timer()).min() else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            let now = self.now;
            self.step_catalog(Input::Timer);
            let over = self.open.iter().filter(|(_, deadline)| **deadline <= now);
            for (id, call) in over.map(|(key, _)| *key).collect::<Vec<_>>() {
                self.answer(id, call, Answer::Unknown);
            }
            for id in self.hosts.keys().copied().collect::<Vec<_>>() {
                if timer(&self.hosts[&id]).is_some_and(|at| at <= now) {
                    self.step(id, Input::Timer);
                }
            }
        }
        self.now = end;
        self.run();
    }
}
