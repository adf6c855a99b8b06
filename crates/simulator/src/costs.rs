//! What a run costs: messages between order replicas, their bytes, syncs of disks, and how long
//! clients waited for their orders.
//!
//! Filled by the world, only in a run that asks for it (`run_measured`): it changes nothing that
//! happens. Read by [`crate::comparison`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use replication::Time;
use replication::engine::Message;
use shop::message::{Problem, Reply, Request, RequestId};
use shop::node::Answer;
use wal::encoding;

use crate::record::CallOf;
use crate::who::Who;

/// The byte that the log's encoding puts before what it encodes, and no message has.
const FORMAT_BYTES: u64 = 1;

/// An order that was acknowledged, for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// When its shopper was told.
    pub at: Time,
    /// Since it asked first.
    pub latency: Duration,
}

/// What a run costs. Messages, calls and syncs are counted within a window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    window: Range<Time>,
    /// Messages that order replicas sent to each other: heartbeats too.
    pub messages: u64,
    /// Their bytes, in the encoding of the network (postcard), without what frames them.
    pub message_bytes: u64,
    /// Calls between nodes: orders that a frontend passes on, takes, questions.
    pub calls: u64,
    /// Syncs of the disks of order replicas.
    pub order_syncs: u64,
    /// Syncs of the catalog's disk.
    pub catalog_syncs: u64,
    /// Attempts at an order that were told that nothing was done, in the whole run.
    pub refused: u64,
    /// Attempts at an order whose outcome was unknown to the shopper, in the whole run.
    pub unknown: u64,
    /// Orders, in the order of their acknowledgements, in the whole run.
    pub acknowledged: Vec<Acknowledged>,
    /// Acknowledged orders that no replica has at the end under the number that was told.
    pub lost: u64,
    /// Requests that came to have two order numbers.
    pub doubled: u64,
    /// Calls under way, each with what it orders.
    open: BTreeMap<CallOf, RequestId>,
    /// When each order was asked for first.
    first: BTreeMap<RequestId, Time>,
    done: BTreeSet<RequestId>,
}

impl Costs {
    /// Nothing was counted yet.
    pub fn new(window: Range<Time>) -> Costs {
        Costs {
            window,
            messages: 0,
            message_bytes: 0,
            calls: 0,
            order_syncs: 0,
            catalog_syncs: 0,
            refused: 0,
            unknown: 0,
            acknowledged: Vec::new(),
            lost: 0,
            doubled: 0,
            open: BTreeMap::new(),
            first: BTreeMap::new(),
            done: BTreeSet::new(),
        }
    }

    /// An order replica sends a message to another.
    pub(crate) fn sent(&mut self, now: Time, message: &Message) {
        if self.window.contains(&now) {
            self.messages += 1;
            self.message_bytes += encoding::encode(message).len() as u64 - FORMAT_BYTES;
        }
    }

    /// A node calls another.
    pub(crate) fn called(&mut self, now: Time) {
        self.calls += u64::from(self.window.contains(&now));
    }

    /// A disk made something durable, so many times.
    pub(crate) fn synced(&mut self, now: Time, whose: Who, times: u64) {
        if !self.window.contains(&now) {
            return;
        }
        match whose {
            Who::Catalog(_) => self.catalog_syncs += times,
            Who::Order(_) => self.order_syncs += times,
            Who::Frontend(_) | Who::Shopper(_) | Who::Asker => {}
        }
    }

    /// A client asks.
    pub(crate) fn asked(&mut self, call: CallOf, now: Time, request: &Request) {
        if let Request::PlaceOrder(order) = request {
            self.first.entry(order.request_id).or_insert(now);
            self.open.insert(call, order.request_id);
        }
    }

    /// A client is answered, or gives up.
    pub(crate) fn answered(&mut self, call: CallOf, now: Time, answer: &Answer) {
        let Some(request_id) = self.open.remove(&call) else { return };
        match answer {
            Answer::Said(Ok(Reply::Ordered(_))) => {
                let first = self.first.get(&request_id).copied().unwrap_or(now);
                if self.done.insert(request_id) {
                    let latency = now.since(first);
                    self.acknowledged.push(Acknowledged { at: now, latency });
                }
            }
            Answer::Refused | Answer::Said(Err(Problem::Unavailable(_))) => self.refused += 1,
            Answer::Unknown | Answer::Said(_) => self.unknown += 1,
        }
    }
}
