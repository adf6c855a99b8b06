//! The Compose file of a store: which containers, networks and volumes. Pure.
//!
//! Two networks. On `back` the nodes know each other, by names that are known there only: whoever
//! is cut off it, is cut off. On `watch` this machine reaches each node, whatever happens to
//! `back`.
//! Written as JSON, which is YAML too.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::supervisor::folder::Made;
use crate::supervisor::layout::{NodePlan, Place, Places, Role, catalog_name};
use crate::supervisor::options::Options;
use crate::supervisor::ports::Ports;

/// The file's name.
pub const FILE: &str = "compose.json";
/// The token's name, beside it.
pub const TOKEN: &str = "cluster-token";

/// What every node listens on, in its container.
const PORT: u16 = 8080;
/// Where each has its folder.
const DATA: &str = "/data";
/// Where each finds the token.
const SECRET: &str = "/run/secrets/cluster-token";
/// Where a catalog finds a catalogue of its own.
const CATALOGUE: &str = "/catalogue.csv";

/// Which nodes have a volume of a fixed size, so that it can be full: by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    /// Their names.
    pub small: BTreeSet<String>,
}

/// The size of a small volume, mebibytes: a log, a snapshot of it, and some room.
pub const SMALL_MIB: u32 = 32;
/// The segments of its log: what is allocated already is written before a full disk is felt.
const SMALL_SEGMENT_KIB: u32 = 16;

/// The name of a node on `back`, and on no other network.
pub fn name_on_back(node: &str) -> String {
    format!("{node}.back")
}

/// The name of a network of a project.
pub fn network(project: &str, network: &str) -> String {
    format!("{project}_{network}")
}

/// The name of a node's container.
pub fn container(project: &str, node: &str) -> String {
    format!("{project}-{node}")
}

/// Where each node is, as the others see it.
pub fn places(options: &Options, made: Made) -> Places {
    let place = |node: &str| Place {
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        url: format!("http://{}:{PORT}", name_on_back(node)),
        data: PathBuf::from(DATA),
    };
    let all = |role: &str, count: u8| -> Vec<Place> {
        (1..=count).map(|number| place(&format!("{role}-{number}"))).collect()
    };
    Places {
        catalogs: (1..=made.catalogs)
            .map(|number| place(&catalog_name(number, made.catalogs.into())))
            .collect(),
        orders: all("order", made.orders),
        frontends: all("frontend", options.frontends),
        seed: None,
        token: PathBuf::from(SECRET),
        catalogue: options.catalogue.as_ref().map(|_| PathBuf::from(CATALOGUE)),
    }
}

/// Where this machine reaches each node, in the order of [`layout::nodes`].
///
/// [`layout::nodes`]: crate::supervisor::layout::nodes
pub fn published(ports: &Ports) -> Vec<SocketAddr> {
    [&ports.catalogs, &ports.orders, &ports.frontends].into_iter().flatten().copied().collect()
}

/// The file.
pub fn file(
    project: &str,
    image: &str,
    plans: &[NodePlan],
    published: &[SocketAddr],
    volumes: &Volumes,
    catalogue: Option<&Path>,
) -> Value {
    let mut services = Map::new();
    let mut kept = Map::new();
    for (plan, address) in plans.iter().zip(published) {
        let name = &plan.name;
        let small = volumes.small.contains(name);
        let mut mounts = vec![];
        if plan.role != Role::Frontend {
            mounts.push(json!(format!("{name}:{DATA}")));
            kept.insert(name.clone(), volume(small));
        }
        if let (Role::Catalog, Some(catalogue)) = (plan.role, catalogue) {
            mounts.push(json!(format!("{}:{CATALOGUE}:ro", catalogue.display())));
        }
        let more = small.then(|| ["--segment-kib".to_string(), SMALL_SEGMENT_KIB.to_string()]);
        let arguments = plan.arguments.iter().map(|argument| argument.to_string_lossy().into());
        let arguments: Vec<String> = arguments.chain(more.into_iter().flatten()).collect();
        let service = json!({
            "image": image,
            "container_name": container(project, name),
            "command": arguments,
            // It stays down until the scenario starts it again.
            "restart": "no",
            "read_only": true,
            "user": "65532:65532",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            // Nodes are asked from outside here, and Docker's own looks at each, every two seconds,
            // take more of a small machine than the nodes do.
            "healthcheck": { "disable": true },
            "pids_limit": 128,
            "mem_limit": "256m",
            "stop_grace_period": "5s",
            "secrets": [TOKEN],
            "networks": { "back": { "aliases": [name_on_back(name)] }, "watch": {} },
            "ports": [format!("{address}:{PORT}")],
            "volumes": mounts,
        });
        services.insert(name.clone(), service);
    }
    json!({
        "services": services,
        "networks": { "back": { "internal": true }, "watch": {} },
        "volumes": kept,
        "secrets": { TOKEN: { "file": format!("./{TOKEN}") } },
    })
}

fn volume(small: bool) -> Value {
    let options = format!("size={SMALL_MIB}m,uid=65532,gid=65532");
    match small {
        true => json!({ "driver_opts": { "type": "tmpfs", "device": "tmpfs", "o": options } }),
        false => json!({}),
    }
}
