//! `toystore catalog`: the catalog service, one process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use replication::NodeId;
use shop::catalog::{Catalog, Config, catalogue};
use shop::invalidation::{Invalidation, duration};
use shop::node::Address;

use super::service::{Disk, Made, Service, read};
use crate::http::endpoint::Role;
use crate::supervisor::options::replication;
use replication::Protocol;

/// Run the catalog: stock, takes, restock, leases, and the view of who leads
#[derive(Debug, Args)]
pub struct CatalogCommand {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    disk: Disk,
    /// How order replicas agree: `naive` is not fenced
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
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
    /// If the port, the disk or the catalogue cannot be had.
    pub fn run(self) -> Result<ExitCode> {
        let CatalogCommand { service, disk, replication, invalidation, .. } = self;
        let toys = self.catalogue.as_deref().map(read_catalogue).transpose()?;
        let config = Config {
            toys,
            restock_interval: self.restock_interval,
            invalidation,
            fencing: replication.is_safe(),
            incarnation: rand::random::<u64>() >> 1,
            ..Config::default()
        };
        service.run(Role::Catalog, async |_| {
            read(move || {
                let (disk, recovered) = disk.open()?;
                Ok(Made {
                    node: Catalog::new(config, &recovered).map_err(anyhow::Error::msg)?,
                    disk: Some(disk),
                    address: Address::Catalog(NodeId(1)),
                    known: BTreeMap::new(),
                    ports: Vec::new(),
                })
            })
            .await
        })
    }
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
