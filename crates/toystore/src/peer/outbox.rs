//! Replication messages on their way to one replica.
//!
//! They leave in two ways. **By a request**: a task takes everything that waits and posts it, one
//! request at a time; what is posted meanwhile becomes the next one, so that the number of
//! exchanges falls as the load rises. **By an answer**: whoever just posted entries to us waits for
//! what we have to say about them (an acknowledgement, once they are on disk), so its request is
//! held for a moment and our messages ride home in the answer. That halves the exchanges between a
//! leader and its followers. A request without entries is held for nothing, and the next one would
//! wait for it.
//!
//! A batch that meets no answer is lost, which the engines expect. One task for each link; ends
//! with the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replication::engine::Message;
use tokio::sync::{Notify, oneshot};

use super::link::{lock, with_id};
use super::{Event, Link, Report};
use crate::http::connection::{Connection, NoAnswer};
use crate::http::wire;
use crate::trace;

/// Messages that may wait for one replica. They may be lost, so the oldest goes.
const MESSAGES_MAX: usize = 4096;

/// How long a request is held for messages that may ride home with its answer: longer than a
/// healthy disk needs, far shorter than a heartbeat.
const HOLD: Duration = Duration::from_millis(5);

/// How long a replica may take to answer a batch.
const POST_DEADLINE: Duration = Duration::from_secs(1);

/// Messages for a replica that cannot be reached are dropped this often at most.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// What waits for one replica.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// Wakes the task that posts.
    posted: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// An answer that is held for messages: woken in the place of the task.
    answer: Option<oneshot::Sender<()>>,
}

impl Outbox {
    /// Puts a message at the end.
    pub fn post(&self, message: Message) {
        let mut queue = lock(&self.queue);
        if queue.messages.len() >= MESSAGES_MAX {
            queue.messages.pop_front();
        }
        queue.messages.push_back(message);
        // An answer whose caller has gone away carries nothing.
        let carried = queue.answer.take().is_some_and(|answer| answer.send(()).is_ok());
        drop(queue);
        if !carried {
            self.posted.notify_one();
        }
    }

    /// Puts back what did not fit.
    pub fn put_back(&self, rest: VecDeque<Message>) {
        if rest.is_empty() {
            return;
        }
        let mut queue = lock(&self.queue);
        for message in rest.into_iter().rev() {
            queue.messages.push_front(message);
        }
        drop(queue);
        self.posted.notify_one();
    }

    /// What waits.
    pub fn take(&self) -> VecDeque<Message> {
        std::mem::take(&mut lock(&self.queue).messages)
    }

    /// What may ride home with an answer: what waits, or what comes within [`HOLD`].
    pub async fn take_for_answer(&self) -> VecDeque<Message> {
        let comes = {
            let mut queue = lock(&self.queue);
            if !queue.messages.is_empty() {
                return std::mem::take(&mut queue.messages);
            }
            let (sender, comes) = oneshot::channel();
            queue.answer = Some(sender);
            comes
        };
        match tokio::time::timeout(HOLD, comes).await {
            Ok(Ok(())) => self.take(),
            // Nothing came; or a later request is held in the place of this one.
            Ok(Err(_)) | Err(_) => VecDeque::new(),
        }
    }
}

/// Posts what waits, and hands over what rides home.
pub(super) async fn run(link: Arc<Link>, report: Report) {
    let mut connection = Connection::new(link.url());
    let mut waiting: VecDeque<Message> = VecDeque::new();
    loop {
        let mut id = None;
        if waiting.is_empty() {
            waiting = link.outbox.take();
            if !waiting.is_empty() {
                id = link.sample.posts((link.to(), link.name()), &waiting);
            }
            let delay = link.batch(&mut waiting);
            if waiting.is_empty() {
                ends(&link, &id, "lost");
            }
            if !waiting.is_empty() && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
        if waiting.is_empty() {
            link.outbox.posted.notified().await;
            continue;
        }
        if *connection.url() != link.url() {
            connection = Connection::new(link.url());
        }
        let mut traces = link.traces().log_header(link.to());
        let show = |message: &Message| traces.add(message);
        let ask = wire::log_batch(link.me(), &mut waiting, link.token(), show);
        let ask = with_id(link.name_asker(ask.within(&traces.finish())), &id);
        let ask = match &link.home {
            Some(home) => ask.with(wire::HOME_HEADER, home.to_string()),
            None => ask,
        };
        let said = connection.ask(&ask, POST_DEADLINE).await;
        match &said {
            Ok(_) => ends(&link, &id, "200"),
            Err(NoAnswer::Refused(_)) => ends(&link, &id, "refused"),
            Err(NoAnswer::Unknown(_)) => ends(&link, &id, "unknown"),
        }
        match said {
            Ok(said) => match wire::log_answer(&said) {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    let traces = trace::header(|name| said.header(name));
                    report(Event::Messages { from: link.to(), messages, traces });
                }
                Err(problem) => tracing::warn!("{} answers {problem}", link.to()),
            },
            Err(NoAnswer::Refused(_)) => {
                waiting.clear();
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            Err(NoAnswer::Unknown(_)) => waiting.clear(),
        }
    }
}

/// What became of a batch that is in the sample.
fn ends(link: &Link, id: &Option<String>, outcome: &str) {
    if let Some(id) = id {
        link.sample.ends(id, outcome);
    }
}
