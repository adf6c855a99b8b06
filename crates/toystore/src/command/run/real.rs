//! A scenario with real nodes, processes or containers: a new store on free ports, shoppers over
//! HTTP, faults, and the history of it all.
//!
//! When the shoppers' time is over everything is mended, as in the simulated world; then they read
//! back every order, and the store is asked for its final logs and stock. Called by [`super::Run`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use replication::Time;
use shop::catalog::catalogue;
use shop::shopper::{Config, Summary};
use simulator::Scenario;
use simulator::fault::{Fault, Target};
use simulator::who::Who;

use super::stage::Stage;
use super::watched::Watched;
use super::wreck::{self, Wreck};
use super::{Ended, World};
use crate::bundle::{self, Contents};
use crate::client::dialect::Dialect;
use crate::client::runner::{Clock, Party, Report, Running};
use crate::command::client::Outcome;
use crate::command::client::history_file::HistoryFile;
use crate::command::demo::story::Story;
use crate::command::{Signals, paint};
use crate::containers::Project;
use crate::containers::compose::Volumes;
use crate::http::connection::Url;
use crate::supervisor::Store;
use crate::supervisor::cluster::{Cluster, Member};
use crate::supervisor::event::Event;
use crate::supervisor::layout::Role;
use crate::supervisor::options::{Logs, Options, Timers};
use crate::supervisor::ports::Wanted;

/// How long shoppers may take to come to their end once everything is mended: as in the simulated
/// world.
const REST_MAX: Duration = Duration::from_secs(90);

/// Plays it; nothing, if it was interrupted.
///
/// # Errors
/// If the scenario needs what this world cannot do, or the store does not start.
pub(super) async fn play(
    scenario: &Scenario,
    world: World,
    seed: u64,
    folder: &Path,
    text: &str,
    repeat: &str,
) -> Result<Option<Ended>> {
    wreck::check(scenario, world)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let story = Story::begin();
    let mut signals = Signals::listen()?;
    let options = options(scenario, catalogue_of(scenario, folder)?);
    let asked_to_stop = signals.asked_to_stop();
    let started = if world == World::Compose {
        let (volumes, folder) = (volumes(scenario), folder.join("containers"));
        let started = Project::start(&options, &volumes, &folder, asked_to_stop).await?;
        started.map(|project| Stage::Containers(Arc::new(project)))
    } else {
        Store::start(&options, report(story), asked_to_stop).await?.map(Stage::Processes)
    };
    let Some(stage) = started else { return Ok(None) };
    let watched = Watched::default();
    let played = tokio::select! {
        biased;
        () = signals.asked_to_stop() => {
            paint::say("stopped before the verdict");
            Ok(None)
        }
        played = async {
            let party = party(scenario, &stage.cluster(), seed)?;
            let watched = Some(&watched);
            let play = Play { stage: &stage, scenario, party, folder, story, repeat, watched };
            play.shop_and_break(&mut |_| {}).await
        } => played.map(Some),
    };
    stage.stop().await;
    let logs = keep_logs(&stage, folder).await;
    stage.remove().await?;
    logs?;
    let Some((outcome, broken)) = played? else { return Ok(None) };
    let path = folder.join("history.jsonl");
    let history = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let lines: Vec<String> = history.lines().map(str::to_string).collect();
    let (metrics, frames) = (Some(outcome.json()), watched.take());
    let contents = Contents { scenario: Some(text), trace: None, metrics, frames: &frames };
    Ok(Some(Ended { verdict: bundle::write(folder, &lines, &contents)?, broken }))
}

/// A story that is about to be played on nodes that run.
pub struct Play<'a> {
    /// The nodes.
    pub stage: &'a Stage,
    /// The story.
    pub scenario: &'a Scenario,
    /// Who shops; recorded.
    pub party: Party,
    /// Where the history goes.
    pub folder: &'a Path,
    /// Where it is told.
    pub story: Story,
    /// How it is played again.
    pub repeat: &'a str,
    /// Where what nodes say of themselves goes, if it is wanted.
    pub watched: Option<&'a Watched>,
}

impl Play<'_> {
    /// Plays it; whatever shoppers report is told. Returns what they met, and what went wrong that
    /// no history shows.
    ///
    /// # Errors
    /// If a node cannot be broken or mended, or the history cannot be written.
    pub async fn shop_and_break(
        &self,
        told: &mut dyn FnMut(&Report),
    ) -> Result<(Outcome, Option<String>)> {
        let Play { stage, scenario, party, folder, story, repeat, watched } = self;
        let path = folder.join("history.jsonl");
        let mut history = HistoryFile::begin(&path, party, Some(stage.cluster()), repeat).await?;
        story.tell(format_args!("{} shoppers begin", party.clients));
        let clock = Clock::start();
        let (stage, scenario) = ((*stage).clone(), (*scenario).clone());
        let _looking = watched.map(|watched| watched.begin(stage.clone(), clock));
        let expected = scenario.expected.clone();
        let wreck = Wreck::new(stage, scenario, party.each.seed, clock, *story)?;
        let mut wrecking = tokio::spawn(wreck.clone().run());
        let mut shoppers = party.start(clock);
        let mut outcome = Outcome::default();
        let wrecked = loop {
            tokio::select! {
                biased;
                wrecked = &mut wrecking => break wrecked?,
                report = shoppers.next() => match report {
                    Some(report) => {
                        told(&report);
                        history.add(&report.operations)?;
                        outcome.take_in(&report);
                    }
                    None => bail!("the shoppers ended before their time"),
                },
            }
        };
        wrecked?;
        story.tell("everything is mended; the shoppers read back their orders");
        let rest = compare(&mut shoppers, &mut history, &mut outcome, told);
        let Ok(compared) = tokio::time::timeout(REST_MAX, rest).await else {
            let seconds = REST_MAX.as_secs();
            let why = format!("liveness: no end {seconds} s after everything was mended");
            shoppers.stop();
            return Ok((outcome, Some(why)));
        };
        compared?;
        outcome.summaries = shoppers.summaries().await;
        outcome.elapsed = clock.elapsed();
        history.add(&wreck.events().await)?;
        let unknown = outcome.summaries.iter().flat_map(Summary::unknown_keys);
        history.end(party, clock, unknown).await?;
        let broken =
            (!outcome.all_matched()).then(|| "a shopper's comparison did not match".into());
        let broken = broken.filter(|_| expected == simulator::scenario::Expected::Held);
        Ok((outcome, broken))
    }
}

async fn compare(
    shoppers: &mut Running,
    history: &mut HistoryFile,
    outcome: &mut Outcome,
    told: &mut dyn FnMut(&Report),
) -> Result<()> {
    shoppers.end_rounds();
    while let Some(report) = shoppers.next().await {
        told(&report);
        history.add(&report.operations)?;
        outcome.take_in(&report);
    }
    Ok(())
}

/// The store of a story, on free ports and in a folder that is removed at the end.
pub fn options(scenario: &Scenario, catalogue: Option<PathBuf>) -> Options {
    let power_cut = |(_, fault): &(Time, Fault)| matches!(fault, Fault::PowerCut { .. });
    Options {
        frontends: scenario.seats.frontends,
        orders: Some(scenario.seats.orders),
        catalogs: Some(scenario.seats.catalogs),
        replication: Some(scenario.protocol),
        cache_capacity: scenario.cache_capacity,
        cache_policy: scenario.cache_policy,
        invalidation: scenario.invalidation,
        restock_interval: scenario.restock_interval,
        catalogue,
        timers: Timers::Default,
        // A kill loses nothing that the kernel has; a power cut does.
        shadow_disk: scenario.faults.iter().any(power_cut),
        chaos: true,
        ports_auto: true,
        wanted: Wanted::loopback(),
        data: None,
        logs: Logs::Files,
        dashboard: None,
    }
}

/// A catalogue with fewer toys, if the scenario wants that.
fn catalogue_of(scenario: &Scenario, folder: &Path) -> Result<Option<PathBuf>> {
    let all = catalogue::built_in();
    if scenario.toys == all.len() {
        return Ok(None);
    }
    let mut text = "name,price,quantity\n".to_string();
    for toy in all.into_iter().take(scenario.toys) {
        text.push_str(&format!("{},{},{}\n", toy.name, toy.price, toy.quantity));
    }
    let path = std::path::absolute(folder.join("catalogue.csv"))?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(path))
}

/// Only what may be full has a fixed size: it is in memory, and gone with its container.
fn volumes(scenario: &Scenario) -> Volumes {
    let full = scenario.faults.iter().flat_map(|(_, fault)| match *fault {
        Fault::FullDisk { whom: Target::Process(who), .. } => vec![who],
        Fault::FullDisk { whom: Target::Leader, .. } => {
            (1..=scenario.seats.orders).map(Who::Order).collect()
        }
        Fault::FullDisk { whom: Target::CatalogLeader, .. } => scenario.seats.catalogs().collect(),
        _ => vec![],
    });
    Volumes { small: full.map(|who| who.to_string()).collect() }
}

/// The shoppers of a story.
///
/// # Errors
/// If the address of a frontend is none.
pub fn party(scenario: &Scenario, cluster: &Cluster, seed: u64) -> Result<Party> {
    let urls = cluster.of(Role::Frontend).map(Member::url).collect::<Result<Vec<Url>>>()?;
    let each = Config {
        requests: u32::MAX,
        probability: scenario.probability,
        lookups: scenario.lookups,
        pause: scenario.pause,
        retries: scenario.retries,
        ..Config::new(0, vec![], seed)
    };
    let clients = scenario.seats.shoppers.into();
    Ok(Party { urls, dialect: Dialect::Lab, clients, recorded: true, rate: None, each })
}

/// What the supervisor notices and nobody did on purpose.
fn report(story: Story) -> crate::supervisor::Report {
    Box::new(move |event: &Event| match event {
        Event::Died { asked: true, .. }
        | Event::Returned { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. } => {}
        Event::Died { asked: false, .. }
        | Event::DoesNotDrain { .. }
        | Event::LeftOut { .. }
        | Event::Unwritten { .. } => story.tell(event),
    })
}

/// The nodes' own logs, before they are removed.
async fn keep_logs(stage: &Stage, folder: &Path) -> Result<()> {
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    for member in stage.cluster().nodes {
        let log = stage.log(&member.name).await?;
        let to = logs.join(format!("{}.log", member.name));
        std::fs::write(&to, log).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}
