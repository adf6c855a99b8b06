//! What `up` and `demo` are asked for, in their own words.
//!
//! Filled by [`crate::command::up`] from flags and by `demo` itself; read by [`super::layout`],
//! which turns it into the flags of each node.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::ports::Wanted;

/// How order replicas agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// The course's rule, made safe by a view that the catalog keeps
    PrimaryBackup,
    /// The course's rule taken literally: no view, no fence; loses orders, and names them
    Naive,
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Replication::PrimaryBackup => "primary-backup",
            Replication::Naive => "naive",
        })
    }
}

/// How soon silence is taken for death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Timers {
    /// Survives disks that stall for 90 ms
    Default,
    /// For quiet disks, and comparisons with etcd's fast setting
    Fast,
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timers::Default => "default",
            Timers::Fast => "fast",
        })
    }
}

/// What keeps the frontends' caches from going stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A change waits for every cache that may hold the toy, or for its lease: linearizable.
    Lease,
    /// The course's: told, but not waited for. Can be stale.
    Push,
    /// An entry lives so long: staleness is bounded.
    Ttl(Duration),
    /// Never told.
    Off,
}

impl FromStr for Invalidation {
    type Err = String;

    fn from_str(text: &str) -> Result<Invalidation, String> {
        match text {
            "lease" => Ok(Invalidation::Lease),
            "push" => Ok(Invalidation::Push),
            "none" => Ok(Invalidation::Off),
            _ => match text.strip_prefix("ttl=") {
                Some(lifetime) => Ok(Invalidation::Ttl(duration(lifetime)?)),
                None => Err("expected lease, push, none, or ttl=DURATION such as ttl=2s".into()),
            },
        }
    }
}

impl From<Invalidation> for shop::frontend::Invalidation {
    fn from(mode: Invalidation) -> Self {
        match mode {
            Invalidation::Lease => Self::Lease,
            Invalidation::Push => Self::Push,
            Invalidation::Ttl(age) => Self::Ttl(age),
            Invalidation::Off => Self::None,
        }
    }
}

impl From<Invalidation> for shop::catalog::Invalidation {
    fn from(mode: Invalidation) -> Self {
        match mode {
            Invalidation::Lease => Self::Lease,
            Invalidation::Push => Self::Push,
            Invalidation::Ttl(age) => Self::Ttl(age),
            Invalidation::Off => Self::None,
        }
    }
}

impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalidation::Lease => write!(f, "lease"),
            Invalidation::Push => write!(f, "push"),
            Invalidation::Ttl(lifetime) => write!(f, "ttl={}", flag_text(*lifetime)),
            Invalidation::Off => write!(f, "none"),
        }
    }
}

/// Reads `10s`, `500ms`, `2m`.
///
/// # Errors
/// Says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a whole number and a unit, such as 500ms, 10s or 2m".to_string();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => return Err(wrong()),
    };
    milliseconds.map(Duration::from_millis).ok_or_else(wrong)
}

/// What [`duration`] reads back.
pub fn flag_text(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Where what the nodes log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// To the stderr of the parent.
    Inherit,
    /// To `DATA/NODE.log`, so that the parent can tell a story of its own.
    Files,
}

/// A store to be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many frontends, 1 to 9.
    pub frontends: u8,
    /// How many order replicas, 1 to 9; as the data folder has it, or 3, if not given.
    pub orders: Option<u8>,
    /// How the replicas agree; as the data folder has it, or `primary-backup`, if not given.
    pub replication: Option<Replication>,
    /// Toys in each frontend's cache; 0 switches it off.
    pub cache_capacity: u32,
    /// What keeps the caches right.
    pub invalidation: Invalidation,
    /// How often toys that are sold out are restocked.
    pub restock_interval: Duration,
    /// A CSV file in place of the built-in catalogue.
    pub catalogue: Option<PathBuf>,
    /// How soon silence is taken for death.
    pub timers: Timers,
    /// For tests: what was not synced is lost with its process.
    pub shadow_disk: bool,
    /// Free ports instead of those of `wanted`.
    pub ports_auto: bool,
    /// Addresses.
    pub wanted: Wanted,
    /// The data folder; absent for one that is removed at the end.
    pub data: Option<PathBuf>,
    /// Where the nodes' logs go.
    pub logs: Logs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "1.5s", "-1s", "10 s", "10h", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn invalidation_modes_read_back_what_they_write() {
        for text in ["lease", "push", "none", "ttl=2000ms"] {
            assert_eq!(text.parse::<Invalidation>().unwrap().to_string(), text);
        }
        assert!("ttl".parse::<Invalidation>().unwrap_err().contains("ttl=2s"));
    }
}
