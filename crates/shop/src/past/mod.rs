//! The past of a store, made up: what its services come to after so many orders that nobody placed.
//!
//! Why: what a store costs after ten million orders is asked in a minute, and buying them takes an
//! hour. Nothing is decided here that the services decide: every take and restock is a command that
//! the catalog's own [`Stock`] executes, and every order a command for the log of the order
//! service, as its leader proposes it. So the past is one that could have been: stock is conserved,
//! versions rise by one, no number is left out.
//!
//! It is a calm one. One leader, in the first term of all, sells toys by the batch; what is sold
//! out is restocked before anybody misses it; no order is refused, and no shopper gives up. At its
//! end every take is known to be recorded, no lease is left, and no frontend is registered: all
//! have stopped in order.
//!
//! Called by `toystore generate`, which puts it on disks; calls [`crate::catalog`] and
//! [`crate::orders`].

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use replication::{Term, View};

use crate::catalog::RESTOCK_LEVEL;
use crate::catalog::catalogue::{TOYS_MAX, Toy};
use crate::catalog::command::{Command, Item, ToyId};
use crate::catalog::stock::{Applied, Stock};
use crate::catalog::takes::Outcome;
use crate::catalog::view::ProposedView;
use crate::message::{NewOrder, RequestId};
use crate::orders::command::Command as OrderCommand;
use crate::toy::{Cents, Quantity};

/// The most orders: their snapshot has 400 MB, of the 1 GiB that a checkpoint may have.
pub const ORDERS_MAX: u64 = 10_000_000;

/// The most takes in a batch, as a busy leader sends them.
const BATCH_MAX: u64 = 512;

/// The most pieces of one order.
const PIECES_MAX: u64 = 5;

/// Prices, in cents.
const PRICES: std::ops::RangeInclusive<u64> = 99..=9_999;

/// What the past was like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How many toys are sold, 1 to [`TOYS_MAX`]: `toy-0001` and so on, 100 of each at first.
    pub toys: usize,
    /// How many orders were placed, at most [`ORDERS_MAX`].
    pub orders: u64,
    /// The same seed makes the same past.
    pub seed: u64,
    /// Who led the order service all the time, and who followed.
    pub view: View,
    /// Whether the catalog refused takes of older terms, and knew the view: all but `naive`.
    pub fencing: bool,
}

/// The key under which order `number` was placed: whoever posts it again under this key is given
/// that order's number.
pub fn key(seed: u64, number: u64) -> String {
    format!("generated-{seed}-{number}")
}

/// A past that is being made up, batch by batch.
#[derive(Debug)]
pub struct Past {
    spec: Spec,
    random: Pcg64Mcg,
    stock: Stock,
    /// What is left of each toy, once all takes so far are applied.
    left: Vec<u64>,
    /// Toys of which nothing is left.
    sold_out: Vec<ToyId>,
    /// Orders so far: the next one's number.
    placed: u64,
    /// Entries of the catalog's log so far.
    entries: u64,
}

impl Past {
    /// A store that has just begun: its catalogue is recorded, and a leader of the order service is
    /// known.
    ///
    /// # Errors
    /// If no store can have so many toys or orders.
    pub fn new(spec: Spec) -> Result<Past, String> {
        if spec.toys == 0 || spec.toys > TOYS_MAX {
            return Err(format!("a catalogue has 1 to {TOYS_MAX} toys, not {}", spec.toys));
        }
        if spec.orders > ORDERS_MAX {
            return Err(format!("at most {ORDERS_MAX} orders can be made up, not {}", spec.orders));
        }
        let mut random = Pcg64Mcg::seed_from_u64(spec.seed);
        let toys = catalogue(spec.toys, &mut random);
        let left = toys.iter().map(|toy| toy.quantity).collect();
        let (stock, sold_out) = (Stock::default(), Vec::new());
        let mut past = Past { spec, random, stock, left, sold_out, placed: 0, entries: 0 };
        past.apply(Command::Catalogue(toys));
        past.apply(Command::Begin { fencing: past.spec.fencing });
        if past.spec.fencing {
            let (view, previous) = (past.spec.view.clone(), Term::ZERO);
            past.apply(Command::View(ProposedView { view, previous, unclean: false }));
        }
        Ok(past)
    }

    /// The next orders, as their leader proposes them, in order of their numbers; nothing behind
    /// the last one.
    pub fn next_batch(&mut self) -> Vec<OrderCommand> {
        let items = self.draw();
        if items.is_empty() {
            return Vec::new();
        }
        let (term, floor) = (self.spec.view.term, self.placed + 1);
        self.placed += items.len() as u64;
        let applied = self.apply(Command::Take { term, floor, items: items.clone() });
        let Applied::Takes(Ok(outcomes)) = applied else {
            panic!("the view's own leader takes what is there: {applied:?}");
        };
        let record = |(item, (number, outcome)): (&Item, (u64, Outcome))| match outcome {
            Outcome::Taken { toy, version } if number == item.number => {
                let name = self.stock.name(toy).clone();
                let Item { request_id, quantity, .. } = *item;
                let order = NewOrder { request_id, name, quantity };
                OrderCommand::Record { term, order, version }
            }
            Outcome::Taken { .. } | Outcome::Refused { .. } => {
                panic!("what was counted to be there was not taken: {item:?}, {outcome:?}")
            }
        };
        items.iter().zip(outcomes).map(record).collect()
    }

    /// The catalog's state when all have stopped, and how many entries its log had until then.
    pub fn end(mut self) -> (Stock, u64) {
        if self.placed > 0 {
            let (term, floor) = (self.spec.view.term, self.placed + 1);
            self.apply(Command::Take { term, floor, items: Vec::new() });
        }
        self.apply(Command::Close);
        (self.stock, self.entries)
    }

    /// Takes that all find what they want; as many as fit into one call, until one would not.
    fn draw(&mut self) -> Vec<Item> {
        let most = (self.spec.orders - self.placed).min(BATCH_MAX);
        let mut items = Vec::new();
        while (items.len() as u64) < most {
            let toy = self.random.random_range(0..self.left.len());
            if self.left[toy] == 0 {
                // As if the clock of the catalog had come to it while nobody bought.
                if !items.is_empty() {
                    break;
                }
                self.restock();
            }
            let id = ToyId(u32::try_from(toy).expect("a catalogue has at most TOYS_MAX toys"));
            let pieces = self.random.random_range(1..=PIECES_MAX.min(self.left[toy]));
            self.left[toy] -= pieces;
            if self.left[toy] == 0 {
                self.sold_out.push(id);
            }
            let number = self.placed + items.len() as u64;
            let request_id = RequestId::from_key(&key(self.spec.seed, number));
            items.push(Item {
                number: number + 1,
                request_id: request_id.expect("a short key of visible characters"),
                toy: Some(id),
                quantity: Quantity::try_from(pieces as u32).expect("1 to PIECES_MAX"),
            });
        }
        items
    }

    fn restock(&mut self) {
        let mut toys = std::mem::take(&mut self.sold_out);
        toys.sort_unstable();
        for toy in &toys {
            self.left[toy.place()] = RESTOCK_LEVEL;
        }
        self.apply(Command::Restock { toys, level: RESTOCK_LEVEL });
    }

    fn apply(&mut self, command: Command) -> Applied {
        self.entries += 1;
        self.stock.apply(command)
    }
}

/// `toy-0001`, `toy-0002` …, as wide as the last one needs.
fn catalogue(toys: usize, random: &mut Pcg64Mcg) -> Vec<Toy> {
    let width = toys.to_string().len().max(4);
    let toy = |number: usize| Toy {
        name: format!("toy-{number:0width$}").parse().expect("a short name"),
        price: Cents(random.random_range(PRICES)),
        quantity: RESTOCK_LEVEL,
    };
    (1..=toys).map(toy).collect()
}

#[cfg(test)]
mod tests;
