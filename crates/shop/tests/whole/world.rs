//! Virtual time, a network, disks; all choices from one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use replication::{NodeId, Time};
use shop::message::{NewOrder, Request, Response};
use shop::node::{Address, Answer, CallId, Token};
use shop::{Effect, Input};

use crate::history::History;
use crate::host::{Clock, Host, Name, Process, receive};
use crate::setting::Setting;

pub enum Event {
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
        request: Request,
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
    Checkpointed {
        host: Name,
        life: u64,
    },
    Timer {
        host: Name,
        life: u64,
        at: Time,
    },
    Nemesis,
    Examine,
    Restart {
        host: Name,
    },
    /// A process that was asked to stop, and did not, is ended.
    Kill {
        host: Name,
        life: u64,
    },
    Resume {
        host: Name,
    },
    /// A full disk has room again.
    Room {
        host: Name,
        life: u64,
    },
    Mend,
}

pub struct World {
    pub now: Time,
    sequence: u64,
    events: BTreeMap<(Time, u64), Event>,
    pub hosts: BTreeMap<Name, Host>,
    /// Requests that wait for a reply: token → who asked.
    asked: BTreeMap<u64, (Name, u64, CallId)>,
    /// Calls that were not answered yet.
    open: BTreeSet<(Name, u64, CallId)>,
    pub cut: BTreeSet<(Name, Name)>,
    next_token: u64,
    pub setting: Setting,
    pub healed: bool,
    /// The examiner asks nothing more.
    quiet: bool,
    pub random: Pcg64Mcg,
    pub history: History,
    /// What was written into operators' logs.
    pub warnings: Vec<String>,
    /// What the examiner may ask about.
    pub examined: VecDeque<NewOrder>,
    pub examiner_calls: u64,
    trace: Option<Vec<String>>,
}

const SHOPPERS: u32 = 5;

impl World {
    #[expect(clippy::disallowed_methods, reason = "a test may be told to print its trace")]
    pub fn new(setting: Setting) -> World {
        let mut random = Pcg64Mcg::seed_from_u64(setting.seed);
        let names = [Name::Catalog]
            .into_iter()
            .chain((1..=setting.replicas).map(Name::Order))
            .chain((1..=2).map(Name::Frontend))
            .chain((1..=SHOPPERS).map(Name::Shopper));
        let host = |name| (name, Host::new(Clock::new(&mut random, setting.drift)));
        let hosts: BTreeMap<Name, Host> = names.map(host).collect();
        let lease = setting.invalidation == shop::invalidation::Invalidation::Lease;
        let firm = setting.rules == replication::primary_backup::Rules::View;
        let mut world = World {
            now: Time::from_millis(1000),
            sequence: 0,
            events: BTreeMap::new(),
            hosts,
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            cut: BTreeSet::new(),
            next_token: 0,
            setting,
            healed: false,
            quiet: false,
            random,
            history: History::new(lease, firm),
            warnings: Vec::new(),
            examined: VecDeque::new(),
            examiner_calls: 0,
            trace: std::env::var("TOYSTORE_TRACE").ok().map(|_| Vec::new()),
        };
        for name in world.hosts.keys().copied().collect::<Vec<_>>() {
            world.restart(name);
        }
        world.schedule(Duration::from_millis(300), Event::Examine);
        world.schedule(Duration::from_millis(200), Event::Nemesis);
        world
    }

    pub fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + after, self.sequence), event);
    }

    pub fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.random.random_range(low..high))
    }

    /// One in a thousand, so many times.
    fn happens(&mut self, per_mille: u32) -> bool {
        self.random.random_range(0..1000) < per_mille
    }

    pub fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", line()));
        }
    }

    pub fn host(&mut self, name: Name) -> &mut Host {
        self.hosts.get_mut(&name).expect("a host")
    }

    fn life(&self, name: Name) -> u64 {
        self.hosts.get(&name).map_or(0, |host| host.life)
    }

    pub fn restart(&mut self, name: Name) {
        let (now, setting) = (self.now, self.setting);
        let host = self.host(name);
        if host.process.is_some() {
            return;
        }
        host.start(name, now, &setting);
        self.say(|| format!("{name:?} starts"));
        self.links(name, true);
        self.step(name, Input::Start);
    }

    pub fn crash(&mut self, name: Name) {
        if self.hosts[&name].process.is_none() {
            return;
        }
        self.say(|| format!("{name:?} crashes"));
        let life = self.life(name);
        let mut random = self.random.clone();
        self.host(name).crash(&mut random);
        self.random = random;
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

    pub fn step(&mut self, name: Name, input: Input) {
        let world_now = self.now;
        let host = self.host(name);
        if host.paused {
            host.held.push(input);
            return;
        }
        if host.process.is_none() {
            return;
        }
        self.say(|| format!("{name:?} <- {input}"));
        let host = self.host(name);
        let now = host.clock.read(world_now);
        let mut effects = Vec::new();
        host.process.as_mut().expect("just seen").step(now, input, &mut effects);
        let mut after_persist = false;
        let mut stopped = false;
        for effect in effects {
            self.say(|| format!("{name:?} -> {effect}"));
            match effect {
                Effect::Persist(record) => {
                    self.host(name).persist(record);
                    after_persist = true;
                }
                Effect::Checkpoint(checkpoint) => {
                    self.host(name).checkpoint(checkpoint);
                    let after = self.micros(200, 60_000);
                    let life = self.life(name);
                    self.schedule(after, Event::Checkpointed { host: name, life });
                }
                Effect::Stopped if !after_persist => stopped = true,
                Effect::Warn(_) => self.perform(name, effect),
                effect if after_persist => self.host(name).wait_for_disk(effect),
                effect => self.perform(name, effect),
            }
        }
        if stopped {
            return self.crash(name);
        }
        self.start_sync(name);
        self.set_timer(name);
    }

    fn start_sync(&mut self, name: Name) {
        let life = self.life(name);
        if self.host(name).begin_sync() {
            let slow = self.happens(20);
            let after = if slow { self.micros(1000, 90_000) } else { self.micros(80, 400) };
            self.schedule(after, Event::Synced { host: name, life });
        }
    }

    fn set_timer(&mut self, name: Name) {
        let now = self.now;
        let host = self.host(name);
        let Some(at) = host.process.as_ref().and_then(Process::next_timer) else { return };
        if at == Time(u64::MAX) {
            return;
        }
        let after = host.clock.until(now, at);
        if host.timer.is_some_and(|set| set <= now + after && set > now) {
            return;
        }
        host.timer = Some(now + after);
        let life = host.life;
        self.schedule(after, Event::Timer { host: name, life, at: now + after });
    }

    /// How long a message takes; `None` if it is lost. A call that is lost runs into its deadline.
    fn journey(&mut self, from: Name, to: Name) -> Option<Duration> {
        let loss = self.setting.faults.loss;
        if self.cut.contains(&(from, to)) || self.happens(loss / 4) && !self.healed {
            return None;
        }
        let late = self.happens(loss / 2) && !self.healed;
        Some(if late { self.micros(2000, 700_000) } else { self.micros(30, 2000) })
    }

    pub fn call(&mut self, from: Name, call: CallId, to: Name, request: Request, wait: Duration) {
        let life = self.life(from);
        self.open.insert((from, life, call));
        if matches!(from, Name::Shopper(_) | Name::Examiner) {
            self.history.begin(from, life, call, &request);
        }
        let answer = Answer::Unknown;
        self.schedule(wait, Event::Answer { to: from, life, call, answer });
        if let Some(after) = self.journey(from, to) {
            self.schedule(after, Event::Call { from, life, call, to, request });
        }
    }

    fn perform(&mut self, name: Name, effect: Effect) {
        match effect {
            Effect::Reply { token, response } => self.reply(name, token, response),
            Effect::Call { call, to, request, deadline } => {
                self.call(name, call, name_of(to), request, deadline);
            }
            Effect::Send { to: NodeId(to), message } => {
                let Name::Order(from) = name else { panic!("only order replicas send") };
                let to = Name::Order(to);
                let life = self.life(to);
                let copies = 1 + usize::from(self.happens(self.setting.faults.loss));
                for _ in 0..copies {
                    let input = receive(from, message.clone());
                    // More often lost than calls are: nothing else repeats them.
                    let lost = self.happens(self.setting.faults.loss) && !self.healed;
                    if let Some(after) = self.journey(name, to).filter(|_| !lost) {
                        self.schedule(after, Event::Input { to, life, input });
                    }
                }
            }
            Effect::Stopped => self.crash(name),
            Effect::Warn(text) => self.warnings.push(text),
            Effect::Know { .. } => {}
            Effect::Persist(_) | Effect::Checkpoint(_) => unreachable!("handled by step"),
        }
    }

    fn reply(&mut self, from: Name, token: Token, response: Response) {
        let Some((to, life, call)) = self.asked.remove(&token.0) else { return };
        if let Some(after) = self.journey(from, to) {
            let answer = Answer::Said(response);
            self.schedule(after, Event::Answer { to, life, call, answer });
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Input { to, life, input } if self.life(to) == life => self.step(to, input),
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
            Event::Answer { to, life, call, answer } => self.on_answer(to, life, call, answer),
            Event::Synced { host: name, life } if self.life(name) == life => {
                let (effects, input) = self.host(name).synced();
                for effect in effects {
                    self.perform(name, effect);
                }
                self.step(name, input);
                self.start_sync(name);
            }
            Event::Checkpointed { host, life } if self.life(host) == life => {
                let input = self.host(host).checkpointed();
                self.step(host, input);
            }
            Event::Timer { host: name, life, at } if self.life(name) == life => {
                let now = self.now;
                let host = self.host(name);
                if host.timer == Some(at) {
                    host.timer = None;
                }
                let due = host.process.as_ref().and_then(Process::next_timer);
                if due.is_some_and(|due| due <= host.clock.read(now)) {
                    self.step(name, Input::Timer);
                } else {
                    self.set_timer(name);
                }
            }
            Event::Nemesis if !self.healed => self.nemesis(),
            Event::Examine if !self.quiet => self.examine(),
            Event::Restart { host } => self.restart(host),
            Event::Kill { host, life } if self.life(host) == life => self.crash(host),
            Event::Resume { host } => self.resume(host),
            Event::Room { host, life } if self.life(host) == life => self.room(host),
            Event::Mend => self.cut.clear(),
            Event::Input { .. }
            | Event::Synced { .. }
            | Event::Checkpointed { .. }
            | Event::Timer { .. }
            | Event::Room { .. }
            | Event::Kill { .. }
            | Event::Examine
            | Event::Nemesis => {}
        }
    }

    fn on_answer(&mut self, to: Name, life: u64, call: CallId, answer: Answer) {
        if self.life(to) != life || !self.open.remove(&(to, life, call)) {
            return;
        }
        if let Err(wrong) = self.history.end(to, life, call, &answer) {
            panic!("{to:?} was told what cannot be: {wrong}: {}", self.dump());
        }
        if to != Name::Examiner {
            self.step(to, Input::Answer { call, answer });
        }
    }

    pub fn resume(&mut self, name: Name) {
        let host = self.host(name);
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

    /// A disk has room again, and what waited for it is written.
    pub fn room(&mut self, name: Name) {
        if std::mem::take(&mut self.host(name).full) {
            self.step(name, Input::DiskFull(false));
            self.start_sync(name);
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

    /// Runs until the shoppers are done, and three seconds more.
    pub fn run_until_quiet(&mut self, limit: Time) {
        while !self.shoppers_are_done() {
            assert!(self.now < limit, "the shoppers do not come to an end: {}", self.dump());
            self.next_event();
        }
        self.quiet = true;
        let end = self.now + Duration::from_secs(3);
        while self.now < end {
            self.next_event();
        }
    }

    /// Ends the trace with what everybody thinks; used in messages of failures.
    #[expect(clippy::disallowed_methods, reason = "a failing test leaves its trace")]
    pub fn dump(&self) -> String {
        if let Some(trace) = &self.trace {
            std::fs::write("trace.txt", trace.join("\n")).expect("the trace can be written");
        }
        format!("{:?} at {}", self.setting, self.now)
    }
}

fn index_of(name: Name) -> u64 {
    match name {
        Name::Catalog => 1,
        Name::Order(id) => 10 + u64::from(id),
        Name::Frontend(id) => 20 + u64::from(id),
        Name::Shopper(id) => 100 + u64::from(id),
        Name::Examiner => 99,
    }
}

fn address_of(name: Name) -> Option<Address> {
    match name {
        Name::Catalog => Some(Address::Catalog(NodeId(1))),
        Name::Order(id) => Some(Address::Order(NodeId(id))),
        Name::Frontend(id) => Some(Address::Frontend(id)),
        Name::Shopper(_) | Name::Examiner => None,
    }
}

fn name_of(address: Address) -> Name {
    match address {
        Address::Catalog(_) => Name::Catalog,
        Address::Order(id) => Name::Order(id.0),
        Address::Frontend(id) => Name::Frontend(id),
    }
}
