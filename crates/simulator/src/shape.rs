//! Which edges of the network a fault concerns.
//!
//! A value, part of a [`Fault`](crate::fault::Fault); the edges that it means are looked up when it
//! happens, by the world and by whoever breaks the links of real processes.

use std::fmt;

use wal::memory::Random;

use crate::fault::Target;
use crate::who::{Seats, Who};

/// A set of edges among the processes that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// What one says does not reach the other.
    OneWay {
        /// Who is not heard.
        from: Target,
        /// Who does not hear.
        to: Target,
    },
    /// Two do not reach each other.
    Pair {
        /// One.
        a: Target,
        /// The other.
        b: Target,
    },
    /// One reaches nobody, and nobody reaches it.
    Isolate(Target),
    /// Those whose seat's bit is set, and the others, do not reach each other.
    Halves {
        /// A bit for each seat.
        side: u32,
    },
    /// An order replica reaches only its two neighbours, in a ring of their ids.
    Ring,
    /// Two halves, as in `Halves`, of which one process reaches both.
    Bridge {
        /// A bit for each seat.
        side: u32,
        /// Who stands between.
        middle: Target,
    },
    /// All edges.
    All,
    /// Each direction of each edge is cut or not, by chance.
    Partial {
        /// Fixes which; one direction in three.
        draw: u64,
    },
    /// A replica reaches no other one of its service; all other nodes it does.
    Peers(Target),
    /// The replicas of a service reach none of them but this one; all other nodes they do.
    Star(Target),
}

impl Shape {
    /// The edges of this shape among those who serve, each a direction from one to another; `find`
    /// says who a target is now. None, if it is nobody.
    pub fn edges(self, seats: Seats, find: impl Fn(Target) -> Option<Who>) -> Vec<(Who, Who)> {
        let servers = seats.servers();
        let all = servers.iter().flat_map(|a| servers.iter().map(|b| (*a, *b)));
        let all = all.filter(|(a, b)| a != b);
        let side = |side: u32, who: Who| side >> (seats.of(who) % 32) & 1;
        let pair = |a: Target, b: Target| Some((find(a)?, find(b)?)).filter(|(a, b)| a != b);
        match self {
            Shape::OneWay { from, to } => pair(from, to).into_iter().collect(),
            Shape::Pair { a, b } => match pair(a, b) {
                Some((a, b)) => vec![(a, b), (b, a)],
                None => Vec::new(),
            },
            Shape::Isolate(whom) => match find(whom) {
                Some(off) => all.filter(|(a, b)| *a == off || *b == off).collect(),
                None => Vec::new(),
            },
            Shape::Halves { side: halves } => {
                all.filter(|(a, b)| side(halves, *a) != side(halves, *b)).collect()
            }
            Shape::Ring => {
                let near = |a: u8, b: u8| {
                    let gap = a.abs_diff(b);
                    gap == 1 || gap == seats.orders - 1
                };
                let far = |pair: &(Who, Who)| match *pair {
                    (Who::Order(a), Who::Order(b)) => !near(a, b),
                    _ => false,
                };
                all.filter(far).collect()
            }
            Shape::Bridge { side: halves, middle } => {
                let Some(middle) = find(middle) else { return Vec::new() };
                let apart = all.filter(|(a, b)| side(halves, *a) != side(halves, *b));
                apart.filter(|(a, b)| *a != middle && *b != middle).collect()
            }
            Shape::Peers(whom) => match find(whom) {
                Some(off) => {
                    all.filter(|(a, b)| are_peers(*a, *b) && (*a == off || *b == off)).collect()
                }
                None => Vec::new(),
            },
            Shape::Star(whom) => match find(whom) {
                Some(hub) => {
                    let spokes = |a: Who, b: Who| are_peers(a, b) && are_peers(a, hub);
                    all.filter(|(a, b)| spokes(*a, *b) && *a != hub && *b != hub).collect()
                }
                None => Vec::new(),
            },
            Shape::All => all.collect(),
            Shape::Partial { draw } => {
                let mut dice = Random(draw);
                all.filter(|_| dice.below(3) == 0).collect()
            }
        }
    }
}

/// Whether both are replicas of the same service.
fn are_peers(a: Who, b: Who) -> bool {
    matches!((a, b), (Who::Order(_), Who::Order(_)) | (Who::Catalog(_), Who::Catalog(_)))
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::OneWay { from, to } => write!(f, "{from} to {to}"),
            Shape::Pair { a, b } => write!(f, "{a} and {b}"),
            Shape::Isolate(whom) => write!(f, "{whom} off"),
            Shape::Halves { side } => write!(f, "halves {side:b}"),
            Shape::Ring => write!(f, "all but a ring"),
            Shape::Bridge { side, middle } => write!(f, "halves {side:b} but for {middle}"),
            Shape::Peers(whom) => write!(f, "{whom} off its peers"),
            Shape::Star(whom) => write!(f, "all peers but by {whom}"),
            Shape::All => write!(f, "all"),
            Shape::Partial { draw } => write!(f, "some edges {draw:x}"),
        }
    }
}
