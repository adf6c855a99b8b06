//! The spans of one HTTP exchange: at whoever is asked, and at whoever asks.
//!
//! Several, if the message has several causes: one in the trace of each, all of one length. Begun
//! by [`super::live`], ended by [`crate::http::site`] and [`crate::driver`].

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, Status};
use opentelemetry_sdk::trace::Span;
use shop::message::{Reply, Request, Response};
use shop::node::Answer;

use super::context::{self, Causes, distinct};
use super::live::Live;
use super::place::Places;
use super::subject::{self, Subject};
use super::{Header, TRACES_HEADER};
use crate::http::head::Head;
use crate::peer::Link;

/// The server spans of one request.
#[derive(Debug, Default)]
pub struct Arrival {
    causes: Causes,
    spans: Vec<Span>,
    /// Of each span; empty, if the one span has none.
    parents: Vec<SpanContext>,
}

impl Arrival {
    /// A request came, perhaps from another node.
    pub(super) fn begin(
        live: &Live,
        head: &Head,
        route: &'static str,
        between_nodes: bool,
    ) -> Arrival {
        // A stranger has one cause: with many, one request would cost as many spans.
        let heard = |name: &str| between_nodes || name != TRACES_HEADER;
        let causes = Causes::read(|name| head.header(name).filter(|_| heard(name)));
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

    /// Whether nobody looks.
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The span of what stands at a place of the request.
    pub(super) fn context(&self, place: usize) -> Option<SpanContext> {
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
    pub(super) fn adopt(&mut self, live: &Live, places: &Places, request: &Request) {
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
    pub(super) fn describe(&mut self, request: &Request) {
        let attributes = match request {
            Request::PlaceOrder(order) => vec![
                KeyValue::new("toystore.request", order.request_id.to_string()),
                KeyValue::new("toystore.toy", order.name.to_string()),
                KeyValue::new("toystore.quantity", i64::from(order.quantity.get())),
            ],
            Request::ReadProduct { name, .. } | Request::Fill { name, .. } => {
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

    pub(super) fn set(&mut self, attributes: &[KeyValue]) {
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
        self.ends(response.as_ref().err().map_or(200, |problem| problem.status()));
    }

    pub(super) fn ends(mut self, status: u16) {
        for span in &mut self.spans {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            // What a client did wrong is no error of the server's.
            if status >= 500 {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
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
    /// Another node is called.
    pub(super) fn begin(live: &Live, request: &Request, link: Option<&Link>) -> Departure {
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

pub(super) fn peer(link: &Link) -> [KeyValue; 3] {
    let url = link.url();
    [
        KeyValue::new("toystore.peer", link.name().to_string()),
        KeyValue::new("server.address", url.host().to_string()),
        KeyValue::new("server.port", i64::from(url.port())),
    ]
}

/// How many things share the message.
fn together(count: usize) -> KeyValue {
    KeyValue::new("toystore.together", i64::try_from(count).unwrap_or(i64::MAX))
}

/// Attributes have no unsigned numbers.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
