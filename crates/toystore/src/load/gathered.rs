//! All that a run has counted so far, over all threads: the totals, and a line for each second.
//!
//! Pure. Filled with reports by [`crate::command::load`], which shows it while it grows and writes
//! it down at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::count::{Counts, Latencies, Report, Row};
use super::mix::Kind;

/// What is kept to be shown of what went wrong.
const TROUBLES_MAX: usize = 5;

/// One kind of request in one second.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What was asked.
    pub kind: Kind,
    /// Right answers.
    pub right: u64,
    /// All that ended otherwise.
    pub failed: u64,
    /// From the intended time on; absent if nothing ended.
    pub response: Option<Latencies>,
}

/// One second after the warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Which one, from 0 on.
    pub number: usize,
    /// The kinds that there were.
    pub parts: Vec<Part>,
}

impl Second {
    /// Right answers of all kinds.
    pub fn right(&self) -> u64 {
        self.parts.iter().map(|part| part.right).sum()
    }

    /// What ended otherwise, of all kinds.
    pub fn failed(&self) -> u64 {
        self.parts.iter().map(|part| part.failed).sum()
    }
}

/// Everything.
#[derive(Debug)]
pub struct Gathered {
    /// Of the whole time.
    pub counts: Counts,
    /// Those that are over for all threads, in order.
    pub seconds: Vec<Second>,
    /// How long was measured.
    pub measured: Duration,
    /// The first things that went wrong, in words.
    pub troubles: Vec<String>,
    /// Of orders that were acknowledged.
    pub numbers: Vec<u64>,
    /// Seconds that some thread is still in.
    open: BTreeMap<usize, Counts>,
    /// Which second each thread is in.
    threads: Vec<usize>,
}

impl Gathered {
    /// Nothing yet, of so many threads.
    pub fn new(threads: usize) -> Gathered {
        Gathered {
            counts: Counts::default(),
            seconds: Vec::new(),
            measured: Duration::ZERO,
            troubles: Vec::new(),
            numbers: Vec::new(),
            open: BTreeMap::new(),
            threads: vec![0; threads],
        }
    }

    /// Adds a report; returns what is new to be told.
    pub fn add(&mut self, report: Report) -> Vec<String> {
        self.counts.add(&report.counts);
        self.measured = self.measured.max(report.measured);
        self.numbers.extend(report.numbers);
        self.open.entry(report.second).or_default().add(&report.counts);
        self.threads[report.thread] = if report.last { usize::MAX } else { report.second + 1 };
        let done = self.threads.iter().copied().min().unwrap_or(usize::MAX);
        let open = self.open.split_off(&done);
        for (number, counts) in std::mem::replace(&mut self.open, open) {
            let parts = counts.rows().map(|(kind, row)| part(kind, row)).collect();
            self.seconds.push(Second { number, parts });
        }
        let room = TROUBLES_MAX.saturating_sub(self.troubles.len());
        let new: Vec<String> = report.troubles.into_iter().take(room).collect();
        self.troubles.extend(new.iter().cloned());
        new
    }
}

fn part(kind: Kind, row: &Row) -> Part {
    let failed = row.ended() - row.right;
    Part { kind, right: row.right, failed, response: Latencies::of(&row.response) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_shown_when_all_threads_have_left_it() {
        let mut gathered = Gathered::new(2);
        let mut report = |thread, second, last| {
            let mut counts = Counts::default();
            counts.row_mut(Kind::Read).right = 1;
            gathered.add(Report { thread, second, last, counts, ..Report::default() });
            gathered.seconds.iter().map(Second::right).collect::<Vec<_>>()
        };
        assert!(report(0, 0, false).is_empty());
        assert!(report(0, 1, false).is_empty());
        assert_eq!(report(1, 0, false), [2]);
        assert_eq!(report(1, 1, true), [2, 2]);
        assert_eq!(report(0, 2, true), [2, 2, 1]);
        assert_eq!(gathered.counts.row(Kind::Read).right, 5);
    }
}
