//! Experiment 2: what is in the cache when, and how often it helps: by capacity, policy and
//! popularity.
//!
//! Hit rates by capacity are those of the frontend's own cache, replayed on streams from seeds
//! (`replay`): exact, and the same on every machine. Stores with each policy are measured at one
//! capacity beside it, to see that both agree; and one frontend is watched for some seconds
//! (`timeline`).

mod replay;
mod report;
mod timeline;

use std::time::Duration;

use anyhow::{Context, Result};
use shop::frontend::Status;
use shop::shopper::Probability;
use tokio::time::Instant;

use self::replay::{POLICIES, POPULARITIES, Stream, hit_rate};
use self::timeline::Timeline;
use super::lab::{Lab, Wish, frontends, status, unless_stopped};
use super::section::Section;
use super::settings::Size;
use crate::http::connection::Url;
use crate::load::Pace;
use crate::load::arrivals::Rhythm;
use crate::load::mix::{Mix, Orders, Popularity, Quantities};
use crate::supervisor::options::Options;

/// Toys of the streams and of the stores that are measured beside them: the built-in catalogue.
const TOYS: usize = 31;

/// Slots at which stores are measured.
const MEASURED_AT: usize = 7;

/// Slots of the frontend that is watched, and its toys.
const WATCHED_SLOTS: usize = 5;

/// Requests a second at it: few, so that people can follow; of a million so many order.
const WATCHED_RATE: f64 = 30.0;
const WATCHED_ORDERS: u32 = 150_000;

/// How often it is asked what happened: it remembers the last 16 events.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);

/// How long a store takes to start and to stop, in seconds.
const STORE_SECONDS: f64 = 1.2;

/// How many requests of a stream are counted, and how many streams there are.
fn streams(size: Size) -> (usize, usize) {
    size.of((2_000, 2), (6_000, 3), (50_000, 10))
}

fn watched_for(size: Size) -> Duration {
    size.millis(1_000, 4_000, 12_000)
}

/// How long a store of each policy is measured.
fn measured_for(size: Size) -> Duration {
    size.millis(200, 500, 4_000)
}

/// Capacities that are replayed.
fn capacities(size: Size) -> Vec<usize> {
    let step = size.of(10, 2, 1);
    // Those at which stores are measured beside it are among them.
    let wanted = |capacity: &usize| (capacity - 1).is_multiple_of(step) || *capacity == MEASURED_AT;
    (1..=TOYS).filter(wanted).collect()
}

/// How many of the policies are measured with stores.
fn measured(size: Size) -> usize {
    size.of(1, 4, 4)
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size) -> f64 {
    let (length, count) = streams(size);
    let replays = capacities(size).len() * POLICIES.len() * POPULARITIES.len() * count;
    // So many requests of a stream in a second.
    let replayed = replays as f64 * length as f64 / 1.5e6;
    let stores = measured(size) as f64 * (measured_for(size).as_secs_f64() + STORE_SECONDS + 0.2);
    replayed + stores + watched_for(size).as_secs_f64() + STORE_SECONDS
}

/// A point of a hit rate: all its streams.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Place in [`POPULARITIES`] and in [`POLICIES`].
    pub popularity: usize,
    /// See there.
    pub policy: usize,
    /// Slots.
    pub capacity: usize,
    /// The share of hits in each stream.
    pub rates: Vec<f64>,
}

/// A store that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// Place in [`POLICIES`].
    pub policy: usize,
    /// The share of hits.
    pub rate: f64,
    /// Of so many looks.
    pub looks: u64,
}

/// Measures it.
///
/// # Errors
/// If a store does not start, or gives a wrong answer.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    let whole = planned(size);
    let mut found = report::Found::default();
    lab.at(0.0, "watching a cache");
    found.watched = unless_stopped(watch(lab).await)?;
    let mut done = watched_for(size).as_secs_f64() + STORE_SECONDS;
    for (policy, (name, _)) in POLICIES.iter().enumerate().take(measured(size)) {
        lab.at(done / whole, &format!("a store with {name}"));
        let Some(beside) = unless_stopped(measure(lab, policy).await)? else { break };
        found.beside.push(beside);
        done += measured_for(size).as_secs_f64() + STORE_SECONDS + 0.2;
    }
    let capacities = capacities(size);
    for (place, capacity) in capacities.iter().enumerate() {
        if lab.is_stopped() {
            break;
        }
        let share = place as f64 / capacities.len() as f64;
        lab.at((done + (whole - done) * share) / whole, &format!("replay, {capacity} slots"));
        replay_all(lab, *capacity, &mut found.replayed);
        // So that Ctrl-C is heard.
        tokio::task::yield_now().await;
    }
    Ok(report::section(lab, &found))
}

/// All policies under all popularities at one capacity.
fn replay_all(lab: &Lab, capacity: usize, replayed: &mut Vec<Replayed>) {
    let (length, count) = streams(lab.settings.size);
    for (popularity, (_, law)) in POPULARITIES.iter().enumerate() {
        for (policy, (_, evicts)) in POLICIES.iter().enumerate() {
            let rate = |number: usize| {
                let (toys, seed) = (TOYS, lab.seed(number));
                let warm_up = length / 5;
                let stream = Stream { toys, popularity: *law, warm_up, length, seed };
                hit_rate(stream, *evicts, capacity)
            };
            let rates = (0..count).map(rate).collect();
            replayed.push(Replayed { popularity, policy, capacity, rates });
        }
    }
}

/// A store with this policy, under Zipf: how many of its looks are hits.
async fn measure(lab: &Lab, policy: usize) -> Result<Beside> {
    let options = Options {
        catalogue: Some(lab.catalogue(TOYS)?),
        cache_capacity: u32::try_from(MEASURED_AT)?,
        cache_policy: POLICIES[policy].1,
        ..lab.options()?
    };
    lab.with_store(&options, async |store| {
        let wish = Wish {
            clients: 1,
            mix: mix(0)?,
            pace: Pace::Closed { think: Duration::ZERO },
            warm_up: Duration::from_millis(150),
            length: measured_for(lab.settings.size),
            seed: lab.seed(policy),
        };
        let gathered = lab.load(&frontends(&store.cluster())?, wish).await?;
        let row = gathered.counts.row(crate::load::mix::Kind::Read);
        let looks = row.right;
        Ok(Beside { policy, rate: row.hits() as f64 / looks.max(1) as f64, looks })
    })
    .await
}

fn mix(orders: u32) -> Result<Mix> {
    let orders = Probability::from_millionths(orders).map_err(anyhow::Error::msg)?;
    Ok(Mix {
        orders: Orders::Share(orders),
        order_queries: Probability::default(),
        popularity: Popularity::Zipf(0.8),
        quantities: Quantities::Baskets,
    })
}

/// Watches one frontend's cache while it is asked.
async fn watch(lab: &Lab) -> Result<Timeline> {
    let slots = u32::try_from(WATCHED_SLOTS)?;
    let options = Options { cache_capacity: slots, ..lab.options()? };
    lab.with_store(&options, async |store| {
        let urls = frontends(&store.cluster())?;
        let url = urls.first().context("a store without a frontend")?.clone();
        let length = watched_for(lab.settings.size);
        let wish = Wish {
            clients: 5,
            mix: mix(WATCHED_ORDERS)?,
            pace: Pace::Open { rate: WATCHED_RATE, rhythm: Rhythm::Poisson },
            warm_up: Duration::ZERO,
            length,
            seed: lab.seed(0),
        };
        let (loaded, watched) = tokio::join!(lab.load(&urls, wish), look(&url, length));
        loaded?;
        watched
    })
    .await
}

async fn look(url: &Url, length: Duration) -> Result<Timeline> {
    let first = status::<Status>(url).await?.status;
    let last = first.happened.last().map_or(0, |one| one.number);
    let mut timeline = Timeline::new(WATCHED_SLOTS, last);
    let began = Instant::now();
    while began.elapsed() < length {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let said = status::<Status>(url).await?.status;
        timeline.add(began.elapsed().as_secs_f64(), &said.happened);
    }
    timeline.end(began.elapsed().as_secs_f64());
    Ok(timeline)
}
