//! Who shops from the page, everything they are told, and the verdict on it: round after round.
//!
//! ```text
//! shoppers of the page ─┐
//! purchases by click ───┴─► window ──► judge, each second ──► frames: a line for each guarantee
//!                            │
//!                            └─► the round ends: orders read back, fates, final logs and stock
//!                                 └─► judge of all of it ──► a bundle in DATA/rounds/N
//! ```
//!
//! A round begins with the state of a store in which nobody from here buys, and ends when it is a
//! minute old, large, or the load changes. In between its operations are judged up to a cut
//! ([`window`]); what a history without an end does not say is *not judged*, and never green. At
//! the end every order is read back, and the final logs and the stock are compared.
//!
//! Others may buy too: a history without their purchases proves nothing. The replicas' logs say how
//! many orders there are, so that is noticed, and then nothing is decided.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `window` | what was told, and the part of it that can be judged |
//! | `gauge` | rate, latency and answers of the last seconds |
//! | `round` | one round, from its beginning to its end |
//!
//! Called by `dashboard::mod`, which puts [`Rounds::shown`] into every frame, and by `web`.

mod gauge;
mod round;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use replication::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop::message::Request;
use shop::node::Answer;
use shop::shopper::Probability;
use simulator::recording::{Attempt, Recorder};
use tokio::sync::{RwLock, watch};

use super::Dashboard;
use super::shop::Asked;
use crate::client::dialect::Dialect;
use crate::client::runner::Clock;

/// The most shoppers that the page sends.
const SHOPPERS_MAX: u32 = 64;

/// The longest that one of them may think.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The most requests a second that they make together.
const RATE_MAX: u32 = 20_000;

/// Bundles that are kept; broken ones are kept beside these, as many again.
const BUNDLES_KEPT: usize = 5;

/// Before another try where a round could not begin, and between looks for somebody who watches.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The same where one came to no end: a frontend may still be at something for so long.
const DRAIN_INTERVAL: Duration = Duration::from_secs(9);

/// Clients of the page that buy by click have numbers from here on, each purchase its own.
const CLICKS_FROM: u32 = 1_000_000;

/// Shoppers that the page sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// How many.
    pub shoppers: u32,
    /// How likely one orders a toy that it saw in stock: `0.5`.
    pub probability: String,
    /// How long it thinks after each toy, in milliseconds; not at all if there is a rate.
    pub pause_ms: u64,
    /// How many requests a second they make together, whether the store keeps up or not; absent:
    /// as many as are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

impl Load {
    /// Whether it can be had.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn check(&self) -> Result<Probability, String> {
        if !(1..=SHOPPERS_MAX).contains(&self.shoppers) {
            return Err(format!("{} shoppers: expected 1 to {SHOPPERS_MAX}", self.shoppers));
        }
        if Duration::from_millis(self.pause_ms) > PAUSE_MAX {
            return Err(format!("{} ms are too long to think: at most a minute", self.pause_ms));
        }
        if let Some(rate) = self.rate.filter(|rate| !(1..=RATE_MAX).contains(rate)) {
            return Err(format!("{rate} requests a second: expected 1 to {RATE_MAX}"));
        }
        self.probability.parse()
    }
}

/// Rounds of one store.
pub struct Rounds {
    wanted: watch::Sender<Option<Load>>,
    /// Held for reading by whoever buys or looks by click, for writing while a round begins or
    /// ends: its head and its end are of a store in which nobody from here buys.
    gate: RwLock<()>,
    shared: Mutex<Shared>,
    clicks: AtomicU32,
    folder: PathBuf,
}

#[derive(Default)]
struct Shared {
    /// The clock of the round that is open.
    clock: Option<Clock>,
    /// Operations by click that ended.
    told: Vec<String>,
    /// When those that did not began.
    under_way: BTreeMap<u32, Time>,
    /// How many orders the replicas have.
    counted: Option<Counted>,
    /// Up to here the open round is judged.
    judged_upto: Option<Time>,
    /// Of the open round, what it broke so far, drawn.
    picture: Option<(u64, String)>,
    /// Rounds that broke a promise, the newest last: still to be seen when others have followed.
    broken: VecDeque<Value>,
    /// What frames show: of the open round, and of the one that ended last.
    open: Value,
    ended: Value,
    load: Value,
}

/// How many orders there were at a moment of a round, or a little later.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Time,
    orders: u64,
}

impl Rounds {
    /// None yet; bundles will go into this folder.
    pub fn new(folder: PathBuf) -> Rounds {
        Rounds {
            wanted: watch::Sender::new(None),
            gate: RwLock::default(),
            shared: Mutex::default(),
            clicks: AtomicU32::new(CLICKS_FROM),
            folder,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nobody panics while holding it: it guards plain values")
    }

    /// Sends these shoppers, in the place of those that shop now; or none.
    pub fn send(&self, load: Option<Load>) {
        self.wanted.send_if_modified(|wanted| {
            let differs = *wanted != load;
            *wanted = load;
            differs
        });
    }

    /// This moment of the round that is open.
    pub fn now(&self) -> Option<Time> {
        self.lock().clock.map(|clock| clock.now())
    }

    /// So many orders the replicas have, who were asked at this moment or later.
    pub fn note_orders(&self, at: Option<Time>, orders: u64) {
        self.lock().counted = at.map(|at| Counted { at, orders });
    }

    /// What a frame shows of it.
    pub fn shown(&self) -> Value {
        let wanted = self.wanted.borrow().clone();
        let shared = self.lock();
        let mut open = shared.open.clone();
        if let (Some(clock), Some(upto)) = (shared.clock, shared.judged_upto) {
            open["behind_ms"] = (clock.now().since(upto).as_millis() as u64).into();
        }
        let (ended, met) = (&shared.ended, &shared.load);
        json!({"open": open, "ended": ended, "broken": shared.broken, "load": wanted, "met": met})
    }

    /// What the open round broke so far, drawn; `None` if it is another round, or broke nothing.
    pub fn picture(&self, of: u64) -> Option<String> {
        let shared = self.lock();
        let (_, picture) = shared.picture.as_ref().filter(|(round, _)| *round == of)?;
        Some(picture.clone())
    }

    /// The numbers of the rounds whose bundles are kept, of this process and of those before.
    fn kept(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return vec![] };
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        let mut kept: Vec<u64> = entries.filter_map(|entry| number(entry.ok()?)).collect();
        kept.sort_unstable();
        kept
    }

    /// Where the bundle of a round is.
    pub fn bundle(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// Asks by click, and writes down what was said if a round is open; returns what the page is
    /// told.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn by_click(
        &self,
        request: Option<(Request, String)>,
        session: &str,
        ask: impl Future<Output = Result<Asked>>,
    ) -> Result<Value> {
        let _shut_to_rounds = self.gate.read().await;
        let number = self.clicks.fetch_add(1, Ordering::Relaxed);
        let clock = self.lock().clock;
        let (Some(clock), Some((request, key))) = (clock, request) else {
            return ask.await.map(|asked| asked.told);
        };
        let attempt = Attempt { request, key, invoked: clock.now() };
        self.lock().under_way.insert(number, attempt.invoked);
        let asked = ask.await;
        let answered = asked.as_ref().map(|asked| &asked.answered).ok();
        let answer = answered
            .map_or(Answer::Unknown, |answered| Dialect::Lab.meant(&attempt.request, answered));
        let said = answered.and_then(|answered| answered.as_ref().ok());
        let node = said.and_then(|said| said.header("toystore-served-by"));
        let recorder = Recorder {
            client: number,
            session: session.to_string(),
            process: Some(format!("pid {}", std::process::id())),
        };
        let lines = recorder.lines(&attempt, clock.now(), node, &answer);
        let mut shared = self.lock();
        shared.under_way.remove(&number);
        shared.told.extend(lines);
        drop(shared);
        asked.map(|asked| asked.told)
    }
}

/// Round after round, as long as the process lives.
pub async fn run(dashboard: Arc<Dashboard>) {
    let rounds = &dashboard.rounds;
    let before = rounds.kept().last().copied().unwrap_or_default();
    for number in before + 1.. {
        while !dashboard.feed.is_watched() && rounds.wanted.borrow().is_none() {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        let played = round::play(&dashboard, number).await;
        let had_begun = rounds.lock().clock.take().is_some();
        if let Err(why) = played {
            rounds.lock().open = json!({"round": number, "why": format!("{why:#}")});
            tokio::time::sleep(if had_begun { DRAIN_INTERVAL } else { RETRY_INTERVAL }).await;
        }
    }
}
