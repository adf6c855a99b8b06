//! `toystore node add | remove | replace`: other order replicas, while the store works.

use std::process::ExitCode;

use anstream::println;
use anyhow::Result;
use clap::{Args, Subcommand};

use super::Running;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::control::{Action, ask};

/// Change which replicas the order service has, while it works (raft)
///
/// An id is used once: a replica whose disk was lost may have voted, so what comes in its place has
/// a new one.
#[derive(Debug, Args)]
pub struct NodeCommand {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Start one more replica; returns when it has the log and votes
    Add {
        #[command(flatten)]
        running: Running,
    },
    /// Take a replica out and stop it; its folder is put aside
    Remove {
        /// Which: order-2, or `leader`
        #[arg(value_name = "NODE")]
        node: String,
        #[command(flatten)]
        running: Running,
    },
    /// Start a new replica in the place of one, which may be dead; its folder is put aside
    Replace {
        /// Which: order-2, or `leader`
        #[arg(value_name = "NODE")]
        node: String,
        #[command(flatten)]
        running: Running,
    },
}

impl NodeCommand {
    /// Asks the store's `up` and waits until it is so.
    ///
    /// # Errors
    /// If no store runs there, or it refuses.
    pub fn run(self) -> Result<ExitCode> {
        let (action, node, running) = match self.change {
            Change::Add { running } => (Action::Add, String::new(), running),
            Change::Remove { node, running } => (Action::Remove, node, running),
            Change::Replace { node, running } => (Action::Replace, node, running),
        };
        let cluster = Cluster::find(&running.data)?;
        let done = super::block_on(ask(&cluster.data, action, &node))??;
        println!("{done}");
        Ok(ExitCode::SUCCESS)
    }
}
