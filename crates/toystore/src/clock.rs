//! A node's clock: the one place where the shell reads the time for a core.
//!
//! `CLOCK_BOOTTIME` goes on while the machine sleeps and while the process is stopped, as a lease
//! must; it never goes back. Called by the driver at each step, and by shoppers. What people read
//! is on the wall clock, which decides nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use replication::Time;
use rustix::time::{ClockId, clock_gettime};

/// This moment, since the machine was started.
pub fn now() -> Time {
    let time = clock_gettime(ClockId::Boottime);
    let micros = time.tv_sec * 1_000_000 + time.tv_nsec / 1000;
    Time(u64::try_from(micros).unwrap_or(0))
}

/// This moment on the wall clock, in microseconds since 1970; 0 before.
pub fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The same in milliseconds.
pub fn unix_ms() -> u64 {
    unix_us() / 1000
}
