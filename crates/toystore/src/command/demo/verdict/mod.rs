//! The part of the verdict that no history shows: how long orders stood still, how the clients saw
//! it, and that no replica gave up what it had. Everything else is judged by crate `checker`.
//!
//! Pure: evidence in, one line for each promise out. [`super::evidence`] gathers, [`super::Demo`]
//! prints.

use std::time::Duration;

use serde::Serialize;
use shop::message::Order;
use shop::shopper::Summary;

use super::outage::Outage;

/// How many numbers or names stand in one line.
const NAMED_MAX: usize = 8;
/// A store that does not record orders for so long after a crash has not survived it: shoppers of
/// the course's lab are told to give up after some seconds.
pub const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// What was seen of a quiet store after shoppers had been there.
#[derive(Debug)]
pub struct Evidence {
    /// How many orders shoppers were told are recorded.
    pub acknowledged: u64,
    /// Every order replica.
    pub replicas: Vec<Replica>,
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
    vec![service_resumed(evidence), clients_content(evidence), nothing_discarded(evidence)]
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
        evidence.acknowledged,
    );
    // Nothing acknowledged shows nothing.
    let matched = evidence.summaries.iter().all(Summary::all_matched);
    let holds = matched && evidence.acknowledged > 0;
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
