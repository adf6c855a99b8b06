//! The link to one other node: a pool of connections for calls, and an outbox for messages.
//!
//! Called by the driver. A connection carries one call at a time, so that a call which the other
//! side answers late (a take that waits for the disk) holds up no other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use shop::message::Request;
use shop::node::{Address, Answer};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::outbox::Outbox;
use crate::http::connection::{Connection, NoAnswer, Url};
use crate::http::wire;

/// Calls in flight to one node, each on a connection of its own. Those beyond wait for one.
const CALLS_MAX: usize = 128;

/// One other node.
pub struct Link {
    me: Address,
    to: Address,
    token: Arc<str>,
    /// Changed when a frontend comes back elsewhere.
    url: Mutex<Url>,
    /// Connections that no call uses now, with the URL they lead to.
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    /// Replication messages on their way to it.
    pub(super) outbox: Outbox,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // They guard plain values that no panic leaves half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn new(me: Address, to: Address, url: Url, token: Arc<str>) -> Link {
        Link {
            me,
            to,
            token,
            url: Mutex::new(url),
            idle: Mutex::default(),
            free: Semaphore::new(CALLS_MAX),
            outbox: Outbox::default(),
        }
    }

    /// Who is at the other end.
    pub fn to(&self) -> Address {
        self.to
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

    /// Asks, and waits at most `deadline`.
    pub async fn call(&self, request: &Request, deadline: Duration) -> Answer {
        let end = Instant::now() + deadline;
        let Ok(permit) = tokio::time::timeout_at(end, self.free.acquire()).await else {
            // It never left.
            return Answer::Refused;
        };
        let ask = wire::to_http(request, &self.token);
        let mut connection = self.take();
        let left = end.saturating_duration_since(Instant::now());
        let said = connection.ask(&ask, left).await;
        drop(permit);
        match said {
            Ok(said) => {
                self.put_back(connection);
                match wire::from_http(&said) {
                    Ok(response) => Answer::Said(response),
                    Err(problem) => {
                        tracing::warn!("{} answers {request} unintelligibly: {problem}", self.to);
                        Answer::Unknown
                    }
                }
            }
            Err(NoAnswer::Refused(_)) => Answer::Refused,
            Err(NoAnswer::Unknown(_)) => Answer::Unknown,
        }
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

    /// What may ride home with the answer to a `POST /log` of the other side, encoded; `None` if
    /// there is nothing.
    pub async fn answer_to_log(&self) -> Option<Bytes> {
        let mut messages = self.outbox.take_for_answer().await;
        if messages.is_empty() {
            return None;
        }
        let body = wire::log_body(self.me, &mut messages);
        self.outbox.put_back(messages);
        Some(body)
    }
}
