//! Experiment 3: what keeps caches right, what that costs, and how old answers are without it.
//!
//! The same shoppers at stores that differ in `--invalidation` alone. Each run is recorded, and
//! crate `checker` counts the stale answers in its history and says how old they were: a read is
//! stale if somebody had seen, or made, a newer version of its toy before the read began.

mod report;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use checker::staleness::Staleness;
use checker::verdict::Verdict;
use shop::invalidation::Invalidation;
use shop::message::CacheUse;
use shop::shopper::{Config, Kind, Outcome, Probability, Sample, Summary};

use super::lab::{Lab, TOYS, cache_calls, frontends, unless_stopped};
use super::section::Section;
use super::settings::{Size, What};
use crate::bundle;
use crate::client::dialect::Dialect;
use crate::client::runner::{Clock, Party, Running};
use crate::command::client::history_file::HistoryFile;
use crate::supervisor::options::Options;

/// Shoppers, at two frontends in turn: one's orders make the other's cache old.
const SHOPPERS: u32 = 6;
const FRONTENDS: u8 = 2;

/// How long a shopper thinks after a toy.
const PAUSE: Duration = Duration::from_millis(2);

/// Of a million looks, so many are followed by an order.
const ORDERS: u32 = 200_000;

/// How long a run needs beside its shopping: start, comparison, end; in seconds.
const AROUND_SECONDS: f64 = 1.3;

/// What is compared; the last one has no cache at all.
fn schemes(size: Size) -> Vec<Scheme> {
    use Invalidation::{Lease, None, Push, Ttl};
    let ttl = |millis| Ttl(Duration::from_millis(millis));
    let all = match size {
        Size::Smallest => vec![Lease, None],
        Size::Quick => vec![Lease, Push, ttl(100), ttl(1000), None],
        Size::Full => vec![Lease, Push, ttl(50), ttl(200), ttl(1000), ttl(5000), None],
    };
    let cached = all.into_iter().map(|mode| Scheme { mode, cache: true });
    cached.chain([Scheme { mode: Lease, cache: false }]).collect()
}

fn repetitions(size: Size) -> usize {
    size.of(1, 2, 6)
}

fn length(size: Size) -> Duration {
    size.millis(600, 1500, 12_000)
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size) -> f64 {
    let one = length(size).as_secs_f64() + AROUND_SECONDS;
    (schemes(size).len() * repetitions(size)) as f64 * one
}

/// A way to keep caches right, or no cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// How caches learn of changes.
    pub mode: Invalidation,
    /// Whether there are any.
    pub cache: bool,
}

impl Scheme {
    /// As plots name it.
    pub fn name(self) -> String {
        match (self.cache, self.mode) {
            (false, _) => "no cache".to_string(),
            (true, mode) => mode.to_string(),
        }
    }

    /// Whether an old answer breaks what it promises.
    pub fn promises(self) -> bool {
        !self.cache || self.mode == Invalidation::Lease
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Under which scheme.
    pub scheme: Scheme,
    /// Looks that were answered, and of these from a cache.
    pub looks: u64,
    /// See there.
    pub hits: u64,
    /// The mean latency of a look, in microseconds.
    pub look_us: f64,
    /// The mean latency of an order, in microseconds.
    pub order_us: f64,
    /// Calls between catalog and frontends meanwhile, for each look.
    pub messages: f64,
    /// What the checker says of old answers.
    pub stale: Staleness,
    /// Promises that are broken and were made.
    pub broke: Vec<String>,
}

/// Measures it.
///
/// # Errors
/// If a store does not start.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    let (schemes, repetitions) = (schemes(size), repetitions(size));
    let mut runs: Vec<Run> = Vec::new();
    let all = (0..repetitions).flat_map(|number| schemes.iter().map(move |one| (number, *one)));
    for (done, (repetition, scheme)) in all.enumerate() {
        let doing = format!("{}, {} of {repetitions}", scheme.name(), repetition + 1);
        lab.at(done as f64 / (repetitions * schemes.len()) as f64, &doing);
        // The same seed for all schemes of a repetition: the same shoppers.
        match unless_stopped(shop(lab, scheme, lab.seed(repetition)).await)? {
            Some(run) => runs.push(run),
            None => break,
        }
    }
    Ok(report::section(lab, &schemes, &runs))
}

async fn shop(lab: &Lab, scheme: Scheme, seed: u64) -> Result<Run> {
    let options = Options {
        frontends: FRONTENDS,
        cache_capacity: if scheme.cache { u32::try_from(TOYS)? } else { 0 },
        invalidation: scheme.mode,
        ..lab.options()?
    };
    let path = lab.folder().join("invalidation.jsonl");
    let repeat = lab.settings.repeat(&[What::Invalidation]);
    let mut samples: Vec<Sample> = Vec::new();
    let messages = lab
        .with_store(&options, async |store| {
            let cluster = store.cluster();
            let party = party(frontends(&cluster)?, seed);
            let work = async {
                let store = Some(cluster.clone());
                let mut history = HistoryFile::begin(&path, &party, store, &repeat).await?;
                let before = cache_calls(&cluster).await?;
                let clock = Clock::start();
                let mut shoppers = party.start(clock);
                let until = tokio::time::Instant::now() + length(lab.settings.size);
                let shopping = listen(&mut shoppers, &mut history, &mut samples);
                // That it does not come to its end is what is wanted.
                let _ = tokio::time::timeout_at(until, shopping).await;
                let looked = looks(&samples).count() as f64;
                let messages = (cache_calls(&cluster).await? - before) as f64;
                shoppers.end_rounds();
                // Read back at the end, which is not counted as shopping.
                listen(&mut shoppers, &mut history, &mut Vec::new()).await?;
                let summaries = shoppers.summaries().await;
                let unknown = summaries.iter().flat_map(Summary::unknown_keys);
                history.end(&party, clock, unknown).await?;
                Ok(messages / looked.max(1.0))
            };
            lab.until_stopped(work).await
        })
        .await?;
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let bundle::Verdict { judged, .. } = bundle::judge(text.lines())?;
    let broke = judged.judgements.iter().filter(|one| one.verdict == Verdict::Broke);
    let mean = |kind: Kind| {
        let all = samples.iter().filter(|one| one.kind == kind && one.outcome == Outcome::Ok);
        let (sum, count) = all.fold((0.0, 0.0), |(sum, count), one| {
            (sum + one.latency.as_secs_f64() * 1e6, count + 1.0)
        });
        sum / f64::max(count, 1.0)
    };
    Ok(Run {
        scheme,
        looks: looks(&samples).count() as u64,
        hits: looks(&samples).filter(|one| one.cache == Some(CacheUse::Hit)).count() as u64,
        look_us: mean(Kind::Query),
        order_us: mean(Kind::Order),
        messages,
        stale: judged.staleness,
        // Whoever promises nothing breaks nothing.
        broke: broke
            .filter(|_| scheme.promises())
            .map(|one| one.guarantee.name().to_string())
            .collect(),
    })
}

fn looks(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(|one| one.kind == Kind::Query && one.outcome == Outcome::Ok)
}

fn party(urls: Vec<crate::http::connection::Url>, seed: u64) -> Party {
    let each = Config {
        requests: u32::MAX,
        probability: Probability::from_millionths(ORDERS).unwrap_or_default(),
        pause: PAUSE,
        ..Config::new(0, vec![], seed)
    };
    Party { urls, dialect: Dialect::Lab, clients: SHOPPERS, recorded: true, rate: None, each }
}

/// Until there are no more reports.
async fn listen(
    shoppers: &mut Running,
    history: &mut HistoryFile,
    samples: &mut Vec<Sample>,
) -> Result<()> {
    while let Some(report) = shoppers.next().await {
        history.add(&report.operations)?;
        samples.extend(report.samples);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_have_different_names_and_one_has_no_cache() {
        for size in [Size::Smallest, Size::Quick, Size::Full] {
            let schemes = schemes(size);
            let mut names: Vec<String> = schemes.iter().map(|scheme| scheme.name()).collect();
            assert_eq!(names.last().map(String::as_str), Some("no cache"));
            names.sort();
            names.dedup();
            assert_eq!(names.len(), schemes.len());
        }
        assert!(planned(Size::Quick) < 45.0, "{}", planned(Size::Quick));
    }
}
