//! One node's requests, from head to answer.
//!
//! The order in which things are looked at is that of their frequency: a cache hit is answered
//! before anything else is known of the request; then the endpoint, the token, the body, the
//! message ([`super::port`]), the node. Called by [`super::serving`]; calls the driver.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode;
use serde_json::{Value, json};
use shop::message::{CacheUse, OrderOutcome, Problem, Reply, Response};
use shop::node::Address;
use tokio::sync::mpsc;

use super::answer::{self, Answer, Body};
use super::endpoint::{self, Endpoint, Role};
use super::head::Head;
use super::lab;
use super::port::{Port, Route, accepts_postcard};
use super::request::{self, Asked, Message};
use super::served::Served;
use super::wire::{self, LogBody};
use super::{chaos, metrics, openapi};
use crate::driver::Driver;
use crate::histogram::Histogram;
use crate::peer::names::replica;
use crate::peer::sample::{ID_HEADER, Passing};
use crate::trace::{self, Arrival};

/// How long a node may take to answer: longer than any deadline inside it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How often `/events` tells the state.
const EVENTS_INTERVAL: Duration = Duration::from_millis(500);

/// Listeners to `/events` at once.
const EVENTS_LISTENERS_MAX: u64 = 32;

/// A node behind one of its ports.
pub struct Site<N> {
    driver: Arc<Driver<N>>,
    node: Address,
    port: Port,
    started: Instant,
    counters: Counters,
    /// The header that says who served: a line of every answer.
    signature: Vec<u8>,
    /// How long the node took for each kind of request; hits are only counted.
    requests: BTreeMap<Endpoint, Histogram>,
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
        let name = driver.peers().names().name(node);
        let requests = endpoint::all(role).map(|(_, _, asked)| (asked, Histogram::default()));
        Site {
            driver,
            node,
            requests: requests.collect(),
            signature: format!("toystore-served-by: {name}\r\n").into_bytes(),
            port: Port::new(role, name, token),
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
            None => self.port.look_up(head).map_or_else(Admitted::Answer, Admitted::Route),
        }
    }

    fn hit(&self, head: &Head) -> Option<Answer> {
        if self.port.role() != Role::Frontend || head.method() != Method::GET {
            return None;
        }
        let name = head.path_bytes().strip_prefix(b"/products/")?;
        if !head.query().is_empty() {
            // It may ask for another level.
            return None;
        }
        let name = match name.contains(&b'%') {
            true => percent_decode(name).decode_utf8().ok()?,
            false => Cow::Borrowed(std::str::from_utf8(name).ok()?),
        };
        let hit = self.driver.with(|node, now| node.hit(now, &name))?;
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        let known = head.header("if-none-match");
        let answer = lab::product(hit.body, hit.version, CacheUse::Hit, &hit.from, known);
        self.driver.traces().hit(head, answer.status().as_u16());
        self.driver.peers().sample().hit(&name);
        Some(answer)
    }

    /// Answers a request that was admitted, with its whole body.
    pub async fn answer(self: &Arc<Self>, route: &Route<'_>, head: &Head, body: &[u8]) -> Answer {
        let mut passing = Passing::default();
        let answer = self.respond(route, head, body, &mut passing).await;
        chaos::hold_back(self.driver.peers(), head).await;
        self.driver.peers().sample().answers(passing, answer.status().as_u16());
        answer
    }

    async fn respond(
        self: &Arc<Self>,
        route: &Route<'_>,
        head: &Head,
        body: &[u8],
        passing: &mut Passing,
    ) -> Answer {
        let asked = self.port.asked(route, head, body);
        let message = match request::read(&asked) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => return self.own(&asked, passing).await,
            Err(problem) => Err(problem),
        };
        let began = Instant::now();
        let is_node = self.port.is_node(head);
        let mut arrival = self.driver.traces().arrive(head, route.path, is_node);
        let sample = self.driver.peers().sample();
        if let (true, Ok(message)) = (sample.is_on(), &message) {
            passing.id = match is_node {
                true => head.header(ID_HEADER).and_then(|id| sample.comes(id)),
                false => sample.client_asks(&message.request),
            };
        }
        let response = match message {
            Ok(message) => self.ask(message, &mut arrival).await,
            Err(problem) => Err(problem),
        };
        arrival.end(&response);
        if let Ok(Reply::Product { cache, .. }) = &response {
            passing.cache = Some(*cache);
        }
        if let Some(histogram) = self.requests.get(&route.endpoint) {
            histogram.observe(began.elapsed());
        }
        self.port.render(&asked, &response)
    }

    /// What the node says.
    async fn ask(&self, message: Message, arrival: &mut Arrival) -> Response {
        let Message { request, refused } = message;
        let answer = self.driver.request(request, arrival);
        let mut response = match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
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
        response
    }

    /// What the node itself is not asked.
    async fn own(self: &Arc<Self>, asked: &Asked<'_>, passing: &mut Passing) -> Answer {
        match asked.endpoint {
            Endpoint::Log => self.receive(asked, passing).await,
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
                answer::whole(StatusCode::OK, "text/plain; version=0.0.4", self.metrics())
            }
            Endpoint::Events => self.events(),
            Endpoint::Messages => self.messages(asked),
            Endpoint::Faults => chaos::put(self.driver.peers(), asked.body),
            Endpoint::Snapshot => match self.driver.with(|node, _| node.snapshot()) {
                Some(snapshot) => lab::snapshot(&snapshot),
                None => answer::error(StatusCode::NOT_FOUND, "this node has no snapshot"),
            },
            Endpoint::SeedLeader => self.seed_leader(),
            Endpoint::OpenApi => answer::json(StatusCode::OK, openapi::document(self.port.role())),
            _ => answer::error(StatusCode::NOT_FOUND, "not served here"),
        }
    }

    /// Messages of another replica; what this one has to say rides home with the answer.
    async fn receive(&self, asked: &Asked<'_>, passing: &mut Passing) -> Answer {
        let LogBody { from, messages } = match asked.encoding.decode(asked.body) {
            Ok(body) => body,
            Err(why) => return answer::error(StatusCode::BAD_REQUEST, &why),
        };
        let header = |name: &str| std::str::from_utf8(asked.head.header(name)?).ok();
        if let Some(home) = header(wire::HOME_HEADER) {
            self.driver.peers().meet(Address::Order(from), home);
        }
        let sample = self.driver.peers().sample();
        passing.id = asked.head.header(ID_HEADER).and_then(|id| sample.comes(id));
        // What is said of them comes when they are on disk; of others at once, if at all.
        let waits = messages.iter().any(|message| !message.entries().is_empty());
        self.driver.receive(from, messages, &trace::header(header));
        let sender = replica(self.node, from);
        let link = sender.and_then(|sender| self.driver.peers().link(sender));
        let riding = match link {
            Some(link) if accepts_postcard(asked.head) => {
                passing.what = passing.id.is_some().then(String::new);
                link.answer_to_log(waits, passing.what.as_mut()).await
            }
            // A person, or nobody we know.
            Some(_) | None => None,
        };
        match riding {
            Some((body, traces)) => {
                let mut answer = answer::whole(StatusCode::OK, wire::POSTCARD, body);
                if let Some((name, value)) = traces {
                    answer.add(name, value);
                }
                answer
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
            "node": self.port.name(),
            "role": self.port.role().name(),
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

    /// `/metrics`: the numbers of `/status`, and how long what takes.
    fn metrics(&self) -> String {
        let mut page = metrics::Page::new(&self.status());
        page.process();
        let help = "Time from a whole request to its answer, by endpoint; cache hits are none.";
        for (method, path, endpoint) in endpoint::all(self.port.role()) {
            if let Some(histogram) = self.requests.get(&endpoint).filter(|h| !h.is_empty()) {
                let labels = format!("method=\"{method}\",route=\"{path}\"");
                page.histogram("toystore_request_duration_seconds", help, &labels, histogram);
            }
        }
        self.driver.measured(&mut page);
        page.finish()
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

    /// The messages that passed here after the number `after`, a sample of them.
    fn messages(&self, asked: &Asked<'_>) -> Answer {
        match asked.whole("after") {
            Ok(after) => {
                let told = self.driver.peers().sample().told_after(after.unwrap_or(0));
                answer::json(StatusCode::OK, told.json())
            }
            Err(problem) => lab::problem(&problem),
        }
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

    /// What every answer carries.
    pub fn sign(&self, head: &Head, answer: &mut Answer) {
        let class = usize::from(answer.status().as_u16() / 100).min(5);
        self.counters.answers[class].fetch_add(1, Ordering::Relaxed);
        answer.add_lines(&[&self.signature]);
        for echoed in ["session-id", "traceparent"] {
            if let Some(value) = head.header(echoed) {
                answer.add(echoed, value);
            }
        }
    }

    /// Whether a connection ends with its first answer: the original project's client closes its
    /// socket before it reads the body.
    pub fn closes(&self) -> bool {
        self.port.role() == Role::SeedFrontend
    }
}

/// What becomes of a request, as far as its head says.
pub enum Admitted<'a> {
    /// This is the answer, whatever the body says.
    Answer(Answer),
    /// It goes there, with its body.
    Route(Route<'a>),
}
