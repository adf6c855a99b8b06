//! Empties a link's outbox: whatever replication messages wait go out in one `POST /log`.
//!
//! One request is in flight at a time; what is posted meanwhile becomes the next one, so that the
//! number of exchanges falls as the load rises. A batch that meets no answer is lost, which the
//! engines expect. One task for each link; ends with the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use replication::engine::Message;

use super::Link;
use crate::client::connection::{Connection, NoAnswer};
use crate::http::wire;

/// How long a replica may take to accept a batch. It answers before anything is on disk.
const POST_DEADLINE: Duration = Duration::from_secs(1);

/// Messages for a replica that cannot be reached are dropped this often at most.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(link: Arc<Link>) {
    let mut connection = Connection::new(link.url());
    let mut waiting: VecDeque<Message> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            waiting = link.posted_messages();
        }
        if waiting.is_empty() {
            link.posted.notified().await;
            continue;
        }
        if *connection.url() != link.url() {
            connection = Connection::new(link.url());
        }
        let ask = wire::log_batch(link.me(), &mut waiting, link.token());
        match link.ask(&mut connection, &ask, POST_DEADLINE).await {
            Ok(()) => {}
            Err(NoAnswer::Refused(_)) => {
                waiting.clear();
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            Err(NoAnswer::Unknown(_)) => waiting.clear(),
        }
    }
}
