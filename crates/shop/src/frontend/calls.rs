//! The calls that wait for an answer, and the outbox through which every part of a frontend speaks.
//!
//! Used by all other files of this folder; `mod.rs` takes an answer's purpose out again and hands
//! it to the part that asked.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::{NodeId, Time};

use crate::message::{Request, Response};
use crate::node::{Address, CallId, Effect, Token};

/// What the answer to a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// A product for those who wait for this fill.
    Fill,
    /// A page of products for one reader.
    List(Token),
    /// A product for one reader, who wants no more than the catalog's own state.
    Look(Token),
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Calls {
    last: u64,
    open: BTreeMap<CallId, Purpose>,
    /// What was asked of a leader before this adoption was taken out.
    left: u64,
}

impl Calls {
    /// Takes out what an answer is for; `None` if nobody waits for it.
    pub fn finish(&mut self, call: CallId) -> Option<Purpose> {
        self.open.remove(&call)
    }

    /// Takes out what was asked of a leader under adoptions before `reign`, oldest first. Should an
    /// answer come, nobody waits for it.
    pub fn leave(&mut self, reign: u64) -> Vec<Purpose> {
        if std::mem::replace(&mut self.left, reign) == reign {
            return Vec::new();
        }
        let old = |purpose: &Purpose| match purpose {
            Purpose::Orders { reign: under, .. } | Purpose::Question { reign: under, .. } => {
                *under < reign
            }
            Purpose::Fill
            | Purpose::List(_)
            | Purpose::Renew { .. }
            | Purpose::Probe
            | Purpose::End
            | Purpose::Watch { .. }
            | Purpose::Ping { .. }
            | Purpose::Lead { .. } => false,
        };
        let left: Vec<CallId> =
            self.open.iter().filter(|(_, purpose)| old(purpose)).map(|(call, _)| *call).collect();
        left.iter().filter_map(|call| self.open.remove(call)).collect()
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
        self.calls.open.insert(call, purpose);
        self.effects.push(Effect::Call { call, to, request, deadline });
        call
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
