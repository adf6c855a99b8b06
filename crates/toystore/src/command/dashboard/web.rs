//! The paths of the page, and the stream of frames.
//!
//! ```text
//! GET  /                              the page; every other file of it under its own name
//! GET  /api/feed                      frames, as server-sent events
//! GET  /api/shop/products?after=NAME  what a frontend says
//! GET  /api/shop/orders/N
//! POST /api/shop/orders               {"name":"Tux","quantity":1}, with an Idempotency-Key
//! GET  /api/log/NAME/FIRST/LAST       what stands in a replica's log, both ends included
//! POST /api/nodes/NAME/kill           kill, pause, resume, start            needs the token
//! PUT  /api/links/FROM/TO             {"cut":true}, {"loss":0.1}, {}        needs the token
//! POST /api/heal                      everything works again                needs the token
//! PUT  /api/load                      {"shoppers":5,"probability":"0.5","pause_ms":100}: send them
//! DELETE /api/load                    they end                              both need the token
//! PUT  /api/chaos                     {"seed":7}, or {} for a random one: strike after strike
//! DELETE /api/chaos                   mended, and no more of it             both need the token
//! GET  /api/cluster.json              which nodes there are, for `toystore dashboard --cluster`
//! GET  /api/rounds/N/FILE             history.jsonl, verdict.txt, picture.html: of one that ended
//! GET  /api/rounds/N/bundle.tar.gz    everything about it, for `toystore view`
//! ```

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::acts::action;
use super::chaos::SEED_MAX;
use super::feed::Frame;
use super::files;
use super::log;
use super::rounds::Load;
use super::shop::request_of;
use super::source::{CLUSTER_PATH, public};
use super::{Dashboard, Door, error};
use crate::bundle::archive;
use crate::http::connection::Ask;
use crate::peer::faults::EdgeFaults;

/// Pages that may be open at once.
const WATCHERS_MAX: usize = 32;

/// Where the verdict and the load are.
pub const ROUNDS_PATH: &str = "/api/rounds";

/// The largest body of a request.
const BODY_BYTES_MAX: usize = 16 * 1024;

type Served = State<Arc<Dashboard>>;

/// Serves until the process ends.
///
/// # Errors
/// If the socket fails for good.
pub async fn serve(door: Door, dashboard: Arc<Dashboard>) -> std::io::Result<()> {
    let broken = Router::new()
        .route("/api/nodes/{name}/{action}", post(node))
        .route("/api/links/{from}/{to}", put(link))
        .route("/api/heal", post(heal))
        .route("/api/load", put(load).delete(no_load))
        .route("/api/chaos", put(chaos).delete(no_chaos))
        .layer(middleware::from_fn_with_state(dashboard.clone(), with_token));
    let mut router = Router::new()
        .route("/api/feed", get(feed))
        .route("/api/shop/{*path}", get(shop).post(shop))
        .route("/api/log/{name}/{first}/{last}", get(entries))
        .route(CLUSTER_PATH, get(cluster))
        .route(ROUNDS_PATH, get(rounds))
        .route("/api/rounds/{number}/{file}", get(bundle))
        .merge(broken)
        .fallback(files::file)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(refused))
        .with_state(dashboard);
    if door.is_loopback {
        router = router.layer(middleware::from_fn(files::from_this_machine));
    }
    axum::serve(door.listener, router).await
}

/// What the router refuses by itself, a number that is none or too long a body, in the one form of
/// all that is refused.
async fn refused(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_plain = kind.is_some_and(|kind| kind.starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_plain {
        return response;
    }
    let status = response.status();
    let words = axum::body::to_bytes(response.into_body(), BODY_BYTES_MAX).await;
    let words = words.map(|words| String::from_utf8_lossy(&words).into_owned());
    error(status, words.as_deref().unwrap_or("the request is refused")).into_response()
}

/// Only with the cluster's token.
async fn with_token(State(dashboard): Served, request: Request, next: Next) -> Response {
    let Some(token) = &dashboard.token else {
        let why = "nothing can be broken here: start the store, or its page, with --chaos";
        return error(StatusCode::NOT_FOUND, why).into_response();
    };
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if given == Some(format!("Bearer {token}").as_bytes()) {
        return next.run(request).await;
    }
    let why = "whoever breaks things needs the token: open the address that was printed with it";
    error(StatusCode::UNAUTHORIZED, why).into_response()
}

/// Frames: those that are kept and the page does not have, then each new one.
async fn feed(State(dashboard): Served, headers: HeaderMap) -> Response {
    if dashboard.feed.watchers() >= WATCHERS_MAX {
        let why = format!("{WATCHERS_MAX} pages are open already: close one");
        return error(StatusCode::SERVICE_UNAVAILABLE, &why).into_response();
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let (old, news) = dashboard.feed.after(last.unwrap_or(0));
    let hello = json!({
        "chaos": dashboard.token.is_some(),
        "hands": dashboard.source.has_hands(),
        "started": dashboard.feed.started_ms,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let hello = Event::default().event("hello").data(hello.to_string());
    let first = [hello].into_iter().chain(history(&old));
    let rest = stream::unfold(news, |mut news| async {
        loop {
            match news.recv().await {
                Ok(frame) => return Some((event(&frame), news)),
                // A page that lags sees a jump, as its clock shows.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let events = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn event(frame: &Frame) -> Event {
    Event::default().event("frame").id(frame.number.to_string()).data(&frame.json)
}

/// All at once, so that a page draws the newest first.
fn history(old: &[Arc<Frame>]) -> Option<Event> {
    let last = old.last()?.number;
    let frames: Vec<&str> = old.iter().map(|frame| frame.json.as_str()).collect();
    let event = Event::default().event("history").id(last.to_string());
    Some(event.data(format!("[{}]", frames.join(","))))
}

/// What a click came to: what was done, or why the store does not do it.
type Done = Result<Json<Value>, Refused>;

struct Refused(anyhow::Error);

impl From<anyhow::Error> for Refused {
    fn from(why: anyhow::Error) -> Refused {
        Refused(why)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        error(StatusCode::CONFLICT, &format!("{:#}", self.0)).into_response()
    }
}

fn done(what: Value) -> Json<Value> {
    Json(json!({"data": what}))
}

/// What is passed on to a frontend.
async fn shop(
    State(dashboard): Served,
    Path(path): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if method == Method::POST && !is_json {
        // A form of another page could not say so without being asked.
        let why = "an order is application/json";
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
    }
    if !path.starts_with("products") && !path.starts_with("orders") {
        return error(StatusCode::NOT_FOUND, "there are products and orders").into_response();
    }
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    // As it was asked, with its percent signs.
    let path = uri.path().strip_prefix("/api/shop").unwrap_or_default();
    let mut ask = Ask { method, path: format!("{path}{query}"), body, ..Ask::default() };
    for name in ["idempotency-key", "session-id"] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            ask = ask.with(name, value.to_string());
        }
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let frontend = header("toystore-frontend");
    let request = request_of(&ask, header("idempotency-key"));
    // By this name the messages of a purchase are known.
    let name = request.as_ref().and_then(|(request, _)| match request {
        shop::message::Request::PlaceOrder(order) => Some(order.request_id.to_string()),
        _ => None,
    });
    let asked = async { dashboard.shop.ask(&dashboard.cluster()?, frontend, &ask).await };
    let session = header("session-id").unwrap_or("page");
    let told = dashboard.rounds.by_click(request, session, asked).await;
    let named = |mut told: Value| {
        told["request"] = json!(name);
        done(told)
    };
    told.map(named).map_err(Refused).into_response()
}

async fn load(State(dashboard): Served, body: Bytes) -> Response {
    let load: Result<Load, String> =
        serde_json::from_slice(&body).map_err(|why| format!("not understood: {why}"));
    match load.and_then(|load| load.check().map(|_| load)) {
        Ok(load) => {
            dashboard.rounds.send(Some(load.clone()));
            done(json!(load)).into_response()
        }
        Err(why) => {
            let such = r#"{"shoppers":5,"probability":"0.5","pause_ms":100}"#;
            let why = format!("{why}; expected such as {such}");
            error(StatusCode::BAD_REQUEST, &why).into_response()
        }
    }
}

async fn no_load(State(dashboard): Served) -> Json<Value> {
    dashboard.rounds.send(None);
    done(Value::Null)
}

/// A file of a round that ended, or all of them in one; of the open one, what it broke so far.
async fn bundle(State(dashboard): Served, Path((number, file)): Path<(u64, String)>) -> Response {
    if file == "picture.html"
        && let Some(picture) = dashboard.rounds.picture(number)
    {
        return files::of_bundle(&file, picture);
    }
    let folder = dashboard.rounds.bundle(number);
    let packed = file == "bundle.tar.gz";
    if !packed && files::kind_of(&file).is_none() {
        let why = "a round has history.jsonl, verdict.txt, picture.html and bundle.tar.gz";
        return error(StatusCode::NOT_FOUND, why).into_response();
    }
    let name = format!("round-{number}");
    let read = {
        let (file, name) = (file.clone(), name.clone());
        move || match packed {
            // The picture is written last: with it everything is there.
            true if folder.join("picture.html").exists() => archive::pack(&folder, &name).ok(),
            true => None,
            false => std::fs::read(folder.join(file)).ok(),
        }
    };
    let Ok(Some(bytes)) = tokio::task::spawn_blocking(read).await else {
        let why = format!("round {number} is not kept any more, or has not ended");
        return error(StatusCode::NOT_FOUND, &why).into_response();
    };
    if packed {
        let attached = format!("attachment; filename=\"toystore-{name}.tar.gz\"");
        let kind = (header::CONTENT_TYPE, "application/gzip".to_string());
        return ([kind, (header::CONTENT_DISPOSITION, attached)], bytes).into_response();
    }
    files::of_bundle(&file, bytes)
}

async fn node(State(dashboard): Served, Path((name, word)): Path<(String, String)>) -> Done {
    let action = action(&word)?;
    let words = dashboard.acts.node(&dashboard.cluster()?, &name, action).await?;
    Ok(done(json!({"done": words})))
}

async fn entries(
    State(dashboard): Served,
    Path((name, first, last)): Path<(String, u64, u64)>,
) -> Response {
    if first == 0 || last < first || last - first >= log::ENTRIES_MAX {
        let most = log::ENTRIES_MAX;
        let why = format!("{first} to {last} are no entries: from 1 on, {most} at once at most");
        return error(StatusCode::BAD_REQUEST, &why).into_response();
    }
    let told = async {
        let cluster = dashboard.cluster()?;
        let member = cluster.member(&name)?;
        log::entries(member, &dashboard.source.token()?.unwrap_or_default(), first..=last).await
    };
    told.await.map(done).map_err(Refused).into_response()
}

/// What a link suffers from now on: [`EdgeFaults`], of which the path has the destination.
fn suffers(body: &[u8], to: String) -> Result<EdgeFaults, String> {
    let understood = || -> serde_json::Result<EdgeFaults> {
        let mut faults: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
        faults.insert("to".to_string(), to.into());
        serde_json::from_value(faults.into())
    };
    understood().map_err(|why| {
        format!(
            "not understood: {why}; expected such as \
             {{\"cut\":true}}, {{\"delay_ms\":50,\"jitter_ms\":20}}, {{\"loss\":0.1}}, {{}}"
        )
    })
}

async fn link(
    State(dashboard): Served,
    Path((from, to)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let faults = match suffers(&body, to) {
        Ok(faults) => faults,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why).into_response(),
    };
    let words = async { dashboard.acts.link(&dashboard.cluster()?, &from, faults).await };
    let told = words.await.map(|words| done(json!({"done": words})));
    told.map_err(Refused).into_response()
}

/// What `PUT /api/chaos` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    seed: Option<u64>,
}

async fn chaos(State(dashboard): Served, body: Bytes) -> Response {
    let wanted: Result<Wanted, String> =
        serde_json::from_slice(&body).map_err(|why| format!("not understood: {why}"));
    let seed = wanted.and_then(|wanted| match wanted.seed {
        Some(seed) if seed > SEED_MAX => {
            Err(format!("seed {seed} is too large: at most {SEED_MAX}"))
        }
        seed => Ok(seed),
    });
    match seed {
        Ok(seed) => done(json!({"seed": dashboard.chaos.on(seed)})).into_response(),
        Err(why) => {
            let why = format!("{why}; expected such as {{\"seed\":7}}, or {{}} for a random one");
            error(StatusCode::BAD_REQUEST, &why).into_response()
        }
    }
}

async fn no_chaos(State(dashboard): Served) -> Done {
    dashboard.chaos.off().await?;
    Ok(done(Value::Null))
}

async fn cluster(State(dashboard): Served) -> Result<Json<Value>, Refused> {
    Ok(Json(public(&dashboard.cluster()?)))
}

/// The verdict and the load, as frames have them, for who draws no page.
async fn rounds(State(dashboard): Served) -> Json<Value> {
    done(dashboard.rounds.shown())
}

async fn heal(State(dashboard): Served) -> Done {
    let nodes = dashboard.acts.heal(&dashboard.cluster()?).await;
    Ok(done(json!({"nodes": nodes})))
}
