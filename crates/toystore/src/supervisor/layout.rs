//! Which nodes a store has, and with which flags each is started.
//!
//! Pure: options and addresses in, command lines out. Called by [`super::Store`]; the flags are
//! those of `toystore catalog`, `order` and `frontend`, so that whoever reads them (in `ps`) can
//! start the same node by hand.

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
    /// `catalog`, `order-1`, `frontend-1`.
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

/// All nodes, in the order in which they are started: what others need comes first.
pub fn nodes(
    options: &Options,
    made: Made,
    ports: &Ports,
    folder: &Path,
    token: &Path,
) -> Vec<NodePlan> {
    let url = |address: SocketAddr| format!("http://{}", reached_at(address));
    let catalog_url = url(ports.catalog);
    let orders = (1..)
        .zip(&ports.orders)
        .map(|(number, address)| format!("{number}={}", url(*address)))
        .collect::<Vec<String>>()
        .join(",");
    let mut nodes = vec![];
    let mut add = |name: String, role, listen: SocketAddr, seed_url, more: Vec<OsString>| {
        let data = folder.join(&name);
        let mut arguments: Vec<OsString> = vec![role_command(role).into()];
        arguments.extend(flag("--listen", listen.to_string()));
        arguments.extend(flag("--cluster-token-file", token));
        arguments.push("--exit-with-stdin".into());
        if options.chaos {
            arguments.push("--chaos".into());
        }
        arguments.extend(more);
        nodes.push(NodePlan { name, role, url: url(listen), seed_url, data, arguments });
    };

    let mut more = vec![];
    more.extend(flag("--data", folder.join("catalog")));
    more.extend(flag("--replication", made.replication.to_string()));
    more.extend(flag("--invalidation", options.invalidation.to_string()));
    more.extend(flag("--restock-interval", duration_text(options.restock_interval)));
    if let Some(catalogue) = &options.catalogue {
        more.extend(flag("--catalogue", catalogue));
    }
    more.extend(shadow_disk(options));
    add("catalog".to_string(), Role::Catalog, ports.catalog, None, more);

    for (number, address) in (1..).zip(&ports.orders) {
        let name = format!("order-{number}");
        let mut more = vec![];
        more.extend(flag("--id", number.to_string()));
        more.extend(flag("--data", folder.join(&name)));
        more.extend(flag("--catalog", &catalog_url));
        more.extend(flag("--orders", &orders));
        more.extend(flag("--replication", made.replication.to_string()));
        more.extend(flag("--timers", options.timers.to_string()));
        more.extend(shadow_disk(options));
        add(name, Role::Order, *address, None, more);
    }

    for (number, address) in (1..).zip(&ports.frontends) {
        let seed = ports.seed.filter(|_| number == 1);
        let mut more = vec![];
        more.extend(flag("--id", number.to_string()));
        more.extend(flag("--catalog", &catalog_url));
        more.extend(flag("--orders", &orders));
        more.extend(flag("--cache-capacity", options.cache_capacity.to_string()));
        more.extend(flag("--invalidation", options.invalidation.to_string()));
        more.extend(flag("--timers", options.timers.to_string()));
        if let Some(seed) = seed {
            more.extend(flag("--seed-listen", seed.to_string()));
        }
        add(format!("frontend-{number}"), Role::Frontend, *address, seed.map(url), more);
    }
    nodes
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
