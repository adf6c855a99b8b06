//! What a scenario is played on, apart from the simulated world: real nodes, and what can be done
//! to them.
//!
//! Called by [`super::real`] and [`super::wreck`]; the doing is [`crate::supervisor`]'s for
//! processes and [`crate::containers`]' for containers.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::containers::Project;
use crate::supervisor::Store;
use crate::supervisor::cluster::Cluster;

/// Real nodes.
#[derive(Clone)]
pub enum Stage {
    /// Processes of this machine.
    Processes(Arc<Store>),
    /// Containers.
    Containers(Arc<Project>),
}

impl Stage {
    /// Every node, how it is and where it is reached.
    pub fn cluster(&self) -> Cluster {
        match self {
            Stage::Processes(store) => store.cluster(),
            Stage::Containers(project) => project.cluster(),
        }
    }

    /// SIGKILL to all of these.
    ///
    /// # Errors
    /// If one does not run.
    pub async fn kill(&self, nodes: &[String]) -> Result<()> {
        match self {
            Stage::Processes(store) => {
                for node in nodes {
                    store.kill(node).await?;
                }
                Ok(())
            }
            Stage::Containers(project) => project.kill(nodes).await,
        }
    }

    /// SIGTERM, and what it takes.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn end(&self, node: &str) -> Result<String> {
        match self {
            Stage::Processes(store) => store.end(node).await,
            Stage::Containers(project) => project.end(node).await,
        }
    }

    /// It stands still.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn pause(&self, node: &str) -> Result<String> {
        match self {
            Stage::Processes(store) => store.pause(node).await,
            Stage::Containers(project) => project.pause(node).await,
        }
    }

    /// It goes on.
    ///
    /// # Errors
    /// If it does not stand still.
    pub async fn resume(&self, node: &str) -> Result<String> {
        match self {
            Stage::Processes(store) => store.resume(node).await,
            Stage::Containers(project) => project.resume(node).await,
        }
    }

    /// It is started on what it left.
    ///
    /// # Errors
    /// If it runs, or does not come up.
    pub async fn start_again(&self, node: &str) -> Result<String> {
        match self {
            Stage::Processes(store) => store.start_again(node).await,
            Stage::Containers(project) => project.start_again(node).await,
        }
    }

    /// The containers, if it is those: they can do more.
    ///
    /// # Errors
    /// If it is processes.
    pub fn containers(&self) -> Result<&Project> {
        match self {
            Stage::Processes(_) => bail!("only a container can do this"),
            Stage::Containers(project) => Ok(project),
        }
    }

    /// What a node has logged.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn log(&self, node: &str) -> Result<String> {
        match self {
            Stage::Processes(store) => {
                let path = store.log_file(node);
                std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))
            }
            Stage::Containers(project) => project.log(node).await,
        }
    }

    /// All nodes end.
    pub async fn stop(&self) {
        match self {
            Stage::Processes(store) => store.stop().await,
            Stage::Containers(project) => project.stop().await,
        }
    }

    /// Nothing is left of it but what was copied.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub async fn remove(&self) -> Result<()> {
        match self {
            Stage::Processes(_) => Ok(()),
            Stage::Containers(project) => project.remove().await,
        }
    }
}
