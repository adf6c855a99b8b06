//! Golden scripts of a catalog with three replicas: what they say to those who ask them. Messages
//! between them are delivered at once and in order, unless one is cut off; disks sync at once; what
//! the engine does has scripts of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use replication::engine::Message;
use replication::log::Recovered;
use replication::protocol::{self, Pace, Protocol};
use replication::{NodeId, Time, View};
use test_each_file::test_each_path;

use super::script::{Outcome, generation, key, level, pos, settled, take, term, toy, toys};
use crate::catalog::{Catalog, Config};
use crate::message::{LeaseHolder, Reply, Request};
use crate::node::{Address, Answer, CallId, Effect, Input, Node, Token};

test_each_path! { in "crates/shop/src/catalog/tests/testscripts" as scripts => script }

fn script(path: &Path) {
    goldenscript::run(&mut Group::default(), path).expect("the script's output is as recorded");
}

#[derive(Default)]
struct Host {
    catalog: Option<Catalog>,
    disk: Recovered,
    emitted: u64,
    /// Calls to frontends without an answer.
    calls: BTreeMap<CallId, Address>,
}

#[derive(Default)]
struct Group {
    hosts: BTreeMap<u8, Host>,
    now: Time,
    net: VecDeque<(u8, u8, Message)>,
    cut: BTreeSet<u8>,
    tokens: u64,
    trace: Vec<String>,
}

impl Group {
    fn start(&mut self, id: u8, protocol: Protocol) -> Outcome<()> {
        let peers = (1..=3).filter(|peer| *peer != id).map(NodeId).collect();
        let replica = protocol::Config {
            protocol,
            id: NodeId(id),
            peers,
            pace: Pace::Default,
            unclean: false,
            entries_kept: 100,
            seed: 1,
            joins: false,
        };
        let config = Config {
            toys: Some(toys(&["Tux/100"])?),
            restock_interval: Duration::ZERO,
            replica: Some(replica),
            ..Config::default()
        };
        let host = self.hosts.entry(id).or_default();
        host.catalog = Some(Catalog::new(config, &host.disk)?);
        host.emitted = 0;
        self.step(id, Input::Start);
        self.tell_links(id, true);
        Ok(())
    }

    fn tell_links(&mut self, id: u8, up: bool) {
        let others: Vec<u8> = self.hosts.keys().copied().filter(|other| *other != id).collect();
        for other in others {
            self.step(other, Input::Link { node: Address::Catalog(NodeId(id)), up });
        }
    }

    fn crash(&mut self, id: u8) {
        let host = self.hosts.get_mut(&id).expect("a host");
        (host.catalog, host.calls) = (None, BTreeMap::new());
        self.net.retain(|(from, to, _)| *from != id && *to != id);
        self.tell_links(id, false);
    }

    fn step(&mut self, id: u8, input: Input) {
        let now = self.now;
        let host = self.hosts.get_mut(&id).expect("a host");
        let Some(catalog) = &mut host.catalog else { return };
        let mut effects = Vec::new();
        catalog.step(now, input, &mut effects);
        let (before, mut checkpointed) = (host.emitted, None);
        for effect in effects {
            if !matches!(effect, Effect::Persist(_) | Effect::Send { .. } | Effect::Checkpoint(_)) {
                self.trace.push(format!("[{now}] catalog-{id}: {effect}"));
            }
            match effect {
                Effect::Persist(record) => {
                    host.emitted += 1;
                    host.disk.records.push(record);
                }
                Effect::Checkpoint(checkpoint) => {
                    checkpointed = Some(checkpoint.snapshot.index);
                    host.disk = Recovered { checkpoint, records: Vec::new() };
                }
                Effect::Send { to, message } => self.net.push_back((id, to.0, message)),
                Effect::Call { call, to, .. } => _ = host.calls.insert(call, to),
                Effect::Stopped => host.catalog = None,
                Effect::Reply { .. } | Effect::Know { .. } | Effect::Warn(_) => {}
            }
        }
        let upto = host.emitted;
        if upto > before {
            self.step(id, Input::Persisted { upto });
        }
        if let Some(index) = checkpointed {
            self.step(id, Input::Checkpointed { index });
        }
    }

    /// Delivers everything.
    fn deliver(&mut self) {
        while let Some((from, to, message)) = self.net.pop_front() {
            if !self.cut.contains(&from) && !self.cut.contains(&to) {
                self.step(to, Input::Receive { from: NodeId(from), message });
            }
        }
    }

    /// Lets time pass; timers fire when they are due.
    fn wait(&mut self, end: Time) {
        loop {
            let timers = self.hosts.iter().filter_map(|(id, host)| {
                Some((host.catalog.as_ref()?.next_timer()?.max(self.now), *id))
            });
            let Some((at, id)) = timers.min().filter(|(at, _)| *at <= end) else { break };
            self.now = at;
            self.step(id, Input::Timer);
            self.deliver();
        }
        self.now = end;
    }

    /// The replica that is named, or the one that leads under the highest term.
    fn who(&self, name: &str) -> Outcome<u8> {
        if name != "leader" {
            return Ok(name.parse()?);
        }
        let leading = self.hosts.iter().filter_map(|(id, host)| {
            Some((host.catalog.as_ref()?.leads_under()?, *id)).filter(|_| !self.cut.contains(id))
        });
        Ok(leading.max().ok_or("none leads")?.1)
    }

    fn request(name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<Request> {
        Ok(match name {
            "renew" => {
                let frontend = pos(args, "FRONTEND")?;
                let url = format!("http://frontend-{frontend}");
                let incarnation = key(args, "incarnation")?.unwrap_or(1);
                Request::RenewLease { frontend, url, incarnation }
            }
            "fill" => {
                let name = toy(&pos::<String>(args, "TOY")?)?;
                let given = args.take_key("generation").map(generation).transpose()?;
                let holder = given.map(|generation| LeaseHolder { frontend: 1, generation });
                Request::Fill { name, holder, consistency: level(args)? }
            }
            "list" => {
                let consistency = level(args)?;
                Request::ListProducts { after: None, limit: 10, consistency }
            }
            "take" => {
                let of = term(&pos::<String>(args, "TERM")?)?;
                let item = take(&pos::<String>(args, "TAKE")?)?;
                Request::Take { term: of, floor: 0, items: vec![item] }
            }
            "settle" => {
                let of = term(&pos::<String>(args, "TERM")?)?;
                let one = settled(&pos::<String>(args, "SETTLED")?)?;
                Request::Settle { term: of, takes: vec![one] }
            }
            "view" => {
                let of = term(&pos::<String>(args, "TERM")?)?;
                let previous = args.take_key("previous").map(term).transpose()?;
                let view = View { term: of, in_sync: [of.node].into() };
                let previous = previous.unwrap_or_default();
                Request::PutView { view, previous, unclean: true }
            }
            other => return Err(format!("no command {other}").into()),
        })
    }
}

impl Runner for Group {
    type Command = Command;

    /// - `start [REPLICA...] [protocol=raft|paxos]`, `crash WHO`, `stop WHO`, `wait MS`
    /// - `cut WHO`, `heal`: no message between it and the others, until then
    /// - `ask WHO renew|fill|list|take|settle|view …`: WHO is a replica's id, or `leader`
    /// - `ack WHO FRONTEND`: the frontend did what that replica told it
    /// - `show`: every replica
    fn run(&mut self, command: &Command, _context: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        let mut output = String::new();
        match command.name.as_str() {
            "start" => {
                let given = args.take_key("protocol").map(str::parse).transpose();
                let protocol =
                    given.map_err(Box::<dyn std::error::Error>::from)?.unwrap_or_default();
                let mut ids: Vec<u8> = Vec::new();
                while let Some(id) = args.next_pos() {
                    ids.push(id.parse()?);
                }
                for id in if ids.is_empty() { vec![1, 2, 3] } else { ids } {
                    self.start(id, protocol)?;
                }
            }
            "wait" => {
                let end = self.now + Duration::from_millis(pos(&mut args, "MS")?);
                self.wait(end);
            }
            "heal" => self.cut.clear(),
            "show" => {
                for (id, host) in &self.hosts {
                    let Some(catalog) = &host.catalog else {
                        writeln!(output, "catalog-{id} is down")?;
                        continue;
                    };
                    let status = catalog.status(self.now);
                    let tux = &status.toys.first();
                    let tux = tux.map(|tux| format!("{} {}", tux.in_stock, tux.version));
                    let leader = status.engine.leader.map(|id| format!("catalog-{id}"));
                    let (tux, leader) = (tux.unwrap_or_default(), leader.unwrap_or_default());
                    let (phase, begun) = (&status.phase, status.incarnation);
                    writeln!(output, "catalog-{id} {phase} ({leader}) g{begun}: Tux {tux}")?;
                }
            }
            name => {
                let id = self.who(&pos::<String>(&mut args, "WHO")?)?;
                match name {
                    "crash" => self.crash(id),
                    "stop" => self.step(id, Input::Stop),
                    "cut" => _ = self.cut.insert(id),
                    "ack" => {
                        let to = Address::Frontend(pos(&mut args, "FRONTEND")?);
                        let host = self.hosts.get_mut(&id).ok_or("no such replica")?;
                        let found = host.calls.iter().rev().find(|(_, called)| **called == to);
                        let call = *found.ok_or("it was told nothing")?.0;
                        host.calls.remove(&call);
                        let answer = Answer::Said(Ok(Reply::Done));
                        self.step(id, Input::Answer { call, answer });
                    }
                    "ask" => {
                        self.tokens += 1;
                        let token = Token(self.tokens);
                        let what = pos::<String>(&mut args, "WHAT")?;
                        let request = Group::request(&what, &mut args)?;
                        self.step(id, Input::Request { token, request });
                    }
                    other => return Err(format!("no command {other}").into()),
                }
            }
        }
        self.deliver();
        args.reject_next()?;
        for line in self.trace.drain(..) {
            writeln!(output, "{line}")?;
        }
        Ok(output)
    }
}
