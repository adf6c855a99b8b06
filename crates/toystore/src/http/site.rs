//! One node's requests, from head to answer.
//!
//! The order in which things are looked at is that of their frequency: a cache hit is answered
//! before anything else is known of the request; then the endpoint, the token, the body, the
//! message, the node. Called by [`super::server`]; calls the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shop::message::{Problem, Reply, Response};
use shop::node::Address;
use tokio::sync::mpsc;

use super::answer::{self, Answer, Body};
use super::endpoint::{self, Endpoint, Found, Role};
use super::incoming::{self, BODY_BYTES_MAX_INTERNAL, BODY_BYTES_MAX_PUBLIC};
use super::request::{self, Asked};
use super::served::Served;
use super::server::{Answering, Handler};
use super::wire::{self, Encoding, LogBody};
use super::{chaos, metrics, openapi, seed};
use crate::driver::Driver;
use crate::peer::faults::node_name;

/// How long a node may take to answer: longer than any deadline inside it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How often `/events` tells the state.
const EVENTS_INTERVAL: Duration = Duration::from_millis(500);

/// Listeners to `/events` at once.
const EVENTS_LISTENERS_MAX: u64 = 32;

const SESSION: HeaderName = HeaderName::from_static("session-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const SERVED_BY: HeaderName = HeaderName::from_static("toystore-served-by");

/// A node behind one of its ports.
pub struct Site<N> {
    driver: Arc<Driver<N>>,
    role: Role,
    /// `order-1`.
    name: String,
    served_by: HeaderValue,
    /// `Bearer …`.
    authorization: Vec<u8>,
    started: Instant,
    counters: Counters,
    /// The process stops: no longer ready, whatever the node says.
    draining: AtomicBool,
}

/// What happened at this port since the start.
#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    answers: [AtomicU64; 6],
    listeners: AtomicU64,
}

impl<N: Served> Site<N> {
    /// A port of `role` for a node.
    pub fn new(driver: Arc<Driver<N>>, role: Role, node: Address, token: &str) -> Site<N> {
        let name = node_name(node);
        Site {
            driver,
            role,
            served_by: HeaderValue::try_from(&name).expect("names of nodes are plain ASCII"),
            name,
            authorization: format!("Bearer {token}").into_bytes(),
            started: Instant::now(),
            counters: Counters::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on `/health/ready` says no.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn hit(&self, request: &Request<Incoming>) -> Option<Answer> {
        if self.role != Role::Frontend || request.method() != Method::GET {
            return None;
        }
        let name = request.uri().path().strip_prefix("/products/")?;
        // Borrows, unless there is something to decode.
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let hit = self.driver.with(|node, now| node.hit(now, &name))?;
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        Some(answer::hit(hit.body, hit.version, request.headers().get(IF_NONE_MATCH)))
    }

    async fn respond(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let (endpoint, argument, token, encoding) = match self.look_up(&head) {
            Ok(found) => found,
            // A body that nobody will read would be taken for the next request.
            Err(refused) if !body.is_end_stream() => return closing(*refused),
            Err(refused) => return *refused,
        };
        let between_services = self.role == Role::Order && encoding == Encoding::Postcard;
        let limit =
            if token || between_services { BODY_BYTES_MAX_INTERNAL } else { BODY_BYTES_MAX_PUBLIC };
        let body = match incoming::read_body(&head.headers, body, limit).await {
            Ok(body) => body,
            Err((status, why)) => return closing(answer::error(status, &why)),
        };
        let asked = Asked {
            role: self.role,
            endpoint,
            argument,
            query: head.uri.query().unwrap_or(""),
            headers: &head.headers,
            encoding,
            internal: head.headers.contains_key(wire::PROTOCOL_HEADER),
            body: &body,
        };
        let message = match request::read(&asked) {
            Ok(Some(message)) => message,
            Ok(None) => return self.own(endpoint, &asked).await,
            Err(problem) => return self.render(&asked, &Err(problem)),
        };
        let response =
            match tokio::time::timeout(ANSWER_DEADLINE, self.driver.request(message)).await {
                Ok(Some(response)) => response,
                Ok(None) => Err(Problem::OutcomeUnknown("the process ends".to_string())),
                Err(_) => {
                    let why = format!("no answer within {} s", ANSWER_DEADLINE.as_secs());
                    Err(Problem::OutcomeUnknown(why))
                }
            };
        self.render(&asked, &response)
    }

    /// All that can be said of a request without its body: what is asked, with the open segment of
    /// its path, whether the token was needed, and how the body is written.
    fn look_up<'a>(&self, head: &'a Parts) -> Result<LookedUp<'a>, Box<Answer>> {
        let path = head.uri.path();
        let (endpoint, argument, token) = match endpoint::find(self.role, &head.method, path) {
            Found::Endpoint { endpoint, argument, token } => (endpoint, argument, token),
            Found::OtherMethods(methods) => {
                return Err(Box::new(not_allowed(&head.method, &methods)));
            }
            Found::Nothing => {
                let what = format!("{} serves nothing at {path}", self.name);
                return Err(Box::new(answer::error(StatusCode::NOT_FOUND, &what)));
            }
        };
        if token && let Some(refused) = self.check_token(&head.headers) {
            return Err(Box::new(refused));
        }
        let encoding = incoming::check_head(&head.headers)
            .map_err(|(status, why)| Box::new(answer::error(status, &why)))?;
        Ok((endpoint, argument.unwrap_or(""), token, encoding))
    }

    fn render(&self, asked: &Asked<'_>, response: &Response) -> Answer {
        let headers = asked.headers;
        if wire::is_postcard(headers, "accept") {
            return answer::postcard(response);
        }
        match (self.role, response) {
            (Role::SeedFrontend, response) => seed::render(asked, response),
            (_, Ok(Reply::OrderLog { orders, .. })) if accepts_csv(headers) => {
                answer::order_log_csv(orders)
            }
            (role, Ok(reply)) => answer::reply(role, reply, headers.get(IF_NONE_MATCH)),
            (_, Err(problem)) => answer::problem(problem),
        }
    }

    /// What the node itself is not asked.
    async fn own(self: &Arc<Self>, endpoint: Endpoint, asked: &Asked<'_>) -> Answer {
        match endpoint {
            Endpoint::Log => self.receive(asked).await,
            Endpoint::Live => answer::data(&json!({"live": true})),
            Endpoint::Ready => match self.ready() {
                Ok(()) => answer::data(&json!({"ready": true})),
                Err(why) => {
                    let message = format!("not ready: {why}");
                    answer::error(StatusCode::SERVICE_UNAVAILABLE, &message)
                }
            },
            Endpoint::Status => answer::json(StatusCode::OK, self.status().to_string()),
            Endpoint::Metrics => {
                let text = HeaderValue::from_static("text/plain; version=0.0.4");
                answer::whole(StatusCode::OK, text, metrics::render(&self.status()))
            }
            Endpoint::Events => self.events(),
            Endpoint::Faults => chaos::put(self.driver.peers(), asked.body),
            Endpoint::Snapshot => match self.driver.with(|node, _| node.snapshot()) {
                Some(snapshot) => answer::snapshot(&snapshot),
                None => answer::error(StatusCode::NOT_FOUND, "this node has no snapshot"),
            },
            Endpoint::SeedLeader => self.seed_leader(),
            Endpoint::OpenApi => answer::json(StatusCode::OK, openapi::document(self.role)),
            _ => answer::error(StatusCode::NOT_FOUND, "not served here"),
        }
    }

    /// Messages of another replica; what this one has to say rides home with the answer.
    async fn receive(&self, asked: &Asked<'_>) -> Answer {
        let LogBody { from, messages } = match asked.encoding.decode(asked.body) {
            Ok(body) => body,
            Err(why) => return answer::error(StatusCode::BAD_REQUEST, &why),
        };
        self.driver.receive(from, messages);
        let link = self.driver.peers().link(Address::Order(from));
        let riding = match link {
            Some(link) if wire::is_postcard(asked.headers, "accept") => link.answer_to_log().await,
            // A person, or nobody we know.
            Some(_) | None => None,
        };
        match riding {
            Some(body) => {
                let postcard = HeaderValue::from_static(wire::POSTCARD);
                answer::whole(StatusCode::OK, postcard, body)
            }
            None => answer::empty(StatusCode::NO_CONTENT),
        }
    }

    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the process stops".to_string());
        }
        self.driver.with(|node, now| node.ready(now))
    }

    /// `/status`: who this is, and the node's own public state.
    fn status(&self) -> Value {
        let ready = self.ready();
        let status = self.driver.with(|node, now| node.status(now));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let answers: Vec<u64> = self.counters.answers.iter().map(count).collect();
        json!({
            "node": self.name,
            "role": self.role.name(),
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_ms": u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "ready": ready.is_ok(),
            "not_ready_because": ready.err(),
            "http": {
                "hits": count(&self.counters.hits),
                "answers_2xx": answers[2],
                "answers_3xx": answers[3],
                "answers_4xx": answers[4],
                "answers_5xx": answers[5],
            },
            "faults": chaos::status(self.driver.peers()),
            "status": status,
        })
    }

    /// `/status` as a stream of server-sent events, one now and one each half second.
    fn events(self: &Arc<Self>) -> Answer {
        let listeners = &self.counters.listeners;
        if listeners.fetch_add(1, Ordering::Relaxed) >= EVENTS_LISTENERS_MAX {
            listeners.fetch_sub(1, Ordering::Relaxed);
            let message = format!("{EVENTS_LISTENERS_MAX} listen to /events already");
            return answer::error(StatusCode::SERVICE_UNAVAILABLE, &message);
        }
        let (sender, receiver) = mpsc::channel(1);
        let site = self.clone();
        tokio::spawn(async move {
            // A stream that goes on for ever would keep the process from draining.
            while !site.draining.load(Ordering::Relaxed) {
                let event = format!("event: status\ndata: {}\n\n", site.status());
                if sender.send(Bytes::from(event)).await.is_err() {
                    break;
                }
                tokio::time::sleep(EVENTS_INTERVAL).await;
            }
            site.counters.listeners.fetch_sub(1, Ordering::Relaxed);
        });
        let text = HeaderValue::from_static("text/event-stream");
        let mut answer = answer::whole(StatusCode::OK, text, Bytes::new());
        *answer.body_mut() = Body::Stream(receiver);
        answer
    }

    fn seed_leader(&self) -> Answer {
        let leader = self.driver.with(|node, now| node.leader(now));
        let link = leader.and_then(|id| self.driver.peers().link(Address::Order(id)));
        match link {
            Some(link) => {
                let text = format!("Leader Order Port: {}", link.url().port());
                answer::whole(StatusCode::OK, HeaderValue::from_static("text/plain"), text)
            }
            None => answer::problem(&Problem::Unavailable("no leader is known".to_string())),
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Option<Answer> {
        match headers.get(AUTHORIZATION) {
            Some(given) if incoming::equal(given.as_bytes(), &self.authorization) => None,
            Some(_) => Some(answer::error(StatusCode::FORBIDDEN, "wrong cluster token")),
            None => {
                let message = "this is internal: it needs Authorization: Bearer CLUSTER_TOKEN";
                Some(answer::error(StatusCode::UNAUTHORIZED, message))
            }
        }
    }

    /// What every answer carries.
    fn sign(&self, answer: &mut Answer, session: Option<HeaderValue>, trace: Option<HeaderValue>) {
        let class = usize::from(answer.status().as_u16() / 100).min(5);
        self.counters.answers[class].fetch_add(1, Ordering::Relaxed);
        let headers = answer.headers_mut();
        headers.insert(SERVED_BY, self.served_by.clone());
        if let Some(session) = session {
            headers.insert(SESSION, session);
        }
        if let Some(trace) = trace {
            headers.insert(TRACEPARENT, trace);
        }
        if self.role == Role::SeedFrontend {
            // That client closes its socket before it reads the body.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl<N: Served> Handler for Site<N> {
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        let session = request.headers().get(SESSION).cloned();
        let trace = request.headers().get(TRACEPARENT).cloned();
        if let Some(mut hit) = self.hit(&request) {
            self.sign(&mut hit, session, trace);
            return Answering::Now(Some(hit));
        }
        let asker = chaos::asker(self.driver.peers(), request.uri(), request.headers());
        Answering::Later(Box::pin(async move {
            let mut answer = self.respond(request).await;
            if let Some(asker) = asker {
                chaos::hold_back(self.driver.peers(), &asker).await;
            }
            self.sign(&mut answer, session, trace);
            answer
        }))
    }
}

/// Endpoint, open segment, whether it is internal, how the body is written.
type LookedUp<'a> = (Endpoint, &'a str, bool, Encoding);

fn not_allowed(method: &Method, methods: &[Method]) -> Answer {
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("{method} is not allowed here, only {allowed}");
    let mut answer = answer::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    if let Ok(value) = HeaderValue::try_from(allowed) {
        answer.headers_mut().insert(ALLOW, value);
    }
    answer
}

/// The connection ends with this answer, since what the client still sends is not read.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn accepts_csv(headers: &HeaderMap) -> bool {
    headers.get("accept").is_some_and(|accept| accept.as_bytes().starts_with(b"text/csv"))
}
