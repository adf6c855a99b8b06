//! The spans of one node: begun and ended as inputs and effects pass the driver, requests and
//! answers the ports.
//!
//! Called by [`crate::driver`], [`crate::http::site`] and [`crate::peer`]; finds parents in
//! [`super::place`], hands ended spans to [`super::export`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind};
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use replication::engine::Message;
use replication::{Entry, NodeId, Record};
use shop::message::Request;
use shop::node::Address;

use super::context::{self, Causes};
use super::exchange::{Arrival, Departure, signed};
use super::export::Export;
use super::place::Places;
use super::subject;
use super::{Header, TRACEPARENT};
use crate::http::head::Head;
use crate::peer::Link;

/// All of a node's spans; nothing, where no collector is named.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Live>>);

/// Shared by everybody who begins or ends a span.
pub(super) struct Live {
    tracer: SdkTracer,
    export: Export,
    /// Locked for look-ups only, inside the node's own lock or without it.
    places: Mutex<Places>,
}

impl Live {
    pub(super) fn places(&self) -> MutexGuard<'_, Places> {
        // It guards plain maps, which no panic leaves half changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a span below another one; `None` if nobody would see it.
    pub(super) fn begin(
        &self,
        parent: Option<&SpanContext>,
        kind: SpanKind,
        name: &str,
        attributes: Vec<KeyValue>,
    ) -> Option<Span> {
        let parent = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent.clone())
        });
        let builder = SpanBuilder::from_name(name.to_string());
        let builder = builder.with_kind(kind).with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, &parent);
        span.is_recording().then_some(span)
    }
}

impl Traces {
    /// Those of the node `address`, for a collector.
    pub fn new(address: Address, export: Export) -> Traces {
        let (tracer, places) = (export.tracer(), Mutex::new(Places::new(address)));
        Traces(Some(Arc::new(Live { tracer, export, places })))
    }

    /// Hands over what is there, as far as the collector takes it in time.
    pub async fn stop(&self) {
        if let Some(live) = &self.0 {
            live.export.stop().await;
        }
    }

    /// A request came: a span in the trace of each of its causes. Whoever is no node and names no
    /// trace begins one.
    pub fn arrive(&self, head: &Head, route: &'static str, between_nodes: bool) -> Arrival {
        let begin = |live: &Arc<Live>| Arrival::begin(live, head, route, between_nodes);
        self.0.as_ref().map_or_else(Arrival::default, begin)
    }

    /// A toy was answered from the cache: a span, if the asker named a trace.
    pub fn hit(&self, head: &Head, status: u16) {
        if self.0.is_none() || head.header(TRACEPARENT).is_none() {
            return;
        }
        let mut arrival = self.arrive(head, "/products/{}", false);
        arrival.set(&[KeyValue::new("toystore.cache", "hit")]);
        arrival.ends(status);
    }

    /// The node is asked: what the request names is at hand from now on.
    pub fn asked(&self, token: u64, request: &Request, arrival: &mut Arrival) {
        let Some(live) = &self.0 else { return };
        let mut places = live.places();
        if matches!(request, Request::Settle { .. }) {
            // A new leader never heard of the purchases that it settles: this node did.
            arrival.adopt(live, &places, request);
        }
        if arrival.is_empty() {
            return;
        }
        arrival.describe(request);
        if let Request::Take { term, items, .. } = request {
            for item in items {
                places.name_take((*term, item.number), item.order.request_id);
            }
        }
        for (place, subject) in subject::begun_by(request) {
            if let Some(context) = arrival.context(place) {
                places.put(token, subject, context);
            }
        }
    }

    /// A request is answered.
    pub fn replied(&self, token: u64) {
        if let Some(live) = &self.0 {
            live.places().answered(token);
        }
    }

    /// Another node is called: a span in the trace of each cause.
    pub fn depart(&self, request: &Request, link: Option<&Link>) -> Departure {
        let begin = |live: &Arc<Live>| Departure::begin(live, request, link);
        self.0.as_ref().map_or_else(Departure::default, begin)
    }

    /// A log message leaves.
    pub fn sends(&self, to: NodeId, message: &Message) {
        let Some(live) = &self.0 else { return };
        for entry in message.entries() {
            self.replicates(live, to, entry);
        }
        if let Some(upto) = message.acknowledges() {
            end_all(live.places().appended(upto));
        }
    }

    fn replicates(&self, live: &Live, to: NodeId, entry: &Entry) {
        let mut places = live.places();
        if places.is_replicating(to, entry) {
            return;
        }
        let Some(context) = places.of_entry(entry).pop() else { return };
        let mut attributes = of_entry(entry);
        attributes.push(KeyValue::new("toystore.peer", places.replica(to)));
        if let Some(span) = live.begin(Some(&context), SpanKind::Client, "replicate", attributes) {
            places.replicates(to, entry, span);
        }
    }

    /// A log message came.
    pub fn receives(&self, from: NodeId, message: &Message) {
        let Some(live) = &self.0 else { return };
        if let Some(upto) = message.acknowledges() {
            end_all(live.places().replicated(from, upto));
        }
    }

    /// Log messages came, with a header of their sender's.
    pub fn received(&self, messages: &[Message], header: &Header) {
        let (Some(live), Some((name, value))) = (&self.0, header) else { return };
        let causes = Causes::read(|asked| (asked == *name).then_some(value.as_bytes()));
        let mut places = live.places();
        for (place, entry) in messages.iter().flat_map(Message::entries).enumerate() {
            let Some(parent) = causes.at(place) else { continue };
            let attributes = of_entry(entry);
            if let Some(span) = live.begin(Some(parent), SpanKind::Server, "append", attributes) {
                places.put_entry(entry.index, entry.term, span.span_context().clone());
                places.appends(entry.index, span);
            }
        }
    }

    /// The causes of the log messages of one batch, to be filled in their order.
    pub fn log_header(&self, to: Address) -> LogHeader {
        LogHeader { live: self.0.clone(), to, contexts: Vec::new() }
    }

    /// A record is on its way to the disk, the `number`th of this process.
    pub fn persists(&self, number: u64, record: &Record) {
        let (Some(live), Record::Append(entry)) = (&self.0, record) else { return };
        let mut places = live.places();
        for context in places.of_entry(entry) {
            let attributes = of_entry(entry);
            if let Some(span) =
                live.begin(Some(&context), SpanKind::Internal, "persist", attributes)
            {
                places.persists(number, span);
            }
        }
    }

    /// The first `upto` records are on disk.
    pub fn persisted(&self, upto: u64) {
        if let Some(live) = &self.0 {
            end_all(live.places().persisted(upto));
        }
    }
}

/// The header of one batch of log messages.
pub struct LogHeader {
    live: Option<Arc<Live>>,
    to: Address,
    contexts: Vec<Option<SpanContext>>,
}

impl LogHeader {
    /// This message is in the batch.
    pub fn add(&mut self, message: &Message) {
        let (Some(live), Address::Order(to) | Address::Catalog(to)) = (&self.live, self.to) else {
            return;
        };
        let places = live.places();
        self.contexts.extend(message.entries().iter().map(|e| places.replicating(to, e.index)));
    }

    /// The batch is complete.
    pub fn finish(self) -> Header {
        context::header(&self.contexts)
    }
}

fn end_all(spans: Vec<Span>) {
    for mut span in spans {
        span.end();
    }
}

fn of_entry(entry: &Entry) -> Vec<KeyValue> {
    vec![
        KeyValue::new("toystore.log.index", signed(entry.index.0)),
        KeyValue::new("toystore.term", entry.term.to_string()),
    ]
}
