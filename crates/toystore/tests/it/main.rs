//! The tests that need the binary: one test binary, one module for each subject.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod cli;
mod docs;
mod store;
mod tidy;
mod workspace;
