//! `toystore run SCENARIO`: one story in a simulated world or with real processes, judged by one
//! checker, kept as one bundle.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `real` | real nodes: a store, shoppers, the history of them |
//! | `stage` | what they are: processes, or containers |
//! | `wreck` | what goes wrong with them, and its end |
//! | `watched` | what they said meanwhile |
//! | `links` | which of their links are broken now |
//!
//! Called by the command line; the simulated world is crate `simulator`.

mod links;
pub mod real;
pub mod stage;
pub mod watched;
mod wreck;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context, Result};
use checker::report;
use clap::{Args, ValueEnum};
use replication::Protocol;
use simulator::{Scenario, run as run_plan};

use super::paint;
use super::sim::kept;
use crate::bundle::Verdict;
use crate::supervisor::options::replication;

/// Where a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum World {
    /// Deterministic, in virtual time: the same seed is the same run
    Sim,
    /// Real processes, disks and sockets on this machine
    Local,
    /// Containers, made from the image toystore:latest, with networks and volumes of their own
    Compose,
}

/// Play a scenario: a store, shoppers, faults, and the verdict it must end in
///
/// The same file in every world. Exit code 0 only if the verdict is the one that the scenario
/// expects.
#[derive(Debug, Args)]
pub struct Run {
    /// The scenario, a TOML file
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// Where
    #[arg(long, value_enum, default_value_t = World::Sim)]
    world: World,
    /// How order replicas agree, in the place of what the scenario says; what it expects to break
    /// without protection must hold with it
    #[arg(long, value_parser = replication())]
    replication: Option<Protocol>,
    /// How many catalogs, in the place of what the scenario says; where it speaks of the catalog,
    /// that is the one that leads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    catalog_replicas: Option<u8>,
    /// Fixes every choice; with real processes, those of the shoppers and of the links only
    /// [default: random, and printed]
    #[arg(long, env = "TOYSTORE_SEED", value_name = "N", value_parser = super::client::seed)]
    seed: Option<u64>,
    /// The folder for everything about the run: history, verdict, picture, trace or logs
    /// [default: run-SCENARIO-WORLD]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// How a run ended.
struct Ended {
    verdict: Verdict,
    /// What went wrong that is no matter of a history: nobody answered any more, say.
    broken: Option<String>,
}

impl Run {
    /// Plays.
    ///
    /// # Errors
    /// If the scenario cannot be read or played in this world, or the bundle cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let (mut scenario, text) = read_scenario(&self.scenario, self.catalog_replicas)?;
        let mut more = String::new();
        if let Some(protocol) = self.replication {
            scenario = scenario.under(protocol);
            more = format!(" --replication {protocol}");
        }
        if let Some(catalogs) = self.catalog_replicas {
            more.push_str(&format!(" --catalog-replicas {catalogs}"));
        }
        let seed = self.seed.unwrap_or_else(super::client::new_seed);
        let world = self
            .world
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_string());
        let repeat =
            format!("toystore run {} --world {world}{more} --seed {seed}", self.scenario.display());
        let stem = self.scenario.file_stem().unwrap_or_default().to_string_lossy();
        let folder =
            self.out.clone().unwrap_or_else(|| PathBuf::from(format!("run-{stem}-{world}")));
        paint::say(format_args!("{}", scenario.about));
        paint::say(format_args!("seed {seed}; again:\n  {repeat}"));
        let ended = match self.world {
            World::Sim => simulate(&scenario, seed, &folder, &text, &repeat)?,
            World::Local | World::Compose => {
                let play = real::play(&scenario, self.world, seed, &folder, &text, &repeat);
                match super::block_on(play)?? {
                    Some(ended) => ended,
                    None => return Ok(ExitCode::FAILURE),
                }
            }
        };
        Ok(self.conclude(&scenario, &ended, &folder))
    }

    fn conclude(&self, scenario: &Scenario, ended: &Ended, folder: &Path) -> ExitCode {
        let Verdict { history, judged } = &ended.verdict;
        report::text(history, judged).lines().for_each(super::check::print_line);
        println!("\nbundle: {}", folder.display());
        let wrong = ended.broken.clone().or_else(|| scenario.compare(history, judged));
        let words = match &wrong {
            None => format!("as the scenario expects: {}", scenario.expectation()),
            Some(why) => why.clone(),
        };
        println!("{}", paint::check(wrong.is_none(), &words));
        if wrong.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Reads a scenario from its file, perhaps for another number of catalogs; its text too, for the
/// bundle.
///
/// # Errors
/// Says file, line and what was expected.
pub fn read_scenario(path: &Path, catalogs: Option<u8>) -> Result<(Scenario, String)> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let scenario = Scenario::read_for(&text, catalogs);
    let scenario = scenario.with_context(|| format!("{name} is no scenario"))?;
    Ok((scenario, text))
}

fn simulate(
    scenario: &Scenario,
    seed: u64,
    folder: &Path,
    text: &str,
    repeat: &str,
) -> Result<Ended> {
    let plan = scenario.plan(seed);
    let outcome = run_plan(&plan, true);
    let repeat = repeat.to_string();
    let verdict = kept::write(folder, &plan.setting, &outcome, Some(text), repeat)?;
    // What the checker says of the history is the verdict's own matter.
    let others = outcome.broken.filter(|broken| {
        let by_checker = |one: checker::verdict::Guarantee| one.name() == broken.promise;
        !checker::verdict::Guarantee::ALL.into_iter().any(by_checker)
    });
    let broken = others.map(|broken| format!("{}: {}", broken.promise, broken.what));
    Ok(Ended { verdict, broken })
}
