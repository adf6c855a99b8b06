//! The golden scripts: commands in, the effects that were performed out, one a line.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use replication::{NodeId, Term, View};
use test_each_file::test_each_path;

use super::world::World;
use crate::catalog::Config;
use crate::catalog::catalogue::Toy;
use crate::invalidation::Invalidation;
use crate::message::{
    Generation, LeaseHolder, NewOrder, Reply, Request, RequestId, Settled, TakeItem,
};
use crate::node::{Answer, Input, Node};
use crate::toy::{Cents, Quantity, ToyName};

test_each_path! { in "crates/shop/src/catalog/testscripts" as scripts => script }

pub(super) type Outcome<T> = Result<T, Box<dyn Error>>;

fn script(path: &Path) {
    let config = Config { toys: Some(toys(&["Tux/100", "Whale/5"]).unwrap()), ..Config::default() };
    let mut driver = Driver { world: World::new(config) };
    goldenscript::run(&mut driver, path).expect("the script's output is as recorded");
}

struct Driver {
    world: World,
}

impl Runner for Driver {
    type Command = Command;

    /// - `start [toys=[NAME/QUANTITY,...]] [mode=lease|push|ttl|none] [restock=MS] [fencing=false]
    ///   [checkpoint=ENTRIES]`: a process begins, on what the disk holds
    /// - `crash`, `stop`, `wait MS`; `disk manual|auto|full|room`, `sync [RECORDS]`
    /// - `renew FRONTEND [incarnation=N] [url=URL]`, `end FRONTEND [incarnation=N]`
    /// - `fill TOY [frontend=N] [generation=I.N]`: by default that of its last lease
    /// - `list [after=TOY] [limit=N]`
    /// - `take TERM NUMBER/TOY/QUANTITY/REQUEST... [floor=N]`
    /// - `view TERM REPLICA... [previous=TERM]`
    /// - `settle TERM TERM/NUMBER/recorded|give-back...`
    /// - `ack|fail|refuse FRONTEND`: answers the call that waits for a frontend
    /// - `status`, `ready`, `timer`
    fn run(&mut self, command: &Command, _context: &Context) -> Outcome<String> {
        let mut args = command.consume_args();
        let mut output = String::new();
        match command.name.as_str() {
            "start" => self.start(&mut args)?,
            "crash" => self.world.crash(0),
            "stop" => self.world.step(Input::Stop),
            "wait" => self.world.wait(Duration::from_millis(pos(&mut args, "MS")?)),
            "disk" => match pos::<String>(&mut args, "state")?.as_str() {
                "manual" => self.world.auto = false,
                "auto" => {
                    self.world.auto = true;
                    if self.world.catalog.is_some() {
                        self.world.sync(usize::MAX);
                    }
                }
                "full" => self.world.step(Input::DiskFull(true)),
                "room" => self.world.step(Input::DiskFull(false)),
                other => return Err(format!("no disk is {other}").into()),
            },
            "sync" => {
                let count = args.next_pos().map(str::parse).transpose()?;
                self.world.sync(count.unwrap_or(usize::MAX));
            }
            "ack" => self.answer(&mut args, Answer::Said(Ok(Reply::Done)))?,
            "fail" => self.answer(&mut args, Answer::Unknown)?,
            "refuse" => self.answer(&mut args, Answer::Refused)?,
            "status" => self.status(&mut output)?,
            "ready" => match self.world.node().ready(self.world.now) {
                Ok(()) => writeln!(output, "ready")?,
                Err(what) => writeln!(output, "not ready: {what}")?,
            },
            "timer" => match self.world.node().next_timer() {
                Some(at) => writeln!(output, "next timer at {at}")?,
                None => writeln!(output, "no timer")?,
            },
            name => {
                let request = self.request(name, &mut args)?;
                self.world.ask(request);
            }
        }
        args.reject_next()?;
        for line in self.world.trace.drain(..) {
            writeln!(output, "{line}")?;
        }
        Ok(output)
    }
}

impl Driver {
    fn start(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let config = &mut self.world.config;
        if let Some(given) = args.take_key("toys") {
            let given: Vec<&str> = given.split(',').collect();
            config.toys = Some(toys(&given)?);
        }
        if let Some(mode) = args.take_key("mode") {
            config.invalidation = match mode {
                "lease" => Invalidation::Lease,
                "push" => Invalidation::Push,
                "ttl" => Invalidation::Ttl(Duration::from_secs(2)),
                "none" => Invalidation::None,
                other => return Err(format!("no mode {other}").into()),
            };
        }
        if let Some(millis) = key(args, "restock")? {
            config.restock_interval = Duration::from_millis(millis);
        }
        if let Some(fencing) = key(args, "fencing")? {
            config.fencing = fencing;
        }
        if let Some(entries) = key(args, "checkpoint")? {
            config.checkpoint_entries = entries;
        }
        Ok(self.world.start()?)
    }

    fn answer(&mut self, args: &mut ArgumentConsumer<'_>, answer: Answer) -> Outcome<()> {
        let frontend = pos(args, "FRONTEND")?;
        let call = self.world.call_of(frontend).ok_or("nothing waits for this frontend")?;
        self.world.answer(call, answer);
        Ok(())
    }

    fn request(&self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<Request> {
        Ok(match name {
            "renew" => {
                let frontend = pos(args, "FRONTEND")?;
                let incarnation = key(args, "incarnation")?.unwrap_or(1);
                let url = key(args, "url")?.unwrap_or(format!("http://frontend-{frontend}"));
                Request::RenewLease { frontend, url, incarnation }
            }
            "end" => {
                let frontend = pos(args, "FRONTEND")?;
                let incarnation = key(args, "incarnation")?.unwrap_or(1);
                Request::EndLease { frontend, incarnation }
            }
            "fill" => {
                let name = toy(&pos::<String>(args, "TOY")?)?;
                let generation = args.take_key("generation").map(generation).transpose()?;
                let holder = key(args, "frontend")?.map(|frontend| {
                    let last = self.world.node().leases.holders().get(&frontend);
                    let generation = generation.or(last.map(|holder| holder.generation));
                    LeaseHolder { frontend, generation: generation.unwrap_or_default() }
                });
                Request::Fill { name, holder }
            }
            "list" => {
                let after = args.take_key("after").map(toy).transpose()?;
                Request::ListProducts { after, limit: key(args, "limit")?.unwrap_or(100) }
            }
            "take" => {
                let term = term(&pos::<String>(args, "TERM")?)?;
                let mut items = Vec::new();
                while let Some(text) = args.next_pos() {
                    items.push(take(text)?);
                }
                Request::Take { term, floor: key(args, "floor")?.unwrap_or(0), items }
            }
            "view" => {
                let term_ = term(&pos::<String>(args, "TERM")?)?;
                let mut view = View { term: term_, ..View::default() };
                while let Some(node) = args.next_pos() {
                    view.in_sync.insert(NodeId(node.parse()?));
                }
                let current = self.world.node().stock().view().term;
                let previous = args.take_key("previous").map(term).transpose()?;
                let previous = previous.unwrap_or(current);
                Request::PutView { view, previous, unclean: false }
            }
            "settle" => {
                let of = term(&pos::<String>(args, "TERM")?)?;
                let mut takes = Vec::new();
                while let Some(text) = args.next_pos() {
                    takes.push(settled(text)?);
                }
                Request::Settle { term: of, takes }
            }
            other => return Err(format!("no command {other}").into()),
        })
    }

    fn status(&self, output: &mut String) -> Outcome<()> {
        let status = self.world.node().status(self.world.now);
        let (phase, view, mode) = (&status.phase, &status.view, &status.invalidation);
        let outstanding = status.takes_outstanding;
        writeln!(output, "{phase} {mode} view {view}, {outstanding} takes outstanding")?;
        writeln!(output, "log {}..{}", status.log_start, status.log_last)?;
        for toy in &status.toys {
            assert_eq!(toy.initial + toy.restocked, toy.in_stock + toy.sold + toy.unsettled);
            writeln!(
                output,
                "{}: initial {} + restocked {} = in stock {} + sold {} + unsettled {}, {} seen {}",
                toy.name,
                toy.initial,
                toy.restocked,
                toy.in_stock,
                toy.sold,
                toy.unsettled,
                toy.version,
                toy.visible_version
            )?;
        }
        for frontend in &status.frontends {
            writeln!(output, "registered: frontend-{} at {}", frontend.frontend, frontend.url)?;
        }
        for lease in &status.leases {
            let held: Vec<&str> = lease.may_hold.iter().map(ToyName::spelling).collect();
            let (frontend, generation) = (lease.frontend, lease.generation);
            let (left, held) = (lease.remaining_ms, held.join(" "));
            let revoking = if lease.revoking { ", revoking" } else { "" };
            let lease = format!("frontend-{frontend} {generation} {left}ms [{held}]{revoking}");
            writeln!(output, "lease: {lease}")?;
        }
        Ok(())
    }
}

pub(super) fn pos<T: FromStr>(args: &mut ArgumentConsumer<'_>, what: &str) -> Outcome<T>
where
    T::Err: Error + 'static,
{
    Ok(args.next_pos().ok_or_else(|| format!("{what} is missing"))?.parse()?)
}

pub(super) fn key<T: FromStr>(args: &mut ArgumentConsumer<'_>, name: &str) -> Outcome<Option<T>>
where
    T::Err: Error + 'static,
{
    Ok(args.take_key(name).map(str::parse).transpose()?)
}

pub(super) fn toys(given: &[&str]) -> Outcome<Vec<Toy>> {
    let read = |text: &&str| {
        let (name, quantity) = text.split_once('/').ok_or("a toy is NAME/QUANTITY")?;
        Ok(Toy { name: toy(name)?, price: Cents(2599), quantity: quantity.parse()? })
    };
    given.iter().map(read).collect()
}

pub(super) fn toy(text: &str) -> Outcome<ToyName> {
    Ok(text.parse::<ToyName>()?)
}

pub(super) fn term(text: &str) -> Outcome<Term> {
    Ok(text.parse::<Term>()?)
}

pub(super) fn generation(text: &str) -> Outcome<Generation> {
    let (catalog, count) = text.split_once('.').ok_or("a generation is INCARNATION.COUNT")?;
    Ok(Generation { catalog: catalog.parse()?, count: count.parse()? })
}

pub(super) fn take(text: &str) -> Outcome<TakeItem> {
    let parts: Vec<&str> = text.split('/').collect();
    let [number, name, quantity, request] = parts[..] else {
        return Err("a take is NUMBER/TOY/QUANTITY/REQUEST".into());
    };
    // The first of 32 hexadecimal digits are shown.
    let request_id = RequestId(u128::from_str_radix(request, 16)? << 96);
    let quantity = Quantity::new(quantity.parse()?)?;
    let order = NewOrder { request_id, name: toy(name)?, quantity };
    Ok(TakeItem { number: number.parse()?, order })
}

pub(super) fn settled(text: &str) -> Outcome<Settled> {
    let parts: Vec<&str> = text.split('/').collect();
    let [of, number, fate] = parts[..] else { return Err("expected TERM/NUMBER/FATE".into()) };
    let recorded = match fate {
        "recorded" => true,
        "give-back" => false,
        other => return Err(format!("no fate is {other}").into()),
    };
    Ok(Settled { term: term(of)?, number: number.parse()?, recorded })
}
