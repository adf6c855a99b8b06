//! A collector of traces: a real HTTP server that reads what a store posts, as OTLP says, and keeps
//! it to be looked at. It can also hang.
//!
//! It shares nothing with what sends: the messages are those of the standard, decoded by a library.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message;
use tokio::net::TcpListener;

/// How long one that hangs keeps silent: longer than any test.
const HANGS_FOR: Duration = Duration::from_secs(600);

/// Who calls whom, of the kinds that a store has.
pub const CLIENT: i32 = wire::span::SpanKind::Client as i32;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// In hexadecimal, as all ids here.
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    pub kind: i32,
    /// `service.name` of the process.
    pub service: String,
    /// `service.instance.id` of the process.
    pub node: String,
    /// In nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Whether it says that it failed.
    pub failed: bool,
}

/// A running collector.
pub struct Collector {
    /// Where it listens.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// One that takes what it is sent.
    pub fn start() -> Collector {
        Collector::start_on("127.0.0.1:0".parse().unwrap(), false)
    }

    /// One that accepts connections and requests, and never says a word.
    pub fn start_hanging() -> Collector {
        Collector::start_on("127.0.0.1:0".parse().unwrap(), true)
    }

    /// Listens there.
    pub fn start_on(address: SocketAddr, hangs: bool) -> Collector {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let into = spans.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve(listener, into, hangs));
        });
        Collector { url, spans }
    }

    /// Everything that came.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// What came of one trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }
}

async fn serve(listener: std::net::TcpListener, spans: Arc<Mutex<Vec<Span>>>, hangs: bool) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let spans = spans.clone();
        let answer = move |request| answer(request, spans.clone(), hangs);
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        // A node that is killed breaks its connections.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    spans: Arc<Mutex<Vec<Span>>>,
    hangs: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    if hangs {
        tokio::time::sleep(HANGS_FOR).await;
    }
    let batch = ExportTraceServiceRequest::decode(body).unwrap();
    spans.lock().unwrap().extend(batch.resource_spans.into_iter().flat_map(read));
    let response = ExportTraceServiceResponse::default().encode_to_vec();
    let response = Response::new(Full::new(Bytes::from(response)));
    Ok(response)
}

fn read(spans: wire::ResourceSpans) -> Vec<Span> {
    let process = attributes(&spans.resource.unwrap_or_default().attributes);
    let (service, node) = (&process["service.name"], &process["service.instance.id"]);
    let all = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
    let span = |span: wire::Span| Span {
        trace: hexadecimal(&span.trace_id),
        id: hexadecimal(&span.span_id),
        parent: hexadecimal(&span.parent_span_id),
        name: span.name,
        kind: span.kind,
        service: service.clone(),
        node: node.clone(),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        failed: span.status.is_some_and(|s| s.code == wire::status::StatusCode::Error as i32),
    };
    all.map(span).collect()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
