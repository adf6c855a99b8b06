//! How long it will still take: a plan of durations, corrected by what was measured.
//!
//! Pure. Each experiment says beforehand how long it means to take. What is left of the one under
//! way goes by its own pace as soon as there is some, and all later ones by the pace of those that
//! are over: a machine that needs twice as long to start a store needs that for each. Asked by
//! [`super::progress`].

use std::time::Duration;

/// So much of the plan counts as done as planned before anything is: the first seconds of a run
/// say little of the rest.
const TRUST_SECONDS: f64 = 10.0;

/// Experiments, one after the other.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// How long each means to take, in seconds.
    planned: Vec<f64>,
    /// How many of them are over.
    over: usize,
    /// How long these took.
    spent: f64,
}

impl Forecast {
    /// Nothing is done yet.
    pub fn new(planned: Vec<f64>) -> Forecast {
        Forecast { planned, over: 0, spent: 0.0 }
    }

    /// All of them together, as planned.
    pub fn whole(&self) -> Duration {
        seconds(self.planned.iter().sum())
    }

    /// The one under way is over; it took so long.
    pub fn end_one(&mut self, took: Duration) {
        self.over += 1;
        self.spent += took.as_secs_f64();
    }

    /// How much longer all of it takes, when so much of the one under way is done (0 to 1), after
    /// so long.
    pub fn left(&self, share: f64, so_far: Duration) -> Duration {
        let share = share.clamp(0.0, 1.0);
        let done: f64 = self.planned.iter().take(self.over).sum();
        let now = self.planned.get(self.over).copied().unwrap_or(0.0);
        let later: f64 = self.planned.iter().skip(self.over + 1).sum();
        // The pace of all that is behind; what is under way counts, too.
        let (behind, so_far) = (done + now * share, so_far.as_secs_f64());
        let pace = (self.spent + so_far + TRUST_SECONDS) / (behind + TRUST_SECONDS);
        // Its own pace, the more it is trusted the more of it is done.
        let own = if share > 0.0 { so_far / (now * share).max(0.1) } else { pace };
        let own = own * share + pace * (1.0 - share);
        seconds(now * (1.0 - share) * own + later * pace)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// `1 min 20 s`; whole seconds.
pub fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(forecast: &Forecast, share: f64, so_far: f64) -> f64 {
        forecast.left(share, seconds(so_far)).as_secs_f64().round()
    }

    #[test]
    fn what_goes_as_planned_is_left_as_planned() {
        let mut forecast = Forecast::new(vec![60.0, 30.0]);
        assert_eq!(forecast.whole(), seconds(90.0));
        assert_eq!(left(&forecast, 0.0, 0.0), 90.0);
        assert_eq!(left(&forecast, 0.5, 30.0), 60.0);
        forecast.end_one(seconds(60.0));
        assert_eq!(left(&forecast, 0.0, 0.0), 30.0);
        assert_eq!(left(&forecast, 1.0, 30.0), 0.0);
    }

    #[test]
    fn a_machine_that_is_half_as_quick_is_believed_soon() {
        let mut forecast = Forecast::new(vec![60.0, 60.0]);
        let half = left(&forecast, 0.5, 60.0);
        assert!((155.0..=180.0).contains(&half), "{half} s of 180 s");
        forecast.end_one(seconds(120.0));
        let rest = left(&forecast, 0.0, 0.0);
        assert!((105.0..=120.0).contains(&rest), "{rest} s of 120 s");
    }

    #[test]
    fn what_hangs_takes_longer_the_longer_it_hangs() {
        let forecast = Forecast::new(vec![10.0, 10.0]);
        assert!(left(&forecast, 0.2, 60.0) > left(&forecast, 0.2, 10.0));
        assert_eq!(words(seconds(61.4)), "1 min 01 s");
        assert_eq!(words(seconds(59.9)), "59 s");
    }
}
