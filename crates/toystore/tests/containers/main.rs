//! The tests that need Docker and the image toystore:latest: what is in the image, and what people
//! do with `compose.yaml`. `.ci/containers` makes the image and runs them; `cargo test` alone does
//! not.
//!
//! Scenarios in containers are played by `.ci/scenarios --world compose`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod compose;
mod crashes;
mod engine;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/exchange.rs"]
mod exchange;
mod image;
mod page;
mod upgrade;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/waiting.rs"]
mod waiting;
