//! `toystore demo`: shoppers, a crash of the leader in the middle (of the catalog's too, where it
//! has replicas), its return, and the verdict.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `play` | shoppers and the crash, side by side |
//! | `story` | what happens, told with the time |
//! | `outage` | how long orders stood still |
//! | `evidence` | what is asked of the nodes afterwards |
//! | `verdict` | what no history shows; all else is judged by crate `checker` |

pub mod evidence;
mod outage;
mod play;
pub mod story;
mod verdict;

use replication::Protocol;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anstream::println;
use anyhow::{Context, Result, bail};
use checker::report;
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;
use shop::shopper::{Config, Probability, Summary};

use super::client::history_file::HistoryFile;
use super::dashboard::source::Source;
use super::dashboard::{Dashboard, Door};
use super::{Signals, paint};
use crate::bundle::{self, Verdict};
use crate::client::dialect::Dialect;
use crate::client::runner::Party;
use crate::http::connection::Url;
use crate::supervisor::Store;
use crate::supervisor::cluster::Cluster;
use crate::supervisor::control;
use crate::supervisor::event::Event;
use crate::supervisor::layout::Role;
use crate::supervisor::options::{Logs, Options, Timers, replication};
use crate::supervisor::ports::Wanted;
use shop::frontend::Policy;
use shop::invalidation::{Invalidation, duration, duration_text};

use outage::Outage;
use play::Played;
use story::Story;
use verdict::Check;

/// A demo is short, so toys that are sold out come back sooner than in the course's lab.
const RESTOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Toys in each cache: the course's number, as `up` has it.
const CACHE_CAPACITY: u32 = 7;
/// The most nodes of one role, as `up` has it.
const NODES_MAX: i64 = 9;
/// The most shoppers: each has a connection.
const CLIENTS_MAX: i64 = 1000;

/// Show it all in a quarter of a minute: shoppers, a crash, and the verdict
///
/// Starts a store of its own on free ports, sends shoppers, kills the order leader in the middle
/// (kill -9), brings it back, and then says of each promise whether it was kept. Exit code 0 only
/// if all were.
#[derive(Debug, Args)]
pub struct Demo {
    /// How order replicas agree
    #[arg(long, env = "TOYSTORE_REPLICATION", value_parser = replication(),
          default_value_t = Protocol::default())]
    replication: Protocol,
    /// How many catalogs, 1 or 3 to 9. If there are several, the one that leads them is killed too
    #[arg(long, env = "TOYSTORE_CATALOG_REPLICAS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    catalog_replicas: u8,
    /// How many frontends, 1 to 9
    #[arg(long, env = "TOYSTORE_FRONTENDS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=NODES_MAX))]
    frontends: u8,
    /// How soon silence is taken for death
    #[arg(long, env = "TOYSTORE_TIMERS", value_enum, default_value_t = Timers::Default)]
    timers: Timers,
    /// How many shoppers
    #[arg(long, env = "TOYSTORE_CLIENTS", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    clients: u32,
    /// How many toys each looks at
    #[arg(long, env = "TOYSTORE_REQUESTS", value_name = "N", default_value_t = 500)]
    requests: u32,
    /// How likely it orders a toy that is in stock, 0 to 1
    #[arg(long, env = "TOYSTORE_PROBABILITY", value_name = "P", default_value = "0.5")]
    probability: Probability,
    /// How long a shopper thinks after each toy
    #[arg(long, env = "TOYSTORE_PAUSE", value_name = "DURATION", default_value = "20ms",
          value_parser = duration)]
    pause: Duration,
    /// Fixes every choice of the shoppers [default: random, and printed]
    #[arg(long, env = "TOYSTORE_SEED", value_name = "N", value_parser = super::client::seed)]
    seed: Option<u64>,
    /// Keep data and logs in this folder, which must be new [default: nothing is kept]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Let nodes break their own network edges when they are told to, by PUT /faults
    #[arg(long, env = "TOYSTORE_CHAOS", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", default_value = "true",
          value_parser = BoolishValueParser::new())]
    chaos: bool,
    /// Where the checker's picture goes
    #[arg(long, value_name = "FILE", default_value = "toystore-demo.html")]
    picture: PathBuf,
    /// Serve no page meanwhile; with --json there is none
    #[arg(long, env = "TOYSTORE_NO_DASHBOARD")]
    no_dashboard: bool,
    /// Print the verdict as one JSON object
    #[arg(long, env = "TOYSTORE_JSON")]
    json: bool,
}

/// What is judged at the end.
struct Judged {
    played: Played,
    /// What the checker says of the history.
    verdict: Verdict,
    /// What no history shows.
    checks: Vec<Check>,
}

impl Judged {
    fn holds(&self) -> bool {
        let held = self.verdict.judged.verdict() == checker::verdict::Verdict::Held;
        held && self.checks.iter().all(|check| check.holds)
    }
}

impl Demo {
    /// Plays.
    ///
    /// # Errors
    /// If the store does not come up, or has no leader that could be killed.
    pub fn run(self) -> Result<ExitCode> {
        if self.catalog_replicas == 2 {
            bail!(
                "--catalog-replicas 2: the demo kills one of several catalogs, and of two nothing \
                 is left that is a majority\nhint: 1, or 3"
            );
        }
        if let Some(keep) = self.keep.as_ref().filter(|keep| keep.join("store.json").exists()) {
            anyhow::bail!(
                "{} holds a store already, and the verdict needs a new one\n\
                 hint: --keep names a folder that does not exist yet",
                keep.display()
            );
        }
        super::check_writable(&self.picture)?;
        super::block_on(self.play())?
    }

    async fn play(self) -> Result<ExitCode> {
        let seed = self.seed.unwrap_or_else(super::client::new_seed);
        let repeat = self.repeat(seed);
        paint::say(format_args!("seed {seed}; this makes the same choices:\n  {repeat}"));
        let story = Story::begin();
        story.tell(format_args!(
            "a new store: {}, 3 order replicas ({}), {} frontend{}",
            match self.catalog_replicas {
                1 => "catalog".to_string(),
                count => format!("{count} catalogs"),
            },
            self.replication,
            self.frontends,
            if self.frontends == 1 { "" } else { "s" }
        ));
        let mut signals = Signals::listen()?;
        let door = match self.no_dashboard || self.json {
            true => None,
            false => Some(Door::open(None, false, "--no-dashboard serves none").await?),
        };
        let options = self.options(door.as_ref())?;
        let started = Store::start(&options, report(story), signals.asked_to_stop()).await?;
        let Some(store) = started else { return Ok(ExitCode::FAILURE) };
        if let Some(door) = door {
            let source = Arc::new(Source::Up(store.folder().path().to_path_buf()));
            let address = Dashboard::serve(door, source, self.chaos)?.address;
            story.tell(format_args!("to look at it meanwhile: {address}"));
        }
        let done = tokio::select! {
            biased;
            () = signals.asked_to_stop() => Ok(None),
            judged = self.judge(&store, story, seed, &repeat) => judged.map(Some),
        };
        store.stop().await;
        story.tell("all processes have ended");
        let Some(judged) = done? else {
            paint::say("stopped before the verdict");
            return Ok(ExitCode::FAILURE);
        };
        let Verdict { history, judged: of_history } = &judged.verdict;
        std::fs::write(&self.picture, checker::picture::page(history, of_history))
            .with_context(|| format!("cannot write the picture to {}", self.picture.display()))?;
        let holds = judged.holds();
        match self.json {
            true => println!("{}", self.to_json(seed, &repeat, &judged)),
            false => print(&judged),
        }
        paint::say(format_args!("picture: {}", self.picture.display()));
        if !holds && self.keep.is_none() {
            paint::say(format_args!("hint: {repeat} --keep DIR keeps data and logs"));
        }
        Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn judge(
        &self,
        store: &Arc<Store>,
        story: Story,
        seed: u64,
        repeat: &str,
    ) -> Result<Judged> {
        let cluster = store.cluster();
        let token = cluster.token()?;
        // With --keep, others can look at it (`status`) and interfere (`pause`) meanwhile.
        tokio::spawn(control::serve(store.clone(), control::listen(store.folder().path())?));
        let party = self.party(&cluster, seed)?;
        let path = store.folder().path().join("history.jsonl");
        let known = Some(cluster.clone());
        let mut history = HistoryFile::begin(&path, &party, known, repeat).await?;
        let played = play::play(store, &party, story, &mut history).await?;
        let summaries = played.outcome.summaries.clone();
        let unknown = summaries.iter().flat_map(Summary::unknown_keys);
        history.end(&party, played.clock, unknown).await?;
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let verdict = bundle::judge(text.lines())?;
        story.tell("everything that shoppers were told is judged");
        let outage = Outage::measure(played.answered.clone(), played.killed, played.returned);
        let acknowledged = played.acknowledged;
        let evidence = evidence::gather(&cluster, &token, acknowledged, summaries, outage).await;
        Ok(Judged { played, verdict, checks: verdict::judge(&evidence) })
    }

    fn options(&self, door: Option<&Door>) -> Result<Options> {
        Ok(Options {
            frontends: self.frontends,
            orders: None,
            catalogs: Some(self.catalog_replicas),
            replication: Some(self.replication),
            cache_capacity: CACHE_CAPACITY,
            cache_policy: Policy::Lru,
            invalidation: Invalidation::Lease,
            restock_interval: RESTOCK_INTERVAL,
            catalogue: None,
            timers: self.timers,
            shadow_disk: false,
            chaos: self.chaos,
            ports_auto: true,
            wanted: Wanted::loopback(),
            data: self.keep.as_ref().map(std::path::absolute).transpose()?,
            logs: Logs::Files,
            dashboard: door.map(|door| door.url.clone()),
        })
    }

    fn party(&self, cluster: &Cluster, seed: u64) -> Result<Party> {
        let urls = cluster.of(Role::Frontend).map(crate::supervisor::cluster::Member::url);
        let each = Config {
            requests: self.requests,
            probability: self.probability,
            pause: self.pause,
            ..Config::new(0, vec![], seed)
        };
        let urls = urls.collect::<Result<Vec<Url>>>()?;
        let (dialect, clients) = (Dialect::Lab, self.clients);
        Ok(Party { urls, dialect, clients, recorded: true, rate: None, each })
    }

    fn repeat(&self, seed: u64) -> String {
        let pause = duration_text(self.pause);
        let Demo { replication, frontends, clients, requests, probability, .. } = self;
        let catalogs = match self.catalog_replicas {
            1 => String::new(),
            count => format!(" --catalog-replicas {count}"),
        };
        let timers = match self.timers {
            Timers::Default => String::new(),
            timers => format!(" --timers {timers}"),
        };
        format!(
            "toystore demo --replication {replication}{catalogs}{timers} --frontends {frontends} \
             --clients {clients} --requests {requests} --probability {probability} \
             --pause {pause} --seed {seed}"
        )
    }

    fn to_json(&self, seed: u64, repeat: &str, judged: &Judged) -> serde_json::Value {
        let Verdict { history, judged: of_history } = &judged.verdict;
        let Judged { played, checks, .. } = judged;
        json!({
            "seed": seed,
            "repeat": repeat,
            "replication": self.replication,
            "killed": played.victim,
            "catalog_killed": played.catalog_victim,
            "holds": judged.holds(),
            "history": report::json(history, of_history),
            "checks": checks,
            "clients": played.outcome.json(),
        })
    }
}

/// What the supervisor notices is part of the story; what the play does itself, it tells itself.
fn report(story: Story) -> crate::supervisor::Report {
    Box::new(move |event: &Event| match event {
        Event::Died { asked: true, .. } | Event::Returned { .. } => {}
        Event::Died { asked: false, .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::DoesNotDrain { .. }
        | Event::LeftOut { .. }
        | Event::Unwritten { .. } => story.tell(event),
    })
}

fn print(judged: &Judged) {
    let Verdict { history, judged: of_history } = &judged.verdict;
    println!();
    report::text(history, of_history).lines().for_each(super::check::print_line);
    println!();
    for check in &judged.checks {
        let words = format!("{:<17} {}", check.promise, check.words);
        println!("{}", paint::check(check.holds, &words));
    }
    match judged.holds() {
        true => println!("the store kept every promise"),
        false => println!("the store did not keep every promise"),
    }
}
