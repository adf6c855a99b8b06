//! What is counted: how each kind of request ended and how long it took, and what is made of it.
//!
//! Pure. Filled by [`super::worker`], one [`Report`] a second; added up and shown by
//! [`crate::command::load`]. Latencies are in microseconds, to three digits.
//!
//! Latencies are those of right answers, and of requests that were given up: these waited at least
//! so long. An error that came at once would only make the store look quick.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::mix::Kind;
use super::recorded::Recorded;

/// Latencies are told apart up to here, in microseconds: longer than any deadline.
pub const LATENCY_US_MAX: u64 = 600_000_000;

/// So many digits of each latency are kept.
const DIGITS: u8 = 3;

/// A histogram of microseconds that grows as it must.
pub fn histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are among those that the library takes")
}

/// Why a request has no right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Nobody took the connection, so nobody saw the request.
    NoConnection,
    /// The connection ended before the answer did.
    BrokenOff,
    /// No answer within the deadline.
    TimedOut,
    /// The store said 5xx.
    Unavailable,
    /// The answer was wrong.
    Wrong,
}

impl Failure {
    /// All, in the order in which they are shown.
    pub const ALL: [Failure; 5] = [
        Failure::NoConnection,
        Failure::BrokenOff,
        Failure::TimedOut,
        Failure::Unavailable,
        Failure::Wrong,
    ];

    /// As tables and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Failure::NoConnection => "no connection",
            Failure::BrokenOff => "broken off",
            Failure::TimedOut => "timed out",
            Failure::Unavailable => "unavailable",
            Failure::Wrong => "wrong",
        }
    }
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct Row {
    /// Right answers; those that say there is not enough in stock are among them.
    pub right: u64,
    /// Those that do.
    pub no_stock: u64,
    /// Of [`Row::response`], what came out of a frontend's cache.
    pub from_cache: Histogram<u64>,
    /// Indexed by [`Failure`].
    pub failures: [u64; Failure::ALL.len()],
    /// From when a request was intended to its end.
    pub response: Histogram<u64>,
    /// From when it was sent. In the closed loop the two are the same, and this is empty.
    pub service: Histogram<u64>,
}

impl Default for Row {
    fn default() -> Row {
        let failures = [0; Failure::ALL.len()];
        Row {
            right: 0,
            no_stock: 0,
            from_cache: histogram(),
            failures,
            response: histogram(),
            service: histogram(),
        }
    }
}

impl Row {
    /// Something took so long.
    pub fn record(&mut self, response: Duration, service: Option<Duration>) {
        let record = |histogram: &mut Histogram<u64>, time| {
            histogram.record(micros(time)).expect("a histogram of histogram() grows");
        };
        record(&mut self.response, response);
        if let Some(service) = service {
            record(&mut self.service, service);
        }
    }

    /// A right answer: perhaps that there is not enough in stock, perhaps out of a cache.
    pub fn record_right(
        &mut self,
        response: Duration,
        service: Option<Duration>,
        no_stock: bool,
        hit: bool,
    ) {
        self.right += 1;
        self.no_stock += u64::from(no_stock);
        self.record(response, service);
        if hit {
            self.from_cache.record(micros(response)).expect("a histogram of histogram() grows");
        }
    }

    /// How many came out of a frontend's cache.
    pub fn hits(&self) -> u64 {
        self.from_cache.len()
    }

    /// Those of [`Row::response`] that were not out of a cache.
    pub fn past_cache(&self) -> Histogram<u64> {
        let mut rest = self.response.clone();
        rest.subtract(&self.from_cache).expect("all that is in the one is in the other");
        rest
    }

    /// How many have an answer or none.
    pub fn ended(&self) -> u64 {
        self.right + self.failures.iter().sum::<u64>()
    }

    /// Those of another time or thread, too.
    pub fn add(&mut self, other: &Row) {
        self.right += other.right;
        self.no_stock += other.no_stock;
        for (mine, others) in self.failures.iter_mut().zip(other.failures) {
            *mine += others;
        }
        for (mine, others) in [
            (&mut self.response, &other.response),
            (&mut self.service, &other.service),
            (&mut self.from_cache, &other.from_cache),
        ] {
            mine.add(others).expect("both are made by histogram(), and grow");
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX)
}

/// All kinds.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    rows: [Row; Kind::ALL.len()],
    /// Requests of the open loop whose time came, but no connection was free until the end.
    pub never_sent: u64,
}

impl Counts {
    /// Those of one kind.
    pub fn row(&self, kind: Kind) -> &Row {
        &self.rows[kind as usize]
    }

    /// The same, to count.
    pub fn row_mut(&mut self, kind: Kind) -> &mut Row {
        &mut self.rows[kind as usize]
    }

    /// The kinds that there were.
    pub fn rows(&self) -> impl Iterator<Item = (Kind, &Row)> {
        let all = Kind::ALL.into_iter().map(|kind| (kind, self.row(kind)));
        all.filter(|(_, row)| row.ended() > 0)
    }

    /// All kinds together.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        self.rows.iter().for_each(|row| total.add(row));
        total
    }

    /// Those of another time or thread, too.
    pub fn add(&mut self, other: &Counts) {
        for (mine, others) in self.rows.iter_mut().zip(&other.rows) {
            mine.add(others);
        }
        self.never_sent += other.never_sent;
    }

    /// Wrong answers of all kinds.
    pub fn wrong(&self) -> u64 {
        self.rows.iter().map(|row| row.failures[Failure::Wrong as usize]).sum()
    }
}

/// The share of requests with a right answer, of all that were intended; absent without any.
pub fn availability(row: &Row, never_sent: u64) -> Option<f64> {
    let intended = row.ended() + never_sent;
    (intended > 0).then(|| row.right as f64 / intended as f64)
}

/// What a thread counted in one second.
#[derive(Debug, Default)]
pub struct Report {
    /// Whose it is.
    pub thread: usize,
    /// Whether the thread is done.
    pub last: bool,
    /// Which second since the end of the warm-up, from 0 on.
    pub second: usize,
    /// What ended in it.
    pub counts: Counts,
    /// How long it has been counting since the warm-up, up to the end of sending.
    pub measured: Duration,
    /// What went wrong, in words, the first few times.
    pub troubles: Vec<String>,
    /// The numbers of orders that were acknowledged.
    pub numbers: Vec<u64>,
    /// Every request that ended, also in the warm-up, if they are recorded.
    pub recorded: Vec<Recorded>,
}

/// Numbers that more than one order was told, in order.
pub fn repeated(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    let pairs = numbers.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut repeated: Vec<u64> = pairs.map(|pair| pair[0]).collect();
    repeated.dedup();
    repeated
}

/// Latencies in microseconds, as files have them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// How many.
    pub samples: u64,
    /// The quickest.
    pub min_us: u64,
    /// Their mean.
    pub mean_us: f64,
    /// Half were quicker, and so on.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 95 %.
    pub p95_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Latencies {
    /// Absent without a sample.
    pub fn of(histogram: &Histogram<u64>) -> Option<Latencies> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Latencies {
            samples: histogram.len(),
            min_us: histogram.min(),
            mean_us: (histogram.mean() * 10.0).round() / 10.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p95_us: at(0.95),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut one = Counts::default();
        one.row_mut(Kind::Read).right = 8;
        one.row_mut(Kind::Read).record(Duration::from_millis(1), None);
        let mut other = Counts { never_sent: 1, ..Counts::default() };
        other.row_mut(Kind::Read).failures[Failure::Wrong as usize] = 1;
        other.row_mut(Kind::Order).record(Duration::from_secs(10_000), Some(Duration::ZERO));
        one.add(&other);
        assert_eq!((one.wrong(), one.never_sent, one.total().ended()), (1, 1, 9));
        assert_eq!(availability(&one.total(), one.never_sent), Some(0.8));
        assert_eq!(availability(&Row::default(), 0), None);
        let order = one.row(Kind::Order);
        assert_eq!(order.service.max(), 1);
        assert!(order.response.max() >= LATENCY_US_MAX);
        assert!((999..=1_001).contains(&one.row(Kind::Read).response.max()));
        assert_eq!(one.rows().count(), 1, "a kind without an end is not shown");
    }

    #[test]
    fn a_number_that_was_told_twice_is_found() {
        assert!(repeated(vec![3, 1, 2]).is_empty());
        assert_eq!(repeated(vec![3, 1, 3, 2, 1, 3]), [1, 3]);
    }
}
