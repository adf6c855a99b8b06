//! The engine in a small world: golden scripts, and a seeded random walk with every fault.

mod random;
mod scripts;
mod world;
