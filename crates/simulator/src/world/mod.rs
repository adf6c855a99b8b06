//! The world: everybody's processes, the network between them, their disks and clocks, in virtual
//! time.
//!
//! **The idea.** The services are state machines, so a world is a loop: take the first event, step
//! the node that it concerns, turn the node's effects into later events. Nothing else happens
//! between two events, and whatever is random is drawn from the seed: so a run can be repeated,
//! byte for byte, and an hour of it takes seconds.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `mod` | the loop: events, one after the other |
//! | `step`, `wake`, `life` | a node's step and its effects; its disk and timer; its start and end |
//! | `host`, `process`, `disk` | one process: what is its own; its node; its log |
//! | `network` | the edges between all of them |
//! | `strike` | faults, and their end |
//! | `lies` | how the world lies, if a planted bug is that it does |
//! | `asker` | a client that waits for no answer |
//! | `check` | what must hold when all is quiet |
//! | `catalogs`, `orders`, `seen` | what must hold of the replicas of a service at every step |
//! | `look` | what is seen from outside: frames of all nodes, and messages |
//! | `operator` | who wants other order replicas, starts them and ends them |
//!
//! Made and judged by `run`.

mod asker;
mod catalogs;
mod check;
pub mod disk;
pub mod host;
mod lies;
mod life;
mod look;
pub mod network;
mod operator;
mod orders;
pub mod process;
mod seen;
mod step;
mod strike;
mod wake;

use std::time::Duration;

use replication::Time;
use shop::message::Request;
use shop::node::{Answer, CallId};
use shop::{Effect, Input};
use wal::memory::Random;

use crate::clock::Clock;
use crate::costs::Costs;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::planted::Lie;
use crate::points::Points;
use crate::queue::Queue;
use crate::record::Record;
use crate::tally::Tally;
use crate::who::{Seat, Seats, Who};
use catalogs::Catalogs;
use disk::HostDisk;
use host::Host;
use network::Network;
use operator::Operator;
use strike::Undo;

/// The most events in one run of one simulated second, for each so many shoppers: more is a store
/// that does not come to rest.
const EVENTS_PER_SECOND_MAX: u64 = 200_000;

/// So many shoppers are no reason for more.
const SHOPPERS_FEW: u64 = 16;

/// Something that will happen. Those that name a life are dropped in a later one.
pub enum Event {
    /// A node is told something that comes from elsewhere.
    Input { to: Seat, life: u32, input: Input },
    /// A call arrives: the only one, or one of two.
    Call { from: Seat, life: u32, call: CallId, to: Seat, request: Request, doubled: bool },
    /// An answer to a call, or its deadline.
    Answer { to: Seat, life: u32, call: CallId, answer: Answer },
    /// A commit is over.
    Commit { host: Seat, life: u32 },
    /// A disk that was full is tried again.
    Retry { host: Seat, life: u32 },
    /// A slow job of the disk is over.
    Job { host: Seat, life: u32, number: u64 },
    /// A node wanted to be woken.
    Timer { host: Seat, life: u32, at: Time },
    /// A process is started.
    Start { host: Seat },
    /// A process is asked to stop.
    Stop { host: Seat, life: u32 },
    /// A process that was asked to stop, and did not, is ended.
    Kill { host: Seat, life: u32 },
    /// The plan's next fault.
    Fault(usize),
    /// A fault's end.
    Undo(usize),
    /// The plan's next question.
    Ask(usize),
    /// Probes everybody who serves shoppers.
    Probe,
    /// The operator asks for the change that is wanted.
    Operate,
    /// A process that was taken out is ended: at once, or by asking it to stop first.
    Dismiss { host: Seat, at_once: bool },
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which promise, in a word or two: the same for the same kind of failure.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

/// A whole store.
pub struct World {
    /// The world's own time.
    pub now: Time,
    plan: Plan,
    seats: Seats,
    queue: Queue<Event>,
    hosts: Vec<Host>,
    network: Network,
    /// Everything random that belongs to no edge and no disk.
    dice: Random,
    next_token: u64,
    /// What was sent on edges that are held: in order.
    held: Vec<(network::Edge, Event)>,
    /// Who dies when the next view is granted, and for how long.
    doomed_by_view: Vec<(Seat, Duration)>,
    /// Faults that will end.
    undo: Vec<Option<Undo>>,
    healed: bool,
    /// Who stays away while everybody is probed.
    absent: Vec<Seat>,
    /// The asker's calls under way.
    asker: asker::Asker,
    /// What clients were told.
    pub record: Record,
    /// What was written into operators' logs.
    warnings: Vec<String>,
    /// The first thing that went wrong.
    pub broken: Option<Broken>,
    /// Every promise that the judge of histories says was broken.
    pub convicted: Vec<&'static str>,
    /// What a read shows that no order fits, where it was not promised to be fresh.
    pub forgiven: Option<String>,
    /// Which interesting states were reached.
    pub points: Points,
    /// What it costs, if it is wanted.
    pub costs: Option<Box<Costs>>,
    /// What was seen of the replicas of the catalog, if there are several.
    catalogs: Catalogs,
    /// And of those of the order service.
    orders: orders::Orders,
    /// Who wants other ones.
    operator: Operator,
    /// What is counted.
    pub tally: Tally,
    /// Of everything that happened so far.
    pub digest: Digest,
    /// Everything that happened so far, if it is wanted.
    pub trace: Option<Vec<String>>,
    /// What was seen of all nodes, if it is wanted.
    looks: Option<Box<look::Looks>>,
    /// Kept, so that a step allocates nothing.
    effects: Vec<Effect>,
}

impl World {
    /// A world at its beginning; everybody is started.
    pub fn new(plan: Plan, traced: bool) -> World {
        let setting = &plan.setting;
        let seats = setting.seats;
        let mut dice = Random(setting.seed ^ plan.noise.rotate_left(32));
        let network = Network::new(dice.draw(), seats.processes() + 1, setting.network);
        let segment_bytes = setting.segment_bytes;
        let drift = setting.drift;
        let hosts = seats.all().into_iter().map(|who| {
            let speed = if drift { 995_100 + dice.below(9_800) } else { 1_000_000 };
            let beyond = setting.lies(Lie::ClockBeyondBound);
            let speed = if beyond { 500_000 + dice.below(1_000_000) } else { speed };
            let clock = Clock::new(dice.below(1_000_000_000), speed);
            let mut disk = HostDisk::new(dice.draw(), segment_bytes);
            if setting.lies(Lie::NoFsync) {
                disk.ignore_syncs();
            }
            if let Some(length) = setting.commit {
                disk.set_commit(length);
            }
            Host::new(who, clock, disk)
        });
        let hosts = hosts.collect();
        let mut world = World {
            now: Time(0),
            seats,
            queue: Queue::new(),
            hosts,
            network,
            dice,
            next_token: 0,
            held: Vec::new(),
            doomed_by_view: Vec::new(),
            undo: Vec::new(),
            healed: false,
            absent: Vec::new(),
            asker: asker::Asker::default(),
            record: Record::default(),
            warnings: Vec::new(),
            broken: None,
            convicted: Vec::new(),
            forgiven: None,
            points: Points::default(),
            costs: None,
            catalogs: Catalogs::default(),
            orders: orders::Orders::default(),
            operator: Operator::new(plan.setting.replicas()),
            tally: Tally::default(),
            digest: Digest::default(),
            trace: traced.then(Vec::new),
            looks: traced.then(|| Box::new(look::Looks::new(seats.processes()))),
            effects: Vec::new(),
            plan,
        };
        for spare in seats.spares() {
            world.hosts[seats.of(spare)].enlisted = false;
        }
        for seat in 0..seats.processes() {
            world.start(seat);
        }
        for (number, (at, _)) in world.plan.faults.iter().enumerate() {
            world.queue.push(*at, Event::Fault(number));
        }
        for (number, ask) in world.plan.asks.iter().enumerate() {
            world.queue.push(ask.at, Event::Ask(number));
        }
        world
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.queue.push(self.now + after, event);
    }

    fn micros(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(low + self.dice.below(high - low))
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", line()));
        }
    }

    /// A promise is broken; the first one counts.
    pub fn breaks(&mut self, promise: &'static str, what: String) {
        if self.broken.is_none() {
            self.say(|| format!("BROKEN {promise}: {what}"));
            self.broken = Some(Broken { promise, what });
        }
    }

    fn seat(&self, who: Who) -> Seat {
        self.seats.of(who)
    }

    fn life(&self, seat: Seat) -> u32 {
        self.hosts.get(seat).map_or(0, |host| host.life)
    }

    fn who(&self, seat: Seat) -> Who {
        self.hosts.get(seat).map_or(Who::Asker, |host| host.who)
    }

    /// Whom an event concerns, if a pause holds it up.
    fn held_up_by(event: &Event) -> Option<Seat> {
        match event {
            Event::Input { to, .. } | Event::Call { to, .. } | Event::Answer { to, .. } => {
                Some(*to)
            }
            Event::Commit { host, .. }
            | Event::Retry { host, .. }
            | Event::Job { host, .. }
            | Event::Timer { host, .. }
            | Event::Stop { host, .. } => Some(*host),
            Event::Start { .. }
            | Event::Kill { .. }
            | Event::Fault(_)
            | Event::Undo(_)
            | Event::Ask(_)
            | Event::Probe
            | Event::Operate
            | Event::Dismiss { .. } => None,
        }
    }

    fn on_event(&mut self, event: Event) {
        if let Some(host) = World::held_up_by(&event).and_then(|seat| self.hosts.get_mut(seat))
            && host.paused
        {
            return host.held.push(event);
        }
        match event {
            Event::Input { to, life, input } if self.life(to) == life => self.step(to, input),
            Event::Call { from, life, call, to, request, doubled } => {
                self.on_call((from, life, call), to, request, doubled);
            }
            Event::Answer { to, life, call, answer } => self.on_answer(to, life, call, answer),
            Event::Commit { host, life } if self.life(host) == life => self.on_commit(host),
            Event::Retry { host, life } if self.life(host) == life => {
                if self.hosts[host].disk.retries() {
                    self.on_commit(host);
                }
            }
            Event::Job { host, life, number } if self.life(host) == life => {
                self.on_job(host, number);
            }
            Event::Timer { host, life, at } if self.life(host) == life => self.on_timer(host, at),
            Event::Start { host } => self.start(host),
            Event::Stop { host, life } if self.life(host) == life && !self.healed => {
                self.on_stop(host);
            }
            Event::Kill { host, life } if self.life(host) == life && !self.healed => {
                self.crash(host);
            }
            Event::Fault(number) if !self.healed => self.strike(number),
            Event::Undo(number) => self.undo(number),
            Event::Ask(number) if !self.healed => self.ask(number),
            Event::Probe => self.probe(),
            Event::Operate => self.operate(),
            Event::Dismiss { host, at_once } => self.dismiss(host, at_once),
            Event::Input { .. }
            | Event::Commit { .. }
            | Event::Retry { .. }
            | Event::Job { .. }
            | Event::Timer { .. }
            | Event::Stop { .. }
            | Event::Kill { .. }
            | Event::Fault(_)
            | Event::Ask(_) => {}
        }
    }

    /// The next event.
    fn turn(&mut self) {
        let (at, event) = self.queue.pop().expect("timers go on for ever");
        self.look_until(at);
        self.now = at;
        self.tally.events += 1;
        self.on_event(event);
        let crowds = 1 + u64::from(self.seats.shoppers) / SHOPPERS_FEW;
        if self.tally.events > crowds * EVENTS_PER_SECOND_MAX * (1 + self.now.0 / 1_000_000) {
            self.breaks("rest", format!("{} events by {}", self.tally.events, self.now));
        }
    }

    /// Runs until a time, or until something is broken.
    pub fn run_until(&mut self, end: Time) {
        while self.now < end && self.broken.is_none() {
            self.turn();
        }
    }
}
