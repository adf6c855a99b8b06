//! The open loop: requests begin at moments that are fixed beforehand, however fast the store
//! answers.
//!
//! A shopper that waits for each answer asks less while the store is slow, and so does not see how
//! many would have waited (coordinated omission). One with a pace counts a request from the moment
//! at which it was meant to begin. It still does one thing at a time: what it could not begin in
//! time begins late, as soon as it can, and what would begin very late does not begin at all.
//!
//! Called by `shopper::mod`, for looks and orders; what it does at its beginning and end has no
//! pace.

use std::time::Duration;

use replication::Time;

/// How late a request may begin; older ones are given up, so that a store that was away for an hour
/// is not asked for all of it.
pub const LATE_MAX: Duration = Duration::from_secs(5);

/// The moments at which the requests of one shopper are meant to begin: evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    /// The first, from when it is ready to begin.
    pub first: Duration,
    /// Between two of them; not zero.
    pub every: Duration,
}

impl Pace {
    /// That of shopper `session`, from 1, of several who make `rate` requests a second together,
    /// one after the other.
    ///
    /// # Panics
    /// If the rate is zero, or more than a million for each shopper.
    pub fn of(rate: u32, shoppers: u32, session: u32) -> Pace {
        let second = Duration::from_secs(1);
        let (first, every) = (second * (session - 1) / rate, second * shoppers / rate);
        assert!(every >= Duration::from_micros(1), "{rate} a second are faster than the clock");
        Pace { first, every }
    }
}

/// A pace, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pace: Pace,
    last: Option<Time>,
    /// Moments that were given up.
    pub given_up: u64,
}

impl Beat {
    pub fn new(pace: Pace) -> Beat {
        Beat { pace, last: None, given_up: 0 }
    }

    /// The moment of the next request.
    pub fn next(&mut self, now: Time) -> Time {
        let Pace { first, every } = self.pace;
        let mut due = self.last.map_or(now + first, |last| last + every);
        let behind = now.since(due).saturating_sub(LATE_MAX);
        let given_up = behind.as_micros().div_ceil(every.as_micros().max(1));
        let given_up = u32::try_from(given_up).unwrap_or(u32::MAX);
        due = due + every.saturating_mul(given_up);
        self.given_up += u64::from(given_up);
        self.last = Some(due);
        due
    }
}
