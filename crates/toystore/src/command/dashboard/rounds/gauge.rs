//! What shoppers met in the last seconds: how many requests, how long they took, how many were
//! answered.
//!
//! Pure. Filled and read by `mod`.

use std::collections::VecDeque;
use std::time::Duration;

use replication::Time;
use serde_json::{Value, json};
use shop::shopper::{Outcome, Sample};
use simulator::comparison::quantile;

/// How far back it looks.
const SPAN: Duration = Duration::from_secs(5);

/// Requests that ended lately.
#[derive(Debug, Default)]
pub struct Gauge {
    ended: VecDeque<Ended>,
    given_up: u64,
}

#[derive(Debug)]
struct Ended {
    at: Time,
    latency: Duration,
    late: Duration,
    answered: bool,
}

impl Gauge {
    /// A request ended.
    pub fn add(&mut self, sample: &Sample) {
        let answered = match sample.outcome {
            Outcome::Ok | Outcome::Refused | Outcome::NotFound | Outcome::NotYet => true,
            Outcome::Unavailable | Outcome::Unknown | Outcome::Failed => false,
        };
        let at = sample.began + sample.latency;
        self.ended.push_back(Ended { at, latency: sample.latency, late: sample.late, answered });
    }

    /// So many requests were not begun: they were too late.
    pub fn give_up(&mut self, requests: u64) {
        self.given_up += requests;
    }

    /// Requests a second; latencies, and by how much requests began late, in microseconds; how many
    /// were not begun so far; and the share that was answered. Without requests nothing is known of
    /// latencies and answers.
    pub fn read(&mut self, now: Time) -> Value {
        while self.ended.front().is_some_and(|one| now.since(one.at) > SPAN) {
            self.ended.pop_front();
        }
        let mut latencies: Vec<Duration> = self.ended.iter().map(|one| one.latency).collect();
        let mut lates: Vec<Duration> = self.ended.iter().map(|one| one.late).collect();
        latencies.sort();
        lates.sort();
        let any = !latencies.is_empty();
        let of = |all: &[Duration], percent| any.then(|| quantile(all, percent).as_micros() as u64);
        let answered = self.ended.iter().filter(|one| one.answered).count();
        let seconds = SPAN.min(now.since(Time(0))).as_secs_f64().max(0.001);
        json!({
            "per_second": latencies.len() as f64 / seconds,
            "p50_us": of(&latencies, 50),
            "p99_us": of(&latencies, 99),
            "late_p99_us": of(&lates, 99),
            "given_up": self.given_up,
            "answered": any.then(|| answered as f64 / latencies.len() as f64),
            "seconds": seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop::shopper::Kind;

    fn sample(began_ms: u64, latency_ms: u64, outcome: Outcome) -> Sample {
        Sample {
            kind: Kind::Query,
            began: Time::from_millis(began_ms),
            late: Duration::from_millis(latency_ms / 2),
            latency: Duration::from_millis(latency_ms),
            outcome,
            retries: 0,
            cache: None,
            frontend: 1,
        }
    }

    #[test]
    fn it_looks_five_seconds_back() {
        let mut gauge = Gauge::default();
        gauge.add(&sample(0, 900, Outcome::Ok));
        for at in 1..=10 {
            gauge.add(&sample(9_000 + at, at, Outcome::Ok));
        }
        gauge.add(&sample(9_100, 200, Outcome::Unknown));
        let said = gauge.read(Time::from_millis(10_000));
        assert_eq!(said["per_second"], 11.0 / 5.0);
        assert_eq!((&said["p50_us"], &said["p99_us"]), (&json!(6_000), &json!(200_000)));
        assert_eq!(said["answered"], 10.0 / 11.0);
        gauge.give_up(3);
        let said = gauge.read(Time::from_millis(10_000));
        assert_eq!((&said["late_p99_us"], &said["given_up"]), (&json!(100_000), &json!(3)));
        let said = gauge.read(Time::from_millis(20_000));
        assert_eq!((&said["per_second"], &said["answered"]), (&json!(0.0), &Value::Null));
    }
}
