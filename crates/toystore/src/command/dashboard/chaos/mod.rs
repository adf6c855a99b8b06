//! Chaos from the page: one strike after the other, from a plan that a seed decides alone.
//!
//! ```text
//! PUT /api/chaos {"seed":7} ─► plan: seed, nodes, step ─► strike ─► lasts ─► mended ─► rest ─┐
//!                                        ▲                                                  │
//!                                        └──────────── all that was struck is ready ◄───────┘
//! DELETE /api/chaos ─► the strike of the moment is mended; nothing else is touched
//! ```
//!
//! The same seed strikes the same nodes of the same store in the same order, for as long; not at
//! the same moments, since a store takes its time to be well again. A strike that would leave no
//! majority, because somebody else broke something too, is passed over. What a click broke stays as
//! it is: a link is struck only while nothing is wrong with it, and mended only if it is still as
//! it was left.
//!
//! Called by `web`, and by `dashboard::mod`, which puts [`Chaos::shown`] into every frame; calls
//! `acts`.

mod plan;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Dashboard;
use crate::command::paint;
use crate::command::status::look;
use crate::peer::faults::EdgeFaults;
use crate::supervisor::cluster::{Cluster, State};
use crate::supervisor::control::Action;
use plan::{Part, Roster};

/// The largest seed: the largest whole number that every JSON reader takes.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// Strikes that a frame tells of, besides that of the moment.
const TOLD_MAX: usize = 5;

/// How long a node that was struck may take to be ready again, before the next strike.
const WELL_MAX: Duration = Duration::from_secs(15);

/// How often that is looked at, and how soon a mending is tried again.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const MEND_INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing is tried where there is nothing to strike.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// How long whoever ends it waits for the last mending.
const OFF_MAX: Duration = Duration::from_secs(20);

/// The switch, and what it does while it is on.
#[derive(Debug)]
pub struct Chaos {
    wanted: watch::Sender<Option<Wanted>>,
    shown: watch::Sender<Option<Shown>>,
}

/// Who switches it on again, with the same seed too, wants it from the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    seed: u64,
    /// Another one each time.
    run: u64,
}

/// What a frame shows.
#[derive(Clone, Debug, Serialize)]
struct Shown {
    seed: u64,
    #[serde(skip)]
    run: u64,
    /// The strike of the moment, or the last one; 0 before the first.
    step: u64,
    now: Option<String>,
    /// The newest first.
    last: VecDeque<Told>,
}

#[derive(Clone, Debug, Serialize)]
struct Told {
    step: u64,
    words: String,
}

impl Chaos {
    /// Off.
    pub fn new() -> Chaos {
        Chaos { wanted: watch::Sender::new(None), shown: watch::Sender::new(None) }
    }

    /// On, from the first step of this seed, or of a random one. Returns the seed.
    pub fn on(&self, seed: Option<u64>) -> u64 {
        // Short, so that it can be typed again.
        let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u16>()));
        paint::say(format_args!(
            "chaos: seed {seed}; PUT /api/chaos {{\"seed\":{seed}}} repeats it"
        ));
        let run = rand::random();
        self.wanted.send_replace(Some(Wanted { seed, run }));
        seed
    }

    /// Off: returns when what it broke is mended.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn off(&self) -> Result<()> {
        let ended = self.wanted.send_replace(None).map(|wanted| wanted.run);
        let mut shown = self.shown.subscribe();
        let mended = shown.wait_for(|shown| match (shown, ended) {
            (None, _) => true,
            // Somebody may switch it on again meanwhile.
            (Some(shown), Some(ended)) => shown.run != ended,
            (Some(_), None) => false,
        });
        let mended = tokio::time::timeout(OFF_MAX, mended).await;
        mended.map(|_| ()).context(
            "chaos is off, but what it broke last is not mended yet: it is tried again until then",
        )
    }

    /// Whether it is on, or something that it broke is not mended yet.
    pub fn is_on(&self) -> bool {
        self.wanted.borrow().is_some() || self.shown.borrow().is_some()
    }

    /// What a frame shows of it: null while it is off.
    pub fn shown(&self) -> Value {
        json!(*self.shown.borrow())
    }

    fn show(&self, change: impl FnOnce(&mut Shown)) {
        self.shown.send_if_modified(|shown| shown.as_mut().map(change).is_some());
    }

    /// The strike of the moment.
    fn begin(&self, step: u64, words: String) {
        self.show(|shown| (shown.step, shown.now) = (step, Some(words)));
    }

    /// It is over, with this.
    fn end(&self, step: u64, words: String) {
        self.show(|shown| {
            (shown.step, shown.now) = (step, None);
            shown.last.push_front(Told { step, words });
            shown.last.truncate(TOLD_MAX);
        });
    }
}

/// Strikes whenever that is wanted, as long as the process lives.
pub async fn run(dashboard: Arc<Dashboard>) {
    let chaos = &dashboard.chaos;
    let mut wanted = chaos.wanted.subscribe();
    while wanted.changed().await.is_ok() {
        let now = *wanted.borrow_and_update();
        let begun = now.map(|Wanted { seed, run }| Shown {
            seed,
            run,
            step: 0,
            now: None,
            last: VecDeque::new(),
        });
        chaos.shown.send_replace(begun);
        if let Some(Wanted { seed, .. }) = now {
            play(&dashboard, seed, &wanted).await;
        }
    }
}

/// Strike after strike, until something else is wanted.
async fn play(dashboard: &Dashboard, seed: u64, wanted: &watch::Receiver<Option<Wanted>>) {
    for step in 1.. {
        let rest = strike(dashboard, seed, step, wanted).await.unwrap_or_else(|why| {
            dashboard.chaos.end(step, format!("nothing is struck: {why:#}"));
            REST_AFTER_ERROR
        });
        if !wait(rest, wanted).await {
            return;
        }
    }
}

/// Waits; returns whether the same is wanted still.
async fn wait(time: Duration, wanted: &watch::Receiver<Option<Wanted>>) -> bool {
    // A copy, so that whoever looks next sees the change too.
    let mut wanted = wanted.clone();
    tokio::time::timeout(time, wanted.changed()).await.is_err()
}

/// One strike, to its end: mended, and its nodes well again. Returns how long the store is left
/// alone then.
async fn strike(
    dashboard: &Dashboard,
    seed: u64,
    step: u64,
    wanted: &watch::Receiver<Option<Wanted>>,
) -> Result<Duration> {
    let cluster = dashboard.cluster()?;
    let roster = Roster::of(&cluster);
    let strike = plan::strike(seed, step, &roster, dashboard.acts.has_hands());
    let strike = strike.context("the store has no nodes")?;
    let before = out(&cluster).await;
    let all: BTreeSet<&str> = before.iter().chain(strike.out()).map(String::as_str).collect();
    if !roster.survives(&all) {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let words = format!("{strike}: passed over, since {} is out", before.join(", "));
        dashboard.chaos.end(step, words);
        return Ok(strike.rest);
    }
    dashboard.chaos.begin(step, strike.to_string());
    let mut broken = vec![];
    let mut words = strike.to_string();
    for part in strike.harm.parts() {
        match harm(dashboard, &cluster, &part).await {
            Ok(()) => broken.push(part),
            Err(why) => words += &format!("; not struck: {why:#}"),
        }
    }
    if !broken.is_empty() {
        wait(strike.lasts, wanted).await;
    }
    for part in broken {
        mend_at_last(dashboard, &part).await;
    }
    dashboard.chaos.end(step, words);
    let deadline = Instant::now() + WELL_MAX;
    while Instant::now() < deadline {
        let out = out(&dashboard.cluster()?).await;
        if !strike.out().iter().any(|node| out.contains(node)) || !wait(LOOK_INTERVAL, wanted).await
        {
            break;
        }
    }
    Ok(strike.rest)
}

/// Who is not ready, for whatever reason.
async fn out(cluster: &Cluster) -> BTreeSet<String> {
    let seen = look(cluster).await;
    seen.into_iter().filter(|node| !node.is_ready()).map(|node| node.member.name).collect()
}

/// Breaks one thing.
async fn harm(dashboard: &Dashboard, cluster: &Cluster, part: &Part) -> Result<()> {
    let acts = &dashboard.acts;
    match part {
        Part::Kill(node) => acts.node(cluster, node, Action::Kill).await.map(|_| ()),
        Part::Pause(node) => acts.node(cluster, node, Action::Pause).await.map(|_| ()),
        Part::Edge(from, faults) => {
            let struck = acts.swap(cluster, from, &no_fault(faults), faults.clone()).await?;
            let to = &faults.to;
            ensure!(struck, "somebody broke the link from {from} to {to} before");
            Ok(())
        }
    }
}

/// Mends it, unless somebody did or it is broken otherwise by now.
async fn mend(dashboard: &Dashboard, part: &Part) -> Result<()> {
    let cluster = dashboard.cluster()?;
    let acts = &dashboard.acts;
    // Whoever left the store meanwhile has nothing to be mended.
    let is = |node: &str, state: State| cluster.member(node).is_ok_and(|it| it.state == state);
    let is_there = |node: &str| cluster.member(node).is_ok() && !is(node, State::Dead);
    match part {
        Part::Kill(node) if is(node, State::Dead) => {
            acts.node(&cluster, node, Action::Start).await.map(|_| ())
        }
        Part::Pause(node) if is(node, State::Paused) => {
            acts.node(&cluster, node, Action::Resume).await.map(|_| ())
        }
        // Whoever died has forgotten the faults of its links.
        Part::Edge(from, faults) if is_there(from) => {
            acts.swap(&cluster, from, faults, no_fault(faults)).await.map(|_| ())
        }
        Part::Kill(_) | Part::Pause(_) | Part::Edge(..) => Ok(()),
    }
}

/// The same, tried again until it is done: a node that hangs because of a click does not obey
/// before it goes on.
async fn mend_at_last(dashboard: &Dashboard, part: &Part) {
    while mend(dashboard, part).await.is_err() {
        tokio::time::sleep(MEND_INTERVAL).await;
    }
}

fn no_fault(faults: &EdgeFaults) -> EdgeFaults {
    EdgeFaults { to: faults.to.clone(), ..EdgeFaults::default() }
}
