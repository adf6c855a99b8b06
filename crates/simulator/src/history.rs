//! What clients were told, and whether all of it can be true: reads are not older than anything
//! that anybody had seen when they began, a request has one fate, and what is final stays.
//!
//! Fed by the world with every call of a client and every answer; each answer is judged at once, so
//! that a run ends where it went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::Time;
use shop::invalidation::Invalidation;
use shop::message::{
    Fate, NewOrder, OrderNumber, Ordered, Problem, Refusal, Reply, Request, RequestId, Response,
};
use shop::node::{Answer, CallId};
use shop::orders::ledger::Ledger;
use shop::toy::{Product, ToyName, Version};

use crate::setting::Setting;
use crate::who::Seat;
use crate::world::Broken;

/// A client's call: whose, in which life, which.
pub type CallOf = (Seat, u32, CallId);

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

/// What was known when a read began.
enum Known {
    /// Of one toy.
    One(Version),
    /// Of all that anybody had seen.
    All(BTreeMap<ToyName, Version>),
}

/// A call that waits, and what was known when it began.
struct Begun {
    at: Time,
    request: Request,
    known: Known,
    told: Option<Told>,
    orders: u64,
}

/// What was seen of one toy.
#[derive(Default)]
struct Seen {
    /// The newest version that anybody saw.
    newest: Version,
    /// The stock at each version that was seen.
    stock: BTreeMap<Version, u64>,
    /// When each newest version was seen first (mode `ttl`).
    times: Vec<(Time, Version)>,
}

impl Seen {
    /// The newest version that somebody had seen so long before.
    fn before(&self, at: Time, age: Duration) -> Version {
        let count = self.times.partition_point(|(seen, _)| *seen + age < at);
        count.checked_sub(1).map(|last| self.times[last].1).unwrap_or_default()
    }
}

/// What clients were told.
pub struct History {
    open: BTreeMap<CallOf, Begun>,
    now: Time,
    seen: BTreeMap<ToyName, Seen>,
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
    /// How old a read may be at most (mode `ttl`).
    age: Option<Duration>,
    /// Product answers that were compared.
    pub reads: u64,
    /// Of these, older than they might be.
    pub stale: u64,
}

type Check = Result<(), Broken>;

fn broken(promise: &'static str, what: String) -> Check {
    Err(Broken { promise, what })
}

impl History {
    /// Nobody was told anything yet.
    pub fn new(setting: &Setting) -> History {
        let age = match setting.invalidation {
            // Clocks drift by half a hundredth; a skewed one promises nothing.
            Invalidation::Ttl(age) if !setting.kinds.skew => Some(age + age / 200),
            Invalidation::Ttl(_)
            | Invalidation::Lease
            | Invalidation::Push
            | Invalidation::None => None,
        };
        History {
            open: BTreeMap::new(),
            now: Time(0),
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            ever_acknowledged: Vec::new(),
            orders: 0,
            fresh: setting.fresh(),
            firm: setting.firm(),
            age,
            reads: 0,
            stale: 0,
        }
    }

    /// A client asks.
    pub fn begin(&mut self, call: CallOf, now: Time, request: &Request) {
        self.now = now;
        let (mut known, mut told) = (Known::One(Version::default()), None);
        if let Request::ReadProduct { name } = request {
            known = Known::One(self.newest(name));
        }
        if let Request::ListProducts { .. } = request {
            let newest = self.seen.iter().map(|(name, seen)| (name.clone(), seen.newest));
            known = Known::All(newest.collect());
        }
        if let Request::ReadFate { request_id } | Request::ResolveFate { request_id } = request {
            told = self.told.get(request_id).copied();
        }
        let begun = Begun { at: now, request: request.clone(), known, told, orders: self.orders };
        self.open.insert(call, begun);
    }

    fn newest(&self, name: &ToyName) -> Version {
        self.seen.get(name).map(|seen| seen.newest).unwrap_or_default()
    }

    /// A client is answered.
    ///
    /// # Errors
    /// If that cannot be true.
    pub fn end(&mut self, call: CallOf, now: Time, answer: &Answer) -> Check {
        self.now = now;
        let Some(begun) = self.open.remove(&call) else { return Ok(()) };
        let Answer::Said(response) = answer else { return Ok(()) };
        if let Ok(Reply::Product { product, .. }) = response {
            return self.product(product, &begun);
        }
        if let Ok(Reply::Products(products)) = response {
            return products.iter().try_for_each(|product| self.product(product, &begun));
        }
        if let Request::PlaceOrder(order) = &begun.request {
            return match Told::of_order(response) {
                Some(told) => self.fate(order.request_id, told, Some(order)),
                None => Ok(()),
            };
        }
        if let (
            Request::ReadFate { request_id } | Request::ResolveFate { request_id },
            Ok(Reply::Fate(fate)),
        ) = (&begun.request, response)
        {
            return match (Told::of_fate(fate), begun.told) {
                (Some(told), _) => self.fate(*request_id, told, None),
                (None, Some(told)) if self.firm => {
                    broken("fate", format!("{request_id:?} was {told:?}, and is {fate} now"))
                }
                (None, _) => Ok(()),
            };
        }
        if let (Request::ReadOrder { number }, Err(Problem::UnknownOrder)) =
            (&begun.request, response)
            && self.firm
            && number.0 < begun.orders
        {
            let what = format!("order {number} is unknown, {} were known before", begun.orders);
            return broken("order reads", what);
        }
        Ok(())
    }

    fn product(&mut self, product: &Product, begun: &Begun) -> Check {
        self.reads += 1;
        let known = match &begun.known {
            Known::One(version) => *version,
            Known::All(versions) => versions.get(&product.name).copied().unwrap_or_default(),
        };
        if let Some(age) = self.age {
            let must = self.seen.get(&product.name).map(|seen| seen.before(begun.at, age));
            if must.is_some_and(|must| product.version < must) {
                let what = format!("{product} is older than {must:?}, seen {age:?} before");
                return broken("bounded staleness", what);
            }
        }
        if product.version < known {
            self.stale += 1;
            if self.fresh {
                let what = format!("{product} is older than {known}, seen before the read began");
                return broken("fresh reads", what);
            }
        }
        let seen = self.seen.entry(product.name.clone()).or_default();
        let stock = *seen.stock.entry(product.version).or_insert(product.quantity);
        if stock != product.quantity {
            let what = format!("{product} was {stock} at the same version before");
            return broken("versions", what);
        }
        self.saw(&product.name, product.version);
        Ok(())
    }

    fn saw(&mut self, name: &ToyName, version: Version) {
        let seen = self.seen.entry(name.clone()).or_default();
        if version > seen.newest {
            seen.newest = version;
            if self.age.is_some() {
                seen.times.push((self.now, version));
            }
        }
    }

    fn fate(&mut self, request_id: RequestId, told: Told, order: Option<&NewOrder>) -> Check {
        let first = *self.told.entry(request_id).or_insert(told);
        if self.firm && first != told {
            let what = format!("{request_id:?} was {first:?} before, and is {told:?} now");
            return broken("fate", what);
        }
        if let Told::Recorded(ordered) = told {
            self.orders = self.orders.max(ordered.number.0 + 1);
        }
        let Some(order) = order else { return Ok(()) };
        match told {
            Told::Recorded(ordered) => {
                self.saw(&order.name, ordered.version);
                if first == told || !self.firm {
                    self.ever_acknowledged.push((ordered.number, order.clone()));
                }
                let other = self.acknowledged.insert(ordered.number, order.clone());
                if self.firm && other.is_some_and(|other| other.request_id != request_id) {
                    return broken("order numbers", format!("two are {}", ordered.number));
                }
            }
            Told::Insufficient(version) => {
                let seen = self.seen.entry(order.name.clone()).or_default();
                let stock = seen.stock.get(&version).copied();
                if stock.is_some_and(|stock| stock >= u64::from(order.quantity.get())) {
                    let what = format!("{order} was refused by {version}, which had {stock:?}");
                    return broken("refusals", what);
                }
                self.saw(&order.name, version);
            }
            Told::UnknownProduct | Told::Never => {}
        }
        Ok(())
    }

    /// Everything that was told is what the ledger says in the end.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, ledger: &Ledger) -> Check {
        for (request_id, told) in &self.told {
            let fate = ledger.fate(*request_id);
            if fate.as_ref().and_then(Told::of_fate) != Some(*told) {
                let what = format!("{request_id:?} was told {told:?}, the ledger says {fate:?}");
                return broken("nothing lost", what);
            }
        }
        for (number, order) in &self.acknowledged {
            let Some(recorded) = ledger.order(*number) else {
                return broken("nothing lost", format!("order {number} is lost"));
            };
            if (&recorded.name, recorded.quantity) != (&order.name, order.quantity) {
                let what = format!("order {number} was {order}, the ledger says {recorded:?}");
                return broken("nothing lost", what);
            }
        }
        Ok(())
    }
}
