//! The page in a browser: what a person does with it, and what it looks like. `.ci/browser`
//! installs Chromium and its driver and runs these; `cargo test` alone does not.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `browser` | Chromium, and what is asked of it |
//! | `journeys` | buying, breaking, looking back, by mouse and by keys |
//! | `looks` | contrast, names, nothing cut off, every width; pictures |

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod browser;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/exchange.rs"]
mod exchange;
mod journeys;
mod looks;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/store.rs"]
mod store;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/viewer.rs"]
mod viewer;
#[allow(dead_code, reason = "tests of processes use the rest of it")]
#[path = "../it/waiting.rs"]
mod waiting;
