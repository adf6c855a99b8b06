//! The spans of one node: begun and ended as inputs and effects pass the driver, requests and
//! answers the ports.
//!
//! Called by [`crate::driver`], [`crate::http::site`] and [`crate::peer`]; finds parents in
//! [`super::place`], hands ended spans to [`super::export`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status};
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use replication::engine::Message;
use replication::{Entry, NodeId, Record, primary_backup};
use shop::message::{Reply, Request, Response};
use shop::node::{Address, Answer};

use super::context::{self, Causes, distinct};
use super::export::Export;
use super::place::Places;
use super::subject::{self, Subject};
use super::{Header, TRACEPARENT};
use crate::http::head::Head;
use crate::http::wire::PROTOCOL_HEADER;
use crate::peer::Link;
use crate::peer::faults::node_name;

/// All of a node's spans; nothing, where no collector is named.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Live>>);

/// Shared by everybody who begins or ends a span.
struct Live {
    tracer: SdkTracer,
    export: Export,
    /// Locked for look-ups only, inside the node's own lock or without it.
    places: Mutex<Places>,
}

impl Live {
    fn places(&self) -> MutexGuard<'_, Places> {
        // It guards plain maps, which no panic leaves half changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a span below another one; `None` if nobody would see it.
    fn begin(
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

    /// A request came: a span in the trace of each of its causes. Whoever does not speak for a node
    /// and names no trace begins one.
    pub fn arrive(&self, head: &Head, route: &'static str) -> Arrival {
        let Some(live) = &self.0 else { return Arrival::default() };
        let causes = Causes::read(|name| head.header(name));
        let between_nodes = head.header(PROTOCOL_HEADER).is_some();
        let method = head.method().as_str().to_string();
        let name = format!("{method} {route}");
        let attributes = || {
            vec![
                KeyValue::new("http.request.method", method.clone()),
                KeyValue::new("http.route", route),
                KeyValue::new("url.path", head.path().to_string()),
            ]
        };
        let begin = |parent: Option<&SpanContext>| {
            live.begin(parent, SpanKind::Server, &name, attributes())
        };
        if !causes.said && !between_nodes {
            let spans: Vec<Span> = begin(None).into_iter().collect();
            return Arrival { causes, spans, parents: Vec::new() };
        }
        let parents = causes.distinct();
        let (parents, spans) = parents
            .into_iter()
            .filter_map(|parent| Some((parent.clone(), begin(Some(&parent))?)))
            .unzip();
        Arrival { causes, spans, parents }
    }

    /// A toy was answered from the cache: a span, if the asker named a trace.
    pub fn hit(&self, head: &Head, status: u16) {
        if self.0.is_none() || head.header(TRACEPARENT).is_none() {
            return;
        }
        let mut arrival = self.arrive(head, "/products/{}");
        arrival.spans.iter_mut().for_each(|span| {
            span.set_attribute(KeyValue::new("toystore.cache", "hit"));
        });
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
        if arrival.spans.is_empty() {
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
        let Some(live) = &self.0 else { return Departure::default() };
        let subjects = subject::causes_of(request);
        let by_place = subjects.iter().all(|subject| matches!(subject, Subject::Purchase(_)));
        let places = live.places();
        let found = subjects.iter().map(|subject| places.of(subject));
        let causes: Vec<Option<SpanContext>> = if by_place {
            found.map(|mut places| places.pop()).collect()
        } else {
            distinct(found.flatten()).into_iter().map(Some).collect()
        };
        drop(places);
        let (method, path) = subject::title(request);
        let mut spans = Vec::new();
        let mut begun: Vec<(SpanContext, SpanContext)> = Vec::new();
        for cause in distinct(causes.iter().flatten().cloned()) {
            let mut attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.template", path),
            ];
            attributes.extend(link.into_iter().flat_map(peer));
            let name = format!("{method} {path}");
            let span = live.begin(Some(&cause), SpanKind::Client, &name, attributes);
            begun.extend(span.iter().map(|span| (cause.clone(), span.span_context().clone())));
            spans.extend(span);
        }
        let below = |cause: &SpanContext| {
            begun.iter().find(|(parent, _)| parent == cause).map(|(_, child)| child.clone())
        };
        let carried: Vec<Option<SpanContext>> =
            causes.iter().map(|cause| below(cause.as_ref()?)).collect();
        Departure { spans, header: context::header(&carried) }
    }

    /// A log message leaves.
    pub fn sends(&self, to: NodeId, message: &Message) {
        let Some(live) = &self.0 else { return };
        let Message::PrimaryBackup(message) = message;
        match message {
            primary_backup::Message::Append { entries, .. } => {
                for entry in entries {
                    self.replicates(live, to, entry);
                }
            }
            primary_backup::Message::Acknowledge { matched, .. } => {
                end_all(live.places().appended(*matched));
            }
            _ => {}
        }
    }

    fn replicates(&self, live: &Live, to: NodeId, entry: &Entry) {
        let mut places = live.places();
        if places.is_replicating(to, entry) {
            return;
        }
        let Some(context) = places.of_entry(entry).pop() else { return };
        let mut attributes = of_entry(entry);
        attributes.push(KeyValue::new("toystore.peer", node_name(Address::Order(to))));
        if let Some(span) = live.begin(Some(&context), SpanKind::Client, "replicate", attributes) {
            places.replicates(to, entry, span);
        }
    }

    /// A log message came.
    pub fn receives(&self, from: NodeId, message: &Message) {
        let Some(live) = &self.0 else { return };
        let Message::PrimaryBackup(message) = message;
        if let primary_backup::Message::Acknowledge { matched, .. } = message {
            end_all(live.places().replicated(from, *matched));
        }
    }

    /// Log messages came, with a header of their sender's.
    pub fn received(&self, messages: &[Message], header: &Header) {
        let (Some(live), Some((name, value))) = (&self.0, header) else { return };
        let causes = Causes::read(|asked| (asked == *name).then_some(value.as_bytes()));
        let mut places = live.places();
        for (place, entry) in messages.iter().flat_map(entries).enumerate() {
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

/// The server spans of one request.
#[derive(Debug, Default)]
pub struct Arrival {
    causes: Causes,
    spans: Vec<Span>,
    /// Of each span; empty, if the one span has none.
    parents: Vec<SpanContext>,
}

impl Arrival {
    /// The span of what stands at a place of the request.
    fn context(&self, place: usize) -> Option<SpanContext> {
        let number = match self.parents.is_empty() {
            true => 0,
            false => {
                let parent = self.causes.at(place)?;
                self.parents.iter().position(|known| known == parent)?
            }
        };
        self.spans.get(number).map(|span| span.span_context().clone())
    }

    /// A request that came without causes has those of what it names.
    fn adopt(&mut self, live: &Live, places: &Places, request: &Request) {
        if self.causes.said {
            return;
        }
        let (method, path) = subject::title(request);
        let subjects = subject::causes_of(request);
        for cause in distinct(subjects.iter().flat_map(|subject| places.of(subject))) {
            let attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", path),
            ];
            let name = format!("{method} {path}");
            self.spans.extend(live.begin(Some(&cause), SpanKind::Server, &name, attributes));
        }
    }

    /// What a person would look for.
    fn describe(&mut self, request: &Request) {
        let attributes = match request {
            Request::PlaceOrder(order) => vec![
                KeyValue::new("toystore.request", order.request_id.to_string()),
                KeyValue::new("toystore.toy", order.name.to_string()),
                KeyValue::new("toystore.quantity", i64::from(order.quantity.get())),
            ],
            Request::ReadProduct { name } | Request::Fill { name, .. } => {
                vec![KeyValue::new("toystore.toy", name.to_string())]
            }
            Request::PlaceOrders(orders) => vec![together(orders.len())],
            Request::Take { items, .. } => vec![together(items.len())],
            Request::Settle { takes, .. } => vec![together(takes.len())],
            Request::Invalidate { names } => vec![together(names.len())],
            _ => Vec::new(),
        };
        self.set(&attributes);
    }

    fn set(&mut self, attributes: &[KeyValue]) {
        for span in &mut self.spans {
            span.set_attributes(attributes.iter().cloned());
        }
    }

    /// The answer is there.
    pub fn end(mut self, response: &Response) {
        if self.spans.is_empty() {
            return;
        }
        if let Ok(Reply::Ordered(ordered)) = response {
            self.set(&[
                KeyValue::new("toystore.order.number", signed(ordered.number.0)),
                KeyValue::new("toystore.log.index", signed(ordered.index)),
            ]);
        }
        if let Err(problem) = response {
            self.set(&[KeyValue::new("error.type", problem.status().to_string())]);
        }
        self.ends(response.as_ref().err().map_or(200, |problem| problem.status()));
    }

    fn ends(mut self, status: u16) {
        for span in &mut self.spans {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            // What a client did wrong is no error of the server's.
            if status >= 500 {
                span.set_status(Status::error(""));
            }
            span.end();
        }
    }
}

/// The client spans of one call.
#[derive(Debug, Default)]
pub struct Departure {
    spans: Vec<Span>,
    /// To go with it.
    pub header: Header,
}

impl Departure {
    /// What came of the call.
    pub fn end(mut self, answer: &Answer) {
        let (status, error) = match answer {
            Answer::Said(Ok(_)) => (Some(200), None),
            Answer::Said(Err(problem)) => (Some(problem.status()), Some(problem.to_string())),
            Answer::Refused => (None, Some("refused".to_string())),
            Answer::Unknown => (None, Some("unknown".to_string())),
        };
        for span in &mut self.spans {
            if let Some(status) = status {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            }
            if let Some(error) = &error {
                let kind = status.map_or_else(|| error.clone(), |status| status.to_string());
                span.set_attribute(KeyValue::new("error.type", kind));
                span.set_status(Status::error(error.clone()));
            }
            span.end();
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
        let (Some(live), Address::Order(to)) = (&self.live, self.to) else { return };
        let places = live.places();
        self.contexts.extend(entries(message).iter().map(|e| places.replicating(to, e.index)));
    }

    /// The batch is complete.
    pub fn finish(self) -> Header {
        context::header(&self.contexts)
    }
}

fn entries(message: &Message) -> &[Entry] {
    match message {
        Message::PrimaryBackup(primary_backup::Message::Append { entries, .. }) => entries,
        Message::PrimaryBackup(_) => &[],
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

fn peer(link: &Link) -> [KeyValue; 3] {
    let url = link.url();
    [
        KeyValue::new("toystore.peer", node_name(link.to())),
        KeyValue::new("server.address", url.host().to_string()),
        KeyValue::new("server.port", i64::from(url.port())),
    ]
}

/// How many things share the message.
fn together(count: usize) -> KeyValue {
    KeyValue::new("toystore.together", i64::try_from(count).unwrap_or(i64::MAX))
}

/// Attributes have no unsigned numbers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
