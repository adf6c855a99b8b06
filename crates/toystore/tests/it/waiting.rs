//! Waiting for what a test expects of real processes and containers: for a condition, never for a
//! time.
//!
//! Used by every test with either.

use std::time::{Duration, Instant};

/// How long anything may take that should take a second, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often it is looked whether something has happened.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until something is there; says what it waited for if it never is.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// The same with a deadline of its own.
pub fn wait_at_most<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Watches for some time that something stays true: the only way to see that nothing happens.
pub fn watch_for(time: Duration, mut look: impl FnMut()) {
    let began = Instant::now();
    while began.elapsed() < time {
        look();
        std::thread::sleep(LOOK_INTERVAL);
    }
}
