//! `toystore load merge`: latencies of several machines as if one had measured them.
//!
//! Called by `load::mod`.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::outcome::latency_table;
use crate::command::check_writable;
use crate::load::count::Latencies;
use crate::load::hdr::Log;

/// Add up the latencies of several runs, which --hdr wrote
///
/// Quantiles cannot be averaged, so it takes the histograms.
#[derive(Debug, Args)]
pub struct Merge {
    /// Files that --hdr wrote, or another log of HdrHistogram in microseconds
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the sum as such a file
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

impl Merge {
    /// Reads all, and says what they are together.
    ///
    /// # Errors
    /// If a file cannot be read, or is no such log.
    pub fn run(self) -> Result<ExitCode> {
        if let Some(path) = &self.hdr {
            check_writable(path)?;
        }
        let mut merged: Option<Log> = None;
        for path in &self.files {
            let name = path.display();
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            let log = Log::read(&text).map_err(|why| anyhow!("{name}: {why}"))?;
            match &mut merged {
                Some(merged) => merged.merge(&log),
                None => merged = Some(log),
            }
        }
        let merged = merged.context("there is nothing to merge")?;
        if let Some(path) = &self.hdr {
            let text = merged.write().map_err(anyhow::Error::msg)?;
            std::fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        let took = merged.end.saturating_sub(merged.start).as_secs_f64();
        if self.json {
            let rows = merged.histograms.iter();
            let rows: serde_json::Map<String, Value> =
                rows.map(|(tag, all)| (tag.clone(), json!(Latencies::of(all)))).collect();
            println!("{:#}", json!({"files": self.files, "seconds": took, "latencies": rows}));
        } else {
            let rows: Vec<_> = merged.histograms.iter().collect();
            println!("{}", latency_table(&rows));
            let (files, s) = (self.files.len(), if self.files.len() == 1 { "" } else { "s" });
            println!("{files} file{s}, {took:.1} s from the first beginning to the last end");
        }
        Ok(ExitCode::SUCCESS)
    }
}
