//! One node's requests, from head to answer.
//!
//! The order in which things are looked at is that of their frequency: a cache hit is answered
//! before anything else is known of the request; then the endpoint, the token, the body, the
//! message, the node. Called by [`super::serving`]; calls the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shop::message::{CacheUse, OrderOutcome, Problem, Reply, Response};
use shop::node::Address;
use tokio::sync::mpsc;

use super::answer::{self, Answer, Body};
use super::endpoint::{self, Endpoint, Found, Role};
use super::head::Head;
use super::incoming::{self, BODY_BYTES_MAX_INTERNAL, BODY_BYTES_MAX_PUBLIC};
use super::lab;
use super::request::{self, Asked, Message};
use super::served::Served;
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

/// A node behind one of its ports.
pub struct Site<N> {
    driver: Arc<Driver<N>>,
    role: Role,
    /// `order-1`.
    name: String,
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

    /// Looks at a head: answers at once what can be answered without a body, or says where the
    /// request goes and how long its body may be.
    pub fn admit<'a>(&self, head: &'a Head) -> Admitted<'a> {
        match self.hit(head) {
            Some(hit) => Admitted::Answer(hit),
            None => self.look_up(head).map_or_else(Admitted::Answer, Admitted::Route),
        }
    }

    fn hit(&self, head: &Head) -> Option<Answer> {
        if self.role != Role::Frontend || head.method() != Method::GET {
            return None;
        }
        let name = head.path().strip_prefix("/products/")?;
        // Borrows, unless there is something to decode.
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let hit = self.driver.with(|node, now| node.hit(now, &name))?;
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        let known = head.header("if-none-match");
        Some(lab::product(hit.body, hit.version, CacheUse::Hit, known))
    }

    /// All that can be said of a request without its body.
    fn look_up<'a>(&self, head: &'a Head) -> Result<Route<'a>, Answer> {
        let path = head.path();
        let (endpoint, argument, token) = match endpoint::find(self.role, head.method(), path) {
            Found::Endpoint { endpoint, argument, token } => (endpoint, argument, token),
            Found::OtherMethods(methods) => return Err(not_allowed(head.method(), &methods)),
            Found::Nothing => {
                let what = format!("{} serves nothing at {path}", self.name);
                return Err(answer::error(StatusCode::NOT_FOUND, &what));
            }
        };
        if token && let Some(refused) = self.check_token(head) {
            return Err(refused);
        }
        let encoding =
            incoming::check_head(head).map_err(|(status, why)| answer::error(status, &why))?;
        let between_services = self.role == Role::Order && encoding == Encoding::Postcard;
        let body_bytes_max =
            if token || between_services { BODY_BYTES_MAX_INTERNAL } else { BODY_BYTES_MAX_PUBLIC };
        let argument = argument.unwrap_or("");
        Ok(Route { endpoint, argument, encoding, body_bytes_max })
    }

    /// Answers a request that was admitted, with its whole body.
    pub async fn answer(self: &Arc<Self>, route: &Route<'_>, head: &Head, body: &[u8]) -> Answer {
        let answer = self.respond(route, head, body).await;
        chaos::hold_back(self.driver.peers(), head).await;
        answer
    }

    async fn respond(self: &Arc<Self>, route: &Route<'_>, head: &Head, body: &[u8]) -> Answer {
        let asked = Asked {
            role: self.role,
            endpoint: route.endpoint,
            argument: route.argument,
            encoding: route.encoding,
            head,
            body,
        };
        let Message { request, refused } = match request::read(&asked) {
            Ok(Some(message)) => message,
            Ok(None) => return self.own(&asked).await,
            Err(problem) => return self.render(&asked, &Err(problem)),
        };
        let mut response =
            match tokio::time::timeout(ANSWER_DEADLINE, self.driver.request(request)).await {
                Ok(Some(response)) => response,
                Ok(None) => Err(Problem::OutcomeUnknown("the process ends".to_string())),
                Err(_) => {
                    let why = format!("no answer within {} s", ANSWER_DEADLINE.as_secs());
                    Err(Problem::OutcomeUnknown(why))
                }
            };
        if let Ok(Reply::Orders(outcomes)) = &mut response {
            // Places rise, so that each finds those before it in theirs.
            for (place, problem) in refused {
                outcomes.insert(place, OrderOutcome::Said(Err(problem)));
            }
        }
        self.render(&asked, &response)
    }

    fn render(&self, asked: &Asked<'_>, response: &Response) -> Answer {
        if accepts_postcard(asked.head) {
            return answer::postcard(response);
        }
        let known = asked.head.header("if-none-match");
        match (self.role, response) {
            (Role::SeedFrontend, response) => seed::render(asked, response),
            (_, Ok(Reply::OrderLog { orders, .. })) if accepts_csv(asked.head) => {
                lab::order_log_csv(orders)
            }
            (role, Ok(reply)) => lab::reply(role, reply, known),
            (_, Err(problem)) => lab::problem(problem),
        }
    }

    /// What the node itself is not asked.
    async fn own(self: &Arc<Self>, asked: &Asked<'_>) -> Answer {
        match asked.endpoint {
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
                let text = metrics::render(&self.status());
                answer::whole(StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            Endpoint::Events => self.events(),
            Endpoint::Faults => chaos::put(self.driver.peers(), asked.body),
            Endpoint::Snapshot => match self.driver.with(|node, _| node.snapshot()) {
                Some(snapshot) => lab::snapshot(&snapshot),
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
            Some(link) if accepts_postcard(asked.head) => link.answer_to_log().await,
            // A person, or nobody we know.
            Some(_) | None => None,
        };
        match riding {
            Some(body) => answer::whole(StatusCode::OK, wire::POSTCARD, body),
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
        let mut answer = Answer::new(StatusCode::OK, Body::Stream(receiver));
        answer.add("content-type", "text/event-stream");
        answer
    }

    fn seed_leader(&self) -> Answer {
        let leader = self.driver.with(|node, now| node.leader(now));
        let link = leader.and_then(|id| self.driver.peers().link(Address::Order(id)));
        match link {
            Some(link) => {
                let text = format!("Leader Order Port: {}", link.url().port());
                answer::whole(StatusCode::OK, "text/plain", text)
            }
            None => lab::problem(&Problem::Unavailable("no leader is known".to_string())),
        }
    }

    fn check_token(&self, head: &Head) -> Option<Answer> {
        match head.header("authorization") {
            Some(given) if incoming::equal(given, &self.authorization) => None,
            Some(_) => Some(answer::error(StatusCode::FORBIDDEN, "wrong cluster token")),
            None => {
                let message = "this is internal: it needs Authorization: Bearer CLUSTER_TOKEN";
                Some(answer::error(StatusCode::UNAUTHORIZED, message))
            }
        }
    }

    /// What every answer carries.
    pub fn sign(&self, head: &Head, answer: &mut Answer) {
        let class = usize::from(answer.status().as_u16() / 100).min(5);
        self.counters.answers[class].fetch_add(1, Ordering::Relaxed);
        answer.add("toystore-served-by", &self.name);
        for echoed in ["session-id", "traceparent"] {
            if let Some(value) = head.header(echoed) {
                answer.add(echoed, value);
            }
        }
    }

    /// Whether a connection ends with its first answer: the original project's client closes its
    /// socket before it reads the body.
    pub fn closes(&self) -> bool {
        self.role == Role::SeedFrontend
    }
}

/// What becomes of a request, as far as its head says.
pub enum Admitted<'a> {
    /// This is the answer, whatever the body says.
    Answer(Answer),
    /// It goes there, with its body.
    Route(Route<'a>),
}

/// Where a request goes.
pub struct Route<'a> {
    endpoint: Endpoint,
    /// The open segment of its path.
    argument: &'a str,
    encoding: Encoding,
    /// How long its body may be.
    pub body_bytes_max: usize,
}

fn not_allowed(method: &Method, methods: &[Method]) -> Answer {
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("{method} is not allowed here, only {allowed}");
    let mut answer = answer::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    answer.add("allow", allowed);
    answer
}

fn accepts_postcard(head: &Head) -> bool {
    head.header("accept") == Some(wire::POSTCARD.as_bytes())
}

fn accepts_csv(head: &Head) -> bool {
    head.header("accept").is_some_and(|accept| accept.starts_with(b"text/csv"))
}
