//! Exactly once: one order per request, one request per order.
//!
//! What was said about one request was compared where its purchase was put together
//! ([`crate::purchase`]); here purchases are compared with each other and with the final logs,
//! which are premises: an order of a log that nobody asked for, or that two entries are for, is a
//! violation. Without request ids each of a client's attempts is a request of its own. Called by
//! [`crate::judge`].

use std::collections::BTreeMap;

use crate::history::{History, Logged, Name};
use crate::purchase::{Fate, Purchase, Purchases};
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};
use crate::words;

/// Judges it.
pub fn judge(history: &History, purchases: &mut Purchases) -> Judgement {
    let mut findings = std::mem::take(&mut purchases.findings);
    let mut orders: Vec<(u64, &Purchase)> = purchases
        .all
        .iter()
        .filter_map(|purchase| match purchase.fate {
            Fate::Bought(bought) => Some((bought.order, purchase)),
            Fate::Refused(_) | Fate::Never | Fate::Open => None,
        })
        .collect();
    orders.sort_by_key(|(number, purchase)| (*number, purchase.returned, purchase.operations[0]));
    for pair in orders.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        findings.add(|| twice(history, pair[0].0, pair[0].1, pair[1].1));
    }
    let logs = history.logs();
    for (node, orders) in &logs {
        entries_once(history, *node, orders, &mut findings);
    }
    if let Some(log) = logs.values().max_by_key(|log| log.len()) {
        all_asked_for(history, purchases, log, &mut findings);
    }
    let kind = match history.head.keys {
        true => "request",
        false => "attempt (clients send no request ids, so that each is a request of its own)",
    };
    let mut words = format!(
        "{} of {}: each has one order, each order one {kind}",
        many(orders.len() as u64, "order"),
        many(purchases.all.len() as u64, "purchase"),
    );
    let open = purchases.all.iter().filter(|purchase| purchase.fate == Fate::Open).count() as u64;
    if open > 0 {
        words.push_str(&format!("; of {} nobody was told what became", many(open, "purchase")));
    }
    let verdict = if purchases.all.is_empty() { Verdict::NotJudged } else { Verdict::Held };
    let words = if purchases.all.is_empty() { "nobody bought anything".into() } else { words };
    findings.judge(Guarantee::Once, verdict, words)
}

fn twice(history: &History, number: u64, one: &Purchase, two: &Purchase) -> Counterexample {
    let [a, b] = [one, two].map(|p| p.told.unwrap_or(p.operations[0]));
    Counterexample {
        sentence: format!(
            "order {number} was given to {} ({} x{}) and to {} ({} x{})",
            words::who(history, a),
            history.name(one.toy),
            one.quantity,
            words::who(history, b),
            history.name(two.toy),
            two.quantity,
        ),
        operations: vec![a, b],
        toy: Some(two.toy),
    }
}

/// No number and no request stands twice in one log.
fn entries_once(history: &History, node: Name, orders: &[&Logged], findings: &mut Findings) {
    let mut numbers: BTreeMap<u64, &Logged> = BTreeMap::new();
    let mut keys: BTreeMap<Name, &Logged> = BTreeMap::new();
    for order in orders {
        if let Some(other) = numbers.insert(order.number, order) {
            findings.add(|| Counterexample {
                sentence: format!(
                    "the log of {} has two orders with number {} (lines {} and {})",
                    history.name(node),
                    order.number,
                    other.line,
                    order.line,
                ),
                operations: vec![],
                toy: None,
            });
        }
        if let Some(key) = order.key
            && let Some(other) = keys.insert(key, order)
        {
            findings.add(|| Counterexample {
                sentence: format!(
                    "the log of {} has orders {} and {} for one request, {}",
                    history.name(node),
                    other.number,
                    order.number,
                    history.key(key),
                ),
                operations: vec![],
                toy: None,
            });
        }
    }
}

/// Every order of the log is one that somebody was told of, or may be one of which nobody was.
fn all_asked_for(
    history: &History,
    purchases: &Purchases,
    log: &[&Logged],
    findings: &mut Findings,
) {
    let mut told: BTreeMap<u64, &Purchase> = BTreeMap::new();
    let mut open: BTreeMap<(Name, i64), u64> = BTreeMap::new();
    for purchase in &purchases.all {
        match purchase.fate {
            Fate::Bought(bought) => {
                told.insert(bought.order, purchase);
            }
            Fate::Open => *open.entry((purchase.toy, purchase.quantity)).or_default() += 1,
            Fate::Refused(_) | Fate::Never => {}
        }
    }
    for order in log.iter().filter(|order| order.number >= history.head.orders) {
        if told.contains_key(&order.number) {
            continue;
        }
        let left = open.entry((order.toy, order.quantity)).or_default();
        if *left > 0 {
            *left -= 1;
            continue;
        }
        findings.add(|| Counterexample {
            sentence: format!(
                "order {} in the log ({} x{}, line {}) is for no purchase of the history: none of \
                 which nobody was told is left that asked for this",
                order.number,
                history.name(order.toy),
                order.quantity,
                order.line,
            ),
            operations: vec![],
            toy: Some(order.toy),
        });
    }
}
