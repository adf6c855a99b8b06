//! Where a shopper writes down what happened: keys, recorded orders, samples, differences.
//!
//! Called by `shopper::mod` after every request; read by the shell through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::config::Config;
use super::plan;
use super::record::{Difference, OrderLine, Outcome, Sample, Side, Summary};
use crate::message::{NewOrder, OrderNumber, Reply, RequestId};

/// A shopper's book. It grows with the shopper's requests, whose number is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Book {
    seed: u64,
    session: u32,
    /// How many orders were begun: numbers their keys.
    begun: u32,
    /// The keys of orders that are under way or unknown.
    keys: BTreeMap<RequestId, String>,
    /// Orders whose outcome is unknown and that were not asked about yet.
    unknown: VecDeque<NewOrder>,
    /// The recorded orders, in the order of their answers.
    lines: Vec<OrderLine>,
    numbers: BTreeSet<OrderNumber>,
    /// How many of `lines` the shell has taken.
    taken: usize,
    samples: Vec<Sample>,
    summary: Summary,
}

impl Book {
    pub fn new(config: &Config) -> Book {
        Book {
            seed: config.seed,
            session: config.session,
            begun: 0,
            keys: BTreeMap::new(),
            unknown: VecDeque::new(),
            lines: Vec::new(),
            numbers: BTreeSet::new(),
            taken: 0,
            samples: Vec::new(),
            summary: Summary::default(),
        }
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub fn key_of(&self, request_id: RequestId) -> Option<&str> {
        self.keys.get(&request_id).map(String::as_str)
    }

    pub fn take_orders(&mut self) -> Vec<OrderLine> {
        let taken = self.lines[self.taken..].to_vec();
        self.taken = self.lines.len();
        taken
    }

    pub fn take_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }

    /// A new order begins: makes its key.
    pub fn open(&mut self) -> RequestId {
        let (key, request_id) = plan::key(self.seed, self.session, self.begun);
        self.begun += 1;
        self.keys.insert(request_id, key);
        request_id
    }

    /// The next order to be asked about.
    pub fn next_unknown(&mut self) -> Option<NewOrder> {
        self.unknown.pop_front()
    }

    /// The number of a recorded order, by its place modulo how many there are.
    pub fn any_number(&self, place: u32) -> Option<OrderNumber> {
        self.number((place as usize).checked_rem(self.lines.len())?)
    }

    /// The number of a recorded order, by its place.
    pub fn number(&self, place: usize) -> Option<OrderNumber> {
        self.lines.get(place).map(|line| line.number)
    }

    /// A request ended.
    pub fn sample(&mut self, sample: Sample) {
        self.summary.count(&sample);
        self.samples.push(sample);
    }

    /// An order ended, after so many retries; `asked` if it was repeated because it was unknown.
    pub fn ordered(
        &mut self,
        retries: u32,
        order: NewOrder,
        outcome: Outcome,
        reply: Option<Reply>,
        asked: bool,
    ) {
        if let Some(Reply::Ordered(ordered)) = reply {
            let key = self.keys.remove(&order.request_id).unwrap_or_default();
            let line = OrderLine {
                number: ordered.number,
                name: order.name,
                quantity: order.quantity,
                session: self.session,
                key,
                version: ordered.version,
                index: ordered.index,
                retries,
            };
            if !self.numbers.insert(line.number) {
                self.summary.differences.push(Difference::Doubled { ordered: (&line).into() });
            }
            self.lines.push(line);
            return;
        }
        match outcome {
            Outcome::Unknown if !asked => self.unknown.push_back(order),
            // An earlier attempt may have been done, even if no later one reached anybody.
            Outcome::Unknown | Outcome::Unavailable if asked => {
                let key = self.keys.remove(&order.request_id).unwrap_or_default();
                self.summary.differences.push(Difference::Unknown { key });
            }
            Outcome::Ok
            | Outcome::Refused
            | Outcome::NotFound
            | Outcome::NotYet
            | Outcome::Unavailable
            | Outcome::Unknown
            | Outcome::Failed => {
                self.keys.remove(&order.request_id);
            }
        }
    }

    /// The order at this place was read again.
    pub fn compare(&mut self, place: usize, outcome: Outcome, reply: Option<Reply>) {
        let ordered = Side::from(&self.lines[place]);
        let difference = match (outcome, reply) {
            (_, Some(Reply::Order { order, .. })) => {
                let found = Side::from(&order);
                if found == ordered {
                    self.summary.matched += 1;
                    return;
                }
                Difference::Mismatched { ordered, found }
            }
            (Outcome::NotFound, _) => Difference::Missing { ordered },
            (Outcome::NotYet, _) => Difference::NotYet { ordered },
            (
                Outcome::Ok
                | Outcome::Refused
                | Outcome::Unavailable
                | Outcome::Unknown
                | Outcome::Failed,
                _,
            ) => Difference::Unanswered { ordered },
        };
        self.summary.differences.push(difference);
    }

    /// Everything was done that was to be done.
    pub fn close(&mut self) {
        self.summary.complete = true;
    }

    /// Ends early: an order that is under way may be done or not.
    pub fn close_early(&mut self) {
        for key in std::mem::take(&mut self.keys).into_values() {
            self.summary.differences.push(Difference::Unknown { key });
        }
    }
}
