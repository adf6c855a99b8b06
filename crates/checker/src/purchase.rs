//! Purchases: all that was said about one request, put together.
//!
//! A client may send a request several times, ask what became of it, and never be told. For the
//! stock it is one purchase: it happened at most once, at some moment between the first time it was
//! sent and the first time that somebody was told. Where nobody was told, the final logs of the
//! replicas are looked up, if they name requests: that is the one place where a premise of the
//! verdict comes from the nodes, and only for outcomes that no client knows.
//!
//! Without a request id each operation is a purchase of its own. What is said about one request and
//! cannot be true together is a finding for *exactly once* ([`crate::once`]).

use std::collections::BTreeMap;

use crate::history::{
    Asked, Bought, History, Logged, Micros, NEVER_RETURNED, Name, Operation, Outcome, Reason,
    Refused,
};
use crate::verdict::{Counterexample, Findings};
use crate::words;

/// What became of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is an order.
    Bought(Bought),
    /// It was refused for good.
    Refused(Refused),
    /// It made no order, and never will.
    Never,
    /// Nobody was told: it may be an order, or become one.
    Open,
}

/// Everything about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Its operations, by their places in the history, in the order of their invocations.
    pub operations: Vec<usize>,
    /// Which toy.
    pub toy: Name,
    /// How many.
    pub quantity: i64,
    /// Its request id.
    pub key: Option<Name>,
    /// When it was sent first.
    pub invoked: Micros,
    /// When somebody was told first; [`NEVER_RETURNED`] if nobody was.
    pub returned: Micros,
    /// How often it was sent.
    pub attempts: u32,
    /// What became of it.
    pub fate: Fate,
    /// The operation that was told first.
    pub told: Option<usize>,
}

/// All purchases of a history.
#[derive(Clone, Debug, Default)]
pub struct Purchases {
    /// In the order of their request ids; those without one first.
    pub all: Vec<Purchase>,
    /// What cannot be true together about one request.
    pub findings: Findings,
}

/// What an operation says about a request for good.
fn says(outcome: &Outcome) -> Option<Fate> {
    match outcome {
        Outcome::Bought(bought) | Outcome::FateRecorded(bought) => Some(Fate::Bought(*bought)),
        Outcome::Refused(refused) | Outcome::FateRefused(refused) => match refused.reason {
            Reason::Insufficient | Reason::NoSuchToy => Some(Fate::Refused(*refused)),
            Reason::Resolved => Some(Fate::Never),
            Reason::Other | Reason::NoSuchOrder => None,
        },
        Outcome::FateNever => Some(Fate::Never),
        Outcome::FateOpen
        | Outcome::Product { .. }
        | Outcome::Found { .. }
        | Outcome::Unknown
        | Outcome::Unavailable => None,
    }
}

/// Whether the operation may have done something, or was told about it.
fn counts(operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Unavailable => false,
        Outcome::Refused(Refused { reason: Reason::Other | Reason::NoSuchOrder, .. }) => false,
        Outcome::Refused(_)
        | Outcome::Bought(_)
        | Outcome::Product { .. }
        | Outcome::Found { .. }
        | Outcome::FateRecorded(_)
        | Outcome::FateRefused(_)
        | Outcome::FateNever
        | Outcome::FateOpen
        | Outcome::Unknown => true,
    }
}

/// Whether two answers about one request can both be true.
fn agree(a: &Fate, b: &Fate) -> bool {
    let same = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
    match (a, b) {
        (Fate::Bought(a), Fate::Bought(b)) => {
            a.order == b.order && same(a.version, b.version) && same(a.index, b.index)
        }
        (Fate::Refused(a), Fate::Refused(b)) => {
            a.reason == b.reason && same(a.version, b.version) && same(a.index, b.index)
        }
        (Fate::Never, Fate::Never) => true,
        (Fate::Bought(_) | Fate::Refused(_) | Fate::Never | Fate::Open, _) => false,
    }
}

impl Purchases {
    /// Puts together what a history says about each request.
    pub fn of(history: &History) -> Purchases {
        let mut keyed: Vec<(Name, Micros, usize)> = Vec::new();
        let mut purchases = Purchases::default();
        let log = LoggedKeys::of(history);
        for (place, operation) in history.operations.iter().enumerate() {
            match operation.asked {
                Asked::Buy { key: Some(key), .. } | Asked::Fate { key, .. } => {
                    keyed.push((key, operation.invoked, place));
                }
                Asked::Buy { key: None, .. } => purchases.add(history, &[place], None, &log),
                Asked::Read { .. } | Asked::Order { .. } => {}
            }
        }
        keyed.sort_unstable();
        for group in keyed.chunk_by(|a, b| a.0 == b.0) {
            let places: Vec<usize> = group.iter().map(|(_, _, place)| *place).collect();
            purchases.add(history, &places, Some(group[0].0), &log);
        }
        purchases
    }

    /// Those of one request: purchases and questions, in the order of their invocations.
    fn add(&mut self, history: &History, places: &[usize], key: Option<Name>, log: &LoggedKeys) {
        let operations = &history.operations;
        let mut bought = places.iter().copied().filter(|place| counts(&operations[*place]));
        let first = bought.find_map(|place| match operations[place].asked {
            Asked::Buy { toy, quantity, .. } => Some((place, toy, quantity)),
            Asked::Read { .. } | Asked::Order { .. } | Asked::Fate { .. } => None,
        });
        let Some((first, toy, quantity)) = first else {
            self.nobody_asked(history, places);
            return;
        };
        let mut purchase = Purchase {
            operations: Vec::with_capacity(places.len()),
            toy,
            quantity,
            key,
            invoked: operations[first].invoked,
            returned: NEVER_RETURNED,
            attempts: 0,
            fate: Fate::Open,
            told: None,
        };
        let mut told: Vec<(Micros, usize, Fate)> = Vec::new();
        for place in places.iter().copied().filter(|place| counts(&operations[*place])) {
            let operation = &operations[place];
            let fate = says(&operation.outcome);
            if let Asked::Buy { toy: other, quantity: many, .. } = operation.asked {
                if (other, many) != (toy, quantity) {
                    if matches!(fate, Some(Fate::Bought(_))) {
                        self.other_order(history, first, place);
                    }
                    continue;
                }
                purchase.attempts = purchase.attempts.saturating_add(operation.attempts);
            }
            purchase.operations.push(place);
            told.extend(fate.map(|fate| (operation.returned, place, fate)));
        }
        told.sort_unstable_by_key(|(returned, place, _)| (*returned, *place));
        if let Some((returned, place, fate)) = told.first() {
            (purchase.returned, purchase.told, purchase.fate) = (*returned, Some(*place), *fate);
            if purchase.returned < purchase.invoked && purchase.fate != Fate::Never {
                self.too_soon(history, *place);
                purchase.invoked = operations[*place].invoked;
            }
        }
        self.compare(history, &purchase, &told, log);
        if purchase.fate == Fate::Open
            && let Some(key) = key
        {
            purchase.fate = log.fate(key);
        }
        self.all.push(purchase);
    }

    /// Everything that was said about one request, against what was said first.
    fn compare(
        &mut self,
        history: &History,
        purchase: &Purchase,
        told: &[(Micros, usize, Fate)],
        log: &LoggedKeys,
    ) {
        let Some(first) = purchase.told else { return };
        for (_, place, fate) in told.iter().skip(1) {
            if !agree(&purchase.fate, fate) {
                self.contradiction(history, first, *place);
            }
        }
        for place in &purchase.operations {
            let operation = &history.operations[*place];
            if operation.outcome == Outcome::FateOpen && operation.invoked > purchase.returned {
                self.contradiction(history, first, *place);
            }
        }
        let logged = purchase.key.and_then(|key| log.orders.get(&key));
        if let (Some(logged), Fate::Refused(_) | Fate::Never) = (logged, purchase.fate) {
            self.findings.add(|| Counterexample {
                sentence: format!(
                    "{} {}, but order {} in the log is for the same request (line {})",
                    words::who(history, first),
                    words::told(history, first),
                    logged.number,
                    logged.line,
                ),
                operations: vec![first],
                toy: Some(purchase.toy),
            });
        }
    }

    fn contradiction(&mut self, history: &History, first: usize, second: usize) {
        self.findings.add(|| Counterexample {
            sentence: format!(
                "{} {} at {}, but {} about the same request {}",
                words::who(history, first),
                words::told(history, first),
                words::seconds(history.operations[first].returned),
                words::began(history, second),
                words::told(history, second),
            ),
            operations: vec![first, second],
            toy: None,
        });
    }

    /// Somebody was told of an order or a refusal before the request was sent; or before it was
    /// sent again, by those who had been told that nothing was done.
    fn too_soon(&mut self, history: &History, place: usize) {
        self.findings.add(|| Counterexample {
            sentence: format!(
                "{} {}, but nobody had sent the request by then without being told that \
                 nothing was done",
                words::began(history, place),
                words::told(history, place),
            ),
            operations: vec![place],
            toy: None,
        });
    }

    /// Two purchases under one request id that want different things.
    fn other_order(&mut self, history: &History, first: usize, second: usize) {
        self.findings.add(|| Counterexample {
            sentence: format!(
                "{} {} under the request id of {}, which asked for something else",
                words::began(history, second),
                words::told(history, second),
                words::who(history, first),
            ),
            operations: vec![first, second],
            toy: None,
        });
    }

    /// A request that nobody made must not be recorded.
    fn nobody_asked(&mut self, history: &History, places: &[usize]) {
        for place in places.iter().copied() {
            let outcome = &history.operations[place].outcome;
            if matches!(says(outcome), Some(Fate::Bought(_))) {
                self.findings.add(|| Counterexample {
                    sentence: format!(
                        "{} {}, but no purchase of the history has this request id",
                        words::began(history, place),
                        words::told(history, place),
                    ),
                    operations: vec![place],
                    toy: None,
                });
            }
        }
    }
}

/// The orders of all final logs by request.
#[derive(Debug, Default)]
struct LoggedKeys {
    orders: BTreeMap<Name, Logged>,
    /// Whether there are logs, and all their orders name their requests.
    complete: bool,
}

impl LoggedKeys {
    fn of(history: &History) -> LoggedKeys {
        let logs = history.logs();
        let mut keys = LoggedKeys { complete: !logs.is_empty(), ..LoggedKeys::default() };
        for order in logs.into_values().flatten() {
            match order.key {
                Some(key) => {
                    keys.orders.entry(key).or_insert(*order);
                }
                None => keys.complete = false,
            }
        }
        keys
    }

    /// What the logs say of a request that nobody was told about.
    fn fate(&self, key: Name) -> Fate {
        match self.orders.get(&key) {
            Some(order) => Fate::Bought(Bought {
                order: order.number,
                version: order.version,
                index: order.index,
            }),
            None if self.complete => Fate::Never,
            None => Fate::Open,
        }
    }
}
