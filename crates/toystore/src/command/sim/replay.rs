//! The command that runs a seed again.
//!
//! Printed by `sim::mod` beside whatever a seed shows, and kept in its bundle.

use replication::Protocol;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use simulator::Trim;
use simulator::setting::{Clocks, Members};

use super::Sim;

impl Sim {
    /// The command that runs this seed again.
    pub(super) fn replay(&self, seed: u64, trim: &Trim) -> String {
        let mut command = format!("toystore sim --seed {seed}");
        if let Some(path) = &self.scenario {
            command.push_str(&format!(" --scenario {}", path.display()));
        }
        let mut add = |flag: String| {
            command.push(' ');
            command.push_str(&flag);
        };
        if self.replication != Protocol::default() {
            add(format!("--replication {}", self.replication));
        }
        if self.invalidation != Invalidation::Lease {
            add(format!("--invalidation {}", self.invalidation));
        }
        if self.cache_policy != Policy::default() {
            add(format!("--cache-policy {}", self.cache_policy));
        }
        if let Some(frontends) = self.frontends {
            add(format!("--frontends {frontends}"));
        }
        if let Some(orders) = self.orders {
            add(format!("--orders {orders}"));
        }
        if self.catalog_replicas != 1 {
            add(format!("--catalog-replicas {}", self.catalog_replicas));
        }
        if self.minutes != 1 {
            add(format!("--minutes {}", self.minutes));
        }
        if let Some(planted) = self.planted() {
            add(format!("--planted {}", planted.full_name()));
        }
        if self.strict {
            add("--strict".to_string());
        }
        if self.clocks != Clocks::Drawn {
            add(format!("--clocks {}", self.clocks));
        }
        if self.members != Members::Drawn {
            add(format!("--members {}", self.members));
        }
        if self.no_faults {
            add("--no-faults".to_string());
        }
        if *trim != Trim::default() {
            add(format!("--trim '{trim}'"));
        }
        command
    }
}
