//! `toystore view`: a run that is over, opened in the page again, with nothing running.
//!
//! Called by the command line; [`crate::bundle::opened`] reads it, [`super::dashboard::viewing`]
//! serves it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use checker::report;
use clap::Args;

use super::dashboard::{Door, announce, viewing};
use super::{Signals, paint};
use crate::bundle::opened::{self, Opened};

/// Where the page is served if nobody says: at a free port of this machine.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Open a run that is over in the page, with nothing running
///
/// The bundle of a round that was downloaded from the page, or the folder that `run`, or `sim` of a
/// failing seed, left behind. Its history is judged again. Runs until Ctrl-C.
#[derive(Debug, Args)]
pub struct View {
    /// The bundle: a folder, or a .tar.gz of it
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Where the page is served
    #[arg(long, value_name = "ADDR", default_value_t = LISTEN_DEFAULT)]
    listen: SocketAddr,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

impl View {
    /// Serves it until it is asked to stop.
    ///
    /// # Errors
    /// If it is no bundle, or the page cannot be served.
    pub fn run(self) -> Result<ExitCode> {
        super::block_on(self.serve())?
    }

    async fn serve(self) -> Result<ExitCode> {
        let bundle = opened::open(&self.bundle)?;
        let mut signals = Signals::listen()?;
        let hint = "--listen 127.0.0.1:0 takes a free port";
        let door = Door::open(Some(self.listen), false, hint).await?;
        introduce(&bundle);
        let url = door.url.clone();
        announce(&url, self.open);
        paint::say("Ctrl-C ends it");
        tokio::select! {
            served = viewing::serve(door, bundle) => {
                served.context("the page is served no more")?;
            }
            () = signals.asked_to_stop() => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What it is, in some lines.
fn introduce(bundle: &Opened) {
    let Opened { name, frames, verdict, differs, .. } = bundle;
    paint::say(format_args!("{name}: {}", report::summary(&verdict.history)));
    paint::say(report::conclusion(&verdict.judged));
    if let Some(broken) = bundle.broken() {
        paint::say(format_args!("the run broke {broken}"));
    }
    if let Some(differs) = differs {
        paint::say(differs);
    }
    match frames.len() {
        0 => paint::say("it has no frames: the page shows its verdict, and when what was told"),
        count => paint::say(format_args!("{count} frames")),
    }
}
