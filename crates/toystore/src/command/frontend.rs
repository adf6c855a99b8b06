//! `toystore frontend`: what shoppers talk to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use shop::catalog::FRONTENDS_MAX;
use shop::frontend::{self, Config, Frontend, Policy};
use shop::invalidation::Invalidation;
use shop::message::{Problem, Request};
use shop::node::Address;

use super::others::Others;
use super::service::{Made, Service};
use crate::http::connection::{Connection, Url};
use crate::http::endpoint::Role;
use crate::http::wire;
use crate::supervisor::options::Timers;
use crate::supervisor::ports::reached_at;

/// The numbers that are drawn from, 1 to this: as many as the catalog registers.
const NUMBERS_MAX: u8 = FRONTENDS_MAX as u8;
/// How long the catalog may take for a lease.
const CLAIM_DEADLINE: Duration = Duration::from_secs(1);
/// How soon it is asked again.
const CLAIM_INTERVAL: Duration = Duration::from_millis(100);

/// Run a frontend: a cache, and the search for whoever leads the order service
#[derive(Debug, Args)]
pub struct FrontendCommand {
    #[command(flatten)]
    service: Service,
    /// Its number, different from that of every other frontend; auto: one that is free
    #[arg(long, env = "TOYSTORE_ID", value_name = "ID", default_value = "1")]
    id: Number,
    /// Where the catalog reaches it [default: http:// and --listen]
    #[arg(long, env = "TOYSTORE_URL", value_name = "URL")]
    url: Option<Url>,
    /// The original project's dialect, on a port of its own
    #[arg(long, env = "TOYSTORE_SEED_LISTEN", value_name = "ADDR")]
    seed_listen: Option<SocketAddr>,
    #[command(flatten)]
    others: Others,
    /// Toys in the cache; 0 switches it off
    #[arg(long, env = "TOYSTORE_CACHE_CAPACITY", value_name = "N",
          default_value_t = frontend::CACHE_CAPACITY_DEFAULT as u32)]
    cache_capacity: u32,
    /// Which toy goes when another needs its slot: lru (least recently used), fifo (filled first),
    /// lfu (least often read, with aging), or random[=SEED]
    #[arg(long, env = "TOYSTORE_CACHE_POLICY", value_name = "POLICY", default_value = "lru")]
    cache_policy: Policy,
    /// What keeps the cache right; the catalog must be told the same
    #[arg(long, env = "TOYSTORE_INVALIDATION", value_name = "MODE", default_value = "lease")]
    invalidation: Invalidation,
    /// How soon silence is taken for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value = "default")]
    timers: Timers,
}

/// A frontend's number.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// This one.
    Given(u8),
    /// Whichever the catalog grants.
    Auto,
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Number, String> {
        match text.parse() {
            Ok(number @ 1..) => Ok(Number::Given(number)),
            Ok(0) | Err(_) if text == "auto" => Ok(Number::Auto),
            Ok(0) | Err(_) => Err("expected 1 to 255, or auto".to_string()),
        }
    }
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
        let cache_capacity = usize::try_from(self.cache_capacity)?;
        let timers = match self.timers {
            Timers::Default => frontend::Timers::STANDARD,
            Timers::Fast => frontend::Timers::FAST,
        };
        let (catalogs, known) = (self.others.catalogs()?, self.others.addresses()?);
        let (invalidation, cache_policy) = (self.invalidation, self.cache_policy);
        let ports = self.seed_listen.map(|port| (port, Role::SeedFrontend));
        self.service.run(Role::Frontend, async |token| {
            let id = match self.id {
                Number::Given(id) => id,
                Number::Auto => claim(&catalogs, token, &url, incarnation).await,
            };
            let mut config = Config::new(id, orders, url, incarnation);
            config.cache_capacity = cache_capacity;
            config.cache_policy = cache_policy;
            config.invalidation = invalidation;
            config.timers = timers;
            config.catalogs = catalogs.len() as u8;
            Ok(Made {
                node: Frontend::new(config),
                disk: None,
                address: Address::Frontend(id),
                known,
                ports: ports.into_iter().collect(),
            })
        })
    }
}

/// Finds a number that no living frontend has: the one under which the catalog grants this process
/// a lease. Returns only then: without a catalog there is nothing to serve.
///
/// Of a few numbers, so that those of the dead are used again: what is registered is bounded.
async fn claim(catalogs: &[Url], token: &str, url: &str, incarnation: u64) -> u8 {
    let mut connections: VecDeque<Connection> =
        catalogs.iter().cloned().map(Connection::new).collect();
    let mut said_before = String::new();
    loop {
        // Drawn, since those that start together would try the same ones.
        let frontend = rand::random_range(1..=NUMBERS_MAX);
        let request = Request::RenewLease { frontend, url: url.to_string(), incarnation };
        let said = connections[0].ask(&wire::to_http(&request, token), CLAIM_DEADLINE).await;
        let problem = match said.map(|said| wire::from_http(&said)) {
            Ok(Ok(Ok(_))) => return frontend,
            Ok(Ok(Err(Problem::FrontendInUse))) => continue,
            Ok(Ok(Err(problem))) => problem.to_string(),
            Ok(Err(unintelligible)) => unintelligible,
            Err(no_answer) => no_answer.to_string(),
        };
        if problem != said_before {
            tracing::info!("the catalog grants no number yet: {problem}");
            said_before = problem;
        }
        // Of several catalogs one leads, and grants.
        connections.rotate_left(1);
        tokio::time::sleep(CLAIM_INTERVAL).await;
    }
}
