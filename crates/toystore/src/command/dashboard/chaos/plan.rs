//! What chaos strikes, and for how long: the seed, the step and the store's nodes decide, and
//! nothing else.
//!
//! Pure. A strike is of one kind: some nodes of one service are killed or paused, or one link is
//! cut, slowed or made lossy. Called by `chaos::mod`, which performs one strike after the other.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::command::dashboard::acts::words;
use crate::peer::faults::EdgeFaults;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::layout::Role;

/// How long a strike lasts, milliseconds: some end before anybody notices, most are longer than a
/// lease (2 s) or an election takes.
const LASTS_MS: (u64, u64) = (400, 4000);

/// How long the store is left alone after it, milliseconds.
const REST_MS: (u64, u64) = (800, 3000);

/// Fewer replicas than these are no safer than one: such a service is struck like one.
const SAFE_FROM: usize = 3;

/// The nodes of a store, by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The order replicas.
    pub orders: Vec<String>,
    /// The catalogs.
    pub catalogs: Vec<String>,
    /// The frontends.
    pub frontends: Vec<String>,
}

/// What a strike does.
#[derive(Clone, Debug, PartialEq)]
pub enum Harm {
    /// `kill -9`; they are started afterwards.
    Kill(Vec<String>),
    /// They hang, and go on afterwards.
    Pause(Vec<String>),
    /// Everything that the first sends suffers this, until it is mended.
    Links(Vec<(String, EdgeFaults)>),
}

/// One thing that is broken, and mended by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// This node is killed.
    Kill(String),
    /// This one hangs.
    Pause(String),
    /// What this one sends suffers.
    Edge(String, EdgeFaults),
}

/// One strike.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// What it does.
    pub harm: Harm,
    /// Until it is mended.
    pub lasts: Duration,
    /// From then until the next one.
    pub rest: Duration,
}

impl Roster {
    /// That of a store.
    pub fn of(cluster: &Cluster) -> Roster {
        let names = |role| cluster.of(role).map(|member| member.name.clone()).collect();
        Roster {
            orders: names(Role::Order),
            catalogs: names(Role::Catalog),
            frontends: names(Role::Frontend),
        }
    }

    /// The services that have nodes.
    fn services(&self) -> impl Iterator<Item = &[String]> {
        let all = [&self.orders, &self.catalogs, &self.frontends];
        all.into_iter().map(Vec::as_slice).filter(|nodes| !nodes.is_empty())
    }

    /// Who speaks with whom.
    fn links(&self) -> Vec<[&str; 2]> {
        let across = [
            (&self.frontends, &self.orders),
            (&self.frontends, &self.catalogs),
            (&self.orders, &self.catalogs),
        ];
        let across = across.into_iter().flat_map(|(left, right)| {
            left.iter().flat_map(move |a| right.iter().map(move |b| [a.as_str(), b.as_str()]))
        });
        let peers = [&self.orders, &self.catalogs].into_iter().flat_map(|nodes| {
            let from = nodes.iter().enumerate();
            from.flat_map(move |(place, a)| {
                nodes[place + 1..].iter().map(move |b| [a.as_str(), b.as_str()])
            })
        });
        across.chain(peers).collect()
    }

    /// Whether the store is to survive it if all these nodes are out at once: of replicas that can
    /// do without some, no more than those.
    pub fn survives(&self, out: &BTreeSet<&str>) -> bool {
        [&self.orders, &self.catalogs].into_iter().all(|nodes| {
            let lost = nodes.iter().filter(|node| out.contains(node.as_str())).count();
            nodes.len() < SAFE_FROM || lost <= minority(nodes.len())
        })
    }
}

/// How many of so many replicas may be out while the others are a majority.
fn minority(replicas: usize) -> usize {
    replicas.saturating_sub(1) / 2
}

/// The strike of a step, from 1 on. Without `hands` only links are struck.
///
/// Returns nothing if there is nothing to be struck.
pub fn strike(seed: u64, step: u64, roster: &Roster, hands: bool) -> Option<Strike> {
    // Spread apart, so that steps share no stretch of numbers.
    let place = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = Pcg64Mcg::seed_from_u64(seed ^ place);
    let harm = match random.random_range(0..10) {
        0..3 if hands => Harm::Kill(nodes(&mut random, roster)?),
        3..6 if hands => Harm::Pause(nodes(&mut random, roster)?),
        _ => Harm::Links(link(&mut random, roster)?),
    };
    let mut between = |(least, most)| Duration::from_millis(random.random_range(least..=most));
    Some(Strike { harm, lasts: between(LASTS_MS), rest: between(REST_MS) })
}

/// Some nodes of one service: at most a minority of its replicas, or one of those that have none.
fn nodes(random: &mut Pcg64Mcg, roster: &Roster) -> Option<Vec<String>> {
    let services: Vec<&[String]> = roster.services().collect();
    let mut nodes = one(random, &services)?.to_vec();
    // Frontends are no replicas: each serves its own shoppers.
    let is_replicated = nodes != roster.frontends && nodes.len() >= SAFE_FROM;
    let most = if is_replicated { minority(nodes.len()) } else { 1 };
    let count = random.random_range(1..=most);
    let struck = (0..count).map(|_| nodes.swap_remove(random.random_range(0..nodes.len())));
    let mut struck: Vec<String> = struck.collect();
    struck.sort();
    Some(struck)
}

/// One link, in one direction or both.
fn link(random: &mut Pcg64Mcg, roster: &Roster) -> Option<Vec<(String, EdgeFaults)>> {
    let [mut from, mut to] = *one(random, &roster.links())?;
    if random.random() {
        (from, to) = (to, from);
    }
    let none = EdgeFaults::default;
    let tenths = |random: &mut Pcg64Mcg| f64::from(random.random_range(1..=5)) / 10.0;
    let (faults, both) = match random.random_range(0..5) {
        0 => (EdgeFaults { cut: true, ..none() }, false),
        1 => (EdgeFaults { cut: true, ..none() }, true),
        2 => {
            let delay_ms = random.random_range(1..=20) * 10;
            (EdgeFaults { delay_ms, jitter_ms: delay_ms / 2, ..none() }, true)
        }
        3 => (EdgeFaults { loss: tenths(random), ..none() }, true),
        _ => (EdgeFaults { duplicate: tenths(random), ..none() }, true),
    };
    let edge = |from: &str, to: &str| {
        (from.to_string(), EdgeFaults { to: to.to_string(), ..faults.clone() })
    };
    let there = edge(from, to);
    Some(if both { vec![there, edge(to, from)] } else { vec![there] })
}

fn one<'a, T>(random: &mut Pcg64Mcg, all: &'a [T]) -> Option<&'a T> {
    // Drawn also where there is nothing, so that every strike draws as often.
    all.get(random.random_range(0..all.len().max(1)))
}

impl Harm {
    /// One thing after the other.
    pub fn parts(&self) -> Vec<Part> {
        match self {
            Harm::Kill(nodes) => nodes.iter().cloned().map(Part::Kill).collect(),
            Harm::Pause(nodes) => nodes.iter().cloned().map(Part::Pause).collect(),
            Harm::Links(edges) => {
                edges.iter().cloned().map(|(from, faults)| Part::Edge(from, faults)).collect()
            }
        }
    }
}

impl Strike {
    /// The nodes that are out while it lasts.
    pub fn out(&self) -> &[String] {
        match &self.harm {
            Harm::Kill(nodes) | Harm::Pause(nodes) => nodes,
            Harm::Links(_) => &[],
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let are = |nodes: &[String]| if nodes.len() == 1 { "is" } else { "are" };
        match &self.harm {
            Harm::Kill(nodes) => write!(f, "{} {} dead", nodes.join(" and "), are(nodes))?,
            Harm::Pause(nodes) => write!(f, "{} {} paused", nodes.join(" and "), are(nodes))?,
            Harm::Links(edges) => {
                let way = if edges.len() == 1 { "to" } else { "and" };
                for (from, faults) in edges.iter().take(1) {
                    write!(f, "{from} {way} {}: {}", faults.to, words(faults))?;
                }
            }
        }
        write!(f, ", {:.1} s", self.lasts.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(orders: usize, catalogs: usize, frontends: usize) -> Roster {
        let names = |role: &str, count: usize| -> Vec<String> {
            (1..=count).map(|number| format!("{role}-{number}")).collect()
        };
        Roster {
            orders: names("order", orders),
            catalogs: names("catalog", catalogs),
            frontends: names("frontend", frontends),
        }
    }

    fn words(seed: u64, steps: u64, hands: bool) -> Vec<String> {
        let roster = roster(3, 1, 2);
        (1..=steps).map(|step| strike(seed, step, &roster, hands).unwrap().to_string()).collect()
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(words(7, 200, true), words(7, 200, true));
        assert_ne!(words(7, 200, true), words(8, 200, true));
        // A seed that somebody noted down means the same tomorrow.
        let first = [
            "catalog-1 is paused, 0.4 s",
            "frontend-2 and order-3: 50 % twice, 2.9 s",
            "frontend-1 is dead, 2.7 s",
            "order-3 is dead, 1.8 s",
        ];
        assert_eq!(words(7, 4, true), first);
    }

    #[test]
    fn never_a_majority_and_never_two_of_what_is_alone() {
        for (orders, catalogs, frontends) in [(3, 1, 1), (5, 3, 2), (9, 2, 9), (1, 1, 1)] {
            let roster = roster(orders, catalogs, frontends);
            let mut seen = BTreeSet::new();
            for (seed, step) in (0..20).flat_map(|seed| (1..100).map(move |step| (seed, step))) {
                let strike = strike(seed, step, &roster, true).unwrap();
                let out: BTreeSet<&str> = strike.out().iter().map(String::as_str).collect();
                assert_eq!(out.len(), strike.out().len(), "{strike}: one twice");
                assert!(roster.survives(&out), "{strike}");
                let of = |nodes: &[String]| nodes.iter().filter(|n| out.contains(&***n)).count();
                assert!(of(&roster.frontends) <= 1, "{strike}");
                assert!(catalogs >= 3 || of(&roster.catalogs) <= 1, "{strike}");
                assert!(!strike.lasts.is_zero() && !strike.rest.is_zero());
                seen.extend(out.iter().map(|node| node.to_string()));
            }
            assert_eq!(seen.len(), orders + catalogs + frontends, "every node has its turn");
        }
    }

    #[test]
    fn without_hands_only_links_are_struck_and_of_nothing_nothing() {
        let roster = roster(3, 1, 1);
        for step in 1..200 {
            assert_eq!(strike(1, step, &roster, false).unwrap().out().len(), 0);
        }
        assert_eq!(strike(1, 1, &Roster::default(), true), None);
    }

    #[test]
    fn what_is_out_already_counts() {
        let three = roster(3, 1, 1);
        assert!(three.survives(&BTreeSet::from(["order-1", "catalog-1", "frontend-1"])));
        assert!(!three.survives(&BTreeSet::from(["order-1", "order-3"])));
        assert!(roster(5, 1, 1).survives(&BTreeSet::from(["order-1", "order-3"])));
    }
}
