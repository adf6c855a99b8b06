//! What must hold when all is healed and quiet.

use std::collections::{BTreeMap, BTreeSet};

use shop::Node;
use shop::catalog::Catalog;
use shop::message::{NewOrder, Order, OrderNumber};
use shop::orders::ledger::Ledger;

use crate::host::{Name, Process};
use crate::world::World;

impl World {
    fn ledgers(&self) -> Vec<&Ledger> {
        let mut ledgers = Vec::new();
        for host in self.hosts.values() {
            if let Some(Process::Order(orders)) = &host.process {
                ledgers.push(orders.ledger());
            }
        }
        ledgers
    }

    fn catalog(&self) -> &Catalog {
        match &self.hosts[&Name::Catalog].process {
            Some(Process::Catalog(catalog)) => catalog,
            _ => panic!("the catalog is up"),
        }
    }

    /// Everything that the store promises.
    pub fn check(&self) {
        self.check_replicas();
        if let Err(wrong) = self.history.check(self.ledgers()[0]) {
            panic!("{wrong}: {}", self.dump());
        }
        self.check_stock();
        self.check_rest();
        for host in self.hosts.values() {
            if let Some(Process::Shopper(shopper)) = &host.process {
                let summary = shopper.summary();
                assert!(summary.all_matched(), "{summary:?} {}", self.dump());
            }
        }
        let orders = self.history.acknowledged.len();
        let reads = self.history.reads;
        assert!(orders > 20, "too quiet a run, {orders} orders: {}", self.dump());
        assert!(reads > 100, "too quiet a run, {reads} reads: {}", self.dump());
    }

    /// All replicas hold the same orders.
    fn check_replicas(&self) {
        let ledgers = self.ledgers();
        for ledger in &ledgers {
            assert_eq!(ledger.len(), ledgers[0].len(), "as many orders: {}", self.dump());
            let digests = (ledger.digest_of(ledger.len()), ledgers[0].digest_of(ledger.len()));
            assert_eq!(digests.0, digests.1, "equal replicas: {}", self.dump());
        }
    }

    /// No piece appeared or vanished, and what the catalog counts as sold was bought.
    fn check_stock(&self) {
        let ledger = self.ledgers()[0];
        let mut sold: BTreeMap<String, u64> = BTreeMap::new();
        for number in 0..ledger.len() {
            let order = ledger.order(OrderNumber(number)).expect("gapless");
            *sold.entry(order.name.key().to_string()).or_default() +=
                u64::from(order.quantity.get());
        }
        for toy in self.catalog().status(self.now).toys {
            let bought = sold.get(toy.name.key()).copied().unwrap_or(0);
            let (before, after) = (toy.initial + toy.restocked, toy.in_stock + bought);
            assert_eq!(before, after, "{} is conserved: {toy:?} {}", toy.name, self.dump());
            assert_eq!(toy.sold, bought, "the catalog knows: {toy:?} {}", self.dump());
        }
    }

    /// Nothing is left over: no replica aside, no take open, nobody waiting.
    fn check_rest(&self) {
        let status = self.catalog().status(self.now);
        assert_eq!(status.takes_outstanding, 0, "every take is settled: {}", self.dump());
        let in_sync = status.view.in_sync.len();
        assert_eq!(in_sync, usize::from(self.setting.replicas), "all are back: {}", self.dump());
        for host in self.hosts.values() {
            match &host.process {
                Some(Process::Order(orders)) => {
                    let status = orders.status(self.now);
                    assert_eq!(status.purchases, 0, "{status:?} {}", self.dump());
                }
                Some(Process::Frontend(frontend)) => {
                    let status = frontend.status(self.now);
                    let waiting = status.orders_waiting + status.questions_waiting;
                    assert_eq!(waiting + status.readers_waiting, 0, "{status:?} {}", self.dump());
                }
                Some(Process::Catalog(_) | Process::Shopper(_)) | None => {}
            }
        }
    }

    /// How many orders were acknowledged and are not there any more (`naive`). Each must be named
    /// in the log and in the status of a replica, and all replicas must be equal.
    pub fn check_losses(&self) -> usize {
        self.check_replicas();
        let ledger = self.ledgers()[0];
        let same = |order: &Order, number: OrderNumber, of: &NewOrder| {
            (order.number, &order.name, order.quantity) == (number, &of.name, of.quantity)
        };
        let named: BTreeSet<String> = self.warnings.iter().filter_map(|text| named(text)).collect();
        let mut shown = Vec::new();
        for host in self.hosts.values() {
            if let Some(Process::Order(orders)) = &host.process {
                shown.extend(orders.status(self.now).discarded);
            }
        }
        let mut lost = 0;
        for (number, order) in &self.history.ever_acknowledged {
            if ledger.order(*number).is_some_and(|found| same(&found, *number, order)) {
                continue;
            }
            lost += 1;
            let words = format!("{number}: {} x {}", order.quantity, order.name.key());
            let what = format!("order {words} ({:?}) is lost", order.request_id);
            assert!(named.contains(&words), "{what}, no log names it: {}", self.dump());
            let shown = shown.iter().any(|discarded| same(discarded, *number, order));
            assert!(shown, "{what}, no status names it: {}", self.dump());
        }
        lost
    }
}

/// `number: quantity x toy` of a line in an operator's log that names a lost order.
fn named(warning: &str) -> Option<String> {
    let rest = warning.strip_prefix("DISCARDED ")?;
    let rest = rest.strip_prefix("acknowledged ").unwrap_or(rest).strip_prefix("order ")?;
    Some(rest.split(';').next()?.to_lowercase())
}
