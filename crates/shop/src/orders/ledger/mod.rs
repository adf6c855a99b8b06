//! The ledger: the state machine that every order replica applies the log to.
//!
//! It gives order numbers, remembers what became of every request, and rejects takes of a term
//! older than its own, whatever the engine let through. Pure: log entries in, fates out. Called by
//! [`super::Orders`].

mod refusals;
mod rows;
mod snapshot;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use replication::planted::{Bug, planted};
use replication::{Entry, Index, Members, Term};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::command::Command;
use crate::message::{Fate, NewOrder, Order, OrderNumber, Ordered, Problem, Refusal, RequestId};
use crate::toy::{ToyName, Version};
pub use refusals::REFUSALS_MAX;
use refusals::Refusals;
use rows::{Row, Rows};

/// Orders between two remembered digests, so that a digest of any prefix is cheap.
const DIGEST_EVERY: usize = 1024;

/// The row of an order that a slot names.
fn row(orders: &Rows, number: OrderNumber) -> Row {
    let position = usize::try_from(number.0).expect("it is in memory");
    orders.get(position).expect("a slot names an order that is there")
}

/// What became of a request that made no order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Refused {
    order: NewOrder,
    refusal: Refusal,
    version: Version,
    index: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Slot {
    Order(OrderNumber),
    Refused(Box<Refused>),
    /// By the entry at this index.
    Never(u64),
}

impl Slot {
    fn fate(&self, orders: &Rows) -> Fate {
        match self {
            Slot::Order(number) => {
                let row = row(orders, *number);
                let (number, version, index) = (*number, row.version, row.index);
                Fate::Recorded(Ordered { number, version, index })
            }
            Slot::Refused(refused) => Fate::Refused {
                refusal: refused.refusal,
                version: refused.version,
                index: refused.index,
            },
            Slot::Never(_) => Fate::Never,
        }
    }

    /// The entry that made it, if it is no order.
    fn index(&self) -> Option<u64> {
        match self {
            Slot::Order(_) => None,
            Slot::Refused(refused) => Some(refused.index),
            Slot::Never(index) => Some(*index),
        }
    }
}

/// The spellings of toys that were sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Names {
    spellings: Vec<ToyName>,
    /// The position of each in `spellings`; made from it.
    #[serde(skip)]
    positions: BTreeMap<String, u32>,
}

impl Names {
    fn position(&mut self, name: &ToyName) -> u32 {
        if let Some(position) = self.positions.get(name.spelling()) {
            return *position;
        }
        let position = u32::try_from(self.spellings.len()).expect("the catalogue has fewer toys");
        self.spellings.push(name.clone());
        self.positions.insert(name.spelling().to_string(), position);
        position
    }

    /// After reading a snapshot.
    fn find_positions(&mut self) {
        let spellings = self.spellings.iter().map(|name| name.spelling().to_string());
        self.positions = spellings.zip(0..).collect();
    }

    fn at(&self, position: u32) -> &ToyName {
        &self.spellings[position as usize]
    }
}

/// What became of every request that is remembered.
type Requests = BTreeMap<RequestId, Slot>;

/// What applying an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The engine's own: a leader's first entry, or other members.
    Lead,
    /// This request has its fate now (or had it before).
    Decided(RequestId, Fate),
    /// The take is of an older term: as if it had not been proposed.
    Rejected(RequestId),
}

/// Every order, every fate.
///
/// Invariant: order numbers are the positions in `orders`, so 0, 1, 2 … without gaps; one order per
/// request id. What serde leaves out, [`Ledger::snapshot`] writes behind the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger {
    /// Every leader's first entry that raised the term: (index, term), both rising.
    leads: Vec<(Index, Term)>,
    /// Older terms are rejected; `naive` does without.
    fencing: bool,
    applied: Index,
    applied_term: Term,
    #[serde(skip)]
    orders: Rows,
    names: Names,
    #[serde(skip)]
    requests: Requests,
    #[serde(skip)]
    refusals: Refusals,
    /// The chained hash after every `DIGEST_EVERY` orders.
    digests: Vec<[u8; 32]>,
    /// The chained hash after the last order.
    digest: [u8; 32],
}

impl Ledger {
    /// An empty ledger.
    pub fn new(fencing: bool) -> Ledger {
        Ledger { fencing, ..Ledger::default() }
    }

    /// Executes one committed entry.
    ///
    /// # Panics
    /// If the entry does not follow the last one, or is no command: both would mean that replicas
    /// part ways.
    pub fn apply(&mut self, entry: &Entry) -> Applied {
        assert_eq!(entry.index, self.applied.next(), "the log is applied without gaps");
        self.applied = entry.index;
        self.applied_term = entry.term;
        if entry.command.is_empty() || Members::is_in(&entry.command) {
            if entry.command.is_empty() && entry.term > self.term() {
                self.leads.push((entry.index, entry.term));
            }
            if entry.command.is_empty() && planted(Bug::DedupeLost) {
                self.requests.clear();
            }
            return Applied::Lead;
        }
        let (index, command) = (entry.index.0, &entry.command);
        match Command::decode(command).expect("this replica's program wrote the log") {
            Command::Record { term, order, .. } | Command::Refuse { term, order, .. }
                if self.fencing && term < self.term() && !planted(Bug::OldTermRecorded) =>
            {
                Applied::Rejected(order.request_id)
            }
            Command::Record { order, version, .. } => self.record(&order, version, index),
            Command::Refuse { order, refusal, version, .. } => {
                let request_id = order.request_id;
                let refused = Refused { order, refusal, version, index };
                self.remember(request_id, Slot::Refused(Box::new(refused)))
            }
            Command::Never { request_id } => self.remember(request_id, Slot::Never(index)),
        }
    }

    fn record(&mut self, order: &NewOrder, version: Version, index: u64) -> Applied {
        let request_id = order.request_id;
        let number = self.next_number();
        match self.requests.entry(request_id) {
            Place::Occupied(mut slot) if planted(Bug::DoubleBuy) => {
                slot.insert(Slot::Order(number));
            }
            Place::Occupied(slot) => {
                return Applied::Decided(request_id, slot.get().fate(&self.orders));
            }
            Place::Vacant(place) => _ = place.insert(Slot::Order(number)),
        }
        let name = self.names.position(&order.name);
        self.orders.push(&Row { request_id, index, version, name, quantity: order.quantity });
        self.digest = self.chain(self.digest, self.orders.len() - 1);
        if self.orders.len().is_multiple_of(DIGEST_EVERY) {
            self.digests.push(self.digest);
        }
        Applied::Decided(request_id, Fate::Recorded(Ordered { number, version, index }))
    }

    fn next_number(&self) -> OrderNumber {
        let first = self.leads.last().is_some_and(|(lead, _)| lead.next() == self.applied);
        let reused = planted(Bug::NumberReuse) && first && !self.orders.is_empty();
        OrderNumber(self.orders.len() as u64 - u64::from(reused))
    }

    /// Remembers what became of a request that makes no order, unless it has its fate already.
    fn remember(&mut self, request_id: RequestId, slot: Slot) -> Applied {
        let fate = match self.requests.entry(request_id) {
            Place::Occupied(slot) => {
                return Applied::Decided(request_id, slot.get().fate(&self.orders));
            }
            Place::Vacant(place) => place.insert(slot).fate(&self.orders),
        };
        if planted(Bug::SecondOpinion) {
            self.requests.remove(&request_id);
        }
        if let Some(oldest) = self.refusals.push(request_id, &self.requests) {
            self.requests.remove(&oldest);
        }
        Applied::Decided(request_id, fate)
    }

    /// Takes the last applied entry back (`naive`, when two histories meet). Returns the order that
    /// is lost by it, if it was one. What it made is forgotten, whatever it was: a refusal that
    /// stayed would keep the other history's order of that request out of this ledger alone.
    pub fn undo(&mut self, entry: &Entry) -> Option<Order> {
        assert_eq!(entry.index, self.applied, "the last entry first");
        self.applied = entry.index.previous();
        if self.leads.last().is_some_and(|(index, _)| *index == entry.index) {
            self.leads.pop();
        }
        let index = entry.index.0;
        if let Some(last) = self.refusals.newest()
            && self.requests.get(&last).and_then(Slot::index) == Some(index)
        {
            self.refusals.pop_newest();
            self.requests.remove(&last);
        }
        let last = self.orders.len().checked_sub(1)?;
        let request_id = self.orders.get(last).filter(|row| row.index == index)?.request_id;
        let lost = self.order(OrderNumber(last as u64));
        self.orders.pop();
        self.requests.remove(&request_id);
        self.digests.truncate(self.orders.len() / DIGEST_EVERY);
        self.digest = self.rehash(self.orders.len());
        lost
    }

    /// The highest term of which a leader's first entry was applied.
    pub(super) fn term(&self) -> Term {
        self.leads.last().map_or(Term::ZERO, |(_, term)| *term)
    }

    /// How many orders there are: the next order's number.
    pub fn len(&self) -> u64 {
        self.orders.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The last applied index and its term.
    pub fn applied(&self) -> (Index, Term) {
        (self.applied, self.applied_term)
    }

    /// The order with a number; `None` if there is none (yet).
    pub fn order(&self, number: OrderNumber) -> Option<Order> {
        let row = self.orders.get(usize::try_from(number.0).ok()?)?;
        let name = self.names.at(row.name).clone();
        Some(Order { number, name, quantity: row.quantity, index: row.index })
    }

    /// Every order with the request that it is for and the version that its take made.
    pub fn records(&self) -> impl Iterator<Item = (Order, RequestId, Version)> + '_ {
        (0..self.len()).map(OrderNumber).filter_map(|number| {
            let row = row(&self.orders, number);
            Some((self.order(number)?, row.request_id, row.version))
        })
    }

    /// Forgets what became of requests that made orders, which no snapshot carries: for whoever
    /// makes a long history and asks this ledger nothing, and gives it no request twice.
    pub fn forget_orders_fates(&mut self) {
        self.requests.retain(|_, slot| slot.index().is_some());
    }

    /// What became of a request, if that is decided.
    pub fn fate(&self, request_id: RequestId) -> Option<Fate> {
        Some(self.requests.get(&request_id)?.fate(&self.orders))
    }

    /// The same for whoever sends the whole order.
    ///
    /// # Errors
    /// `KeyReused` if the request was for another toy or quantity than this.
    pub fn fate_of(&self, order: &NewOrder) -> Option<Result<Fate, Problem>> {
        let slot = self.requests.get(&order.request_id)?;
        let same = match slot {
            Slot::Order(number) => {
                let row = row(&self.orders, *number);
                self.names.at(row.name) == &order.name && row.quantity == order.quantity
            }
            Slot::Refused(refused) => refused.order == *order,
            Slot::Never(_) => true,
        };
        Some(if same { Ok(slot.fate(&self.orders)) } else { Err(Problem::KeyReused) })
    }

    fn chain(&self, before: [u8; 32], position: usize) -> [u8; 32] {
        let row = self.orders.get(position).expect("only what is there is hashed");
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update((position as u64).to_be_bytes());
        hash.update(self.names.at(row.name).key());
        hash.update(row.quantity.get().to_be_bytes());
        hash.update(row.request_id.0.to_be_bytes());
        hash.finalize().into()
    }

    /// The chained SHA-256 over number, toy, quantity and request id of the first `upto` orders.
    pub fn digest_of(&self, upto: u64) -> [u8; 32] {
        let upto = usize::try_from(upto).unwrap_or(usize::MAX).min(self.orders.len());
        if upto == self.orders.len() { self.digest } else { self.rehash(upto) }
    }

    /// Hashes again from the last remembered digest at or before `upto`.
    fn rehash(&self, upto: usize) -> [u8; 32] {
        let known = (upto / DIGEST_EVERY).min(self.digests.len());
        let start = self.digests.get(known.wrapping_sub(1)).copied().unwrap_or_default();
        (known * DIGEST_EVERY..upto).fold(start, |hash, at| self.chain(hash, at))
    }
}
