//! Tests of the order service: golden scripts on [`world::World`], some replicas and a real catalog
//! whose network and disks do what they are told; and tables for the ledger.

mod ledger;
mod script;
mod world;
