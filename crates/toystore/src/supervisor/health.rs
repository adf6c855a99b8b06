//! Waiting until a node answers.
//!
//! Called by [`super::Store`] for processes, and by [`crate::containers`], at the start of a node.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::folder;

use crate::http::connection::{Ask, Connection, Url};

/// The process answers.
pub const LIVE: &str = "/health/live";
/// It can serve now.
pub const READY: &str = "/health/ready";

/// How often a node that is not ready is asked again: small against a start of some 100 ms.
const ASK_INTERVAL: Duration = Duration::from_millis(10);
/// How long one health answer may take.
const HEALTH_DEADLINE: Duration = Duration::from_secs(1);

/// Bytes of logs that are read and applied again in a second at the least, with other nodes beside
/// it: a third of what two busy processors did.
const READ_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

/// How long to wait for who has these logs: `least`, and longer for what must be read first.
pub fn patience(least: Duration, logs: &Path) -> Duration {
    // Who cannot look into it will not read it for long either.
    let bytes = folder::length(logs).unwrap_or(0);
    least + Duration::from_secs(bytes / READ_BYTES_PER_SECOND)
}

/// Asks a health endpoint of the node `name` until it says yes. `ended` says how the node ended, if
/// it does.
///
/// # Errors
/// If the node ends first, or the deadline passes; says what the node said last.
pub async fn wait_for_health(
    name: &str,
    url: &str,
    ended: impl Future<Output = String>,
    path: &'static str,
    deadline: Duration,
) -> Result<()> {
    let url: Url = url.parse().map_err(anyhow::Error::msg)?;
    let give_up = Instant::now() + deadline;
    let mut connection = Connection::new(url);
    let ask = Ask::get(path);
    let mut last_words = String::from("nothing");
    tokio::pin!(ended);
    while Instant::now() < give_up {
        tokio::select! {
            biased;
            how = &mut ended => bail!("{name} did not start: {how}"),
            said = connection.ask(&ask, HEALTH_DEADLINE) => match said {
                Ok(said) if said.status == 200 => return Ok(()),
                Ok(said) => last_words = said.message(),
                Err(no_answer) => last_words = no_answer.to_string(),
            },
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
    bail!("{name} was not ready within {deadline:?}; it said: {last_words}")
}
