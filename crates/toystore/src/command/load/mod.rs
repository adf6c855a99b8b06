//! `toystore load`: how much a store can do, and how long it lets wait.
//!
//! What is sent and counted is in [`crate::load`]; here are its flags, what is shown, and the
//! files.
//! Called by the command line.

mod files;
mod history;
mod merge;
mod outcome;
mod page;
mod run;
pub mod toys;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use shop::invalidation::{duration, duration_text};
use shop::shopper::Probability;

use super::Running;
use super::client::{new_seed, seed};
use crate::http::connection::Url;
use crate::load::arrivals::Rhythm;
use crate::load::goal::{self, Goal};
use crate::load::mix::{Mix, Orders, Popularity, Quantities};
use crate::load::{Extent, Pace};

/// The most connections: each is an open file.
const CLIENTS_MAX: i64 = 10_000;

/// The most threads.
const THREADS_MAX: i64 = 64;

/// The most requests a second that can be asked for.
const RATE_MAX: f64 = 10e6;

/// The smallest: one request in a quarter of an hour.
const RATE_MIN: f64 = 0.001;

/// How long it goes on if nobody says.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);

/// Load a store, check every answer, and say how long answers took
///
/// Without --rate each client waits for its answer before it asks again: how much can the store do?
/// With --rate requests have times of their own, whatever becomes of those before, and a latency
/// counts from the intended time: how long do those wait who come by themselves? Exit code 0 only
/// if no answer was wrong and all of --slo holds. What it buys, it buys.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Load {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    Merge(merge::Merge),
}

/// All flags of a run.
#[derive(Debug, Args)]
struct Flags {
    /// A frontend, or an order replica for orders alone; clients are spread over several: repeat
    /// it or put commas between them [default: as of `toystore client`]
    #[arg(long, env = "TOYSTORE_URL", value_name = "URL", value_delimiter = ',')]
    url: Vec<Url>,
    /// How many clients, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    clients: u32,
    /// Threads; each has its part of the clients, of the rate and of the count
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=THREADS_MAX))]
    threads: u32,
    /// Closed loop: how long a client thinks after an answer
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration,
          conflicts_with = "rate")]
    think: Duration,
    /// Open loop: so many requests a second, of all clients together
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// How they are spread over the time
    #[arg(long, value_enum, default_value_t, requires = "rate")]
    arrivals: Rhythm,
    /// The share of orders, 0 to 1
    #[arg(long, value_name = "P", default_value = "0")]
    orders: Probability,
    /// As the course's shopper: order a toy that was seen in stock, with this probability
    #[arg(long, value_name = "P", conflicts_with_all = ["orders", "rate"])]
    p: Option<Probability>,
    /// The share of requests that read an earlier order again, 0 to 1
    #[arg(long, value_name = "P", default_value = "0")]
    order_queries: Probability,
    /// How often which toy is asked for: uniform, or zipf=EXPONENT; which are popular is drawn from
    /// the seed
    #[arg(long, value_name = "HOW", default_value_t = Popularity::Zipf(0.8))]
    popularity: Popularity,
    /// How many an order asks for: baskets (nearly always one), cds (up to four), or a number
    #[arg(long, value_name = "HOW", default_value_t = Quantities::Baskets)]
    quantities: Quantities,
    /// What is sent in the beginning, and not counted
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    warm_up: Duration,
    /// How long it goes on after that [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "count")]
    duration: Option<Duration>,
    /// Or: until so many requests have been sent after that
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// When a request is given up
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    deadline: Duration,
    /// Fixes kinds, toys, quantities and times [default: random, and printed]
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
    /// What must hold, with commas between: [KIND.]p99<50ms, mean, max, availability>99.9%,
    /// rate>1000; KIND is read, order or order-query
    #[arg(long, value_name = "GOALS", value_delimiter = ',', value_parser = one_goal)]
    slo: Vec<Goal>,
    /// Write the result as JSON; `-`: to stdout, in the place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a line for each second and kind
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page with plots, which needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the latencies as a log of HdrHistogram, for `toystore load merge`
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
    /// Write what was asked and told, also in the warm-up, for `toystore check`; nobody else may
    /// buy meanwhile
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
}

/// Reads a rate.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (RATE_MIN..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("expected requests a second, {RATE_MIN} to {RATE_MAX}"))
}

/// Reads one goal: the commas are clap's.
fn one_goal(text: &str) -> Result<Goal, String> {
    goal::read(text).map(|mut goals| goals.remove(0))
}

impl Load {
    /// Does what it was asked for.
    ///
    /// # Errors
    /// If nobody lists any toys, or a file cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Some(Command::Merge(merge)) => merge.run(),
            None => super::block_on(run::run(self.flags))?,
        }
    }
}

impl Flags {
    /// What the flags say together.
    fn pace(&self) -> Pace {
        match self.rate {
            Some(rate) => Pace::Open { rate, rhythm: self.arrivals },
            None => Pace::Closed { think: self.think },
        }
    }

    fn extent(&self) -> Extent {
        match self.count {
            Some(count) => Extent::Count(count),
            None => Extent::For(self.duration.unwrap_or(DURATION_DEFAULT)),
        }
    }

    fn mix(&self) -> Result<Mix> {
        let shares = [self.orders, self.order_queries].map(Probability::millionths);
        if shares.iter().sum::<u32>() > Probability::ONE {
            bail!(
                "--orders {} and --order-queries {} are more than all requests together",
                self.orders,
                self.order_queries
            );
        }
        Ok(Mix {
            orders: self.p.map_or(Orders::Share(self.orders), Orders::AfterRead),
            order_queries: self.order_queries,
            popularity: self.popularity,
            quantities: self.quantities,
        })
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(new_seed)
    }

    /// The command line that makes the same choices.
    fn repeat(&self, urls: &[Url], seed: u64) -> String {
        let urls: Vec<String> = urls.iter().map(Url::to_string).collect();
        let mut words = format!("toystore load --url {}", urls.join(","));
        let mut add = |flag: &str, value: String| words.push_str(&format!(" --{flag} {value}"));
        add("clients", self.clients.to_string());
        if self.threads > 1 {
            add("threads", self.threads.to_string());
        }
        match (self.rate, self.arrivals) {
            (Some(rate), Rhythm::Poisson) => add("rate", rate.to_string()),
            (Some(rate), Rhythm::Even) => add("rate", format!("{rate} --arrivals even")),
            (None, _) if self.think > Duration::ZERO => add("think", duration_text(self.think)),
            (None, _) => {}
        }
        match self.p {
            Some(p) => add("p", p.to_string()),
            None => add("orders", self.orders.to_string()),
        }
        if self.order_queries > Probability::default() {
            add("order-queries", self.order_queries.to_string());
        }
        add("popularity", self.popularity.to_string());
        add("quantities", self.quantities.to_string());
        add("warm-up", duration_text(self.warm_up));
        match self.extent() {
            Extent::For(time) => add("duration", duration_text(time)),
            Extent::Count(count) => add("count", count.to_string()),
        }
        add("deadline", duration_text(self.deadline));
        add("seed", seed.to_string());
        words
    }
}
