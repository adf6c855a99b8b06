//! What goes wrong: one enum, a value, the same for every world.
//!
//! A [`Timeline`] of faults is drawn from a seed (`plan`), or written down by a person as a
//! scenario. The simulator performs them in `world::strike`. Whom a fault hits is looked up when it
//! happens: "the leader" is whoever leads then.

use std::fmt;
use std::time::Duration;

use replication::Time;
use shop::invalidation::duration_text;

pub use crate::members::Change;
pub use crate::shape::Shape;
use crate::who::Who;

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// This process.
    Process(Who),
    /// The order replica that leads at that moment, under the highest term; nobody, if none does.
    Leader,
    /// The first order replica that does not lead at that moment; nobody, if none leads.
    Follower,
    /// Of several replicas of the catalog, the one that leads at that moment, under the highest
    /// term; nobody, if none does.
    CatalogLeader,
    /// Of the order replicas that belong to the store at that moment, the one in this place, from 0
    /// and the newest first; counted around.
    Place(u8),
}

/// When a crash comes: at a moment that is hard to hit by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// At once.
    Now,
    /// In the middle of its next commit.
    InCommit,
    /// Just after the next view is granted, by which time it may have heard of it or not.
    AfterView,
}

/// One thing that goes wrong, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A process dies; what was not synced is lost or torn. It is started again.
    Crash {
        /// Whose.
        whom: Target,
        /// When.
        moment: Moment,
        /// Until it is started.
        down: Duration,
        /// How often it dies again in the middle of its recovery.
        again: u8,
    },
    /// A machine loses its power: as a crash, but nobody is told that it does not listen.
    PowerCut {
        /// Whose; `None`: all machines at once, which come back one after the other.
        whom: Option<Target>,
        /// Until it comes back; until the last one does.
        down: Duration,
    },
    /// A process is asked to stop, ended if it does not, and started again.
    Stop {
        /// Whose.
        whom: Target,
        /// Until it is started.
        down: Duration,
    },
    /// All order replicas are stopped and started, one after the other; then those of the catalog,
    /// if it has several.
    Roll {
        /// Between two of them.
        each: Duration,
    },
    /// A process stands still, and goes on as if nothing had been.
    Pause {
        /// Whose.
        whom: Target,
        /// Until it goes on.
        span: Duration,
    },
    /// Edges of the network are cut.
    Cut {
        /// Which.
        shape: Shape,
        /// Whether what is sent meanwhile arrives afterwards, as with a connection that stays
        /// open; else it is lost.
        held: bool,
        /// Until they are mended.
        span: Duration,
    },
    /// All connections of a process break, and can be opened anew.
    Reset {
        /// Whose.
        whom: Target,
    },
    /// Of everything that is sent, some is lost.
    Loss {
        /// Of a thousand messages.
        per_mille: u32,
        /// Only between frontends and order replicas.
        orders_only: bool,
        /// Until no longer.
        span: Duration,
    },
    /// Edges lose, double and delay what is sent.
    Degrade {
        /// Which, among those who serve.
        links: Shape,
        /// Of a thousand messages, lost.
        loss: u32,
        /// Of a thousand messages, doubled.
        doubled: u32,
        /// Everything takes longer by so much.
        delay: Duration,
        /// And by up to so much more, so that it arrives in another order.
        jitter: Duration,
        /// Until no longer.
        span: Duration,
    },
    /// Everything from and to a process takes longer.
    Lag {
        /// Whose.
        whom: Target,
        /// By up to so much.
        by: Duration,
        /// Until no longer.
        span: Duration,
    },
    /// Each sync of a disk takes longer.
    SlowDisk {
        /// Whose.
        whom: Target,
        /// By up to so much.
        by: Duration,
        /// Until no longer.
        span: Duration,
    },
    /// A disk has no room.
    FullDisk {
        /// Whose.
        whom: Target,
        /// How many bytes it still takes.
        room: u32,
        /// Until it has room again.
        span: Duration,
    },
    /// A disk fails to sync, so the process ends itself; it is started on a disk that works.
    FailedDisk {
        /// Whose.
        whom: Target,
        /// Until it is started.
        down: Duration,
    },
    /// A process dies, and while it is down one bit of its log flips. It must refuse to start;
    /// later its folder is put back from a copy.
    Rot {
        /// Whose.
        whom: Target,
        /// Until the copy is there.
        down: Duration,
        /// Fixes which bit.
        draw: u64,
    },
    /// A clock runs at another speed than is trusted: beyond the bound, so what leases promise does
    /// not hold.
    Skew {
        /// Whose.
        whom: Target,
        /// Its speed, in percent of the right one.
        percent: u8,
        /// Until it runs as before.
        span: Duration,
    },
    /// Somebody wants other order replicas, one more, one less or one in the place of another.
    Members(Change),
}

/// Faults with their times, from the world's beginning.
pub type Timeline = Vec<(Time, Fault)>;

impl Fault {
    /// The one process that it hits, if it is one.
    pub fn whom(&self) -> Option<Target> {
        match *self {
            Fault::Crash { whom, .. }
            | Fault::Stop { whom, .. }
            | Fault::Pause { whom, .. }
            | Fault::Reset { whom }
            | Fault::Lag { whom, .. }
            | Fault::SlowDisk { whom, .. }
            | Fault::FullDisk { whom, .. }
            | Fault::FailedDisk { whom, .. }
            | Fault::Rot { whom, .. }
            | Fault::Skew { whom, .. } => Some(whom),
            Fault::PowerCut { whom, .. } => whom,
            Fault::Members(change) => change.whom(),
            Fault::Roll { .. } | Fault::Cut { .. } | Fault::Degrade { .. } | Fault::Loss { .. } => {
                None
            }
        }
    }

    /// How long it lasts, or until what it ended is started again.
    pub fn length(&self) -> Duration {
        match *self {
            Fault::Crash { down, .. }
            | Fault::PowerCut { down, .. }
            | Fault::Stop { down, .. }
            | Fault::FailedDisk { down, .. }
            | Fault::Rot { down, .. } => down,
            Fault::Pause { span, .. }
            | Fault::Cut { span, .. }
            | Fault::Loss { span, .. }
            | Fault::Degrade { span, .. }
            | Fault::Lag { span, .. }
            | Fault::SlowDisk { span, .. }
            | Fault::FullDisk { span, .. }
            | Fault::Skew { span, .. } => span,
            Fault::Roll { each } => each,
            Fault::Reset { .. } | Fault::Members(_) => Duration::ZERO,
        }
    }

    /// Its kind, as the tables name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Crash { moment: Moment::InCommit, .. } => "crash in a commit",
            Fault::Crash { moment: Moment::AfterView, .. } => "crash after a view",
            Fault::Crash { again: 0, .. } => "crash",
            Fault::Crash { .. } => "crash, again in recovery",
            Fault::PowerCut { whom: Some(_), .. } => "power cut of one",
            Fault::PowerCut { whom: None, .. } => "power cut of all",
            Fault::Stop { .. } => "clean stop",
            Fault::Roll { .. } => "rolling restart",
            Fault::Pause { .. } => "pause",
            Fault::Cut { shape, .. } => match shape {
                Shape::OneWay { .. } => "cut, one way",
                Shape::Pair { .. } => "cut, pair",
                Shape::Isolate(_) => "cut, one isolated",
                Shape::Halves { .. } => "cut, halves",
                Shape::Ring => "cut, ring",
                Shape::All => "cut, all",
                Shape::Bridge { .. } => "cut, bridge",
                Shape::Partial { .. } => "cut, partial",
                Shape::Peers(_) => "cut, one from its peers",
                Shape::Star(_) => "cut, all peers but by one",
            },
            Fault::Reset { .. } => "connections reset",
            Fault::Loss { .. } => "loss",
            Fault::Degrade { .. } => "links degraded",
            Fault::Lag { .. } => "lag",
            Fault::SlowDisk { .. } => "slow disk",
            Fault::FullDisk { .. } => "full disk",
            Fault::FailedDisk { .. } => "failed disk",
            Fault::Rot { .. } => "bit flip",
            Fault::Skew { .. } => "clock beyond its bound",
            Fault::Members(change) => change.kind(),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Moment::Now => "",
            Moment::InCommit => " in its next commit",
            Moment::AfterView => " after the next view",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Process(who) => write!(f, "{who}"),
            Target::Leader => write!(f, "leader"),
            Target::Follower => write!(f, "follower"),
            Target::CatalogLeader => write!(f, "catalog leader"),
            Target::Place(place) => write!(f, "replica in place {place}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = duration_text;
        match *self {
            Fault::Crash { whom, moment, down, again } => {
                write!(f, "crash {whom}{moment} for {}", text(down))?;
                if again > 0 { write!(f, ", {again} more in its recovery") } else { Ok(()) }
            }
            Fault::PowerCut { whom: Some(whom), down } => {
                write!(f, "power cut of {whom} for {}", text(down))
            }
            Fault::PowerCut { whom: None, down } => write!(f, "power cut for {}", text(down)),
            Fault::Stop { whom, down } => write!(f, "stop {whom} for {}", text(down)),
            Fault::Roll { each } => write!(f, "rolling restart, one each {}", text(each)),
            Fault::Pause { whom, span } => write!(f, "pause {whom} for {}", text(span)),
            Fault::Cut { shape, held, span } => {
                let held = if held { ", and deliver it later" } else { "" };
                write!(f, "cut {shape} for {}{held}", text(span))
            }
            Fault::Reset { whom } => write!(f, "reset the connections of {whom}"),
            Fault::Loss { per_mille, orders_only, span } => {
                let edges = if orders_only { " between frontends and orders" } else { "" };
                write!(f, "lose {per_mille} of 1000{edges} for {}", text(span))
            }
            Fault::Degrade { links, loss, doubled, delay, jitter, span } => write!(
                f,
                "degrade {links} for {}: lose {loss}, double {doubled} of 1000; {} to {} late",
                text(span),
                text(delay),
                text(delay + jitter)
            ),
            Fault::Lag { whom, by, span } => {
                write!(f, "lag {whom} by {} for {}", text(by), text(span))
            }
            Fault::SlowDisk { whom, by, span } => {
                write!(f, "slow disk of {whom} by {} for {}", text(by), text(span))
            }
            Fault::FullDisk { whom, room, span } => {
                write!(f, "full disk of {whom}, {room} bytes left, for {}", text(span))
            }
            Fault::FailedDisk { whom, down } => {
                write!(f, "failed disk of {whom} for {}", text(down))
            }
            Fault::Rot { whom, down, draw } => {
                write!(f, "flip bit {draw:x} of {whom} for {}", text(down))
            }
            Fault::Skew { whom, percent, span } => {
                write!(f, "clock of {whom} at {percent} % for {}", text(span))
            }
            Fault::Members(change) => write!(f, "{change}"),
        }
    }
}
