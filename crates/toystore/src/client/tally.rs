//! What shoppers met: how long each kind of request took, and how it ended.
//!
//! Fed with the samples that [`super::runner`] reports; shown by `client` and `demo`. A latency is
//! what a shopper waited: from the first attempt to the end, waits between attempts included.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;
use shop::message::CacheUse;
use shop::shopper::{Kind, Outcome, Sample};

/// The longest latency that is told apart, in microseconds: longer than any deadline.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Two digits of each latency are kept exactly.
const DIGITS: u8 = 2;

/// How a request ended: a product's answer also says where it came from.
type Ending = (Outcome, Option<CacheUse>);

/// Latencies by kind and ending.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(Kind, Ending), Histogram<u64>>,
}

/// One line of a summary; latencies in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was asked.
    pub kind: Kind,
    /// How it ended; absent where all endings are taken together.
    pub outcome: Option<Outcome>,
    /// Where a product came from: `hit`, `miss`, `bypass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// How often.
    pub count: u64,
    /// Half were quicker.
    pub p50_us: u64,
    /// Nine tenths were quicker.
    pub p90_us: u64,
    /// Ninety-nine of a hundred were quicker.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Tally {
    /// One request.
    pub fn record(&mut self, sample: &Sample) {
        let micros = u64::try_from(sample.latency.as_micros()).unwrap_or(u64::MAX);
        let key = (sample.kind, (sample.outcome, sample.cache));
        let row = self.rows.entry(key).or_insert_with(empty);
        row.saturating_record(micros.clamp(1, LATENCY_US_MAX));
    }

    /// For each kind of request: all of them, then each ending.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = vec![];
        for kind in [Kind::List, Kind::Query, Kind::Order, Kind::OrderQuery] {
            let rows: Vec<_> = self.rows.iter().filter(|((k, _), _)| *k == kind).collect();
            let mut all = empty();
            for (_, row) in &rows {
                all.add(*row).expect("all rows are made by empty(), so their ranges are the same");
            }
            if !all.is_empty() {
                lines.push(line(kind, None, &all));
            }
            lines.extend(rows.iter().map(|((_, ending), row)| line(kind, Some(*ending), row)));
        }
        lines
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)
        .expect("the bounds are constants that the library takes")
}

fn line(kind: Kind, ending: Option<Ending>, row: &Histogram<u64>) -> Line {
    Line {
        kind,
        outcome: ending.map(|(outcome, _)| outcome),
        cache: ending.and_then(|(_, cache)| cache).map(|cache| cache.to_string()),
        count: row.len(),
        p50_us: row.value_at_quantile(0.5),
        p90_us: row.value_at_quantile(0.9),
        p99_us: row.value_at_quantile(0.99),
        max_us: row.max(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use replication::Time;

    use super::*;

    fn sample(millis: u64, cache: CacheUse) -> Sample {
        Sample {
            kind: Kind::Query,
            began: Time::default(),
            late: Duration::ZERO,
            latency: Duration::from_millis(millis),
            outcome: Outcome::Ok,
            retries: 0,
            cache: Some(cache),
            frontend: 1,
        }
    }

    #[test]
    fn endings_are_counted_apart_and_together() {
        let mut tally = Tally::default();
        for millis in 1..=100 {
            tally.record(&sample(millis, CacheUse::Hit));
        }
        tally.record(&sample(500, CacheUse::Miss));
        let lines = tally.lines();
        let shown: Vec<_> = lines.iter().map(|line| (line.cache.as_deref(), line.count)).collect();
        assert_eq!(shown, [(None, 101), (Some("hit"), 100), (Some("miss"), 1)]);
        let hit = &lines[1];
        assert!((49_000..=51_000).contains(&hit.p50_us), "{hit:?}");
        assert!((98_000..=101_000).contains(&hit.max_us), "{hit:?}");
        assert!(lines[0].max_us >= 500_000);
        assert_eq!(lines[0].outcome, None);
    }
}
