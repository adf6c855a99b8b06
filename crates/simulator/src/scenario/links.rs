//! Which links a fault concerns, as a scenario writes it down.
//!
//! Called by [`super::file`]; makes a [`Shape`].

use serde::Deserialize;

use crate::fault::{Shape, Target};
use crate::who::{Seats, Who};

/// `links = { between = ["leader", "catalog"] }`: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// Two nodes, both ways.
    between: Option<[String; 2]>,
    /// What the first says does not reach the second.
    one_way: Option<[String; 2]>,
    /// All links of one node.
    of: Option<String>,
    /// Two groups; whoever is named in neither is in the second.
    halves: Option<[Vec<String>; 2]>,
    /// Who, with `halves`, reaches both.
    bridge: Option<String>,
    /// Order replicas reach only their neighbours, in a ring of their numbers.
    ring: Option<bool>,
    /// Every link.
    all: Option<bool>,
}

/// What is expected, in messages.
const EXPECTED: &str = "expected one of between = [A, B], one_way = [FROM, TO], of = NODE, \
                        halves = [[A, …], [B, …]], ring = true, all = true";

impl Links {
    /// The shape that is meant.
    ///
    /// # Errors
    /// If none or several are named, or a node that there is not.
    pub fn shape(&self, seats: Seats) -> Result<Shape, String> {
        let target = |name: &String| target(seats, name);
        let ring = self.ring.unwrap_or(false).then_some(Shape::Ring);
        let all = self.all.unwrap_or(false).then_some(Shape::All);
        let mut found = Vec::new();
        if let Some([a, b]) = &self.between {
            found.push(Shape::Pair { a: target(a)?, b: target(b)? });
        }
        if let Some([from, to]) = &self.one_way {
            found.push(Shape::OneWay { from: target(from)?, to: target(to)? });
        }
        if let Some(node) = &self.of {
            found.push(Shape::Isolate(target(node)?));
        }
        if let Some([first, second]) = &self.halves {
            let side = bits(seats, first)?;
            if side & bits(seats, second)? != 0 {
                return Err("a node stands in both halves".to_string());
            }
            found.push(match &self.bridge {
                Some(middle) => Shape::Bridge { side, middle: target(middle)? },
                None => Shape::Halves { side },
            });
        }
        found.extend(ring.into_iter().chain(all));
        match found[..] {
            [shape] => Ok(shape),
            _ => Err(EXPECTED.to_string()),
        }
    }
}

/// A node, or the leader, by its name; `catalog` is the one that leads, where there are several.
pub fn target(seats: Seats, name: &str) -> Result<Target, String> {
    if name == "leader" {
        return Ok(Target::Leader);
    }
    if name == "catalog" && seats.catalogs > 1 {
        return Ok(Target::CatalogLeader);
    }
    let servers = seats.servers();
    let names: Vec<String> = servers.iter().map(Who::to_string).collect();
    match names.iter().position(|one| one == name) {
        Some(place) => Ok(Target::Process(servers[place])),
        None => Err(format!("there is no {name:?}: expected one of leader, {}", names.join(", "))),
    }
}

/// A bit for each node; the leader has none, since who that is changes.
fn bits(seats: Seats, names: &[String]) -> Result<u32, String> {
    let mut bits = 0;
    for name in names {
        match target(seats, name)? {
            Target::Process(who) => bits |= 1 << (seats.of(who) % 32),
            // Whoever leads them: they stay together.
            Target::CatalogLeader => {
                let all = seats.catalogs().map(|who| 1 << (seats.of(who) % 32));
                bits |= all.fold(0, |all: u32, one| all | one);
            }
            Target::Leader | Target::Follower | Target::Place(_) => {
                return Err("a half is a list of nodes by name: the leader may change".to_string());
            }
        }
    }
    Ok(bits)
}
