//! `toystore evaluate`: the lab's whole evaluation in one command, as one report.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `settings` | what is evaluated, and how much of it |
//! | `lab` | stores, load, and what nodes say: the bench of all experiments |
//! | `latency` | 1: latency of each kind of request, with the cache and without |
//! | `cache` | 2: what is in the cache when; hit rates by policy and capacity |
//! | `invalidation` | 3: what keeps caches right, and what it costs |
//! | `crashes` | 4: nodes die, hang, and come back |
//! | `protocols` | 5: the ways of replication, by `compare`'s cases |
//! | `scale` | 6: more of everything |
//! | `section` | what an experiment hands back |
//! | `statistics` | means, ratios, and how far off they may be |
//! | `forecast`, `progress` | how long it still takes |
//! | `page`, `files`, `environment` | the report |
//!
//! An experiment is a file with `planned` and `run`; a further one needs a name in
//! [`settings::What`] and a line in each of the two `match`es here. Called by the command line.

mod cache;
mod crashes;
mod environment;
mod files;
mod forecast;
mod invalidation;
mod lab;
mod latency;
mod page;
mod progress;
mod protocols;
mod scale;
mod section;
mod settings;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anstream::println;
use anyhow::{Result, bail};
use clap::Args;
use replication::Protocol;

use self::forecast::Forecast;
use self::lab::Lab;
use self::page::Report;
use self::section::Section;
use self::settings::{Settings, Size, What};
use super::client::{new_seed, seed};
use super::paint;
use crate::http::connection::Url;
use crate::supervisor::options::replication;

/// Where the report goes if nobody says.
const OUT_DEFAULT: &str = "report";

/// Measure everything that the course asks for, and write one report
///
/// Latency of each kind of request with the cache and without, what is in the cache when,
/// invalidation schemes, crashes, ways of replication, and scale: each question is answered in a
/// sentence, with the plot it rests on. Starts stores of its own on free ports and ends them.
/// Writes DIR/index.html, which needs nothing else, and every plot as SVG and CSV. Ctrl-C ends it
/// early and keeps what is measured. Exit code 0: done, and no promise was broken.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// Three minutes, in the place of an hour: fewer repetitions, shorter runs
    #[arg(long)]
    quick: bool,
    /// Some seconds: too little for numbers, enough to test the report
    #[arg(long, hide = true, conflicts_with = "quick")]
    smallest: bool,
    /// The folder of the report; one that is there is written over
    #[arg(long, value_name = "DIR", default_value = OUT_DEFAULT)]
    out: PathBuf,
    /// Only these experiments [default: all]
    #[arg(long, value_enum, value_name = "WHAT,…", value_delimiter = ',')]
    only: Vec<What>,
    /// The frontends of a store that runs, as http://HOST:PORT, in the place of stores of its own;
    /// repeat it or put commas between them. What needs a store of its own is left out
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    url: Vec<Url>,
    /// How the order replicas of its stores agree [default: raft]
    #[arg(long, value_parser = replication(), conflicts_with = "url")]
    replication: Option<Protocol>,
    /// Fixes what is drawn: orders of measurements, toys, who dies [default: random, and printed]
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
}

impl Evaluate {
    /// Measures, and writes the report.
    ///
    /// # Errors
    /// If the report cannot be written, a store does not start, or one gives wrong answers.
    pub fn run(self) -> Result<ExitCode> {
        let settings = self.settings()?;
        files::prepare(&settings.out)?;
        super::block_on(evaluate(settings))?
    }

    fn settings(&self) -> Result<Settings> {
        let wanted = |what: &What| self.only.is_empty() || self.only.contains(what);
        let only: Vec<What> = What::ALL.into_iter().filter(wanted).collect();
        if let (false, Some(what)) =
            (self.url.is_empty(), only.iter().find(|w| !can_be_elsewhere(**w)))
            && !self.only.is_empty()
        {
            bail!(
                "--only {} needs stores of its own, and --url names one that runs\n\
                 hint: leave --url away",
                what.name()
            );
        }
        let size = match (self.smallest, self.quick) {
            (true, _) => Size::Smallest,
            (false, true) => Size::Quick,
            (false, false) => Size::Full,
        };
        Ok(Settings {
            only,
            size,
            out: self.out.clone(),
            urls: self.url.clone(),
            replication: self.replication.unwrap_or_default(),
            seed: self.seed.unwrap_or_else(new_seed),
        })
    }
}

/// Whether it can be done to a store that somebody else has started.
fn can_be_elsewhere(what: What) -> bool {
    match what {
        What::Latency | What::Scale => true,
        What::Cache | What::Invalidation | What::Crashes | What::Protocols => false,
    }
}

/// How long an experiment means to take, in seconds.
fn planned(what: What, settings: &Settings) -> f64 {
    match what {
        What::Latency => latency::planned(settings.size, settings.urls.is_empty()),
        What::Cache => cache::planned(settings.size),
        What::Invalidation => invalidation::planned(settings.size),
        What::Crashes => crashes::planned(settings.size),
        What::Protocols => protocols::planned(settings.size),
        What::Scale => scale::planned(settings.size, settings.urls.is_empty()),
    }
}

async fn experiment(what: What, lab: &Lab) -> Result<Section> {
    match what {
        What::Latency => latency::run(lab).await,
        What::Cache => cache::run(lab).await,
        What::Invalidation => invalidation::run(lab).await,
        What::Crashes => crashes::run(lab).await,
        What::Protocols => protocols::run(lab).await,
        What::Scale => scale::run(lab).await,
    }
}

async fn evaluate(settings: Settings) -> Result<ExitCode> {
    let (repeat, began) = (settings.repeat(&settings.only), SystemTime::now());
    paint::say(format_args!("seed {}: {repeat}", settings.seed));
    let elsewhere = !settings.urls.is_empty();
    let (todo, left): (Vec<What>, Vec<What>) =
        settings.only.iter().partition(|what| !elsewhere || can_be_elsewhere(**what));
    let left_out = left.into_iter().map(|what| {
        format!("{}: needs stores of its own, and --url names one that runs.", what.name())
    });
    let forecast = Forecast::new(todo.iter().map(|what| planned(*what, &settings)).collect());
    paint::say(format_args!("it takes some {}", forecast::words(forecast.whole())));
    let lab = Lab::new(settings, forecast)?;
    let warning = environment::warning(lab.folder()).filter(|_| !elsewhere);
    if let Some(warning) = &warning {
        paint::say(format_args!("warning: {warning}"));
    }
    let mut report = Report {
        repeat,
        warning,
        environment: environment::describe(began, lab.folder()),
        took: Default::default(),
        stopped: false,
        failed: Vec::new(),
        left_out: left_out.collect(),
        sections: Vec::new(),
    };
    for what in todo {
        if lab.is_stopped() {
            break;
        }
        lab.progress().begin(&what.name());
        let section = experiment(what, &lab).await;
        lab.progress().end();
        // What one experiment cannot measure is no reason to throw the others away.
        let section = match section {
            Ok(section) => section,
            Err(error) => {
                let words = format!("{} could not be measured: {error:#}", what.name());
                lab.progress().say(&words);
                report.failed.push(words);
                continue;
            }
        };
        for answer in &section.answers {
            lab.progress().say(&format!("  {}", answer.sentence));
        }
        report.sections.push((section, lab.settings.repeat(&[what])));
    }
    report.took = lab.progress().finish();
    report.stopped = lab.is_stopped();
    files::write(&lab.settings.out, &report)?;
    println!("report: {}", lab.settings.out.join(files::PAGE).display());
    println!("to repeat it: {}", report.repeat);
    let broken = report.sections.iter().flat_map(|(section, _)| &section.broken);
    let broken: Vec<&String> = broken.chain(&report.failed).collect();
    for broken in &broken {
        println!("{}", paint::check(false, broken));
    }
    if broken.is_empty() {
        let words = "no promise of the store was broken in what was measured";
        println!("{}", paint::check(true, words));
    }
    Ok(if report.holds() && !report.stopped { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
