//! What must hold when all is healed and quiet: what clients were told is judged as a history; and
//! of the nodes: replicas are equal and all in sync, no piece appeared or vanished, nothing is left
//! over.
//!
//! Called by `run` at the end.

use std::collections::{BTreeMap, BTreeSet};

use replication::{Members, NodeId, Time};
use shop::Node;
use shop::message::{Consistency, NewOrder, Order, OrderNumber, RequestId};
use shop::orders::ledger::Ledger;

use super::World;
use super::process::Process;
use crate::record::UNDECIDED;
use crate::who::Who;

/// Fewer acknowledged orders in a minute prove nothing.
const ORDERS_A_MINUTE_MIN: u64 = 10;

/// And fewer reads.
const READS_A_MINUTE_MIN: u64 = 30;

pub(super) type Check = Result<(), (&'static str, String)>;

impl World {
    fn ledgers(&self) -> Vec<&Ledger> {
        let mut ledgers = Vec::new();
        for id in self.operator.members() {
            if let Some(Process::Order(orders)) = &self.hosts[self.seat(Who::Order(id.0))].process {
                ledgers.push(orders.ledger());
            }
        }
        ledgers
    }

    /// Whether all shoppers have done everything.
    pub fn shoppers_are_done(&self) -> bool {
        self.hosts.iter().all(|host| match &host.process {
            Some(Process::Shopper(shopper)) => shopper.finished(),
            Some(_) | None => true,
        })
    }

    /// Who is not done, for the message.
    pub fn stragglers(&self) -> String {
        let mut words = Vec::new();
        for host in &self.hosts {
            if let Some(Process::Shopper(shopper)) = &host.process
                && !shopper.finished()
            {
                words.push(host.who.to_string());
            }
        }
        words.extend(self.unsettled());
        words.join(", ")
    }

    /// Everything that the store promises, once it is quiet: what clients can tell first.
    pub fn check(&mut self) {
        self.tell_the_truth();
        if self.judge() {
            return;
        }
        let checked = if self.plan.setting.firm() { self.check_all() } else { self.check_naive() };
        if let Err((promise, what)) = checked {
            self.breaks(promise, what);
        }
    }

    /// The final logs and the final stock go into the history.
    fn tell_the_truth(&mut self) {
        for host in self.hosts.iter().filter(|host| host.enlisted) {
            match &host.process {
                Some(Process::Order(orders)) => self.record.log(host.who, orders.ledger()),
                Some(Process::Frontend(_) | Process::Shopper(_) | Process::Catalog(_)) | None => {}
            }
        }
        let toys = self.catalog().map_or_else(Vec::new, |catalog| catalog.status(Time(0)).toys);
        for toy in &toys {
            self.record.stock(toy);
        }
    }

    /// What is left at the end of what clients were told, if costs are wanted.
    pub fn count_kept(&mut self) {
        let mut numbers: BTreeMap<RequestId, BTreeSet<OrderNumber>> = BTreeMap::new();
        let mut kept = BTreeSet::new();
        if let Some(ledger) = self.ledgers().first() {
            for (order, request_id, _) in ledger.records() {
                kept.insert((order.number, request_id));
                numbers.entry(request_id).or_default().insert(order.number);
            }
        }
        let told = self.record.acknowledged.keys();
        let lost = told.clone().filter(|told| !kept.contains(told)).count();
        for (number, request_id) in told {
            numbers.entry(*request_id).or_default().insert(*number);
        }
        let doubled = numbers.values().filter(|numbers| numbers.len() > 1).count();
        if let Some(costs) = &mut self.costs {
            (costs.lost, costs.doubled) = (lost as u64, doubled as u64);
        }
    }

    /// What the judge of histories says of all that clients were told. Returns whether it convicts.
    /// That goes before whatever else was noticed, since it is what a client can see of it; but
    /// what it cannot decide goes behind.
    pub fn judge(&mut self) -> bool {
        self.record.close(self.now);
        let said = self.record.judge(&self.plan.setting);
        self.tally.orders = self.record.acknowledged.len() as u64;
        self.tally.reads = said.staleness.reads;
        self.tally.stale = said.staleness.stale;
        self.convicted = said.convicted;
        self.forgiven = said.forgiven;
        let Some(mut broken) = said.broken else { return false };
        if let Some(other) = self.broken.take() {
            if broken.promise == UNDECIDED {
                self.broken = Some(other);
                return false;
            }
            broken.what = format!("{}; and {}: {}", broken.what, other.promise, other.what);
        }
        self.breaks(broken.promise, broken.what);
        true
    }

    fn check_all(&self) -> Check {
        self.check_replicas()?;
        self.check_catalogs()?;
        self.check_stock()?;
        self.check_rest()?;
        for host in &self.hosts {
            if let Some(Process::Shopper(shopper)) = &host.process {
                let summary = shopper.summary();
                if !summary.all_matched() {
                    let kinds = &summary.differences;
                    let what = format!("{}: {kinds:?} of {summary:?}", host.who);
                    return Err(("comparison", what));
                }
            }
        }
        self.check_busy()
    }

    /// A run in which hardly anything happened proves nothing. The reads are those that must be
    /// fresh: fewer where some shoppers ask for less.
    fn check_busy(&self) -> Check {
        let (setting, shoppers) = (&self.plan.setting, self.plan.setting.seats.shoppers);
        let strict = |id: &u8| setting.levels.of_shopper(*id) == Consistency::Linearizable;
        let fresh = (1..=shoppers).filter(strict).count() as u64;
        let minutes = |least: u64| least * self.plan.heal_at.0 / 60_000_000;
        let (orders, reads) = (self.tally.orders, self.tally.reads);
        let whole = self.plan.rounds == u32::MAX && shoppers > 0;
        let few_reads = reads * u64::from(shoppers) < minutes(READS_A_MINUTE_MIN) * fresh;
        if whole && (orders < minutes(ORDERS_A_MINUTE_MIN) || few_reads) {
            return Err(("busy", format!("{orders} orders and {reads} reads are too few")));
        }
        Ok(())
    }

    /// All replicas hold the same orders.
    fn check_replicas(&self) -> Check {
        let (ledgers, members) = (self.ledgers(), self.operator.members());
        if ledgers.len() != members.len() {
            return Err(("liveness", "an order replica is down after healing".to_string()));
        }
        let eldest = members.first().copied().unwrap_or_default();
        for (id, ledger) in members.iter().zip(&ledgers) {
            let (len, first) = (ledger.len(), ledgers[0].len());
            if len != first {
                let what = format!("order-{id} has {len} orders, order-{eldest} {first}");
                return Err(("equal replicas", what));
            }
            if ledger.digest_of(len) != ledgers[0].digest_of(len) {
                let what = format!("order-{id} has other orders than order-{eldest}");
                return Err(("equal replicas", what));
            }
        }
        self.check_members(&members)
    }

    /// Where members change, every replica knows who they are, and nobody else runs.
    fn check_members(&self, members: &BTreeSet<NodeId>) -> Check {
        for host in &self.hosts {
            let (Who::Order(id), Some(Process::Order(orders))) = (host.who, &host.process) else {
                continue;
            };
            let engine = orders.status(Time(0)).engine;
            let all: Vec<NodeId> = members.iter().copied().collect();
            let knows = engine.in_sync == all && engine.role != "removed";
            let fixed = engine.members.is_none();
            if !members.contains(&NodeId(id)) || !(fixed || knows) {
                let (role, of) = (engine.role, engine.members.unwrap_or_default());
                let is = Members::first(all);
                let what = format!("{} is {role} of {of}, and the members are {is}", host.who);
                return Err(("members", what));
            }
        }
        Ok(())
    }

    /// No piece appeared or vanished, and what the catalog counts as sold was bought.
    fn check_stock(&self) -> Check {
        let ledger = self.ledgers()[0];
        let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
        let orders: Vec<Order> =
            (0..ledger.len()).filter_map(|number| ledger.order(OrderNumber(number))).collect();
        if orders.len() as u64 != ledger.len() {
            return Err(("gapless", "an order number is left out".to_string()));
        }
        for order in &orders {
            *sold.entry(order.name.key()).or_default() += u64::from(order.quantity.get());
        }
        let catalog = self.catalog().ok_or(("liveness", "the catalog is down".to_string()))?;
        for toy in catalog.status(Time(0)).toys {
            let bought = sold.get(toy.name.key()).copied().unwrap_or(0);
            let (before, after) = (toy.initial + toy.restocked, toy.in_stock + bought);
            if before != after {
                return Err((
                    "conservation",
                    format!("{} came, {after} are there: {toy:?}", before),
                ));
            }
            if toy.sold != bought {
                let what = format!("{bought} were bought, the catalog counts otherwise: {toy:?}");
                return Err(("conservation", what));
            }
        }
        Ok(())
    }

    /// Nothing is left over: no replica aside, no take open, nobody waiting.
    fn check_rest(&self) -> Check {
        let rest = |what: String| Err(("rest", what));
        let catalog = self.catalog().ok_or(("liveness", "the catalog is down".to_string()))?;
        let status = catalog.status(Time(0));
        if status.takes_outstanding > 0 {
            return rest(format!("{} takes are not settled", status.takes_outstanding));
        }
        let viewed = self.plan.setting.protocol.has_arbiter();
        if viewed && status.view.in_sync != self.operator.members() {
            return rest(format!("not all replicas are back: {}", status.view));
        }
        for host in self.hosts.iter().filter(|host| host.enlisted) {
            let now = host.clock.read(self.now);
            match &host.process {
                Some(Process::Order(orders)) => {
                    let status = orders.status(now);
                    if status.purchases > 0 {
                        return rest(format!("purchases are left over: {status:?}"));
                    }
                }
                Some(Process::Frontend(frontend)) => {
                    let status = frontend.status(now);
                    let waiting = status.orders_waiting + status.questions_waiting;
                    if waiting + status.readers_waiting > 0 {
                        return rest(format!("somebody waits: {status:?}"));
                    }
                }
                Some(Process::Catalog(_) | Process::Shopper(_)) => {}
                None => return Err(("liveness", format!("{} is down after healing", host.who))),
            }
        }
        Ok(())
    }

    /// `naive` may lose acknowledged orders. Each must be named in the log and in the status of a
    /// replica, and all replicas must be equal. Counts them.
    fn check_naive(&mut self) -> Check {
        self.check_replicas()?;
        let same = |order: &Order, number: OrderNumber, of: &NewOrder| {
            (order.number, &order.name, order.quantity) == (number, &of.name, of.quantity)
        };
        let named: BTreeSet<String> = self.warnings.iter().filter_map(|text| named(text)).collect();
        let (mut shown, mut full) = (Vec::new(), false);
        for host in &self.hosts {
            if let Some(Process::Order(orders)) = &host.process {
                let discarded = orders.status(self.now).discarded;
                // It names the newest; the log has them all.
                full |= discarded.len() >= shop::orders::DISCARDED_MAX;
                shown.extend(discarded);
            }
        }
        let mut lost = 0;
        for ((number, _), order) in &self.record.acknowledged {
            let found = self.ledgers()[0].order(*number);
            if found.is_some_and(|found| same(&found, *number, order)) {
                continue;
            }
            lost += 1;
            let words = format!("{number}: {} x {}", order.quantity, order.name.key());
            let what = format!("order {words} ({:?}) is lost", order.request_id);
            if !named.contains(&words) {
                return Err(("losses are named", format!("{what}, no log names it")));
            }
            if !full && !shown.iter().any(|discarded| same(discarded, *number, order)) {
                return Err(("losses are named", format!("{what}, no status names it")));
            }
        }
        self.tally.lost = lost;
        Ok(())
    }
}

/// `number: quantity x toy` of a line in an operator's log that names a lost order.
fn named(warning: &str) -> Option<String> {
    let rest = warning.strip_prefix("DISCARDED ")?;
    let rest = rest.strip_prefix("acknowledged ").unwrap_or(rest).strip_prefix("order ")?;
    Some(rest.split(';').next()?.to_lowercase())
}
