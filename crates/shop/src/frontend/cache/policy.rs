//! Which toy goes when another one needs its slot: one choice for a frontend, made at its start.
//!
//! Read by `cache::mod`, which keeps its slots in that order; shown by `frontend::status`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which toy goes when another one needs its slot.
///
/// No policy makes an answer wrong, only a miss more likely: what may be served is a matter of the
/// lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Policy {
    /// The one that nobody has read for longest.
    #[default]
    Lru,
    /// The one that was filled first, however often it was read since.
    Fifo,
    /// The one that was read least often since it was filled, of these the one that nobody has read
    /// for longest; an old count fades ([`super::frequency`] says how).
    Lfu,
    /// Any, with the same chance. The number is a seed: the same one and the same reads evict the
    /// same toys.
    Random(u64),
}

/// What is expected, for whoever wrote something else.
const EXPECTED: &str = "expected lru, fifo, lfu, random, or random=SEED such as random=7";

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Lru => write!(f, "lru"),
            Policy::Fifo => write!(f, "fifo"),
            Policy::Lfu => write!(f, "lfu"),
            Policy::Random(0) => write!(f, "random"),
            Policy::Random(seed) => write!(f, "random={seed}"),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    /// Reads `lru`, `fifo`, `lfu`, `random` (seed 0) or `random=7`.
    fn from_str(text: &str) -> Result<Policy, String> {
        match text {
            "lru" => Ok(Policy::Lru),
            "fifo" => Ok(Policy::Fifo),
            "lfu" => Ok(Policy::Lfu),
            "random" => Ok(Policy::Random(0)),
            _ => match text.strip_prefix("random=").map(str::parse) {
                Some(Ok(seed)) => Ok(Policy::Random(seed)),
                Some(Err(_)) | None => Err(EXPECTED.to_string()),
            },
        }
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> String {
        policy.to_string()
    }
}

impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Policy, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_what_they_write() {
        for text in ["lru", "fifo", "lfu", "random", "random=7"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        for wrong in ["", "LRU", "mru", "random=", "random=-1", "lru=7"] {
            assert!(wrong.parse::<Policy>().unwrap_err().contains("random=7"), "{wrong}");
        }
    }
}
