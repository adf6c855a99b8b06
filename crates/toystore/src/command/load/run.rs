//! One run: what is made ready, what is said before and after, and the exit code.
//!
//! Called by `load::mod`; calls [`crate::load`] and every other file of this folder.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::history::History;
use super::outcome::Outcome;
use super::watch::watch;
use super::{Flags, files, page, toys};
use crate::command::service::{FILES_RESERVED, raise_file_limit};
use crate::command::{Signals, check_writable, paint};
use crate::load::count::repeated;
use crate::load::goal::Goal;
use crate::load::request::Prepared;
use crate::load::{Extent, Pace, Plan, Running, mix};
use crate::supervisor::cluster::Member;

/// The word for stdout in the place of a file.
const STDOUT: &str = "-";

/// Loads the store, and says what came of it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let files = [&flags.json, &flags.csv, &flags.html, &flags.hdr, &flags.history];
    for path in files.into_iter().flatten().filter(|path| *path != Path::new(STDOUT)) {
        check_writable(path)?;
    }
    let urls = match &flags.url[..] {
        [] => {
            let url = |member: &Member| Some(member.url.clone());
            flags.running.frontends(url, "http://127.0.0.1:8080")?
        }
        urls => urls.to_vec(),
    };
    let (seed, mix) = (flags.seed(), flags.mix()?);
    let repeat = flags.repeat(&urls, seed);
    paint::say(format_args!("seed {seed}; this makes the same choices:\n  {repeat}"));
    let addresses = urls.iter().map(toys::address).collect::<Result<Vec<_>>>()?;
    let mut names = toys::toys(&urls).await?;
    mix::shuffle(&mut names, seed);
    let toys = names.len();
    let mut history = match &flags.history {
        Some(path) => Some(History::begin(path, &flags, (&urls, &names), &repeat).await?),
        None => None,
    };
    let plan = Plan {
        addresses,
        // No seed: keys must be new to the store in every run.
        prepared: Prepared::new(&urls, names, rand::random()),
        mix,
        pace: flags.pace(),
        clients: flags.clients.max(flags.threads) as usize,
        threads: flags.threads as usize,
        warm_up: flags.warm_up,
        extent: flags.extent(),
        deadline: flags.deadline,
        seed,
        recorded: history.is_some(),
    };
    let about = about(&flags, &plan, toys);
    paint::say(&about);
    raise_file_limit(u64::from(flags.clients) + FILES_RESERVED);
    let (began, signals) = (SystemTime::now(), Signals::listen()?);
    let running = Running::start(plan).context("cannot start the generator")?;
    let whole = flags.warm_up + super::DURATION_DEFAULT.max(flags.duration.unwrap_or_default());
    let mut gathered = watch(running, signals, &flags, whole, &mut history).await?;
    let twice = repeated(std::mem::take(&mut gathered.numbers));
    let judge = |goal: &Goal| goal.judge(&gathered.counts, gathered.measured);
    let goals = flags.slo.iter().map(judge).collect();
    let open = flags.rate.is_some();
    let outcome =
        Outcome { began: began + flags.warm_up, seed, repeat, about, open, gathered, twice, goals };
    write(&flags, &outcome)?;
    if let Some(history) = history {
        history.end().await?;
    }
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is done, in a sentence.
fn about(flags: &Flags, plan: &Plan, toys: usize) -> String {
    let threads = if plan.threads == 1 { "thread" } else { "threads" };
    let who = format!("{} clients on {} {threads}", plan.clients, plan.threads);
    let pace = match plan.pace {
        Pace::Closed { think } if think.is_zero() => {
            format!("closed loop: {who}, each asks again when it has its answer")
        }
        Pace::Closed { think } => format!("closed loop: {who}, each thinks for {think:?}"),
        Pace::Open { rate, rhythm } => {
            let rhythm = rhythm.to_possible_value().map(|value| value.get_name().to_string());
            let rhythm = rhythm.unwrap_or_default();
            format!("open loop: {rate} requests a second ({rhythm}) over {who}")
        }
    };
    let orders = match flags.p {
        Some(p) => format!("a toy in stock is ordered with p = {p}"),
        None => format!("{} orders", flags.orders),
    };
    let extent = match plan.extent {
        Extent::For(time) => format!("for {time:?}"),
        Extent::Count(count) => format!("{count} requests"),
    };
    format!(
        "{pace}; {toys} toys, {}; {orders}, {} order queries; {extent} after a warm-up of {:?}",
        flags.popularity, flags.order_queries, plan.warm_up
    )
}

/// The table, or JSON in its place, and all files.
fn write(flags: &Flags, outcome: &Outcome) -> Result<()> {
    let put = |path: &Path, text: String| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut named = Vec::new();
    if let Some(path) = &flags.csv {
        put(path, files::csv(outcome))?;
        named.push(("a line for each second and kind", path));
    }
    if let Some(path) = &flags.html {
        put(path, page::page(outcome))?;
        named.push(("plots", path));
    }
    if let Some(path) = &flags.hdr {
        put(path, files::hdr(outcome).map_err(anyhow::Error::msg)?)?;
        named.push(("latencies", path));
    }
    let json = || format!("{:#}\n", files::json(outcome));
    match &flags.json {
        Some(path) if path == Path::new(STDOUT) => anstream::print!("{}", json()),
        Some(path) => {
            put(path, json())?;
            named.push(("result", path));
            outcome.print();
        }
        None => outcome.print(),
    }
    for (what, path) in named {
        paint::say(format_args!("{what}: {}", path.display()));
    }
    Ok(())
}
