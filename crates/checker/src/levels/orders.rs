//! Whether an order that a weaker read found is the true one, and was asked for by then; and
//! whether what is there, or is not, fits how far the log is said to be applied.
//!
//! An order stands at one index of the replicated log. A state that has the log up to an index has
//! exactly the orders up to it: which index a state is at may be old, but what it has may not
//! differ from what every other state at that index has.

use std::collections::BTreeMap;

use crate::history::{Asked, History, Name, Outcome};
use crate::orders::Numbers;
use crate::verdict::Counterexample;
use crate::words;

use super::Weak;

/// What is known of an order number besides what clients who could rely on it were told.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// What the final logs have.
    logged: Option<(Name, i64)>,
    /// What the first weaker read found.
    found: Option<(usize, Name, i64)>,
    /// Where it stands in the log.
    index: Option<u64>,
}

/// Judges every order number.
pub fn judge(history: &History, numbers: &Numbers<'_>, weak: &mut Weak) {
    let mut said: BTreeMap<u64, Said> = BTreeMap::new();
    for order in history.logs().into_values().flatten() {
        let one = said.entry(order.number).or_default();
        one.logged.get_or_insert((order.toy, order.quantity));
        one.index = one.index.or(order.index);
    }
    for operation in &history.operations {
        let (number, index) = match (operation.asked, operation.outcome) {
            (_, Outcome::Bought(told) | Outcome::FateRecorded(told)) => (told.order, told.index),
            (Asked::Order { number }, Outcome::Found { index, .. })
                if operation.is_linearizable() =>
            {
                (number, index)
            }
            _ => continue,
        };
        let one = said.entry(number).or_default();
        one.index = one.index.or(index);
    }
    for (place, operation) in history.operations.iter().enumerate() {
        let Asked::Order { number } = operation.asked else { continue };
        if operation.is_linearizable() {
            continue;
        }
        let one = said.entry(number).or_default();
        let because = match operation.outcome {
            Outcome::Found { toy, quantity, index } => {
                let because = wrong_order(history, numbers, number, one, (toy, quantity));
                one.found.get_or_insert((place, toy, quantity));
                because
                    .or_else(|| too_soon(history, numbers, number, place, (toy, quantity)))
                    .or_else(|| beyond(operation.applied, index.or(one.index)))
            }
            Outcome::Refused(_) => missing(operation.applied, one.index),
            Outcome::Product { .. }
            | Outcome::Bought(_)
            | Outcome::FateRecorded(_)
            | Outcome::FateRefused(_)
            | Outcome::FateNever
            | Outcome::FateOpen
            | Outcome::Unknown
            | Outcome::Unavailable => None,
        };
        let Some((first, because)) = because else { continue };
        weak.convict(history, place, || Counterexample {
            sentence: format!(
                "{} {} at level {}, but {because}",
                words::began(history, place),
                words::told(history, place),
                operation.consistency.name(),
            ),
            operations: first.into_iter().chain([place]).collect(),
            toy: None,
        });
    }
}

type Because = Option<(Option<usize>, String)>;

/// Another order than the one that this number has.
fn wrong_order(
    history: &History,
    numbers: &Numbers<'_>,
    number: u64,
    said: &Said,
    (toy, quantity): (Name, i64),
) -> Because {
    let told = |by: usize| format!("{} {}", words::who(history, by), words::told(history, by));
    if let Some((by, true_toy, true_quantity)) = numbers.truth(number) {
        return ((true_toy, true_quantity) != (toy, quantity)).then(|| (Some(by), told(by)));
    }
    if let Some((logged, many)) = said.logged {
        let words = || format!("the final logs have it as {} x{many}", history.name(logged));
        return ((logged, many) != (toy, quantity)).then(|| (None, words()));
    }
    match said.found {
        Some((by, found, many)) if (found, many) != (toy, quantity) => Some((Some(by), told(by))),
        Some(_) => None,
        None if number < history.head.orders || numbers.began(number, toy, quantity).is_some() => {
            None
        }
        None => Some((None, "no purchase of the history can have made it".to_string())),
    }
}

/// It had ended before anybody asked for such an order.
fn too_soon(
    history: &History,
    numbers: &Numbers<'_>,
    number: u64,
    place: usize,
    (toy, quantity): (Name, i64),
) -> Because {
    let (began, by) = numbers.began(number, toy, quantity)?;
    (history.operations[place].returned < began).then(|| {
        let (who, began) = (words::who(history, by), words::seconds(began));
        (Some(by), format!("{who} began only later, at {began}"))
    })
}

/// The order stands behind the end of the log that was looked at.
fn beyond(applied: Option<u64>, index: Option<u64>) -> Because {
    let (applied, index) = (applied?, index?);
    let words = || format!("it stands at log index {index}, and the state was at {applied}");
    (index > applied).then(|| (None, words()))
}

/// The order stands before that end, and was not there.
fn missing(applied: Option<u64>, index: Option<u64>) -> Because {
    let (applied, index) = (applied?, index?);
    let words = || format!("it stands at log index {index}, and the state was at {applied}");
    (index <= applied).then(|| (None, words()))
}
