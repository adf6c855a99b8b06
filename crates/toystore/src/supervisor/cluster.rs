//! `DATA/cluster.json`: who runs where, for people, tools and tests.
//!
//! Written by [`super::Store`] at each change, whole and at once; read by every command that looks
//! for a running store.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::control;
use super::layout::Role;
use crate::disk::write_whole;
use crate::http::connection::Url;
use replication::Protocol;

/// A running store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// The `up` that runs it.
    pub pid: u32,
    /// How its order replicas agree.
    pub replication: Protocol,
    /// Where the dashboard is, if there is one.
    pub dashboard: Option<String>,
    /// The data folder.
    pub data: PathBuf,
    /// The secret of the internal endpoints, where it is not in the data folder.
    #[serde(skip)]
    pub secret: Option<String>,
    /// Every node.
    pub nodes: Vec<Member>,
}

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// `catalog`, or `catalog-1` where it has replicas; `order-1`, `frontend-1`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it is reached.
    pub url: String,
    /// Where the original project's client reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_url: Option<String>,
    /// Its process, unless it is dead or stopped.
    pub pid: Option<u32>,
    /// Its own folder.
    pub data: PathBuf,
    /// What its process does.
    pub state: State,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// What a node's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Started, not yet healthy.
    Starting,
    /// It runs.
    Running,
    /// Stopped by SIGSTOP: hung, not dead.
    Paused,
    /// It ended without being asked to drain.
    Dead,
    /// It was asked to stop, and did.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Dead => "dead",
            State::Stopped => "stopped",
        })
    }
}

impl Cluster {
    /// The store whose data is in a folder.
    ///
    /// # Errors
    /// If none runs there; says what to do.
    pub fn find(data: &Path) -> Result<Cluster> {
        let path = data.join("cluster.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "no store runs on {}\n\
                 hint: start one with `toystore up`, or say where it is with --data DIR",
                data.display()
            ),
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        let cluster: Cluster = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as this program writes it", path.display()))?;
        if cluster.is_left_behind(data) {
            let (pid, data) = (cluster.pid, data.display());
            bail!(
                "no store runs on {data}: its `toystore up` (pid {pid}) was killed, and its nodes \
                 ended with it\nhint: toystore up --data {data} starts it again"
            );
        }
        Ok(cluster)
    }

    /// Whether its `up` ended without removing this. Both signs together: a process that is just
    /// starting has no socket yet, and one in another container is not seen.
    fn is_left_behind(&self, data: &Path) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let missing = pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH));
        missing && !control::is_served(data)
    }

    /// Puts it where [`Cluster::find`] finds it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("cannot write cluster.json")?;
        let path = self.data.join("cluster.json");
        write_whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// All nodes of a role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Member> {
        self.nodes.iter().filter(move |member| member.role == role)
    }

    /// The node of this name.
    ///
    /// # Errors
    /// If there is none; says which there are.
    pub fn member(&self, name: &str) -> Result<&Member> {
        let found = self.nodes.iter().find(|member| member.name == name);
        let names = || self.nodes.iter().map(|node| node.name.as_str());
        found.with_context(|| no_node(name, names()))
    }

    /// The secret of the internal endpoints.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn token(&self) -> Result<String> {
        if let Some(secret) = &self.secret {
            return Ok(secret.clone());
        }
        let path = self.data.join("cluster-token");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the cluster token {}", path.display()))?;
        Ok(text.trim().to_string())
    }
}

/// What whoever names a node that is not there is told; `names` are those that there are.
pub fn no_node<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("there is no node {name:?}; this store has {}", names.join(", "))
}

impl Member {
    /// Where it is reached, parsed.
    ///
    /// # Errors
    /// If cluster.json was changed by hand.
    pub fn url(&self) -> Result<Url> {
        self.url.parse().map_err(anyhow::Error::msg)
    }
}
