//! Virtual time, a network, disks, a nemesis; all choices from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use replication::{NodeId, Time};
use shop::message::Response;
use shop::node::{Address, Answer, CallId, Token};
use shop::{Effect, Input};

use crate::host::{Host, Name, Process, Write, receive};

/// Which faults the nemesis may choose.
#[derive(Clone, Copy)]
pub struct Faults {
    pub crash: bool,
    pub pause: bool,
    pub cut: bool,
}

impl Faults {
    pub const NONE: Faults = Faults { crash: false, pause: false, cut: false };
    pub const ALL: Faults = Faults { crash: true, pause: true, cut: true };
}

enum Event {
    Input {
        to: Name,
        life: u64,
        input: Input,
    },
    /// A call arrives.
    Call {
        from: Name,
        life: u64,
        call: CallId,
        to: Name,
        request: shop::message::Request,
    },
    /// An answer to a call, or its deadline.
    Answer {
        to: Name,
        life: u64,
        call: CallId,
        answer: Answer,
    },
    Synced {
        host: Name,
        life: u64,
    },
    Timer {
        host: Name,
        life: u64,
        at: Time,
    },
    Nemesis,
    Restart {
        host: Name,
    },
    Resume {
        host: Name,
    },
    Mend,
}

pub struct World {
    now: Time,
    sequence: u64,
    events: BTreeMap<(Time, u64), Event>,
    pub hosts: BTreeMap<Name, Host>,
    /// Requests that wait for a reply: token → who asked.
    asked: BTreeMap<u64, (Name, u64, CallId)>,
    /// Calls that were not answered yet.
    open: BTreeSet<(Name, u64, CallId)>,
    cut: BTreeSet<(Name, Name)>,
    next_token: u64,
    faults: Faults,
    healed: bool,
    random: Pcg64Mcg,
    seed: u64,
    /// Every order that a shopper was told of.
    acknowledged: Vec<shop::shopper::OrderLine>,
    pub trace: Option<Vec<String>>,
}

const SHOPPERS: u32 = 5;

impl World {
    #[expect(clippy::disallowed_methods, reason = "a test may be told to print its trace")]
    pub fn new(seed: u64, faults: Faults) -> World {
        let mut world = World {
            now: Time::from_millis(1000),
            sequence: 0,
            events: BTreeMap::new(),
            hosts: BTreeMap::new(),
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            cut: BTreeSet::new(),
            next_token: 0,
            faults,
            healed: false,
            random: Pcg64Mcg::seed_from_u64(seed),
            seed,
            acknowledged: Vec::new(),
            trace: std::env::var("TOYSTORE_TRACE").ok().map(|_| Vec::new()),
        };
        let names = [Name::Catalog]
            .into_iter()
            .chain((1..=3).map(Name::Order))
            .chain((1..=2).map(Name::Frontend))
            .chain((1..=SHOPPERS).map(Name::Shopper));
        world.hosts = names.map(|name| (name, Host::new())).collect();
        for name in world.hosts.keys().copied().collect::<Vec<_>>() {
            world.restart(name);
        }
        if faults.crash || faults.pause || faults.cut {
            world.schedule(Duration::from_millis(200), Event::Nemesis);
        }
        world
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + after, self.sequence), event);
    }

    fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.random.random_range(low..high))
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", line()));
        }
    }

    fn is_cut(&self, from: Name, to: Name) -> bool {
        self.cut.contains(&(from, to))
    }

    fn restart(&mut self, name: Name) {
        let incarnation = self.now.0;
        let seed = self.seed;
        let host = self.hosts.get_mut(&name).expect("a host");
        if host.process.is_some() {
            return;
        }
        host.emitted = 0;
        host.durable = 0;
        host.process = Some(Process::new(name, &host.disk, incarnation, seed));
        self.say(|| format!("{name:?} starts"));
        self.links(name, true);
        self.step(name, Input::Start);
    }

    fn crash(&mut self, name: Name) {
        self.say(|| format!("{name:?} crashes"));
        let host = self.hosts.get_mut(&name).expect("a host");
        let life = host.life;
        host.crash();
        self.open.retain(|(caller, of, _)| (*caller, *of) != (name, life));
        // Its callers see the connection break.
        let asked: Vec<u64> = self.asked.keys().copied().collect();
        for token in asked {
            if token >> 48 == index_of(name)
                && let Some((to, life, call)) = self.asked.remove(&token)
            {
                let after = self.micros(100, 1000);
                self.schedule(after, Event::Answer { to, life, call, answer: Answer::Unknown });
            }
        }
        self.links(name, false);
    }

    /// Tells everybody that holds a connection to a node whether it can be reached.
    fn links(&mut self, name: Name, up: bool) {
        let Some(node) = address_of(name) else { return };
        for other in self.hosts.keys().copied().collect::<Vec<_>>() {
            if other != name {
                let life = self.hosts[&other].life;
                let input = Input::Link { node, up };
                let after = self.micros(500, 5000);
                self.schedule(after, Event::Input { to: other, life, input });
            }
        }
    }

    fn step(&mut self, name: Name, input: Input) {
        let now = self.now;
        let host = self.hosts.get_mut(&name).expect("a host");
        if host.paused {
            host.held.push(input);
            return;
        }
        let Some(process) = &mut host.process else { return };
        let mut effects = Vec::new();
        let text = self.trace.is_some().then(|| input.to_string());
        process.step(now, input, &mut effects);
        if let Process::Shopper(shopper) = process {
            self.acknowledged.extend(shopper.take_orders());
        }
        if let Some(text) = text {
            self.say(|| format!("{name:?} <- {text}"));
        }
        let mut after_persist = false;
        for effect in effects {
            self.say(|| format!("{name:?} -> {effect}"));
            let host = self.hosts.get_mut(&name).expect("a host");
            match effect {
                Effect::Persist(record) => {
                    host.emitted += 1;
                    host.unsynced.push_back(Write::Record(record));
                    after_persist = true;
                }
                Effect::Checkpoint(checkpoint) => {
                    host.unsynced.push_back(Write::Checkpoint(checkpoint));
                }
                effect if after_persist => host.waiting.push_back((host.emitted, effect)),
                effect => self.perform(name, effect),
            }
        }
        self.start_sync(name);
        self.set_timer(name);
    }

    fn start_sync(&mut self, name: Name) {
        let host = self.hosts.get_mut(&name).expect("a host");
        if !host.syncing && !host.unsynced.is_empty() {
            host.syncing = true;
            let life = host.life;
            let slow = self.random.random_range(0..50) == 0;
            let after = if slow { self.micros(1000, 90_000) } else { self.micros(80, 400) };
            self.schedule(after, Event::Synced { host: name, life });
        }
    }

    fn set_timer(&mut self, name: Name) {
        let now = self.now;
        let host = self.hosts.get_mut(&name).expect("a host");
        let Some(at) = host.process.as_ref().and_then(Process::next_timer) else { return };
        if at == Time(u64::MAX) || host.timer.is_some_and(|set| set <= at && set > now) {
            return;
        }
        host.timer = Some(at.max(now));
        let life = host.life;
        self.schedule(at.since(now), Event::Timer { host: name, life, at: at.max(now) });
    }

    fn perform(&mut self, name: Name, effect: Effect) {
        match effect {
            Effect::Reply { token, response } => self.reply(name, token, response),
            Effect::Call { call, to, request, deadline } => {
                let life = self.hosts[&name].life;
                self.open.insert((name, life, call));
                let answer = Answer::Unknown;
                self.schedule(deadline, Event::Answer { to: name, life, call, answer });
                let to = name_of(to);
                if !self.is_cut(name, to) {
                    let after = self.micros(30, 2000);
                    self.schedule(after, Event::Call { from: name, life, call, to, request });
                }
            }
            Effect::Send { to: NodeId(to), message } => {
                let Name::Order(from) = name else { panic!("only order replicas send") };
                let to = Name::Order(to);
                if !self.is_cut(name, to) {
                    let life = self.hosts[&to].life;
                    let after = self.micros(30, 2000);
                    let input = receive(from, message);
                    self.schedule(after, Event::Input { to, life, input });
                }
            }
            Effect::Know { .. } | Effect::Warn(_) | Effect::Stopped => {}
            Effect::Persist(_) | Effect::Checkpoint(_) => unreachable!("handled by step"),
        }
    }

    fn reply(&mut self, from: Name, token: Token, response: Response) {
        let Some((to, life, call)) = self.asked.remove(&token.0) else { return };
        if !self.is_cut(from, to) {
            let after = self.micros(30, 2000);
            let answer = Answer::Said(response);
            self.schedule(after, Event::Answer { to, life, call, answer });
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Input { to, life, input } if self.hosts[&to].life == life => {
                self.step(to, input);
            }
            Event::Call { from, life, call, to, request } => {
                if self.hosts[&to].process.is_none() {
                    let answer = Answer::Refused;
                    let after = self.micros(30, 300);
                    self.schedule(after, Event::Answer { to: from, life, call, answer });
                } else {
                    self.next_token += 1;
                    let token = index_of(to) << 48 | self.next_token;
                    self.asked.insert(token, (from, life, call));
                    self.step(to, Input::Request { token: Token(token), request });
                }
            }
            Event::Answer { to, life, call, answer } => {
                if self.hosts[&to].life == life && self.open.remove(&(to, life, call)) {
                    self.step(to, Input::Answer { call, answer });
                }
            }
            Event::Synced { host: name, life } if self.hosts[&name].life == life => {
                let host = self.hosts.get_mut(&name).expect("a host");
                let inputs = host.sync();
                let durable = host.durable;
                while let Some((needed, _)) = self.hosts[&name].waiting.front()
                    && *needed <= durable
                {
                    let host = self.hosts.get_mut(&name).expect("a host");
                    let (_, effect) = host.waiting.pop_front().expect("just seen");
                    self.perform(name, effect);
                }
                for input in inputs {
                    self.step(name, input);
                }
                self.start_sync(name);
            }
            Event::Timer { host: name, life, at } if self.hosts[&name].life == life => {
                let host = self.hosts.get_mut(&name).expect("a host");
                if host.timer == Some(at) {
                    host.timer = None;
                }
                let due = host.process.as_ref().and_then(Process::next_timer);
                if due.is_some_and(|due| due <= self.now) {
                    self.step(name, Input::Timer);
                } else {
                    self.set_timer(name);
                }
            }
            Event::Nemesis if !self.healed => self.nemesis(),
            Event::Restart { host } => self.restart(host),
            Event::Resume { host } => self.resume(host),
            Event::Mend => self.cut.clear(),
            Event::Input { .. } | Event::Synced { .. } | Event::Timer { .. } | Event::Nemesis => {}
        }
    }

    fn resume(&mut self, name: Name) {
        let host = self.hosts.get_mut(&name).expect("a host");
        if !std::mem::take(&mut host.paused) {
            return;
        }
        let held = std::mem::take(&mut host.held);
        self.say(|| format!("{name:?} resumes"));
        for input in held {
            self.step(name, input);
        }
        self.set_timer(name);
    }

    fn nemesis(&mut self) {
        let servers: Vec<Name> =
            self.hosts.keys().copied().filter(|n| !matches!(n, Name::Shopper(_))).collect();
        let victim = servers[self.random.random_range(0..servers.len())];
        let span = self.micros(20_000, 4_000_000);
        match self.random.random_range(0..4) {
            0 | 1 if self.faults.crash => {
                self.crash(victim);
                self.schedule(span, Event::Restart { host: victim });
            }
            2 if self.faults.pause => {
                self.say(|| format!("{victim:?} is paused"));
                self.hosts.get_mut(&victim).expect("a host").paused = true;
                self.schedule(span, Event::Resume { host: victim });
            }
            3 if self.faults.cut => {
                let one_way = self.random.random_range(0..3) == 0;
                for other in servers.iter().filter(|name| **name != victim) {
                    if self.random.random_range(0..3) > 0 {
                        self.cut.insert((victim, *other));
                        if !one_way {
                            self.cut.insert((*other, victim));
                        }
                    }
                }
                let cut = self.cut.clone();
                self.say(|| format!("cut {cut:?}"));
                self.schedule(span, Event::Mend);
            }
            _ => {}
        }
        let next = self.micros(50_000, 1_500_000);
        self.schedule(next, Event::Nemesis);
    }

    pub fn heal(&mut self) {
        self.healed = true;
        self.cut.clear();
        for name in self.hosts.keys().copied().collect::<Vec<_>>() {
            self.resume(name);
            self.restart(name);
        }
    }

    fn next_event(&mut self) {
        let ((at, _), event) = self.events.pop_first().expect("timers go on for ever");
        self.now = at;
        self.on_event(event);
    }

    pub fn run_until(&mut self, end: Time) {
        while self.now < end && !self.shoppers_are_done() {
            self.next_event();
        }
    }

    fn shoppers_are_done(&self) -> bool {
        self.hosts.values().all(|host| match &host.process {
            Some(Process::Shopper(shopper)) => shopper.finished(),
            _ => true,
        })
    }

    /// Runs until the shoppers are done, and two seconds more.
    pub fn run_until_quiet(&mut self, limit: Time) {
        while !self.shoppers_are_done() {
            assert!(self.now < limit, "the shoppers do not come to an end: {}", self.dump());
            self.next_event();
        }
        let end = self.now + Duration::from_secs(2);
        while self.now < end {
            self.next_event();
        }
    }

    /// Ends the trace with what everybody thinks; used in messages of failures.
    #[expect(clippy::disallowed_methods, reason = "a failing test leaves its trace")]
    fn dump(&self) -> String {
        if let Some(trace) = &self.trace {
            std::fs::write("trace.txt", trace.join("\n")).expect("the trace can be written");
        }
        format!("seed {}, {} acknowledged", self.seed, self.acknowledged.len())
    }

    pub fn check(&self) {
        let ledgers: Vec<_> = self
            .hosts
            .values()
            .filter_map(|host| match &host.process {
                Some(Process::Order(orders)) => Some(orders.ledger()),
                _ => None,
            })
            .collect();
        for ledger in &ledgers {
            assert_eq!(ledger.len(), ledgers[0].len(), "as many orders: {}", self.dump());
            let digests = (ledger.digest_of(ledger.len()), ledgers[0].digest_of(ledger.len()));
            assert_eq!(digests.0, digests.1, "equal replicas: {}", self.dump());
        }
        let mut numbers = BTreeSet::new();
        for line in &self.acknowledged {
            assert!(numbers.insert(line.number), "{:?} twice: {}", line, self.dump());
            let order = ledgers[0].order(line.number);
            let order = order.unwrap_or_else(|| panic!("{line:?} is lost: {}", self.dump()));
            assert_eq!((order.name, order.quantity), (line.name.clone(), line.quantity));
        }
        let mut sold: BTreeMap<String, u64> = BTreeMap::new();
        for number in 0..ledgers[0].len() {
            let order = ledgers[0].order(shop::message::OrderNumber(number)).expect("gapless");
            *sold.entry(order.name.key().to_string()).or_default() +=
                u64::from(order.quantity.get());
        }
        let Some(Process::Catalog(catalog)) = &self.hosts[&Name::Catalog].process else {
            panic!("the catalog is up");
        };
        for toy in shop::Node::status(&**catalog, self.now).toys {
            let sold = sold.get(toy.name.key()).copied().unwrap_or(0);
            assert_eq!(
                toy.initial + toy.restocked,
                toy.in_stock + sold,
                "{} is conserved: {toy:?} {}",
                toy.name,
                self.dump()
            );
        }
        for host in self.hosts.values() {
            if let Some(Process::Shopper(shopper)) = &host.process {
                let summary = shopper.summary();
                assert!(summary.all_matched(), "{summary:?} {}", self.dump());
            }
        }
        assert!(self.acknowledged.len() > 20, "too quiet a run: {}", self.dump());
    }
}

fn index_of(name: Name) -> u64 {
    match name {
        Name::Catalog => 1,
        Name::Order(id) => 10 + u64::from(id),
        Name::Frontend(id) => 20 + u64::from(id),
        Name::Shopper(id) => 100 + u64::from(id),
    }
}

fn address_of(name: Name) -> Option<Address> {
    match name {
        Name::Catalog => Some(Address::Catalog(NodeId(1))),
        Name::Order(id) => Some(Address::Order(NodeId(id))),
        Name::Frontend(id) => Some(Address::Frontend(id)),
        Name::Shopper(_) => None,
    }
}

fn name_of(address: Address) -> Name {
    match address {
        Address::Catalog(_) => Name::Catalog,
        Address::Order(id) => Name::Order(id.0),
        Address::Frontend(id) => Name::Frontend(id),
    }
}
