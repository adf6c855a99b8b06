//! `toystore compare`: the ways of replication side by side, in the simulator: what an order costs,
//! how long there are none after a fault, what loss does, and what was kept.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `table` | what is printed, and the same as CSV |
//! | `findings` | a sentence for each plot, made of the numbers |
//! | `chart` | bars and lines as SVG |
//! | `page` | the page that they stand on |
//!
//! Called by the command line; [`simulator::comparison`] says what is run.

mod chart;
mod findings;
mod page;
mod table;

use std::fmt::Display;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anstream::println;
use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use simulator::comparison::{COMMIT, Case, Comparison, DELAY, Extent, Measured};

use super::paint;
use super::sim::quietly;

/// Closed-loop shoppers for what an order costs.
const SHOPPERS: [u8; 3] = [1, 16, 64];

/// The same with `--quick`.
const SHOPPERS_QUICK: [u8; 2] = [1, 16];

/// How long it is counted what an order costs.
const LENGTH: Duration = Duration::from_secs(4);

/// How long messages are lost.
const LOSS_LENGTH: Duration = Duration::from_secs(10);

/// How long a fault lasts.
const SPAN: Duration = Duration::from_secs(10);

/// The same three with `--quick`.
const QUICK: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(4)];

/// The most threads.
const JOBS_MAX: usize = 64;

/// Compare the ways of replication: what an order costs, and how long there are none after a fault
///
/// Simulated: real services, virtual time, exact counts. One workload and one set of faults under
/// each way; the same seed gives the same numbers. Prints tables, and draws a page of plots.
#[derive(Debug, Args)]
pub struct Compare {
    /// Numbers of order replicas for what an order costs, each 1 to 9 [default: 3,5,7; with
    /// --quick 3]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Vec<u8>,
    /// Runs of each fault and each loss, each with another seed [default: 5; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Shorter runs, and fewer of them
    #[arg(long)]
    quick: bool,
    /// Where the numbers are put, too: one line for each run of rows, CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Where the page with the plots is put
    #[arg(long, value_name = "FILE", default_value = "toystore-compare.html")]
    html: PathBuf,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZero<usize>>,
}

impl Compare {
    /// Runs every case, prints and draws what came of them.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let extent = self.extent();
        let repeat = self.repeat(&extent);
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZero::get).min(JOBS_MAX);
        let about = about(&extent);
        paint::say(format_args!("seed {}: {repeat}", extent.seed));
        let comparison = Comparison::new(&measure(&extent.cases(), jobs));
        println!("{about}\n");
        table::print(&comparison);
        let page = page::page(&comparison, &about, &repeat);
        std::fs::write(&self.html, page)
            .with_context(|| format!("cannot write {}", self.html.display()))?;
        println!("plots: {}", self.html.display());
        if let Some(path) = &self.csv {
            std::fs::write(path, table::csv(&comparison))
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("numbers: {}", path.display());
        }
        println!("to repeat it: {repeat}");
        let kept = findings::kept(&comparison);
        println!("{}", paint::check(kept.holds, &kept.sentence));
        Ok(if kept.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn extent(&self) -> Extent {
        let [length, loss_length, span] =
            if self.quick { QUICK } else { [LENGTH, LOSS_LENGTH, SPAN] };
        let mut replicas = self.replicas.clone();
        if replicas.is_empty() {
            replicas = if self.quick { vec![3] } else { vec![3, 5, 7] };
        }
        replicas.sort_unstable();
        replicas.dedup();
        let shoppers = if self.quick { SHOPPERS_QUICK.to_vec() } else { SHOPPERS.to_vec() };
        let seeds = self.seeds.unwrap_or(if self.quick { 1 } else { 5 });
        Extent { replicas, shoppers, seed: self.seed, seeds, length, loss_length, span }
    }

    /// The command that gives the same numbers.
    fn repeat(&self, extent: &Extent) -> String {
        let replicas: Vec<String> = extent.replicas.iter().map(u8::to_string).collect();
        let quick = if self.quick { " --quick" } else { "" };
        format!(
            "toystore compare{quick} --replicas {} --seeds {} --seed {}",
            replicas.join(","),
            extent.seeds,
            extent.seed
        )
    }
}

/// What all numbers were counted in.
fn about(extent: &Extent) -> String {
    let millis = |time: Duration| time.as_micros() as f64 / 1000.0;
    format!(
        "Simulated: a message takes {} ms, a commit to disk {} ms; {} from seed {} for each fault.",
        millis(DELAY),
        millis(COMMIT),
        runs(extent.seeds),
        extent.seed
    )
}

fn runs(count: impl Display + PartialEq<u64>) -> String {
    if count == 1 { "1 run".to_string() } else { format!("{count} runs") }
}

/// Runs all cases on so many threads; in their order.
fn measure(cases: &[Case], jobs: usize) -> Vec<(Case, Measured)> {
    let bar = ProgressBar::new(cases.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left") {
        bar.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let mut measured: Vec<(usize, Measured)> = Vec::with_capacity(cases.len());
    quietly(|| {
        std::thread::scope(|scope| {
            // Bounded by the number of cases, and emptied at once.
            let (sender, receiver) = mpsc::channel();
            for _ in 0..jobs {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(place) else { return };
                        // Whoever would hear it is gone only after a panic.
                        if sender.send((place, case.run())).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for one in receiver {
                measured.push(one);
                bar.inc(1);
            }
        });
    });
    bar.finish_and_clear();
    measured.sort_by_key(|(place, _)| *place);
    let all = cases.iter().zip(measured);
    all.map(|(case, (_, measured))| (*case, measured)).collect()
}
