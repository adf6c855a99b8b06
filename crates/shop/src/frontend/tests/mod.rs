//! Golden scripts: one rule of the frontend each, as a transcript of what comes in and goes out.
//!
//! The runner plays the world: it numbers the readers' tokens, lets calls time out when their
//! deadline comes, and fires timers, as `at` moves the clock. Everything else a script says.

mod exhaustive;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use replication::{NodeId, Term, View};
use test_each_file::test_each_path;

use super::*;
use crate::invalidation::Invalidation;
use crate::message::{Fate, Member, Part, Problem};
use crate::message::{
    Generation, Leader, Lease as Granted, NewOrder, Order, OrderNumber, OrderOutcome, Ordered,
    ReadFrom, Reply, RequestId,
};
use crate::toy::{Cents, Product, Quantity, ToyName, Version};

test_each_path! { in "crates/shop/src/frontend/testscripts" as scripts => run_script }

fn run_script(path: &Path) {
    goldenscript::run(&mut World::default(), path).unwrap();
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a script can say. Times are in milliseconds, calls and generations in their numbers.
#[derive(goldenscript::Command)]
enum Command {
    /// A new frontend: `new mode=push capacity=2 replicas=3`.
    New {
        #[arg(key, optional)]
        mode: Option<Invalidation>,
        #[arg(key, optional)]
        capacity: Option<usize>,
        #[arg(key, optional)]
        policy: Option<Policy>,
        #[arg(key, optional)]
        replicas: Option<u8>,
        #[arg(key, optional)]
        catalogs: Option<u8>,
    },
    /// The process starts.
    Start,
    /// Start; the catalog grants g1.1 for 2 s; replica 3 leads under 0.1@3.
    Boot,
    /// Moves the clock, with all timers and deadlines on the way.
    At(u64),
    /// The process sleeps until then: no timer, no answer.
    PausedUntil(u64),
    /// A request to the frontend.
    Read {
        name: ToyName,
        #[arg(key, optional)]
        level: Option<Consistency>,
    },
    List,
    Order {
        name: ToyName,
        quantity: i64,
        key: String,
    },
    ReadOrder {
        number: u64,
        #[arg(key, optional)]
        level: Option<Consistency>,
    },
    Fate(String),
    Resolve(String),
    Invalidate(Vec<ToyName>),
    DropCache(u64),
    /// The hot path, without a step.
    Hit(String),
    /// Answers to call N.
    Leased {
        call: u64,
        generation: String,
        #[arg(key, optional)]
        ms: Option<u64>,
    },
    Filled {
        call: u64,
        name: ToyName,
        quantity: u64,
        version: u64,
        #[arg(key, optional)]
        keep: Option<String>,
        #[arg(key, optional)]
        level: Option<Consistency>,
    },
    Products(u64),
    Leads {
        call: u64,
        term: String,
        /// Who belongs to the group now, a digit each; 4 and more came by a change.
        #[arg(key, optional)]
        members: Option<String>,
    },
    Follows {
        call: u64,
        term: String,
        #[arg(key, optional)]
        leader: Option<u8>,
    },
    /// `ordered 7 0/v2@1 pending insufficient not-leader/2`
    Ordered {
        call: u64,
        outcomes: Vec<String>,
    },
    Found {
        call: u64,
        number: u64,
        name: ToyName,
        #[arg(key, optional)]
        level: Option<Consistency>,
    },
    Recorded {
        call: u64,
        number: u64,
    },
    Problem {
        call: u64,
        what: String,
    },
    Done(u64),
    Refused(u64),
    Unknown(u64),
    Link {
        replica: u8,
        up: String,
    },
    /// The same, of a replica of the catalog.
    CatalogLink {
        replica: u8,
        up: String,
    },
    Stop,
    Cache,
    Status,
    Ready,
}

/// A frontend and the world around it.
struct World {
    node: Frontend,
    now: Time,
    token: u64,
    /// When each open call times out.
    open: BTreeMap<CallId, Time>,
}

impl Default for World {
    fn default() -> World {
        World::with(config())
    }
}

fn config() -> Config {
    let replicas = (1..=3).map(NodeId).collect();
    let config = Config::new(1, replicas, "http://frontend-1".to_string(), 77);
    // Rarer than in truth, so that a script shows what it is about.
    let timers = Timers { check: Duration::from_secs(1), ..config.timers };
    Config { timers, ..config }
}

fn generation(text: &str) -> Outcome<Generation> {
    let (catalog, count) = text.split_once('.').ok_or("a generation is CATALOG.COUNT")?;
    Ok(Generation { catalog: catalog.parse()?, count: count.parse()? })
}

fn problem(text: &str) -> Outcome<Problem> {
    let (kind, detail) = text.split_once('/').unwrap_or((text, ""));
    let view = || -> Outcome<View> {
        let (term, members) = detail.split_once('/').ok_or("a view is TERM/MEMBERS")?;
        let members = members.chars().map(|c| NodeId(c as u8 - b'0'));
        Ok(View { term: term.parse()?, in_sync: members.collect() })
    };
    Ok(match kind {
        "unknown-product" => Problem::UnknownProduct,
        "unknown-order" => Problem::UnknownOrder,
        "no-order-here" => {
            Problem::NoOrderHere(from(Some(detail.parse()?), Address::Order(NodeId(2))))
        }
        "insufficient" => Problem::InsufficientStock { version: Version(9), index: 9 },
        "key-reused" => Problem::KeyReused,
        "not-leader" => Problem::NotLeader { leader: detail.parse().ok().map(NodeId) },
        "fenced" => Problem::Fenced(view()?),
        "not-in-sync" => Problem::NotInSync(view()?),
        "in-use" => Problem::FrontendInUse,
        "unavailable" => Problem::Unavailable(detail.to_string()),
        "outcome-unknown" => Problem::OutcomeUnknown(detail.to_string()),
        other => return Err(format!("no problem is called {other}").into()),
    })
}

/// From a state at index 9.
fn from(level: Option<Consistency>, node: Address) -> ReadFrom {
    ReadFrom { consistency: level.unwrap_or_default(), node, incarnation: 1, applied: 9 }
}

fn no_products() -> Reply {
    Reply::Products { products: Vec::new(), from: ReadFrom::UNTOLD }
}

/// `NUMBER/vVERSION@INDEX`, `pending`, or a problem.
fn outcome(text: &str) -> Outcome<OrderOutcome> {
    if text == "pending" {
        return Ok(OrderOutcome::Pending);
    }
    let Some((number, rest)) = text.split_once("/v") else {
        return Ok(OrderOutcome::Said(Err(problem(text)?)));
    };
    let (version, index) = rest.split_once('@').ok_or("an order is NUMBER/vVERSION@INDEX")?;
    Ok(OrderOutcome::Said(Ok(Ordered {
        number: OrderNumber(number.parse()?),
        version: Version(version.parse()?),
        index: index.parse()?,
    })))
}

impl World {
    fn with(config: Config) -> World {
        let node = Frontend::new(config);
        World { node, now: Time::default(), token: 0, open: BTreeMap::new() }
    }

    fn step(&mut self, input: Input, output: &mut String) {
        if let Input::Answer { call, .. } = &input {
            self.open.remove(call);
        }
        let mut effects = Vec::new();
        self.node.step(self.now, input, &mut effects);
        for effect in effects {
            if let Effect::Call { call, deadline, .. } = &effect {
                self.open.insert(*call, self.now + *deadline);
            }
            writeln!(output, "{effect}").unwrap();
        }
    }

    fn request(&mut self, request: Request, output: &mut String) {
        self.token += 1;
        self.step(Input::Request { token: Token(self.token), request }, output);
    }

    fn answer(&mut self, call: u64, answer: Answer, output: &mut String) -> Outcome<()> {
        let call = CallId(call);
        if !self.open.contains_key(&call) {
            return Err(format!("call !{} is not open", call.0).into());
        }
        self.step(Input::Answer { call, answer }, output);
        Ok(())
    }

    fn say(&mut self, call: u64, reply: Reply, output: &mut String) -> Outcome<()> {
        self.answer(call, Answer::Said(Ok(reply)), output)
    }

    /// Moves the clock; deadlines that come at the same moment as a timer come first.
    fn advance(&mut self, to: Time, output: &mut String) {
        loop {
            let timer = self.node.next_timer().map(|at| (at.max(self.now), None));
            let deadlines = self.open.iter().map(|(call, at)| (*at, *call));
            let deadline = deadlines.min().map(|(at, call)| (at.max(self.now), Some(call)));
            let next = deadline.into_iter().chain(timer).min_by_key(|(at, _)| *at);
            let Some((at, what)) = next.filter(|(at, _)| *at <= to) else { break };
            self.now = at;
            let input = match what {
                Some(call) => Input::Answer { call, answer: Answer::Unknown },
                None => Input::Timer,
            };
            let mut lines = String::new();
            let heading = format!("[{at}] {input}");
            self.step(input, &mut lines);
            writeln!(output, "{heading}").unwrap();
            for line in lines.lines() {
                writeln!(output, "  {line}").unwrap();
            }
        }
        self.now = to;
    }

    fn boot(&mut self, output: &mut String) -> Outcome<()> {
        self.step(Input::Start, output);
        let lease = Granted { generation: generation("1.1")?, duration_ms: 2000 };
        let leased = matches!(
            self.node.config.invalidation,
            Invalidation::Lease | Invalidation::Push if self.node.config.cache_capacity > 0
        );
        let first = if leased { Reply::Leased(lease) } else { no_products() };
        self.say(1, first, output)?;
        for (call, id) in [(4, 3), (2, 1), (3, 2)] {
            let leader = Leader {
                leader: Some(NodeId(3)),
                term: "0.1@3".parse()?,
                leading: id == 3,
                members: vec![],
            };
            self.say(call, Reply::Leader(leader), output)?;
        }
        Ok(())
    }

    fn show_cache(&self, output: &mut String) {
        let slots = self.node.status(self.now).cache;
        let slots: Vec<String> = slots
            .iter()
            .map(|slot| format!("{} x{} {}", slot.name, slot.quantity, slot.version))
            .collect();
        let order = match self.node.config.cache_policy {
            Policy::Lru | Policy::Fifo | Policy::Random(_) => "oldest first",
            Policy::Lfu => "least often read first",
        };
        writeln!(output, "{order}: [{}]", slots.join(", ")).unwrap();
    }
}

impl goldenscript::Runner for World {
    type Command = Command;

    #[allow(clippy::too_many_lines)] // One line for each thing that a script can say.
    fn run(&mut self, command: &Command, _: &goldenscript::Context) -> Outcome<String> {
        let mut output = String::new();
        let out = &mut output;
        match command {
            Command::New { mode, capacity, policy, replicas, catalogs } => {
                let mut config = config();
                config.invalidation = mode.unwrap_or(config.invalidation);
                config.cache_capacity = capacity.unwrap_or(config.cache_capacity);
                config.cache_policy = policy.unwrap_or(config.cache_policy);
                config.orders = (1..=replicas.unwrap_or(3)).map(NodeId).collect();
                config.catalogs = catalogs.unwrap_or(config.catalogs);
                *self = World::with(config);
            }
            Command::Start => self.step(Input::Start, out),
            Command::Boot => self.boot(out)?,
            Command::At(millis) => self.advance(Time::from_millis(*millis), out),
            Command::PausedUntil(millis) => self.now = Time::from_millis(*millis),
            Command::Read { name, level } => {
                let (name, consistency) = (name.clone(), level.unwrap_or_default());
                self.request(Request::ReadProduct { name, consistency }, out);
            }
            Command::List => {
                let consistency = Consistency::Linearizable;
                self.request(Request::ListProducts { after: None, limit: 3, consistency }, out);
            }
            Command::Order { name, quantity, key } => {
                let request_id = RequestId::from_key(key)?;
                let quantity = Quantity::new(*quantity)?;
                let order = NewOrder { request_id, name: name.clone(), quantity };
                self.request(Request::PlaceOrder(order), out);
            }
            Command::ReadOrder { number, level } => {
                let (number, consistency) = (OrderNumber(*number), level.unwrap_or_default());
                self.request(Request::ReadOrder { number, consistency }, out);
            }
            Command::Fate(key) => {
                self.request(Request::ReadFate { request_id: RequestId::from_key(key)? }, out);
            }
            Command::Resolve(key) => {
                self.request(Request::ResolveFate { request_id: RequestId::from_key(key)? }, out);
            }
            Command::Invalidate(names) => {
                self.request(Request::Invalidate { names: names.clone() }, out);
            }
            Command::DropCache(catalog) => {
                self.request(Request::DropCache { catalog: *catalog }, out);
            }
            Command::Hit(name) => match self.node.hit(self.now, name) {
                Some(hit) => {
                    writeln!(out, "{} {}", hit.version, std::str::from_utf8(&hit.body)?)?;
                }
                None => writeln!(out, "no hit")?,
            },
            Command::Leased { call, generation: text, ms } => {
                let generation = generation(text)?;
                let lease = Granted { generation, duration_ms: ms.unwrap_or(2000) };
                self.say(*call, Reply::Leased(lease), out)?;
            }
            Command::Filled { call, name, quantity, version, keep, level } => {
                let generation = keep.as_deref().map(generation).transpose()?;
                let (price, version) = (Cents(2599), Version(*version));
                let product = Product { name: name.clone(), price, quantity: *quantity, version };
                let from = from(*level, Address::Catalog(NodeId(1)));
                self.say(*call, Reply::Filled { product, generation, from }, out)?;
            }
            Command::Products(call) => self.say(*call, no_products(), out)?,
            Command::Leads { call, term, members } => {
                let term: Term = term.parse()?;
                let ids = members.as_deref().unwrap_or_default().chars();
                let ids = ids.map(|digit| digit.to_string().parse().map(NodeId));
                let member = |id: NodeId| {
                    let url = (id.0 > 3).then(|| format!("http://order-{id}"));
                    Member { id, part: Part::Votes, url }
                };
                let members = ids.map(|id| id.map(member)).collect::<Result<_, _>>()?;
                let leader = Leader { leader: Some(term.node), term, leading: true, members };
                self.say(*call, Reply::Leader(leader), out)?;
            }
            Command::Follows { call, term, leader } => {
                let leader = leader.map(NodeId);
                let leader =
                    Leader { leader, term: term.parse()?, leading: false, members: vec![] };
                self.say(*call, Reply::Leader(leader), out)?;
            }
            Command::Ordered { call, outcomes } => {
                let outcomes = outcomes.iter().map(|text| outcome(text));
                self.say(*call, Reply::Orders(outcomes.collect::<Outcome<_>>()?), out)?;
            }
            Command::Found { call, number, name, level } => {
                let (number, quantity) = (OrderNumber(*number), Quantity::new(1)?);
                let order = Order { number, name: name.clone(), quantity, index: number.0 + 2 };
                let from = from(*level, Address::Order(NodeId(2)));
                self.say(*call, Reply::Order { order, from }, out)?;
            }
            Command::Recorded { call, number } => {
                let number = OrderNumber(*number);
                let ordered = Ordered { number, version: Version(2), index: number.0 + 2 };
                self.say(*call, Reply::Fate(Fate::Recorded(ordered)), out)?;
            }
            Command::Problem { call, what } => {
                self.answer(*call, Answer::Said(Err(problem(what)?)), out)?;
            }
            Command::Done(call) => self.say(*call, Reply::Done, out)?,
            Command::Refused(call) => self.answer(*call, Answer::Refused, out)?,
            Command::Unknown(call) => self.answer(*call, Answer::Unknown, out)?,
            Command::Link { replica, up } => {
                let node = Address::Order(NodeId(*replica));
                self.step(Input::Link { node, up: up == "up" }, out);
            }
            Command::CatalogLink { replica, up } => {
                let node = Address::Catalog(NodeId(*replica));
                self.step(Input::Link { node, up: up == "up" }, out);
            }
            Command::Stop => self.step(Input::Stop, out),
            Command::Cache => self.show_cache(out),
            Command::Status => {
                writeln!(out, "{}", serde_json::to_string_pretty(&self.node.status(self.now))?)?;
            }
            Command::Ready => match self.node.ready(self.now) {
                Ok(()) => writeln!(out, "ready")?,
                Err(why) => writeln!(out, "not ready: {why}")?,
            },
        }
        Ok(output)
    }
}

/// Every queue is bounded: what does not fit is refused at once, and nothing was done.
#[test]
fn too_many_waiting_orders_are_refused() {
    let mut world = World::default();
    let mut output = String::new();
    for number in 0..=config::ORDERS_WAITING_MAX {
        let request_id = RequestId(number as u128);
        let quantity = Quantity::new(1).unwrap();
        let order = NewOrder { request_id, name: "tux".parse().unwrap(), quantity };
        world.request(Request::PlaceOrder(order), &mut output);
    }
    let refused =
        "reply #16385 error 503 not available: 16384 orders wait here; nothing was done\n";
    assert_eq!(output, refused);
}

/// What waits goes out in few calls, each of a bounded size.
#[test]
fn waiting_orders_are_batched() {
    let mut world = World::default();
    let mut output = String::new();
    for number in 0..3000 {
        let request_id = RequestId(number);
        let quantity = Quantity::new(1).unwrap();
        let order = NewOrder { request_id, name: "tux".parse().unwrap(), quantity };
        world.request(Request::PlaceOrder(order), &mut output);
    }
    world.boot(&mut output).unwrap();
    let sizes: Vec<usize> = output
        .lines()
        .filter(|line| line.contains(" orders ["))
        .map(|line| line.matches("tuxx1:").count())
        .collect();
    assert_eq!(sizes, [config::ORDERS_PER_CALL_MAX; config::ORDER_CALLS_MAX]);
}
