//! `toystore frontend`: what shoppers talk to.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use shop::frontend::{self, Config, Frontend};
use shop::invalidation::Invalidation;
use shop::node::Address;

use super::service::{Made, Others, Service};
use crate::http::connection::Url;
use crate::http::endpoint::Role;
use crate::supervisor::options::Timers;
use crate::supervisor::ports::reached_at;

/// Run a frontend: a cache, and the search for whoever leads the order service
#[derive(Debug, Args)]
pub struct FrontendCommand {
    #[command(flatten)]
    service: Service,
    /// Its number, different from that of every other frontend
    #[arg(long, env = "TOYSTORE_ID", value_name = "ID", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    id: u8,
    /// Where the catalog reaches it [default: http:// and --listen]
    #[arg(long, env = "TOYSTORE_URL", value_name = "URL")]
    url: Option<Url>,
    /// The original project's dialect, on a port of its own
    #[arg(long, env = "TOYSTORE_SEED_LISTEN", value_name = "ADDR")]
    seed_listen: Option<SocketAddr>,
    #[command(flatten)]
    others: Others,
    /// Toys in the cache (least recently used is evicted); 0 switches it off
    #[arg(long, env = "TOYSTORE_CACHE_CAPACITY", value_name = "N",
          default_value_t = frontend::CACHE_CAPACITY_DEFAULT as u32)]
    cache_capacity: u32,
    /// What keeps the cache right; the catalog must be told the same
    #[arg(long, env = "TOYSTORE_INVALIDATION", value_name = "MODE", default_value = "lease")]
    invalidation: Invalidation,
    /// How soon silence is taken for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value = "default")]
    timers: Timers,
}

impl FrontendCommand {
    /// Runs until it is asked to stop.
    ///
    /// # Errors
    /// If a port cannot be had, or the flags contradict each other.
    pub fn run(self) -> Result<ExitCode> {
        let all = self.others.replicas()?;
        let own = || format!("http://{}", reached_at(self.service.listen));
        let url = self.url.as_ref().map_or_else(own, Url::to_string);
        let orders = all.iter().copied().collect();
        // Drawn anew by each process: tells a restarted frontend from a second one.
        let incarnation = rand::random::<u64>() >> 1;
        let mut config = Config::new(self.id, orders, url, incarnation);
        config.cache_capacity = usize::try_from(self.cache_capacity)?;
        config.invalidation = self.invalidation;
        config.timers = match self.timers {
            Timers::Default => frontend::Timers::STANDARD,
            Timers::Fast => frontend::Timers::FAST,
        };
        let made = Made {
            node: Frontend::new(config),
            disk: None,
            address: Address::Frontend(self.id),
            known: self.others.addresses(),
            ports: self.seed_listen.map(|port| (port, Role::SeedFrontend)).into_iter().collect(),
        };
        self.service.run(Role::Frontend, move || Ok(made))
    }
}
