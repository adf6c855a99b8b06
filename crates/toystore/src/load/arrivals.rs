//! When requests of an open loop are due: fixed by rate, rhythm and seed, and by nothing that the
//! store does.
//!
//! Pure: times count from the start. Asked by [`super::worker`].

use std::time::Duration;

use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// How requests are spread over a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rhythm {
    /// As of many who do not know of each other: gaps are exponential, and some come at once
    #[default]
    Poisson,
    /// All gaps are equal
    Even,
}

/// The times of one thread's requests, one after the other.
pub struct Arrivals {
    rhythm: Rhythm,
    random: Pcg64Mcg,
    gap_ns: f64,
    /// Exact for 104 days.
    due_ns: f64,
}

impl Arrivals {
    /// Those of one of so many threads, which share `rate` requests a second. With even gaps the
    /// threads take turns.
    pub fn new(rate: f64, rhythm: Rhythm, seed: u64, thread: usize, threads: usize) -> Arrivals {
        let gap_ns = 1e9 * threads as f64 / rate;
        let mut arrivals =
            Arrivals { rhythm, random: Pcg64Mcg::seed_from_u64(seed), gap_ns, due_ns: 0.0 };
        match rhythm {
            Rhythm::Poisson => arrivals.go_on(),
            Rhythm::Even => arrivals.due_ns = gap_ns * thread as f64 / threads as f64,
        }
        arrivals
    }

    /// When the next one is due.
    pub fn due(&self) -> Duration {
        Duration::from_nanos(self.due_ns as u64)
    }

    /// It was sent; on to the one after it.
    pub fn go_on(&mut self) {
        self.due_ns += match self.rhythm {
            // The inverse of the exponential distribution; 1 - u is never 0.
            Rhythm::Poisson => -(1.0 - self.random.random::<f64>()).ln() * self.gap_ns,
            Rhythm::Even => self.gap_ns,
        };
    }

    /// How many are due from here on to this time, and are passed over.
    pub fn skip_until(&mut self, end: Duration) -> u64 {
        let mut skipped = 0;
        while self.due() < end {
            self.go_on();
            skipped += 1;
        }
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(rhythm: Rhythm, seed: u64, count: usize) -> Vec<Duration> {
        let mut arrivals = Arrivals::new(1000.0, rhythm, seed, 0, 1);
        let times = (0..count).map(|_| {
            let due = arrivals.due();
            arrivals.go_on();
            due
        });
        times.collect()
    }

    #[test]
    fn a_rate_is_kept_and_a_seed_repeats_it() {
        for rhythm in [Rhythm::Poisson, Rhythm::Even] {
            let mut arrivals = Arrivals::new(1000.0, rhythm, 7, 0, 1);
            let count = arrivals.skip_until(Duration::from_secs(100));
            assert!((99_000..=101_000).contains(&count), "{rhythm:?}: {count}");
            assert_eq!(first(rhythm, 7, 50), first(rhythm, 7, 50));
        }
        assert_ne!(first(Rhythm::Poisson, 7, 5), first(Rhythm::Poisson, 8, 5));
        assert_eq!(first(Rhythm::Even, 7, 3)[2], Duration::from_millis(2));
    }

    #[test]
    fn threads_take_turns() {
        let due = |thread| Arrivals::new(1000.0, Rhythm::Even, 7, thread, 2).due();
        assert_eq!((due(0), due(1)), (Duration::ZERO, Duration::from_millis(1)));
    }

    /// Gaps are exponential: their deviation is their mean.
    #[test]
    fn poisson_gaps_vary_as_much_as_they_are_long() {
        let times = first(Rhythm::Poisson, 1, 20_000);
        let gaps: Vec<f64> =
            times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!((variance.sqrt() - 1.0).abs() < 0.05, "{variance}");
    }
}
