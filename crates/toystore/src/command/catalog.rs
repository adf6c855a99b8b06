//! `toystore catalog`: the catalog service, alone or one replica of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use replication::log::Recovered;
use replication::protocol::{self, ENTRIES_KEPT};
use replication::{NodeId, Protocol};
use shop::catalog::{Catalog, Config, catalogue};
use shop::invalidation::{Invalidation, duration};
use shop::node::Address;

use super::others::{self, Replica};
use super::service::{Disk, Made, Service, read};
use crate::driver::disk::DiskQueue;
use crate::http::connection::Url;
use crate::http::endpoint::Role;
use crate::supervisor::options::{Timers, replication};
use crate::supervisor::written::{REPLICATION_FILE, Written};

/// Run the catalog, or one replica of it: stock, takes, restock, leases, and who leads the orders
#[derive(Debug, Args)]
pub struct CatalogCommand {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    disk: Disk,
    /// Which replica this is, if there are others
    #[arg(long, env = "TOYSTORE_ID", value_name = "ID", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(NodeId::MAX)))]
    id: u8,
    /// The other replicas of the catalog; this one may be among them [default: it is alone]
    #[arg(long, env = "TOYSTORE_PEERS", value_name = "ID=URL,…", value_delimiter = ',')]
    peers: Vec<Replica>,
    /// How order replicas agree: `naive` is not fenced. Replicas of a new catalog agree by paxos if
    /// this is paxos, and else by raft; those that have data, as they did
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
    /// How soon replicas of the catalog take silence for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value = "default")]
    timers: Timers,
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
}

impl CatalogCommand {
    /// Runs until it is asked to stop.
    ///
    /// # Errors
    /// If the port, the disk or the catalogue cannot be had, or the flags contradict each other.
    pub fn run(self) -> Result<ExitCode> {
        let (id, known) = self.group()?;
        let CatalogCommand { service, disk, replication, invalidation, .. } = self;
        let toys = self.catalogue.as_deref().map(read_catalogue).transpose()?;
        let agree = (!known.is_empty()).then(|| of_catalogs(&disk, replication)).transpose()?;
        let replica = agree.map(|protocol| protocol::Config {
            protocol,
            id,
            peers: known.keys().copied().collect(),
            pace: self.timers.into(),
            unclean: false,
            entries_kept: ENTRIES_KEPT,
            // Two stores need not differ: the replicas of one do, by their ids.
            seed: 0,
            joins: false,
        });
        let config = Config {
            toys,
            restock_interval: self.restock_interval,
            invalidation,
            fencing: replication.is_safe(),
            incarnation: rand::random::<u64>() >> 1,
            replica,
            ..Config::default()
        };
        let known = known.into_iter().map(|(id, url)| (Address::Catalog(id), url)).collect();
        service.run(Role::Catalog, async |_| {
            read(move || {
                let group = config.replica.as_ref().map(|replica| replica.protocol);
                let (disk, recovered) = open(&disk, id, group)?;
                Ok(Made {
                    node: Catalog::new(config, &recovered).map_err(anyhow::Error::msg)?,
                    disk: Some(disk),
                    address: Address::Catalog(id),
                    known,
                    ports: Vec::new(),
                })
            })
            .await
        })
    }

    /// Which replica this is, and where the others are: nowhere, if it is alone.
    fn group(&self) -> Result<(NodeId, BTreeMap<NodeId, Url>)> {
        let id = NodeId(self.id);
        if self.peers.is_empty() {
            if id != NodeId(1) {
                bail!(
                    "--id {id} says that the catalog has replicas, and --peers names none\n\
                     hint: --peers 1=http://…,3=http://… names the others"
                );
            }
            return Ok((id, BTreeMap::new()));
        }
        let itself = self.peers.iter().any(|replica| replica.id == id);
        let mut all = self.peers.clone();
        if !itself {
            // Where it is itself, nobody here asks.
            all.push(Replica { id, url: all[0].url.clone() });
        }
        let mut all = others::group("--peers", &all)?;
        all.remove(&id);
        if all.is_empty() {
            bail!(
                "--peers names this replica, {id}, and no other one\n\
                 hint: --peers 1=http://…,2=http://…,3=http://… names all; without --peers and \
                 --id the catalog is alone"
            );
        }
        Ok((id, all))
    }
}

/// How replicas of the catalog agree: as they always did, also when order replicas were converted
/// to another way; at first as these do, but by a majority in any case.
fn of_catalogs(disk: &Disk, orders: Protocol) -> Result<Protocol> {
    let folder = disk.folder();
    match Written::of(folder)? {
        Some(Written { protocol, .. }) if protocol.is_quorum() => Ok(protocol),
        Some(_) => bail!(
            "{} should name raft or paxos: it says how replicas of the catalog agree",
            folder.join(REPLICATION_FILE).display()
        ),
        None if orders.is_quorum() => Ok(orders),
        None => Ok(Protocol::Raft),
    }
}

/// Opens the log of a catalog that is alone, or of a replica in a group that agrees like this. A
/// folder remembers which it is: what is committed means another thing in another group.
fn open(disk: &Disk, id: NodeId, group: Option<Protocol>) -> Result<(DiskQueue, Recovered)> {
    let folder = disk.folder().display();
    let Some(protocol) = group else {
        if let Some(Written { protocol, .. }) = Written::of(disk.folder())? {
            bail!(
                "the log in {folder} is that of a replica of the catalog, under {protocol}, and a \
                 catalog that is alone cannot read it\n\
                 hint: start this replica with --id and --peers (`up` with --catalog-replicas), or \
                 begin a new store in another folder"
            );
        }
        return disk.open();
    };
    let replica = format!("catalog-{id}");
    let written = Written::of(disk.folder())?;
    if let Some(written) = &written {
        written.check_replica(disk.folder(), &replica)?;
    }
    let (queue, recovered) = disk.open()?;
    if written.is_none() && recovered != Recovered::default() {
        bail!(
            "the log in {folder} is that of a catalog that is alone, and a replica cannot go on \
             with it: the others would not have what it says\n\
             hint: start it without --id and --peers (`up` with --catalog-replicas 1), or begin a \
             new store in another folder"
        );
    }
    Written::complete(written.as_ref(), disk.folder(), &Written::by(&replica, protocol))?;
    Ok((queue, recovered))
}

/// Reads a catalogue.
///
/// # Errors
/// If it cannot be read, or names file, line, column and what was expected.
pub fn read_catalogue(path: &Path) -> Result<Vec<catalogue::Toy>> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the catalogue {}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let whole = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = String::from_utf8_lossy(&bytes[..whole]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let (path, byte) = (path.display(), bytes[whole]);
        anyhow::anyhow!("{path}: line {line}, column {column}: expected UTF-8, found 0x{byte:02x}")
    })?;
    catalogue::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
