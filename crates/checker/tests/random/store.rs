//! A store that keeps every promise, and clients whose operations overlap at random.
//!
//! Everything happens at one moment each, in one order; what a client sees of it begins some time
//! before and ends some time after. So the history is right by construction, whatever the checker
//! makes of it.

use checker::history::{
    Cache, EventKind, FORMAT, FateKind, Head, Line, LoggedLine, MAGIC, OpKind, OutcomeKind, Reason,
    RestockRule, Shelf,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// What kind of history is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub toys: usize,
    pub clients: u32,
    pub operations: u64,
    /// Of each toy at first, and after a restock.
    pub quantity: i64,
    /// Whether answers show versions, and log indexes.
    pub versions: bool,
    /// Whether final logs name requests.
    pub logged_keys: bool,
    /// Whether some purchases are never answered.
    pub unknown: bool,
}

struct Toy {
    name: String,
    quantity: i64,
    version: u64,
}

struct Order {
    toy: usize,
    quantity: i64,
    key: String,
    version: u64,
    index: u64,
}

struct Store<'a> {
    plan: Plan,
    random: Pcg64Mcg,
    now: u64,
    index: u64,
    toys: Vec<Toy>,
    orders: Vec<Order>,
    /// Purchases without an answer: key, and the order if there is one.
    unanswered: Vec<(String, Option<usize>)>,
    /// Takes that are to be put back: toy, quantity.
    out: Vec<(usize, i64)>,
    /// When each client is free again.
    free: Vec<u64>,
    write: &'a mut dyn FnMut(String),
}

/// Makes a history, line by line.
pub fn history(plan: Plan, write: &mut dyn FnMut(String)) {
    let toys = (0..plan.toys).map(|place| Toy {
        name: format!("toy {place}"),
        quantity: plan.quantity,
        version: 1,
    });
    let mut store = Store {
        plan,
        random: Pcg64Mcg::seed_from_u64(plan.seed),
        now: 1_000,
        index: 1,
        toys: toys.collect(),
        orders: Vec::new(),
        unanswered: Vec::new(),
        out: Vec::new(),
        free: vec![0; plan.clients as usize],
        write,
    };
    store.head();
    for number in 0..plan.operations {
        store.happen(number);
    }
    store.end();
}

impl Store<'_> {
    fn draw(&mut self, below: u64) -> u64 {
        self.random.random_range(0..below)
    }

    fn put(&mut self, line: &Line<'_>) {
        (self.write)(line.json());
    }

    fn head(&mut self) {
        let shelf = |toy: &Toy| Shelf { toy: toy.name.clone(), quantity: toy.quantity, version: 1 };
        let head = Head {
            history: MAGIC.to_string(),
            format: FORMAT,
            clock: "us".to_string(),
            catalogue: self.toys.iter().map(shelf).collect(),
            restock: Some(RestockRule { to: self.plan.quantity, events: true }),
            invalidation: "lease".to_string(),
            replication: "primary-backup".to_string(),
            keys: true,
            takes: 1,
            orders: 0,
            repeat: None,
        };
        (self.write)(head.json());
    }

    /// One operation, and sometimes something that nobody asked for.
    fn happen(&mut self, number: u64) {
        self.now += 1 + self.draw(40);
        let toy = self.draw(self.toys.len() as u64) as usize;
        if self.toys[toy].quantity == 0 && self.draw(3) == 0 {
            self.restock(toy);
        }
        if !self.out.is_empty() && self.draw(3) == 0 {
            let (toy, quantity) = self.out.swap_remove(0);
            self.change(toy, quantity);
        }
        let client = self.draw(u64::from(self.plan.clients)) as usize;
        let free = self.free[client];
        self.now = self.now.max(free + 1);
        let invoked = free + 1 + self.draw(200).min(self.now - free - 1);
        let invoked = invoked.max(self.now.saturating_sub(300));
        let returned = self.now + self.draw(300);
        self.free[client] = returned;
        let base = Line {
            client: Some(client as u32 + 1),
            invoked: Some(invoked),
            returned: Some(returned),
            outcome: Some(OutcomeKind::Ok),
            node: Some("frontend-1".into()),
            ..Line::default()
        };
        match self.draw(10) {
            0..5 => self.read(toy, base),
            5..8 => self.buy(toy, number, base),
            8 => self.order(base),
            _ => self.fate(toy, base),
        }
    }

    fn restock(&mut self, toy: usize) {
        let quantity = self.plan.quantity;
        self.change(toy, quantity);
        let name = self.toys[toy].name.clone();
        self.put(&Line {
            event: Some(EventKind::Restock),
            at: Some(self.now),
            toy: Some(name.as_str().into()),
            quantity: Some(quantity),
            ..Line::default()
        });
    }

    fn change(&mut self, toy: usize, by: i64) {
        self.toys[toy].quantity += by;
        self.toys[toy].version += 1;
    }

    fn version(&self, toy: usize) -> Option<u64> {
        self.plan.versions.then_some(self.toys[toy].version)
    }

    fn read(&mut self, toy: usize, base: Line<'_>) {
        let name = self.toys[toy].name.clone();
        let cache = if self.draw(2) == 0 { Cache::Hit } else { Cache::Miss };
        self.put(&Line {
            op: Some(OpKind::Read),
            toy: Some(name.as_str().into()),
            quantity: Some(self.toys[toy].quantity),
            version: self.version(toy),
            cache: Some(cache),
            ..base
        });
    }

    fn buy(&mut self, toy: usize, number: u64, base: Line<'_>) {
        let (name, key) = (self.toys[toy].name.clone(), format!("request-{number}"));
        let quantity = 1 + self.draw(3) as i64;
        let line = Line {
            op: Some(OpKind::Buy),
            toy: Some(name.as_str().into()),
            key: Some(key.as_str().into()),
            quantity: Some(quantity),
            ..base
        };
        let enough = quantity <= self.toys[toy].quantity;
        let unknown = self.plan.unknown && self.draw(12) == 0;
        if unknown && enough && self.draw(3) == 0 {
            // Taken, and put back some time later.
            self.change(toy, -quantity);
            self.out.push((toy, quantity));
        }
        self.index += 1;
        let happens = !unknown || self.draw(2) == 0;
        let recorded = happens && quantity <= self.toys[toy].quantity && !self.is_out(toy, unknown);
        if recorded {
            self.change(toy, -quantity);
            let (version, index) = (self.toys[toy].version, self.index);
            self.orders.push(Order { toy, quantity, key: key.clone(), version, index });
        }
        if unknown {
            let order = recorded.then(|| self.orders.len() - 1);
            self.put(&Line { outcome: Some(OutcomeKind::Unknown), node: None, ..line });
            self.unanswered.push((key, order));
            return;
        }
        let (version, index) = (self.version(toy), self.plan.versions.then_some(self.index));
        if recorded {
            let order = Some(self.orders.len() as u64 - 1);
            self.put(&Line { order, version, index, ..line });
        } else {
            let (outcome, reason) = (Some(OutcomeKind::Refused), Some(Reason::Insufficient));
            self.put(&Line { outcome, reason, version, index, ..line });
        }
    }

    /// A purchase whose take is to be put back is no order as well.
    fn is_out(&self, toy: usize, unknown: bool) -> bool {
        unknown && self.out.last().is_some_and(|(other, _)| *other == toy)
    }

    fn order(&mut self, base: Line<'_>) {
        let number = self.draw(self.orders.len() as u64 + 1);
        let line = Line { op: Some(OpKind::Order), order: Some(number), ..base };
        let Some(order) = self.orders.get(number as usize) else {
            let (outcome, reason) = (Some(OutcomeKind::Refused), Some(Reason::NoSuchOrder));
            return self.put(&Line { outcome, reason, ..line });
        };
        let (name, quantity) = (self.toys[order.toy].name.clone(), Some(order.quantity));
        let index = self.plan.versions.then_some(order.index);
        self.put(&Line { toy: Some(name.as_str().into()), quantity, index, ..line });
    }

    /// What became of a request without an answer; a look at a toy if there is none.
    fn fate(&mut self, toy: usize, base: Line<'_>) {
        if self.unanswered.is_empty() {
            return self.read(toy, base);
        }
        let (key, order) = self.unanswered.swap_remove(0);
        let versions = self.plan.versions;
        let line = Line { op: Some(OpKind::Resolve), key: Some(key.as_str().into()), ..base };
        let line = match order.map(|place| (place, &self.orders[place])) {
            None => Line { fate: Some(FateKind::Never), ..line },
            Some((place, order)) => Line {
                fate: Some(FateKind::Recorded),
                order: Some(place as u64),
                version: versions.then_some(order.version),
                index: versions.then_some(order.index),
                ..line
            },
        };
        self.put(&line);
    }

    fn end(&mut self) {
        while let Some((toy, quantity)) = self.out.pop() {
            self.change(toy, quantity);
        }
        for node in ["order-1", "order-2"] {
            let order = |(number, order): (usize, &Order)| {
                let key = self.plan.logged_keys.then(|| order.key.clone());
                (number as u64, self.toys[order.toy].name.clone(), order.quantity, key)
            };
            let orders: Vec<_> = self.orders.iter().enumerate().map(order).collect();
            // In pages, as a client reads them.
            for page in orders.chunks(1_000) {
                let orders = page.iter().map(|(number, toy, quantity, key)| LoggedLine {
                    number: *number,
                    toy: toy.as_str().into(),
                    quantity: *quantity,
                    key: key.as_deref().map(Into::into),
                    version: None,
                    index: None,
                });
                let orders = Some(orders.collect());
                let (event, node) = (Some(EventKind::Log), Some(node.into()));
                (self.write)(Line { event, node, orders, ..Line::default() }.json());
            }
        }
        for toy in 0..self.toys.len() {
            let name = self.toys[toy].name.clone();
            self.put(&Line {
                event: Some(EventKind::Stock),
                toy: Some(name.as_str().into()),
                quantity: Some(self.toys[toy].quantity),
                version: self.version(toy),
                ..Line::default()
            });
        }
    }
}
