//! What happened to the cache lately: for people who watch it. Nothing is decided by it.
//!
//! Hits are not here, for they are too many: each slot counts its own. Filled by `reads`, shown by
//! `status`.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use replication::Time;
use serde::{Deserialize, Serialize};

use crate::toy::Version;

/// How many are remembered.
const KEPT_MAX: usize = 16;

/// What can happen to a toy in a cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Happening {
    /// It was asked for and is not there.
    Miss {
        /// Which.
        name: String,
    },
    /// The catalog's answer was kept.
    Fill {
        /// Which.
        name: String,
        /// Which state of its stock.
        version: Version,
    },
    /// It gave its slot away.
    Evict {
        /// Which.
        name: String,
        /// To this one.
        by: String,
    },
    /// The catalog said that it is old.
    Invalidate {
        /// Which.
        name: String,
    },
    /// It was too old (mode `ttl`).
    Expire {
        /// Which.
        name: String,
    },
    /// Everything was dropped: a new generation, or a catalog that starts anew.
    Drop,
}

/// The last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    count: u64,
    kept: VecDeque<(Time, Happening)>,
}

/// Two frontends that differ in this alone will do the same.
impl Hash for Happened {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Happened {
    pub fn note(&mut self, now: Time, what: Happening) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((now, what));
        self.count += 1;
    }

    /// What is remembered, the oldest first.
    pub fn shown(&self, now: Time) -> Vec<HappeningStatus> {
        let first = self.count + 1 - self.kept.len() as u64;
        let shown = self.kept.iter().zip(first..).map(|((at, what), number)| HappeningStatus {
            number,
            ago_ms: now.since(*at).as_millis() as u64,
            what: what.clone(),
        });
        shown.collect()
    }
}

/// One of them, as `/status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HappeningStatus {
    /// From 1 on, without gaps, since the process started.
    pub number: u64,
    /// How long it is ago, in milliseconds.
    pub ago_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_with_their_numbers() {
        let mut happened = Happened::default();
        for count in 0..20 {
            happened.note(Time(count), Happening::Drop);
        }
        let shown = happened.shown(Time(1_000_000));
        let numbers: Vec<u64> = shown.iter().map(|one| one.number).collect();
        assert_eq!(numbers, (5..=20).collect::<Vec<_>>());
        let json = serde_json::to_value(&shown[0]).unwrap();
        assert_eq!(json["what"], "drop");
        assert_eq!(serde_json::from_value::<HappeningStatus>(json).unwrap(), shown[0]);
    }
}
