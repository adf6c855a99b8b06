//! What happens, told as it happens, with the time since the beginning.

use std::fmt::Display;
use std::time::Instant;

use owo_colors::OwoColorize;

use crate::command::paint;

/// Tells; to stderr, since the verdict is the data.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    began: Instant,
    silent: bool,
}

impl Story {
    /// Begins now.
    pub fn begin() -> Story {
        Story { began: Instant::now(), silent: false }
    }

    /// Begins now, and tells nothing: one of many.
    pub fn silent() -> Story {
        Story { silent: true, ..Story::begin() }
    }

    /// One line.
    pub fn tell(self, words: impl Display) {
        if self.silent {
            return;
        }
        let time = format!("t+{:.1}s", self.began.elapsed().as_secs_f64());
        paint::say(format_args!("{:>8}  {words}", time.dimmed()));
    }
}
