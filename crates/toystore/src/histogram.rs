//! How long things take: a histogram that many tasks add to and a scrape of `/metrics` reads.
//!
//! Its buckets are atomics, so that an observation costs two additions and no lock; libraries for
//! this have a lock or a registry on the way. Filled by [`crate::http::site`] (requests),
//! [`crate::peer`] (calls) and [`crate::driver::disk`] (commits), written by `http::metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: from a request that waits for nothing to one that
/// waits for a lease.
pub const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000,
];

/// Durations, by size.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is longer than all.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Debug, PartialEq)]
pub struct Distribution {
    /// How many were at most as long as each bound; at last, how many there were.
    pub at_most: [u64; BOUNDS_US.len() + 1],
    /// All of them together, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Something took so long.
    pub fn observe(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Whether nothing ever happened.
    pub fn is_empty(&self) -> bool {
        self.sum_ns.load(Ordering::Relaxed) == 0
    }

    /// What it holds now.
    pub fn read(&self) -> Distribution {
        let mut count = 0;
        let at_most = self.buckets.each_ref().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let sum_seconds = Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        Distribution { at_most, sum_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for us in [0, 100, 101, 250, 2_500_000, 2_500_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let Distribution { at_most, sum_seconds } = histogram.read();
        assert_eq!((at_most[0], at_most[1], at_most[2]), (2, 4, 4));
        assert_eq!((at_most[13], at_most[14]), (5, 6));
        assert!((sum_seconds - 5.000_452).abs() < 1e-9, "{sum_seconds}");
    }
}
