//! Experiment 6: more clients, more frontends, more order replicas, more toys, more orders on disk.
//!
//! One thing grows at a time; everything else is the store of the lab. Toys and orders also show
//! how long a store needs to start, and what it keeps in memory.

mod report;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use shop::shopper::Probability;
use tokio::process::Command;

use super::lab::{CAPACITY, Lab, Stopped, TOYS, Wish, frontends, resident, unless_stopped};
use super::section::Section;
use super::settings::Size;
use crate::http::connection::Url;
use crate::load::Pace;
use crate::load::count::Latencies;
use crate::load::gathered::Gathered;
use crate::load::mix::{Kind, Mix, Orders, Popularity, Quantities};
use crate::supervisor::cluster::Cluster;
use crate::supervisor::layout::Role;
use crate::supervisor::options::Options;

/// Clients, where something else grows.
const CLIENTS: usize = 16;

/// Of a million requests, so many order, and so many read an order again.
const ORDERS: u32 = 100_000;
const ORDER_QUERIES: u32 = 50_000;

/// How long a store takes to start and to stop, in seconds.
const STORE_SECONDS: f64 = 1.0;

/// How long a million orders take to be generated and to be started with, in seconds.
const MILLION_ORDERS_SECONDS: f64 = 8.0;

/// Toys of a store that has orders already: with 100 of each, so that they are not sold out.
const GENERATED_TOYS: usize = 1000;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grows {
    /// Clients that ask at the same time.
    Clients,
    /// Frontends that answer them.
    Frontends,
    /// Replicas of the order service.
    Replicas,
    /// Toys that are sold.
    Toys,
    /// Orders that are on disk when the store starts.
    Orders,
}

impl Grows {
    /// All.
    pub const ALL: [Grows; 5] =
        [Grows::Clients, Grows::Frontends, Grows::Replicas, Grows::Toys, Grows::Orders];

    /// As plots and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Grows::Clients => "clients",
            Grows::Frontends => "frontends",
            Grows::Replicas => "replicas",
            Grows::Toys => "toys",
            Grows::Orders => "orders",
        }
    }

    /// To how many.
    fn steps(self, size: Size) -> &'static [usize] {
        match self {
            Grows::Clients => {
                size.of(&[1, 16], &[1, 4, 16, 64, 256], &[1, 2, 4, 8, 16, 32, 64, 128, 256])
            }
            Grows::Frontends => size.of(&[1], &[1, 3, 5], &[1, 2, 3, 4, 5]),
            Grows::Replicas => size.of(&[3], &[3, 5, 7], &[3, 5, 7]),
            Grows::Toys => size.of(
                &[10, 1_000],
                &[10, 1_000, 10_000, 1_000_000],
                &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
            ),
            Grows::Orders => size.of(
                &[0, 1_000],
                &[0, 100_000, 1_000_000],
                &[0, 10_000, 100_000, 1_000_000, 10_000_000],
            ),
        }
    }
}

fn repetitions(size: Size) -> usize {
    size.of(1, 1, 3)
}

fn length(size: Size) -> Duration {
    size.millis(200, 500, 4000)
}

fn warm_up(size: Size) -> Duration {
    size.millis(50, 150, 1000)
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size, own_stores: bool) -> f64 {
    let one = (length(size) + warm_up(size)).as_secs_f64();
    let of = |grows: Grows| {
        let steps = grows.steps(size);
        match grows {
            Grows::Clients => steps.len() as f64 * one + STORE_SECONDS,
            _ if !own_stores => 0.0,
            Grows::Frontends | Grows::Replicas | Grows::Toys => {
                steps.len() as f64 * (one + STORE_SECONDS)
            }
            Grows::Orders => {
                let orders: usize = steps.iter().sum();
                let start = orders as f64 / 1e6 * MILLION_ORDERS_SECONDS;
                steps.len() as f64 * (one + STORE_SECONDS) + start
            }
        }
    };
    repetitions(size) as f64 * Grows::ALL.into_iter().map(of).sum::<f64>()
}

/// What was measured of one store under load.
#[derive(Clone, Debug)]
pub struct Point {
    /// What grew.
    pub grows: Grows,
    /// To how many.
    pub count: usize,
    /// Right answers a second.
    pub rate: f64,
    /// Of reads and of orders: samples, half, and 99 of 100.
    pub reads: Option<Latencies>,
    /// See there.
    pub orders: Option<Latencies>,
    /// From nothing to a store that is ready, in seconds.
    pub start: Option<f64>,
    /// Memory of the catalog, of a frontend, of an order replica, in bytes.
    pub memory: Option<[u64; 3]>,
}

/// Measures it.
///
/// # Errors
/// If a store does not start, or gives a wrong answer.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    let own = lab.settings.urls.is_empty();
    let (mut points, mut missing) = (Vec::new(), Vec::new());
    let whole = planned(size, own);
    let began = Instant::now();
    'all: for repetition in 0..repetitions(size) {
        for grows in Grows::ALL {
            if !own && grows != Grows::Clients {
                continue;
            }
            // Of its own plan at most: what is left is told by what is done.
            let share = (began.elapsed().as_secs_f64() / whole).min(0.95);
            let doing = format!("{}, {} of {}", grows.name(), repetition + 1, repetitions(size));
            lab.at(share, &doing);
            let done = match (grows, &lab.settings.urls[..]) {
                (Grows::Clients, []) => own_clients(lab, &mut points).await,
                (Grows::Clients, urls) => clients(lab, urls, None, &mut points).await,
                (_, _) => stores(lab, grows, &mut points, &mut missing).await,
            };
            if unless_stopped(done)?.is_none() {
                break 'all;
            }
        }
    }
    Ok(report::section(lab, &points, missing))
}

async fn own_clients(lab: &Lab, points: &mut Vec<Point>) -> Result<()> {
    let options = Options { frontends: 2, ..lab.options()? };
    lab.with_store(&options, async |store| {
        let cluster = store.cluster();
        clients(lab, &frontends(&cluster)?, Some(&cluster), points).await
    })
    .await
}

/// More and more clients at one store.
async fn clients(
    lab: &Lab,
    urls: &[Url],
    cluster: Option<&Cluster>,
    points: &mut Vec<Point>,
) -> Result<()> {
    for &count in Grows::Clients.steps(lab.settings.size) {
        let gathered = load(lab, urls, count).await?;
        points.push(Point::new(Grows::Clients, count, &gathered, None, cluster));
    }
    Ok(())
}

/// A store for each step. One that cannot be had is missing, and no reason to throw the others
/// away.
async fn stores(
    lab: &Lab,
    grows: Grows,
    points: &mut Vec<Point>,
    missing: &mut Vec<String>,
) -> Result<()> {
    for &count in grows.steps(lab.settings.size) {
        let data = lab.folder().join(format!("scale-{}-{count}", grows.name()));
        let done = store(lab, grows, count, &data, points).await;
        // It is removed with the bench at the latest.
        let _ = std::fs::remove_dir_all(&data);
        match done {
            Err(error) if !error.is::<Stopped>() => {
                missing.push(format!("{count} {}: {error:#}", grows.name()));
            }
            done => done?,
        }
    }
    Ok(())
}

async fn store(
    lab: &Lab,
    grows: Grows,
    count: usize,
    data: &Path,
    points: &mut Vec<Point>,
) -> Result<()> {
    let usual = lab.options()?;
    let small = u8::try_from(count).unwrap_or(u8::MAX);
    let options = match grows {
        Grows::Frontends => Options { frontends: small, ..usual },
        Grows::Replicas => Options { orders: Some(small), ..usual },
        Grows::Toys => Options { catalogue: Some(lab.catalogue(count)?), ..usual },
        Grows::Orders => {
            generate(lab, count, data).await?;
            Options { catalogue: None, data: Some(data.to_path_buf()), ..usual }
        }
        Grows::Clients => usual,
    };
    let began = Instant::now();
    lab.with_store(&options, async |store| {
        let start = Some(began.elapsed().as_secs_f64());
        let cluster = store.cluster();
        let gathered = load(lab, &frontends(&cluster)?, CLIENTS).await?;
        points.push(Point::new(grows, count, &gathered, start, Some(&cluster)));
        Ok(())
    })
    .await
}

/// A data folder with so many orders, by `toystore generate` in a process of its own: it can be
/// ended at any time, and its memory goes with it.
async fn generate(lab: &Lab, orders: usize, data: &Path) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg("generate").arg("--data").arg(data);
    command.args(["--toys", &GENERATED_TOYS.to_string(), "--orders", &orders.to_string()]);
    command.args(["--replication", lab.replication().name()]);
    command.args(["--seed", &lab.settings.seed.to_string()]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let made = lab.until_stopped(async { Ok(command.output().await?) }).await?;
    if !made.status.success() {
        let words = String::from_utf8_lossy(&made.stderr).into_owned();
        bail!("no store could be generated: {}", words.trim());
    }
    Ok(())
}

async fn load(lab: &Lab, urls: &[Url], clients: usize) -> Result<Gathered> {
    let (size, share) = (lab.settings.size, Probability::from_millionths);
    let share = |millionths| share(millionths).map_err(anyhow::Error::msg);
    let wish = Wish {
        clients,
        mix: Mix {
            orders: Orders::Share(share(ORDERS)?),
            order_queries: share(ORDER_QUERIES)?,
            popularity: Popularity::Zipf(0.8),
            quantities: Quantities::Baskets,
        },
        pace: Pace::Closed { think: Duration::ZERO },
        warm_up: warm_up(size),
        length: length(size),
        seed: lab.seed(clients),
    };
    lab.load(urls, wish).await
}

impl Point {
    fn new(
        grows: Grows,
        count: usize,
        gathered: &Gathered,
        start: Option<f64>,
        cluster: Option<&Cluster>,
    ) -> Point {
        let total = gathered.counts.total();
        let of = |kind| Latencies::of(&gathered.counts.row(kind).response);
        let memory = |role| cluster?.of(role).next().and_then(resident);
        let memory = match [Role::Catalog, Role::Frontend, Role::Order].map(memory) {
            [Some(catalog), Some(frontend), Some(order)] => Some([catalog, frontend, order]),
            _ => None,
        };
        Point {
            grows,
            count,
            rate: total.right as f64 / gathered.measured.as_secs_f64().max(0.001),
            reads: of(Kind::Read),
            orders: of(Kind::Order),
            start,
            memory,
        }
    }
}

/// What was asked of which store, in sentences.
fn how(lab: &Lab) -> Vec<String> {
    let size = lab.settings.size;
    vec![
        format!(
            "One thing grows, all else is as in a store of {TOYS} toys, a cache of {CAPACITY}, one \
             frontend (for clients: two), three order replicas ({}) and one catalog. {CLIENTS} \
             clients ask without a pause: toys by a Zipf law of exponent 0.8, {} % orders, {} % \
             reads of earlier orders. Each point lasts {} ms after {} ms that are not counted, in \
             {} repetitions.",
            lab.replication(),
            ORDERS / 10_000,
            ORDER_QUERIES / 10_000,
            length(size).as_millis(),
            warm_up(size).as_millis(),
            repetitions(size),
        ),
        "Memory is what the system counts as resident (VmRSS) of one process of each kind, after \
         the load. The start is from the first process to the moment at which all are ready."
            .to_string(),
        format!(
            "Orders on disk are made up by toystore generate, before anything starts: a store of \
             {GENERATED_TOYS} toys that has sold so many orders, in the log and the checkpoint of \
             each replica."
        ),
        "By hand: toystore up --frontends 5 --orders 7 --catalogue FILE; toystore load --clients \
         256 --orders 0.1 --order-queries 0.05."
            .to_string(),
    ]
}
