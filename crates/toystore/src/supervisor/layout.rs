//! Which nodes a store has, and with which flags each is started.
//!
//! Pure: options and addresses in, command lines out. Called by [`super::Store`] for processes and
//! by [`crate::containers`] for containers; the flags are those of `toystore catalog`, `order` and
//! `frontend`, so that whoever reads them (in `ps`) can start the same node by hand.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shop::invalidation::duration_text;

use super::folder::Made;
use super::options::Options;
use super::ports::{Ports, reached_at};

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers shoppers.
    Frontend,
    /// A replica of the order log.
    Order,
    /// Keeps the stock.
    Catalog,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Frontend => "frontend",
            Role::Order => "order",
            Role::Catalog => "catalog",
        })
    }
}

/// A node as it is started, and started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// `catalog`, or `catalog-1` where it has replicas; `order-1`, `frontend-1`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it is reached.
    pub url: String,
    /// Where the original project's client reaches it.
    pub seed_url: Option<String>,
    /// Its own folder.
    pub data: PathBuf,
    /// Subcommand and flags.
    pub arguments: Vec<OsString>,
}

/// Where a node is: its own words for it, and the others'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it listens on.
    pub listen: SocketAddr,
    /// Where the others reach it.
    pub url: String,
    /// Its folder.
    pub data: PathBuf,
}

/// Where every node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Catalog 1, 2, …
    pub catalogs: Vec<Place>,
    /// Order replica 1, 2, …
    pub orders: Vec<Place>,
    /// Frontend 1, 2, …
    pub frontends: Vec<Place>,
    /// The original project's dialect, at frontend 1.
    pub seed: Option<SocketAddr>,
    /// Where each node reads the cluster token.
    pub token: PathBuf,
    /// Where a catalog reads its toys, if they are not the built-in ones.
    pub catalogue: Option<PathBuf>,
}

impl Places {
    /// Processes of this machine: addresses, and folders in one.
    pub fn of_processes(
        ports: &Ports,
        folder: &Path,
        token: &Path,
        catalogue: Option<&Path>,
    ) -> Places {
        let place = |role: &str, address: SocketAddr| Place {
            listen: address,
            url: url(address),
            data: folder.join(role),
        };
        let all = |role: &str, addresses: &[SocketAddr]| {
            let numbered = (1..).zip(addresses);
            numbered.map(|(number, at)| place(&format!("{role}-{number}"), *at)).collect()
        };
        let catalogs = (1..).zip(&ports.catalogs);
        let catalogs = catalogs
            .map(|(number, at)| place(&catalog_name(number, ports.catalogs.len()), *at))
            .collect();
        Places {
            catalogs,
            orders: all("order", &ports.orders),
            frontends: all("frontend", &ports.frontends),
            seed: ports.seed,
            token: token.to_path_buf(),
            catalogue: catalogue.map(Path::to_path_buf),
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{}", reached_at(address))
}

/// All nodes, in the order in which they are started: what others need comes first.
pub fn nodes(options: &Options, made: Made, places: &Places) -> Vec<NodePlan> {
    let orders = by_number(&places.orders);
    let catalogs = match places.catalogs.as_slice() {
        [one] => one.url.clone(),
        several => by_number(several),
    };
    let mut nodes = vec![];
    let mut add = |name: String, role, place: &Place, seed_url, more: Vec<OsString>| {
        let mut arguments: Vec<OsString> = vec![role_command(role).into()];
        arguments.extend(flag("--listen", place.listen.to_string()));
        arguments.extend(flag("--cluster-token-file", &places.token));
        if options.chaos {
            arguments.push("--chaos".into());
        }
        arguments.extend(more);
        let Place { url, data, .. } = place.clone();
        nodes.push(NodePlan { name, role, url, seed_url, data, arguments });
    };

    let several = places.catalogs.len() > 1;
    for (number, place) in (1..).zip(&places.catalogs) {
        let mut more = vec![];
        if several {
            more.extend(flag("--id", number.to_string()));
            more.extend(flag("--peers", &catalogs));
            more.extend(flag("--timers", options.timers.to_string()));
        }
        more.extend(flag("--data", &place.data));
        more.extend(flag("--replication", made.replication.to_string()));
        more.extend(flag("--invalidation", options.invalidation.to_string()));
        more.extend(flag("--restock-interval", duration_text(options.restock_interval)));
        if let Some(catalogue) = &places.catalogue {
            more.extend(flag("--catalogue", catalogue));
        }
        more.extend(shadow_disk(options));
        add(catalog_name(number, places.catalogs.len()), Role::Catalog, place, None, more);
    }

    for (number, place) in (1..).zip(&places.orders) {
        let mut more = vec![];
        more.extend(flag("--id", number.to_string()));
        more.extend(flag("--data", &place.data));
        more.extend(flag("--catalog", &catalogs));
        more.extend(flag("--orders", &orders));
        more.extend(flag("--replication", made.replication.to_string()));
        more.extend(flag("--timers", options.timers.to_string()));
        more.extend(shadow_disk(options));
        add(format!("order-{number}"), Role::Order, place, None, more);
    }

    for (number, place) in (1..).zip(&places.frontends) {
        let seed = places.seed.filter(|_| number == 1);
        let mut more = vec![];
        more.extend(flag("--id", number.to_string()));
        more.extend(flag("--url", &place.url));
        more.extend(flag("--catalog", &catalogs));
        more.extend(flag("--orders", &orders));
        more.extend(flag("--cache-capacity", options.cache_capacity.to_string()));
        more.extend(flag("--cache-policy", options.cache_policy.to_string()));
        more.extend(flag("--invalidation", options.invalidation.to_string()));
        more.extend(flag("--timers", options.timers.to_string()));
        if let Some(seed) = seed {
            more.extend(flag("--seed-listen", seed.to_string()));
        }
        add(format!("frontend-{number}"), Role::Frontend, place, seed.map(url), more);
    }
    nodes
}

/// What catalog `number` of `count` is called.
pub fn catalog_name(number: u8, count: usize) -> String {
    if count > 1 { format!("catalog-{number}") } else { "catalog".to_string() }
}

/// `1=http://…,2=http://…`.
fn by_number(places: &[Place]) -> String {
    let numbered = (1..).zip(places).map(|(number, place)| format!("{number}={}", place.url));
    numbered.collect::<Vec<String>>().join(",")
}

fn role_command(role: Role) -> &'static str {
    match role {
        Role::Frontend => "frontend",
        Role::Order => "order",
        Role::Catalog => "catalog",
    }
}

fn flag(name: &str, value: impl Into<OsString>) -> [OsString; 2] {
    [name.into(), value.into()]
}

fn shadow_disk(options: &Options) -> Option<OsString> {
    options.shadow_disk.then(|| "--shadow-disk".into())
}
