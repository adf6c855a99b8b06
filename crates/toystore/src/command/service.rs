//! What `toystore catalog`, `order` and `frontend` have in common: how a node is reached, who may
//! ask it what, how it is told to stop.
//!
//! Every flag is also an environment variable, since a container is configured by those.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use replication::Protocol;
use shop::node::Address;
use tokio::net::TcpListener;
use tokio::sync::watch;
use wal::WalError;

use super::Signals;
use crate::driver::Driver;
use crate::driver::disk::DiskQueue;
use crate::http::connection::Url;
use crate::http::endpoint::Role;
use crate::http::served::Served;
use crate::http::server::{self, CONNECTIONS_MAX_DEFAULT};
use crate::http::site::Site;
use crate::peer::Peers;
use crate::peer::names::Names;
use crate::supervisor::migration;
use crate::supervisor::written::Written;
use crate::trace;

/// How long a node may take to come to an end by itself.
const STOP_DEADLINE: Duration = Duration::from_millis(1500);

/// How long requests under way may take after that.
const DRAIN_DEADLINE: Duration = Duration::from_millis(500);

/// File descriptors that a process needs beside one for each connection: its log, its links.
pub const FILES_RESERVED: u64 = 1024;

/// Segments of the log as the log itself would have them.
const SEGMENT_KIB_DEFAULT: u16 = (wal::SEGMENT_BYTES / 1024) as u16;

/// Flags that every node has.
#[derive(Debug, Args)]
pub struct Service {
    /// Where it is reached
    #[arg(long, env = "TOYSTORE_LISTEN", value_name = "ADDR")]
    pub listen: SocketAddr,
    #[command(flatten)]
    token: Token,
    /// Connections at once; those beyond are told 503
    #[arg(long, env = "TOYSTORE_CONNECTIONS_MAX", value_name = "N",
          default_value_t = CONNECTIONS_MAX_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..))]
    connections_max: u32,
    /// Threads that serve; on few cores, one for each node is the fastest
    #[arg(long, env = "TOYSTORE_THREADS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    threads: u8,
    /// Serve PUT /faults: whoever has the token can then cut this node off, on purpose
    #[arg(long, env = "TOYSTORE_CHAOS", value_parser = BoolishValueParser::new())]
    chaos: bool,
    /// End when standard input closes: a child that must not outlive its parent
    #[arg(long, env = "TOYSTORE_EXIT_WITH_STDIN")]
    exit_with_stdin: bool,
    /// How log lines are written to stderr
    #[arg(long, env = "TOYSTORE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    traces: trace::Flags,
}

/// The secret of a cluster.
#[derive(Debug, Args)]
pub struct Token {
    /// A file with the secret that nodes show each other; made at `up`, the same for all nodes
    #[arg(long, env = "TOYSTORE_CLUSTER_TOKEN_FILE", value_name = "FILE")]
    cluster_token_file: Option<PathBuf>,
    /// The secret itself; better a file, since others may see an environment
    #[arg(long, env = "TOYSTORE_CLUSTER_TOKEN", value_name = "SECRET", hide_env_values = true)]
    cluster_token: Option<String>,
}

impl Token {
    /// The secret, if it is given.
    ///
    /// # Errors
    /// If its file cannot be read, or it is none.
    pub fn read(&self) -> Result<Option<String>> {
        let token = match (&self.cluster_token_file, &self.cluster_token) {
            (Some(file), _) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the cluster token {}", file.display()))?,
            (None, Some(token)) => token.clone(),
            (None, None) => return Ok(None),
        };
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the cluster token must be visible ASCII characters, at least one");
        }
        Ok(Some(token.to_string()))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One object on each line, for machines
    Json,
}

/// Where a node with a disk keeps its log.
#[derive(Debug, Args)]
pub struct Disk {
    /// The folder of its log
    #[arg(long, env = "TOYSTORE_DATA", value_name = "DIR")]
    data: PathBuf,
    /// For tests: what was not synced is lost with the process, so that kill -9 is a power cut
    #[arg(long, env = "TOYSTORE_SHADOW_DISK")]
    shadow_disk: bool,
    /// By how much the log grows at once, KiB: 4 to 16384. So much it takes on disk at least
    /// twice, and so much of it is written before a full disk is felt
    #[arg(long, env = "TOYSTORE_SEGMENT_KIB", value_name = "KIB",
          default_value_t = SEGMENT_KIB_DEFAULT,
          value_parser = clap::value_parser!(u16).range(4..=16384))]
    segment_kib: u16,
}

impl Disk {
    /// Opens the log.
    ///
    /// # Errors
    /// If it is in use, damaged, or cannot be read.
    pub fn open(&self) -> Result<(DiskQueue, replication::log::Recovered)> {
        let options = wal::Options { segment_bytes: u64::from(self.segment_kib) * 1024 };
        DiskQueue::open(&self.data, options, self.shadow_disk)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.data
    }

    /// Opens the log of a replica. A folder remembers whose it is, and how its group agrees.
    ///
    /// # Errors
    /// If the log is another one's, or was written under another protocol; and as [`Disk::open`].
    pub fn open_as(
        &self,
        replica: &str,
        protocol: Protocol,
    ) -> Result<(DiskQueue, replication::log::Recovered)> {
        if let Some(store) = self.data.parent() {
            migration::refuse_unfinished(store)?;
        }
        let written = Written::of(&self.data)?;
        if let Some(written) = &written {
            let by = written.protocol;
            if by != protocol {
                bail!(
                    "the log in {} was written under --replication {by}, and {protocol} cannot \
                     read it\nhint: start this replica with --replication {by}, or convert its \
                     whole store with toystore migrate --replication {protocol}",
                    self.data.display()
                );
            }
            written.check_replica(&self.data, replica)?;
        }
        let (disk, recovered) = self.open().map_err(|error| instead(error, protocol))?;
        Written::complete(written.as_ref(), &self.data, &Written::by(replica, protocol))?;
        Ok((disk, recovered))
    }
}

/// What helps a replica whose log is damaged: the others have what it had.
fn instead(error: anyhow::Error, protocol: Protocol) -> anyhow::Error {
    if !matches!(error.downcast_ref(), Some(WalError::Corrupt { .. })) {
        return error;
    }
    let replace = match protocol {
        Protocol::Raft => "while they run, toystore node replace puts a new one in its place; ",
        Protocol::Naive | Protocol::PrimaryBackup | Protocol::Paxos => "",
    };
    anyhow::anyhow!(
        "{error}\nhint: the other replicas have what it had: {replace}when the store is stopped, \
         toystore migrate --replication {protocol} gives every replica what was decided"
    )
}

/// A node that is ready to be driven.
pub struct Made<N> {
    /// The state machine.
    pub node: N,
    /// Its disk, if it has one.
    pub disk: Option<DiskQueue>,
    /// Who it is.
    pub address: Address,
    /// The other nodes it knows.
    pub known: BTreeMap<Address, Url>,
    /// Its ports beside `--listen`, which is the first.
    pub ports: Vec<(SocketAddr, Role)>,
}

/// Makes a node of what is on its disk, beside the runtime, which hears signals meanwhile.
///
/// # Errors
/// Those of `make`.
pub async fn read<N: Served>(
    make: impl FnOnce() -> Result<Made<N>> + Send + 'static,
) -> Result<Made<N>> {
    tokio::task::spawn_blocking(make).await.context("reading the disk broke off")?
}

impl Service {
    /// Runs a node until it is asked to stop. `make` is given the cluster token; it runs inside the
    /// runtime, with the log open to the operator.
    ///
    /// # Errors
    /// If a port or the disk cannot be had.
    pub fn run<N: Served>(
        self,
        role: Role,
        make: impl AsyncFnOnce(&str) -> Result<Made<N>>,
    ) -> Result<ExitCode> {
        self.log_to_stderr();
        let token = self.token()?;
        raise_file_limit(u64::from(self.connections_max) + FILES_RESERVED);
        let mut builder = match self.threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        if self.threads > 1 {
            builder.worker_threads(usize::from(self.threads));
        }
        let runtime = builder.enable_all().build().context("cannot start the runtime")?;
        runtime.block_on(self.serve(role, &token, make))?;
        // A task that hangs must not keep the process.
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(ExitCode::SUCCESS)
    }

    async fn serve<N: Served>(
        &self,
        role: Role,
        token: &str,
        make: impl AsyncFnOnce(&str) -> Result<Made<N>>,
    ) -> Result<()> {
        self.end_with_stdin();
        // Before the disk is read: whoever asks meanwhile waits in the backlog instead of being
        // refused, and a port that is taken is told at once.
        let mut listeners = vec![(listen(self.listen, "--listen")?, role)];
        // Before the disk is read, too: the kernel does not end the first process of a container
        // by a signal that it does not listen to.
        let mut signals = Signals::listen()?;
        let Made { node, disk, address, known, ports } = tokio::select! {
            biased;
            () = signals.asked_to_stop() => return Ok(()),
            made = make(token) => made?,
        };
        for (port, role) in ports {
            listeners.push((listen(port, "--seed-listen")?, role));
        }
        let name = Names::of(address, known.keys()).name(address);
        let traces = self.traces.traces(address, name.clone(), role.name())?;
        let peers = Peers::new(address, token, known, self.chaos, traces.clone());
        let driver = Driver::new(node, peers, disk);
        driver.start();
        let (drain, draining) = watch::channel(false);
        let mut sites = Vec::new();
        let mut servers = tokio::task::JoinSet::new();
        for (listener, role) in listeners {
            let site = Arc::new(Site::new(driver.clone(), role, address, token));
            let served =
                server::serve(listener, site.clone(), self.connections_max, draining.clone());
            servers.spawn(served);
            sites.push(site);
        }
        tracing::info!("{name} serves at {}", self.listen);
        signals.asked_to_stop().await;
        tracing::info!("{name} stops");
        sites.iter().for_each(|site| site.drain());
        driver.stop(STOP_DEADLINE).await;
        drain.send_replace(true);
        let drained = async { while servers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_DEADLINE, drained).await.is_err() {
            tracing::debug!("some connections did not drain within {DRAIN_DEADLINE:?}");
        }
        traces.stop().await;
        Ok(())
    }

    /// Ends the process when standard input closes: the parent is gone, however that came about.
    ///
    /// At once, as a crash, which every node survives by design: one that drained would hold its
    /// port and its log while the same store is started again.
    fn end_with_stdin(&self) {
        if !self.exit_with_stdin {
            return;
        }
        // A thread of its own, since a read of stdin cannot be given up.
        std::thread::spawn(|| {
            let mut bytes = [0; 64];
            while std::io::stdin().read(&mut bytes).is_ok_and(|count| count > 0) {}
            tracing::warn!("standard input is closed, so the parent is gone: the process ends");
            std::process::exit(1);
        });
    }

    fn token(&self) -> Result<String> {
        self.token.read()?.context(
            "no cluster token is given\n\
             hint: --cluster-token-file FILE, with the same secret for every node",
        )
    }

    fn log_to_stderr(&self) {
        use tracing_subscriber::EnvFilter;
        let filter = EnvFilter::try_from_env("TOYSTORE_LOG").unwrap_or_else(|_| "info".into());
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            // To a terminal that is gone, a panic would be the end of a node that drains.
            .log_internal_errors(false)
            .with_ansi(false)
            .with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
    }
}

fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    server::listen(address)
        .with_context(|| format!("cannot listen on {address}\nhint: {flag} changes it"))
}

/// Each connection is a file. Where the system allows fewer, fewer connections are served, or made.
pub fn raise_file_limit(wanted: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        limit.current = Some(allowed);
        // What cannot be raised stays; accepting rests when files run out, and an error says so.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
