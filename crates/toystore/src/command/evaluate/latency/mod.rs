//! Experiment 1: how long each kind of request takes, against the probability of an order, with the
//! cache and without; and what the cache is worth.
//!
//! A repetition has two stores of its own, one with a cache and one without, which are measured in
//! turn at each probability, so that what slows one slows the other; the order is drawn. What is
//! averaged are the means of repetitions ([`super::statistics`]).

mod report;

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use shop::shopper::Probability;

use super::lab::{CAPACITY, Lab, TOYS, Wish, frontends, unless_stopped};
use super::section::Section;
use super::settings::Size;
use crate::http::connection::Url;
use crate::load::Pace;
use crate::load::count::histogram;
use crate::load::gathered::Gathered;
use crate::load::mix::{Kind, Mix, Orders, Popularity, Quantities, shuffle};

/// Clients, each of whom waits for its answer and asks again: the lab's number.
const CLIENTS: usize = 5;

/// Of all requests, so many in a million read one of the last orders again.
const ORDER_QUERIES: u32 = 100_000;

/// How long a store takes to start and to stop, in seconds.
const STORE_SECONDS: f64 = 0.7;

/// Probabilities of an order after a look, in percent.
fn percents(size: Size) -> &'static [u32] {
    size.of(&[0, 80], &[0, 20, 40, 60, 80, 100], &[0, 20, 40, 60, 80, 100])
}

fn repetitions(size: Size) -> usize {
    size.of(2, 4, 10)
}

fn length(size: Size) -> Duration {
    size.millis(200, 450, 4000)
}

fn warm_up(size: Size) -> Duration {
    size.millis(50, 100, 500)
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size, own_stores: bool) -> f64 {
    let stores = if own_stores { 2.0 } else { 1.0 };
    let one = (length(size) + warm_up(size)).as_secs_f64() + 0.02;
    let start = if own_stores { STORE_SECONDS } else { 0.0 };
    repetitions(size) as f64 * stores * (start + percents(size).len() as f64 * one)
}

/// What is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// A look at a toy, out of the frontend's cache.
    Hit,
    /// A look that went to the catalog.
    Miss,
    /// Both together.
    Query,
    /// An order.
    Order,
    /// An order that is read again.
    OrderQuery,
}

impl Request {
    /// All.
    pub const ALL: [Request; 5] =
        [Request::Hit, Request::Miss, Request::Query, Request::Order, Request::OrderQuery];

    /// As plots name it.
    pub fn name(self) -> &'static str {
        match self {
            Request::Hit => "query hit",
            Request::Miss => "query miss",
            Request::Query => "query",
            Request::Order => "order",
            Request::OrderQuery => "order query",
        }
    }

    /// Its latencies, of those of a run.
    fn latencies(self, gathered: &Gathered) -> Histogram<u64> {
        let row = |kind| gathered.counts.row(kind);
        match self {
            Request::Hit => row(Kind::Read).from_cache.clone(),
            Request::Miss => row(Kind::Read).past_cache(),
            Request::Query => row(Kind::Read).response.clone(),
            Request::Order => row(Kind::Order).response.clone(),
            Request::OrderQuery => row(Kind::OrderQuery).response.clone(),
        }
    }
}

/// One kind of request at one probability, with the cache or without: each repetition by itself,
/// and all together.
#[derive(Debug)]
pub struct Cell {
    /// Whether there is a cache.
    pub cache: bool,
    /// The probability of an order, in percent.
    pub percent: u32,
    /// What is asked.
    pub request: Request,
    /// The mean of each repetition that had any, in microseconds, by the repetition's number.
    pub means: Vec<(usize, f64)>,
    /// All latencies.
    pub all: Histogram<u64>,
}

/// Everything.
#[derive(Debug, Default)]
pub struct Measured {
    /// By cache, probability and request.
    pub cells: Vec<Cell>,
    /// Answers a second: cache, percent, repetition.
    pub rates: Vec<(bool, u32, usize, f64)>,
    /// Repetitions that were done.
    pub repetitions: usize,
}

impl Measured {
    fn add(&mut self, cache: bool, percent: u32, repetition: usize, gathered: &Gathered) {
        let total = gathered.counts.total();
        let seconds = gathered.measured.as_secs_f64().max(0.001);
        self.rates.push((cache, percent, repetition, total.right as f64 / seconds));
        for request in Request::ALL {
            let latencies = request.latencies(gathered);
            let same = |cell: &&mut Cell| {
                (cell.cache, cell.percent, cell.request) == (cache, percent, request)
            };
            let place = match self.cells.iter_mut().find(same) {
                Some(cell) => cell,
                None => {
                    let (means, all) = (Vec::new(), histogram());
                    self.cells.push(Cell { cache, percent, request, means, all });
                    let last = self.cells.len() - 1;
                    &mut self.cells[last]
                }
            };
            if !latencies.is_empty() {
                place.means.push((repetition, latencies.mean()));
                place.all.add(&latencies).expect("a histogram of histogram() grows");
            }
        }
    }

    /// The cell of a kind of request.
    pub fn cell(&self, cache: bool, percent: u32, request: Request) -> Option<&Cell> {
        let same =
            |cell: &&Cell| (cell.cache, cell.percent, cell.request) == (cache, percent, request);
        self.cells.iter().find(same).filter(|cell| !cell.means.is_empty())
    }
}

/// Measures it.
///
/// # Errors
/// If a store does not start, or gives a wrong answer.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    let mut measured = Measured::default();
    for repetition in 0..repetitions(size) {
        let done = match &lab.settings.urls[..] {
            [] => own_stores(lab, repetition, &mut measured).await,
            urls => measure(lab, repetition, &[(true, urls.to_vec())], &mut measured).await,
        };
        if unless_stopped(done)?.is_none() {
            break;
        }
        measured.repetitions += 1;
    }
    Ok(report::section(lab, &measured))
}

async fn own_stores(lab: &Lab, repetition: usize, measured: &mut Measured) -> Result<()> {
    let with = lab.options()?;
    let without = crate::supervisor::options::Options { cache_capacity: 0, ..with.clone() };
    lab.with_store(&with, async |with| {
        lab.with_store(&without, async |without| {
            let (with, without) = (frontends(&with.cluster())?, frontends(&without.cluster())?);
            measure(lab, repetition, &[(true, with), (false, without)], measured).await
        })
        .await
    })
    .await
}

/// All probabilities in a drawn order, at each of the stores in turn.
async fn measure(
    lab: &Lab,
    repetition: usize,
    stores: &[(bool, Vec<Url>)],
    measured: &mut Measured,
) -> Result<()> {
    let size = lab.settings.size;
    let mut order = percents(size).to_vec();
    shuffle(&mut order, lab.seed(repetition));
    for (place, percent) in order.iter().copied().enumerate() {
        // Who is first changes, too.
        for turn in 0..stores.len() {
            let (cache, urls) = &stores[(turn + repetition + place) % stores.len()];
            let part = repetition * 1000 + percent as usize;
            let wish = Wish {
                clients: CLIENTS,
                mix: mix(percent)?,
                pace: Pace::Closed { think: Duration::ZERO },
                warm_up: warm_up(size),
                length: length(size),
                seed: lab.seed(part),
            };
            let gathered = lab.load(urls, wish).await?;
            measured.add(*cache, percent, repetition, &gathered);
            let within = (place * stores.len() + turn + 1) as f64;
            let within = within / (order.len() * stores.len()) as f64;
            let all = repetitions(size);
            let doing = format!("repetition {} of {all}, p = {percent} %", repetition + 1);
            lab.at((repetition as f64 + within) / all as f64, &doing);
        }
    }
    Ok(())
}

fn mix(percent: u32) -> Result<Mix> {
    let probability =
        |millionths| Probability::from_millionths(millionths).map_err(anyhow::Error::msg);
    Ok(Mix {
        orders: Orders::AfterRead(probability(percent * (Probability::ONE / 100))?),
        order_queries: probability(ORDER_QUERIES)?,
        popularity: Popularity::Uniform,
        quantities: Quantities::Baskets,
    })
}

/// What was asked of which store, in sentences.
fn how(lab: &Lab) -> Vec<String> {
    let size = lab.settings.size;
    let mut how = Vec::new();
    if lab.settings.urls.is_empty() {
        how.push(format!(
            "Each repetition starts two stores: {TOYS} toys that are never sold out, one frontend, \
             three order replicas ({}), one catalog; one has a cache of {CAPACITY} toys kept right \
             by leases, the other none (--cache-capacity 0).",
            lab.replication()
        ));
    }
    how.push(format!(
        "{CLIENTS} clients ask without a pause, each for one thing after the other (a closed \
         loop): a toy, all equally likely; then, with probability p, they order it; one request in \
         ten reads one of the last orders again. Each point is {} ms long in each of {} \
         repetitions, after {} ms that are not counted; the stores take turns, in a drawn order.",
        length(size).as_millis(),
        repetitions(size),
        warm_up(size).as_millis(),
    ));
    how.push(
        "A latency is from the sending of a request to its answer, at the client. Hit and miss are \
         told apart by what the frontend says of its answer (X-Cache). Points are means of the \
         repetitions' means; lines on them are Student's 95 % confidence intervals over the \
         repetitions (see docs/evaluate.md)."
            .to_string(),
    );
    how.push(
        "By hand: toystore up --cache-capacity 7, then toystore load --clients 5 --p 0.2 \
         --order-queries 0.1 --popularity uniform."
            .to_string(),
    );
    how
}
