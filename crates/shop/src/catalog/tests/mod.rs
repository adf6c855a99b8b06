//! Tests of the catalog: golden scripts of one and of several replicas, random runs with crashes,
//! every interleaving of a small system, and tables for bounds and for the catalogue's file. Most
//! run the catalog on [`world::World`], a disk that syncs when told to.

mod bounds;
mod catalogue;
mod explore;
mod group;
mod many_toys;
mod random;
mod script;
mod system;
mod world;

use std::hash::{Hash, Hasher};

use super::replica::Group;

/// What explores every interleaving copies a catalog and compares it; an engine of replicas can do
/// neither.
fn alone(group: &Group) -> &replication::single::Single {
    match group {
        Group::Alone(engine) => engine,
        Group::Replica { .. } => unreachable!("only a catalog that is alone is copied"),
    }
}

impl Clone for Group {
    fn clone(&self) -> Group {
        Group::Alone(alone(self).clone())
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Group) -> bool {
        alone(self) == alone(other)
    }
}

impl Eq for Group {}

impl Hash for Group {
    fn hash<H: Hasher>(&self, state: &mut H) {
        alone(self).hash(state);
    }
}
