//! Every interleaving of a few reads, one change of the toy, a lapse of the lease and a restart of
//! the catalog: the real [`Frontend`] against an abstract catalog that keeps the rules of the
//! lease.
//!
//! What must hold: a read returns no version older than the one that was visible when it began. The
//! same search must *find* stale reads where a rule is broken on purpose (mode `push`; a catalog
//! that counts the lease too short; one that does not wait after its restart), or it would prove
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::*;
use crate::invalidation::Invalidation;
use crate::message::{Consistency, Generation, Lease as Granted, ReadFrom, Reply};
use crate::toy::{Cents, Product, ToyName, Version};

/// One step of the clock. Three of them outlast a lease on both sides, two on none.
const TICK_MS: u64 = 700;
/// What the frontend is granted.
const LEASE_MS: u64 = 2000;
/// How long the catalog counts it: 2 s × 1.01 + 50 ms.
const CATALOG_LEASE_MS: u64 = 2070;

/// How much may happen in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    reads: u32,
    ticks: u32,
    losses: u32,
    restarts: u32,
}

/// A rule that the catalog breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    None,
    /// Changes are visible at once: what mode `push` does.
    DoesNotWait,
    /// Its leases end before the frontend's.
    ShortLease,
    /// After a restart it answers without revoking what it gave before.
    NoRevocation,
    /// It forgets that it answered a fill as cacheable.
    ForgetsHolders,
}

/// Where the one change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Change {
    ToCome,
    Pending,
    Visible,
}

/// A message on its way. Any of them may be next to arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Renew(CallId),
    Fill(CallId, Option<Generation>),
    Leased(CallId, Generation),
    Filled(CallId, u64, Option<Generation>),
    Invalidate,
    Acknowledge,
    DropCache(u64),
    Dropped(u64),
}

/// The catalog, as far as the lease goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Catalog {
    fault: Fault,
    generation: Generation,
    /// When the lease lapses on its clock; `None` if none is given.
    expires: Option<u64>,
    holds: bool,
    change: Change,
    /// After a restart: until when it answers nothing, unless the frontend confirms.
    silent_until: Option<u64>,
}

impl Catalog {
    fn lease_ms(&self) -> u64 {
        if self.fault == Fault::ShortLease { 600 } else { CATALOG_LEASE_MS }
    }

    fn live(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| now < expires)
    }

    fn version(&self) -> u64 {
        if self.change == Change::Visible { 2 } else { 1 }
    }

    fn renew(&mut self, now: u64) -> Generation {
        if !self.live(now) {
            self.generation.count += 1;
            self.holds = false;
        }
        self.expires = Some(now + self.lease_ms());
        self.generation
    }

    fn fill(&mut self, now: u64, holder: Option<Generation>) -> Option<Generation> {
        let known = self.live(now) && holder == Some(self.generation);
        if !known || self.change == Change::Pending {
            return None;
        }
        self.holds = self.fault != Fault::ForgetsHolders;
        Some(self.generation)
    }

    fn may_show(&self, now: u64) -> bool {
        let waits = self.fault != Fault::DoesNotWait;
        self.change == Change::Pending
            && self.silent_until.is_none()
            && !(waits && self.holds && self.live(now))
    }
}

/// One thing that may happen next.
#[derive(Clone, Debug)]
enum Event {
    Deliver(Message),
    Lose(Message),
    Read,
    BeginChange,
    ShowChange,
    Timer,
    Tick,
    Restart,
    EndSilence,
}

#[derive(Clone, Debug)]
struct World {
    frontend: Frontend,
    catalog: Catalog,
    now: u64,
    messages: BTreeSet<Message>,
    budget: Budget,
    /// Reads under way, and the version that was visible when each began.
    reads: BTreeMap<u64, u64>,
    tokens: u64,
    hits: u32,
    stale: bool,
}

/// The reader of an invalidation's or a revocation's answer, apart from those of reads.
const INVALIDATION: u64 = 1_000;
const REVOCATION: u64 = 2_000;

fn tux() -> ToyName {
    "tux".parse().unwrap()
}

impl World {
    fn new(mode: Invalidation, fault: Fault, budget: Budget) -> World {
        let mut config = Config::new(1, Vec::new(), String::new(), 7);
        config.invalidation = mode;
        let catalog = Catalog {
            fault,
            generation: Generation { catalog: 1, count: 0 },
            expires: None,
            holds: false,
            change: Change::ToCome,
            silent_until: None,
        };
        let mut world = World {
            frontend: Frontend::new(config),
            catalog,
            now: 0,
            messages: BTreeSet::new(),
            budget,
            reads: BTreeMap::new(),
            tokens: 0,
            hits: 0,
            stale: false,
        };
        world.step(Input::Start);
        world
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut frontend = self.frontend.clone();
        frontend.counters = Counters::default();
        let World { catalog, now, messages, budget, reads, tokens, .. } = self;
        (frontend, catalog, now, messages, budget, reads, tokens).hash(&mut hasher);
        hasher.finish()
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.frontend.step(self.time(), input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Call { call, request: Request::RenewLease { .. }, .. } => {
                    self.messages.insert(Message::Renew(call));
                }
                Effect::Call { call, request: Request::Fill { holder, .. }, .. } => {
                    let holder = holder.map(|holder| holder.generation);
                    self.messages.insert(Message::Fill(call, holder));
                }
                Effect::Reply { token: Token(INVALIDATION), .. } => {
                    self.messages.insert(Message::Acknowledge);
                }
                Effect::Reply { token: Token(token), .. } if token >= REVOCATION => {
                    self.messages.insert(Message::Dropped(token - REVOCATION));
                }
                Effect::Reply { token, response } => self.finish_read(token.0, response),
                Effect::Warn(_)
                | Effect::Call { .. }
                | Effect::Persist(_)
                | Effect::Checkpoint(_)
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Stopped => panic!("no part of this protocol: {effect}"),
            }
        }
    }

    fn finish_read(&mut self, token: u64, response: crate::message::Response) {
        let visible = self.reads.remove(&token).expect("each read is answered once");
        if let Ok(Reply::Product { product, .. }) = response {
            self.stale |= product.version.0 < visible;
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for message in &self.messages {
            let to_catalog = matches!(message, Message::Renew(_) | Message::Fill(..));
            if !(to_catalog && self.catalog.silent_until.is_some()) {
                events.push(Event::Deliver(message.clone()));
            }
            let answered = to_catalog || matches!(message, Message::Leased(..));
            if self.budget.losses > 0 && answered {
                events.push(Event::Lose(message.clone()));
            }
        }
        let due = self.frontend.next_timer().is_some_and(|at| at <= self.time());
        let budget = &self.budget;
        let wait_over = self.catalog.silent_until.is_some_and(|until| until <= self.now);
        let possible = [
            (budget.reads > 0, Event::Read),
            (self.catalog.change == Change::ToCome, Event::BeginChange),
            (self.catalog.may_show(self.now), Event::ShowChange),
            (due, Event::Timer),
            (budget.ticks > 0, Event::Tick),
            (budget.restarts > 0, Event::Restart),
            (wait_over, Event::EndSilence),
        ];
        events.extend(possible.into_iter().filter(|(can, _)| *can).map(|(_, event)| event));
        events
    }

    fn answer(&mut self, call: CallId, reply: Reply) {
        self.step(Input::Answer { call, answer: Answer::Said(Ok(reply)) });
    }

    fn request(&mut self, token: u64, request: Request) {
        self.step(Input::Request { token: Token(token), request });
    }

    fn deliver(&mut self, message: Message) {
        self.messages.remove(&message);
        match message {
            Message::Renew(call) => {
                let generation = self.catalog.renew(self.now);
                self.messages.insert(Message::Leased(call, generation));
            }
            Message::Fill(call, holder) => {
                let generation = self.catalog.fill(self.now, holder);
                let filled = Message::Filled(call, self.catalog.version(), generation);
                self.messages.insert(filled);
            }
            Message::Leased(call, generation) => {
                let lease = Granted { generation, duration_ms: LEASE_MS };
                self.answer(call, Reply::Leased(lease));
            }
            Message::Filled(call, version, generation) => {
                let (price, version) = (Cents(1), Version(version));
                let product = Product { name: tux(), price, quantity: 1, version };
                self.answer(call, Reply::Filled { product, generation, from: ReadFrom::UNTOLD });
            }
            Message::Invalidate => {
                self.request(INVALIDATION, Request::Invalidate { names: vec![tux()] });
            }
            Message::Acknowledge => self.catalog.holds = false,
            Message::DropCache(catalog) => {
                self.request(REVOCATION + catalog, Request::DropCache { catalog });
            }
            Message::Dropped(catalog) => {
                if self.catalog.generation.catalog == catalog {
                    self.catalog.silent_until = None;
                }
            }
        }
    }

    fn read(&mut self) {
        self.budget.reads -= 1;
        self.tokens += 1;
        let visible = self.catalog.version();
        let hit = self.frontend.clone().hit(self.time(), "TUX");
        self.hits += u32::from(hit.is_some());
        self.reads.insert(self.tokens, visible);
        self.request(
            self.tokens,
            Request::ReadProduct { name: tux(), consistency: Consistency::Linearizable },
        );
    }

    fn restart(&mut self) {
        self.budget.restarts -= 1;
        let dead = |message: &Message| matches!(message, Message::Renew(_) | Message::Fill(..));
        let lost: Vec<Message> = self.messages.iter().filter(|m| dead(m)).cloned().collect();
        let catalog = self.catalog.generation.catalog + 1;
        self.catalog.generation = Generation { catalog, count: 0 };
        self.catalog.expires = None;
        self.catalog.holds = false;
        if self.catalog.fault != Fault::NoRevocation {
            self.catalog.silent_until = Some(self.now + CATALOG_LEASE_MS);
            self.messages.insert(Message::DropCache(catalog));
        }
        for message in lost {
            self.lose(message);
        }
    }

    fn lose(&mut self, message: Message) {
        self.messages.remove(&message);
        if let Message::Renew(call) | Message::Fill(call, _) | Message::Leased(call, _) = message {
            self.step(Input::Answer { call, answer: Answer::Unknown });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(message) => self.deliver(message),
            Event::Lose(message) => {
                self.budget.losses -= 1;
                self.lose(message);
            }
            Event::Read => self.read(),
            Event::BeginChange => {
                self.catalog.change = Change::Pending;
                if self.catalog.holds && self.catalog.live(self.now) {
                    self.messages.insert(Message::Invalidate);
                }
            }
            Event::ShowChange => self.catalog.change = Change::Visible,
            Event::Timer => self.step(Input::Timer),
            Event::Tick => {
                self.budget.ticks -= 1;
                self.now += TICK_MS;
            }
            Event::Restart => self.restart(),
            Event::EndSilence => self.catalog.silent_until = None,
        }
    }
}

/// What a search has seen.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    hits: u32,
    drops: u64,
    stale: Option<Vec<Event>>,
}

/// Walks through every order of events; ends early at a stale read.
fn explore(mode: Invalidation, fault: Fault, budget: Budget) -> Seen {
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    let start = World::new(mode, fault, budget);
    known.insert(start.fingerprint());
    // Each state's last event and the state before it, to tell how a stale read came about.
    let mut steps: Vec<(usize, Option<Event>)> = vec![(0, None)];
    let mut stack = vec![(start, 0)];
    while let Some((world, step)) = stack.pop() {
        seen.states += 1;
        seen.hits = seen.hits.max(world.hits);
        seen.drops = seen.drops.max(world.frontend.counters.drops);
        if world.stale {
            seen.stale = Some(path(&steps, step));
            return seen;
        }
        for event in world.events() {
            let mut next = world.clone();
            next.happen(event.clone());
            if known.insert(next.fingerprint()) {
                stack.push((next, steps.len()));
                steps.push((step, Some(event)));
            }
        }
    }
    seen
}

fn path(steps: &[(usize, Option<Event>)], mut step: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while let (before, Some(event)) = &steps[step] {
        events.push(event.clone());
        step = *before;
    }
    events.reverse();
    events
}

const LAPSE: Budget = Budget { reads: 2, ticks: 4, losses: 0, restarts: 0 };
const LOSS: Budget = Budget { reads: 2, ticks: 3, losses: 1, restarts: 0 };
const RESTART: Budget = Budget { reads: 2, ticks: 1, losses: 0, restarts: 1 };

fn check_fresh(budget: Budget) {
    let seen = explore(Invalidation::Lease, Fault::None, budget);
    assert!(seen.stale.is_none(), "a stale read: {:#?}", seen.stale);
    assert!(seen.states > 10_000 && seen.hits > 0 && seen.drops > 0, "it saw too little: {seen:?}");
}

fn check_stale(mode: Invalidation, fault: Fault, budget: Budget) {
    let seen = explore(mode, fault, budget);
    assert!(seen.stale.is_some(), "{fault:?} must show in {} states", seen.states);
}

#[test]
fn no_stale_read_under_a_lease_that_lapses() {
    check_fresh(LAPSE);
}

#[test]
fn no_stale_read_when_messages_are_lost() {
    check_fresh(LOSS);
}

#[test]
fn no_stale_read_when_the_catalog_restarts() {
    check_fresh(RESTART);
}

#[test]
fn push_can_be_stale() {
    check_stale(Invalidation::Push, Fault::DoesNotWait, LAPSE);
}

#[test]
fn a_catalog_that_counts_the_lease_too_short_is_caught() {
    check_stale(Invalidation::Lease, Fault::ShortLease, LAPSE);
}

#[test]
fn a_catalog_that_revokes_nothing_at_its_start_is_caught() {
    check_stale(Invalidation::Lease, Fault::NoRevocation, RESTART);
}

#[test]
fn a_catalog_that_forgets_a_holder_is_caught() {
    check_stale(Invalidation::Lease, Fault::ForgetsHolders, LAPSE);
}
