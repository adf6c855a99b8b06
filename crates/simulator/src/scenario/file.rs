//! Reads a scenario, and says line and reason where it cannot.
//!
//! Every field but the faults has a default; a field that is not known is refused, so that a
//! misspelt one is not overlooked. Called by whoever has the text.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use checker::verdict::Guarantee;
use replication::{Protocol, Time};
use serde::Deserialize;
use shop::frontend::Policy;
use shop::invalidation::duration;
use shop::shopper::Probability;
use toml::Spanned;

use super::links::{Links, target};
use super::{Answered, Expected, Question, Scenario};
use crate::fault::{Fault, Moment, Target};
use crate::who::Seats;

/// The longest scenario: an hour.
const LENGTH_MAX: Duration = Duration::from_secs(3600);

/// The most faults.
const FAULTS_MAX: usize = 1000;

/// Why a text is no scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub why: String,
}

/// `line 3: expected …`
impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Wrong {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    about: String,
    store: Option<Spanned<Store>>,
    shoppers: Option<Spanned<Shoppers>>,
    #[serde(default)]
    faults: Vec<Spanned<FaultTable>>,
    expect: Spanned<Expect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Store {
    frontends: u8,
    orders: u8,
    replication: String,
    invalidation: String,
    cache_capacity: u32,
    cache_policy: String,
    restock_interval: String,
    toys: usize,
    catalog_replicas: u8,
}

impl Default for Store {
    fn default() -> Store {
        Store {
            frontends: 1,
            orders: 3,
            replication: Protocol::default().to_string(),
            invalidation: "lease".to_string(),
            cache_capacity: 7,
            cache_policy: Policy::default().to_string(),
            restock_interval: "1s".to_string(),
            toys: shop::catalog::catalogue::built_in().len(),
            catalog_replicas: 1,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Shoppers {
    clients: u8,
    probability: f64,
    lookups: f64,
    pause: String,
    retries: u32,
    #[serde(rename = "for")]
    length: String,
}

impl Default for Shoppers {
    fn default() -> Shoppers {
        Shoppers {
            clients: 5,
            probability: 0.5,
            lookups: 0.0,
            pause: "20ms".to_string(),
            retries: 10,
            length: "10s".to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FaultTable {
    at: String,
    what: String,
    node: Option<String>,
    links: Option<Links>,
    #[serde(rename = "for")]
    length: Option<String>,
    loss: Option<f64>,
    duplicate: Option<f64>,
    delay: Option<String>,
    jitter: Option<String>,
    held: Option<bool>,
    percent: Option<u8>,
    room: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expect {
    #[serde(default)]
    held: bool,
    #[serde(default)]
    broke: Vec<String>,
    #[serde(default)]
    answered: Vec<Spanned<AnsweredTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredTable {
    what: String,
    after: String,
    before: String,
    under: Vec<String>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// At the first thing that is wrong: its line, and what was expected.
    pub fn read(text: &str) -> Result<Scenario, Wrong> {
        Scenario::read_for(text, None)
    }

    /// The same, of a store with so many catalogs in the place of what it says: `catalog` is the
    /// one that leads them. Who goes on may be others then, so nothing is expected of that.
    ///
    /// # Errors
    /// Those of [`Scenario::read`].
    pub fn read_for(text: &str, catalogs: Option<u8>) -> Result<Scenario, Wrong> {
        let at = |start: usize, why: String| Wrong { line: line(text, start), why };
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(text.len(), |span| span.start);
            at(start, error.message().to_string())
        })?;
        let (store_at, mut store) = taken_apart(file.store);
        store.catalog_replicas = catalogs.unwrap_or(store.catalog_replicas);
        let (shoppers_at, shoppers) = taken_apart(file.shoppers);
        let mut scenario =
            of_store(file.about, &store, &shoppers).map_err(|why| at(store_at, why))?;
        of_shoppers(&mut scenario, &shoppers).map_err(|why| at(shoppers_at, why))?;
        if file.faults.len() > FAULTS_MAX {
            let why = format!("{} faults are too many: at most {FAULTS_MAX}", file.faults.len());
            return Err(at(text.len(), why));
        }
        for table in &file.faults {
            let wrong = |why| at(table.span().start, why);
            let (time, fault) = of_fault(table.get_ref(), scenario.seats).map_err(wrong)?;
            if time > Time(0) + scenario.length {
                let why = "it comes after the shoppers have ended: they shop for shoppers.for";
                return Err(wrong(why.to_string()));
            }
            scenario.faults.push((time, fault));
        }
        scenario.faults.sort_by_key(|(time, _)| *time);
        let expect_at = file.expect.span().start;
        scenario.expected = expected(file.expect.get_ref()).map_err(|why| at(expect_at, why))?;
        for table in &file.expect.get_ref().answered {
            let answered = answered(table.get_ref()).map_err(|why| at(table.span().start, why))?;
            scenario.answered.push(answered);
        }
        if catalogs.is_some() {
            scenario.answered.clear();
        }
        Ok(scenario)
    }
}

/// Where a table begins, and what is in it: the defaults, if there is none.
fn taken_apart<T: Default>(table: Option<Spanned<T>>) -> (usize, T) {
    table.map_or_else(Default::default, |table| (table.span().start, table.into_inner()))
}

/// The line of a byte, from 1.
fn line(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

fn within<T: PartialOrd + fmt::Display>(
    field: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{field} = {value}: expected {} to {}", range.start(), range.end()))
}

fn time(field: &str, text: &str) -> Result<Duration, String> {
    let wrong = |why: String| format!("{field} = {text:?}: {why}");
    let length = duration(text).map_err(wrong)?;
    if length > LENGTH_MAX {
        return Err(wrong("expected at most 60m".to_string()));
    }
    Ok(length)
}

fn of_store(about: String, store: &Store, shoppers: &Shoppers) -> Result<Scenario, String> {
    let sold = shop::catalog::catalogue::built_in().len();
    let seats = Seats {
        orders: within("orders", store.orders, 1..=9)?,
        frontends: within("frontends", store.frontends, 1..=9)?,
        shoppers: within("clients", shoppers.clients, 1..=100)?,
        catalogs: within("catalog-replicas", store.catalog_replicas, 1..=9)?,
        spares: 0,
    };
    Ok(Scenario {
        about,
        seats,
        protocol: store.replication.parse().map_err(|why| format!("replication = {why}"))?,
        invalidation: store
            .invalidation
            .parse()
            .map_err(|why| format!("invalidation = {:?}: {why}", store.invalidation))?,
        cache_capacity: within("cache-capacity", store.cache_capacity, 0..=1_000_000)?,
        cache_policy: store
            .cache_policy
            .parse()
            .map_err(|why| format!("cache-policy = {:?}: {why}", store.cache_policy))?,
        restock_interval: time("restock-interval", &store.restock_interval)?,
        toys: within("toys", store.toys, 1..=sold)?,
        probability: Probability::default(),
        lookups: Probability::default(),
        pause: Duration::ZERO,
        retries: 0,
        length: Duration::ZERO,
        faults: Vec::new(),
        expected: Expected::Held,
        answered: Vec::new(),
    })
}

fn of_shoppers(scenario: &mut Scenario, shoppers: &Shoppers) -> Result<(), String> {
    let probability =
        |field, value| share(field, value, Probability::ONE).and_then(Probability::from_millionths);
    scenario.probability = probability("probability", shoppers.probability)?;
    scenario.lookups = probability("lookups", shoppers.lookups)?;
    scenario.pause = time("pause", &shoppers.pause)?;
    if scenario.pause.is_zero() {
        return Err("pause = \"0s\": a simulated shopper must think, if only for 1ms".to_string());
    }
    scenario.retries = within("retries", shoppers.retries, 0..=1_000_000)?;
    scenario.length = time("for", &shoppers.length)?;
    Ok(())
}

/// A share of one, as so many of `whole`.
fn share(field: &str, value: f64, whole: u32) -> Result<u32, String> {
    if !(0.0..=1.0).contains(&value) {
        return Err(format!("{field} = {value}: expected 0 to 1"));
    }
    Ok((value * f64::from(whole)).round() as u32)
}

/// What each kind of fault is made of.
const KINDS: &str = "expected what = \"kill\", \"stop\" or \"pause\" (node), \"power-cut\", \
                     \"cut\" or \"degrade\" (links), \"slow-disk\", \"full-disk\" or \
                     \"clock\" (node)";

fn of_fault(table: &FaultTable, seats: Seats) -> Result<(Time, Fault), String> {
    let at = Time(0) + time("at", &table.at)?;
    let needs = |field: &str| format!("{:?} needs the field `{field}`", table.what);
    let node = || -> Result<Target, String> {
        target(seats, table.node.as_deref().ok_or_else(|| needs("node"))?)
    };
    let links = || table.links.as_ref().ok_or_else(|| needs("links"))?.shape(seats);
    let span = || time("for", table.length.as_deref().ok_or_else(|| needs("for"))?);
    let delay = |field: &str, text: &Option<String>| match text {
        Some(text) => time(field, text),
        None => Ok(Duration::ZERO),
    };
    let by = || time("delay", table.delay.as_deref().ok_or_else(|| needs("delay"))?);
    let per_mille = |field: &str, value: Option<f64>| share(field, value.unwrap_or(0.0), 1000);
    // The fields that the kind takes besides `at`, `what` and `for`.
    let (fault, taken): (Fault, &[&str]) = match table.what.as_str() {
        "kill" => {
            let (whom, moment, down, again) = (node()?, Moment::Now, span()?, 0);
            (Fault::Crash { whom, moment, down, again }, &["node"])
        }
        "stop" => (Fault::Stop { whom: node()?, down: span()? }, &["node"]),
        "pause" => (Fault::Pause { whom: node()?, span: span()? }, &["node"]),
        "power-cut" => (Fault::PowerCut { whom: None, down: span()? }, &[]),
        "cut" => {
            let held = table.held.unwrap_or(false);
            (Fault::Cut { shape: links()?, held, span: span()? }, &["links", "held"])
        }
        "degrade" => {
            let fault = Fault::Degrade {
                links: links()?,
                loss: per_mille("loss", table.loss)?,
                doubled: per_mille("duplicate", table.duplicate)?,
                delay: delay("delay", &table.delay)?,
                jitter: delay("jitter", &table.jitter)?,
                span: span()?,
            };
            (fault, &["links", "loss", "duplicate", "delay", "jitter"])
        }
        "slow-disk" => {
            (Fault::SlowDisk { whom: node()?, by: by()?, span: span()? }, &["node", "delay"])
        }
        "full-disk" => {
            let room = table.room.unwrap_or(0);
            (Fault::FullDisk { whom: node()?, room, span: span()? }, &["node", "room"])
        }
        "clock" => {
            let percent =
                within("percent", table.percent.ok_or_else(|| needs("percent"))?, 1..=255)?;
            (Fault::Skew { whom: node()?, percent, span: span()? }, &["node", "percent"])
        }
        other => return Err(format!("what = {other:?}: {KINDS}")),
    };
    let given = [
        ("node", table.node.is_some()),
        ("links", table.links.is_some()),
        ("loss", table.loss.is_some()),
        ("duplicate", table.duplicate.is_some()),
        ("delay", table.delay.is_some()),
        ("jitter", table.jitter.is_some()),
        ("held", table.held.is_some()),
        ("percent", table.percent.is_some()),
        ("room", table.room.is_some()),
    ];
    match given.into_iter().find(|(field, given)| *given && !taken.contains(field)) {
        Some((field, _)) => Err(format!("{:?} takes no `{field}`: {KINDS}", table.what)),
        None => Ok((at, fault)),
    }
}

fn expected(expect: &Expect) -> Result<Expected, String> {
    let named = |name: &String| {
        let wrong = || {
            let names: Vec<&str> = Guarantee::ALL.iter().map(|one| one.name()).collect();
            format!("broke: there is no guarantee {name:?}: expected some of {}", names.join(", "))
        };
        Guarantee::ALL.into_iter().find(|one| one.name() == name).ok_or_else(wrong)
    };
    match (expect.held, &expect.broke[..]) {
        (true, []) => Ok(Expected::Held),
        (false, broke @ [_, ..]) => {
            broke.iter().map(named).collect::<Result<_, _>>().map(Expected::Broke)
        }
        _ => Err("expected either held = true or broke = [\"kept\", …]".to_string()),
    }
}

fn answered(table: &AnsweredTable) -> Result<Answered, String> {
    let question = Question::ALL.into_iter().find(|question| question.name() == table.what);
    let names = Question::ALL.map(Question::name).join(", ");
    let question =
        question.ok_or_else(|| format!("what = {:?}: expected one of {names}", table.what))?;
    let (after, before) = (time("after", &table.after)?, time("before", &table.before)?);
    if after >= before {
        return Err(format!("nothing is after {} and before {}", table.after, table.before));
    }
    let under = table.under.iter().map(|name| name.parse::<Protocol>());
    let under: Vec<Protocol> =
        under.collect::<Result<_, _>>().map_err(|why| format!("under = {why}"))?;
    Ok(Answered { question, after: Time(0) + after, before: Time(0) + before, under })
}
