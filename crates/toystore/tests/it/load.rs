//! Shoppers: `toystore client` as processes, again and again in the background while a test does
//! something to the store, and what they were told.
//!
//! Used with [`super::store`]; judged by [`super::sound`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::exchange::Said;
use crate::store::{Store, toystore};
use crate::waiting::wait_at_most;

/// How long one run of shoppers may take: they try again for longer than any fault here lasts.
const RUN_DEADLINE: Duration = Duration::from_secs(60);

/// An order that somebody was told is recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acknowledged {
    /// Its number.
    pub number: u64,
    /// The toy.
    pub name: String,
    /// How many.
    pub quantity: u64,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The state of the stock that its take made.
    pub version: u64,
}

impl Acknowledged {
    /// What an answer to an order says.
    pub fn by(said: &Said, key: &str, name: &str, quantity: u64) -> Acknowledged {
        assert_eq!(said.status, 200, "{said:?}");
        let number = said.json()["data"]["order_number"].as_u64().unwrap();
        let (name, key) = (name.to_string(), key.to_string());
        Acknowledged { number, name, quantity, key, version: said.version() }
    }
}

/// What shoppers were told, over all their runs.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Every order that was acknowledged.
    pub orders: Vec<Acknowledged>,
    /// The JSON results, one for each run.
    pub results: Vec<Value>,
}

impl Clients {
    /// Nobody, or whoever a test speaks for itself.
    pub fn of(orders: Vec<Acknowledged>) -> Clients {
        Clients { orders, results: vec![] }
    }

    /// Both together.
    pub fn and(mut self, more: Clients) -> Clients {
        self.orders.extend(more.orders);
        self.results.extend(more.results);
        self
    }

    /// A number that each result has, added up.
    pub fn sum(&self, name: &str) -> u64 {
        self.results.iter().map(|result| result[name].as_u64().unwrap()).sum()
    }
}

/// How shoppers shop.
#[derive(Clone, Debug)]
pub struct Shoppers {
    urls: Vec<String>,
    flags: Vec<String>,
    folder: PathBuf,
}

/// So that no two runs have the same seed: a store remembers request ids, which are made of it.
static RUNS: AtomicU32 = AtomicU32::new(1);

impl Shoppers {
    /// Four who order most of what they look at, at all frontends, and do not give up.
    pub fn of(store: &Store) -> Shoppers {
        let flags = ["--clients", "4", "--requests", "25", "--probability", "0.8"];
        let patience = ["--retries", "100", "--retry-interval", "200ms", "--pause", "5ms"];
        let flags = flags.iter().chain(&patience).map(|flag| (*flag).to_string()).collect();
        Shoppers { urls: store.frontends(), flags, folder: store.folder().to_path_buf() }
    }

    /// At this frontend only.
    pub fn at(mut self, url: &str) -> Shoppers {
        self.urls = vec![url.to_string()];
        self
    }

    /// With a flag of `toystore client` set otherwise.
    pub fn with(mut self, flag: &str, value: &str) -> Shoppers {
        match self.flags.iter().position(|known| known == flag) {
            Some(place) => self.flags[place + 1] = value.to_string(),
            None => self.flags.extend([flag.to_string(), value.to_string()]),
        }
        self
    }

    fn spawn(&self) -> Run {
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.folder.join(format!("client-{number}.{kind}"));
        let (csv, json) = (file("csv"), file("json"));
        let mut command = toystore(&["client", "--json", "--url", &self.urls.join(",")]);
        command.args(&self.flags).args(["--seed", &number.to_string()]).arg("--orders-csv");
        command.arg(&csv).stdout(fs::File::create(&json).unwrap()).stderr(Stdio::null());
        Run { process: command.spawn().unwrap(), csv, json }
    }

    /// One run, from beginning to end.
    pub fn shop(&self) -> Clients {
        self.spawn().finish()
    }

    /// Run after run, until [`Load::stop`].
    pub fn load(&self) -> Load {
        let shoppers = self.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let folder = self.folder.clone();
        let before = count_orders(&folder);
        let thread = std::thread::spawn(move || {
            let mut clients = Clients::default();
            while !stopped.load(Ordering::Relaxed) {
                clients = clients.and(shoppers.shop());
            }
            clients
        });
        Load { stop, thread: Some(thread), folder, before }
    }
}

/// One process; killed if it is dropped before it has ended.
struct Run {
    process: Child,
    csv: PathBuf,
    json: PathBuf,
}

impl Run {
    fn finish(mut self) -> Clients {
        let ended = || self.process.try_wait().unwrap();
        let status = wait_at_most(RUN_DEADLINE, "shoppers come to an end", ended);
        let text = fs::read_to_string(&self.json).unwrap();
        let result = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{status}, {error}: {text:?}"));
        Clients { orders: read_orders(&self.csv), results: vec![result] }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Shoppers in the background.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Clients>>,
    folder: PathBuf,
    before: usize,
}

impl Load {
    /// How many orders have been acknowledged so far.
    pub fn count(&self) -> usize {
        count_orders(&self.folder) - self.before
    }

    /// Waits until so many more orders are acknowledged.
    pub fn wait_for_more(&self, orders: usize) {
        self.wait_for_more_within(crate::waiting::DEADLINE, orders);
    }

    /// The same with a deadline of its own.
    pub fn wait_for_more_within(&self, deadline: Duration, orders: usize) {
        let goal = self.count() + orders;
        let what = format!("{orders} more orders are acknowledged");
        wait_at_most(deadline, &what, || (self.count() >= goal).then_some(()));
    }

    /// Lets the shoppers come to their end: each reads back what it ordered, and compares.
    pub fn stop(mut self) -> Clients {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().unwrap().join() {
            Ok(clients) => clients,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already; this only waits for the process.
            let _ = thread.join();
        }
    }
}

fn count_orders(folder: &Path) -> usize {
    let files = fs::read_dir(folder).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let csv = files.filter(|path| path.extension().is_some_and(|extension| extension == "csv"));
    csv.map(|path| lines(&path).len()).sum()
}

/// Whole lines, without the first, which names the fields.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().skip(1).map(str::to_string).collect()
}

fn read_orders(path: &Path) -> Vec<Acknowledged> {
    let order = |line: &String| {
        // No toy of the built-in catalogue has a comma or a quote in its name.
        let fields: Vec<&str> = line.split(',').collect();
        let fields: BTreeMap<&str, &str> = ORDER_FIELDS.into_iter().zip(fields).collect();
        let number = |name: &str| fields[name].parse().unwrap();
        Acknowledged {
            number: number("number"),
            name: fields["name"].trim_matches('"').to_string(),
            quantity: number("quantity"),
            key: fields["request_id"].to_string(),
            version: number("toy_version"),
        }
    };
    lines(path).iter().map(order).collect()
}

/// The first fields of the CSV file, in order.
const ORDER_FIELDS: [&str; 6] =
    ["number", "name", "quantity", "session", "request_id", "toy_version"];
