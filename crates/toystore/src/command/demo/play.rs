//! Shoppers shop; meanwhile the order leader is killed, another one leads, and the first returns.
//! Where the catalog has replicas, the one that leads them fares likewise, a little later.
//!
//! The crash is timed by how far the shoppers are, not by a clock alone, so that it comes in the
//! middle on slow machines too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use checker::history::{EventKind, Line};
use replication::Time;
use shop::shopper::Kind;
use shop::{orders, shopper};
use tokio::sync::watch;

use super::story::Story;
use crate::client::runner::{Clock, Party, Report, Running};
use crate::command::client::Outcome;
use crate::command::client::history_file::HistoryFile;
use crate::supervisor::Store;
use crate::supervisor::cluster::Member;
use crate::supervisor::layout::Role;
use crate::supervisor::{leader, node_status};

/// The leader is killed when shoppers have done this share of their rounds, in percent.
const KILL_AT_PERCENT: u64 = 35;
/// It comes back so long after …
const RETURN_AFTER: Duration = Duration::from_secs(3);
/// … or when shoppers have come so far: others must see it return.
const RETURN_AT_PERCENT: u64 = 80;
/// The catalog that leads is killed when they have done this share, if it has replicas.
const CATALOG_KILL_AT_PERCENT: u64 = 55;
/// How often it is looked who leads, and how far the one that returned is.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long another may take to lead, or a replica to catch up.
const CHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// How often the story says how far the shoppers are.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// A silence that the story mentions: far above what an order takes.
const SILENCE_TOLD: Duration = Duration::from_millis(250);

/// What happened.
#[derive(Debug)]
pub struct Played {
    /// How many orders were acknowledged.
    pub acknowledged: u64,
    /// When an order was answered for good: recorded, or refused for want of stock.
    pub answered: Vec<Time>,
    /// What shoppers met.
    pub outcome: Outcome,
    /// Who was killed.
    pub victim: String,
    /// Which catalog was, if it has replicas.
    pub catalog_victim: Option<String>,
    /// When.
    pub killed: Time,
    /// When its process answered again.
    pub returned: Time,
    /// The clock of all these times.
    pub clock: Clock,
}

/// Plays.
///
/// # Errors
/// If there is no leader to kill, or it does not start again.
pub async fn play(
    store: &Arc<Store>,
    party: &Party,
    story: Story,
    history: &mut HistoryFile,
) -> Result<Played> {
    let cluster = store.cluster();
    let (leading, term) = leader::find_with_term(&cluster).await?;
    story.tell(format_args!("all are ready; {} leads under term {term}", leading.name));
    story.tell(format_args!("{} shoppers begin", party.clients));
    let clock = Clock::start();
    // How far the shoppers are, in percent: told by the one future, heard by the other.
    let (progress, far) = watch::channel(0);
    let shopping = shop(party.start(clock), party, story, progress, history);
    let drama = crash_and_return(store, story, clock, far.clone());
    let catalog_drama = catalog_crash_and_return(store, story, clock, far);
    let (book, drama, catalog_drama) = tokio::join!(shopping, drama, catalog_drama);
    let Book { acknowledged, answered, mut outcome, .. } = book?;
    let (victim, killed, returned) = drama?;
    outcome.elapsed = clock.elapsed();
    history.add(&[fault_line(&victim, killed, returned)])?;
    let catalog_victim = catalog_drama?;
    if let Some((victim, killed, returned)) = &catalog_victim {
        history.add(&[fault_line(victim, *killed, *returned)])?;
    }
    let catalog_victim = catalog_victim.map(|(victim, ..)| victim);
    Ok(Played { acknowledged, answered, outcome, victim, catalog_victim, killed, returned, clock })
}

async fn shop(
    mut shoppers: Running,
    party: &Party,
    story: Story,
    progress: watch::Sender<u64>,
    history: &mut HistoryFile,
) -> Result<Book> {
    let total = u64::from(party.clients) * u64::from(party.each.requests);
    let mut book = Book { done: vec![0; party.clients as usize], ..Book::default() };
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.tick().await;
    loop {
        tokio::select! {
            biased;
            _ = tick.tick() => story.tell(book.so_far()),
            report = shoppers.next() => {
                let Some(report) = report else { break };
                book.take_in(&report, story);
                history.add(&report.operations)?;
                progress.send_replace(book.rounds() * 100 / total.max(1));
            }
        }
    }
    book.outcome.summaries = shoppers.summaries().await;
    story.tell(format_args!("the shoppers are done: {}", book.so_far()));
    let matched = book.outcome.sum(|summary| summary.matched);
    story.tell(format_args!("they compared {matched} orders with what they had been told"));
    Ok(book)
}

/// The crash, as an event of the history.
fn fault_line(victim: &str, killed: Time, returned: Time) -> String {
    let line = Line {
        event: Some(EventKind::Fault),
        at: Some(killed.0),
        until: Some(returned.0),
        node: Some(victim.into()),
        what: Some("kill -9 of the leader".into()),
        ..Line::default()
    };
    line.json()
}

/// What the shoppers did so far.
#[derive(Default)]
struct Book {
    acknowledged: u64,
    answered: Vec<Time>,
    outcome: Outcome,
    done: Vec<u32>,
}

impl Book {
    fn take_in(&mut self, report: &Report, story: Story) {
        self.done[report.session as usize - 1] = report.done;
        if let Some(trouble) = self.outcome.take_in(report) {
            story.tell(format_args!("shopper {} hears: {trouble}", report.session));
        }
        self.acknowledged += report.orders.len() as u64;
        let answered = report.samples.iter().filter(|sample| {
            sample.kind == Kind::Order
                && matches!(sample.outcome, shopper::Outcome::Ok | shopper::Outcome::Refused)
        });
        for sample in answered {
            let now = sample.began + sample.latency;
            let silence = self.answered.last().map_or(Duration::ZERO, |before| now.since(*before));
            if silence > SILENCE_TOLD {
                let seconds = silence.as_secs_f64();
                story.tell(format_args!("orders flow again, after a silence of {seconds:.2} s"));
            }
            self.answered.push(now);
        }
    }

    fn rounds(&self) -> u64 {
        self.done.iter().map(|done| u64::from(*done)).sum()
    }

    fn so_far(&self) -> String {
        format!("{} looks, {} orders acknowledged", self.rounds(), self.acknowledged)
    }
}

/// The victim, when it was killed, and when it was back.
async fn crash_and_return(
    store: &Arc<Store>,
    story: Story,
    clock: Clock,
    mut far: watch::Receiver<u64>,
) -> Result<(String, Time, Time)> {
    reached(&mut far, KILL_AT_PERCENT).await;
    let victim = leader::find(&store.cluster()).await?;
    let (killed, moment) = (clock.now(), Instant::now());
    store.kill(&victim.name).await?;
    let pid = victim.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    story.tell(format_args!("kill -9 {}{pid}, the leader", victim.name));
    match new_leader(store, &victim.name).await {
        Ok((new, term)) => {
            let after = moment.elapsed().as_secs_f64();
            story.tell(format_args!("{} leads under term {term}, {after:.2} s later", new.name));
        }
        // The verdict says what that means.
        Err(why) => story.tell(format_args!("no other replica leads: {why:#}")),
    }

    tokio::select! {
        () = tokio::time::sleep(RETURN_AFTER.saturating_sub(moment.elapsed())) => {}
        () = reached(&mut far, RETURN_AT_PERCENT) => {}
    }
    let moment = Instant::now();
    store.start_again(&victim.name).await?;
    let returned = clock.now();
    story.tell(format_args!("{} is started again, on its own data, and answers", victim.name));
    match caught_up(store, &victim.name).await {
        Ok(orders) => {
            let after = moment.elapsed().as_secs_f64();
            story.tell(format_args!(
                "{} has all {orders} orders, {after:.2} s after its start",
                victim.name
            ));
        }
        Err(why) => story.tell(format_args!("{} has not caught up: {why}", victim.name)),
    }
    Ok((victim.name, killed, returned))
}

/// The same of the catalog that leads; nothing, if there is only one.
async fn catalog_crash_and_return(
    store: &Arc<Store>,
    story: Story,
    clock: Clock,
    mut far: watch::Receiver<u64>,
) -> Result<Option<(String, Time, Time)>> {
    if store.cluster().of(Role::Catalog).count() < 2 {
        return Ok(None);
    }
    reached(&mut far, CATALOG_KILL_AT_PERCENT).await;
    let victim = leader::find_catalog(&store.cluster()).await?;
    let (killed, moment) = (clock.now(), Instant::now());
    store.kill(&victim.name).await?;
    story.tell(format_args!("kill -9 {}, which leads the catalogs", victim.name));
    let deadline = moment + CHANGE_DEADLINE;
    let next = loop {
        match leader::find_catalog(&store.cluster()).await {
            Ok(member) if member.name != victim.name => break Some(member.name),
            Ok(_) | Err(_) if Instant::now() > deadline => break None,
            Ok(_) | Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    };
    let after = moment.elapsed().as_secs_f64();
    match next {
        Some(next) => story.tell(format_args!("{next} leads the catalogs, {after:.2} s later")),
        // The verdict says what that means.
        None => story.tell(format_args!("no other catalog leads, {after:.2} s later")),
    }
    tokio::select! {
        () = tokio::time::sleep(RETURN_AFTER.saturating_sub(moment.elapsed())) => {}
        () = reached(&mut far, RETURN_AT_PERCENT) => {}
    }
    store.start_again(&victim.name).await?;
    story.tell(format_args!("{} is started again, on its own data", victim.name));
    Ok(Some((victim.name, killed, clock.now())))
}

/// Until the shoppers are so far, or done.
async fn reached(far: &mut watch::Receiver<u64>, percent: u64) {
    // An error: they are done, and the sender is gone.
    let _ = far.wait_for(|far| *far >= percent).await;
}

async fn new_leader(store: &Arc<Store>, old: &str) -> Result<(Member, replication::Term)> {
    let deadline = Instant::now() + CHANGE_DEADLINE;
    loop {
        match leader::find_with_term(&store.cluster()).await {
            Ok((member, term)) if member.name != old => return Ok((member, term)),
            Ok(_) | Err(_) if Instant::now() < deadline => {}
            Ok((member, _)) => bail!("{} still says that it leads", member.name),
            Err(error) => {
                return Err(error).context(format!("nobody leads {CHANGE_DEADLINE:?} after it"));
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits until a replica has what the others have; they may go on meanwhile. Returns how many.
async fn caught_up(store: &Arc<Store>, name: &str) -> Result<u64> {
    let deadline = Instant::now() + CHANGE_DEADLINE;
    loop {
        // The others first: whoever has as many a moment later has what they had.
        let mut others = 0;
        let mut own = 0;
        let cluster = store.cluster();
        let replicas: Vec<&Member> = cluster.of(Role::Order).collect();
        for member in replicas.iter().filter(|member| member.name != name) {
            let said = node_status::ask::<orders::Status>(member).await;
            others = said.map_or(0, |said| said.status.orders).max(others);
        }
        for member in replicas.iter().filter(|member| member.name == name) {
            let said = node_status::ask::<orders::Status>(member).await;
            own = said.map_or(0, |said| said.status.orders);
        }
        if own >= others && own > 0 {
            return Ok(own);
        }
        if Instant::now() > deadline {
            bail!("it has {own} orders, others have {others}");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
