//! What a shopper does next, drawn from its seed.
//!
//! Called by `shopper::mod`. Every round draws the same number of times, whatever the store
//! answers: two runs with one seed look at the same toys.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::config::{Config, Draw, Probability};
use crate::message::RequestId;
use crate::toy::Quantity;

/// The most that one order asks for: the lab says 1 to 5.
const QUANTITY_MAX: i64 = 5;

/// One round: a toy to look at, what to order if it is in stock, and what to read after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// Its place in the list of toys.
    pub toy: usize,
    /// How many to order; `None` to only look.
    pub order: Option<Quantity>,
    /// Which of its orders to read again: so many, modulo how many it has then.
    pub lookup: Option<u32>,
}

/// The rounds still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    random: Pcg64Mcg,
    draw: Draw,
    probability: Probability,
    lookups: Probability,
    left: u32,
    /// Draw `exact`: orders still to be placed in the rounds left.
    orders_left: u32,
}

impl Plan {
    pub fn new(config: &Config) -> Plan {
        // Spread apart, so that sessions of one seed share no stretch of numbers.
        let session = u64::from(config.session).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Plan {
            random: Pcg64Mcg::seed_from_u64(config.seed ^ session),
            draw: config.draw,
            probability: config.probability,
            lookups: config.lookups,
            left: config.requests,
            orders_left: config.probability.share_of(config.requests),
        }
    }

    /// How many rounds are left.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// No more rounds.
    pub fn end(&mut self) {
        self.left = 0;
    }

    /// The next round, among so many toys; `None` when all are done.
    pub fn next_round(&mut self, toys: usize) -> Option<Round> {
        if self.left == 0 || toys == 0 {
            return None;
        }
        let toy = self.random.random_range(0..toys);
        let quantity = self.random.random_range(1..=QUANTITY_MAX);
        let orders = match self.draw {
            Draw::Independent => self.drawn(self.probability),
            // Selection sampling (Knuth, The Art of Computer Programming 3.4.2, algorithm S): every
            // set of positions is equally likely, and none has to be kept.
            Draw::Exact => self.random.random_range(0..self.left) < self.orders_left,
        };
        self.left -= 1;
        self.orders_left -= u32::from(orders && self.draw == Draw::Exact);
        let quantity = Quantity::new(quantity).expect("1 to 5 is in the range of a quantity");
        // Whoever looks nothing up makes the same choices as before there were look-ups.
        let looks_up = self.lookups > Probability::default() && self.drawn(self.lookups);
        let lookup = looks_up.then(|| self.random.random());
        Some(Round { toy, order: orders.then_some(quantity), lookup })
    }

    fn drawn(&mut self, probability: Probability) -> bool {
        self.random.random_range(0..Probability::ONE) < probability.millionths()
    }
}

/// The `Idempotency-Key` of a shopper's order, and the request id that every service makes of it.
pub(super) fn key(seed: u64, session: u32, sequence: u32) -> (String, RequestId) {
    let key = format!("toystore-{seed:x}-{session}-{sequence}");
    let request_id = RequestId::from_key(&key).expect("it is short, visible ASCII");
    (key, request_id)
}
