//! The way of ended spans to a collector: OTLP over HTTP, in batches, from a thread of its own.
//!
//! The queue is the SDK's, with a bound: where it is full, spans are lost and the node goes on. The
//! connection is ours ([`crate::http::connection`]), the same that nodes ask each other over, so
//! that nothing new can hang: plain HTTP, for a collector on the same network. Everything that the
//! standard configures by environment (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_MAX_QUEUE_SIZE` …) holds.
//!
//! Made by `command::service`, owned by [`super::live`].

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use opentelemetry::trace::{SpanId, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, IdGenerator, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor,
};
use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use shop::node::Address;
use tokio::runtime::Runtime;

use super::live::Traces;
use crate::http::connection::{Ask, Connection, Url};

/// How long one try to hand a batch over may take. It holds up nothing but other spans.
const TRY_DEADLINE: Duration = Duration::from_secs(5);

/// How long the end of a process waits for its last spans.
const STOP_DEADLINE: Duration = Duration::from_secs(1);

/// Where a collector listens, below its URL.
const PATH: &str = "/v1/traces";

/// What the standard names a collector by; the second one is whole, with its path.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// The flags of a node that can be traced.
#[derive(Debug, Args)]
pub struct Flags {
    /// A collector of traces, http://HOST:4318 [default: OTEL_EXPORTER_OTLP_ENDPOINT, or none]
    #[arg(long, env = "TOYSTORE_OTLP", value_name = "URL")]
    otlp: Option<String>,
}

impl Flags {
    /// Traces of the node at `address`, called `name`, if a collector is named.
    ///
    /// # Errors
    /// If it cannot be one.
    pub fn traces(&self, address: Address, name: String, role: &'static str) -> Result<Traces> {
        // An empty value is none, for the standard's variables and so for ours.
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value == "true");
        let given = self.otlp.as_deref().filter(|text| !text.is_empty());
        if disabled || given.is_none() && !ENDPOINTS.iter().any(set) {
            return Ok(Traces::default());
        }
        let given = given.map(str::parse::<Url>).transpose().map_err(anyhow::Error::msg);
        let given = given.context("--otlp")?;
        Ok(Traces::new(address, Export::new(name, role, given.as_ref())?))
    }
}

/// The way to one collector.
pub struct Export {
    provider: SdkTracerProvider,
    /// Shared with those who count.
    counts: Arc<Counts>,
}

/// Spans that ended, and those that a collector has.
#[derive(Debug, Default)]
struct Counts {
    ended: AtomicU64,
    delivered: AtomicU64,
}

impl Export {
    fn new(name: String, role: &str, collector: Option<&Url>) -> Result<Export> {
        let counts = Arc::new(Counts::default());
        let post = Post::new().context("cannot start a runtime for traces")?;
        let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_http();
        exporter = exporter.with_http_client(post).with_timeout(TRY_DEADLINE);
        if let Some(collector) = collector {
            exporter = exporter.with_endpoint(format!("{collector}{PATH}"));
        }
        let exporter = match exporter.build() {
            Ok(exporter) => Counted { exporter, counts: counts.clone() },
            Err(error) => bail!("spans cannot be exported: {error}\nhint: --otlp http://HOST:4318"),
        };
        let batch = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder()
            .with_service_name(format!("toystore-{role}"))
            .with_attribute(KeyValue::new("service.instance.id", name))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids(Mutex::new(Pcg64::seed_from_u64(rand::random()))))
            .with_resource(resource)
            .with_span_processor(Queue { batch, counts: counts.clone() })
            .build();
        Ok(Export { provider, counts })
    }

    /// What begins spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("toystore")
    }

    /// Hands the last spans over, and says how many were lost.
    pub async fn stop(&self) {
        let provider = self.provider.clone();
        // It waits for the thread of the queue.
        let stop = move || provider.shutdown_with_timeout(STOP_DEADLINE);
        // What is lost by that is counted below.
        let _ = tokio::task::spawn_blocking(stop).await;
        let ended = self.counts.ended.load(Ordering::Relaxed);
        let lost = ended.saturating_sub(self.counts.delivered.load(Ordering::Relaxed));
        if lost > 0 {
            tracing::warn!("{lost} of {ended} spans did not reach the collector");
        }
    }
}

/// Random ids from a seed that is drawn once, at the start: the SDK's own generator draws one for
/// each thread, and where that fails it panics in the midst of a step.
#[derive(Debug)]
struct Ids(Mutex<Pcg64>);

impl Ids {
    fn next(&self) -> u128 {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            // Half of it is a span's, and no id is zero.
            if id as u64 != 0 {
                return id;
            }
        }
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(self.next())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.next() as u64)
    }
}

/// The queue, counted where spans come in …
#[derive(Debug)]
struct Queue {
    batch: BatchSpanProcessor,
    counts: Arc<Counts>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batch.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        self.batch.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batch.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batch.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batch.set_resource(resource);
    }
}

/// … and where they leave.
#[derive(Debug)]
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    counts: Arc<Counts>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        self.exporter.export(batch).await?;
        self.counts.delivered.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Posts batches, over a connection that is kept.
struct Post {
    /// Of the queue's thread: nothing else has to do with it.
    runtime: Runtime,
    connection: Mutex<Option<Connection>>,
    /// Whether the last try was in vain: that is said once.
    away: AtomicBool,
}

impl Post {
    fn new() -> Result<Post> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Post { runtime, connection: Mutex::new(None), away: AtomicBool::new(false) })
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let (head, body) = request.into_parts();
        let (scheme, authority) = (head.uri.scheme_str(), head.uri.authority());
        let base = format!("{}://{}", scheme.unwrap_or(""), authority.map_or("", |a| a.as_str()));
        let url: Url = base.parse()?;
        let path = head.uri.path_and_query().map_or(PATH, |path| path.as_str()).to_string();
        let mut ask = Ask { method: head.method, path, body, ..Ask::default() };
        for (name, value) in &head.headers {
            if name == hyper::header::CONTENT_TYPE {
                ask.content_type = Some(value.clone());
            } else {
                let value = value.to_str().map_err(|error| error.to_string())?;
                ask.headers.push((name.clone(), value.to_string().into()));
            }
        }
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = kept.get_or_insert_with(|| Connection::new(url));
        let said = self.runtime.block_on(connection.ask(&ask, TRY_DEADLINE));
        let said = said.map_err(|no_answer| no_answer.to_string())?;
        let mut response = Response::new(said.body);
        *response.status_mut() =
            hyper::StatusCode::from_u16(said.status).map_err(|error| error.to_string())?;
        *response.headers_mut() = said.headers;
        Ok(response)
    }

    fn note(&self, result: &Result<Response<Bytes>, String>) {
        let problem = match result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(why) => Some(why.clone()),
        };
        match (problem, self.away.load(Ordering::Relaxed)) {
            (Some(why), false) => {
                tracing::warn!("the collector takes no spans, so some are lost: {why}");
                self.away.store(true, Ordering::Relaxed);
            }
            (None, true) => {
                tracing::info!("the collector takes spans again");
                self.away.store(false, Ordering::Relaxed);
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

impl HttpClient for Post {
    /// Blocks: the queue has a thread for it, which is no thread of a runtime.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
    {
        Box::pin(async {
            let result = self.post(request);
            self.note(&result);
            result.map_err(HttpError::from)
        })
    }
}
