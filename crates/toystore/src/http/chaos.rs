//! `PUT /faults`, and what faults do to answers.
//!
//! A request of another node says who asks ([`FROM_HEADER`]), so that the answer can be lost on
//! its way there. Called by [`super::site`]; the faults themselves are in [`crate::peer::faults`].

use hyper::header::{HeaderMap, HeaderValue};
use hyper::{StatusCode, Uri};
use serde_json::{Value, json};

use super::answer::{self, Answer};
use crate::peer::Peers;
use crate::peer::faults::node_named;

/// Which node asks, `order-2`; sent only under `--chaos`.
pub const FROM_HEADER: &str = "toystore-from";

/// `PUT /faults`: the body is the complete set.
pub fn put(peers: &Peers, body: &[u8]) -> Answer {
    let Some(faults) = peers.faults() else {
        let message = "this node causes no faults: start it with --chaos (TOYSTORE_CHAOS=true); \
                       `up` and `demo` do so on loopback unless told --chaos=false";
        return answer::error(StatusCode::NOT_FOUND, message);
    };
    match faults.put(body, &peers.known()) {
        Ok(()) => {
            tracing::info!("faults in force: {}", status(peers));
            answer::data(&status(peers))
        }
        Err(why) => answer::error(StatusCode::BAD_REQUEST, &why),
    }
}

/// The faults in force, for `/status`; null without `--chaos`.
pub fn status(peers: &Peers) -> Value {
    peers.faults().map_or(Value::Null, |faults| json!(faults.set()))
}

/// Another node that waits for an answer.
pub struct Asker {
    name: HeaderValue,
    is_log: bool,
}

/// Who asks, where that can matter: under `--chaos`, if it is a node.
pub fn asker(peers: &Peers, uri: &Uri, headers: &HeaderMap) -> Option<Asker> {
    peers.faults()?;
    let name = headers.get(FROM_HEADER)?.clone();
    Some(Asker { name, is_log: uri.path() == "/log" })
}

/// Holds an answer back that is ready.
pub async fn hold_back(peers: &Peers, asker: &Asker) {
    let Some(faults) = peers.faults().filter(|faults| faults.any_set()) else { return };
    let Some(node) = asker.name.to_str().ok().and_then(node_named) else { return };
    let delay = faults.answer(node, asker.is_log);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
