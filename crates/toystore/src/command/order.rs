//! `toystore order`: one replica of the order service.

use replication::Protocol;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use replication::NodeId;
use replication::protocol::{self, ENTRIES_KEPT};
use shop::node::Address;
use shop::orders::{Config, Orders};

use super::others::Others;
use super::service::{Disk, Made, Service, read};
use crate::http::endpoint::Role;
use crate::supervisor::options::{Timers, replication};

/// Run one replica of the order service
#[derive(Debug, Args)]
#[command(override_usage = "toystore order --id ID --listen ADDR --data DIR --catalog URL \
                            --orders ID=URL,… [OPTIONS]")]
pub struct OrderCommand {
    #[command(flatten)]
    service: Service,
    #[command(flatten)]
    disk: Disk,
    /// Which replica this is
    #[arg(long, env = "TOYSTORE_ID", value_name = "ID",
          value_parser = clap::value_parser!(u8).range(1..=i64::from(NodeId::MAX)))]
    id: u8,
    #[command(flatten)]
    others: Others,
    /// How replicas agree
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
    /// How soon silence is taken for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value = "default")]
    timers: Timers,
    /// Let a replica lead that may have missed orders. What only the others have is lost, and said
    #[arg(long, env = "TOYSTORE_UNCLEAN_ELECTION")]
    unclean_election: bool,
    /// It comes to a group that is there already, which learns of it by `POST /members`
    #[arg(long, env = "TOYSTORE_JOIN")]
    join: bool,
}

impl OrderCommand {
    /// Runs until it is asked to stop.
    ///
    /// # Errors
    /// If the port or the disk cannot be had, or the flags contradict each other.
    pub fn run(self) -> Result<ExitCode> {
        let all = self.others.replicas()?;
        let id = NodeId(self.id);
        if !all.contains(&id) {
            bail!("--orders names every replica, but not this one, {id}");
        }
        let engine = protocol::Config {
            protocol: self.replication,
            id,
            peers: all.iter().copied().filter(|peer| *peer != id).collect(),
            pace: self.timers.into(),
            unclean: self.unclean_election,
            entries_kept: ENTRIES_KEPT,
            // Two stores need not differ: the replicas of one do, by their ids.
            seed: 0,
            joins: self.join,
        };
        let known = self.others.addresses()?;
        let catalogs = self.others.catalogs()?.len() as u8;
        let (disk, protocol) = (self.disk, self.replication);
        self.service.run(Role::Order, async |_| {
            read(move || {
                let (disk, recovered) = disk.open_as(&format!("order-{id}"), protocol)?;
                let incarnation = rand::random::<u64>() >> 1;
                let config = Config { engine, incarnation, catalogs };
                Ok(Made {
                    node: Orders::new(config, &recovered).map_err(anyhow::Error::msg)?,
                    disk: Some(disk),
                    address: Address::Order(id),
                    known,
                    ports: Vec::new(),
                })
            })
            .await
        })
    }
}
