//! The calls that wait for an answer, and the outbox through which every part of a frontend speaks.
//!
//! Used by all other files of this folder; `mod.rs` takes an answer's purpose out again and hands
//! it to the part that asked.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::{NodeId, Time};

use super::config::CATALOG_TRY;
use crate::catalog_leader::{CatalogLeader, Heard};
use crate::message::{Request, Response};
use crate::node::{Address, Answer, CallId, Effect, Token};

/// What the answer to a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// A product for those who wait for this fill.
    Fill,
    /// For one reader: a page of products, or a product at a weaker level.
    Look {
        /// Who reads.
        token: Token,
        /// What was asked.
        request: Request,
        /// When it was asked first.
        since: Time,
    },
    /// The lease.
    Renew {
        /// When the request left: the lease counts from here.
        left: Time,
    },
    /// Whether the catalog is there, where no lease is wanted.
    Probe,
    /// The end of the lease, at a clean stop.
    End,
    /// Whether the known leader still leads.
    Watch {
        /// Of which adoption.
        reign: u64,
    },
    /// Whether a replica leads, in a search.
    Ping {
        /// Which replica.
        replica: NodeId,
        /// Which search.
        round: u64,
    },
    /// Telling a replica who should lead.
    Lead {
        /// Which replica is told.
        replica: NodeId,
        /// Which telling.
        round: u64,
    },
    /// A batch of orders.
    Orders {
        /// Under which adoption of a leader it was sent.
        reign: u64,
        /// The orders, as numbered by `orders`.
        sequences: Vec<u64>,
        /// Whether they were asked before.
        again: bool,
    },
    /// An order read or a fate.
    Question {
        /// Under which adoption of a leader it was sent.
        reign: u64,
        /// The question, as numbered by `questions`.
        sequence: u64,
    },
    /// An order read that any replica may answer.
    Near {
        /// The read, as numbered by `nearby`.
        sequence: u64,
    },
}

/// The calls that wait for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Calls {
    last: u64,
    open: BTreeMap<CallId, (Purpose, Address)>,
    /// Which replica of the catalog is asked.
    pub catalog: CatalogLeader,
    /// Nobody waits for what was asked of a leader of the orders before this adoption.
    left: u64,
}

impl Calls {
    /// No call was made yet, of a catalog with so many replicas.
    pub fn new(catalogs: u8) -> Calls {
        Calls { last: 0, open: BTreeMap::new(), catalog: CatalogLeader::new(catalogs), left: 0 }
    }

    /// Takes out what an answer is for, and what it says of the replica of the catalog that was
    /// asked; `None` if nobody waits for it.
    pub fn finish(&mut self, call: CallId, answer: &Answer) -> Option<(Purpose, Heard)> {
        let (purpose, to) = self.open.remove(&call)?;
        let heard = match to {
            Address::Catalog(asked) => self.catalog.heard(asked, answer),
            Address::Order(_) | Address::Frontend(_) => Heard::Final,
        };
        Some((purpose, heard))
    }

    /// The calls to a leader under adoptions before `reign`, oldest first; none the second time.
    pub fn of_earlier_reigns(&mut self, reign: u64) -> Vec<CallId> {
        if std::mem::replace(&mut self.left, reign) == reign {
            return Vec::new();
        }
        let old = |purpose: &Purpose| match purpose {
            Purpose::Orders { reign: under, .. } | Purpose::Question { reign: under, .. } => {
                *under < reign
            }
            Purpose::Fill
            | Purpose::Look { .. }
            | Purpose::Near { .. }
            | Purpose::Renew { .. }
            | Purpose::Probe
            | Purpose::End
            | Purpose::Watch { .. }
            | Purpose::Ping { .. }
            | Purpose::Lead { .. } => false,
        };
        let left = self.open.iter().filter(|(_, (purpose, _))| old(purpose));
        left.map(|(call, _)| *call).collect()
    }

    /// How many wait.
    pub fn in_flight(&self) -> usize {
        self.open.len()
    }
}

/// Where a step writes its effects.
pub(super) struct Outbox<'a> {
    /// This step's time.
    pub now: Time,
    /// The calls that wait.
    pub calls: &'a mut Calls,
    /// The to-do list.
    pub effects: &'a mut Vec<Effect>,
}

impl Outbox<'_> {
    /// Asks another node; the answer finds its way by `purpose`.
    pub fn call(
        &mut self,
        purpose: Purpose,
        to: Address,
        request: Request,
        deadline: Duration,
    ) -> CallId {
        self.calls.last += 1;
        let call = CallId(self.calls.last);
        self.calls.open.insert(call, (purpose, to));
        self.effects.push(Effect::Call { call, to, request, deadline });
        call
    }

    /// Asks the catalog. One of several replicas is not waited for as long as the only one.
    pub fn call_catalog(
        &mut self,
        purpose: Purpose,
        request: Request,
        deadline: Duration,
    ) -> CallId {
        let catalog = self.calls.catalog;
        let others = catalog.has_replicas();
        let deadline = if others { deadline.min(CATALOG_TRY) } else { deadline };
        self.call(purpose, catalog.address(), request, deadline)
    }

    /// Answers a request.
    pub fn reply(&mut self, token: Token, response: Response) {
        self.effects.push(Effect::Reply { token, response });
    }

    /// Says something in the operator's log.
    pub fn warn(&mut self, text: String) {
        self.effects.push(Effect::Warn(text));
    }
}
