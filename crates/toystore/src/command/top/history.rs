//! What the nodes said in the last minutes, as far as rates are made of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::command::status::{Said, Seen};

/// How long answers are kept, in looks: two minutes.
const LOOKS_MAX: usize = 240;

/// Over how long the hit rate is.
const MINUTE: Duration = Duration::from_secs(60);

/// Over how many looks orders each second are: one look alone jumps.
const SMOOTH: usize = 4;

/// What was said at a time.
#[derive(Debug)]
struct Look {
    at: Duration,
    /// The longest order log, if any replica answered.
    orders: Option<u64>,
    /// Of each frontend that answered: hits, reads, and the process that counts them.
    reads: BTreeMap<String, (u64, u64, u32)>,
}

/// The last minutes.
#[derive(Debug, Default)]
pub struct History {
    looks: VecDeque<Look>,
}

impl History {
    /// Notes what was said, so long after the beginning.
    pub fn note(&mut self, at: Duration, seen: &[Seen]) {
        let (mut orders, mut reads) = (None, BTreeMap::new());
        for node in seen {
            match &node.said {
                Ok(Said::Order(said)) => orders = orders.max(Some(said.status.orders)),
                Ok(Said::Frontend(said)) => {
                    let counters = said.status.counters;
                    let all = counters.hits + counters.misses + counters.bypasses;
                    reads.insert(said.node.clone(), (counters.hits, all, said.pid));
                }
                Ok(Said::Catalog(_)) | Err(_) => {}
            }
        }
        if self.looks.len() == LOOKS_MAX {
            self.looks.pop_front();
        }
        self.looks.push_back(Look { at, orders, reads });
    }

    /// Orders each second, now. `None` until there are two answers.
    pub fn orders_per_second(&self) -> Option<f64> {
        let newest = self.looks.back()?;
        let mut before = self.looks.iter().rev().take(SMOOTH + 1).skip(1);
        let before = before.rfind(|look| look.orders.is_some())?;
        let seconds = (newest.at - before.at).as_secs_f64();
        let orders = newest.orders?.saturating_sub(before.orders?);
        (seconds > 0.0).then_some(orders as f64 / seconds)
    }

    /// Orders each second between each two looks, oldest first; 0 where nobody answered.
    pub fn strip(&self) -> Vec<u64> {
        let pairs = self.looks.iter().zip(self.looks.iter().skip(1));
        let each = pairs.map(|(before, after)| match (before.orders, after.orders) {
            (Some(from), Some(to)) => {
                let seconds = (after.at - before.at).as_secs_f64().max(0.001);
                (to.saturating_sub(from) as f64 / seconds).round() as u64
            }
            (None, _) | (_, None) => 0,
        });
        each.collect()
    }

    /// The share of reads of the last minute that were answered from a cache, and how many reads
    /// these were. Only what one process counted in both looks.
    pub fn hit_rate(&self) -> Option<(f64, u64)> {
        let newest = self.looks.back()?;
        let oldest = self.looks.iter().find(|look| newest.at - look.at <= MINUTE)?;
        let mut sum = (0, 0);
        for (frontend, (hits, reads, pid)) in &newest.reads {
            if let Some((hits_then, reads_then, pid_then)) = oldest.reads.get(frontend)
                && pid == pid_then
            {
                sum.0 += hits.saturating_sub(*hits_then);
                sum.1 += reads.saturating_sub(*reads_then);
            }
        }
        (sum.1 > 0).then(|| (sum.0 as f64 / sum.1 as f64, sum.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::top::draw::tests::seen;

    #[test]
    fn rates_are_differences_of_what_was_said() {
        let mut history = History::default();
        assert_eq!(history.orders_per_second(), None);
        for step in 0..10u32 {
            let at = Duration::from_millis(500) * step;
            history.note(at, &seen(100 + 50 * u64::from(step), 10 * u64::from(step)));
        }
        assert_eq!(history.orders_per_second(), Some(100.0));
        assert_eq!(history.strip(), [100; 9]);
        // Three hits of four reads, each time.
        assert_eq!(history.hit_rate(), Some((0.75, 360)));
        for step in 0..1000u32 {
            history.note(Duration::from_secs(10 + u64::from(step)), &seen(700, 90));
        }
        assert_eq!(history.strip().len(), LOOKS_MAX - 1);
        assert_eq!((history.orders_per_second(), history.hit_rate()), (Some(0.0), None));
    }
}
