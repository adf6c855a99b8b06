//! `toystore dashboard`: the page of a store that no `up` of this machine runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::BoolishValueParser;

use super::source::{Elsewhere, Source};
use super::{Dashboard, Door, announce};
use crate::command::{Signals, block_on, paint, service};
use crate::supervisor::folder::Folder;

/// How often it is looked which nodes there are, and what their containers do.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Show the page of a store that runs elsewhere, in containers or on other machines
///
/// It is the page of `toystore up`. Links are broken from it if the nodes run with --chaos and
/// their token is given; nodes are killed, paused and started only with --compose, if they run in
/// containers of this machine.
#[derive(Debug, Args)]
pub struct DashboardCommand {
    /// Who runs where: a cluster.json of `toystore up`, a file such as
    /// {"nodes":[{"name":"order-1","role":"order","url":"http://…"},…]}, or the address of another
    /// page
    #[arg(long, env = "TOYSTORE_CLUSTER", value_name = "FILE|URL")]
    cluster: String,
    /// Where the page is served [default: 127.0.0.1:8070, or a free port if that is taken]
    #[arg(long, env = "TOYSTORE_DASHBOARD_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    token: service::Token,
    /// Let whoever knows the token break the store, and send shoppers [default: true if the token
    /// is given and the page listens on loopback]
    #[arg(long, env = "TOYSTORE_CHAOS", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    chaos: Option<bool>,
    /// The nodes are containers of this project: kill, pause and start them by Docker
    #[arg(long, env = "TOYSTORE_COMPOSE", value_name = "PROJECT")]
    compose: Option<String>,
    /// Keep what was bought from the page, and the verdicts, in this folder [default: nothing is
    /// kept]
    #[arg(long, env = "TOYSTORE_ROUNDS", value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl DashboardCommand {
    /// Serves the page until it is asked to stop.
    ///
    /// # Errors
    /// If there is no such store, or the page cannot be served.
    pub fn run(self) -> Result<ExitCode> {
        block_on(self.serve())?
    }

    async fn serve(self) -> Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let token = self.token.read()?;
        let is_loopback = self.listen.is_none_or(|address| address.ip().is_loopback());
        let chaos = match (self.chaos, &token) {
            (Some(true), None) => bail!(
                "--chaos lets whoever knows the cluster's token break things, and no token is \
                 given\nhint: --cluster-token-file FILE"
            ),
            (chaos, token) => chaos.unwrap_or(is_loopback && token.is_some()),
        };
        // Removed at the end, if it is not to be kept.
        let folder = match &self.keep {
            Some(folder) => Folder::take(folder).context("--keep needs a folder of its own")?,
            None => Folder::ephemeral()?,
        };
        let from = &self.cluster;
        let found = tokio::select! {
            () = signals.asked_to_stop() => return Ok(ExitCode::FAILURE),
            found = Elsewhere::find(from, token, self.compose.as_deref(), folder.path()) => found,
        };
        let source = Arc::new(Source::Elsewhere(Box::new(found?)));
        let door = Door::open(self.listen, false, "--listen 127.0.0.1:0 takes a free port").await?;
        let page = Dashboard::serve(door, source.clone(), chaos)?;
        announce(&page.address, self.open);
        paint::say("Ctrl-C ends the page; the store goes on");
        let looking = async {
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                if let Source::Elsewhere(elsewhere) = &*source {
                    // The page shows what was known last, and who answers.
                    let _ = elsewhere.look().await;
                }
            }
        };
        tokio::select! {
            () = signals.asked_to_stop() => {
                page.end().await;
                Ok(ExitCode::SUCCESS)
            }
            () = looking => Ok(ExitCode::FAILURE),
        }
    }
}
