//! How far it is, for whoever waits: a bar on a terminal, else a line now and then.
//!
//! Asked for by [`super::lab`]; the time that is left is [`super::forecast`]'s.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::forecast::{Forecast, words};
use crate::command::paint;

/// Where there is no terminal, a line at most so often.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Parts of the bar.
const PARTS: u64 = 1000;

/// What is shown.
pub struct Progress {
    forecast: Forecast,
    bar: ProgressBar,
    /// Whether nobody sees the bar.
    lines: bool,
    began: Instant,
    last_line: Option<Instant>,
    /// The experiment under way, and since when.
    name: String,
    since: Instant,
}

impl Progress {
    /// Nothing is done yet; all of it is to take so long.
    pub fn new(forecast: Forecast) -> Progress {
        let lines = !std::io::stderr().is_terminal();
        let target = match lines {
            false => ProgressDrawTarget::stderr(),
            true => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(PARTS), target);
        let style = ProgressStyle::with_template("{bar:30} {wide_msg}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (now, name) = (Instant::now(), String::new());
        Progress { forecast, bar, lines, began: now, last_line: None, name, since: now }
    }

    /// The next experiment begins.
    pub fn begin(&mut self, name: &str) {
        (self.name, self.since, self.last_line) = (name.to_string(), Instant::now(), None);
        self.at(0.0, "");
    }

    /// So much of it is done (0 to 1); what is being done, in words.
    pub fn at(&mut self, share: f64, doing: &str) {
        let left = self.forecast.left(share, self.since.elapsed());
        let beyond = self.began.elapsed() + left;
        let done = self.began.elapsed().as_secs_f64() / beyond.as_secs_f64().max(0.001);
        let dash = if doing.is_empty() { "" } else { ": " };
        let line = format!("{} left · {}{dash}{doing}", words(left), self.name);
        self.bar.set_position((done * PARTS as f64) as u64);
        self.bar.set_message(line.clone());
        if self.lines && self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            self.last_line = Some(Instant::now());
            paint::say(line);
        }
    }

    /// The experiment is over.
    pub fn end(&mut self) {
        self.forecast.end_one(self.since.elapsed());
    }

    /// Says something beside it.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| paint::say(text));
    }

    /// Nothing is shown any more; how long it took.
    pub fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.began.elapsed()
    }
}
