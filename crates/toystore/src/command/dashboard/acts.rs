//! What a click does to nodes and links: nothing that `toystore kill` and `PUT /faults` do not.
//!
//! A node obeys the faults of what it sends, and forgets them when it ends, so it is asked which
//! are in force before one of its links is changed. Called by `web`.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::http::connection::ask_once;
use crate::peer::faults::{EdgeFaults, FaultSet};
use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::control::{self, Action};
use crate::supervisor::node_status;

/// How long a node may take to obey.
const DEADLINE: Duration = Duration::from_secs(2);

/// What can be done to the store.
#[derive(Debug)]
pub struct Acts {
    token: String,
    /// One change of a node's links at a time: each reads the set and writes it.
    links: Mutex<()>,
}

/// The faults that are in force now.
#[derive(Debug, Deserialize)]
struct Answered {
    data: FaultSet,
}

impl Acts {
    /// With the token of the store.
    pub fn new(token: String) -> Acts {
        Acts { token, links: Mutex::default() }
    }

    /// `kill`, `pause`, `resume`, `start`.
    ///
    /// # Errors
    /// If it is none of these, or the store refuses.
    pub async fn node(&self, cluster: &Cluster, name: &str, action: &str) -> Result<String> {
        let action = match action {
            "kill" => Action::Kill,
            "pause" => Action::Pause,
            "resume" => Action::Resume,
            "start" => Action::Start,
            other => bail!("{other:?} is nothing that can be done: kill, pause, resume or start"),
        };
        control::ask(&cluster.data, action, name).await
    }

    /// Sets the faults of everything that `from` sends to `faults.to`.
    ///
    /// # Errors
    /// If there is no such node, it does not answer, or it refuses: says why.
    pub async fn link(&self, cluster: &Cluster, from: &str, faults: EdgeFaults) -> Result<String> {
        let _one_at_a_time = self.links.lock().await;
        let member = member(cluster, from)?;
        let mut set = self.faults_of(member).await?;
        set.edges.retain(|edge| edge.to != faults.to);
        let to = faults.to.clone();
        set.edges.push(faults);
        let set = self.put(member, &set).await?;
        let now = set.edges.iter().find(|edge| edge.to == to);
        Ok(match now {
            Some(edge) => format!("{from} to {to}: {}", words(edge)),
            None => format!("{from} to {to}: mended"),
        })
    }

    /// Mends all links, lets what is paused go on, and starts what is dead.
    ///
    /// Says of each node what was done, or why it could not be.
    pub async fn heal(&self, cluster: &Cluster) -> Vec<Value> {
        let healed = cluster.nodes.iter().map(|member| async move {
            match self.heal_one(cluster, member).await {
                Ok(None) => None,
                Ok(Some(done)) => Some(json!({"node": member.name, "done": done})),
                Err(why) => Some(json!({"node": member.name, "refused": format!("{why:#}")})),
            }
        });
        futures_util::future::join_all(healed).await.into_iter().flatten().collect()
    }

    async fn heal_one(&self, cluster: &Cluster, member: &Member) -> Result<Option<String>> {
        let started = match member.state {
            State::Dead => return self.node(cluster, &member.name, "start").await.map(Some),
            State::Paused => Some(self.node(cluster, &member.name, "resume").await?),
            State::Starting | State::Running | State::Stopped => None,
        };
        let _one_at_a_time = self.links.lock().await;
        if self.faults_of(member).await?.edges.is_empty() {
            return Ok(started);
        }
        self.put(member, &FaultSet::default()).await?;
        Ok(Some(format!("{}: links mended", member.name)))
    }

    async fn faults_of(&self, member: &Member) -> Result<FaultSet> {
        let name = &member.name;
        let said = node_status::ask_within::<IgnoredAny>(member, DEADLINE).await;
        let said = said.map_err(|why| anyhow!("{name} does not obey: {why}"))?;
        said.faults.with_context(|| {
            format!("{name} causes no faults: the store was started with --chaos=false")
        })
    }

    async fn put(&self, member: &Member, set: &FaultSet) -> Result<FaultSet> {
        let name = &member.name;
        let said = ask_once(&member.url()?, &set.request(&self.token), DEADLINE).await;
        let said = said.map_err(|why| anyhow!("{name} does not obey: {why}"))?;
        if said.status != 200 {
            bail!("{name} refuses: {}", said.message());
        }
        let answer: Answered = serde_json::from_slice(&said.body)
            .with_context(|| format!("{name} is not understood"))?;
        Ok(answer.data)
    }
}

/// # Errors
/// If there is no such node: says which there are.
pub fn member<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Member> {
    let names =
        || cluster.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = cluster.nodes.iter().find(|member| member.name == name);
    found.with_context(|| format!("there is no node {name:?}; this store has {}", names()))
}

/// What an edge suffers, as the page says it.
fn words(edge: &EdgeFaults) -> String {
    if edge.cut {
        return "cut".to_string();
    }
    let mut all = vec![];
    match (edge.delay_ms, edge.jitter_ms) {
        (0, 0) => {}
        (delay, 0) => all.push(format!("{delay} ms late")),
        (delay, jitter) => all.push(format!("{delay} to {} ms late", delay + jitter)),
    }
    if edge.loss > 0.0 {
        all.push(format!("{:.0} % lost", edge.loss * 100.0));
    }
    if edge.duplicate > 0.0 {
        all.push(format!("{:.0} % twice", edge.duplicate * 100.0));
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_in_words() {
        let edge = |faults: EdgeFaults| words(&faults);
        let none = EdgeFaults::default;
        assert_eq!(edge(EdgeFaults { cut: true, loss: 0.5, ..none() }), "cut");
        assert_eq!(edge(EdgeFaults { delay_ms: 50, ..none() }), "50 ms late");
        let all = EdgeFaults { delay_ms: 5, jitter_ms: 20, loss: 0.05, duplicate: 1.0, ..none() };
        assert_eq!(edge(all), "5 to 25 ms late, 5 % lost, 100 % twice");
    }
}
