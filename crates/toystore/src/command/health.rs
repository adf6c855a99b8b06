//! `toystore health`: an exit code for container health checks.
//!
//! An image from scratch has no shell and no curl, so the binary asks itself.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use shop::invalidation::duration;

use crate::http::connection::{Ask, Url, ask_once};
use crate::supervisor::health::{LIVE, READY};
use crate::supervisor::ports::reached_at;

/// Ask a node whether it is well: exit code 0 if so, 1 if not
#[derive(Debug, Args)]
pub struct Health {
    /// live: the process answers. ready: it can serve now (a leader is there, logs are read)
    #[arg(value_enum, default_value = "ready")]
    kind: Kind,
    /// The node [default: the address in TOYSTORE_LISTEN on this machine, or http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// What the node in this container listens on
    #[arg(long, env = "TOYSTORE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Live,
    Ready,
}

impl Health {
    /// Asks.
    ///
    /// # Errors
    /// If the node is not well; says why.
    pub fn run(self) -> Result<ExitCode> {
        let url = match self.url {
            Some(url) => url,
            // An address, not `localhost`: that needs an /etc/hosts, which a bare image lacks.
            None => {
                format!("http://{}", reached_at(self.listen)).parse().map_err(anyhow::Error::msg)?
            }
        };
        let path = match self.kind {
            Kind::Live => LIVE,
            Kind::Ready => READY,
        };
        let said = super::block_on(async { ask_once(&url, &Ask::get(path), self.timeout).await })?;
        match said {
            Ok(said) if said.status == 200 => Ok(ExitCode::SUCCESS),
            Ok(said) => bail!("{url}{path} says {}: {}", said.status, said.message()),
            Err(no_answer) => bail!("{url}{path}: {no_answer}"),
        }
    }
}
