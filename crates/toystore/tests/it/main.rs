//! The tests that need the binary: one test binary, one module for each subject.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bad_input;
mod catalogs;
mod cli;
mod compare;
mod docs;
mod elsewhere;
mod evaluate;
mod exchange;
mod faults;
mod generate;
mod generator;
mod history;
mod levels;
mod load;
mod members;
mod migrate;
mod network;
mod observability;
mod openapi;
mod page;
mod raw;
mod rolling;
mod services;
mod sound;
mod store;
mod tidy;
mod view;
mod viewer;
mod waiting;
mod wire;
mod workspace;
mod zoo;
