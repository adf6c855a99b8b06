//! `toystore up`: a whole store on this machine.

use replication::Protocol;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use shop::frontend::Policy;
use shop::invalidation::{Invalidation, duration};

use super::catalog::read_catalogue;
use super::dashboard::source::Source;
use super::dashboard::{Dashboard, Door, announce};
use super::{Signals, paint};
use crate::supervisor::Store;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::control;
use crate::supervisor::layout::Role;
use crate::supervisor::options::{Logs, Options, Timers, replication};
use crate::supervisor::ports::Wanted;

/// What else there is where the page's port cannot be had.
const NO_PORT_HINT: &str = "--dashboard-listen 127.0.0.1:0 takes a free port, --no-dashboard none";

/// The most nodes of one role.
const NODES_MAX: i64 = 9;

/// Start a whole store on this machine: one process for each node
///
/// Prints a table of nodes, roles, URLs and pids when all are ready, and writes the same to
/// DATA/cluster.json. Runs until Ctrl-C, which stops frontends, order replicas and catalog in this
/// order. A node that dies stays dead, so that you can see what that does: `toystore start NODE`
/// brings it back. Data that is there is continued, also after a power cut.
#[derive(Debug, Args)]
pub struct Up {
    /// How many frontends, 1 to 9
    #[arg(long, env = "TOYSTORE_FRONTENDS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    frontends: u8,
    /// How many order replicas, 1 to 9 [default: as the data has it, or 3]
    #[arg(long, env = "TOYSTORE_ORDERS", value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    orders: Option<u8>,
    /// How many catalogs, 1 to 9: with 3, the store goes on when one is lost [default: as the data
    /// has it, or 1]
    #[arg(long, env = "TOYSTORE_CATALOG_REPLICAS", value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    catalog_replicas: Option<u8>,
    /// How order replicas agree [default: as the data has it, or raft]
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication())]
    replication: Option<Protocol>,
    /// Toys in each frontend's cache; 0 switches it off
    #[arg(long, env = "TOYSTORE_CACHE_CAPACITY", value_name = "N", default_value_t = 7)]
    cache_capacity: u32,
    /// Which toy goes when another needs its slot: lru (least recently used), fifo (filled first),
    /// lfu (least often read, with aging), or random[=SEED]
    #[arg(long, env = "TOYSTORE_CACHE_POLICY", value_name = "POLICY", default_value = "lru")]
    cache_policy: Policy,
    /// What keeps caches right: lease (linearizable), push (told, not waited for), ttl=2s, none
    #[arg(long, env = "TOYSTORE_INVALIDATION", value_name = "MODE", default_value = "lease")]
    invalidation: Invalidation,
    /// How often toys that are sold out go back to 100
    #[arg(long, env = "TOYSTORE_RESTOCK_INTERVAL", value_name = "DURATION",
          default_value = "10s", value_parser = duration)]
    restock_interval: Duration,
    /// A CSV file (name,price,quantity) in place of the built-in catalogue
    #[arg(long, env = "TOYSTORE_CATALOGUE", value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// How soon silence is taken for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value_t = Timers::Default)]
    timers: Timers,
    /// Where the store keeps its data [default: ./toystore-data]
    #[arg(long, env = "TOYSTORE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep data in a temporary folder that is removed at the end
    #[arg(long, env = "TOYSTORE_EPHEMERAL")]
    ephemeral: bool,
    /// Frontend 1; further frontends take the next free numbers. Port 0: as --ports auto
    #[arg(long, env = "TOYSTORE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The original project's dialect, at frontend 1
    #[arg(
        long,
        env = "TOYSTORE_SEED_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8003"
    )]
    seed_listen: SocketAddr,
    /// The catalog; its further replicas take the next numbers
    #[arg(
        long,
        env = "TOYSTORE_CATALOG_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8081"
    )]
    catalog_listen: SocketAddr,
    /// Order replica 1; further replicas take the next numbers
    #[arg(
        long,
        env = "TOYSTORE_ORDERS_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8091"
    )]
    orders_listen: SocketAddr,
    /// Which ports: those of the --…listen flags, or free ones for all nodes
    #[arg(long, env = "TOYSTORE_PORTS", value_enum, default_value_t = PortChoice::Fixed)]
    ports: PortChoice,
    /// Where the page is served that shows the store and breaks it by click [default:
    /// 127.0.0.1:8070, or a free port if that is taken]
    #[arg(long, env = "TOYSTORE_DASHBOARD_LISTEN", value_name = "ADDR")]
    dashboard_listen: Option<SocketAddr>,
    /// Serve no page
    #[arg(long, env = "TOYSTORE_NO_DASHBOARD", conflicts_with = "dashboard_listen")]
    no_dashboard: bool,
    /// Open the page in the browser
    #[arg(long, conflicts_with = "no_dashboard")]
    open: bool,
    /// Let nodes break their own network edges when they are told to, by PUT /faults [default: true
    /// if all listen on loopback]
    #[arg(long, env = "TOYSTORE_CHAOS", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    chaos: Option<bool>,
    /// For tests: what was not synced is lost with its process, so that kill -9 is a power cut
    #[arg(long, env = "TOYSTORE_SHADOW_DISK")]
    shadow_disk: bool,
}

/// Which ports nodes get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PortChoice {
    /// Those of the flags
    Fixed,
    /// Free ones
    Auto,
}

impl Up {
    /// Runs until it is asked to stop.
    ///
    /// # Errors
    /// If the store does not come up.
    pub fn run(self) -> Result<ExitCode> {
        let page =
            Page { wanted: !self.no_dashboard, listen: self.dashboard_listen, open: self.open };
        let options = self.options()?;
        super::block_on(up(options, page))?
    }

    fn options(self) -> Result<Options> {
        // Whoever wrote it is told at once, and not by a node of a store that does not come up.
        self.catalogue.as_deref().map(read_catalogue).transpose()?;
        let wanted = Wanted {
            listen: self.listen,
            seed_listen: Some(self.seed_listen),
            catalog_listen: self.catalog_listen,
            orders_listen: self.orders_listen,
        };
        let shown_here = self.dashboard_listen.is_none_or(|address| address.ip().is_loopback());
        Ok(Options {
            frontends: self.frontends,
            orders: self.orders,
            catalogs: self.catalog_replicas,
            replication: self.replication,
            cache_capacity: self.cache_capacity,
            cache_policy: self.cache_policy,
            invalidation: self.invalidation,
            restock_interval: self.restock_interval,
            catalogue: self.catalogue.map(std::path::absolute).transpose()?,
            timers: self.timers,
            shadow_disk: self.shadow_disk,
            ports_auto: self.ports == PortChoice::Auto || self.listen.port() == 0,
            chaos: self.chaos.unwrap_or_else(|| wanted.is_loopback() && shown_here),
            dashboard: None,
            wanted,
            data: data_folder(self.data, self.ephemeral)?,
            logs: Logs::Inherit,
        })
    }
}

/// `--ephemeral` goes before TOYSTORE_DATA, which may be set for other commands; but not together
/// with `--data`, which would be a misunderstanding.
fn data_folder(data: Option<PathBuf>, ephemeral: bool) -> Result<Option<PathBuf>> {
    let from_environment = std::env::var_os("TOYSTORE_DATA").map(PathBuf::from) == data;
    match (data, ephemeral) {
        (data, false) => Ok(Some(data.unwrap_or_else(|| super::DATA_DEFAULT.into()))),
        (Some(_), true) if !from_environment => {
            bail!("--ephemeral keeps nothing, and --data says where to keep it: choose one")
        }
        (_, true) => Ok(None),
    }
}

/// What is wanted of the page.
struct Page {
    wanted: bool,
    listen: Option<SocketAddr>,
    open: bool,
}

async fn up(mut options: Options, page: Page) -> Result<ExitCode> {
    let began = Instant::now();
    let door = match page.wanted {
        true => Some(Door::open(page.listen, options.ports_auto, NO_PORT_HINT).await?),
        false => None,
    };
    options.dashboard = door.as_ref().map(|door| door.url.clone());
    let report = Box::new(|event: &_| paint::say(event));
    let mut signals = Signals::listen()?;
    let Some(store) = Store::start(&options, report, signals.asked_to_stop()).await? else {
        paint::say("stopped before the store was ready: its processes have ended");
        return Ok(ExitCode::FAILURE);
    };
    let ready_after = began.elapsed();
    let socket = match control::listen(store.folder().path()) {
        Ok(socket) => socket,
        Err(error) => {
            store.stop().await;
            return Err(error);
        }
    };
    tokio::spawn(control::serve(store.clone(), socket));
    if store.cluster().of(Role::Catalog).count() == 2 {
        paint::say("two catalogs are no safer than one: when either is lost, nothing is sold");
    }
    if let Some(door) = door {
        let source = Arc::new(Source::Up(store.folder().path().to_path_buf()));
        announce(&Dashboard::serve(door, source, options.chaos)?.address, page.open);
    }
    print_nodes(&store.cluster());
    let folder = store.folder();
    let fate = if folder.is_ephemeral() { ", removed at the end" } else { "" };
    paint::say(format_args!("data: {}{fate}", folder.path().display()));
    paint::say(format_args!("ready after {} ms; Ctrl-C stops all", ready_after.as_millis()));
    signals.asked_to_stop().await;
    paint::say("stopping: frontends, order replicas, catalog");
    store.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn print_nodes(cluster: &Cluster) {
    let mut table = paint::table(&["node", "role", "URL", "pid"]);
    for member in &cluster.nodes {
        let pid = member.pid.map_or_else(|| "-".to_string(), |pid| pid.to_string());
        let url = match &member.seed_url {
            Some(seed) => format!("{}\n{seed} (original project's dialect)", member.url),
            None => member.url.clone(),
        };
        table.add_row([member.name.clone(), member.role.to_string(), url, pid]);
    }
    // Nobody need look at it for the store to run.
    let _ = writeln!(anstream::stdout(), "{table}");
}
