//! Tests of the catalog: golden scripts, random runs with crashes, and every interleaving of a small
//! system. All of them run the catalog on [`world::World`], a disk that syncs when told to.

mod explore;
mod random;
mod script;
mod system;
mod world;
