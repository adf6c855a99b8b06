//! The subcommands, one file each: flags, what is done, what is printed.
//!
//! `anyhow` ends here: what a command returns is what a person reads.

pub mod catalog;
pub mod check;
pub mod client;
pub mod compare;
pub mod control;
pub mod dashboard;
pub mod demo;
pub mod evaluate;
pub mod export;
pub mod frontend;
pub mod generate;
pub mod health;
pub mod load;
pub mod migrate;
pub mod node;
pub mod order;
pub mod others;
pub mod paint;
pub mod plot;
pub mod run;
pub mod scratch;
pub mod service;
pub mod sim;
pub mod status;
pub mod top;
pub mod up;
pub mod view;

use std::fs::OpenOptions;
use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::http::connection::Url;
use crate::supervisor::cluster::{Cluster, Member};
use crate::supervisor::layout::Role;

/// Which running store is meant.
#[derive(Debug, Args)]
pub struct Running {
    /// The data folder of the store, as given to `toystore up`
    #[arg(long, env = "TOYSTORE_DATA", value_name = "DIR", default_value = DATA_DEFAULT)]
    pub data: PathBuf,
}

impl Running {
    /// The frontends of the store that runs; if nobody named one and none runs, the fixed address.
    ///
    /// # Errors
    /// If a store is named that does not run.
    pub fn frontends(
        &self,
        url: impl Fn(&Member) -> Option<String>,
        fixed: &str,
    ) -> Result<Vec<Url>> {
        let running = match Cluster::find(&self.data) {
            Ok(running) => Some(running),
            Err(_) if self.data == Path::new(DATA_DEFAULT) => None,
            // Whoever names a store does not mean another one that happens to run.
            Err(error) => return Err(error),
        };
        let frontends = running.iter().flat_map(|cluster| cluster.of(Role::Frontend));
        let mut urls: Vec<String> = frontends.filter_map(url).collect();
        if urls.is_empty() {
            urls.push(fixed.to_string());
        }
        urls.iter().map(|url| url.parse().map_err(anyhow::Error::msg)).collect()
    }
}

/// Where a store keeps its data if nobody says.
pub const DATA_DEFAULT: &str = "./toystore-data";

/// Runs a command's future on a runtime of one thread: a tool has nothing to do in parallel that
/// is worth a second one.
///
/// # Errors
/// If the system gives no runtime.
pub fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(future))
}

/// Makes sure that a file can be written at the end of something long, before that begins.
///
/// # Errors
/// If it cannot.
pub fn check_writable(path: &Path) -> Result<()> {
    let was_there = path.exists();
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("cannot write {}", path.display()))?;
    if !was_there {
        // What stays is empty, and is written over.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// What asks a command to stop: Ctrl-C, SIGTERM, or a terminal that closes.
///
/// Made once, before there is anything to stop: a signal that comes while nobody listens is lost.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn listen() -> Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).context("cannot handle SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot handle SIGTERM")?,
            hangup: signal(SignalKind::hangup()).context("cannot handle SIGHUP")?,
        })
    }

    /// Returns when one comes, or has come since the last time.
    pub async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
