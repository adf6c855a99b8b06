//! Containers that somebody else composed: found by Compose's own labels, killed, paused and
//! started as a person would.
//!
//! Called by the page of a store that runs in containers; calls [`super::engine`].

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::engine::docker;
use super::operate::LIVE_DEADLINE;
use crate::supervisor::cluster::{Cluster, State};
use crate::supervisor::control::Action;
use crate::supervisor::health::{LIVE, wait_for_health};

/// The label that names the service of a container, and that of its project.
const SERVICE: &str = "com.docker.compose.service";
const PROJECT: &str = "com.docker.compose.project";

/// The containers of one project.
#[derive(Clone, Debug)]
pub struct Composed {
    /// What Compose calls it.
    project: String,
    /// The service of each node.
    services: BTreeMap<String, String>,
}

/// What Docker says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    id: String,
    /// What its processes do.
    pub state: State,
    /// Since when, and with which exit code, in Docker's words.
    pub words: String,
}

impl Composed {
    /// Those of a project; `services` says of each node which service it is.
    ///
    /// # Errors
    /// If Docker cannot be asked, or a node has no container.
    pub async fn find(project: &str, services: BTreeMap<String, String>) -> Result<Composed> {
        let composed = Composed { project: project.to_string(), services };
        composed.containers().await?;
        Ok(composed)
    }

    /// The container of each node, as it is now.
    ///
    /// # Errors
    /// As [`Composed::find`].
    pub async fn containers(&self) -> Result<BTreeMap<String, Container>> {
        let filter = format!("label={PROJECT}={}", self.project);
        let format =
            format!("{{{{.ID}}}}\t{{{{.Label {SERVICE:?}}}}}\t{{{{.State}}}}\t{{{{.Status}}}}");
        let said = docker(&["ps", "--all", "--filter", &filter, "--format", &format]).await?;
        let found = read(&said);
        let project = &self.project;
        let of = |(node, service): (&String, &String)| {
            let container = found.get(service.as_str()).cloned().with_context(|| {
                let services: Vec<&str> = found.keys().copied().collect();
                format!(
                    "the Compose project {project} has no service {service:?} for {node}; it has \
                     {}\nhint: \"service\" in the cluster file names the service of a node",
                    if services.is_empty() { "none".to_string() } else { services.join(", ") }
                )
            })?;
            Ok((node.clone(), container))
        };
        self.services.iter().map(of).collect()
    }

    /// Kills, pauses, resumes or starts a node; returns when that has happened.
    ///
    /// # Errors
    /// If Docker says no, or it is nothing that can be done to a container.
    pub async fn act(&self, cluster: &Cluster, action: Action, node: &str) -> Result<String> {
        let member = cluster.member(node)?;
        let containers = self.containers().await?;
        let id = &containers.get(node).context("it has no container")?.id;
        let (verb, done) = match action {
            Action::Kill => ("kill", "is killed"),
            Action::Pause => ("pause", "is paused"),
            Action::Resume => ("unpause", "goes on"),
            Action::Start => ("start", "runs again"),
            Action::Add | Action::Remove | Action::Replace => {
                bail!("replicas of a store in containers are not changed from here")
            }
        };
        docker(&[verb, id]).await?;
        if action == Action::Start {
            // A container that ends again is seen, and said, at the deadline.
            let ends = std::future::pending();
            wait_for_health(node, &member.url, ends, LIVE, LIVE_DEADLINE).await?;
        }
        Ok(format!("{node} (container {id}) {done}"))
    }
}

/// By service: what `docker ps` printed, a line for each container.
fn read(said: &str) -> BTreeMap<&str, Container> {
    said.lines().filter_map(container).collect()
}

fn container(line: &str) -> Option<(&str, Container)> {
    let mut parts = line.split('\t');
    let (id, service) = (parts.next()?.to_string(), parts.next()?);
    let state = match parts.next()? {
        "running" => State::Running,
        "paused" => State::Paused,
        "created" | "restarting" => State::Starting,
        _exited => State::Dead,
    };
    let words = parts.next().unwrap_or_default().to_string();
    Some((service, Container { id, state, words }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_prints_is_read() {
        let said = "4f\tcatalog\trunning\tUp 3 seconds (healthy)\n\
                    5a\torder-1\texited\tExited (137) 2 seconds ago\n\
                    6b\tfrontend\tpaused\tUp 3 seconds (Paused)";
        let found = read(said);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["catalog", "frontend", "order-1"]);
        assert_eq!(found["order-1"].state, State::Dead);
        assert_eq!(found["order-1"].words, "Exited (137) 2 seconds ago");
        assert_eq!((found["frontend"].state, &*found["catalog"].id), (State::Paused, "4f"));
    }
}
