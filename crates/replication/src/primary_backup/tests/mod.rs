//! The engine in a small world: golden scripts, and a seeded random walk with every fault.

mod load;
mod noise;
mod random;
mod scripts;
mod views;
mod world;
