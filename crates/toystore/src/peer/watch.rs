//! Watches a link: tells the node when the other one cannot be reached, and when it can again.
//!
//! A killed process closes its connections within a millisecond; that is the fastest sign of death
//! there is, so one connection is kept open for it. If it closes and a new one is refused, the link
//! is down. A hung process is not noticed here: its connections stay open, and deadlines are the
//! business of whoever waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Event, Link, Report};
use crate::http::connection::{Ask, KeptOpen};

/// How often something is said on the connection, so that the other side does not close it as idle.
const IDLE_INTERVAL: Duration = Duration::from_secs(4);

/// How long a connection may take. On one machine it is refused or opened at once; a cut network
/// says nothing.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// The pause after the first refused connection, doubled up to the second number.
const RETRY_MIN: Duration = Duration::from_millis(5);
const RETRY_MAX: Duration = Duration::from_millis(100);

pub(super) async fn watch(link: Arc<Link>, report: Report) {
    let node = link.to();
    let mut up = None;
    let mut pause = RETRY_MIN;
    loop {
        let url = link.url();
        let opened = tokio::time::timeout(CONNECT_DEADLINE, KeptOpen::connect(&url)).await;
        if let Ok(Ok(mut connection)) = opened {
            if up != Some(true) {
                up = Some(true);
                tracing::debug!("{node} can be reached");
                report(Event::Link { node, up: true });
            }
            pause = RETRY_MIN;
            let opened_at = Instant::now();
            connection.until_closed(&Ask::get("/health/live"), IDLE_INTERVAL).await;
            // A server that closes what it has just opened has too many connections.
            if opened_at.elapsed() < RETRY_MAX {
                tokio::time::sleep(RETRY_MAX).await;
            }
            continue;
        }
        if up != Some(false) {
            up = Some(false);
            tracing::debug!("{node} cannot be reached");
            report(Event::Link { node, up: false });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}
