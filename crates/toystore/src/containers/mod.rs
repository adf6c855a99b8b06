//! A store in containers, one for each node, on networks of their own: what `toystore run --world
//! compose` plays on.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`compose`] | the Compose file: which containers, networks, volumes |
//! | [`composed`] | containers that somebody else composed, for the page |
//! | [`engine`] | the commands of Docker and Compose |
//! | `operate` | kill, end, pause, resume, start, cut off, fill a volume |
//!
//! It is not the store of `compose.yaml`, which is for people: that one publishes its frontend and
//! nothing else. Here each node is published on this machine, so that its logs can be read and the
//! history judged, and may break its links when it is told to. What the containers may do is the
//! same.

pub mod compose;
pub mod composed;
pub mod engine;
mod operate;

use replication::Protocol;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::folder;
use crate::supervisor::health::{READY, wait_for_health};
use crate::supervisor::layout::{self, NodePlan};
use crate::supervisor::options::Options;
use crate::supervisor::ports::{Ports, Wanted};
use compose::Volumes;

/// How long each node may take until it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// How long a node has to drain before it is killed, seconds.
const DRAIN_SECONDS: &str = "5";

/// A running store and its containers.
#[derive(Debug)]
pub struct Project {
    /// What Compose calls it, and the first part of every container's name.
    name: String,
    /// Its Compose file and its token.
    folder: PathBuf,
    replication: Protocol,
    /// Locked for moments only, never across an await.
    nodes: Mutex<Vec<Node>>,
}

#[derive(Clone, Debug)]
struct Node {
    plan: NodePlan,
    /// Where this machine reaches it.
    url: String,
    state: State,
    /// By how many faults it is cut off the others.
    cuts: u32,
}

impl Project {
    /// Starts every container and returns when all nodes are ready; nothing, if it was asked to
    /// stop before: then nothing is left behind.
    ///
    /// # Errors
    /// If Docker or the image is not there, or a node does not come up. Nothing is left behind
    /// then.
    pub async fn start(
        options: &Options,
        volumes: &Volumes,
        folder: &Path,
        asked_to_stop: impl Future<Output = ()>,
    ) -> Result<Option<Project>> {
        let image = engine::image().await?;
        let made = options.made();
        let ports =
            Ports::free(Wanted::loopback(), options.frontends, made.into(), rand::random())?;
        // For its owner only: a token is in it that containers, which are somebody else, may read.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = std::path::absolute(folder)?;
        let plans = layout::nodes(options, made, &compose::places(options, made));
        let addresses = compose::published(&ports);
        let name = format!("toystore-{:08x}", rand::random::<u32>());
        let catalogue = options.catalogue.as_deref();
        let file = compose::file(&name, &image, &plans, &addresses, volumes, catalogue);
        folder::make_token(&folder.join(compose::TOKEN), 0o444)?;
        let path = folder.join(compose::FILE);
        std::fs::write(&path, serde_json::to_string_pretty(&file)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let nodes = plans.into_iter().zip(&addresses);
        let nodes = nodes.map(|(plan, address)| {
            let url = format!("http://{address}");
            Node { plan, url, state: State::Starting, cuts: 0 }
        });
        let nodes = Mutex::new(nodes.collect());
        let project = Project { name, folder, replication: made.replication, nodes };
        let up = async {
            engine::compose(&path, &project.name, &["up", "-d"]).await?;
            project.wait_until_ready().await
        };
        let up = tokio::select! {
            biased;
            () = asked_to_stop => Ok(false),
            up = up => up.map(|()| true),
        };
        if !matches!(up, Ok(true)) {
            project.remove().await?;
        }
        let runs = up?;
        project.lock().iter_mut().for_each(|node| node.state = State::Running);
        Ok(runs.then_some(project))
    }

    /// What cluster.json would show: where this machine reaches each node.
    pub fn cluster(&self) -> Cluster {
        let member = |node: &Node| Member {
            name: node.plan.name.clone(),
            role: node.plan.role,
            url: node.url.clone(),
            seed_url: None,
            pid: None,
            data: node.plan.data.clone(),
            state: node.state,
            ended: None,
        };
        Cluster {
            pid: std::process::id(),
            replication: self.replication,
            dashboard: None,
            data: self.folder.clone(),
            secret: None,
            nodes: self.lock().iter().map(member).collect(),
        }
    }

    /// Every node ends: frontends first, as for processes.
    pub async fn stop(&self) {
        let nodes = self.lock().clone();
        for node in nodes.iter().rev() {
            // Whatever is left ends when it is removed.
            let _ = engine::docker(&[
                "stop",
                "--time",
                DRAIN_SECONDS,
                &self.container(&node.plan.name),
            ])
            .await;
        }
    }

    /// Stops and removes everything that was made, volumes too.
    ///
    /// # Errors
    /// If Docker says no; what is left then, `docker ps` shows.
    pub async fn remove(&self) -> Result<()> {
        let file = self.folder.join(compose::FILE);
        let down = ["down", "--volumes", "--remove-orphans", "--timeout", DRAIN_SECONDS];
        engine::compose(&file, &self.name, &down).await?;
        for name in [compose::TOKEN, operate::BALLAST_FILE] {
            // The ballast is not always there.
            let _ = std::fs::remove_file(self.folder.join(name));
        }
        Ok(())
    }

    /// The log of a node's container, from its first start on.
    ///
    /// # Errors
    /// If Docker has none.
    pub async fn log(&self, node: &str) -> Result<String> {
        engine::log(&self.container(node)).await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().expect("nobody panics while holding it: it guards plain values")
    }

    fn container(&self, node: &str) -> String {
        compose::container(&self.name, node)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let nodes = self.lock().clone();
        for node in nodes {
            self.wait_for(&node, READY, READY_DEADLINE).await?;
        }
        Ok(())
    }

    async fn wait_for(&self, node: &Node, path: &'static str, deadline: Duration) -> Result<()> {
        let name = &node.plan.name;
        let container = self.container(name);
        let ended = async {
            match engine::docker(&["wait", &container]).await {
                Ok(code) => format!("exit code {code}"),
                Err(error) => error.to_string(),
            }
        };
        let well = wait_for_health(name, &node.url, ended, path, deadline).await;
        match well {
            Ok(()) => Ok(()),
            Err(error) => {
                let log = self.log(name).await.unwrap_or_default();
                let last = log.lines().last().unwrap_or("it logged nothing").to_string();
                Err(error.context(format!("the last line of its log: {last}")))
            }
        }
    }
}
