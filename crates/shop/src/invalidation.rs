//! How the frontends' caches learn that a toy has changed: one choice for the whole store, made at
//! its start.
//!
//! Read by [`crate::catalog`], which tells them or does not, and by [`crate::frontend`], whose
//! cache it is; both must be told the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What keeps caches right, or how wrong they may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Invalidation {
    /// Hits only under a lease; a change waits until every holder has dropped the toy, or its lease
    /// has run out. Linearizable.
    #[default]
    Lease,
    /// The course's way: holders are told after the change, nobody waits. May be stale.
    Push,
    /// Nobody is told; every entry dies of age. Stale for at most so long.
    Ttl(Duration),
    /// Nobody is told; entries live until they are evicted. Stale without bound.
    None,
}

impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalidation::Lease => write!(f, "lease"),
            Invalidation::Push => write!(f, "push"),
            Invalidation::Ttl(age) => write!(f, "ttl={}", duration_text(*age)),
            Invalidation::None => write!(f, "none"),
        }
    }
}

impl FromStr for Invalidation {
    type Err = String;

    /// Reads `lease`, `push`, `ttl=2s` or `none`.
    fn from_str(text: &str) -> Result<Invalidation, String> {
        match text {
            "lease" => Ok(Invalidation::Lease),
            "push" => Ok(Invalidation::Push),
            "none" => Ok(Invalidation::None),
            _ => match text.strip_prefix("ttl=") {
                Some(age) => Ok(Invalidation::Ttl(duration(age)?)),
                None => Err("expected lease, push, none, or ttl=DURATION such as ttl=2s".into()),
            },
        }
    }
}

impl From<Invalidation> for String {
    fn from(mode: Invalidation) -> String {
        mode.to_string()
    }
}

impl TryFrom<String> for Invalidation {
    type Error = String;

    fn try_from(text: String) -> Result<Invalidation, String> {
        text.parse()
    }
}

/// Reads `10s`, `500ms`, `2m`: how durations are written in flags.
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

/// What [`duration`] reads back; below a millisecond it is cut.
pub fn duration_text(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
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
    fn modes_read_back_what_they_write() {
        for text in ["lease", "push", "none", "ttl=2s", "ttl=1500ms"] {
            assert_eq!(text.parse::<Invalidation>().unwrap().to_string(), text);
        }
        assert!("ttl".parse::<Invalidation>().unwrap_err().contains("ttl=2s"));
    }
}
