//! The link to one other node: a pool of connections for calls, and an outbox for messages.
//!
//! Called by the driver. A connection carries one call at a time, so that a call which the other
//! side answers late (a take that waits for the disk) holds up no other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replication::engine::Message;
use shop::message::Request;
use shop::node::{Address, Answer};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::client::connection::{Ask, Connection, NoAnswer, Url};
use crate::http::wire;

/// Calls in flight to one node, each on a connection of its own. Those beyond wait for one.
const CALLS_MAX: usize = 128;

/// Replication messages that may wait for one replica. They may be lost, so the oldest goes.
const OUTBOX_MESSAGES_MAX: usize = 4096;

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
    outbox: Mutex<VecDeque<Message>>,
    /// Wakes the task that empties the outbox.
    pub(super) posted: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
            outbox: Mutex::default(),
            posted: Notify::new(),
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

    /// A request that is no call of the node: messages, health.
    pub(super) async fn ask(
        &self,
        connection: &mut Connection,
        ask: &Ask,
        deadline: Duration,
    ) -> Result<(), NoAnswer> {
        connection.ask(ask, deadline).await.map(|said| {
            if said.status >= 400 {
                tracing::warn!("{} answers {} {}", self.to, said.status, said.message());
            }
        })
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

    /// Puts a message into the outbox.
    pub(super) fn post(&self, message: Message) {
        let mut outbox = lock(&self.outbox);
        if outbox.len() >= OUTBOX_MESSAGES_MAX {
            outbox.pop_front();
        }
        outbox.push_back(message);
        drop(outbox);
        self.posted.notify_one();
    }

    /// Everything that waits in the outbox.
    pub(super) fn posted_messages(&self) -> VecDeque<Message> {
        std::mem::take(&mut *lock(&self.outbox))
    }
}
