//! Experiment 4: nodes die, hang and come back, while shoppers shop.
//!
//! Each run is a story with one fault, played with real processes by [`crate::command::run`]: the
//! fault begins after a while, is undone after a while, and when all is well again every shopper
//! reads back each of its orders. Its history is judged by crate `checker`, which also sees whether
//! all replicas end with the same log.

mod report;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use checker::verdict::{Guarantee, Verdict};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use replication::Time;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use shop::shopper::{Kind, Outcome, Probability, Sample, Summary};
use simulator::Scenario;
use simulator::fault::{Fault, Moment, Target, Timeline};
use simulator::scenario::Expected;
use simulator::who::{Seats, Who};

use super::lab::{CAPACITY, Lab, TOYS, unless_stopped};
use super::section::Section;
use super::settings::Size;
use crate::bundle;
use crate::command::demo::story::Story;
use crate::command::run::real::{self, Play};
use crate::command::run::stage::Stage;
use crate::supervisor::options::Options;

/// Shoppers, how long each thinks after a toy, and how soon it tries again: short, so that a gap is
/// the store's, and not a shopper's patience.
const SHOPPERS: u8 = 5;
const PAUSE: Duration = Duration::from_millis(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Tries of a shopper: more than any fault needs.
const RETRIES: u32 = 1000;

/// Order replicas, and frontends.
const ORDERS: u8 = 3;
const FRONTENDS: u8 = 1;

/// How long a run needs beside its story: start, comparison, rest, end; in seconds.
const AROUND_SECONDS: f64 = 1.2;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kills {
    /// Nothing: what all others are compared with.
    Nothing,
    /// A follower of the order service, drawn, is killed.
    Replica,
    /// The leader of the order service is killed.
    Leader,
    /// The leader stands still.
    LeaderPaused,
    /// The catalog is killed.
    Catalog,
    /// The frontend is killed.
    Frontend,
}

impl Kills {
    /// Those that are played.
    fn all(size: Size) -> &'static [Kills] {
        use Kills::{Catalog, Frontend, Leader, LeaderPaused, Nothing, Replica};
        size.of(
            &[Leader],
            &[Nothing, Replica, Leader, LeaderPaused, Catalog],
            &[Nothing, Replica, Leader, LeaderPaused, Catalog, Frontend],
        )
    }

    /// As plots name it.
    pub fn name(self) -> &'static str {
        match self {
            Kills::Nothing => "nothing",
            Kills::Replica => "random replica killed",
            Kills::Leader => "leader killed",
            Kills::LeaderPaused => "leader paused",
            Kills::Catalog => "catalog killed",
            Kills::Frontend => "frontend killed",
        }
    }

    /// What happens, from `at` on for `down`.
    fn faults(self, at: Time, down: Duration, seed: u64) -> Timeline {
        let crash = |whom| {
            let fault = Fault::Crash { whom, moment: Moment::Now, down, again: 0 };
            vec![(at, fault)]
        };
        match self {
            Kills::Nothing => Timeline::new(),
            Kills::Replica => {
                let mut random = Pcg64Mcg::seed_from_u64(seed);
                crash(Target::Process(Who::Order(random.random_range(1..=ORDERS))))
            }
            Kills::Leader => crash(Target::Leader),
            Kills::LeaderPaused => vec![(at, Fault::Pause { whom: Target::Leader, span: down })],
            Kills::Catalog => crash(Target::CatalogLeader),
            Kills::Frontend => crash(Target::Process(Who::Frontend(1))),
        }
    }
}

fn repetitions(size: Size) -> usize {
    size.of(1, 2, 8)
}

/// Before the fault, until it is undone, and after that.
fn lengths(size: Size) -> [Duration; 3] {
    match size {
        Size::Smallest => [500, 700, 500],
        Size::Quick => [700, 1500, 900],
        Size::Full => [2000, 4000, 3000],
    }
    .map(Duration::from_millis)
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size) -> f64 {
    let story: f64 = lengths(size).iter().map(Duration::as_secs_f64).sum();
    (Kills::all(size).len() * repetitions(size)) as f64 * (story + AROUND_SECONDS)
}

/// What came of a run. Times are seconds after the fault's beginning.
#[derive(Clone, Debug)]
pub struct Run {
    /// What went wrong.
    pub kills: Kills,
    /// Which repetition.
    pub repetition: usize,
    /// When orders were acknowledged.
    pub orders: Vec<f64>,
    /// The longest time without the one or the other, from the fault's beginning on.
    pub order_gap: f64,
    /// See there.
    pub look_gap: f64,
    /// Orders that needed more than one attempt; the attempts beyond the first of all of them.
    pub retried: u64,
    /// See there.
    pub retries: u64,
    /// Orders given up: certainly not done, or of unknown outcome.
    pub given_up: u64,
    /// The longest that an order waited, in seconds.
    pub slowest: f64,
    /// Orders that were found in the end as they were acknowledged.
    pub matched: u64,
    /// And those that were not, in words.
    pub differences: Vec<String>,
    /// Whether all replicas ended with the same log; absent if that cannot be said.
    pub equal: Option<bool>,
    /// How many orders the store has in the end.
    pub logged: usize,
    /// Promises that the judge says are broken.
    pub broke: Vec<String>,
}

/// Measures it.
///
/// # Errors
/// If a store does not start, or cannot be broken or mended.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    let (kinds, repetitions) = (Kills::all(size), repetitions(size));
    let mut runs: Vec<Run> = Vec::new();
    // In turn, so that what changes on the machine meets all alike.
    let all = (0..repetitions).flat_map(|number| kinds.iter().map(move |kills| (number, *kills)));
    for (done, (repetition, kills)) in all.enumerate() {
        let doing = format!("{}, {} of {repetitions}", kills.name(), repetition + 1);
        lab.at(done as f64 / (repetitions * kinds.len()) as f64, &doing);
        match unless_stopped(play(lab, kills, repetition, done).await)? {
            Some(run) => runs.push(run),
            None => break,
        }
    }
    Ok(report::section(lab, &runs))
}

fn scenario(lab: &Lab, kills: Kills, seed: u64) -> Scenario {
    let [before, down, after] = lengths(lab.settings.size);
    let half = Probability::from_millionths(Probability::ONE / 2).unwrap_or_default();
    Scenario {
        about: kills.name().to_string(),
        seats: Seats {
            orders: ORDERS,
            frontends: FRONTENDS,
            shoppers: SHOPPERS,
            catalogs: 1,
            spares: 0,
        },
        protocol: lab.replication(),
        invalidation: Invalidation::Lease,
        cache_capacity: CAPACITY,
        cache_policy: Policy::default(),
        restock_interval: before + down + after,
        toys: TOYS,
        probability: half,
        lookups: Probability::from_millionths(Probability::ONE / 10).unwrap_or_default(),
        pause: PAUSE,
        retries: RETRIES,
        length: before + down + after,
        faults: kills.faults(Time(0) + before, down, seed),
        expected: Expected::Held,
        answered: Vec::new(),
    }
}

async fn play(lab: &Lab, kills: Kills, repetition: usize, number: usize) -> Result<Run> {
    let seed = lab.seed(number);
    let scenario = scenario(lab, kills, seed);
    let folder = lab.folder().join(format!("crashes-{number}"));
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let options = Options { frontends: FRONTENDS, orders: Some(ORDERS), ..lab.options()? };
    let repeat = lab.settings.repeat(&[super::What::Crashes]);
    let run = lab
        .with_store(&options, async |store| {
            let stage = Stage::Processes(store.clone());
            let mut party = real::party(&scenario, &stage.cluster(), seed)?;
            party.each.retry_interval = RETRY_INTERVAL;
            let mut samples: Vec<Sample> = Vec::new();
            let told = &mut |report: &crate::client::runner::Report| {
                samples.extend(report.samples.iter().cloned());
            };
            let (story, watched) = (Story::silent(), None);
            let (stage, scenario, folder) = (&stage, &scenario, &folder);
            let play = Play { stage, scenario, party, folder, story, repeat: &repeat, watched };
            let (outcome, broken) = lab.until_stopped(play.shop_and_break(told)).await?;
            let run = Run::new(lab.settings.size, (kills, repetition), &samples);
            Ok(run.with_end(&outcome.summaries, broken))
        })
        .await?;
    let run = run.with_judgement(&folder)?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(run)
}

impl Run {
    /// What samples say.
    fn new(size: Size, (kills, repetition): (Kills, usize), samples: &[Sample]) -> Run {
        let [before, down, after] = lengths(size);
        let end = (down + after).as_secs_f64();
        let since = |time: Duration| time.as_secs_f64() - before.as_secs_f64();
        let answered = |kind: Kind| {
            let right = samples
                .iter()
                .filter(|one| one.kind == kind && one.outcome == Outcome::Ok)
                .map(|one| since((one.began + one.latency).since(Time(0))));
            let mut times: Vec<f64> = right.collect();
            times.sort_by(f64::total_cmp);
            times
        };
        let (orders, looks) = (answered(Kind::Order), answered(Kind::Query));
        let ordered = samples.iter().filter(|one| one.kind == Kind::Order);
        let given_up = |outcome| matches!(outcome, Outcome::Unavailable | Outcome::Unknown);
        let slowest = ordered.clone().map(|one| one.latency).max().unwrap_or_default();
        Run {
            kills,
            repetition,
            order_gap: longest_gap(&orders, end),
            look_gap: longest_gap(&looks, end),
            orders,
            retried: ordered.clone().filter(|one| one.retries > 0).count() as u64,
            retries: ordered.clone().map(|one| u64::from(one.retries)).sum(),
            given_up: ordered.filter(|one| given_up(one.outcome)).count() as u64,
            slowest: slowest.as_secs_f64(),
            matched: 0,
            differences: Vec::new(),
            equal: None,
            logged: 0,
            broke: Vec::new(),
        }
    }

    /// What shoppers found when they read back their orders.
    fn with_end(mut self, summaries: &[Summary], broken: Option<String>) -> Run {
        self.matched = summaries.iter().map(|summary| summary.matched).sum();
        let differences = summaries.iter().flat_map(|summary| &summary.differences);
        self.differences = differences.map(ToString::to_string).collect();
        self.broke.extend(broken);
        self
    }

    /// What the checker says of the history in this folder.
    fn with_judgement(mut self, folder: &Path) -> Result<Run> {
        let path = folder.join("history.jsonl");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let bundle::Verdict { history, judged } = bundle::judge(text.lines())?;
        for judgement in &judged.judgements {
            match (judgement.guarantee, judgement.verdict) {
                (Guarantee::Replicas, Verdict::Held) => self.equal = Some(true),
                (Guarantee::Replicas, Verdict::Broke) => self.equal = Some(false),
                (_, _) => {}
            }
            if judgement.verdict == Verdict::Broke {
                self.broke.push(judgement.guarantee.name().to_string());
            }
        }
        self.logged = history.logs().values().map(Vec::len).max().unwrap_or(0);
        Ok(self)
    }
}

/// The longest time without any of these, sorted, from zero to the end.
fn longest_gap(times: &[f64], end: f64) -> f64 {
    let within = times.iter().copied().filter(|time| (0.0..end).contains(time)).chain([end]);
    let (gap, _) = within.fold((0.0_f64, 0.0), |(gap, last), time| (gap.max(time - last), time));
    gap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_begins_with_the_fault_and_may_last_to_the_end() {
        assert_eq!(longest_gap(&[-0.5, 0.25, 1.0, 1.5], 2.0), 0.75);
        assert_eq!(longest_gap(&[-0.1, 0.25], 2.0), 1.75);
        assert_eq!(longest_gap(&[], 2.0), 2.0);
    }

    #[test]
    fn every_kind_but_nothing_is_one_fault() {
        for kills in Kills::all(Size::Full) {
            let faults = kills.faults(Time(1), Duration::from_secs(1), 7);
            assert_eq!(faults.len(), usize::from(*kills != Kills::Nothing), "{kills:?}");
        }
        assert!(planned(Size::Quick) < 60.0, "{}", planned(Size::Quick));
    }
}
