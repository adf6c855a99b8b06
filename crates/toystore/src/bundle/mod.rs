//! A bundle: one folder with everything about one run of a store, simulated or real, so that
//! somebody else can look at it, judge it again and make it again.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `scenario.toml` | what was to happen, if somebody wrote it down |
//! | `history.jsonl` | what clients asked and were told, and events (docs/formats.md) |
//! | `trace.txt` | every step of every node, in a simulated world |
//! | `metrics.json` | what was counted |
//! | `frames.jsonl` | what all nodes said of themselves, moment after moment: what the page shows |
//! | `verdict.txt`, `verdict.json` | what the checker says |
//! | `picture.html` | the same, drawn |
//!
//! Written by the commands `sim`, `run` and `demo` and by the page's rounds, packed into one file
//! by the page, opened again by `view`; calls crate `checker`.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`frames`] | collecting frames, and reading them |
//! | [`archive`] | a bundle as one file |
//! | [`opened`] | a bundle that is looked at |

pub mod archive;
pub mod frames;
pub mod opened;

use std::path::Path;

use anyhow::{Context, Result};
use checker::history::{History, Reader};
use checker::{Judged, STEPS_DEFAULT, picture, report};
use serde_json::Value;

/// The files of a bundle; the logs of real nodes have a folder of their own in it.
pub const FILES: [&str; 8] = [
    "history.jsonl",
    "verdict.txt",
    "verdict.json",
    "picture.html",
    "frames.jsonl",
    "scenario.toml",
    "trace.txt",
    "metrics.json",
];

/// What goes into a bundle beside what is made of its history.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    /// The scenario, as it was written.
    pub scenario: Option<&'a str>,
    /// Every step, a line each.
    pub trace: Option<&'a [String]>,
    /// What was counted.
    pub metrics: Option<Value>,
    /// What nodes said, a line for each moment.
    pub frames: &'a [String],
}

/// A history, and what the checker says of it.
#[derive(Debug)]
pub struct Verdict {
    /// What was judged.
    pub history: History,
    /// How.
    pub judged: Judged,
}

/// Judges a history, line by line; its head is the first one.
///
/// # Errors
/// If it is none: says which line, and what was expected.
pub fn judge<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Verdict> {
    let mut reader = Reader::default();
    for line in lines {
        reader.line(line.as_bytes())?;
    }
    let history = reader.finish()?;
    let judged = checker::judge(&history, STEPS_DEFAULT);
    Ok(Verdict { history, judged })
}

/// Writes a bundle into a folder, which is made if there is none; what it held before under the
/// same names is replaced.
///
/// # Errors
/// If something cannot be written, or the lines are no history.
pub fn write(folder: &Path, lines: &[String], contents: &Contents<'_>) -> Result<Verdict> {
    let verdict = judge(lines.iter().map(String::as_str))?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let Verdict { history, judged } = &verdict;
    put("history.jsonl", &(lines.join("\n") + "\n"))?;
    if !contents.frames.is_empty() {
        put("frames.jsonl", &(contents.frames.join("\n") + "\n"))?;
    }
    put("verdict.txt", &report::text(history, judged))?;
    put("verdict.json", &(serde_json::to_string_pretty(&report::json(history, judged))? + "\n"))?;
    put("picture.html", &picture::page(history, judged))?;
    if let Some(scenario) = contents.scenario {
        put("scenario.toml", scenario)?;
    }
    if let Some(trace) = contents.trace {
        put("trace.txt", &(trace.join("\n") + "\n"))?;
    }
    if let Some(metrics) = &contents.metrics {
        put("metrics.json", &(serde_json::to_string_pretty(metrics)? + "\n"))?;
    }
    Ok(verdict)
}
