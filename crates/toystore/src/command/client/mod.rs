//! `toystore client`: shoppers for a store, and whether it kept its word to them.

pub mod history_file;
mod order_file;
mod outcome;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::println;
use anyhow::Result;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use shop::message::Consistency;
use shop::shopper::{Config, Draw, Probability, Summary};
use shop::toy::ToyName;

use super::{Running, Signals, paint};
use crate::client::dialect::Dialect;
use crate::client::runner::{Clock, FRONTENDS_MAX, Party, Report};
use crate::http::connection::Url;
use crate::supervisor::cluster::Member;
use shop::invalidation::{duration, duration_text};

use history_file::HistoryFile;
use order_file::OrderFile;
pub use outcome::Outcome;

/// The most shoppers of one run: each has a connection, and so an open file.
const CLIENTS_MAX: i64 = 10_000;

/// Run shoppers against a store, and compare at the end
///
/// Each looks at random toys, orders some of those in stock, and at the end asks for each of its
/// orders and compares. Exit code 0 only if every comparison matched. Any implementation of the
/// course's lab can be tested this way: --url says where it is.
#[derive(Debug, Args)]
pub struct Client {
    /// A frontend; several are tried in turn, repeat it or put commas between them [default: the
    /// frontends of the store in --data; if that is not given, and no store runs in
    /// ./toystore-data: http://127.0.0.1:8080]
    #[arg(long, env = "TOYSTORE_URL", value_name = "URL", value_delimiter = ',')]
    url: Vec<Url>,
    /// How many shoppers, each on a connection of its own
    #[arg(long, env = "TOYSTORE_CLIENTS", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    clients: u32,
    /// How many toys each looks at
    #[arg(long, env = "TOYSTORE_REQUESTS", value_name = "N", default_value_t = 20)]
    requests: u32,
    /// How likely it orders a toy that is in stock, 0 to 1
    #[arg(long, env = "TOYSTORE_PROBABILITY", value_name = "P", default_value = "0.5")]
    probability: Probability,
    /// How it is drawn which of them it orders
    #[arg(long, env = "TOYSTORE_DRAW", value_enum, default_value_t = DrawChoice::Independent)]
    draw: DrawChoice,
    /// How often a request that fails is tried again, with the same Idempotency-Key
    #[arg(long, env = "TOYSTORE_RETRIES", value_name = "N", default_value_t = 3)]
    retries: u32,
    /// How long a shopper waits before that
    #[arg(long, env = "TOYSTORE_RETRY_INTERVAL", value_name = "DURATION", default_value = "2s",
          value_parser = duration)]
    retry_interval: Duration,
    /// How long a shopper thinks after each toy
    #[arg(long, env = "TOYSTORE_PAUSE", value_name = "DURATION", default_value = "0ms",
          value_parser = duration)]
    pause: Duration,
    /// Fixes every choice [default: random, and printed]
    #[arg(long, env = "TOYSTORE_SEED", value_name = "N", value_parser = seed)]
    seed: Option<u64>,
    /// How fresh the answers to reads must be: linearizable, leader or local
    #[arg(long, env = "TOYSTORE_CONSISTENCY", value_name = "LEVEL",
          default_value_t = Consistency::Linearizable, value_parser = consistency)]
    consistency: Consistency,
    /// Whose JSON is spoken
    #[arg(long, env = "TOYSTORE_DIALECT", value_enum, default_value_t = Dialect::Lab)]
    dialect: Dialect,
    /// The toys to choose from [default: all that the store lists; with the seed dialect, those of
    /// the built-in catalogue]
    #[arg(long, env = "TOYSTORE_TOYS", value_name = "NAMES", value_delimiter = ',')]
    toys: Vec<ToyName>,
    /// Where recorded orders are written, replacing an earlier run's; `none`: nowhere
    #[arg(
        long,
        env = "TOYSTORE_ORDERS_CSV",
        value_name = "FILE",
        default_value = "toystore-orders.csv"
    )]
    orders_csv: PathBuf,
    /// Write what was asked and told, for `toystore check`; nobody else may buy meanwhile
    #[arg(long, env = "TOYSTORE_HISTORY", value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long, env = "TOYSTORE_JSON")]
    json: bool,
    #[command(flatten)]
    running: Running,
}

/// [`Draw`], as it is said on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrawChoice {
    /// Each time with that probability: the lab's shopper
    Independent,
    /// That share of all times: the original project's
    Exact,
}

impl From<DrawChoice> for Draw {
    fn from(choice: DrawChoice) -> Draw {
        match choice {
            DrawChoice::Independent => Draw::Independent,
            DrawChoice::Exact => Draw::Exact,
        }
    }
}

impl Client {
    /// Shops until all are done, or until Ctrl-C.
    ///
    /// # Errors
    /// If the orders cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        super::block_on(self.shop())?
    }

    async fn shop(self) -> Result<ExitCode> {
        let party = self.party()?;
        let repeat = self.repeat(&party);
        paint::say(format_args!("seed {}; on a new store, this does the same:", party.each.seed));
        paint::say(format_args!("  {repeat}"));
        let mut orders = OrderFile::create(&self.orders_csv)?;
        let mut history = match &self.history {
            Some(path) => {
                let store = history_file::store_of(&party, &self.running.data);
                Some(HistoryFile::begin(path, &party, store, &repeat).await?)
            }
            None => None,
        };
        let clock = Clock::start();
        let outcome = run(&party, clock, &mut orders, history.as_mut()).await?;
        if let Some(history) = history {
            let path = history.path().display().to_string();
            let unknown = outcome.summaries.iter().flat_map(Summary::unknown_keys);
            history.end(&party, clock, unknown).await?;
            paint::say(format_args!("history: {path}\n  toystore check {path}"));
        }
        if self.json {
            let mut result = json!({
                "seed": party.each.seed,
                "repeat": repeat,
                "urls": party.urls.iter().map(Url::to_string).collect::<Vec<_>>(),
                "clients": party.clients,
                "orders_csv": orders.path(),
            });
            if let (Some(all), serde_json::Value::Object(more)) =
                (result.as_object_mut(), outcome.json())
            {
                all.extend(more);
            }
            println!("{result}");
        } else {
            println!("{}", outcome.table());
            outcome.sentences().iter().for_each(|sentence| println!("{sentence}"));
            if let Some(path) = orders.path() {
                paint::say(format_args!("orders: {}", path.display()));
            }
        }
        Ok(if outcome.all_matched() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn party(&self) -> Result<Party> {
        let urls = self.urls()?;
        if urls.len() > FRONTENDS_MAX {
            anyhow::bail!("--url names {} frontends; at most {FRONTENDS_MAX} work", urls.len());
        }
        let toys = match (&self.toys[..], self.dialect) {
            ([], Dialect::Seed) => names_of_the_original_project()?,
            (toys, Dialect::Lab | Dialect::Seed) => toys.to_vec(),
        };
        let seed = self.seed.unwrap_or_else(new_seed);
        let each = Config {
            toys,
            requests: self.requests,
            probability: self.probability,
            draw: self.draw.into(),
            retries: self.retries,
            retry_interval: self.retry_interval,
            pause: self.pause,
            consistency: self.consistency,
            ..Config::new(0, vec![], seed)
        };
        let (dialect, clients, recorded) = (self.dialect, self.clients, self.history.is_some());
        Ok(Party { urls, dialect, clients, recorded, rate: None, each })
    }

    /// The frontends that are meant.
    fn urls(&self) -> Result<Vec<Url>> {
        if !self.url.is_empty() {
            return Ok(self.url.clone());
        }
        match self.dialect {
            Dialect::Lab => {
                let url = |member: &Member| Some(member.url.clone());
                self.running.frontends(url, "http://127.0.0.1:8080")
            }
            Dialect::Seed => {
                let url = |member: &Member| member.seed_url.clone();
                self.running.frontends(url, "http://127.0.0.1:8003")
            }
        }
    }

    /// The command line that makes the same choices.
    fn repeat(&self, party: &Party) -> String {
        let urls: Vec<String> = party.urls.iter().map(Url::to_string).collect();
        let mut words = format!(
            "toystore client --url {} --clients {} --requests {} --probability {} --seed {}",
            urls.join(","),
            self.clients,
            self.requests,
            self.probability,
            party.each.seed,
        );
        let mut add = |differs: bool, flag: &str, value: String| {
            if differs {
                words.push_str(&format!(" {flag} {value}"));
            }
        };
        let default = Config::new(0, vec![], 0);
        let interval = duration_text(self.retry_interval);
        add(party.each.draw != default.draw, "--draw", party.each.draw.to_string());
        let level = self.consistency;
        add(level != default.consistency, "--consistency", level.to_string());
        add(self.dialect != Dialect::Lab, "--dialect", self.dialect.to_string());
        add(self.retries != default.retries, "--retries", self.retries.to_string());
        add(self.retry_interval != default.retry_interval, "--retry-interval", interval);
        add(self.pause != default.pause, "--pause", duration_text(self.pause));
        let toys: Vec<&str> = self.toys.iter().map(ToyName::spelling).collect();
        add(!toys.is_empty(), "--toys", format!("'{}'", toys.join(",").replace('\'', "'\\''")));
        words
    }
}

/// Reads a level.
///
/// # Errors
/// Names the three.
fn consistency(text: &str) -> Result<Consistency, String> {
    text.parse().map_err(|_| "expected linearizable, leader or local".to_string())
}

/// Reads a seed.
///
/// # Errors
/// Says which numbers are seeds.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// A seed that is short enough to be typed; 48 bits of chance do not meet twice in one store.
pub fn new_seed() -> u64 {
    rand::random::<u64>() >> 16
}

/// The original project knows toys by their names in lower case, and cannot list them.
fn names_of_the_original_project() -> Result<Vec<ToyName>> {
    let toys = shop::catalog::catalogue::built_in();
    toys.iter().map(|toy| toy.name.key().parse().map_err(anyhow::Error::msg)).collect()
}

/// Until all are done or somebody wants an end; what is not known then stays unknown.
async fn run(
    party: &Party,
    clock: Clock,
    orders: &mut OrderFile,
    mut history: Option<&mut HistoryFile>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut shoppers = party.start(clock);
    let mut bar = Bar::new(party);
    let mut signals = Signals::listen()?;
    let mut asked_to_stop = 0;
    loop {
        tokio::select! {
            biased;
            () = signals.asked_to_stop(), if asked_to_stop < 2 => {
                asked_to_stop += 1;
                if asked_to_stop == 1 {
                    bar.say("no more rounds; what is ordered is compared; once more ends at once");
                    shoppers.end_rounds();
                } else {
                    shoppers.stop();
                }
            }
            report = shoppers.next() => {
                let Some(report) = report else { break };
                orders.add(&report.orders)?;
                if let Some(history) = &mut history {
                    history.add(&report.operations)?;
                }
                bar.advance(&report);
                if let Some(trouble) = outcome.take_in(&report) {
                    bar.say(&trouble);
                }
            }
        }
    }
    bar.bar.finish_and_clear();
    outcome.summaries = shoppers.summaries().await;
    outcome.elapsed = clock.elapsed();
    Ok(outcome)
}

/// How far all shoppers are together; on a terminal only.
struct Bar {
    bar: ProgressBar,
    done: Vec<u32>,
}

impl Bar {
    fn new(party: &Party) -> Bar {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let total = u64::from(party.clients) * u64::from(party.each.requests);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style =
            ProgressStyle::with_template("{bar:40} {pos} of {len} toys looked at, {eta} left");
        Bar {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            done: vec![0; party.clients as usize],
        }
    }

    fn advance(&mut self, report: &Report) {
        let done = &mut self.done[report.session as usize - 1];
        self.bar.inc(u64::from(report.done - *done));
        *done = report.done;
    }

    fn say(&self, words: &str) {
        self.bar.suspend(|| paint::say(words));
    }
}
