//! How fresh an answer to a read must be, and what an answer says of where it is from.
//!
//! Part of every request that reads toys or orders and of every answer to one; `?consistency=` and
//! three headers over HTTP. Obeyed by the frontend, the catalog and the order replicas.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::node::Address;

/// What a read is promised. Each level promises all that the ones below it do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// As if there were one copy of each toy and each order: a read sees whatever was acknowledged
    /// before it began. Costs a round to a majority, or a lease.
    #[default]
    Linearizable,
    /// A committed state, of whoever thinks that it leads: the newest one, unless another replica
    /// leads by now without its knowledge. Never a state that never was, none from the future.
    /// Costs no round.
    Leader,
    /// A committed state of the past, of any replica, also where nobody leads. Nothing that is not
    /// committed, nothing invented; and one process's answers never go back in time. That an order
    /// is not found proves nothing.
    Local,
}

impl Consistency {
    /// All of them, the strongest first.
    pub const ALL: [Consistency; 3] =
        [Consistency::Linearizable, Consistency::Leader, Consistency::Local];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::Linearizable => "linearizable",
            Consistency::Leader => "leader",
            Consistency::Local => "local",
        }
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Consistency {
    type Err = String;

    fn from_str(text: &str) -> Result<Consistency, String> {
        Consistency::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| {
            format!("consistency={text} is none: expected linearizable, leader or local")
        })
    }
}

/// Where an answer to a read is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadFrom {
    /// The level that was really served: the one that was asked for, or a stronger one. A cache
    /// that promises less (modes other than `lease`) says so here.
    pub consistency: Consistency,
    /// Whose state it is: a replica, or the frontend from whose cache it is.
    pub node: Address,
    /// Which process of it: another number after each start.
    pub incarnation: u64,
    /// The last entry of the replicated log that this state has: of the order log or the catalog's.
    /// 0 from a store that does not say where its answers are from.
    pub applied: u64,
}

impl ReadFrom {
    /// From a store that does not say.
    pub const UNTOLD: ReadFrom = ReadFrom {
        consistency: Consistency::Linearizable,
        node: Address::Frontend(0),
        incarnation: 0,
        applied: 0,
    };

    /// The process, as headers and histories name it: `order-2/17`.
    pub fn process(&self) -> String {
        format!("{}/{}", self.node, self.incarnation)
    }
}

/// Only of weaker levels, ` (local, order-2 at 17)`: what is linearizable says all by itself.
impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.consistency {
            Consistency::Linearizable => Ok(()),
            Consistency::Leader | Consistency::Local => {
                write!(f, " ({}, {} at {})", self.consistency, self.node, self.applied)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_as_it_is_written_and_a_wrong_one_names_all_three() {
        for level in Consistency::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        let wrong = "eventual".parse::<Consistency>().unwrap_err();
        for level in Consistency::ALL {
            assert!(wrong.contains(level.name()), "{wrong}");
        }
    }
}
