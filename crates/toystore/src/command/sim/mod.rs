//! `toystore sim`: the whole store in a deterministic world, seed after seed, and whether every
//! promise was kept.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `pool` | seeds over threads |
//! | `table` | what is printed |
//! | `kept` | everything about a run, as a bundle |
//! | `replay` | the command that runs a seed again |
//! | `ledger` | the file in which suites are summed |
//!
//! Called by the command line; crate `simulator` does the work.

pub mod kept;
mod ledger;
mod pool;
mod replay;
mod table;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::println;
use anyhow::{Result, bail};
use clap::Args;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use simulator::planted::Planted;
use simulator::points::Point;
use simulator::setting::{Clocks, Members};
use simulator::{Broken, Outcome, Plan, Scenario, Tally, Trim, Wishes};

use super::paint;
use super::run::read_scenario;
use crate::supervisor::options::replication;
pub use pool::quietly;
use replication::Protocol;
use table::Suite;

/// The longest run of one seed: a day.
const MINUTES_MAX: u64 = 24 * 60;

/// The most threads.
const JOBS_MAX: usize = 256;

/// A suite of so many whole runs must reach every `sometimes` point.
const POINTS_DUE_FROM: u64 = 1000;

/// With clocks beyond their bound, so many seeds must catch a cached read that is old.
const CAUGHT_DUE_FROM: u64 = 10;

/// Failing seeds that are shown; the others are only counted.
const SHOWN_MAX: usize = 10;

/// The last lines of a shrunk run that are shown.
const TRACE_SHOWN: usize = 60;

/// Run the whole store in a simulated world: seeds, faults, and whether every promise was kept
///
/// Real services, virtual time; network, disks and clocks that fail on purpose. The same seed makes
/// the same run, byte for byte. Exit code 0 only if every promise was kept in every seed, and every
/// interesting state was reached.
#[derive(Debug, Args)]
pub struct Sim {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Only this one
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Print everything that happens in it
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Only this part of its plan, as a shrunk run is printed
    #[arg(
        long,
        value_name = "PARTS",
        requires = "seed",
        default_value = "",
        hide_default_value = true
    )]
    trim: Trim,
    /// Simulated minutes of each seed
    #[arg(long, value_name = "M", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=MINUTES_MAX))]
    minutes: u64,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZero<usize>>,
    /// Run this scenario in every seed, instead of a world and faults that are drawn
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["minutes", "frontends", "orders", "catalog_replicas", "no_faults",
                                "clocks", "members", "cache_policy"])]
    scenario: Option<PathBuf>,
    /// How order replicas agree
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
    /// How caches learn of changes: lease, push, ttl=DURATION or none
    #[arg(long, env = "TOYSTORE_INVALIDATION", value_name = "MODE", default_value = "lease")]
    invalidation: Invalidation,
    /// Which toy goes when another needs its slot in a cache: lru, fifo, lfu, random[=SEED]
    #[arg(long, value_name = "POLICY", default_value = "lru")]
    cache_policy: Policy,
    /// How many frontends, 1 to 3 [default: another number for each seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    frontends: Option<u8>,
    /// How many order replicas, 1 to 9 [default: another number for each seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    orders: Option<u8>,
    /// How many replicas the catalog has, 1 to 9
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=9))]
    catalog_replicas: u8,
    /// Plant this bug (docs/planted-bugs.md)
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "BUG", value_parser = planted_named)]
    planted: Option<&'static Planted>,
    /// Judge a mode that promises less as if it promised everything
    #[arg(long)]
    strict: bool,
    /// How clocks run: drawn (beyond the bound that leases trust, in some seeds), within-bound, or
    /// beyond-bound: in every seed, and when it matters. Then cached reads must be caught to be
    /// old, and everything else must hold
    #[arg(long, value_name = "CLOCKS", default_value_t = Clocks::Drawn)]
    clocks: Clocks,
    /// Whether order replicas come, go and are replaced: drawn (in every other seed, under raft and
    /// unless --orders says how many), fixed, or changing (in every seed, under raft)
    #[arg(long, value_name = "MEMBERS", default_value_t = Members::Drawn)]
    members: Members,
    /// Let nothing go wrong
    #[arg(long)]
    no_faults: bool,
    /// Run each seed twice, and compare
    #[arg(long)]
    twice: bool,
    /// Do not make a failing run smaller
    #[arg(long)]
    no_shrink: bool,
    /// How long the first failing run is made smaller, in seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    shrink_seconds: u64,
    /// Where the bundle of a single run is put, or of the first failing one: its history, trace,
    /// verdict and picture [default: none of a single run; sim-SEED of a failing one]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Add what was counted to this file, and print its sums
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

impl Sim {
    /// Runs one seed, or many.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn run(self) -> Result<ExitCode> {
        if self.members == Members::Changing && self.replication != Protocol::Raft {
            bail!(
                "--members changing is for raft: under {} the order replicas are fixed",
                self.replication
            );
        }
        if let Some(path) = &self.ledger {
            super::check_writable(path)?;
            ledger::read(path)?;
        }
        let scenario =
            self.scenario.as_deref().map(|path| read_scenario(path, None)).transpose()?;
        let scenario = scenario.as_ref().map(|(scenario, _)| scenario);
        match self.seed {
            Some(seed) => self.run_one(scenario, seed),
            None => self.run_many(scenario),
        }
    }

    /// What happens in a seed.
    fn plan(&self, scenario: Option<&Scenario>, seed: u64) -> Plan {
        match scenario {
            Some(scenario) => {
                let mut plan = scenario.plan(seed);
                plan.setting.strict = self.strict;
                plan.setting.planted = self.planted();
                plan
            }
            None => Plan::drawn(seed, &self.wishes()),
        }
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            protocol: self.planted().map_or(self.replication, |planted| planted.protocol),
            invalidation: self.invalidation,
            cache_policy: self.cache_policy,
            frontends: self.frontends,
            orders: self.orders,
            catalogs: self.planted().map_or(self.catalog_replicas, |planted| planted.catalogs),
            length: Duration::from_secs(60 * self.minutes),
            faults: !self.no_faults,
            strict: self.strict,
            planted: self.planted(),
            clocks: self.clocks,
            members: self.planted().map_or(self.members, |planted| planted.members),
        }
    }

    #[cfg(feature = "planted")]
    fn planted(&self) -> Option<&'static Planted> {
        self.planted
    }

    #[cfg(not(feature = "planted"))]
    fn planted(&self) -> Option<&'static Planted> {
        None
    }

    /// One seed, aloud.
    fn run_one(&self, scenario: Option<&Scenario>, seed: u64) -> Result<ExitCode> {
        let wishes = self.wishes();
        let plan = self.plan(scenario, seed).trimmed(&self.trim);
        paint::say(format_args!("{:?}", plan.setting));
        let outcome = pool::measured(&plan, self.trace || self.out.is_some());
        for line in outcome.trace.iter().filter(|_| self.trace) {
            println!("{line}");
        }
        if let Some(folder) = &self.out {
            self.bundle(folder, &plan, &self.trim, &outcome)?;
        }
        let mut suite = Suite::new(wishes);
        let again = self.twice.then(|| pool::measured(&plan, false));
        let equal = again.as_ref().is_none_or(|again| again.digest == outcome.digest);
        suite.add(&outcome.tally);
        suite.tally.seeds_twice += u64::from(again.is_some() && equal);
        paint::say(format_args!("digest {:016x}", outcome.digest));
        match &outcome.broken {
            Some(broken) => self.show_broken(seed, broken, &self.trim),
            None => println!("{}", paint::check(true, &format!("seed {seed}: every promise kept"))),
        }
        if let Some(stale) = &outcome.forgiven {
            println!("  but for fresh reads, which it does not promise: {stale}");
        }
        if !equal {
            println!("{}", paint::check(false, "the second run was another one"));
        }
        table::print(&suite, false);
        self.sum_up(&suite.tally)?;
        Ok(if outcome.broken.is_none() && equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn run_many(&self, scenario: Option<&Scenario>) -> Result<ExitCode> {
        let wishes = self.wishes();
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZero::get).min(JOBS_MAX);
        let seeds = self.from..self.from + self.seeds;
        let mut suite = Suite::new(wishes);
        let mut first: Option<(u64, Broken)> = None;
        let mut shown = 0;
        let mut caught: Option<(u64, String)> = None;
        let plan_of = |seed| self.plan(scenario, seed);
        pool::run(seeds, jobs, self.twice, &plan_of, |seed, outcome: &Outcome| {
            suite.add(&outcome.tally);
            if let Some(stale) = &outcome.forgiven {
                caught.get_or_insert_with(|| (seed, stale.clone()));
            }
            let Some(broken) = &outcome.broken else { return };
            if shown < SHOWN_MAX {
                shown += 1;
                self.show_broken(seed, broken, &Trim::default());
            }
            if first.as_ref().is_none_or(|(other, _)| seed < *other) {
                first = Some((seed, broken.clone()));
            }
        });
        let drawn = scenario.is_none() && !self.no_faults;
        let points_due = self.seeds >= POINTS_DUE_FROM && drawn;
        table::print(&suite, points_due);
        self.sum_up(&suite.tally)?;
        if let Some((seed, broken)) = first.filter(|_| !self.no_shrink) {
            self.shrink(&self.plan(scenario, seed), &broken)?;
        }
        let reached = !points_due || suite.missing().is_empty();
        let caught = self.says_what_was_caught(&suite, caught.as_ref());
        let holds = suite.tally.seeds_broken == 0 && reached && caught;
        let words = match holds {
            true => "every promise was kept in every seed",
            false if !caught => "clocks ran beyond their bound, and no cached read was caught",
            false if suite.tally.seeds_broken > 0 => "a promise was broken",
            false => "an interesting state was never reached",
        };
        println!("{}", paint::check(holds, words));
        Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// With clocks beyond their bound, that caches were found to serve what is old; whether they
    /// were, as they must be in a suite of some length.
    fn says_what_was_caught(&self, suite: &Suite, first: Option<&(u64, String)>) -> bool {
        if self.clocks != Clocks::BeyondBound {
            return true;
        }
        let Some((seed, sentence)) = first else { return self.seeds < CAUGHT_DUE_FROM };
        let (caught, seeds) = (suite.tally.seeds_forgiven, suite.tally.seeds);
        println!("a cached read was caught to be old in {caught} of {seeds} seeds, as in {seed}:");
        println!("  {sentence}");
        true
    }

    fn show_broken(&self, seed: u64, broken: &Broken, trim: &Trim) {
        let words = format!("seed {seed} broke: {}: {}", broken.promise, broken.what);
        println!("{}", paint::check(false, &words));
        println!("  {} --trace", self.replay(seed, trim));
    }

    /// Makes a failing run smaller, and shows how it ends.
    fn shrink(&self, plan: &Plan, broken: &Broken) -> Result<()> {
        let seed = plan.setting.seed;
        paint::say(format_args!("seed {seed} is made smaller …"));
        let end = Instant::now() + Duration::from_secs(self.shrink_seconds);
        let mut give_up = || Instant::now() >= end;
        let shrunk = pool::quietly(|| simulator::shrink(plan, broken.promise, &mut give_up));
        let Some(shrunk) = shrunk else {
            paint::say(format_args!("seed {seed} does not fail again"));
            return Ok(());
        };
        let trace = &shrunk.outcome.trace;
        for line in &trace[trace.len().saturating_sub(TRACE_SHOWN)..] {
            println!("    {line}");
        }
        if let Some(broken) = &shrunk.outcome.broken {
            println!("smaller, after {} runs: {}: {}", shrunk.tries, broken.promise, broken.what);
        }
        println!("  {} --trace", self.replay(seed, &shrunk.trim));
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("sim-{seed}")));
        self.bundle(&folder, plan, &shrunk.trim, &shrunk.outcome)
    }

    /// Writes down everything about a run.
    fn bundle(&self, folder: &Path, plan: &Plan, trim: &Trim, outcome: &Outcome) -> Result<()> {
        let repeat = self.replay(plan.setting.seed, trim);
        kept::write(folder, &plan.setting, outcome, None, repeat)?;
        println!("history, frames, trace, verdict and picture: {}", folder.display());
        println!("  toystore view {}", folder.display());
        Ok(())
    }

    fn sum_up(&self, tally: &Tally) -> Result<()> {
        let Some(path) = &self.ledger else { return Ok(()) };
        let sums = ledger::add(path, tally)?;
        println!("\nall suites in {}", path.display());
        table::print_sums(&sums);
        Ok(())
    }
}

#[cfg(feature = "planted")]
fn planted_named(name: &str) -> Result<&'static Planted, String> {
    Planted::named(name).ok_or_else(|| "no such bug: see docs/planted-bugs.md".to_string())
}

impl Suite {
    /// The points that were to be reached and were not.
    fn missing(&self) -> Vec<Point> {
        let due = Point::ALL.into_iter().filter(|point| point.is_due(&self.wishes));
        due.filter(|point| !self.tally.points.contains_key(point.words())).collect()
    }
}
