//! A process's own clock: it started at another time than the world's, and runs a little faster or
//! slower; as a fault, much faster or slower for a while. It never goes back.
//!
//! Read by the world before each step.

use std::time::Duration;

use replication::Time;

/// The world's own speed, in millionths.
const STRAIGHT: u64 = 1_000_000;

/// One clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What it showed at `since`, on the world's clock.
    shown: u64,
    since: Time,
    /// In millionths of the world's speed.
    speed: u64,
    /// What it runs at while nobody tampers with it.
    own_speed: u64,
}

impl Clock {
    /// One that shows this many microseconds at the world's beginning.
    pub fn new(shown: u64, speed_ppm: u64) -> Clock {
        Clock { shown, since: Time(0), speed: speed_ppm, own_speed: speed_ppm }
    }

    /// What it shows.
    pub fn read(&self, now: Time) -> Time {
        Time(self.shown + (now.0 - self.since.0) * self.speed / STRAIGHT)
    }

    /// How long the world waits until this clock shows `at`.
    pub fn until(&self, now: Time, at: Time) -> Duration {
        let left = at.0.saturating_sub(self.read(now).0);
        Duration::from_micros((left * STRAIGHT).div_ceil(self.speed) + u64::from(left > 0))
    }

    /// It stood still meanwhile.
    pub fn stood_still(&mut self, from: Time, now: Time) {
        let then = self.read(from.max(self.since)).0;
        *self = Clock { shown: then, since: now, ..*self };
    }

    /// From now on it runs at this speed; `None`: at its own.
    pub fn run_at(&mut self, now: Time, speed_ppm: Option<u64>) {
        self.shown = self.read(now).0;
        self.since = now;
        self.speed = speed_ppm.unwrap_or(self.own_speed);
    }
}
