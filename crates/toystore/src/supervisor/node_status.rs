//! What every node says of itself: `GET /status`, read back as types.
//!
//! The same envelope around each service's own status. Called by [`super::leader`], `status` and
//! `demo`.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cluster::Member;
use crate::http::connection::{Ask, Connection, NoAnswer, Said, ask_once};
use crate::peer::faults::FaultSet;

/// How long a node may take: it answers from memory, so longer means that it is paused or dead.
pub const STATUS_DEADLINE: Duration = Duration::from_millis(500);

/// The envelope; `S` is the service's own status.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus<S> {
    /// `order-1`.
    pub node: String,
    /// `order`.
    pub role: String,
    /// Its process.
    pub pid: u32,
    /// Of the program.
    pub version: String,
    /// Since its process started.
    pub uptime_ms: u64,
    /// Whether it can serve now.
    pub ready: bool,
    /// What is missing, if it cannot.
    pub not_ready_because: Option<String>,
    /// What it does to what it sends; absent where it causes no faults.
    #[serde(default)]
    pub faults: Option<FaultSet>,
    /// What the service says.
    pub status: S,
}

impl<S> NodeStatus<S> {
    /// The same envelope around what a service says.
    pub fn with<T>(self, status: T) -> NodeStatus<T> {
        let NodeStatus { node, role, pid, version, uptime_ms, ready, not_ready_because, .. } = self;
        let faults = self.faults;
        NodeStatus { node, role, pid, version, uptime_ms, ready, not_ready_because, faults, status }
    }
}

/// Asks a node.
///
/// # Errors
/// Why there is no answer, or none that is understood, in words.
pub async fn ask<S: DeserializeOwned>(member: &Member) -> Result<NodeStatus<S>, String> {
    ask_within(member, STATUS_DEADLINE).await
}

/// The same, with another patience.
///
/// # Errors
/// As [`ask`].
pub async fn ask_within<S: DeserializeOwned>(
    member: &Member,
    deadline: Duration,
) -> Result<NodeStatus<S>, String> {
    let url = member.url().map_err(|error| error.to_string())?;
    said(ask_once(&url, &Ask::get("/status"), deadline).await)
}

/// The same on a connection that is kept.
///
/// # Errors
/// As [`ask`].
pub async fn ask_on<S: DeserializeOwned>(
    connection: &mut Connection,
) -> Result<NodeStatus<S>, String> {
    said(connection.ask(&Ask::get("/status"), STATUS_DEADLINE).await)
}

fn said<S: DeserializeOwned>(said: Result<Said, NoAnswer>) -> Result<NodeStatus<S>, String> {
    let said = match said {
        Ok(said) => said,
        // Where nobody listens, the system's words for it say no more.
        Err(NoAnswer::Refused(_)) => return Err("nobody listens there".to_string()),
        Err(NoAnswer::Unknown(why)) => return Err(format!("no answer: {why}")),
    };
    if said.status != 200 {
        return Err(format!("it says {}: {}", said.status, said.message()));
    }
    serde_json::from_slice(&said.body).map_err(|error| format!("not understood: {error}"))
}
