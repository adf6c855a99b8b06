//! What the numbers say, in a sentence each: made of the rows, so that it is true of the run that
//! it stands over.
//!
//! Called by `page` and by `compare::mod`.

use std::collections::BTreeMap;

use replication::Protocol;
use simulator::comparison::{Comparison, CostRow, Kept, LossRow, OutageRow};

use super::table::seconds;

/// A sentence, and whether it is as it should be.
pub struct Finding {
    /// The sentence.
    pub sentence: String,
    /// Whether whoever protects lost and doubled nothing.
    pub holds: bool,
}

/// `a, b and c`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `raft 4.3, paxos 6.4 and naive 7.0`: from the least to the most.
fn ranked<T>(rows: &[&T], of: impl Fn(&T) -> (Protocol, f64), words: fn(f64) -> String) -> String {
    let mut all: Vec<(Protocol, f64)> = rows.iter().map(|row| of(row)).collect();
    all.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    if let (Some((_, least)), Some((_, most))) = (all.first(), all.last())
        && words(*least) == words(*most)
    {
        return format!("{} under each", words(*least));
    }
    let named = |(name, value): &(Protocol, f64)| format!("{name} {}", words(*value));
    list(&all.iter().map(named).collect::<Vec<String>>())
}

/// The same with the fewest replicas and with the most, of rows in this order.
fn ranked_by_replicas<T>(
    rows: &[&T],
    replicas: fn(&T) -> u8,
    of: impl Fn(&T) -> (Protocol, f64),
    words: fn(f64) -> String,
) -> String {
    let groups: Vec<&[&T]> = rows.chunk_by(|one, other| replicas(one) == replicas(other)).collect();
    let ends = match &groups[..] {
        [first, .., last] => vec![*first, *last],
        few => few.to_vec(),
    };
    let with = |group: &[&T]| {
        let count = group.first().map_or(0, |row| replicas(row));
        format!("with {count} replicas {}", ranked(group, &of, words))
    };
    ends.into_iter().map(with).collect::<Vec<String>>().join("; ")
}

/// What an order costs by some measure, with the fewest shoppers.
pub fn cost(
    rows: &[CostRow],
    what: &str,
    of: impl Fn(&CostRow) -> f64,
    words: fn(f64) -> String,
) -> String {
    let Some(fewest) = rows.iter().map(|row| row.shoppers).min() else {
        return "Nothing was measured.".to_string();
    };
    let rows: Vec<&CostRow> = rows.iter().filter(|row| row.shoppers == fewest).collect();
    let shoppers = count(fewest.into(), "shopper");
    let ranked =
        ranked_by_replicas(&rows, |row| row.replicas, |row| (row.protocol, of(row)), words);
    format!("With {shoppers}, {what}: {ranked}.")
}

/// Who went on after which faults, and how soon.
pub fn outages(rows: &[OutageRow]) -> String {
    let mut stuck: BTreeMap<Protocol, Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.went_on < row.seeds) {
        let (fault, stood, all) = (row.outage, row.seeds - row.went_on, row.seeds);
        let words = format!("“{fault}” of {} replicas ({stood} of {all} runs)", row.replicas);
        stuck.entry(row.protocol).or_default().push(words);
    }
    let words: Vec<String> =
        stuck.iter().map(|(name, faults)| format!("{name} at {}", list(faults))).collect();
    let on = rows.iter().filter(|row| row.went_on == row.seeds);
    let slowest = on.max_by_key(|row| row.gap.1);
    let slowest = slowest.map_or_else(String::new, |row| {
        let (gap, name, fault) = (seconds(row.gap.1), row.protocol, row.outage);
        let run = format!("{name}, “{fault}” of {} replicas", row.replicas);
        format!(" orders were back after {gap} at the latest ({run}).")
    });
    match words.is_empty() {
        true => format!("After every fault, under every way,{slowest}"),
        false => {
            format!("Orders stood still until the fault ended: {}. Else{slowest}", list(&words))
        }
    }
}

/// What the heaviest loss left.
pub fn losses(rows: &[&LossRow]) -> String {
    let heaviest = rows.iter().map(|row| row.per_mille).max().unwrap_or_default();
    let rows: Vec<&LossRow> =
        rows.iter().copied().filter(|row| row.per_mille == heaviest).collect();
    let between = match rows.first() {
        Some(row) if row.replication => "between the leader and its followers",
        _ => "between all nodes",
    };
    let words = |share: f64| format!("{:.0} %", 100.0 * share);
    let ranked =
        ranked_by_replicas(&rows, |row| row.replicas, |row| (row.protocol, row.share), words);
    let percent = f64::from(heaviest) / 10.0;
    format!("With {percent} % of the messages {between} lost, so much is left: {ranked}.")
}

/// Everything that was kept or not, of a protocol.
pub fn sums(comparison: &Comparison) -> BTreeMap<Protocol, Kept> {
    let costs = comparison.costs.iter().map(|row| (row.protocol, &row.kept));
    let outages = comparison.outages.iter().map(|row| (row.protocol, &row.kept));
    let losses = comparison.losses.iter().map(|row| (row.protocol, &row.kept));
    let mut sums: BTreeMap<Protocol, Kept> = BTreeMap::new();
    for (protocol, kept) in costs.chain(outages).chain(losses) {
        let sum = sums.entry(protocol).or_default();
        sum.acknowledged += kept.acknowledged;
        sum.lost += kept.lost;
        sum.doubled += kept.doubled;
        sum.refused += kept.refused;
        sum.unknown += kept.unknown;
        sum.broke.extend(kept.broke.iter().cloned());
    }
    sums
}

/// Who lost or doubled what it had acknowledged.
pub fn kept(comparison: &Comparison) -> Finding {
    let sums = sums(comparison);
    let mut words = Vec::new();
    let mut clean = Vec::new();
    for (protocol, kept) in &sums {
        if kept.lost + kept.doubled == 0 && kept.broke.is_empty() {
            clean.push(protocol.to_string());
            continue;
        }
        let (lost, all, doubled) = (kept.lost, kept.acknowledged, kept.doubled);
        words.push(format!(
            "{protocol} lost {lost} of {all} acknowledged orders, doubled {doubled}"
        ));
    }
    if !clean.is_empty() {
        let orders: u64 =
            sums.values().filter(|kept| kept.broke.is_empty()).map(|kept| kept.acknowledged).sum();
        words.push(format!("{} lost and doubled none of {orders}", list(&clean)));
    }
    let broke = |(protocol, kept): (&Protocol, &Kept)| {
        protocol.is_safe() && (kept.lost + kept.doubled > 0 || !kept.broke.is_empty())
    };
    Finding { sentence: format!("{}.", words.join("; ")), holds: !sums.iter().any(broke) }
}
