//! What is counted, in a run and over many: the numbers of the table, and of the ledger in which
//! they are summed over suites.
//!
//! Filled by the world, added up by whoever runs seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shop::message::Problem;
use shop::node::Answer;

/// Numbers that can be added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Runs.
    pub seeds: u64,
    /// Of these, run a second time with an equal digest.
    pub seeds_twice: u64,
    /// Of all, those in which a promise was broken.
    pub seeds_broken: u64,
    /// Of all, those with a read that no order fits and that was not promised to be fresh.
    pub seeds_forgiven: u64,
    /// Simulated time.
    pub simulated_micros: u64,
    /// CPU time.
    pub cpu_micros: u64,
    /// Faults that hit somebody, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Client operations that were answered for good: reads, orders, refusals.
    pub answered: u64,
    /// Those whose outcome stayed unknown to that call.
    pub unknown: u64,
    /// Those that were told that nothing was done.
    pub unavailable: u64,
    /// Orders that were acknowledged, each once.
    pub orders: u64,
    /// Product answers that were compared with what had been seen.
    pub reads: u64,
    /// Of these, older than somebody had seen before they began.
    pub stale: u64,
    /// Acknowledged orders that were gone at the end (`naive`), all of them named.
    pub lost: u64,
    /// Messages that the network lost.
    pub messages_lost: u64,
    /// Events of worlds, and steps of nodes.
    pub events: u64,
    /// Steps of nodes.
    pub steps: u64,
    /// Interesting states, by their words: how many runs reached each.
    pub points: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Tally) {
        let numbers = [
            (&mut self.seeds, other.seeds),
            (&mut self.seeds_twice, other.seeds_twice),
            (&mut self.seeds_broken, other.seeds_broken),
            (&mut self.seeds_forgiven, other.seeds_forgiven),
            (&mut self.simulated_micros, other.simulated_micros),
            (&mut self.cpu_micros, other.cpu_micros),
            (&mut self.answered, other.answered),
            (&mut self.unknown, other.unknown),
            (&mut self.unavailable, other.unavailable),
            (&mut self.orders, other.orders),
            (&mut self.reads, other.reads),
            (&mut self.stale, other.stale),
            (&mut self.lost, other.lost),
            (&mut self.messages_lost, other.messages_lost),
            (&mut self.events, other.events),
            (&mut self.steps, other.steps),
        ];
        for (sum, number) in numbers {
            *sum += number;
        }
        for (sums, others) in [(&mut self.faults, &other.faults), (&mut self.points, &other.points)]
        {
            for (name, number) in others {
                *sums.entry(name.clone()).or_default() += number;
            }
        }
    }

    /// All faults.
    pub fn faults_total(&self) -> u64 {
        self.faults.values().sum()
    }

    /// All operations of clients.
    pub fn operations(&self) -> u64 {
        self.answered + self.unknown + self.unavailable
    }

    /// Simulated seconds for one second of a CPU.
    pub fn speed(&self) -> f64 {
        self.simulated_micros as f64 / self.cpu_micros.max(1) as f64
    }

    /// A client heard something.
    pub fn count_answer(&mut self, answer: &Answer) {
        let counter = match answer {
            Answer::Unknown | Answer::Said(Err(Problem::OutcomeUnknown(_))) => &mut self.unknown,
            Answer::Refused | Answer::Said(Err(Problem::Unavailable(_))) => &mut self.unavailable,
            Answer::Said(_) => &mut self.answered,
        };
        *counter += 1;
    }
}
