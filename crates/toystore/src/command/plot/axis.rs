//! An axis: where it begins and ends, what stands at some of its places, and where a value is.
//!
//! Called by `curve`, `bars` and `slots`, and by the pages, which know what numbers mean.

use crate::command::paint;

/// Round numbers of an axis, at most so many.
const STEPS_MAX: f64 = 5.0;

/// An axis of fewer decades than this has words between them, too.
const DECADES_FEW: f64 = 1.6;

/// An axis: its ends, and what stands at some of its places.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is measured, with its unit.
    pub title: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Places with words.
    pub ticks: Vec<(f64, String)>,
    /// Whether each factor has the same length, in the place of each difference.
    pub factors: bool,
}

impl Axis {
    /// From zero to at least this, with some five round whole numbers.
    pub fn linear(title: &str, most: f64) -> Axis {
        Axis::stepped(title, most.max(1.0), 1.0)
    }

    /// The same with fractions where the most is small.
    pub fn fine(title: &str, most: f64) -> Axis {
        Axis::stepped(title, if most > 0.0 { most } else { 1.0 }, 0.0)
    }

    fn stepped(title: &str, most: f64, least_step: f64) -> Axis {
        let power = 10_f64.powf((most / STEPS_MAX).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| most / step <= STEPS_MAX).unwrap_or(most);
        let step = step.max(least_step);
        let count = (most / step).ceil();
        let digits = if step < 1.0 { (-step.log10()).ceil() as usize } else { 0 };
        let tick = |number: i32| {
            let value = f64::from(number) * step;
            (value, format!("{value:.digits$}"))
        };
        let ticks = (0..=count as i32).map(tick).collect();
        Axis { title: title.to_string(), from: 0.0, to: count * step, ticks, factors: false }
    }

    /// Exactly from here to there, with words at these places.
    pub fn places(title: &str, from: f64, to: f64, ticks: Vec<(f64, String)>) -> Axis {
        Axis { title: title.to_string(), from, to, ticks, factors: false }
    }

    /// Each factor has the same length: from the least to the most, both above zero.
    pub fn factors(title: &str, least: f64, most: f64, words: fn(f64) -> String) -> Axis {
        let (least, most) = (least.max(f64::MIN_POSITIVE), most.max(least).max(f64::MIN_POSITIVE));
        let marks: &[f64] = match (most / least).log10() < DECADES_FEW {
            true => &[1.0, 2.0, 5.0],
            false => &[1.0],
        };
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        let powers = (first..=last).map(|power| 10_f64.powi(power));
        let all: Vec<f64> =
            powers.flat_map(|power| marks.iter().map(move |mark| mark * power)).collect();
        // The last mark below the least, and the first above the most.
        let from = all.iter().rev().find(|mark| **mark <= least * 1.000_001).or(all.first());
        let to = all.iter().find(|mark| **mark >= most * 0.999_999).or(all.last());
        let (from, to) = (from.copied().unwrap_or(least), to.copied().unwrap_or(most));
        let to = if to > from { to } else { from * 10.0 };
        let shown = all.iter().filter(|mark| (from..=to).contains(*mark));
        let ticks = shown.map(|mark| (*mark, words(*mark))).collect();
        Axis { title: title.to_string(), from, to, ticks, factors: true }
    }

    /// Latencies in microseconds, each factor of the same length.
    pub fn latencies(title: &str, least_us: f64, most_us: f64) -> Axis {
        Axis::factors(title, least_us.max(1.0), most_us.max(1.0), |us| {
            paint::micros(us.round() as u64).replace(".00 ", " ").replace(".0 ", " ")
        })
    }

    /// Which share of the axis is before this value; its ends, if it is beyond.
    pub fn share(&self, value: f64) -> f64 {
        let place = |value: f64| match self.factors {
            true => value.max(f64::MIN_POSITIVE).log10(),
            false => value,
        };
        let span = (place(self.to) - place(self.from)).max(f64::MIN_POSITIVE);
        ((place(value) - place(self.from)) / span).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_and_holds_the_most() {
        for (most, to, ticks) in [(0.0, 1.0, 2), (9.0, 10.0, 6), (4_321.0, 5_000.0, 6)] {
            let axis = Axis::linear("", most);
            assert_eq!((axis.to, axis.ticks.len()), (to, ticks), "{most}");
        }
        let fine = Axis::fine("", 0.45);
        assert_eq!((fine.ticks.len(), fine.ticks[1].1.as_str()), (6, "0.1"));
    }

    #[test]
    fn factors_are_decades_or_less() {
        let words = |axis: &Axis| axis.ticks.iter().map(|(_, w)| w.clone()).collect::<Vec<_>>();
        let wide = Axis::latencies("", 70.0, 12_000.0);
        assert_eq!(words(&wide), ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]);
        let narrow = Axis::latencies("", 120.0, 450.0);
        assert_eq!(words(&narrow), ["100 µs", "200 µs", "500 µs"]);
        assert_eq!((narrow.share(100.0), narrow.share(500.0)), (0.0, 1.0));
        assert!((wide.share(1_000.0) - 0.5).abs() < 1e-9);
        let one = Axis::latencies("", 1_000.0, 1_000.0);
        assert!(one.to > one.from, "{one:?}");
    }
}
