//! Whether the order replicas of a suite change, which changes somebody wants, and when.
//!
//! Drawn apart from everything else: a seed in which nobody changes is as it was before there
//! were changes. Wished by whoever runs a suite ([`crate::setting::Wishes`]), drawn where a world
//! and its faults are, performed by the world's operator.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use replication::{Protocol, Time};
use wal::memory::Random;

use crate::fault::{Fault, Moment, Shape, Target, Timeline};
use crate::setting::{Setting, Wishes};
use crate::switch;

/// When the first change may be wanted: the store is up by then, and every replica has on its disk
/// with whom it began.
const CALM: Duration = Duration::from_millis(500);

/// Between two changes, on average; one of these in each seed.
const INTERVALS_MS: [u64; 3] = [1500, 4000, 9000];

/// What goes wrong in the middle of a change does so within this time.
const MIDDLE_MS: u64 = 400;

/// Whether the order replicas of a suite change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Members {
    /// In every other seed, where they can: under Raft, unless their number is wished.
    #[default]
    Drawn,
    /// In none.
    Fixed,
    /// In every seed.
    Changing,
}

impl Members {
    const ALL: [(Members, &'static str); 3] =
        [(Members::Drawn, "drawn"), (Members::Fixed, "fixed"), (Members::Changing, "changing")];

    /// Whether they change in a seed.
    pub(crate) fn change(self, seed: u64, wishes: &Wishes) -> bool {
        let can = wishes.protocol == Protocol::Raft;
        match self {
            Members::Drawn => can && self.are_drawn(wishes) && Random(seed ^ SALT).below(2) == 0,
            Members::Fixed => false,
            Members::Changing => can,
        }
    }

    /// Whether they change in some seeds of a suite.
    pub(crate) fn may_change(self, wishes: &Wishes) -> bool {
        let can = wishes.protocol == Protocol::Raft;
        can && (self == Members::Changing || self.are_drawn(wishes))
    }

    fn are_drawn(self, wishes: &Wishes) -> bool {
        self == Members::Drawn && wishes.orders.is_none() && wishes.faults
    }
}

/// Makes these dice others than those of anything else that is drawn from a seed.
const SALT: u64 = 0x3e3b_e125_c0de;

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(switch::name(&Members::ALL, self))
    }
}

impl FromStr for Members {
    type Err = String;

    fn from_str(text: &str) -> Result<Members, String> {
        switch::parse(&Members::ALL, text)
    }
}

/// A change that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// One replica more.
    Add,
    /// One less.
    Remove(Target),
    /// A new one in the place of another.
    Replace {
        /// Which goes.
        whom: Target,
        /// Its disk is lost at that moment, and it never comes back.
        lost: bool,
    },
    /// The newcomer of the change under way is not wanted any more.
    GiveUp,
}

impl Change {
    /// Who goes, if somebody does.
    pub fn whom(self) -> Option<Target> {
        match self {
            Change::Remove(whom) | Change::Replace { whom, .. } => Some(whom),
            Change::Add | Change::GiveUp => None,
        }
    }

    /// Its kind, as the tables name it.
    pub fn kind(self) -> &'static str {
        match self {
            Change::Add => "replica added",
            Change::Remove(_) => "replica removed",
            Change::Replace { lost: false, .. } => "replica replaced",
            Change::Replace { lost: true, .. } => "disk lost, replica replaced",
            Change::GiveUp => "newcomer given up",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add => write!(f, "add a replica"),
            Change::Remove(whom) => write!(f, "remove {whom}"),
            Change::Replace { whom, lost: false } => write!(f, "replace {whom}"),
            Change::Replace { whom, lost: true } => write!(f, "replace {whom}, its disk is lost"),
            Change::GiveUp => write!(f, "give the newcomer up"),
        }
    }
}

/// Draws changes, and what goes wrong in the middle of some of them.
pub(crate) fn change(setting: &Setting, end: Time, faults: &mut Timeline) {
    let mut random = Random(!setting.seed ^ SALT);
    let interval = INTERVALS_MS[random.below(3) as usize];
    let millis = |random: &mut Random, most: u64| Duration::from_millis(random.below(most));
    let mut at = Time(0) + CALM + millis(&mut random, interval);
    while at < end {
        let change = drawn(&mut random);
        faults.push((at, Fault::Members(change)));
        let middle = at + millis(&mut random, MIDDLE_MS);
        let fault = in_the_middle(setting, &mut random);
        if middle < end {
            faults.extend(fault.map(|fault| (middle, fault)));
        }
        at = at + millis(&mut random, 2 * interval) + Duration::from_millis(1);
    }
    faults.sort_by_key(|(at, _)| *at);
}

fn drawn(random: &mut Random) -> Change {
    let whom = target(random);
    match random.below(10) {
        0..3 => Change::Add,
        3 | 4 => Change::Remove(whom),
        5..9 => Change::Replace { whom, lost: random.below(3) == 0 },
        _ => Change::GiveUp,
    }
}

fn target(random: &mut Random) -> Target {
    match random.below(4) {
        0 | 1 => Target::Leader,
        _ => Target::Place(random.below(9) as u8),
    }
}

/// Mostly nothing; else the leader or the newcomer suffers, by a kind of fault that the seed has.
fn in_the_middle(setting: &Setting, random: &mut Random) -> Option<Fault> {
    let kinds = setting.kinds;
    let whom = if random.below(2) == 0 { Target::Leader } else { Target::Place(0) };
    let span = Duration::from_millis(5 + random.below(3000));
    let moment = if random.below(2) == 0 { Moment::InCommit } else { Moment::Now };
    match random.below(10) {
        0 | 1 if kinds.crash => Some(Fault::Crash { whom, moment, down: span, again: 0 }),
        2 if kinds.pause => Some(Fault::Pause { whom, span }),
        3 if kinds.cut => {
            Some(Fault::Cut { shape: Shape::Isolate(whom), held: random.below(3) == 0, span })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn where_nobody_changes_everything_is_as_if_nobody_could() {
        let plan = |seed, members| {
            let wishes = Wishes { protocol: Protocol::Raft, members, ..Wishes::default() };
            Plan::drawn(seed, &wishes)
        };
        let mut changing = 0;
        for seed in 0..20 {
            let (drawn, fixed) = (plan(seed, Members::Drawn), plan(seed, Members::Fixed));
            if drawn.setting.kinds.members {
                changing += 1;
                assert_eq!(drawn.asks, fixed.asks);
                assert_eq!(drawn.setting, plan(seed, Members::Changing).setting);
                continue;
            }
            assert_eq!((drawn.setting, drawn.faults), (fixed.setting, fixed.faults));
        }
        assert!((5..15).contains(&changing), "{changing}");
    }
}
