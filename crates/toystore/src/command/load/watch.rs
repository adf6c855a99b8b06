//! A run while it is under way: reports are added up, and on a terminal a line shows how it goes.
//!
//! Called by `load::run`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Flags;
use super::history::History;
use crate::command::{Signals, paint};
use crate::load::Running;
use crate::load::gathered::{Gathered, Part, Second};

/// How often the clock of the line is moved.
const REFRESH: Duration = Duration::from_millis(250);

/// Gathers until all threads are done. Ctrl-C ends it early; twice, at once.
///
/// # Errors
/// If a thread panicked, or the history cannot be written.
pub async fn watch(
    mut running: Running,
    mut signals: Signals,
    flags: &Flags,
    whole: Duration,
    history: &mut Option<History>,
) -> Result<Gathered> {
    let mut gathered = Gathered::new(flags.threads as usize);
    if let Some(history) = history {
        history.began(&running);
    }
    let line = Line::new(flags, whole);
    let mut refresh = tokio::time::interval(REFRESH);
    loop {
        tokio::select! {
            biased;
            () = signals.asked_to_stop() => {
                line.say("no more requests; once more ends at once");
                running.stop();
            }
            report = running.next() => {
                let Some(mut report) = report else { break };
                if let Some(history) = history {
                    history.add(running.plan(), &mut report)?;
                }
                for trouble in gathered.add(report) {
                    line.say(&trouble);
                }
                line.show(&gathered);
            }
            _ = refresh.tick() => line.move_on(&gathered),
        }
    }
    line.bar.finish_and_clear();
    running.end().map_err(Error::msg)?;
    Ok(gathered)
}

/// How far it is, and the second that was last.
struct Line {
    bar: ProgressBar,
    began: Instant,
    /// Whether requests are counted out, in the place of time.
    counted: bool,
}

impl Line {
    fn new(flags: &Flags, whole: Duration) -> Line {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let length = flags.count.unwrap_or(whole.as_millis() as u64);
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let style = ProgressStyle::with_template("{bar:20} {eta:>4} left  {wide_msg}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Line { bar, began: Instant::now(), counted: flags.count.is_some() }
    }

    fn say(&self, words: &str) {
        self.bar.suspend(|| paint::say(words));
    }

    fn show(&self, gathered: &Gathered) {
        if let Some(second) = gathered.seconds.last() {
            self.bar.set_message(words(second));
        }
        self.move_on(gathered);
    }

    fn move_on(&self, gathered: &Gathered) {
        let done = match self.counted {
            true => gathered.counts.total().ended(),
            false => self.began.elapsed().as_millis() as u64,
        };
        self.bar.set_position(done);
    }
}

/// One second in a line.
fn words(second: &Second) -> String {
    let part = |part: &Part| {
        let times = part.response.as_ref().map_or_else(String::new, |latencies| {
            let (half, most) = (paint::micros(latencies.p50_us), paint::micros(latencies.p99_us));
            format!(" p50 {half} p99 {most}")
        });
        format!("{} {}/s{times}", part.kind.name(), part.right)
    };
    let mut words: Vec<String> = second.parts.iter().map(part).collect();
    if second.failed() > 0 {
        words.push(format!("{} failed", second.failed()));
    }
    words.join(" · ")
}
