//! Judges what must be true of a quiet store as a whole: equal replicas, gapless numbers.
//!
//! Premises besides what clients saw: the final logs. Called by [`crate::judge`]; what must be true
//! of each toy is in [`crate::conservation`].

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Asked, History, Logged, Name, Outcome};
use crate::purchase::{Fate, Purchases};
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};
use crate::words;

/// Numbers that are named in one sentence.
const NAMED_MAX: usize = 5;

/// Judges whether all replicas have the same log.
pub fn replicas(history: &History) -> Judgement {
    let logs = history.logs();
    let mut findings = Findings::default();
    let longest = logs.iter().max_by_key(|(_, log)| log.len());
    let (verdict, words) = match (logs.len(), longest) {
        (0, _) | (_, None) => (Verdict::NotJudged, "there are no final logs".to_string()),
        (1, Some((node, _))) => {
            let words = format!("there is one final log only, of {}", history.name(*node));
            (Verdict::NotJudged, words)
        }
        (count, Some((first, longest))) => {
            for (node, log) in logs.iter().filter(|(node, _)| *node != first) {
                compare(history, (*first, longest), (*node, log), &mut findings);
            }
            let orders = many(longest.len() as u64, "order");
            (Verdict::Held, format!("{count} replicas have the same {orders}"))
        }
    };
    findings.judge(Guarantee::Replicas, verdict, words)
}

/// The first difference between the longest log and another.
fn compare(
    history: &History,
    (first, longest): (Name, &[&Logged]),
    (node, log): (Name, &[&Logged]),
    findings: &mut Findings,
) {
    let same = |a: &Logged, b: &Logged| {
        let keys = a.key.is_none() || b.key.is_none() || a.key == b.key;
        (a.number, a.toy, a.quantity) == (b.number, b.toy, b.quantity) && keys
    };
    let order = |order: &Logged| {
        format!("order {} as {} x{}", order.number, history.name(order.toy), order.quantity)
    };
    let [first, node] = [first, node].map(|node| history.name(node));
    let differ = longest.iter().zip(log).find(|(a, b)| !same(a, b));
    let sentence = match (differ, longest.get(log.len())) {
        (Some((a, b)), _) if order(a) == order(b) => {
            format!("{first} has {}, {node} has it for another request (line {})", order(a), b.line)
        }
        (Some((a, b)), _) => format!("{first} has {}, where {node} has {}", order(a), order(b)),
        (None, Some(missing)) => format!("{first} has {}, which {node} lacks", order(missing)),
        (None, None) => return,
    };
    findings.add(|| Counterexample { sentence, operations: vec![], toy: None });
}

/// Judges whether order numbers rise by one, and as the log does.
pub fn gapless(history: &History, purchases: &Purchases) -> Judgement {
    let mut findings = Findings::default();
    let mut told: BTreeMap<u64, (Option<u64>, usize)> = BTreeMap::new();
    let mut open = 0_u64;
    for purchase in &purchases.all {
        match purchase.fate {
            Fate::Bought(bought) => {
                let place = purchase.told.unwrap_or(purchase.operations[0]);
                told.insert(bought.order, (bought.index, place));
            }
            Fate::Open => open += 1,
            Fate::Refused(_) | Fate::Never => {}
        }
    }
    in_log_order(history, &told, &mut findings);
    let found = history.operations.iter().filter_map(|o| match (o.asked, o.outcome) {
        (Asked::Order { number }, Outcome::Found { .. }) => Some(number),
        _ => None,
    });
    let mut numbers: BTreeSet<u64> = told.keys().copied().chain(found).collect();
    let logs = history.logs();
    let log = logs.values().max_by_key(|log| log.len());
    numbers.extend(log.iter().flat_map(|log| log.iter().map(|order| order.number)));
    let begin = history.head.orders;
    let numbers: Vec<u64> = numbers.into_iter().filter(|number| *number >= begin).collect();
    let (missing, count) = missing(begin, &numbers);
    if let Some(told) = told.range(..begin).next() {
        findings.add(|| Counterexample {
            sentence: format!(
                "{} {}, but the store had {begin} orders before",
                words::who(history, told.1.1),
                words::told(history, told.1.1),
            ),
            operations: vec![told.1.1],
            toy: None,
        });
    }
    let last = numbers.last().copied().unwrap_or(begin);
    // The final log has everything that was recorded, so that nothing of which nobody was told can
    // have a number that it lacks.
    let open = if log.is_some() { 0 } else { open };
    if count > open {
        findings.add(|| Counterexample {
            sentence: format!(
                "order {last} exists, but nobody was given {}{}, and the outcome of {} is \
                 unknown",
                missing.join(", "),
                if count > missing.len() as u64 { " …" } else { "" },
                if open == 0 { "no purchase".to_string() } else { many(open, "purchase") },
            ),
            operations: vec![],
            toy: None,
        });
    }
    let (verdict, words) = match (numbers.first(), count) {
        (None, _) => (Verdict::NotJudged, "no order was given or read".to_string()),
        (Some(first), 0) => {
            (Verdict::Held, format!("orders {first} to {last} without a gap, in the log's order"))
        }
        (Some(_), _) => (
            Verdict::NotDecided,
            format!(
                "{} below {last} may belong to {} of which nobody was told",
                many(count, "number"),
                many(open, "purchase"),
            ),
        ),
    };
    findings.judge(Guarantee::Gapless, verdict, words)
}

/// A higher number stands behind a lower one in the log.
fn in_log_order(
    history: &History,
    told: &BTreeMap<u64, (Option<u64>, usize)>,
    findings: &mut Findings,
) {
    let indexed =
        told.iter().filter_map(|(number, (index, place))| Some((*number, (*index)?, *place)));
    let indexed: Vec<(u64, u64, usize)> = indexed.collect();
    for pair in indexed.windows(2).filter(|pair| pair[0].1 >= pair[1].1) {
        let [(a, a_index, a_place), (b, b_index, b_place)] = [pair[0], pair[1]];
        findings.add(|| Counterexample {
            sentence: format!(
                "{} was given order {a} at log index {a_index}, but {} order {b} at log index \
                 {b_index}",
                words::who(history, a_place),
                words::who(history, b_place),
            ),
            operations: vec![a_place, b_place],
            toy: None,
        });
    }
}

/// The first numbers that are missing below the last, in words, and how many there are.
fn missing(begin: u64, numbers: &[u64]) -> (Vec<String>, u64) {
    let (mut next, mut count, mut named) = (begin, 0, Vec::new());
    for number in numbers {
        count += number - next;
        let room = NAMED_MAX.saturating_sub(named.len());
        named.extend((next..*number).take(room).map(|missing| missing.to_string()));
        next = number.saturating_add(1);
    }
    (named, count)
}
