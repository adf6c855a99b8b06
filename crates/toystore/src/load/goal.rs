//! `--slo`: what must hold of the counts, such as `order.p99<50ms,availability>99.9%`.
//!
//! Pure: read before anything is sent, judged at the end. Called by [`crate::command::load`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::count::{Counts, Row, availability};
use super::mix::Kind;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// A latency, of this quantile, 0 to 1; below this, in microseconds.
    Quantile(f64, f64),
    /// The mean of latencies; below this, in microseconds.
    Mean(f64),
    /// The share of right answers; above this, 0 to 1.
    Availability(f64),
    /// Right answers a second; more than this.
    Rate(f64),
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// As it was written.
    text: String,
    /// Of one kind, or of all.
    kind: Option<Kind>,
    measure: Measure,
}

/// What became of a goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The goal as it was written.
    pub goal: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was measured, with its unit.
    pub value: String,
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Goal, String> {
        let wrong = |why: String| format!("{text:?}: {why}, such as order.p99<50ms");
        let place =
            text.find(['<', '>']).ok_or_else(|| wrong("expected a goal with < or >".into()))?;
        let (left, right) = (text[..place].trim(), text[place + 1..].trim());
        let below = text[place..].starts_with('<');
        let (kind, what) = match left.split_once('.') {
            // `p99.9` has a dot of its own.
            Some((kind, what)) if !kind.starts_with('p') => {
                let known = kind.parse().map_err(|()| {
                    wrong(format!("{kind:?} is no kind: expected read, order or order-query"))
                })?;
                (Some(known), what)
            }
            Some(_) | None => (None, left),
        };
        let measure = measure(what, below, right).map_err(wrong)?;
        Ok(Goal { text: text.trim().to_string(), kind, measure })
    }
}

fn measure(what: &str, below: bool, bound: &str) -> Result<Measure, String> {
    let sign = |wanted: bool, measure: Measure| match below == wanted {
        true => Ok(measure),
        false => Err(format!("{what} must be {} something", if wanted { "<" } else { ">" })),
    };
    match what {
        "availability" => sign(false, Measure::Availability(percent(bound)? / 100.0)),
        "rate" => sign(false, Measure::Rate(number(bound)?)),
        "mean" => sign(true, Measure::Mean(micros(bound)?)),
        "max" => sign(true, Measure::Quantile(1.0, micros(bound)?)),
        _ => {
            let percentile = what.strip_prefix('p').and_then(|digits| number(digits).ok());
            let percentile =
                percentile.filter(|percentile| *percentile <= 100.0).ok_or_else(|| {
                    format!(
                        "{what:?} is nothing that is measured: expected p50, p99.9 or another \
                     percentile, mean, max, availability or rate"
                    )
                })?;
            sign(true, Measure::Quantile(percentile / 100.0, micros(bound)?))
        }
    }
}

/// A number that is not negative, in digits.
fn number(text: &str) -> Result<f64, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = if plain { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("{text:?} is no number"))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|digits| number(digits.trim()).ok());
    let percent = percent.filter(|percent| *percent <= 100.0);
    percent.ok_or_else(|| format!("{text:?} is no share: expected 0% to 100%"))
}

fn micros(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no duration: expected a number and us, ms or s");
    let units = [("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)];
    let split = |(unit, size): (&str, f64)| Some((text.strip_suffix(unit)?, size));
    let (digits, size) = units.into_iter().find_map(split).ok_or_else(wrong)?;
    Ok(number(digits.trim()).map_err(|_| wrong())? * size)
}

/// Reads goals with commas between them.
///
/// # Errors
/// Says which is none, and why.
pub fn read(text: &str) -> Result<Vec<Goal>, String> {
    text.split(',').map(str::parse).collect()
}

impl Goal {
    /// Whether it holds of all that was counted in so long. What was not measured does not hold.
    pub fn judge(&self, counts: &Counts, measured: Duration) -> Outcome {
        let row = self.kind.map_or_else(|| counts.total(), |kind| counts.row(kind).clone());
        // Of which kind they would have been is not known: they count against each.
        let never_sent = counts.never_sent;
        let judged = judge(self.measure, &row, never_sent, measured);
        let (holds, value) = judged.unwrap_or((false, "not measured".to_string()));
        Outcome { goal: self.text.clone(), holds, value }
    }
}

fn judge(
    measure: Measure,
    row: &Row,
    never_sent: u64,
    measured: Duration,
) -> Option<(bool, String)> {
    let latency = |found: f64, bound: f64| (found < bound, milliseconds(found));
    match measure {
        Measure::Quantile(_, _) | Measure::Mean(_) if row.response.is_empty() => None,
        Measure::Quantile(quantile, bound) => {
            Some(latency(row.response.value_at_quantile(quantile) as f64, bound))
        }
        Measure::Mean(bound) => Some(latency(row.response.mean(), bound)),
        Measure::Availability(bound) => {
            let share = availability(row, never_sent)?;
            // 100 % cannot be exceeded.
            Some((share > bound || share >= 1.0, format!("{:.4} %", share * 100.0)))
        }
        Measure::Rate(bound) => {
            let rate = row.right as f64 / measured.as_secs_f64();
            rate.is_finite().then(|| (rate > bound, format!("{rate:.0} a second")))
        }
    }
}

fn milliseconds(micros: f64) -> String {
    format!("{:.3} ms", micros / 1e3)
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::count::Failure;

    fn counts() -> Counts {
        let mut counts = Counts::default();
        let read = counts.row_mut(Kind::Read);
        read.right = 99;
        read.failures[Failure::TimedOut as usize] = 1;
        for millis in 1..=100 {
            read.record(Duration::from_millis(millis), None);
        }
        counts
    }

    fn check(text: &str, holds: bool, value: &str) {
        let goals = read(text).unwrap();
        let outcome = goals[0].judge(&counts(), Duration::from_secs(10));
        assert_eq!((outcome.holds, outcome.goal.as_str()), (holds, text), "{outcome:?}");
        assert!(outcome.value.starts_with(value), "{outcome:?}");
    }

    #[test]
    fn goals_are_judged() {
        check("p50<51ms", true, "50.");
        check("read.p50<50ms", false, "50.");
        check("p99.9<0.2s", true, "100.");
        check("max<100000us", false, "100.");
        check("mean<60ms", true, "50.");
        check("availability>98.9%", true, "99.0000 %");
        check("read.availability>99%", false, "99.0000 %");
        check("rate>9", true, "10 a second");
        check("rate>9.9", false, "10 a second");
        check("order.p99<50ms", false, "not measured");
        assert_eq!(read("p50<1ms,availability>99.9%").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_goal_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", "expected a goal"),
            ("p99", "expected a goal"),
            ("p99<50", "no duration"),
            ("p101<50ms", "nothing that is measured"),
            ("speed<50ms", "nothing that is measured"),
            ("buy.p99<50ms", "\"buy\" is no kind"),
            ("p99>50ms", "p99 must be <"),
            ("availability<99%", "availability must be >"),
            ("availability>99", "no share"),
            ("availability>101%", "no share"),
            ("p99<-1ms", "no duration"),
            ("p99<nanms", "no duration"),
            ("rate>many", "no number"),
            ("p50<1ms,,p99<2ms", "expected a goal"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && error.contains("such as"), "{text}: {error}");
        }
    }
}
