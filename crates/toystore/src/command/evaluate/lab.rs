//! The bench that all experiments work on: stores of their own, load on them, what nodes say of
//! themselves, and whether somebody wants an end.
//!
//! Made by [`super::Evaluate`], lent to each experiment. Calls the supervisor and the load
//! generator.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use replication::Protocol;
use serde::de::DeserializeOwned;
use shop::catalog::catalogue;
use shop::frontend::Policy;
use shop::invalidation::Invalidation;
use tokio::sync::watch;

use super::forecast::Forecast;
use super::progress::Progress;
use super::settings::Settings;
use crate::command::load::toys::{address, toys};
use crate::command::scratch::Scratch;
use crate::command::service::{FILES_RESERVED, raise_file_limit};
use crate::command::{Signals, paint};
use crate::http::connection::{Ask, Url, ask_once};
use crate::load::gathered::Gathered;
use crate::load::mix::{Mix, shuffle, spread};
use crate::load::request::Prepared;
use crate::load::{Extent, Pace, Plan, Running};
use crate::supervisor::Store;
use crate::supervisor::cluster::{Cluster, Member};
use crate::supervisor::layout::Role;
use crate::supervisor::node_status::{self, NodeStatus};
use crate::supervisor::options::{Logs, Options, Timers};
use crate::supervisor::ports::Wanted;

/// Toys of the original project, with which the lab was measured.
pub const TOYS: usize = 10;

/// Slots of a frontend's cache: fewer than toys, as the lab wants it.
pub const CAPACITY: u32 = 7;

/// In stock of each toy: never sold out, so that each order takes the whole way.
const STOCK: u64 = 1_000_000_000;

/// A request that has no answer by then is given up.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long a node may take to say how it is.
const ASK_DEADLINE: Duration = Duration::from_secs(2);

/// A restock would change what is measured.
const RESTOCK_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Somebody wanted an end: what is measured so far is kept.
#[derive(Clone, Copy, Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped before it was done")
    }
}

impl std::error::Error for Stopped {}

/// Nothing, if somebody wanted an end; any other error stays one.
///
/// # Errors
/// Those that are something else.
pub fn unless_stopped<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is::<Stopped>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// One load on a store.
pub struct Wish {
    /// Connections that ask.
    pub clients: usize,
    /// What for.
    pub mix: Mix,
    /// When.
    pub pace: Pace,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub length: Duration,
    /// Fixes toys, kinds, quantities and times.
    pub seed: u64,
}

/// The bench.
pub struct Lab {
    /// What was asked for.
    pub settings: Settings,
    folder: Scratch,
    /// Borrowed for the moment of a change only.
    progress: RefCell<Progress>,
    /// Turns true when somebody wants an end; heard by whatever waits.
    stop: watch::Receiver<bool>,
}

impl Lab {
    /// A bench with a folder for what is thrown away; it listens for Ctrl-C from now on.
    ///
    /// # Errors
    /// If the folder cannot be made, or signals cannot be heard.
    pub fn new(settings: Settings, forecast: Forecast) -> Result<Lab> {
        let (sender, stop) = watch::channel(false);
        let mut signals = Signals::listen()?;
        tokio::spawn(async move {
            signals.asked_to_stop().await;
            paint::say("stopping: the report says what was measured so far");
            sender.send_replace(true);
            // Kept, so that whoever waits for a change is not told that nobody can make one.
            std::future::pending::<()>().await;
        });
        let (folder, progress) =
            (Scratch::make("evaluate")?, RefCell::new(Progress::new(forecast)));
        Ok(Lab { settings, folder, progress, stop })
    }

    /// A folder of its own for what is thrown away at the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How far it is, for whoever waits.
    pub fn progress(&self) -> std::cell::RefMut<'_, Progress> {
        self.progress.borrow_mut()
    }

    /// So much of this experiment is done (0 to 1), and what is being done.
    pub fn at(&self, share: f64, doing: &str) {
        self.progress().at(share, doing);
    }

    /// Whether somebody wants an end.
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits, unless somebody wants an end.
    ///
    /// # Errors
    /// [`Stopped`], or those of what is waited for.
    pub async fn until_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stopped() => Err(Error::new(Stopped)),
            done = work => done,
        }
    }

    async fn stopped(&self) {
        // It ends with the program only.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// A seed for each part of an experiment.
    pub fn seed(&self, part: usize) -> u64 {
        spread(self.settings.seed, part)
    }

    /// The store of the lab: [`TOYS`] toys that are never sold out, a cache of [`CAPACITY`], three
    /// order replicas, one frontend; in a folder that is removed at the end, on free ports.
    ///
    /// # Errors
    /// If the catalogue cannot be written.
    pub fn options(&self) -> Result<Options> {
        Ok(Options {
            frontends: 1,
            orders: Some(3),
            catalogs: Some(1),
            replication: Some(self.settings.replication),
            cache_capacity: CAPACITY,
            cache_policy: Policy::default(),
            invalidation: Invalidation::Lease,
            restock_interval: RESTOCK_INTERVAL,
            catalogue: Some(self.catalogue(TOYS)?),
            timers: Timers::Default,
            shadow_disk: false,
            chaos: true,
            ports_auto: true,
            wanted: Wanted::loopback(),
            dashboard: None,
            data: None,
            logs: Logs::Files,
        })
    }

    /// A catalogue of so many toys: those of the built-in one first, then numbered ones.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn catalogue(&self, toys: usize) -> Result<PathBuf> {
        let path = self.folder().join(format!("catalogue-{toys}.csv"));
        if path.exists() {
            return Ok(path);
        }
        let known = catalogue::built_in().into_iter().map(|toy| toy.name.spelling().to_string());
        let names = known.chain((1..).map(|number| format!("Toy {number:07}")));
        let mut text = format!("{}\n", catalogue::HEADER);
        for name in names.take(toys) {
            text.push_str(&format!("{name},9.99,{STOCK}\n"));
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Works with a store that is stopped afterwards, whatever comes of the work.
    ///
    /// # Errors
    /// If it does not start, or those of the work.
    pub async fn with_store<T>(
        &self,
        options: &Options,
        work: impl AsyncFnOnce(&Arc<Store>) -> Result<T>,
    ) -> Result<T> {
        let started = Store::start(options, Box::new(|_| {}), self.stopped()).await;
        let Some(store) = started.context("a store did not start")? else {
            return Err(Error::new(Stopped));
        };
        let done = work(&store).await;
        store.stop().await;
        done
    }

    /// Puts load on these frontends, and gathers what came of it.
    ///
    /// # Errors
    /// [`Stopped`]; if there are no toys; if an answer was wrong.
    pub async fn load(&self, urls: &[Url], wish: Wish) -> Result<Gathered> {
        let mut names = self.until_stopped(toys(urls)).await?;
        shuffle(&mut names, wish.seed);
        let plan = Plan {
            addresses: urls.iter().map(address).collect::<Result<_>>()?,
            // No seed: keys must be new to the store in every run.
            prepared: Prepared::new(urls, names, rand::random()),
            mix: wish.mix,
            pace: wish.pace,
            clients: wish.clients,
            threads: 1,
            warm_up: wish.warm_up,
            extent: Extent::For(wish.length),
            deadline: DEADLINE,
            seed: wish.seed,
            recorded: false,
        };
        raise_file_limit(wish.clients as u64 + FILES_RESERVED);
        let mut running = Running::start(plan).context("cannot start the load generator")?;
        let mut gathered = Gathered::new(1);
        let mut stopped = false;
        loop {
            tokio::select! {
                biased;
                () = self.stopped(), if !stopped => {
                    stopped = true;
                    // No more requests, and no waiting either.
                    running.stop();
                    running.stop();
                }
                report = running.next() => {
                    let Some(report) = report else { break };
                    gathered.add(report);
                }
            }
        }
        running.end().map_err(Error::msg)?;
        if stopped {
            return Err(Error::new(Stopped));
        }
        if gathered.counts.wrong() > 0 {
            bail!("the store gave a wrong answer: {}", gathered.troubles.join("; "));
        }
        Ok(gathered)
    }

    /// The protocol of the stores that it starts.
    pub fn replication(&self) -> Protocol {
        self.settings.replication
    }
}

/// The frontends of a store.
///
/// # Errors
/// If an address is none.
pub fn frontends(cluster: &Cluster) -> Result<Vec<Url>> {
    cluster.of(Role::Frontend).map(Member::url).collect()
}

/// What a node says of itself, wherever it is.
///
/// # Errors
/// Why it does not.
pub async fn status<S: DeserializeOwned>(url: &Url) -> Result<NodeStatus<S>> {
    let mut connection = crate::http::connection::Connection::new(url.clone());
    node_status::ask_on(&mut connection).await.map_err(|why| Error::msg(format!("{url}: {why}")))
}

/// Calls between frontends and catalog that were answered so far, in both directions: fills,
/// leases, invalidations.
///
/// # Errors
/// If a node does not answer.
pub async fn cache_calls(cluster: &Cluster) -> Result<u64> {
    let mut all = 0;
    for member in &cluster.nodes {
        let called = match member.role {
            Role::Frontend => "catalog",
            Role::Catalog => "frontend",
            Role::Order => continue,
        };
        let said = ask_once(&member.url()?, &Ask::get("/metrics"), ASK_DEADLINE).await;
        let said = said.map_err(|why| Error::msg(format!("{}: {why}", member.name)))?;
        let text = String::from_utf8_lossy(&said.body).into_owned();
        let counts = text.lines().filter_map(read_calls);
        all += counts.filter(|(to, _)| to.starts_with(called)).map(|(_, count)| count).sum::<u64>();
    }
    Ok(all)
}

/// `toystore_call_duration_seconds_count{to="catalog"} 12`
fn read_calls(line: &str) -> Option<(String, u64)> {
    let rest = line.strip_prefix("toystore_call_duration_seconds_count{to=\"")?;
    let (to, count) = rest.split_once("\"} ")?;
    Some((to.to_string(), count.parse().ok()?))
}

/// Memory of a process that is in use, in bytes.
pub fn resident(member: &Member) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", member.pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_metrics() {
        let line = "toystore_call_duration_seconds_count{to=\"catalog\"} 12";
        assert_eq!(read_calls(line), Some(("catalog".to_string(), 12)));
        assert_eq!(read_calls("toystore_call_duration_seconds_sum{to=\"catalog\"} 1.2"), None);
    }
}
