//! What goes wrong in the runs that are compared: with the leader, or with links.
//!
//! Called by `comparison::mod`.

use std::fmt;
use std::time::Duration;

use replication::Time;

use crate::fault::{Fault, Moment, Shape, Target, Timeline};

/// How long a leader that is paused stands still.
const PAUSED: Duration = Duration::from_secs(5);

/// How much sooner one follower is cut off, so that its log is behind (*constrained election*).
const BEHIND: Duration = Duration::from_millis(100);

/// How long a leader that is cut off lives: nobody has noticed by then.
const ALONE: Duration = Duration::from_millis(300);

/// What goes wrong with the leader, or with links. The last three are the partial partitions of
/// Ng, Haridi and Carbone, *Omni-Paxos: Breaking the Barriers of Partial Connectivity* (EuroSys
/// 2023); only links between order replicas are cut in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// The leader dies, and comes back at the end.
    Killed,
    /// The leader stands still for 5 s.
    Paused,
    /// The leader reaches nobody.
    Isolated,
    /// The leader reaches no other replica; catalog and frontends it does.
    OffFollowers,
    /// The same, and it dies 300 ms later: whatever it acknowledged alone is with it.
    CutThenKilled,
    /// Replicas reach none of them but one follower: it alone has a majority.
    QuorumLoss,
    /// The same, but nobody reaches the leader, and that follower's log is behind.
    Constrained,
    /// Three replicas; leader and one follower do not reach each other, the third reaches both.
    Chained,
}

impl Outage {
    /// All of them.
    pub const ALL: [Outage; 8] = [
        Outage::Killed,
        Outage::Paused,
        Outage::Isolated,
        Outage::OffFollowers,
        Outage::CutThenKilled,
        Outage::QuorumLoss,
        Outage::Constrained,
        Outage::Chained,
    ];

    /// What it is called, as the end of a sentence "after …".
    pub fn name(self) -> &'static str {
        match self {
            Outage::Killed => "leader killed",
            Outage::Paused => "leader paused",
            Outage::Isolated => "leader isolated",
            Outage::OffFollowers => "leader off its followers",
            Outage::CutThenKilled => "leader off, then killed",
            Outage::QuorumLoss => "quorum loss",
            Outage::Constrained => "constrained election",
            Outage::Chained => "chained",
        }
    }

    /// With how many replicas it is played, where these are wanted.
    pub fn replicas(self, wanted: &[u8]) -> Vec<u8> {
        let least = match self {
            Outage::Killed
            | Outage::Paused
            | Outage::Isolated
            | Outage::OffFollowers
            | Outage::CutThenKilled => 3,
            // Of three, this is a chain.
            Outage::QuorumLoss | Outage::Constrained => 5,
            // Of more, the leader has a majority all the same.
            Outage::Chained => return vec![3],
        };
        let mut all: Vec<u8> = wanted.iter().copied().filter(|count| *count >= least).collect();
        if all.is_empty() {
            all.push(least);
        }
        all
    }

    /// How long it lasts, where others last `span`.
    pub fn lasts(self, span: Duration) -> Duration {
        match self {
            Outage::Paused => PAUSED.min(span),
            Outage::Killed
            | Outage::Isolated
            | Outage::OffFollowers
            | Outage::CutThenKilled
            | Outage::QuorumLoss
            | Outage::Constrained
            | Outage::Chained => span,
        }
    }

    /// What happens when, from `at` on.
    pub(super) fn faults(self, at: Time, span: Duration) -> Timeline {
        let span = self.lasts(span);
        let cut = |shape| Fault::Cut { shape, held: false, span };
        let (leader, follower) = (Target::Leader, Target::Follower);
        let pair = Shape::Pair { a: leader, b: follower };
        match self {
            Outage::Killed => {
                let moment = Moment::Now;
                vec![(at, Fault::Crash { whom: leader, moment, down: span, again: 0 })]
            }
            Outage::Paused => vec![(at, Fault::Pause { whom: leader, span })],
            Outage::Isolated => vec![(at, cut(Shape::Isolate(leader)))],
            Outage::OffFollowers => vec![(at, cut(Shape::Peers(leader)))],
            Outage::CutThenKilled => {
                let (moment, down) = (Moment::Now, span.saturating_sub(ALONE));
                let dies = Fault::Crash { whom: leader, moment, down, again: 0 };
                vec![(at, cut(Shape::Peers(leader))), (at + ALONE, dies)]
            }
            Outage::QuorumLoss => vec![(at, cut(Shape::Star(follower)))],
            Outage::Constrained => {
                let later = at + BEHIND;
                let all = [Shape::Star(follower), Shape::Peers(leader)];
                let first = (at, cut(pair));
                [first].into_iter().chain(all.map(|shape| (later, cut(shape)))).collect()
            }
            Outage::Chained => vec![(at, cut(pair))],
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
