//! `toystore compare`: the ways of replication side by side, in the simulator and with real
//! processes: what an order costs, how long there are none after a fault, what loss does, and what
//! was kept.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `simulated` | the runs in virtual time |
//! | `local` | the runs with real processes |
//! | `table` | what is printed, and the same as CSV |
//! | `findings` | a sentence for each plot, made of the numbers |
//! | `page` | the page that they stand on |
//!
//! Called by the command line; [`simulator::comparison`] says what is run.

pub mod findings;
mod local;
pub mod page;
pub mod simulated;
pub mod table;

use std::fmt::Display;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::println;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use simulator::comparison::{COMMIT, Case, Comparison, DELAY, Extent, Happens, Measured, Outage};

use super::paint;

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

/// The same three with real processes.
const LOCAL: [Duration; 3] =
    [Duration::from_secs(3), Duration::from_secs(4), Duration::from_secs(6)];

/// And with `--quick`.
const LOCAL_QUICK: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

/// The most threads.
const JOBS_MAX: usize = 64;

/// Where it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum World {
    /// Simulated: exact counts, in virtual time
    Sim,
    /// Real processes on this machine: real times
    Local,
    /// Both, one after the other
    Both,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// What an order costs while nothing goes wrong
    Costs,
    /// The leader dies
    LeaderKilled,
    /// The leader stands still
    LeaderPaused,
    /// The leader reaches nobody
    LeaderIsolated,
    /// The leader reaches no other replica
    LeaderOff,
    /// The same, and it dies
    LeaderOffThenKilled,
    /// Replicas reach one follower only
    QuorumLoss,
    /// The same, and its log is behind
    ConstrainedElection,
    /// Three replicas, the leader does not reach one of the others
    Chained,
    /// Messages are lost
    Loss,
}

impl What {
    fn of(happens: Happens) -> What {
        match happens {
            Happens::Nothing { .. } => What::Costs,
            Happens::Loss { .. } => What::Loss,
            Happens::Outage(Outage::Killed) => What::LeaderKilled,
            Happens::Outage(Outage::Paused) => What::LeaderPaused,
            Happens::Outage(Outage::Isolated) => What::LeaderIsolated,
            Happens::Outage(Outage::OffFollowers) => What::LeaderOff,
            Happens::Outage(Outage::CutThenKilled) => What::LeaderOffThenKilled,
            Happens::Outage(Outage::QuorumLoss) => What::QuorumLoss,
            Happens::Outage(Outage::Constrained) => What::ConstrainedElection,
            Happens::Outage(Outage::Chained) => What::Chained,
        }
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }
}

/// What was compared in one world.
pub struct Part {
    /// `Simulated`, `Real processes`.
    pub world: &'static str,
    /// What all numbers were counted in.
    pub about: String,
    /// Whether times are those of a machine: only they differ from run to run.
    pub real: bool,
    /// The numbers.
    pub comparison: Comparison,
}

/// Compare the ways of replication: what an order costs, and how long there are none after a fault
///
/// One workload and one set of faults under each way. Simulated (real services, virtual time):
/// exact counts, the same for the same seed. With real processes: real times, of this machine.
/// Prints tables, and draws a page of plots.
#[derive(Debug, Args)]
pub struct Compare {
    /// Where
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// Numbers of order replicas, each 1 to 9; a fault that needs more or fewer has what it needs
    /// [default: 3,5,7; with --quick 3]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Vec<u8>,
    /// Numbers of shoppers for the same, each 1 to 255 [default: 1,16,64; in the simulator with
    /// --quick 1,16]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          value_parser = clap::value_parser!(u8).range(1..))]
    shoppers: Vec<u8>,
    /// Only this [default: everything]
    #[arg(
        long,
        value_enum,
        value_name = "WHAT,…",
        value_delimiter = ',',
        hide_possible_values = true,
        long_help = "Only this [default: everything]: costs, loss, leader-killed, leader-paused, \
                       leader-isolated, leader-off, leader-off-then-killed, quorum-loss, \
                       constrained-election, chained"
    )]
    only: Vec<What>,
    /// Runs of each fault and each loss, each with another seed, and with real processes of
    /// everything [default: 5; with real processes, and with --quick, 1]
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
    /// If a file cannot be written, or a store of real processes does not start.
    pub fn run(self) -> Result<ExitCode> {
        for path in [Some(&self.html), self.csv.as_ref()].into_iter().flatten() {
            super::check_writable(path)?;
        }
        let repeat = self.repeat();
        paint::say(format_args!("seed {}: {repeat}", self.seed));
        let mut parts = Vec::new();
        if self.world != World::Local {
            parts.push(self.simulated());
        }
        if self.world != World::Sim {
            let Some(part) = self.local(&repeat)? else {
                paint::say("stopped before there was anything to compare");
                return Ok(ExitCode::FAILURE);
            };
            parts.push(part);
        }
        for part in &parts {
            println!("{}\n", part.about);
            table::print(part);
        }
        std::fs::write(&self.html, page::page(&parts, &repeat))
            .with_context(|| format!("cannot write {}", self.html.display()))?;
        println!("plots: {}", self.html.display());
        if let Some(path) = &self.csv {
            std::fs::write(path, table::csv(&parts))
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("numbers: {}", path.display());
        }
        println!("to repeat it: {repeat}");
        let mut holds = true;
        for part in &parts {
            let kept = findings::kept(&part.comparison);
            let sentence = match parts.len() {
                1 => kept.sentence,
                _ => format!("{}: {}", part.world, kept.sentence),
            };
            println!("{}", paint::check(kept.holds, &sentence));
            holds &= kept.holds;
        }
        Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn simulated(&self) -> Part {
        let lengths = if self.quick { QUICK } else { [LENGTH, LOSS_LENGTH, SPAN] };
        let mut extent = Extent { cost_seeds: 1, ..self.extent(5, lengths) };
        if self.quick && self.shoppers.is_empty() {
            extent.shoppers = SHOPPERS_QUICK.to_vec();
        }
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZero::get).min(JOBS_MAX);
        let comparison = Comparison::new(&in_virtual_time(&self.cases(&extent), jobs));
        Part { world: "Simulated", about: about(&extent), real: false, comparison }
    }

    fn local(&self, repeat: &str) -> Result<Option<Part>> {
        let extent = self.extent(1, if self.quick { LOCAL_QUICK } else { LOCAL });
        let measured = super::block_on(local::measure(&self.cases(&extent), repeat))??;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let about = format!(
            "Real processes on this machine ({cores} cores), its disks and sockets, shoppers \
             beside them; {} of everything, the ways in turn.",
            runs(extent.seeds)
        );
        Ok(measured.map(|all| {
            let comparison = Comparison::new(&all);
            Part { world: "Real processes", about, real: true, comparison }
        }))
    }

    fn cases(&self, extent: &Extent) -> Vec<Case> {
        let wanted =
            |case: &Case| self.only.is_empty() || self.only.contains(&What::of(case.happens));
        extent.cases().into_iter().filter(wanted).collect()
    }

    fn extent(&self, seeds: u64, [length, loss_length, span]: [Duration; 3]) -> Extent {
        let mut replicas = self.replicas.clone();
        if replicas.is_empty() {
            replicas = if self.quick { vec![3] } else { vec![3, 5, 7] };
        }
        replicas.sort_unstable();
        replicas.dedup();
        let seeds = self.seeds.unwrap_or(if self.quick { 1 } else { seeds });
        Extent {
            replicas,
            shoppers: match &self.shoppers[..] {
                [] => SHOPPERS.to_vec(),
                shoppers => shoppers.to_vec(),
            },
            seed: self.seed,
            seeds,
            cost_seeds: seeds,
            length,
            loss_length,
            span,
        }
    }

    /// The command that does the same: in the simulator it gives the same numbers.
    fn repeat(&self) -> String {
        let mut words = "toystore compare".to_string();
        match self.world {
            World::Sim => {}
            World::Local => words.push_str(" --world local"),
            World::Both => words.push_str(" --world both"),
        }
        if self.quick {
            words.push_str(" --quick");
        }
        let usual = if self.world == World::Local { 1 } else { 5 };
        let Extent { replicas, seeds, .. } = self.extent(usual, QUICK);
        let replicas: Vec<String> = replicas.iter().map(u8::to_string).collect();
        words.push_str(&format!(" --replicas {}", replicas.join(",")));
        if !self.shoppers.is_empty() {
            let shoppers: Vec<String> = self.shoppers.iter().map(u8::to_string).collect();
            words.push_str(&format!(" --shoppers {}", shoppers.join(",")));
        }
        if !self.only.is_empty() {
            let only: Vec<String> = self.only.iter().map(|what| what.name()).collect();
            words.push_str(&format!(" --only {}", only.join(",")));
        }
        if self.seeds.is_some() || self.world != World::Both {
            words.push_str(&format!(" --seeds {seeds}"));
        }
        format!("{words} --seed {}", self.seed)
    }
}

/// Runs all cases, with a bar.
fn in_virtual_time(cases: &[Case], jobs: usize) -> Vec<(Case, Measured)> {
    let bar = bar(cases.len());
    let measured = simulated::measure(cases, jobs, || bar.inc(1));
    bar.finish_and_clear();
    measured
}

/// What all numbers were counted in.
pub fn about(extent: &Extent) -> String {
    let millis = |time: Duration| time.as_micros() as f64 / 1000.0;
    format!(
        "Simulated: a message takes {} ms, a commit to disk {} ms; {} from seed {} for each fault.",
        millis(DELAY),
        millis(COMMIT),
        runs(extent.seeds),
        extent.seed
    )
}

/// How far it is.
fn bar(cases: usize) -> ProgressBar {
    let bar = ProgressBar::new(cases as u64);
    match ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn runs(count: impl Display + PartialEq<u64>) -> String {
    if count == 1 { "1 run".to_string() } else { format!("{count} runs") }
}
