//! The same cases with real processes: a store of its own for each, on this machine's disks and
//! sockets, broken by signals and by what its nodes do to their own links.
//!
//! One case after the other, and the ways of replication in turn: a machine is not as quick in one
//! minute as in the next, and that must not be one protocol's luck. Called by `compare::mod`; the
//! playing is [`crate::command::run`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use checker::history::{Asked, History, Name, Outcome as Told};
use checker::verdict::Verdict;
use replication::Time;
use shop::catalog::catalogue;
use shop::shopper::{Kind, Outcome, Sample};
use simulator::Acknowledged;
use simulator::comparison::{Case, Kept, Measured, RETRY_INTERVAL, STOCK, TOYS};

use super::bar;
use crate::bundle;
use crate::command::Signals;
use crate::command::demo::story::Story;
use crate::command::run::real::{self, Play};
use crate::command::run::stage::Stage;
use crate::command::scratch::Scratch;
use crate::supervisor::Store;

/// Nothing is measured before: somebody leads by then.
const WARM_UP: Duration = Duration::from_millis(1500);

/// How long a run goes on after its fault.
const AFTER: Duration = Duration::from_secs(2);

/// Runs all cases, round by round; in their order. Nothing, if somebody wants an end.
///
/// # Errors
/// If a store does not start, or cannot be broken.
pub async fn measure(cases: &[Case], repeat: &str) -> Result<Option<Vec<(Case, Measured)>>> {
    let bar = bar(cases.len());
    let mut signals = Signals::listen()?;
    let folder = Scratch::make("compare")?;
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|place| cases[*place].seed);
    let mut measured = BTreeMap::new();
    for place in order {
        let case = cases[place];
        let own = folder.path().join(place.to_string());
        let Some(one) = play(&case, &own, repeat, &mut signals).await? else { return Ok(None) };
        measured.insert(place, (case, one));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Some(measured.into_values().collect()))
}

async fn play(
    case: &Case,
    folder: &Path,
    repeat: &str,
    signals: &mut Signals,
) -> Result<Option<Measured>> {
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let scenario = case.scenario(WARM_UP, AFTER);
    let options = real::options(&scenario, Some(write_catalogue(folder)?));
    let started = Store::start(&options, Box::new(|_| {}), signals.asked_to_stop()).await;
    let started = started.with_context(|| format!("a store did not start for: {}", scenario.about));
    let Some(store) = started? else { return Ok(None) };
    let stage = Stage::Processes(store);
    let mut orders = Vec::new();
    let played = tokio::select! {
        biased;
        () = signals.asked_to_stop() => Ok(None),
        played = async {
            let mut party = real::party(&scenario, &stage.cluster(), case.seed)?;
            // So that a gap is the store's, not a shopper's patience.
            party.each.retry_interval = RETRY_INTERVAL;
            let story = Story::silent();
            let (stage, scenario, watched) = (&stage, &scenario, None);
            let play = Play { stage, scenario, party, folder, story, repeat, watched };
            let told = &mut |report: &crate::client::runner::Report| {
                orders.extend(report.samples.iter().filter_map(acknowledged));
            };
            play.shop_and_break(told).await
        } => played.map(Some),
    };
    stage.stop().await;
    let played = played.with_context(|| format!("this could not be played: {}", scenario.about));
    let Some((_, broken)) = played? else { return Ok(None) };
    let begin = Time(0) + WARM_UP;
    let mut measured =
        Measured::of_orders(begin..begin + case.length, Time(0) + scenario.length, &orders);
    if measured.kept.acknowledged == 0 {
        bail!("not one order was acknowledged: {}", scenario.about);
    }
    judge(folder, &mut measured.kept)?;
    if let Some(why) = broken.filter(|why| why.starts_with("liveness")) {
        measured.kept.broke.insert(why);
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(Some(measured))
}

/// The toys that the simulated world sells, in the same number.
fn write_catalogue(folder: &Path) -> Result<PathBuf> {
    let toys = catalogue::built_in().into_iter().take(TOYS);
    let rows: String = toys.map(|toy| format!("{},{},{STOCK}\n", toy.name, toy.price)).collect();
    let path = folder.join("catalogue.csv");
    fs::write(&path, format!("name,price,quantity\n{rows}"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn acknowledged(sample: &Sample) -> Option<Acknowledged> {
    let ok = sample.kind == Kind::Order && sample.outcome == Outcome::Ok;
    ok.then(|| Acknowledged { at: sample.began + sample.latency, latency: sample.latency })
}

/// What the checker says of the history, and what of it can be counted.
fn judge(folder: &Path, kept: &mut Kept) -> Result<()> {
    let path = folder.join("history.jsonl");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let bundle::Verdict { history, judged } = bundle::judge(text.lines())?;
    let broke = judged.judgements.iter().filter(|one| one.verdict == Verdict::Broke);
    kept.broke.extend(broke.map(|one| one.guarantee.name().to_string()));
    let buys = history.operations.iter().filter(|one| matches!(one.asked, Asked::Buy { .. }));
    for buy in buys {
        kept.refused += u64::from(buy.outcome == Told::Unavailable);
        kept.unknown += u64::from(buy.outcome == Told::Unknown);
    }
    (kept.lost, kept.doubled) = lost_and_doubled(&history);
    Ok(())
}

/// Acknowledged orders that no final log has under their number, and requests that were told two
/// numbers. Of several that were told the same number one at most is there.
fn lost_and_doubled(history: &History) -> (u64, u64) {
    let logs = history.logs();
    let logged: BTreeMap<u64, Name> =
        logs.values().flatten().map(|order| (order.number, order.toy)).collect();
    let mut numbers: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
    let (mut lost, mut taken) = (0, BTreeSet::new());
    for operation in &history.operations {
        let (Asked::Buy { key, toy, .. }, Told::Bought(bought)) =
            (&operation.asked, &operation.outcome)
        else {
            continue;
        };
        if let Some(key) = key {
            let numbers = numbers.entry(*key).or_default();
            if numbers.contains(&bought.order) {
                continue;
            }
            numbers.push(bought.order);
        }
        let first = taken.insert(bought.order);
        let there = logs.is_empty() || first && logged.get(&bought.order) == Some(toy);
        lost += u64::from(!there);
    }
    let doubled = numbers.values().filter(|numbers| numbers.len() > 1).count();
    (lost, doubled as u64)
}
