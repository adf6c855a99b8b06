//! Who leads the order service now.
//!
//! Asks every replica and believes the one that says it leads under the highest term: a paused
//! ex-leader cannot answer, one that came back says a lower term. Called by [`super::control`] for
//! the name `leader`, by `export`, and by `demo`.

use std::time::Duration;

use anyhow::{Result, bail};
use replication::Term;
use tokio::task::JoinSet;

use super::cluster::{Cluster, Member};
use super::layout::Role;
use crate::client::connection::{Ask, ask_once};

/// How long a replica may take to say whether it leads.
const LEADER_DEADLINE: Duration = Duration::from_millis(500);

/// The replica that leads.
///
/// # Errors
/// If none says that it does.
pub async fn find(cluster: &Cluster) -> Result<Member> {
    let mut asked = JoinSet::new();
    for member in cluster.of(Role::Order).cloned() {
        asked.spawn(async move {
            let url = member.url().ok()?;
            let said = ask_once(&url, &Ask::get("/status"), LEADER_DEADLINE).await.ok()?;
            let status: serde_json::Value = serde_json::from_slice(&said.body).ok()?;
            leads(&status).map(|term| (term, member))
        });
    }
    let answers = asked.join_all().await.into_iter().flatten();
    match answers.max_by_key(|(term, _)| *term) {
        Some((_, member)) => Ok(member),
        None => bail!("no order replica leads now\nhint: toystore status shows the replicas"),
    }
}

/// The term under which a replica says that it leads, if it does.
fn leads(status: &serde_json::Value) -> Option<Term> {
    let status = &status["status"];
    let leads = status["engine"]["role"] == "leader" && status["state"] != "following";
    let term = serde_json::from_value(status["engine"]["term"].clone()).ok()?;
    leads.then_some(term)
}
