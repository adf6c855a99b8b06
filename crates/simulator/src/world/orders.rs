//! The order replicas: which of them the store has, whom a node can reach, and what must hold of
//! those that agree by a majority at every step: one leader in each term, the same orders at the
//! same place of the log.
//!
//! Called by the world after each step of one of them, by `strike` and by `check`.

use std::collections::BTreeMap;

use replication::{NodeId, Protocol};

use super::World;
use super::process::Process;
use super::seen::Seen;
use crate::who::{Seat, Who};

/// What was seen of them so far.
#[derive(Debug, Default)]
pub struct Orders {
    /// Who led in each term: generation and number.
    led: BTreeMap<(u32, u64), NodeId>,
    /// How many orders there were, and their chained hash.
    seen: Seen<(u64, [u8; 32])>,
}

impl World {
    /// The order replicas that are started, and started again; one that was taken out is until it
    /// is ended.
    pub(super) fn enlisted(&self) -> impl DoubleEndedIterator<Item = Seat> + '_ {
        let all = 1..=self.seats.orders + self.seats.spares;
        let all = all.map(|id| self.seat(Who::Order(id)));
        all.filter(|seat| self.hosts[*seat].enlisted)
    }

    /// Whether somebody knows where another one is. All know where all are, but for order replicas
    /// that came later.
    pub(super) fn can_reach(&self, from: Seat, to: Seat) -> bool {
        let (Some(from), Who::Order(id)) = (self.hosts.get(from), self.who(to)) else {
            return true;
        };
        id <= self.seats.orders || from.knows.contains(&NodeId(id))
    }

    /// One of them made a step.
    pub(super) fn compare_orders(&mut self, seat: Seat) {
        let host = &self.hosts[seat];
        let Some(Process::Order(orders)) = &host.process else { return };
        let protocol = self.plan.setting.protocol;
        if !protocol.is_quorum() {
            return;
        }
        let (who, (applied, _)) = (host.who, orders.ledger().applied());
        let mut wrong = None;
        if let Some(term) = orders.term_led() {
            let led = self.orders.led.entry((term.generation, term.number)).or_insert(term.node);
            // Of Paxos, the number alone is not unique: its ballots name their node.
            let another = *led != term.node && protocol == Protocol::Raft;
            if another || Who::Order(term.node.0) != who {
                wrong = Some(format!("{who} leads under {term}, and order-{led} did"));
            }
        }
        let ledger = orders.ledger();
        let state = || (ledger.len(), ledger.digest_of(ledger.len()));
        if self.orders.seen.differs(seat, applied, state) {
            wrong = Some(format!("{who} has other orders at {applied} than another one"));
        }
        if let Some(what) = wrong {
            self.breaks("invariant", what);
        }
    }
}
