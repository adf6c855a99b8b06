//! What a click does to nodes and links: nothing that `toystore kill` and `PUT /faults` do not.
//!
//! A node obeys the faults of what it sends, and forgets them when it ends, so it is asked which
//! are in force before one of its links is changed. Called by `web`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::source::Source;
use crate::http::connection::ask_once;
use crate::peer::faults::{EdgeFaults, FaultSet};
use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::control::Action;
use crate::supervisor::node_status;

/// How long a node may take to obey.
const DEADLINE: Duration = Duration::from_secs(2);

/// What can be done to the store.
pub struct Acts {
    /// Without it nothing is done to links.
    token: Option<String>,
    source: Arc<Source>,
    /// One change of a node's links at a time: each reads the set and writes it.
    links: Mutex<()>,
}

/// The faults that are in force now.
#[derive(Debug, Deserialize)]
struct Answered {
    data: FaultSet,
}

/// What a word of a path means.
///
/// # Errors
/// If it means nothing.
pub fn action(word: &str) -> Result<Action> {
    Ok(match word {
        "kill" => Action::Kill,
        "pause" => Action::Pause,
        "resume" => Action::Resume,
        "start" => Action::Start,
        other => bail!("{other:?} is nothing that can be done: kill, pause, resume or start"),
    })
}

impl Acts {
    /// With the token of the store, if it is known.
    pub fn new(token: Option<String>, source: Arc<Source>) -> Acts {
        Acts { token, source, links: Mutex::default() }
    }

    /// Whether nodes can be killed, paused and started from here.
    pub fn has_hands(&self) -> bool {
        self.source.has_hands()
    }

    /// Kills, pauses, resumes or starts a node.
    ///
    /// # Errors
    /// If there are no hands for it, or the store refuses.
    pub async fn node(&self, cluster: &Cluster, name: &str, action: Action) -> Result<String> {
        self.source.act(cluster, action, name).await
    }

    /// Sets the faults of everything that `from` sends to `faults.to`.
    ///
    /// # Errors
    /// If there is no such node, it does not answer, or it refuses: says why.
    pub async fn link(&self, cluster: &Cluster, from: &str, faults: EdgeFaults) -> Result<String> {
        let _one_at_a_time = self.links.lock().await;
        let member = cluster.member(from)?;
        let set = self.faults_of(member).await?;
        let to = faults.to.clone();
        let set = self.put(member, &with(set, faults)).await?;
        let now = set.edges.iter().find(|edge| edge.to == to);
        Ok(match now {
            Some(edge) => format!("{from} to {to}: {}", words(edge)),
            None => format!("{from} to {to}: mended"),
        })
    }

    /// The same, but only where what `from` sends there suffers `was` now. Returns whether it did.
    ///
    /// # Errors
    /// As [`Acts::link`].
    pub async fn swap(
        &self,
        cluster: &Cluster,
        from: &str,
        was: &EdgeFaults,
        faults: EdgeFaults,
    ) -> Result<bool> {
        let _one_at_a_time = self.links.lock().await;
        let member = cluster.member(from)?;
        let set = self.faults_of(member).await?;
        let none = EdgeFaults { to: was.to.clone(), ..EdgeFaults::default() };
        if set.edges.iter().find(|edge| edge.to == was.to).unwrap_or(&none) != was {
            return Ok(false);
        }
        self.put(member, &with(set, faults)).await.map(|_| true)
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
        let resumed = match member.state {
            State::Dead => return self.node(cluster, &member.name, Action::Start).await.map(Some),
            State::Paused => Some(self.node(cluster, &member.name, Action::Resume).await?),
            State::Starting | State::Running | State::Stopped => None,
        };
        let _one_at_a_time = self.links.lock().await;
        if self.faults_of(member).await?.edges.is_empty() {
            return Ok(resumed);
        }
        self.put(member, &FaultSet::default()).await?;
        Ok(Some(match resumed {
            Some(resumed) => format!("{resumed}; its links are mended"),
            None => format!("{}: links mended", member.name),
        }))
    }

    async fn faults_of(&self, member: &Member) -> Result<FaultSet> {
        let name = &member.name;
        let said = node_status::ask_within::<IgnoredAny>(member, DEADLINE).await;
        let said = said.map_err(|why| anyhow!("{name} does not obey: {why}"))?;
        said.faults
            .with_context(|| format!("{name} causes no faults: it was started without --chaos"))
    }

    async fn put(&self, member: &Member, set: &FaultSet) -> Result<FaultSet> {
        let name = &member.name;
        let token = self.token.as_ref().context("the token of the store is not known here")?;
        let said = ask_once(&member.url()?, &set.request(token), DEADLINE).await;
        let said = said.map_err(|why| anyhow!("{name} does not obey: {why}"))?;
        if said.status != 200 {
            bail!("{name} refuses: {}", said.message());
        }
        let answer: Answered = serde_json::from_slice(&said.body)
            .with_context(|| format!("{name} is not understood"))?;
        Ok(answer.data)
    }
}

/// A set in which one edge has these faults in the place of its own.
fn with(mut set: FaultSet, faults: EdgeFaults) -> FaultSet {
    set.edges.retain(|edge| edge.to != faults.to);
    set.edges.push(faults);
    set
}

/// What an edge suffers, as the page says it.
pub fn words(edge: &EdgeFaults) -> String {
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
