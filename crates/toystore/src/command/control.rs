//! `toystore kill | pause | resume | start NODE`: faults, and their end, by hand.

use std::process::ExitCode;

use anstream::println;
use anyhow::Result;
use clap::Args;

use super::Running;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::control::{Action, ask};

/// Which node of which store.
#[derive(Debug, Args)]
pub struct Control {
    /// A node by name (catalog, order-3, frontend-1), or who leads now: `leader` of the order
    /// replicas, `catalog-leader` of the catalogs
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    running: Running,
}

impl Control {
    /// Asks the store's `up` and waits until it has happened.
    ///
    /// # Errors
    /// If no store runs there, or it refuses.
    pub fn run(self, action: Action) -> Result<ExitCode> {
        // Says what to do if there is no such store at all.
        let cluster = Cluster::find(&self.running.data)?;
        let done = super::block_on(ask(&cluster.data, action, &self.node))??;
        println!("{done}");
        Ok(ExitCode::SUCCESS)
    }
}
