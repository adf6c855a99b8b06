//! A whole small store around one real catalog: abstract frontends that keep the rules of the cache
//! lease and no more, an abstract order leader, and a network that loses, delays and reorders.
//!
//! Every step checks what the catalog promises: no reader is shown a state older than one that
//! anybody was shown before it asked; a version names one state; a repeated take gets the same
//! answer; pieces neither appear nor vanish. Driven by `random` and `explore`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::{NodeId, Term, Time, View};

use super::world::World;
use crate::catalog::Phase;
use crate::message::{
    Consistency, Generation, LeaseHolder, NewOrder, Problem, Reply, Request, RequestId, Response,
    Settled, TakeItem, Taken,
};
use crate::node::{Address, Answer, CallId, Input, Node, Token};
use crate::toy::{Product, Quantity, ToyName, Version};

/// Who asked the catalog something, and what the answer needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asker {
    /// A frontend's process asks for a toy; nothing older than `floor` may come.
    Fill { front: u8, process: u64, id: u64, toy: ToyName, floor: Version },
    /// A frontend's process asks for a lease; `left` is on its own clock.
    Renew { front: u8, process: u64, left: Time },
    /// The leader of this term takes.
    Take { term: Term },
    /// Somebody wants to lead.
    View { view: View },
    /// The leader settles.
    Settle { term: Term },
}

/// Something on its way through the network.
#[derive(Clone, Debug, PartialEq, Hash)]
enum Message {
    Request {
        asker: Asker,
        request: Request,
    },
    Reply {
        asker: Asker,
        response: ReplyHash,
    },
    /// A call of the catalog's process `run` to a frontend.
    Call {
        run: u64,
        call: CallId,
        front: u8,
        request: Request,
    },
    /// Its answer.
    Ack {
        run: u64,
        call: CallId,
    },
}

/// `Reply` has no hash; its notation has.
#[derive(Clone, Debug, PartialEq)]
struct ReplyHash(Response);

impl std::hash::Hash for ReplyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        format!("{:?}", self.0).hash(state);
    }
}

/// A frontend that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Front {
    id: u8,
    /// Which process of it: its incarnation.
    process: u64,
    /// How many hundredths of the true time its clock counts: 99 to 101.
    rate: u64,
    lease: Option<(Generation, Time)>,
    revoked_below: u64,
    cache: BTreeMap<ToyName, Version>,
    /// Fills on their way; `true` once an invalidation passed them.
    fills: BTreeMap<u64, (ToyName, bool)>,
}

/// The order leader, and what it knows of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Leader {
    view: View,
    /// Whether everything of lower terms is settled.
    settled: bool,
    unsettled: Vec<Settled>,
    next: u64,
    /// The takes of this term: number, order, answer.
    takes: BTreeMap<u64, (NewOrder, Option<Taken>)>,
    floor: u64,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Read { front: u8, toy: usize },
    Renew { front: u8 },
    Restart { front: u8 },
    Take { items: Vec<(usize, u32)> },
    Retry,
    RaiseFloor,
    Lead,
    Settle,
    Deliver(usize),
    Lose(usize),
    Fail(CallId),
    Sync(usize),
    Wait(u64),
    Crash { written: usize },
    Stop,
    Start,
}

#[derive(Clone)]
pub struct System {
    pub world: World,
    toys: Vec<ToyName>,
    fronts: BTreeMap<u8, Front>,
    leader: Leader,
    net: Vec<Message>,
    asked: BTreeMap<Token, Asker>,
    sent: BTreeSet<CallId>,
    /// How often the catalog was started.
    run: u64,
    ids: u64,
    /// The newest state of each toy that anybody was shown.
    seen: BTreeMap<ToyName, Version>,
    /// What each state is.
    states: BTreeMap<(ToyName, Version), u64>,
    /// What the orders that exist hold: the ledger, as the catalog must agree with it.
    ledger: BTreeMap<RequestId, NewOrder>,
    pub hits: u64,
}

impl System {
    pub fn new(world: World, fronts: u8) -> System {
        let toys = world.config.toys.iter().flatten().map(|toy| toy.name.clone()).collect();
        let front = |id: u8| Front {
            id,
            process: u64::from(id) * 1000,
            rate: 98 + u64::from(id),
            lease: None,
            revoked_below: 0,
            cache: BTreeMap::new(),
            fills: BTreeMap::new(),
        };
        System {
            world,
            toys,
            fronts: (1..=fronts).map(|id| (id, front(id))).collect(),
            leader: Leader::default(),
            net: Vec::new(),
            asked: BTreeMap::new(),
            sent: BTreeSet::new(),
            run: 0,
            ids: 0,
            seen: BTreeMap::new(),
            states: BTreeMap::new(),
            ledger: BTreeMap::new(),
            hits: 0,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.net.len()
    }

    pub fn calls(&self) -> Vec<CallId> {
        self.world.calls.keys().copied().collect()
    }

    pub fn alive(&self) -> bool {
        self.world.catalog.is_some()
    }

    /// Everything that what happens next depends on.
    pub fn fingerprint(&self, into: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.world.catalog.hash(into);
        self.world.now.hash(into);
        self.world.fingerprint(into);
        format!("{:?} {:?}", self.asked, self.sent).hash(into);
        self.fronts.hash(into);
        self.leader.hash(into);
        // The network has no order, so the same messages in another one are the same state.
        let mut net: Vec<u64> = self.net.iter().map(hash).collect();
        net.sort_unstable();
        net.hash(into);
        self.seen.hash(into);
        self.ledger.hash(into);
    }

    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Read { front, toy } => self.read(front, toy),
            Action::Renew { front } => self.renew(front),
            Action::Restart { front } => {
                let front = self.fronts.get_mut(&front).expect("known");
                front.process += 1;
                front.lease = None;
                front.cache.clear();
                front.fills.clear();
            }
            Action::Take { items } => self.take(&items),
            Action::Retry => self.retry(),
            Action::RaiseFloor => self.raise_floor(),
            Action::Lead => self.lead(),
            Action::Settle => self.settle(),
            Action::Deliver(at) => self.deliver(at),
            Action::Lose(at) => {
                self.net.swap_remove(at);
            }
            Action::Fail(call) => self.world.answer(call, Answer::Unknown),
            Action::Sync(count) => self.world.sync(count),
            Action::Wait(micros) => self.wait(micros),
            Action::Crash { written } => self.crash(written),
            Action::Stop => self.world.step(Input::Stop),
            Action::Start => self.start(),
        }
        self.collect();
        self.check();
        self.world.trace.clear();
    }

    fn wait(&mut self, micros: u64) {
        if self.alive() {
            self.world.wait(Duration::from_micros(micros));
        } else {
            self.world.now = self.world.now + Duration::from_micros(micros);
        }
    }

    fn crash(&mut self, written: usize) {
        self.world.crash(written);
        self.asked.clear();
        self.sent.clear();
    }

    fn start(&mut self) {
        self.run += 1;
        self.world.start().expect("what the catalog wrote it can read");
    }

    /// Puts what the catalog said into the network.
    fn collect(&mut self) {
        while let Some((token, response)) = self.world.replies.pop_front() {
            let asker = self.asked.remove(&token).expect("a request is answered once");
            self.net.push(Message::Reply { asker, response: ReplyHash(response) });
        }
        for (call, (to, request)) in &self.world.calls {
            let Address::Frontend(front) = *to else { panic!("the catalog calls frontends") };
            if self.sent.insert(*call) {
                let (run, call, request) = (self.run, *call, request.clone());
                self.net.push(Message::Call { run, call, front, request });
            }
        }
    }

    /// Pieces neither appear nor vanish, and what is on the shelf is what its version says.
    fn check(&mut self) {
        let Some(catalog) = &self.world.catalog else { return };
        for (_, shelf) in catalog.stock().shelves().iter() {
            let after = shelf.quantity + shelf.sold() + shelf.unsettled;
            assert_eq!(shelf.initial + shelf.restocked, after, "{shelf:?}");
        }
        let held: BTreeMap<u8, Time> =
            catalog.leases.holders().iter().map(|(id, h)| (*id, h.expires)).collect();
        let now = self.world.now;
        for front in self.fronts.values() {
            let Some((generation, _)) = front.lease.filter(|(_, until)| front.clock(now) < *until)
            else {
                continue;
            };
            // A frontend that believes in its lease is one that this process waits for. (Before it
            // began, or if it was stopped before, the process answers nobody and still has the
            // last run's number.)
            let began = !matches!(catalog.phase, Phase::Starting | Phase::Stopped);
            if began && generation.catalog == catalog.stock().incarnation() {
                assert!(held.get(&front.id).is_some_and(|end| *end > now), "{front:?} {held:?}");
            }
        }
    }

    fn saw(&mut self, product: &Product, floor: Version) {
        let Product { name, quantity, version, .. } = product;
        assert!(*version >= floor, "{product} is older than {floor}, which was seen before");
        let key = (name.clone(), *version);
        let known = *self.states.entry(key).or_insert(*quantity);
        assert_eq!(known, *quantity, "two states of {name} have version {version}");
        self.note(name, *version);
    }

    fn note(&mut self, name: &ToyName, version: Version) {
        let seen = self.seen.entry(name.clone()).or_default();
        *seen = version.max(*seen);
    }

    fn ask(&mut self, asker: Asker, request: Request) {
        self.net.push(Message::Request { asker, request });
    }

    fn read(&mut self, id: u8, toy: usize) {
        let toy = self.toys[toy % self.toys.len()].clone();
        let floor = self.seen.get(&toy).copied().unwrap_or_default();
        let now = self.world.now;
        let front = self.fronts.get_mut(&id).expect("known");
        let alive = front.lease.filter(|(_, until)| front.clock(now) < *until);
        if alive.is_some()
            && let Some(version) = front.cache.get(&toy)
        {
            assert!(*version >= floor, "a hit of {toy} {version}, after {floor} was seen");
            self.hits += 1;
            return;
        }
        self.ids += 1;
        let fill = self.ids;
        front.fills.insert(fill, (toy.clone(), false));
        let asker = Asker::Fill { front: id, process: front.process, id: fill, toy, floor };
        let holder = front.lease.map(|(generation, _)| LeaseHolder { frontend: id, generation });
        let Asker::Fill { toy, .. } = &asker else { unreachable!() };
        let request =
            Request::Fill { name: toy.clone(), holder, consistency: Consistency::Linearizable };
        self.ask(asker, request);
    }

    fn renew(&mut self, id: u8) {
        let front = &self.fronts[&id];
        let (process, left) = (front.process, front.clock(self.world.now));
        let url = format!("http://{id}");
        let request = Request::RenewLease { frontend: id, url, incarnation: process };
        self.ask(Asker::Renew { front: id, process, left }, request);
    }

    fn take(&mut self, items: &[(usize, u32)]) {
        if !self.leader.settled {
            return;
        }
        let mut wanted = Vec::new();
        for (toy, quantity) in items {
            self.ids += 1;
            let order = NewOrder {
                request_id: RequestId(u128::from(self.ids) << 96),
                name: self.toys[toy % self.toys.len()].clone(),
                quantity: Quantity::new(i64::from(*quantity)).expect("in range"),
            };
            self.leader.next += 1;
            self.leader.takes.insert(self.leader.next, (order.clone(), None));
            wanted.push(TakeItem { number: self.leader.next, order });
        }
        self.ask_takes(wanted);
    }

    fn ask_takes(&mut self, items: Vec<TakeItem>) {
        let Leader { floor, ref view, .. } = self.leader;
        let term = view.term;
        self.ask(Asker::Take { term }, Request::Take { term, floor, items });
    }

    /// Asks again for all takes of this term, answered or not.
    fn retry(&mut self) {
        let takes = self.leader.takes.iter().filter(|_| self.leader.settled);
        let item = |(number, (order, _)): (&u64, &(NewOrder, _))| TakeItem {
            number: *number,
            order: order.clone(),
        };
        let items: Vec<TakeItem> = takes.map(item).collect();
        if !items.is_empty() {
            self.ask_takes(items);
        }
    }

    /// Records the orders of the first answered takes.
    fn raise_floor(&mut self) {
        while let Some((number, (order, Some(answer)))) = self.leader.takes.first_key_value() {
            if matches!(answer, Taken::Taken { .. }) {
                self.ledger.insert(order.request_id, order.clone());
            }
            self.leader.floor = number + 1;
            self.leader.takes.pop_first();
        }
        if self.leader.settled {
            self.ask_takes(Vec::new());
        }
    }

    /// Another leader takes over: it knows the ledger, not what was answered.
    fn lead(&mut self) {
        let previous = self.leader.view.term;
        let node = NodeId(u8::try_from(previous.number % 3).expect("small") + 1);
        let view = View { term: previous.next(node), in_sync: (1..=3).map(NodeId).collect() };
        self.ask(
            Asker::View { view: view.clone() },
            Request::PutView { view, previous, unclean: false },
        );
    }

    fn settle(&mut self) {
        let (term, takes) = (self.leader.view.term, self.leader.unsettled.clone());
        if term != Term::ZERO {
            self.ask(Asker::Settle { term }, Request::Settle { term, takes });
        }
    }

    fn deliver(&mut self, at: usize) {
        match self.net.swap_remove(at) {
            Message::Request { asker, request } => {
                if self.alive() && !self.world.stopped {
                    // The token must be known before the reply comes.
                    let token = self.world.ask(request);
                    self.asked.insert(token, asker);
                }
            }
            Message::Reply { asker, response } => self.on_reply(asker, response.0),
            Message::Call { run, call, front, request } => {
                let front = self.fronts.get_mut(&front).expect("known");
                front.on_call(&request);
                self.net.push(Message::Ack { run, call });
            }
            Message::Ack { run, call } => {
                if self.alive() && run == self.run && self.world.calls.contains_key(&call) {
                    self.world.answer(call, Answer::Said(Ok(Reply::Done)));
                }
            }
        }
    }

    fn on_reply(&mut self, asker: Asker, response: Response) {
        match (asker, response) {
            (Asker::Fill { front, process, id, toy, floor }, Ok(reply)) => {
                let Reply::Filled { product, generation, .. } = reply else { panic!("{reply}") };
                self.saw(&product, floor);
                let front = self.fronts.get_mut(&front).expect("known");
                let passed = front.fills.remove(&id).map(|(_, passed)| passed);
                let current = front.lease.map(|(generation, _)| generation);
                if front.process == process
                    && passed == Some(false)
                    && generation.is_some()
                    && generation == current
                {
                    let newer = front.cache.get(&toy).copied().unwrap_or_default();
                    front.cache.insert(toy, product.version.max(newer));
                }
            }
            (Asker::Renew { front, process, left }, Ok(Reply::Leased(lease))) => {
                let front = self.fronts.get_mut(&front).expect("known");
                if front.process == process {
                    let until = left + Duration::from_millis(lease.duration_ms);
                    front.on_leased(lease.generation, until);
                }
            }
            (Asker::Take { term }, Ok(Reply::Takes(answers))) => {
                for answer in answers {
                    self.on_taken(term, answer.number, answer.taken);
                }
            }
            (Asker::View { view }, Ok(Reply::View { unsettled, .. })) => {
                if view.term <= self.leader.view.term {
                    return;
                }
                let fate = |take: &crate::message::Unsettled| Settled {
                    term: take.term,
                    number: take.number,
                    recorded: self.ledger.contains_key(&take.order.request_id),
                };
                let unsettled: Vec<Settled> = unsettled.iter().map(fate).collect();
                let settled = unsettled.is_empty();
                self.leader = Leader { view, settled, unsettled, ..Leader::default() };
            }
            (Asker::Settle { term }, Ok(Reply::Done)) if term == self.leader.view.term => {
                self.leader.settled = true;
                self.leader.unsettled.clear();
            }
            (Asker::Settle { .. }, Ok(_)) => {}
            (Asker::View { .. }, Err(Problem::Fenced(view))) => {
                // Somebody else's view, or its own whose answer was lost: it reads it again.
                if view.term > self.leader.view.term {
                    let previous = view.term;
                    let asker = Asker::View { view: view.clone() };
                    self.ask(asker, Request::PutView { view, previous, unclean: false });
                }
            }
            (_, Err(Problem::Unavailable(_) | Problem::Fenced(_) | Problem::FrontendInUse)) => {}
            // A delayed batch whose numbers are forgotten by now.
            (Asker::Take { .. }, Err(Problem::Bad(_))) => {}
            (asker, response) => panic!("{asker:?} was answered {response:?}"),
        }
    }

    fn on_taken(&mut self, term: Term, number: u64, taken: Taken) {
        let (name, version) = match &taken {
            Taken::Pending => return,
            Taken::Taken { version, name } => (Some(name.clone()), *version),
            Taken::Refused { version, .. } => (None, *version),
        };
        if term != self.leader.view.term {
            return;
        }
        let Some((order, answer)) = self.leader.takes.get_mut(&number) else { return };
        let name = name.unwrap_or(order.name.clone());
        if let Some(answer) = answer {
            assert_eq!(*answer, taken, "take {term}/{number} was answered twice, differently");
        }
        *answer = Some(taken);
        self.note(&name, version);
    }

    /// Lets everything come to rest: no more faults, all messages arrive, all is settled. Then the
    /// catalog and the ledger must agree to the piece.
    pub fn come_to_rest(&mut self) {
        // Twice, for it may be on its way to a clean stop.
        for _ in 0..2 {
            if self.world.stopped {
                self.crash(0);
            }
            if !self.alive() {
                self.perform(Action::Start);
            }
            self.drain();
            self.perform(Action::Wait(3_000_000));
            self.drain();
        }
        for _ in 0..8 {
            self.perform(Action::Lead);
            self.drain();
            self.perform(Action::Settle);
            self.drain();
        }
        assert!(self.leader.settled, "a view is granted and settled when nothing fails");
        let stock = self.world.node().stock().clone();
        for (name, shelf) in stock.shelves().iter() {
            let of = |order: &&NewOrder| order.name == *name;
            let quantities = self.ledger.values().filter(of).map(|o| u64::from(o.quantity.get()));
            assert_eq!((shelf.sold(), shelf.unsettled), (quantities.sum(), 0), "{shelf:?}");
        }
        let visible = self.world.node().status(self.world.now);
        for toy in &visible.toys {
            assert_eq!(toy.version, toy.visible_version, "{toy:?} stays hidden");
        }
    }

    fn drain(&mut self) {
        while !self.net.is_empty() || self.world.unsynced() > 0 {
            if self.world.unsynced() > 0 {
                self.perform(Action::Sync(usize::MAX));
            } else {
                self.perform(Action::Deliver(0));
            }
        }
    }
}

fn hash(message: &Message) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    hasher.finish()
}

impl Front {
    fn clock(&self, now: Time) -> Time {
        Time(now.0 * self.rate / 100)
    }

    fn on_leased(&mut self, generation: Generation, until: Time) {
        if generation.catalog < self.revoked_below {
            return;
        }
        match &mut self.lease {
            Some((current, end)) if *current == generation => *end = until.max(*end),
            Some((current, _)) if *current > generation => {}
            Some(_) | None => {
                self.cache.clear();
                self.lease = Some((generation, until));
            }
        }
    }

    fn on_call(&mut self, request: &Request) {
        if let Request::Invalidate { names } = request {
            for name in names {
                self.cache.remove(name);
            }
            for (toy, passed) in self.fills.values_mut() {
                *passed |= names.contains(toy);
            }
        } else if let Request::DropCache { catalog } = request {
            self.revoked_below = self.revoked_below.max(*catalog);
            if self.lease.is_some_and(|(generation, _)| generation.catalog < *catalog) {
                self.lease = None;
                self.cache.clear();
            }
        } else {
            panic!("the catalog calls {request}");
        }
    }
}
