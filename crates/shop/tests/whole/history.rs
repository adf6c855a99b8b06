//! What clients were told, and whether all of it can be true: reads are not older than anything
//! that anybody had seen when they began, a request has one fate, and what is final stays.

use std::collections::BTreeMap;

use shop::message::{
    Fate, NewOrder, OrderNumber, Ordered, Problem, Refusal, Reply, Request, RequestId, Response,
};
use shop::node::{Answer, CallId};
use shop::orders::ledger::Ledger;
use shop::toy::{Product, Version};

use crate::host::Name;

/// A final fate, as far as a client can tell one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Recorded(Ordered),
    Insufficient(Version),
    UnknownProduct,
    Never,
}

impl Told {
    fn of_fate(fate: &Fate) -> Option<Told> {
        Some(match fate {
            Fate::Recorded(ordered) => Told::Recorded(*ordered),
            Fate::Refused { refusal: Refusal::Insufficient, version, .. } => {
                Told::Insufficient(*version)
            }
            Fate::Refused { refusal: Refusal::Unknown, .. } => Told::UnknownProduct,
            Fate::Never => Told::Never,
            Fate::Pending | Fate::Unknown => return None,
        })
    }

    fn of_order(response: &Response) -> Option<Told> {
        match response {
            Ok(Reply::Ordered(ordered)) => Some(Told::Recorded(*ordered)),
            Err(Problem::InsufficientStock { version, .. }) => Some(Told::Insufficient(*version)),
            Err(Problem::UnknownProduct) => Some(Told::UnknownProduct),
            Err(Problem::Resolved) => Some(Told::Never),
            Ok(_) | Err(_) => None,
        }
    }
}

/// A call that waits, and what was known when it began.
struct Begun {
    request: Request,
    seen: BTreeMap<String, Version>,
    told: BTreeMap<RequestId, Told>,
    orders: u64,
}

#[derive(Default)]
pub struct History {
    open: BTreeMap<(Name, u64, CallId), Begun>,
    /// The newest version that anybody saw of each toy.
    seen: BTreeMap<String, Version>,
    /// The stock at each version that was seen.
    states: BTreeMap<(String, Version), u64>,
    told: BTreeMap<RequestId, Told>,
    /// The orders of those that were told "recorded".
    pub acknowledged: BTreeMap<OrderNumber, NewOrder>,
    /// The same, also where a number was told twice (`naive`).
    pub ever_acknowledged: Vec<(OrderNumber, NewOrder)>,
    /// The highest order number that anybody was told of, plus one.
    orders: u64,
    /// Whether reads must be fresh; in other modes than `lease` they need not be.
    fresh: bool,
    /// Whether the past must stay; under `naive` it need not.
    firm: bool,
    /// Product answers that were compared, and those that were older than they might be.
    pub reads: u64,
    pub stale: u64,
}

type Check = Result<(), String>;

impl History {
    pub fn new(fresh: bool, firm: bool) -> History {
        History { fresh, firm, ..History::default() }
    }

    pub fn begin(&mut self, from: Name, life: u64, call: CallId, request: &Request) {
        let told = match request {
            Request::ReadFate { request_id } | Request::ResolveFate { request_id } => {
                self.told.get(request_id).map(|told| (*request_id, *told)).into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        let seen = match request {
            Request::ReadProduct { .. } | Request::ListProducts { .. } => self.seen.clone(),
            _ => BTreeMap::new(),
        };
        let begun = Begun { request: request.clone(), seen, told, orders: self.orders };
        self.open.insert((from, life, call), begun);
    }

    pub fn end(&mut self, from: Name, life: u64, call: CallId, answer: &Answer) -> Check {
        let Some(begun) = self.open.remove(&(from, life, call)) else { return Ok(()) };
        let Answer::Said(response) = answer else { return Ok(()) };
        match (&begun.request, response) {
            (Request::ReadProduct { .. }, Ok(Reply::Product { product, .. })) => {
                self.product(product, &begun)
            }
            (Request::ListProducts { .. }, Ok(Reply::Products(products))) => {
                products.iter().try_for_each(|product| self.product(product, &begun))
            }
            (Request::PlaceOrder(order), response) => match Told::of_order(response) {
                Some(told) => self.fate(order.request_id, told, Some(order)),
                None => Ok(()),
            },
            (
                Request::ReadFate { request_id } | Request::ResolveFate { request_id },
                Ok(Reply::Fate(fate)),
            ) => match (Told::of_fate(fate), begun.told.get(request_id)) {
                (Some(told), _) => self.fate(*request_id, told, None),
                (None, Some(told)) if self.firm => {
                    Err(format!("{request_id:?} was {told:?} before, and is {fate} now"))
                }
                (None, _) => Ok(()),
            },
            (Request::ReadOrder { number }, Err(Problem::UnknownOrder))
                if self.firm && number.0 < begun.orders =>
            {
                Err(format!("order {number} is unknown, {} were known before", begun.orders))
            }
            _ => Ok(()),
        }
    }

    fn product(&mut self, product: &Product, begun: &Begun) -> Check {
        let key = product.name.key().to_string();
        self.reads += 1;
        let known = begun.seen.get(&key).copied().unwrap_or_default();
        if product.version < known {
            self.stale += 1;
        }
        if self.fresh && product.version < known {
            return Err(format!("{product} is older than {known}, seen before the read began"));
        }
        let quantity =
            *self.states.entry((key.clone(), product.version)).or_insert(product.quantity);
        if quantity != product.quantity {
            return Err(format!("{product} was {quantity} at the same version before"));
        }
        self.saw(key, product.version);
        Ok(())
    }

    fn saw(&mut self, key: String, version: Version) {
        let seen = self.seen.entry(key).or_default();
        *seen = (*seen).max(version);
    }

    fn fate(&mut self, request_id: RequestId, told: Told, order: Option<&NewOrder>) -> Check {
        let first = *self.told.entry(request_id).or_insert(told);
        if self.firm && first != told {
            return Err(format!("{request_id:?} was {first:?} before, and is {told:?} now"));
        }
        if let Told::Recorded(ordered) = told {
            self.orders = self.orders.max(ordered.number.0 + 1);
        }
        let Some(order) = order else { return Ok(()) };
        match told {
            Told::Recorded(ordered) => {
                self.saw(order.name.key().to_string(), ordered.version);
                if first == told || !self.firm {
                    self.ever_acknowledged.push((ordered.number, order.clone()));
                }
                let other = self.acknowledged.insert(ordered.number, order.clone());
                if self.firm && other.is_some_and(|other| other.request_id != request_id) {
                    return Err(format!("two orders are number {}", ordered.number));
                }
            }
            Told::Insufficient(version) => {
                let key = order.name.key().to_string();
                let stock = self.states.get(&(key.clone(), version));
                if stock.is_some_and(|stock| *stock >= u64::from(order.quantity.get())) {
                    return Err(format!("{order} was refused by {version}, which had {stock:?}"));
                }
                self.saw(key, version);
            }
            Told::UnknownProduct | Told::Never => {}
        }
        Ok(())
    }

    /// Everything that was told is what the ledger says in the end.
    pub fn check(&self, ledger: &Ledger) -> Check {
        for (request_id, told) in &self.told {
            let fate = ledger.fate(*request_id);
            if fate.as_ref().and_then(Told::of_fate) != Some(*told) {
                return Err(format!("{request_id:?} was told {told:?}, the ledger says {fate:?}"));
            }
        }
        for (number, order) in &self.acknowledged {
            let recorded = ledger.order(*number).ok_or(format!("order {number} is lost"))?;
            if (&recorded.name, recorded.quantity) != (&order.name, order.quantity) {
                return Err(format!("order {number} was {order}, the ledger says {recorded:?}"));
            }
        }
        Ok(())
    }
}
