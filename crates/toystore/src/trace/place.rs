//! The place of everything that a node has at hand, in the traces that it stands in: which span is
//! the parent of what happens to it next.
//!
//! Pure but for the spans that it keeps open; under one lock, in [`super::live`].

use std::collections::{BTreeMap, VecDeque};

use opentelemetry::trace::{Span as _, SpanContext};
use opentelemetry_sdk::trace::Span;
use replication::{Entry, Index, NodeId, Term};
use shop::message::RequestId;
use shop::node::Address;

use super::context::distinct;
use super::recent::Recent;
use super::subject::{self, Subject};
use crate::peer::names::replica;

/// Purchases, takes and log entries whose place is remembered: more than can be under way.
const REMEMBERED_MAX: usize = 16_384;

/// Spans that may be open at once, of each kind: records on their way to the disk, entries on their
/// way to followers.
const OPEN_MAX: usize = 16_384;

/// All places of one node.
#[derive(Debug)]
pub struct Places {
    node: Address,
    purchases: Recent<RequestId, SpanContext>,
    takes: Recent<(Term, u64), RequestId>,
    /// What is being read or changed, and for which requests that wait for an answer.
    waiting: BTreeMap<Subject, Vec<(u64, SpanContext)>>,
    /// The same by request, to be forgotten with its answer.
    requests: BTreeMap<u64, Vec<Subject>>,
    /// Log entries of an order replica: at a follower, where they were appended.
    entries: Recent<Index, (Term, SpanContext)>,
    /// Records that are not on disk yet, by their number.
    persisting: VecDeque<(u64, Span)>,
    /// Entries that a follower has not acknowledged, with their terms.
    replicating: Recent<(NodeId, Index), (Term, Span)>,
    /// Entries that this follower has not acknowledged.
    appending: Recent<Index, Span>,
}

impl Places {
    /// Nothing is at hand yet.
    pub fn new(node: Address) -> Places {
        Places {
            node,
            purchases: Recent::new(REMEMBERED_MAX),
            takes: Recent::new(REMEMBERED_MAX),
            waiting: BTreeMap::new(),
            requests: BTreeMap::new(),
            entries: Recent::new(REMEMBERED_MAX),
            persisting: VecDeque::new(),
            replicating: Recent::new(OPEN_MAX),
            appending: Recent::new(OPEN_MAX),
        }
    }

    /// From now on this is at hand because of a request, until it is answered (all but purchases
    /// and takes).
    pub fn put(&mut self, request: u64, subject: Subject, context: SpanContext) {
        match subject {
            Subject::Purchase(request_id) => self.purchases.insert(request_id, context),
            // Its purchase has been put before.
            Subject::Take(..) => {}
            Subject::Change(_)
            | Subject::Fill(_)
            | Subject::Page(_)
            | Subject::Order(_)
            | Subject::Fate(_) => {
                self.waiting.entry(subject.clone()).or_default().push((request, context));
                self.requests.entry(request).or_default().push(subject);
            }
        }
    }

    /// A take is for this purchase.
    pub fn name_take(&mut self, take: (Term, u64), request_id: RequestId) {
        self.takes.insert(take, request_id);
    }

    /// A request is answered.
    pub fn answered(&mut self, request: u64) {
        for subject in self.requests.remove(&request).unwrap_or_default() {
            if let Some(requests) = self.waiting.get_mut(&subject) {
                requests.retain(|(waiting, _)| *waiting != request);
                if requests.is_empty() {
                    self.waiting.remove(&subject);
                }
            }
        }
    }

    /// Every place of a subject.
    pub fn of(&self, subject: &Subject) -> Vec<SpanContext> {
        let purchase = |request_id| self.purchases.get(request_id).cloned().into_iter().collect();
        match subject {
            Subject::Purchase(request_id) => purchase(request_id),
            Subject::Take(term, number) => {
                self.takes.get(&(*term, *number)).map_or_else(Vec::new, purchase)
            }
            Subject::Change(_)
            | Subject::Fill(_)
            | Subject::Page(_)
            | Subject::Order(_)
            | Subject::Fate(_) => {
                let waiting = self.waiting.get(subject).into_iter().flatten();
                waiting.map(|(_, context)| context.clone()).collect()
            }
        }
    }

    /// Every place of a log entry, each once. An order replica's has one at most.
    pub fn of_entry(&mut self, entry: &Entry) -> Vec<SpanContext> {
        if let Some((term, context)) = self.entries.get(&entry.index)
            && *term == entry.term
        {
            return vec![context.clone()];
        }
        if self.purchases.is_empty() {
            return Vec::new();
        }
        let subjects = subject::of_entry(self.node, entry);
        let contexts = distinct(subjects.iter().flat_map(|subject| self.of(subject)));
        // A catalog's entry may be about many, and is then each one's anew.
        if let (Address::Order(_), [context]) = (self.node, contexts.as_slice()) {
            self.put_entry(entry.index, entry.term, context.clone());
        }
        contexts
    }

    /// What happens to this entry from now on happens there.
    pub fn put_entry(&mut self, index: Index, term: Term, context: SpanContext) {
        self.entries.insert(index, (term, context));
    }

    /// A record is on its way to the disk.
    pub fn persists(&mut self, number: u64, span: Span) {
        if self.persisting.len() < OPEN_MAX {
            self.persisting.push_back((number, span));
        }
    }

    /// So many records are on disk: their spans, to be ended.
    pub fn persisted(&mut self, upto: u64) -> Vec<Span> {
        let count = self.persisting.partition_point(|(number, _)| *number <= upto);
        self.persisting.drain(..count).map(|(_, span)| span).collect()
    }

    /// What another replica of this node's service is called.
    pub fn replica(&self, id: NodeId) -> String {
        replica(self.node, id).map_or_else(String::new, |node| node.to_string())
    }

    /// Whether an entry is on its way to a follower already.
    pub fn is_replicating(&self, to: NodeId, entry: &Entry) -> bool {
        self.replicating.get(&(to, entry.index)).is_some_and(|(term, _)| *term == entry.term)
    }

    /// An entry is on its way to a follower.
    pub fn replicates(&mut self, to: NodeId, entry: &Entry, span: Span) {
        self.replicating.insert((to, entry.index), (entry.term, span));
    }

    /// The span of an entry that is on its way to a follower.
    pub fn replicating(&self, to: NodeId, index: Index) -> Option<SpanContext> {
        self.replicating.get(&(to, index)).map(|(_, span)| span.span_context().clone())
    }

    /// A follower has everything up to there.
    pub fn replicated(&mut self, to: NodeId, upto: Index) -> Vec<Span> {
        let acknowledged = self.replicating.remove_range((to, Index(0))..=(to, upto));
        acknowledged.into_iter().map(|(_, span)| span).collect()
    }

    /// An entry of the leader is on its way to this follower's disk.
    pub fn appends(&mut self, index: Index, span: Span) {
        self.appending.insert(index, span);
    }

    /// The leader is told that everything up to there is on disk.
    pub fn appended(&mut self, upto: Index) -> Vec<Span> {
        self.appending.remove_range(Index(0)..=upto)
    }
}
