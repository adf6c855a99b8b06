//! One round: the store's state before, shoppers and clicks, the verdict while it goes on and at
//! its end.
//!
//! Called by `mod`, one after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use checker::history::{History, Logged, Outcome};
use checker::{picture, report};
use replication::Time;
use serde_json::{Value, json};
use shop::shopper::Config;
use tokio::sync::watch;

use super::gauge::Gauge;
use super::window::Window;
use super::{BUNDLES_KEPT, Counted, Load, Rounds};
use crate::bundle::frames::{Collected, placed};
use crate::bundle::{self, Contents, Verdict};
use crate::client::dialect::Dialect;
use crate::client::runner::{Clock, Party, Report, Running};
use crate::clock::unix_ms;
use crate::command::client::history_file::HistoryFile;
use crate::command::dashboard::feed::Frame;
use crate::command::dashboard::{Dashboard, INTERVAL};
use crate::command::status::{Seen, look};
use crate::http::connection::Url;
use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::layout::Role;

/// How long a round lasts, if something happens in it.
const LENGTH: Duration = Duration::from_secs(60);

/// And how many operations it has at most: judged again and again, all of them.
const OPERATIONS_MAX: usize = 50_000;

/// How often a round is judged: each time it takes this share of the time, at most.
const JUDGE_INTERVAL: Duration = Duration::from_secs(1);
const JUDGE_SHARE: u32 = 10;

/// How soon whoever bought is told its number, at most; an order of which nobody was told by then
/// is taken for one of others.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

/// How long shoppers may take to come to their end.
const REST_MAX: Duration = Duration::from_secs(30);

/// Plays one round, to its end.
///
/// # Errors
/// If the store's state cannot be read before, or the bundle cannot be written.
pub async fn play(dashboard: &Arc<Dashboard>, number: u64) -> Result<()> {
    let rounds = &dashboard.rounds;
    let cluster = dashboard.cluster()?;
    let mut wanted = rounds.wanted.subscribe();
    let load = wanted.borrow_and_update().clone();
    let folder = rounds.bundle(number);
    // From here on nobody buys by click until the state before is read.
    let closed = rounds.gate.write().await;
    let party = party(&cluster, load.as_ref())?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join("history.jsonl");
    let repeat = format!("a page's round {number}, seed {}", party.each.seed);
    let history = HistoryFile::begin(&path, &party, Some(cluster), &repeat).await?;
    let (clock, began_ms) = (Clock::start(), unix_ms());
    {
        let mut shared = rounds.lock();
        shared.told.clear();
        (shared.clock, shared.counted) = (Some(clock), None);
        (shared.judged_upto, shared.picture) = (None, None);
        shared.load = Value::Null;
    }
    let mut round = Round {
        number,
        clock,
        window: Window::new(history.first_line().to_string()),
        history,
        gauge: Gauge::default(),
        heard: vec![Time(0); party.clients as usize],
        last_judged: None,
        strange_since: None,
    };
    let running = party.start(clock);
    drop(closed);
    let mut running = round.go_on(dashboard, running, &mut wanted).await?;

    rounds.lock().open["ending"] = true.into();
    // The shop stays open meanwhile: a shopper that thinks is not disturbed.
    round.come_to_rest(&mut running).await?;
    let closed = rounds.gate.write().await;
    round.take_clicks(rounds)?;
    rounds.lock().clock = None;
    let operations = round.window.len();
    let unknown = round.window.open_keys();
    match is_whole(&dashboard.cluster()?).await {
        true => round.history.end(&party, clock, unknown).await?,
        false => round.history.break_off(&party, clock, unknown).await?,
    }
    drop(closed);
    if operations == 0 {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
        return Ok(());
    }
    let frames = dashboard.feed.since(began_ms);
    let judged = move || judge_all(&folder, &frames, began_ms);
    let judged = tokio::task::spawn_blocking(judged).await??;
    {
        let mut shared = rounds.lock();
        // The bundle has it now.
        shared.picture = None;
        if judged["verdict"] == "broke" {
            shared.broken.push_back(json!({"round": number, "guarantees": broken(&judged)}));
            let many = shared.broken.len().saturating_sub(BUNDLES_KEPT);
            shared.broken.drain(..many);
        }
        shared.ended = json!({"round": number, "operations": operations, "verdict": judged});
    }
    forget_old(rounds, number)
}

/// The names of what broke.
fn broken(judged: &Value) -> Vec<&Value> {
    let all = judged["guarantees"].as_array().into_iter().flatten();
    all.filter(|one| one["verdict"] == "broke").map(|one| &one["guarantee"]).collect()
}

/// Whether the final logs and the stock can be read: everybody who has them answers, to whoever
/// knows the token.
async fn is_whole(cluster: &Cluster) -> bool {
    let answers = |node: &Seen| node.member.state == State::Running && node.said.is_ok();
    let seen = look(cluster).await;
    let mut kept = seen.iter().filter(|node| node.member.role != Role::Frontend);
    cluster.token().is_ok() && kept.all(answers)
}

/// The shoppers of a load; none without one. Frontends that run are tried first.
fn party(cluster: &Cluster, load: Option<&Load>) -> Result<Party> {
    let mut frontends: Vec<&Member> = cluster.of(Role::Frontend).collect();
    frontends.sort_by_key(|member| member.state != State::Running);
    let urls = frontends.into_iter().map(Member::url).collect::<Result<Vec<Url>>>()?;
    let mut each = Config { requests: u32::MAX, ..Config::new(0, vec![], rand::random()) };
    if let Some(load) = load {
        each.probability = load.check().map_err(anyhow::Error::msg)?;
        each.pause = Duration::from_millis(load.pause_ms);
    }
    let clients = load.map_or(0, |load| load.shoppers);
    let rate = load.and_then(|load| load.rate);
    Ok(Party { urls, dialect: Dialect::Lab, clients, recorded: true, rate, each })
}

struct Round {
    number: u64,
    clock: Clock,
    history: HistoryFile,
    window: Window,
    gauge: Gauge,
    /// When each shopper was told something last: what it does now began after that.
    heard: Vec<Time>,
    last_judged: Option<(Instant, Duration)>,
    /// Since when there are orders that nobody here was told of.
    strange_since: Option<Instant>,
}

impl Round {
    /// Until it is old, large, or another load is wanted.
    async fn go_on(
        &mut self,
        dashboard: &Dashboard,
        mut running: Running,
        wanted: &mut watch::Receiver<Option<Load>>,
    ) -> Result<Running> {
        let rounds = &dashboard.rounds;
        // No frame sees more.
        let mut tick = tokio::time::interval(INTERVAL);
        let mut shopping = !self.heard.is_empty();
        loop {
            tokio::select! {
                report = running.next(), if shopping => match report {
                    Some(report) => self.take_in(&report)?,
                    // Nobody is at anything any more.
                    None => {
                        shopping = false;
                        self.heard.clear();
                    }
                },
                _ = wanted.changed() => return Ok(running),
                _ = tick.tick() => {
                    // What the replicas had before: whoever bought that has told it by now.
                    let counted = rounds.lock().counted;
                    while let Some(report) = running.waiting() {
                        self.take_in(&report)?;
                    }
                    self.take_clicks(rounds)?;
                    rounds.lock().load = self.gauge.read(self.clock.now());
                    self.judge(rounds, counted).await?;
                }
            }
            let old = self.clock.elapsed() > LENGTH && self.window.len() > 0;
            // Nobody is there to see it.
            let unseen = self.window.len() == 0 && !shopping && !dashboard.feed.is_watched();
            if old || unseen || self.window.len() > OPERATIONS_MAX {
                return Ok(running);
            }
        }
    }

    /// Shoppers read back what they bought.
    async fn come_to_rest(&mut self, running: &mut Running) -> Result<()> {
        running.end_rounds();
        let rest = tokio::time::sleep(REST_MAX);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                biased;
                report = running.next() => match report {
                    Some(report) => self.take_in(&report)?,
                    None => break,
                },
                () = &mut rest, if !rest.is_elapsed() => running.stop(),
            }
        }
        Ok(())
    }

    fn take_in(&mut self, report: &Report) -> Result<()> {
        report.samples.iter().for_each(|sample| self.gauge.add(sample));
        self.gauge.give_up(report.given_up);
        let told = self.write(&report.operations)?;
        if let (Some(told), Some(heard)) = (told, self.heard.get_mut(report.session as usize - 1)) {
            *heard = told;
        }
        Ok(())
    }

    fn take_clicks(&mut self, rounds: &Rounds) -> Result<()> {
        let told = std::mem::take(&mut rounds.lock().told);
        self.write(&told).map(|_| ())
    }

    /// Returns when the last of them was told.
    fn write(&mut self, lines: &[String]) -> Result<Option<Time>> {
        self.history.add(lines)?;
        Ok(lines.iter().filter_map(|line| self.window.add(line)).max().map(Time))
    }

    /// Before this moment everything that had begun has ended; not known while something that ended
    /// is not taken in yet.
    fn cut(&self, rounds: &Rounds) -> Option<Time> {
        let shared = rounds.lock();
        if !shared.told.is_empty() {
            return None;
        }
        let clicks = shared.under_way.values().min().copied();
        let all = self.heard.iter().copied().chain(clicks);
        Some(all.min().unwrap_or_else(|| self.clock.now()))
    }

    /// `counted`: how many orders the replicas had before all that was told was taken in.
    async fn judge(&mut self, rounds: &Rounds, counted: Option<Counted>) -> Result<()> {
        if self
            .last_judged
            .is_some_and(|(at, took)| at.elapsed() < JUDGE_INTERVAL.max(took * JUDGE_SHARE))
        {
            return Ok(());
        }
        let (Some(cut), Some(Counted { at, orders })) = (self.cut(rounds), counted) else {
            return Ok(());
        };
        // Of all orders up to here it is known whether they are ours.
        let cut = cut.min(at);
        let others = self.window.missing(self.history.orders_before(), orders);
        if others == 0 {
            self.strange_since = None;
        } else if self.strange_since.get_or_insert_with(Instant::now).elapsed() < TOLD_WITHIN {
            return Ok(());
        }
        let began = Instant::now();
        let lines = self.window.until(cut.0);
        let judged = tokio::task::spawn_blocking(move || -> Result<(Value, Option<String>)> {
            let Verdict { history, judged } = bundle::judge(lines.iter().map(String::as_str))?;
            let json = shown(report::json(&history, &judged));
            let picture = (json["verdict"] == "broke" && others == 0)
                .then(|| picture::page(&history, &judged));
            Ok((json, picture))
        });
        let (mut judged, picture) = judged.await??;
        if others > 0 {
            undecide(&mut judged, others);
        }
        self.last_judged = Some((Instant::now(), began.elapsed()));
        let files: &[&str] = if picture.is_some() { &["picture.html"] } else { &[] };
        let mut shared = rounds.lock();
        shared.open = json!({
            "round": self.number,
            "seconds": self.clock.elapsed().as_secs_f64(),
            "operations": self.window.len(),
            "verdict": judged,
            "files": files,
        });
        shared.judged_upto = Some(cut);
        shared.picture = picture.map(|picture| (self.number, picture));
        Ok(())
    }
}

/// What a frame shows of a verdict: of each guarantee one example is enough.
fn shown(mut judged: Value) -> Value {
    judged["counterexample"] = Value::Null;
    for guarantee in judged["guarantees"].as_array_mut().into_iter().flatten() {
        if let Some(examples) = guarantee["counterexamples"].as_array_mut() {
            examples.truncate(1);
        }
    }
    judged
}

/// Whoever else bought is not in the history: it proves nothing.
fn undecide(judged: &mut Value, others: u64) {
    let words = format!(
        "of {others} orders nobody here was told, as if others than this page had bought: a \
         history without them proves nothing"
    );
    judged["verdict"] = "not-decided".into();
    judged["others"] = others.into();
    for guarantee in judged["guarantees"].as_array_mut().into_iter().flatten() {
        guarantee["verdict"] = "not-decided".into();
        guarantee["words"] = words.clone().into();
        guarantee["counterexamples"] = json!([]);
    }
}

/// Judges a round that has ended, and makes its bundle, with the frames since it began.
fn judge_all(folder: &Path, frames: &[Arc<Frame>], began_ms: u64) -> Result<Value> {
    let path = folder.join("history.jsonl");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    let mut seen = Collected::default();
    frames.iter().for_each(|frame| seen.add(placed(&frame.json, frame.at_ms - began_ms)));
    let contents = Contents { frames: &seen.lines(), ..Contents::default() };
    let Verdict { history, judged } = bundle::write(folder, &lines, &contents)?;
    let mut json = shown(report::json(&history, &judged));
    let others = others_in(&history);
    if others > 0 {
        undecide(&mut json, others);
    }
    Ok(json)
}

/// Orders in the final logs that nobody in the history bought.
fn others_in(history: &History) -> u64 {
    let bought = |outcome: &Outcome| match outcome {
        Outcome::Bought(bought) | Outcome::FateRecorded(bought) => Some(bought.order),
        _ => None,
    };
    let mine: BTreeSet<u64> =
        history.operations.iter().filter_map(|one| bought(&one.outcome)).collect();
    let logs = history.logs();
    let others = |orders: &Vec<&Logged>| {
        let new = orders.iter().filter(|order| order.number >= history.head.orders);
        new.filter(|order| !mine.contains(&order.number)).count() as u64
    };
    logs.values().map(others).max().unwrap_or_default()
}

/// Removes the bundles of rounds that are long over; of those that broke a promise fewer.
fn forget_old(rounds: &Rounds, newest: u64) -> Result<()> {
    let old = rounds.kept().into_iter().filter(|number| *number < newest);
    let broke = |number: &u64| {
        let verdict = std::fs::read_to_string(rounds.bundle(*number).join("verdict.json"));
        verdict.is_ok_and(|text| text.contains("\"verdict\": \"broke\""))
    };
    let (broken, fine): (Vec<u64>, Vec<u64>) = old.partition(broke);
    for group in [broken, fine] {
        let many = group.len().saturating_sub(BUNDLES_KEPT - 1);
        for number in &group[..many] {
            let folder = rounds.bundle(*number);
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}
