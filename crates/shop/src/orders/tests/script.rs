//! The golden scripts: commands in, what the replicas said out, one a line.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use replication::members::Change;
use replication::{Index, NodeId, Protocol, Term, engine};
use test_each_file::test_each_path;

use super::world::{Path, World};
use crate::message::{Consistency, NewOrder, OrderNumber, Request, RequestId};
use crate::node::{Address, CallId, Input, Node};
use crate::orders::command;
use crate::toy::{Quantity, ToyName, Version};

test_each_path! { in "crates/shop/src/orders/testscripts" as scripts => script }

/// What every script's store sells at first.
const TOYS: [(&str, u64); 2] = [("Tux", 100), ("Whale", 5)];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn script(path: &std::path::Path) {
    let mut driver = Driver { world: World::new(1, Protocol::PrimaryBackup, &TOYS) };
    goldenscript::run(&mut driver, path).expect("the script's output is as recorded");
}

struct Driver {
    world: World,
}

impl Runner for Driver {
    type Command = Command;

    /// - `replicas COUNT [protocol=naive|raft] [checkpoint=ENTRIES]`: they start; the catalog sells
    ///   100 Tux and 5 Whales
    /// - `crash|start|pause|resume|stop ID...`, `wait MS`, `full|room ID...`: their disk's room;
    ///   `catalog-full`, `catalog-room`
    /// - `lead ID [after=TERM]`: all are told that it should lead
    /// - `order ID REQUEST/TOY/QUANTITY`, `orders ID REQUEST/TOY/QUANTITY...`
    /// - `read ID NUMBER`, `fate|resolve ID REQUEST`, `leader ID`
    /// - `newcomer ID`: it starts on an empty disk; `members ID`, `add|remove ID MEMBER`,
    ///   `replace ID MEMBER by=MEMBER`
    /// - `list ID [after=N] [limit=N]`, `digest ID [upto=N]`, `missed ID AFTER`
    /// - `hold|release|lose net|calls|answers`: messages, calls to the catalog, its answers;
    ///   `pass calls [PLACE]`: the first of them, or another
    /// - `again ID CALL`: a call comes to the catalog a second time
    /// - `hold-disk|sync|release-disk ID...`, `cut ID...`: from all others, `mend`
    /// - `refused|reached ID...`: everybody sees that connections to it are refused, or open
    /// - `keep TOY`: a frontend caches a toy; `drop`: it drops what it was told to drop
    /// - `propose ID TERM REQUEST/TOY/QUANTITY`: an entry that a broken engine might forward
    /// - `wire`: from now on messages and records are shown too; `no-wire`
    /// - `status`
    fn run(&mut self, command: &Command, _context: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        let mut output = String::new();
        match command.name.as_str() {
            "replicas" => self.replicas(&mut args)?,
            "crash" | "start" | "pause" | "resume" | "stop" | "full" | "room" | "hold-disk"
            | "sync" | "release-disk" | "cut" | "refused" | "reached" => {
                while let Some(id) = args.next_pos() {
                    self.each(&command.name, NodeId(id.parse()?));
                }
            }
            "mend" => self.world.cut.clear(),
            "catalog-full" => self.world.step_catalog(Input::DiskFull(true)),
            "catalog-room" => self.world.step_catalog(Input::DiskFull(false)),
            "wait" => {
                let millis: u64 = args.next_pos().ok_or("MS is missing")?.parse()?;
                self.world.wait(Duration::from_millis(millis));
            }
            "hold" | "release" | "lose" | "pass" => self.hold(&command.name, &mut args)?,
            "keep" => self.world.keep(args.next_pos().ok_or("TOY is missing")?),
            "drop" => self.world.drop_kept(),
            "again" => {
                let id = NodeId(args.next_pos().ok_or("ID is missing")?.parse()?);
                let call = CallId(args.next_pos().ok_or("CALL is missing")?.parse()?);
                self.world.say_again(id, call);
            }
            "lead" => self.lead(&mut args)?,
            "propose" => self.propose(&mut args)?,
            "wire" => self.world.wire = true,
            "no-wire" => self.world.wire = false,
            "newcomer" => {
                let id = NodeId(args.next_pos().ok_or("ID is missing")?.parse()?);
                self.world.newcomer(id);
            }
            "status" => self.status(&mut output)?,
            name => {
                let id = NodeId(args.next_pos().ok_or("ID is missing")?.parse()?);
                let request = request(name, &mut args)?;
                self.world.ask(id, request);
            }
        }
        args.reject_next()?;
        self.world.run();
        let mut lines = std::mem::take(&mut self.world.trace);
        lines.push(output);
        Ok(lines.join("\n"))
    }
}

impl Driver {
    fn replicas(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let count: u8 = args.next_pos().ok_or("COUNT is missing")?.parse()?;
        let protocol = args.take_key("protocol").map_or(Ok(Protocol::PrimaryBackup), str::parse)?;
        self.world = World::new(count, protocol, &TOYS);
        self.world.checkpoint_every = args.take_key("checkpoint").map(str::parse).transpose()?;
        for id in 1..=count {
            self.world.start(NodeId(id));
        }
        Ok(())
    }

    fn each(&mut self, what: &str, id: NodeId) {
        let world = &mut self.world;
        let others: Vec<NodeId> =
            world.hosts.keys().copied().filter(|other| *other != id).collect();
        let host = world.hosts.get_mut(&id).expect("a host");
        match what {
            "crash" => world.crash(id),
            "start" => world.start(id),
            "pause" => host.paused = true,
            "resume" => world.resume(id),
            "stop" => world.step(id, Input::Stop),
            "full" | "room" => world.step(id, Input::DiskFull(what == "full")),
            "hold-disk" | "release-disk" => host.disk_held = what == "hold-disk",
            "sync" => world.sync(id),
            "cut" => {
                for other in others {
                    world.cut.extend([(id, other), (other, id)]);
                }
            }
            "refused" | "reached" => {
                let input = Input::Link { node: Address::Order(id), up: what == "reached" };
                for other in others {
                    world.step(other, input.clone());
                }
            }
            other => unreachable!("{other} is not in the list"),
        }
    }

    fn hold(&mut self, what: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let path = match args.next_pos().ok_or("what?")? {
            "net" => Path::Net,
            "calls" => Path::Calls,
            "answers" => Path::Answers,
            other => return Err(format!("{other} cannot be held").into()),
        };
        match what {
            "hold" => {
                self.world.held.insert(path);
            }
            "release" => {
                self.world.held.remove(&path);
            }
            "pass" => {
                let place = args.next_pos().map(str::parse).transpose()?;
                self.world.pass(path, place.unwrap_or(1) - 1);
            }
            _ => self.world.lose(path),
        }
        Ok(())
    }

    fn lead(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let leader = NodeId(args.next_pos().ok_or("ID is missing")?.parse()?);
        let replicas = self.world.hosts.values().filter_map(|host| host.orders.as_ref());
        let highest = replicas.map(|orders| orders.engine.status().term).max();
        let after: Option<Term> = args.take_key("after").map(str::parse).transpose()?;
        let after = after.or(highest).unwrap_or_default();
        for id in self.world.hosts.keys().copied().collect::<Vec<_>>() {
            self.world.ask(id, Request::Lead { leader, after });
        }
        Ok(())
    }

    fn propose(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let id = NodeId(args.next_pos().ok_or("ID is missing")?.parse()?);
        let term: Term = args.next_pos().ok_or("TERM is missing")?.parse()?;
        let order = order(args.next_pos().ok_or("an order is missing")?)?;
        let entry = command::Command::Record { term, order, version: Version(99) }.encode();
        let now = self.world.now;
        let host = self.world.hosts.get_mut(&id).ok_or("no such host")?;
        let orders = host.orders.as_mut().ok_or("it is down")?;
        let mut out = Vec::new();
        orders.drive(now, engine::Input::Propose(vec![entry]), &mut out);
        self.world.perform_all(id, out);
        Ok(())
    }

    fn status(&self, output: &mut String) -> Outcome<()> {
        for (id, host) in &self.world.hosts {
            let Some(orders) = &host.orders else {
                writeln!(output, "{id}: down")?;
                continue;
            };
            let (status, ready) = (orders.status(self.world.now), orders.ready(self.world.now));
            let paused = if host.paused { " (paused)" } else { "" };
            let (role, term) = (status.engine.role, status.engine.term);
            write!(output, "{id}: {role}{paused} {term}, {}, ", status.state)?;
            let (orders, under_way) = (status.orders, status.purchases);
            writeln!(
                output,
                "{orders} orders, digest {}, {under_way} under way",
                &status.digest[..8]
            )?;
            if let Err(why) = ready {
                writeln!(output, "   not ready: {why}")?;
            }
            for order in status.discarded {
                let (number, quantity, name) = (order.number, order.quantity, order.name);
                writeln!(output, "   discarded: order {number}, {name} x{quantity}")?;
            }
        }
        let status = self.world.catalog().status(self.world.now);
        writeln!(output, "view {}, {} takes outstanding", status.view, status.takes_outstanding)?;
        for toy in status.toys {
            let (name, stock, sold, open) = (toy.name, toy.in_stock, toy.sold, toy.unsettled);
            let version = toy.version;
            writeln!(output, "{name}: {stock} in stock, {sold} sold, {open} unsettled, {version}")?;
        }
        Ok(())
    }
}

fn request(name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<Request> {
    let first = args.next_pos().unwrap_or_default();
    Ok(match name {
        "order" => Request::PlaceOrder(order(first)?),
        "orders" => {
            let mut orders = Vec::new();
            if !first.is_empty() {
                orders.push(order(first)?);
            }
            while let Some(text) = args.next_pos() {
                orders.push(order(text)?);
            }
            Request::PlaceOrders(orders)
        }
        "read" => {
            let number = OrderNumber(first.parse()?);
            Request::ReadOrder { number, consistency: level(args)?.unwrap_or_default() }
        }
        "fate" => Request::ReadFate { request_id: request_id(first)? },
        "resolve" => Request::ResolveFate { request_id: request_id(first)? },
        "leader" => Request::ReadLeader,
        "list" => {
            let after = args.take_key("after").map(str::parse).transpose()?.map(OrderNumber);
            let limit = args.take_key("limit").map(str::parse).transpose()?.unwrap_or(100);
            let consistency = level(args)?.unwrap_or(Consistency::Local);
            Request::ListOrders { after, limit, consistency }
        }
        "digest" => {
            Request::ReadDigest { upto: args.take_key("upto").map(str::parse).transpose()? }
        }
        "members" => Request::ReadMembers,
        "add" => {
            Request::ChangeMembers(Change::Add { id: NodeId(first.parse()?), url: url(first) })
        }
        "remove" => Request::ChangeMembers(Change::Remove { id: NodeId(first.parse()?) }),
        "replace" => {
            let by = args.take_key("by").ok_or("by=MEMBER is missing")?;
            let (id, by, url) = (NodeId(first.parse()?), NodeId(by.parse()?), url(by));
            Request::ChangeMembers(Change::Replace { id, by, url })
        }
        "missed" => Request::ReadMissed { after: Index(first.parse()?) },
        other => return Err(format!("no command {other}").into()),
    })
}

fn level(args: &mut ArgumentConsumer<'_>) -> Outcome<Option<Consistency>> {
    Ok(args.take_key("level").map(str::parse).transpose()?)
}

fn url(id: &str) -> bytes::Bytes {
    format!("http://order-{id}").into()
}

/// The first of 32 hexadecimal digits are shown.
fn request_id(text: &str) -> Outcome<RequestId> {
    Ok(RequestId(u128::from_str_radix(text, 16)? << 96))
}

fn order(text: &str) -> Outcome<NewOrder> {
    let parts: Vec<&str> = text.split('/').collect();
    let [request, name, quantity] = parts[..] else {
        return Err("an order is REQUEST/TOY/QUANTITY".into());
    };
    let name = name.parse::<ToyName>()?;
    let quantity = Quantity::new(quantity.parse()?)?;
    Ok(NewOrder { request_id: request_id(request)?, name, quantity })
}
