//! The verdict: which of the store's promises held, judged from what was seen.
//!
//! Pure: evidence in, one line for each promise out. [`super::evidence`] gathers, [`super::Demo`]
//! prints.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use shop::catalog;
use shop::message::Order;
use shop::shopper::{Difference, OrderLine, Summary};
use shop::toy::ToyName;

use super::outage::Outage;
use crate::client::order_log::LoggedOrder;

/// How many numbers or names stand in one line.
const NAMED_MAX: usize = 8;
/// How much of a digest is shown.
const DIGEST_DIGITS: usize = 12;
/// A store that does not record orders for so long after a crash has not survived it: shoppers of
/// the course's lab are told to give up after some seconds.
pub const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// What was seen of a quiet store after shoppers had been there.
#[derive(Debug)]
pub struct Evidence {
    /// Every order that a shopper was told is recorded.
    pub acknowledged: Vec<OrderLine>,
    /// What a frontend says of each of their numbers now; or why it says nothing.
    pub found: BTreeMap<u64, Result<Order, String>>,
    /// The whole order log, and whose it is.
    pub log: Result<(String, Vec<LoggedOrder>), String>,
    /// Every order replica.
    pub replicas: Vec<Replica>,
    /// The catalog.
    pub catalog: Result<catalog::status::Status, String>,
    /// Each shopper's account.
    pub summaries: Vec<Summary>,
    /// When orders stood still.
    pub outage: Outage,
}

/// An order replica's log in short.
#[derive(Debug)]
pub struct Replica {
    /// `order-1`.
    pub name: String,
    /// How many orders, and a hash of them; or why it says nothing.
    pub digest: Result<(u64, String), String>,
    /// Acknowledged orders that it gave up for another history.
    pub discarded: Vec<Order>,
}

/// One promise, and whether it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which promise, in a word.
    pub promise: &'static str,
    /// Whether it was kept.
    pub holds: bool,
    /// What was seen.
    pub words: String,
}

/// Every promise.
pub fn judge(evidence: &Evidence) -> Vec<Check> {
    vec![
        nothing_lost(evidence),
        nothing_doubled(evidence),
        replicas_equal(evidence),
        stock_conserved(evidence),
        nothing_oversold(evidence),
        service_resumed(evidence),
        clients_content(evidence),
        nothing_discarded(evidence),
    ]
}

fn check(promise: &'static str, wrong: Vec<String>, right: String) -> Check {
    let holds = wrong.is_empty();
    let words = if holds { right } else { named(&wrong, "; ") };
    Check { promise, holds, words }
}

/// The first few.
fn named(all: &[String], between: &str) -> String {
    let mut words = all[..all.len().min(NAMED_MAX)].join(between);
    if all.len() > NAMED_MAX {
        words.push_str(&format!("{between}and {} more", all.len() - NAMED_MAX));
    }
    words
}

fn nothing_lost(evidence: &Evidence) -> Check {
    let mut wrong = vec![];
    for line in &evidence.acknowledged {
        let (number, name, quantity) = (line.number, &line.name, line.quantity);
        match evidence.found.get(&number.0) {
            Some(Ok(order)) if order.name == *name && order.quantity == quantity => {}
            Some(Ok(order)) => wrong.push(format!(
                "order {number} ({name} x{quantity}) is now {} x{}",
                order.name, order.quantity
            )),
            Some(Err(why)) => wrong.push(format!("order {number} ({name} x{quantity}): {why}")),
            None => wrong.push(format!("order {number} ({name} x{quantity}) was not asked for")),
        }
    }
    let count = evidence.acknowledged.len();
    if count == 0 {
        wrong.push("no order was acknowledged, so nothing is shown".to_string());
    }
    let lost = wrong.len();
    let mut check =
        check("lost", wrong, format!("nothing: a frontend finds all {count} acknowledged orders"));
    if !check.holds && count > 0 {
        check.words = format!("{lost} of {count} acknowledged orders: {}", check.words);
    }
    check
}

fn nothing_doubled(evidence: &Evidence) -> Check {
    let mut wrong = vec![];
    let (mut numbers, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for line in &evidence.acknowledged {
        if !numbers.insert(line.number) {
            wrong.push(format!("number {} was given twice", line.number));
        }
        if !keys.insert(&line.key) {
            wrong.push(format!("request {} was answered with two orders", line.key));
        }
    }
    let acknowledged = numbers.len() as u64;
    let (_, log) = match &evidence.log {
        Ok(log) => log,
        Err(why) => return check("doubled", vec![why.clone()], String::new()),
    };
    for (expected, order) in (0..).zip(log) {
        if order.number != expected {
            wrong.push(format!("the log has {} where {expected} belongs", order.number));
            break;
        }
    }
    let recorded = log.len() as u64;
    // An order whose answer was lost may be recorded or not; any other surplus is a double.
    let differences = evidence.summaries.iter().flat_map(|summary| &summary.differences);
    let open = differences.filter(|d| matches!(d, Difference::Unknown { .. })).count() as u64;
    if recorded > acknowledged + open {
        let surplus = recorded - acknowledged - open;
        wrong.push(format!("{surplus} recorded orders are nobody's"));
    }
    let right = format!(
        "nothing: numbers and request ids are unique, {recorded} orders are recorded without a \
         gap, {acknowledged} acknowledged"
    );
    check("doubled", wrong, right)
}

fn replicas_equal(evidence: &Evidence) -> Check {
    let mut wrong = vec![];
    let mut logs: BTreeMap<(u64, &str), Vec<&str>> = BTreeMap::new();
    for replica in &evidence.replicas {
        match &replica.digest {
            Ok((orders, digest)) => {
                logs.entry((*orders, digest)).or_default().push(&replica.name);
            }
            Err(why) => wrong.push(format!("{}: {why}", replica.name)),
        }
    }
    let shown = |(orders, digest): &(u64, &str), names: &[&str]| {
        let digest: String = digest.chars().take(DIGEST_DIGITS).collect();
        format!("{} with {orders} orders ({digest}…)", names.join(", "))
    };
    let all: Vec<String> = logs.iter().map(|(log, names)| shown(log, names)).collect();
    if all.len() > 1 {
        wrong.extend(all.iter().map(|log| format!("different logs: {log}")));
    }
    let right = format!("equal logs: {}", all.join(""));
    check("replicas", wrong, right)
}

/// How many of each toy were sold, by the order log.
fn sold(log: &[LoggedOrder]) -> BTreeMap<String, u64> {
    let mut sold = BTreeMap::new();
    for order in log {
        let key = order.name.parse::<ToyName>().map_or(order.name.clone(), |n| n.key().to_string());
        *sold.entry(key).or_insert(0) += order.quantity;
    }
    sold
}

/// The order log and the catalog, or which is missing.
fn books(evidence: &Evidence) -> Result<(&[LoggedOrder], &catalog::status::Status), String> {
    let (_, log) = evidence.log.as_ref()?;
    Ok((log, evidence.catalog.as_ref()?))
}

fn stock_conserved(evidence: &Evidence) -> Check {
    let (log, catalog) = match books(evidence) {
        Ok(books) => books,
        Err(why) => return check("stock", vec![why], String::new()),
    };
    let sold = sold(log);
    let mut wrong = vec![];
    let (mut came, mut left, mut went) = (0, 0, 0);
    for toy in &catalog.toys {
        let sold = sold.get(toy.name.key()).copied().unwrap_or(0);
        came += toy.initial + toy.restocked;
        left += toy.in_stock;
        went += sold;
        if toy.initial + toy.restocked != toy.in_stock + sold {
            wrong.push(format!(
                "{}: {} at first + {} restocked, but {} in stock + {sold} sold ({} not settled)",
                toy.name, toy.initial, toy.restocked, toy.in_stock, toy.unsettled
            ));
        }
    }
    let toys = catalog.toys.len();
    let right =
        format!("conserved for all {toys} toys: {came} came = {left} in stock + {went} sold");
    check("stock", wrong, right)
}

fn nothing_oversold(evidence: &Evidence) -> Check {
    let (log, catalog) = match books(evidence) {
        Ok(books) => books,
        Err(why) => return check("oversold", vec![why], String::new()),
    };
    let mut wrong = vec![];
    let mut known = BTreeSet::new();
    let sold = sold(log);
    for toy in &catalog.toys {
        known.insert(toy.name.key().to_string());
        let (there, sold) = (toy.initial + toy.restocked, sold.get(toy.name.key()).copied());
        if let Some(sold) = sold.filter(|sold| *sold > there) {
            wrong.push(format!("{}: {sold} sold of {there}", toy.name));
        }
    }
    for (name, count) in sold.iter().filter(|(name, _)| !known.contains(*name)) {
        wrong.push(format!("{name}: {count} sold, and the catalog knows no such toy"));
    }
    check("oversold", wrong, "nothing: no toy was sold more often than it was there".to_string())
}

fn service_resumed(evidence: &Evidence) -> Check {
    let Outage { before, after_kill, after_return } = evidence.outage;
    let seconds = |gap: Option<Duration>| match gap {
        Some(gap) => format!("{:.2} s", gap.as_secs_f64()),
        None => "no orders came".to_string(),
    };
    let words = format!(
        "orders stood still for {} after the kill (before it for {} at most, \
         from the return on {})",
        seconds(after_kill),
        seconds(before),
        seconds(after_return)
    );
    Check { promise: "outage", holds: after_kill.is_some_and(|gap| gap <= OUTAGE_MAX), words }
}

fn clients_content(evidence: &Evidence) -> Check {
    let sum = |of: fn(&Summary) -> u64| evidence.summaries.iter().map(of).sum::<u64>();
    let words = format!(
        "{} shoppers, {} looks, {} orders: {} requests retried, {} refused for want of stock, {} \
         errors, {} unknown outcomes, {} of {} comparisons matched",
        evidence.summaries.len(),
        sum(|summary| summary.queries),
        sum(|summary| summary.orders),
        sum(|summary| summary.retried),
        sum(|summary| summary.refused),
        sum(|summary| summary.failed + summary.unavailable + summary.not_found),
        sum(|summary| summary.unknown),
        sum(|summary| summary.matched),
        evidence.acknowledged.len(),
    );
    let holds = evidence.summaries.iter().all(Summary::all_matched);
    let differences = evidence.summaries.iter().flat_map(|summary| &summary.differences);
    let differences: Vec<String> = differences.map(ToString::to_string).collect();
    match differences.is_empty() {
        true => Check { promise: "clients", holds, words },
        false => {
            let words = format!("{words}; {}", named(&differences, "; "));
            Check { promise: "clients", holds, words }
        }
    }
}

fn nothing_discarded(evidence: &Evidence) -> Check {
    let mut wrong = vec![];
    for replica in evidence.replicas.iter().filter(|replica| !replica.discarded.is_empty()) {
        let orders: Vec<String> = replica
            .discarded
            .iter()
            .map(|order| format!("{} ({} x{})", order.number, order.name, order.quantity))
            .collect();
        wrong.push(format!(
            "{} gave up {} orders that it had: {}",
            replica.name,
            orders.len(),
            named(&orders, ", ")
        ));
    }
    check("discarded", wrong, "nothing: no replica gave up an order that it had".to_string())
}

#[cfg(test)]
mod tests;
