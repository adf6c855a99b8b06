//! The link to one other node: a pool of connections for calls, and an outbox for messages.
//!
//! Called by the driver. A connection carries one call at a time, so that a call which the other
//! side answers late (a take that waits for the disk) holds up no other; but questions that are
//! answered from memory share one ([`Pipe`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use replication::engine::Message;
use shop::message::Request;
use shop::node::{Address, Answer};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::faults::Faults;
use super::names::replica;
use super::outbox::Outbox;
use super::pipe::Pipe;
use super::sample::{self, Sample};
use crate::histogram::Histogram;
use crate::http::chaos::FROM_HEADER;
use crate::http::connection::{Ask, Connection, NoAnswer, Said, Url};
use crate::http::metrics::Page;
use crate::http::wire;
use crate::trace::{Header, Traces};

/// Calls in flight to one node, each on a connection of its own. Those beyond wait for one.
const CALLS_MAX: usize = 128;

/// One other node.
pub struct Link {
    me: Address,
    to: Address,
    /// `order-2`, `catalog`.
    name: String,
    token: Arc<str>,
    /// Where this end is reached, for who does not know it yet.
    pub(super) home: Option<Arc<str>>,
    /// Where what leaves is written down, while somebody listens.
    pub(super) sample: Arc<Sample>,
    /// Changed when a frontend comes back elsewhere.
    url: Mutex<Url>,
    /// Connections that no call uses now, with the URL they lead to.
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    /// For questions that share one.
    pipe: Pipe,
    /// Replication messages on their way to it.
    pub(super) outbox: Outbox,
    /// What happens on the way there on purpose, under `--chaos`.
    faults: Option<Arc<Faults>>,
    traces: Traces,
    /// How long calls took that were answered.
    answered: Histogram,
    /// Calls that were refused, and those of which nothing is known.
    refused: AtomicU64,
    unknown: AtomicU64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // They guard plain values that no panic leaves half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn new(
        me: Address,
        to: Address,
        name: String,
        url: Url,
        token: Arc<str>,
        faults: Option<Arc<Faults>>,
        traces: Traces,
    ) -> Link {
        let sample = Arc::new(Sample::new(String::new()));
        Link {
            me,
            to,
            sample,
            name,
            token,
            home: None,
            url: Mutex::new(url),
            idle: Mutex::default(),
            free: Semaphore::new(CALLS_MAX),
            pipe: Pipe::default(),
            outbox: Outbox::default(),
            faults,
            traces,
            answered: Histogram::default(),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// Who is at the other end.
    pub fn to(&self) -> Address {
        self.to
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is another replica of this node's own service, so that both have messages for
    /// each other.
    pub(super) fn is_replica(&self) -> bool {
        match self.to {
            Address::Order(id) | Address::Catalog(id) => replica(self.me, id) == Some(self.to),
            Address::Frontend(_) => false,
        }
    }

    /// Who is at this end.
    pub fn me(&self) -> Address {
        self.me
    }

    /// Where it is reached now.
    pub fn url(&self) -> Url {
        lock(&self.url).clone()
    }

    /// It is reached elsewhere from now on.
    pub(super) fn moved(&self, url: Url) {
        let mut current = lock(&self.url);
        if *current != url {
            *current = url;
            lock(&self.idle).clear();
        }
    }

    /// Asks, within traces, and waits at most `deadline`.
    pub async fn call(
        self: &Arc<Link>,
        request: &Request,
        traces: &Header,
        deadline: Duration,
    ) -> Answer {
        let began = Instant::now();
        let id = self.sample.calls((self.to, &self.name), request);
        let answer = self.call_as_faults_allow(request, traces, &id, deadline).await;
        if let Some(id) = id {
            self.sample.ends(&id, outcome(&answer));
        }
        match &answer {
            Answer::Said(_) => self.answered.observe(began.elapsed()),
            Answer::Refused => _ = self.refused.fetch_add(1, Ordering::Relaxed),
            Answer::Unknown => _ = self.unknown.fetch_add(1, Ordering::Relaxed),
        }
        answer
    }

    /// What was counted, for `/metrics`.
    pub fn measured(&self, page: &mut Page) {
        let to = format!("to=\"{}\"", self.name);
        let help = "Time of calls to another node that were answered.";
        page.histogram("toystore_call_duration_seconds", help, &to, &self.answered);
        let help = "Calls to another node without an answer: refused, or of unknown outcome.";
        for (outcome, count) in [("refused", &self.refused), ("unknown", &self.unknown)] {
            let labels = format!("{to},outcome=\"{outcome}\"");
            let count = count.load(Ordering::Relaxed);
            page.counter("toystore_calls_unanswered_total", help, &labels, count);
        }
    }

    async fn call_as_faults_allow(
        self: &Arc<Link>,
        request: &Request,
        traces: &Header,
        id: &Option<String>,
        deadline: Duration,
    ) -> Answer {
        let faulty = self.faults.as_ref().and_then(|faults| faults.call(self.to));
        let Some(arrivals) = faulty else { return self.ask(request, traces, id, deadline).await };
        let end = Instant::now() + deadline;
        let mut first = None;
        for delay in arrivals {
            let (link, request) = (self.clone(), request.clone());
            let (traces, id) = (traces.clone(), id.clone());
            // A task each, since what is late arrives also when nobody waits for it any more.
            let copy = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                link.ask(&request, &traces, &id, deadline).await
            });
            first.get_or_insert(copy);
        }
        if let Some(first) = first
            && let Ok(Ok(answer)) = tokio::time::timeout_at(end, first).await
        {
            return answer;
        }
        tokio::time::sleep_until(end).await;
        Answer::Unknown
    }

    async fn ask(
        &self,
        request: &Request,
        traces: &Header,
        id: &Option<String>,
        deadline: Duration,
    ) -> Answer {
        let end = Instant::now() + deadline;
        let Ok(permit) = tokio::time::timeout_at(end, self.free.acquire()).await else {
            // It never left.
            return Answer::Refused;
        };
        let ask = self.name_asker(wire::to_http(request, &self.token).within(traces));
        let ask = with_id(ask, id);
        if is_question(request)
            && let Some(said) = self.pipe.ask(&self.url(), &ask, end).await
        {
            drop(permit);
            return self.understood(request, &said);
        }
        let mut connection = self.take();
        let left = end.saturating_duration_since(Instant::now());
        let said = connection.ask(&ask, left).await;
        drop(permit);
        match said {
            Ok(said) => {
                self.put_back(connection);
                self.understood(request, &said)
            }
            Err(NoAnswer::Refused(_)) => Answer::Refused,
            Err(NoAnswer::Unknown(_)) => Answer::Unknown,
        }
    }

    fn understood(&self, request: &Request, said: &Said) -> Answer {
        match wire::from_http(said) {
            Ok(response) => Answer::Said(response),
            Err(problem) => {
                tracing::warn!("{} answers {request} unintelligibly: {problem}", self.to);
                Answer::Unknown
            }
        }
    }

    /// Whether nothing gets there, on purpose.
    pub(super) fn is_cut(&self) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.is_cut(self.to))
    }

    /// Loses and doubles messages that leave now, on purpose; returns after which delay they do.
    pub(super) fn batch(&self, messages: &mut VecDeque<Message>) -> Duration {
        self.faults.as_ref().map_or(Duration::ZERO, |faults| faults.batch(self.to, messages))
    }

    /// Says who asks, for the faults of the answer.
    pub(super) fn name_asker(&self, ask: Ask) -> Ask {
        match &self.faults {
            Some(_) => ask.with(FROM_HEADER, self.me.to_string()),
            None => ask,
        }
    }

    /// Where the spans of this node are.
    pub(super) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What goes with every request between nodes.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn take(&self) -> Connection {
        // The last one that was used: the others may then grow old and be closed.
        let idle = lock(&self.idle).pop();
        idle.unwrap_or_else(|| Connection::new(self.url()))
    }

    fn put_back(&self, connection: Connection) {
        let current = lock(&self.url);
        if *connection.url() == *current {
            lock(&self.idle).push(connection);
        }
    }

    /// What may ride home with the answer to a `POST /log` of the other side, encoded, and within
    /// which traces; `None` if there is nothing. `waits`: for what comes within a moment, too.
    /// `what`: filled with the messages in words, if it is there.
    pub async fn answer_to_log(
        &self,
        waits: bool,
        what: Option<&mut String>,
    ) -> Option<(Bytes, Header)> {
        if self.faults.as_ref().is_some_and(|faults| faults.any(self.to)) {
            // They leave where they can be lost.
            return None;
        }
        let mut messages = match waits {
            true => self.outbox.take_for_answer().await,
            false => self.outbox.take(),
        };
        if messages.is_empty() {
            return None;
        }
        if let Some(what) = what {
            *what = sample::words(&messages);
        }
        let mut traces = self.traces.log_header(self.to);
        let body = wire::log_body(self.me, &mut messages, |message| traces.add(message));
        self.outbox.put_back(messages);
        Some((body, traces.finish()))
    }
}

/// Whether it changes nothing, and is answered from memory or, where there are replicas, after the
/// word of a majority that all wait for together.
fn is_question(request: &Request) -> bool {
    matches!(request, Request::Fill { .. } | Request::ReadOrder { .. })
}

/// Says under which id the sample has it.
pub(super) fn with_id(ask: Ask, id: &Option<String>) -> Ask {
    match id {
        Some(id) => ask.with(sample::ID_HEADER, id.clone()),
        None => ask,
    }
}

/// What came of a call, as the sample says it.
fn outcome(answer: &Answer) -> String {
    match answer {
        Answer::Said(Ok(_)) => "200".to_string(),
        Answer::Said(Err(problem)) => problem.status().to_string(),
        Answer::Refused => "refused".to_string(),
        Answer::Unknown => "unknown".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use replication::NodeId;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const ME: Address = Address::Order(NodeId(3));
    const OTHER: Address = Address::Order(NodeId(2));
    const SHORT: Duration = Duration::from_millis(50);

    fn link(listener: &TcpListener, faults: &str) -> Arc<Link> {
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let all = Faults::new(ME);
        let faults = format!("{{\"edges\":[{{\"to\":\"order-2\",{faults}}}]}}");
        all.put(faults.as_bytes(), &[OTHER]).unwrap();
        let (faults, traces) = (Some(Arc::new(all)), Traces::default());
        Arc::new(Link::new(ME, OTHER, "order-2".into(), url, "token".into(), faults, traces))
    }

    /// What comes on the next connection, at first.
    async fn heard(listener: &TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn a_cut_looks_like_silence_also_where_nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (cut, whole) = (link(&listener, "\"cut\":true"), link(&listener, "\"cut\":false"));
        drop(listener);
        let began = Instant::now();
        assert_eq!(whole.call(&Request::ReadLeader, &None, SHORT).await, Answer::Refused);
        assert_eq!(cut.call(&Request::ReadLeader, &None, SHORT).await, Answer::Unknown);
        assert!(began.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn what_is_late_arrives_after_its_caller_has_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = link(&listener, "\"delay_ms\":200");
        let began = Instant::now();
        assert_eq!(link.call(&Request::ReadLeader, &None, SHORT).await, Answer::Unknown);
        let head = heard(&listener).await;
        assert!(head.starts_with("GET /leader ") && head.contains("toystore-from: order-3"));
        assert!(began.elapsed() >= SHORT * 4);
    }

    #[tokio::test]
    async fn what_is_doubled_arrives_twice() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = link(&listener, "\"duplicate\":1");
        let call = tokio::spawn(async move { link.call(&Request::ReadLeader, &None, SHORT).await });
        for _ in 0..2 {
            assert!(heard(&listener).await.starts_with("GET /leader "));
        }
        assert_eq!(call.await.unwrap(), Answer::Unknown);
    }
}
