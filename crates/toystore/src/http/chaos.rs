//! `PUT /faults`, and what faults do to answers.
//!
//! A request of another node says who asks ([`FROM_HEADER`]), so that the answer can be lost on
//! its way there. Called by [`super::site`]; the faults themselves are in [`crate::peer::faults`].

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::head::Head;
use crate::peer::Peers;

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

/// Holds an answer that is ready back for as long as faults on its way to another node want it:
/// so long that nobody waits for it any more, if it is lost.
pub async fn hold_back(peers: &Peers, head: &Head) {
    let Some(faults) = peers.faults().filter(|faults| faults.any_set()) else { return };
    let names = peers.names();
    let asker = head.header(FROM_HEADER).and_then(|name| names.node(str::from_utf8(name).ok()?));
    let Some(asker) = asker else { return };
    let delay = faults.answer(asker, head.path() == "/log");
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
