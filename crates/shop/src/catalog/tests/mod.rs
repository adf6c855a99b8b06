//! Tests of the catalog: golden scripts, random runs with crashes, every interleaving of a small
//! system, and tables for bounds and for the catalogue's file. Most run the catalog on
//! [`world::World`], a disk that syncs when told to.

mod bounds;
mod catalogue;
mod explore;
mod random;
mod script;
mod system;
mod world;
