//! A node of any kind, set up as the setting says. What is stepped is the code that serves in
//! processes; nothing of it is made anew here.

use replication::log::Recovered;
use replication::protocol::{self, Pace};
use replication::{NodeId, Time};
use shop::catalog::{self, Catalog, catalogue};
use shop::frontend::{self, Frontend};
use shop::orders::{self, Orders};
use shop::shopper::{self, Shopper};
use shop::{Effect, Input, Node};

use crate::plan::Plan;
use crate::setting::Setting;
use crate::who::Who;

/// A node of any kind.
pub enum Process {
    /// The catalog.
    Catalog(Box<Catalog>),
    /// A replica of the order service.
    Order(Box<Orders>),
    /// A frontend.
    Frontend(Box<Frontend>),
    /// A shopper.
    Shopper(Box<Shopper>),
}

/// The place of one of several replicas of the catalog.
fn replica_of_catalog(setting: &Setting, id: u8) -> protocol::Config {
    let peers = (1..=setting.seats.catalogs).filter(|peer| *peer != id).map(NodeId);
    protocol::Config {
        protocol: setting.catalog_protocol(),
        id: NodeId(id),
        peers: peers.collect(),
        pace: Pace::Default,
        unclean: false,
        entries_kept: setting.entries_kept,
        seed: !setting.seed,
        joins: false,
    }
}

impl Process {
    /// A node with what was found on its disk; it is told of these replicas of the order service.
    ///
    /// # Errors
    /// If what was found cannot be read.
    pub fn new(
        who: Who,
        recovered: &Recovered,
        incarnation: u64,
        plan: &Plan,
        replicas: Vec<NodeId>,
    ) -> Result<Process, String> {
        let setting = &plan.setting;
        Ok(match who {
            Who::Catalog(id) => {
                let mut toys = catalogue::built_in();
                toys.truncate(setting.toys);
                for toy in &mut toys {
                    toy.quantity = setting.stock;
                }
                let config = catalog::Config {
                    toys: Some(toys),
                    restock_interval: setting.restock_interval,
                    restock_level: setting.stock,
                    invalidation: setting.invalidation,
                    fencing: setting.protocol.is_safe(),
                    checkpoint_entries: setting.catalog_checkpoint_entries,
                    incarnation,
                    replica: (setting.seats.catalogs > 1).then(|| replica_of_catalog(setting, id)),
                    ..catalog::Config::default()
                };
                Process::Catalog(Box::new(Catalog::new(config, recovered)?))
            }
            Who::Order(id) => {
                let engine = protocol::Config {
                    protocol: setting.protocol,
                    id: NodeId(id),
                    peers: replicas.into_iter().filter(|peer| peer.0 != id).collect(),
                    pace: Pace::Default,
                    unclean: false,
                    entries_kept: setting.entries_kept,
                    seed: setting.seed,
                    joins: id > setting.seats.orders,
                };
                let catalogs = setting.seats.catalogs;
                let config = orders::Config { engine, incarnation, catalogs };
                let orders = Orders::new(config, recovered)?;
                let orders = orders.checkpoint_every(setting.checkpoint_entries);
                Process::Order(Box::new(orders))
            }
            Who::Frontend(id) => {
                let url = format!("http://frontend-{id}");
                let mut config = frontend::Config::new(id, replicas, url, incarnation);
                config.invalidation = setting.invalidation;
                config.catalogs = setting.seats.catalogs;
                config.cache_capacity = setting.cache_capacity;
                config.cache_policy = setting.cache_policy;
                Process::Frontend(Box::new(Frontend::new(config)))
            }
            Who::Shopper(session) => {
                // Each begins with another frontend.
                let mut frontends: Vec<u8> = (1..=setting.seats.frontends).collect();
                frontends.rotate_left(usize::from(session) % usize::from(setting.seats.frontends));
                let config = shopper::Config {
                    requests: plan.rounds,
                    retries: setting.retries,
                    retry_interval: setting.retry_interval,
                    probability: setting.probability,
                    lookups: setting.lookups,
                    pause: setting.pause,
                    consistency: setting.levels.of_shopper(session),
                    ..shopper::Config::new(session.into(), frontends, setting.seed)
                };
                Process::Shopper(Box::new(Shopper::new(config)))
            }
            Who::Asker => unreachable!("the asker is the world itself"),
        })
    }

    /// One step of the node.
    pub fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match self {
            Process::Catalog(node) => node.step(now, input, effects),
            Process::Order(node) => node.step(now, input, effects),
            Process::Frontend(node) => node.step(now, input, effects),
            Process::Shopper(node) => node.step(now, input, effects),
        }
    }

    /// When it wants to be woken.
    pub fn next_timer(&self) -> Option<Time> {
        match self {
            Process::Catalog(node) => node.next_timer(),
            Process::Order(node) => node.next_timer(),
            Process::Frontend(node) => node.next_timer(),
            Process::Shopper(node) => node.next_timer(),
        }
    }
}
