//! What came of a run of shoppers, and how it is shown: a table and sentences, or JSON.
//!
//! Filled by [`super::Client`] while they shop; `demo` uses it too.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::Table;
use serde_json::{Value, json};
use shop::shopper::{self, Kind, Summary};

use crate::client::runner::Report;
use crate::client::tally::{Line, Tally};
use crate::command::paint;

/// Different troubles that are kept; a store can say something new each time.
const TROUBLES_MAX: usize = 20;

/// Differences that are named in words; JSON has all.
const DIFFERENCES_SHOWN_MAX: usize = 50;

/// What shoppers met.
#[derive(Debug, Default)]
pub struct Outcome {
    tally: Tally,
    troubles: BTreeMap<String, u64>,
    /// By shopper; filled at the end.
    pub summaries: Vec<Summary>,
    /// How long it took in all.
    pub elapsed: Duration,
}

impl Outcome {
    /// Takes a report in; returns a trouble that is new.
    pub fn take_in(&mut self, report: &Report) -> Option<String> {
        report.samples.iter().for_each(|sample| self.tally.record(sample));
        let trouble = report.trouble.as_ref()?;
        if let Some(count) = self.troubles.get_mut(trouble) {
            *count += 1;
            return None;
        }
        if self.troubles.len() == TROUBLES_MAX {
            return None;
        }
        self.troubles.insert(trouble.clone(), 1);
        Some(trouble.clone())
    }

    /// The exit condition: every comparison matched, and there was something to be compared. A
    /// store that serves nothing breaks no word, but must not pass for a good one.
    pub fn all_matched(&self) -> bool {
        self.summaries.iter().all(Summary::all_matched) && self.unserved().is_empty()
    }

    /// Kinds of requests of which not one was served, and why. An order that is refused is served;
    /// a look at a toy that is not there is not.
    fn unserved(&self) -> Vec<(Kind, &'static str)> {
        let lines = self.tally.lines();
        let kinds = lines.iter().filter(|line| line.outcome.is_none()).map(|line| line.kind);
        let all = |kind: Kind, unserved: &[shopper::Outcome]| {
            let mut of_kind = lines.iter().filter(|line| line.kind == kind);
            of_kind.all(|line| line.outcome.is_none_or(|outcome| unserved.contains(&outcome)))
        };
        let silent = [shopper::Outcome::Unavailable, shopper::Outcome::Unknown];
        let absent = [&silent[..], &[shopper::Outcome::NotFound]].concat();
        let why = |kind: Kind| match kind {
            kind if all(kind, &silent) => Some("was answered"),
            Kind::Query if all(kind, &absent) => {
                Some("found its toy; --toys names toys that this store has")
            }
            Kind::List | Kind::Query | Kind::Order | Kind::OrderQuery => None,
        };
        kinds.filter_map(|kind| Some((kind, why(kind)?))).collect()
    }

    /// A sum over all shoppers.
    pub fn sum(&self, of: impl Fn(&Summary) -> u64) -> u64 {
        self.summaries.iter().map(of).sum()
    }

    /// Latencies by request and outcome.
    pub fn table(&self) -> Table {
        let head = ["request", "outcome", "count", "p50", "p90", "p99", "max"];
        let mut table = paint::table_of_numbers(&head, 2);
        let lines = self.tally.lines();
        for line in &lines {
            let endings = lines.iter().filter(|l| l.kind == line.kind && l.outcome.is_some());
            // A sum of one is shown once.
            if line.outcome.is_none() && endings.count() == 1 {
                continue;
            }
            let mut row = vec![line.kind.to_string(), ending(line), line.count.to_string()];
            row.extend([line.p50_us, line.p90_us, line.p99_us, line.max_us].map(paint::micros));
            table.add_row(row);
        }
        table
    }

    /// What the clients noticed, and what the final comparison found.
    pub fn sentences(&self) -> Vec<String> {
        let requests: u64 = self.lines_of_all().map(|line| line.count).sum();
        let seconds = self.elapsed.as_secs_f64();
        let mut words = vec![format!(
            "{requests} requests in {seconds:.1} s ({:.0} per second); {} retried, {} given up and \
             certainly not done, {} given up with an unknown outcome",
            requests as f64 / seconds.max(0.001),
            self.sum(|summary| summary.retried),
            self.sum(|summary| summary.unavailable),
            self.sum(|summary| summary.unknown),
        )];
        let failed = self.sum(|summary| summary.failed);
        if failed > 0 {
            words.push(paint::check(false, &format!("{failed} answers were not as agreed")));
        }
        for (kind, why) in self.unserved() {
            let sentence = format!("no request of the kind `{kind}` {why}");
            words.push(paint::check(false, &sentence));
        }
        words.push(self.comparison());
        words.extend(self.differences());
        words
    }

    fn comparison(&self) -> String {
        let compared = self.sum(|summary| summary.matched);
        let orders = self.sum(|summary| summary.orders);
        let differences = self.sum(|summary| summary.differences.len() as u64);
        let incomplete = self.sum(|summary| u64::from(!summary.complete));
        if incomplete > 0 {
            let words = format!(
                "{incomplete} of {} shoppers did not come to the end, so the comparison is not \
                 complete: {compared} orders match, {differences} do not",
                self.summaries.len(),
            );
            return paint::check(false, &words);
        }
        if differences > 0 {
            let words = format!("{compared} orders match, {differences} do not:");
            return paint::check(false, &words);
        }
        let words = match orders {
            0 => "no orders were placed, so there is nothing to compare".to_string(),
            1 => "the one order is in the store as it was acknowledged".to_string(),
            _ => format!("all {orders} orders are in the store as they were acknowledged"),
        };
        paint::check(self.all_matched(), &words)
    }

    fn differences(&self) -> Vec<String> {
        let all = (1..).zip(&self.summaries).flat_map(|(session, summary)| {
            summary.differences.iter().map(move |difference| (session, difference))
        });
        let mut words: Vec<String> = all
            .clone()
            .take(DIFFERENCES_SHOWN_MAX)
            .map(|(session, difference): (u32, _)| format!("  shopper {session}: {difference}"))
            .collect();
        let more = all.count().saturating_sub(DIFFERENCES_SHOWN_MAX);
        if more > 0 {
            words.push(format!("  … and {more} more: --json names all"));
        }
        words
    }

    fn lines_of_all(&self) -> impl Iterator<Item = Line> {
        self.tally.lines().into_iter().filter(|line| line.outcome.is_none())
    }

    /// All of it, for programs.
    pub fn json(&self) -> Value {
        json!({
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "latency": self.tally.lines(),
            "orders": self.sum(|summary| summary.orders),
            "retried": self.sum(|summary| summary.retried),
            "unavailable": self.sum(|summary| summary.unavailable),
            "unknown": self.sum(|summary| summary.unknown),
            "failed": self.sum(|summary| summary.failed),
            "matched": self.sum(|summary| summary.matched),
            "all_matched": self.all_matched(),
            "troubles": self.troubles,
            "shoppers": self.summaries,
        })
    }
}

fn ending(line: &Line) -> String {
    match (line.outcome, line.cache.as_deref()) {
        (None, _) => "all".to_string(),
        (Some(_), Some("bypass")) => "no cache".to_string(),
        (Some(_), Some(cache)) => format!("cache {cache}"),
        (Some(outcome), None) => outcome.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use replication::Time;
    use shop::shopper::Sample;

    use super::*;

    fn outcome(endings: &[(Kind, shopper::Outcome)]) -> Outcome {
        let mut outcome = Outcome::default();
        for (kind, ending) in endings {
            let sample = Sample {
                kind: *kind,
                began: Time::default(),
                late: Duration::ZERO,
                latency: Duration::from_millis(1),
                outcome: *ending,
                retries: 0,
                cache: None,
                frontend: 1,
            };
            let report = Report {
                session: 1,
                done: 0,
                orders: vec![],
                samples: vec![sample],
                operations: vec![],
                given_up: 0,
                trouble: None,
            };
            outcome.take_in(&report);
        }
        outcome.summaries = vec![Summary { complete: true, ..Summary::default() }];
        outcome
    }

    #[test]
    fn a_store_that_takes_no_order_does_not_pass() {
        let looked = (Kind::Query, shopper::Outcome::Ok);
        let refused = (Kind::Order, shopper::Outcome::Refused);
        let unavailable = (Kind::Order, shopper::Outcome::Unavailable);
        assert!(outcome(&[looked]).all_matched());
        assert!(outcome(&[looked, refused, unavailable]).all_matched());
        let dead = outcome(&[looked, unavailable]);
        assert!(!dead.all_matched());
        assert!(dead.sentences().iter().any(|words| words.contains("kind `order` was answered")));
    }

    #[test]
    fn a_run_that_found_no_toy_does_not_pass() {
        let looked = (Kind::Query, shopper::Outcome::Ok);
        let absent = (Kind::Query, shopper::Outcome::NotFound);
        assert!(outcome(&[looked, absent]).all_matched());
        let empty = outcome(&[absent, absent]);
        assert!(!empty.all_matched());
        assert!(empty.sentences().iter().any(|words| words.contains("`query` found its toy;")));
    }

    #[test]
    fn a_trouble_is_told_once() {
        let mut outcome = Outcome::default();
        let report = |words: &str| Report {
            session: 1,
            done: 0,
            orders: vec![],
            samples: vec![],
            operations: vec![],
            given_up: 0,
            trouble: Some(words.to_string()),
        };
        assert_eq!(outcome.take_in(&report("x")).as_deref(), Some("x"));
        assert_eq!(outcome.take_in(&report("x")), None);
        assert_eq!(outcome.json()["troubles"]["x"], 2);
    }
}
