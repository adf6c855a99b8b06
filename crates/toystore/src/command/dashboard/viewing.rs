//! The page of a bundle: a run that is over, with nothing running.
//!
//! ```text
//! GET /api/feed           who we are, and all frames of the run; then nothing more comes
//! GET /api/bundle/FILE    history.jsonl, verdict.txt, trace.txt, picture.html
//! ```
//!
//! The page is the same files as that of a running store ([`super::files`]); the first event of the
//! stream says that this is a bundle, and which. Called by the command `view`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{Door, error, files};
use crate::bundle::frames::Frame;
use crate::bundle::opened::Opened;

/// Frames of one event: some megabytes at most, so that the page draws while the others come.
const FRAMES_OF_EVENT: usize = 50;

/// How often an open stream says that it lives.
const ALIVE_INTERVAL: Duration = Duration::from_secs(15);

type Served = State<Arc<Viewing>>;

/// What is served.
struct Viewing {
    bundle: Opened,
    hello: Value,
}

/// Serves the page of a bundle, as long as the process lives.
///
/// # Errors
/// If the socket fails for good.
pub async fn serve(door: Door, bundle: Opened) -> std::io::Result<()> {
    let hello = hello(&bundle);
    let mut router = Router::new()
        .route("/api/feed", get(feed))
        .route("/api/bundle/{file}", get(file))
        .fallback(files::file)
        .with_state(Arc::new(Viewing { bundle, hello }));
    if door.is_loopback {
        router = router.layer(middleware::from_fn(files::from_this_machine));
    }
    axum::serve(door.listener, router).await
}

/// What the page must know before the first frame: that it is a bundle, what is said of it, and at
/// which moment to begin.
fn hello(bundle: &Opened) -> Value {
    let links = ["picture.html", "verdict.txt", "history.jsonl", "trace.txt"];
    let links: Vec<&str> =
        links.into_iter().filter(|name| bundle.files.contains_key(name)).collect();
    json!({
        "chaos": false,
        "version": env!("CARGO_PKG_VERSION"),
        "viewing": bundle.name,
        "verdict": bundle.judged(),
        "differs": bundle.differs,
        "broken": bundle.broken(),
        "first_look_ms": bundle.first_look().map(|frame| frame.at_ms),
        "frames": bundle.frames.len(),
        "told": bundle.frames.is_empty().then(|| bundle.told()),
        "links": links,
    })
}

/// Everything the page does not have yet; the stream stays open, or the page would ask again.
async fn feed(State(viewing): Served, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let last: u64 = last.unwrap_or(0);
    let hello = Event::default().event("hello").data(viewing.hello.to_string());
    let begin = viewing.bundle.frames.partition_point(|frame| frame.number <= last);
    let rest = stream::unfold(begin, move |begin| {
        let viewing = viewing.clone();
        async move {
            let frames = viewing.bundle.frames.get(begin..)?;
            let part = frames.get(..FRAMES_OF_EVENT).unwrap_or(frames);
            Some((history(part)?, begin + part.len()))
        }
    });
    let events = stream::iter([hello]).chain(rest).chain(stream::pending());
    let alive = KeepAlive::new().interval(ALIVE_INTERVAL);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(alive).into_response()
}

fn history(frames: &[Frame]) -> Option<Event> {
    let last = frames.last()?.number;
    let lines: Vec<&str> = frames.iter().map(|frame| frame.json.as_str()).collect();
    let event = Event::default().event("history").id(last.to_string());
    Some(event.data(format!("[{}]", lines.join(","))))
}

/// A file of the bundle.
async fn file(State(viewing): Served, Path(file): Path<String>) -> Response {
    match viewing.bundle.files.get(&*file) {
        Some(bytes) => files::of_bundle(&file, bytes.clone()),
        None => {
            let why = format!("there is no {file} in {}", viewing.bundle.name);
            error(StatusCode::NOT_FOUND, &why).into_response()
        }
    }
}
