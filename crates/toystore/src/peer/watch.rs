//! Watches a link: tells the node when the other one cannot be reached, and when it can again.
//!
//! A killed process closes its connections within a millisecond; that is the fastest sign of death
//! there is, so one connection is kept open for it. If it closes and a new one is refused, the link
//! is down. A hung process is not noticed here: its connections stay open, and deadlines are the
//! business of whoever waits for it. Nor is anything noticed of a link that is cut on purpose
//! ([`super::faults`]): a network that is cut does not say that the other end is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Event, Link, Report};
use crate::http::connection::{Ask, KeptOpen};

/// How often something is said on the connection, so that the other side does not close it as idle.
const IDLE_INTERVAL: Duration = Duration::from_secs(4);

/// How long a connection may take. On one machine it is refused or opened at once; a cut network
/// says nothing.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// The pause after the first connection that was refused, or closed as soon as it was opened;
/// doubled up to the second number. A process that dies closes what it has in any order: a new
/// connection may still be opened, and ends with the listener a moment later.
const RETRY_MIN: Duration = Duration::from_millis(5);
const RETRY_MAX: Duration = Duration::from_millis(100);

pub(super) async fn watch(link: Arc<Link>, report: Report) {
    let node = link.to();
    let mut up = None;
    let mut pause = RETRY_MIN;
    loop {
        let url = link.url();
        let opened = tokio::time::timeout(CONNECT_DEADLINE, KeptOpen::connect(&url)).await;
        if link.is_cut() {
            tokio::time::sleep(RETRY_MAX).await;
            continue;
        }
        if let Ok(Ok(mut connection)) = opened {
            if up != Some(true) {
                up = Some(true);
                tracing::debug!("{node} can be reached");
                report(Event::Link { node, up: true });
            }
            let opened_at = Instant::now();
            connection.until_closed(&Ask::get("/health/live"), IDLE_INTERVAL).await;
            if opened_at.elapsed() >= RETRY_MAX {
                pause = RETRY_MIN;
                continue;
            }
        } else if up != Some(false) {
            up = Some(false);
            tracing::debug!("{node} cannot be reached");
            report(Event::Link { node, up: false });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use replication::NodeId;
    use shop::node::Address;

    use super::super::faults::Faults;
    use super::super::link::lock;
    use super::*;
    use crate::trace::Traces;

    const ME: Address = Address::Order(NodeId(3));
    const OTHER: Address = Address::Order(NodeId(2));

    async fn until(what: &str, holds: impl Fn() -> bool) {
        let waited = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waited).await.expect(what);
    }

    #[tokio::test]
    async fn the_end_of_a_node_is_noticed_but_not_behind_a_cut() {
        let faults = Arc::new(Faults::new(ME));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (broken, traces) = (Some(faults.clone()), Traces::default());
        let link =
            Arc::new(Link::new(ME, OTHER, "order-2".into(), url, "token".into(), broken, traces));
        let told: Arc<Mutex<Vec<bool>>> = Arc::default();
        let events = told.clone();
        let report: Report = Arc::new(move |event| match event {
            Event::Link { up, .. } => lock(&events).push(up),
            Event::Messages { .. } => {}
        });
        let task = tokio::spawn(watch(link, report));
        let (stream, _) = listener.accept().await.unwrap();
        until("it is up", || *lock(&told) == [true]).await;

        faults.put(br#"{"edges":[{"to":"order-2","cut":true}]}"#, &[OTHER]).unwrap();
        drop(listener);
        drop(stream);
        // Three times as long as it takes without a cut.
        tokio::time::sleep(RETRY_MAX * 3).await;
        assert_eq!(*lock(&told), [true], "a cut network says nothing");

        faults.put(b"{}", &[OTHER]).unwrap();
        until("it is down", || *lock(&told) == [true, false]).await;
        task.abort();
    }
}
