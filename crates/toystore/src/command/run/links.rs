//! Which links between real processes are broken now, and how each node is told.
//!
//! Each node obeys the faults of what it sends (`peer::faults`), so what overlaps on one edge is
//! put together here, and every node is sent its whole set whenever that changes. Called by
//! [`super::wreck`].

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use simulator::fault::{Fault, Target};
use simulator::who::{Seats, Who};

use crate::http::connection::ask_once;
use crate::peer::faults::{EdgeFaults, FaultSet};
use crate::supervisor::cluster::{Cluster, State};

/// How long a node may take to obey.
const DEADLINE: Duration = Duration::from_secs(2);

/// Who leads at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaders {
    /// The order replicas.
    pub order: Option<Who>,
    /// The catalogs.
    pub catalog: Option<Who>,
}

/// All broken links.
#[derive(Debug, Default)]
pub struct Links {
    seed: u64,
    /// By the fault that breaks them.
    broken: BTreeMap<usize, Vec<(Who, EdgeFaults)>>,
    /// What each node was told last, if it is not nothing.
    told: BTreeMap<String, FaultSet>,
}

impl Links {
    /// None is broken; the seed fixes what is lost.
    pub fn new(seed: u64) -> Links {
        Links { seed, ..Links::default() }
    }

    /// A fault breaks links, as things stand: who leads are the `leaders`. Returns whether it is
    /// one that does, and hits any.
    pub fn begin(&mut self, number: usize, fault: &Fault, seats: Seats, leaders: Leaders) -> bool {
        let find = |target: Target| match target {
            Target::Process(who) => Some(who),
            Target::Leader => leaders.order,
            Target::CatalogLeader => leaders.catalog,
            Target::Follower => leaders.order.and_then(|leader| seats.other_order(leader)),
            Target::Place(_) => None,
        };
        let (shape, faults) = match *fault {
            Fault::Cut { shape, .. } => (shape, EdgeFaults { cut: true, ..EdgeFaults::default() }),
            Fault::Degrade { links, loss, doubled, delay, jitter, .. } => {
                let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                let faults = EdgeFaults {
                    loss: f64::from(loss) / 1000.0,
                    duplicate: f64::from(doubled) / 1000.0,
                    delay_ms: millis(delay),
                    jitter_ms: millis(jitter),
                    ..EdgeFaults::default()
                };
                (links, faults)
            }
            _ => return false,
        };
        let edges = shape.edges(seats, find);
        let edge = |to: Who| EdgeFaults { to: to.to_string(), ..faults.clone() };
        self.broken.insert(number, edges.iter().map(|(from, to)| (*from, edge(*to))).collect());
        !edges.is_empty()
    }

    /// A fault ends.
    pub fn end(&mut self, number: usize) {
        self.broken.remove(&number);
    }

    /// A process was started: it knows of no fault.
    pub fn forget(&mut self, node: &str) {
        self.told.remove(node);
    }

    /// The whole set of a node.
    fn set_of(&self, node: &str) -> FaultSet {
        let mut edges: BTreeMap<String, EdgeFaults> = BTreeMap::new();
        let own = self.broken.values().flatten().filter(|(from, _)| from.to_string() == node);
        for (_, faults) in own {
            let sum = edges.entry(faults.to.clone()).or_default();
            *sum = EdgeFaults {
                to: faults.to.clone(),
                cut: sum.cut || faults.cut,
                delay_ms: sum.delay_ms + faults.delay_ms,
                jitter_ms: sum.jitter_ms + faults.jitter_ms,
                loss: (sum.loss + faults.loss).min(1.0),
                duplicate: (sum.duplicate + faults.duplicate).min(1.0),
            };
        }
        FaultSet { seed: self.seed, edges: edges.into_values().collect() }
    }

    /// Tells every running node its set, if it is another one than before. One that does not answer
    /// is told the next time.
    ///
    /// # Errors
    /// If a node refuses: it would play another scenario.
    pub async fn tell(&mut self, cluster: &Cluster, token: &str) -> Result<()> {
        for member in cluster.nodes.iter().filter(|member| member.state == State::Running) {
            let set = self.set_of(&member.name);
            let known = self.told.get(&member.name);
            if known.map_or(set.edges.is_empty(), |known| *known == set) {
                continue;
            }
            match ask_once(&member.url()?, &set.request(token), DEADLINE).await {
                Ok(said) if said.status == 200 => {
                    self.told.insert(member.name.clone(), set);
                }
                Ok(said) => bail!("{} refuses its faults: {}", member.name, said.message()),
                Err(_) => {}
            }
        }
        Ok(())
    }
}
