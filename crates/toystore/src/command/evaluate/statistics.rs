//! What repetitions say together: a mean or a ratio, and how far off it may be.
//!
//! Pure. Repetitions are independent runs, each with a store of its own, so their means are what
//! is averaged: the requests of one run are not independent of each other, and an interval made of
//! those would be far too narrow.
//!
//! Intervals are Student's: *The Probable Error of a Mean*, Biometrika 6 (1908), 1–25. The values
//! are those of the NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.2 (0.975).

/// Student's t for an interval of 95 %, by degrees of freedom, from 1 on.
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// What repetitions say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean, or the ratio.
    pub value: f64,
    /// Where it is with 95 % confidence; absent of one repetition, which says nothing of others.
    pub interval: Option<(f64, f64)>,
    /// How many repetitions.
    pub samples: usize,
}

/// Student's t for an interval of 95 %. Beyond 30 degrees of freedom that of 30, which is too wide
/// by 4 % at most.
fn t_975(freedom: usize) -> f64 {
    let last = T_975.len() - 1;
    T_975[freedom.saturating_sub(1).min(last)]
}

impl Estimate {
    /// The mean of repetitions; absent without any.
    pub fn mean(values: &[f64]) -> Option<Estimate> {
        let samples = values.len();
        if samples == 0 {
            return None;
        }
        let count = samples as f64;
        let value = values.iter().sum::<f64>() / count;
        let interval = (samples > 1).then(|| {
            let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
            let error = (squares / (count - 1.0) / count).sqrt();
            let half = t_975(samples - 1) * error;
            (value - half, value + half)
        });
        Some(Estimate { value, interval, samples })
    }

    /// The geometric mean of repetitions, for what differs by factors, as the slowest request of a
    /// hundred does; absent without any above zero, since others are left out. Its interval is that
    /// of the logarithms, so that it never reaches below zero.
    pub fn geometric(values: &[f64]) -> Option<Estimate> {
        let above = values.iter().filter(|value| **value > 0.0);
        let logs: Vec<f64> = above.map(|value| value.ln()).collect();
        let Estimate { value, interval, samples } = Estimate::mean(&logs)?;
        let interval = interval.map(|(low, high)| (low.exp(), high.exp()));
        Some(Estimate { value: value.exp(), interval, samples })
    }

    /// How many times the second of each pair the first is: the geometric mean of the pairs' own
    /// ratios, so that what slowed both of a pair cancels out, and the inverse ratio is the
    /// inverse. Pairs with nothing above zero are left out.
    pub fn ratio(pairs: &[(f64, f64)]) -> Option<Estimate> {
        let above = pairs.iter().filter(|(one, other)| *one > 0.0 && *other > 0.0);
        let ratios: Vec<f64> = above.map(|(one, other)| one / other).collect();
        Estimate::geometric(&ratios)
    }

    /// From where to where; the value itself where that is not known.
    pub fn range(&self) -> (f64, f64) {
        self.interval.unwrap_or((self.value, self.value))
    }

    /// `1.2 [1.1..1.3]`.
    pub fn words(&self, number: impl Fn(f64) -> String) -> String {
        match self.interval {
            Some((low, high)) => {
                format!("{} [{}..{}]", number(self.value), number(low.max(0.0)), number(high))
            }
            None => number(self.value),
        }
    }
}

/// The least, the median (of two the lower) and the most; absent without any.
pub fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some((*sorted.first()?, median, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }

    /// Student's own numbers: additional hours of sleep, ten patients, drug 2 less drug 1.
    #[test]
    fn the_interval_of_students_own_numbers_is_the_known_one() {
        let sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let estimate = Estimate::mean(&sleep).unwrap();
        close(estimate.value, 1.58);
        let (low, high) = estimate.interval.unwrap();
        close(low, 0.7001);
        close(high, 2.4599);
    }

    #[test]
    fn one_repetition_has_no_interval_and_none_has_no_mean() {
        assert_eq!(Estimate::mean(&[]), None);
        assert_eq!(Estimate::mean(&[3.0]).unwrap().interval, None);
        assert_eq!(Estimate::mean(&[3.0]).unwrap().words(|one| format!("{one}")), "3");
    }

    #[test]
    fn a_ratio_is_of_pairs_and_its_inverse_is_the_inverse() {
        let pairs = [(1.0, 2.0), (10.0, 20.0), (100.0, 210.0)];
        let turned = pairs.map(|(one, other)| (other, one));
        let (ratio, inverse) =
            (Estimate::ratio(&pairs).unwrap(), Estimate::ratio(&turned).unwrap());
        close(ratio.value, 0.4919);
        close(ratio.value * inverse.value, 1.0);
        close(ratio.range().0 * inverse.range().1, 1.0);
        // Pairs differ by a hundred times, their ratios do not.
        assert!(ratio.range().1 < 0.54, "{ratio:?}");
        assert_eq!(Estimate::ratio(&[(1.0, 0.0)]), None);
    }

    #[test]
    fn of_what_differs_by_factors_the_interval_ends_above_zero() {
        let tails = [2.0, 2.0, 16.0];
        assert!(Estimate::mean(&tails).unwrap().range().0 < 0.0);
        let estimate = Estimate::geometric(&tails).unwrap();
        close(estimate.value, 4.0);
        close(estimate.range().0 * estimate.range().1, 16.0);
        assert!(estimate.range().0 > 0.0);
        assert_eq!(Estimate::geometric(&[0.0]), None);
    }

    #[test]
    fn many_repetitions_have_the_last_of_the_table() {
        close(t_975(1), 12.706);
        close(t_975(30), 2.042);
        close(t_975(1000), 2.042);
        assert_eq!(spread(&[3.0, 1.0, 2.0, 9.0]), Some((1.0, 2.0, 9.0)));
        assert_eq!(spread(&[]), None);
    }
}
