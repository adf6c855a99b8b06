//! Judges order numbers: whether each is linearizable, and whether what was acknowledged stays.
//!
//! The object is one order number: nothing at first, then, from one moment on, one order for good.
//! So no search is needed. There must be a moment that is neither before its purchase began, nor
//! before a read began that did not find it; and neither after its purchase was acknowledged, nor
//! after a read ended that found it. O(n log n), for the sorting. Called by [`crate::judge`].

use std::collections::BTreeMap;

use crate::history::{Asked, History, Logged, Micros, NEVER_RETURNED, Name, Outcome};
use crate::purchase::{Fate, Purchase, Purchases};
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};
use crate::words;

/// What was asked and said about one order number.
#[derive(Debug, Default)]
struct Number<'a> {
    purchases: Vec<&'a Purchase>,
    /// Reads that found it, with what they found.
    found: Vec<(usize, Name, i64)>,
    /// Reads that did not.
    absent: Vec<usize>,
}

/// All order numbers that occur.
pub struct Numbers<'a> {
    history: &'a History,
    numbers: BTreeMap<u64, Number<'a>>,
    /// By toy and quantity: when the first purchase began of which nobody was told.
    open: BTreeMap<(Name, i64), (Micros, usize)>,
    reads: u64,
}

impl<'a> Numbers<'a> {
    /// Gathers them.
    pub fn of(history: &'a History, purchases: &'a Purchases) -> Numbers<'a> {
        let mut numbers: BTreeMap<u64, Number> = BTreeMap::new();
        let mut open: BTreeMap<(Name, i64), (Micros, usize)> = BTreeMap::new();
        for purchase in &purchases.all {
            match purchase.fate {
                Fate::Bought(bought) => {
                    numbers.entry(bought.order).or_default().purchases.push(purchase);
                }
                Fate::Open => {
                    let began = (purchase.invoked, purchase.operations[0]);
                    let first = open.entry((purchase.toy, purchase.quantity)).or_insert(began);
                    *first = (*first).min(began);
                }
                Fate::Refused(_) | Fate::Never => {}
            }
        }
        let mut reads = 0;
        for (place, operation) in history.operations.iter().enumerate() {
            let Asked::Order { number } = operation.asked else { continue };
            if !operation.is_linearizable() {
                continue;
            }
            match operation.outcome {
                Outcome::Found { toy, quantity, .. } => {
                    numbers.entry(number).or_default().found.push((place, toy, quantity));
                    reads += 1;
                }
                Outcome::Refused(_) => {
                    numbers.entry(number).or_default().absent.push(place);
                    reads += 1;
                }
                Outcome::Product { .. }
                | Outcome::Bought(_)
                | Outcome::FateRecorded(_)
                | Outcome::FateRefused(_)
                | Outcome::FateNever
                | Outcome::FateOpen
                | Outcome::Unknown
                | Outcome::Unavailable => {}
            }
        }
        Numbers { history, numbers, open, reads }
    }

    /// What stands under a number, by those who could rely on it, and who said so first.
    pub fn truth(&self, number: u64) -> Option<(usize, Name, i64)> {
        let one = self.numbers.get(&number)?;
        let bought = one.purchases.first();
        let bought = bought.map(|p| (p.told.unwrap_or(p.operations[0]), p.toy, p.quantity));
        bought.or_else(|| one.found.first().copied())
    }

    /// When it was asked for such an order first, and by which operation.
    pub fn began(&self, number: u64, toy: Name, quantity: i64) -> Option<(Micros, usize)> {
        let purchases = self.numbers.get(&number).into_iter().flat_map(|one| &one.purchases);
        let began = purchases.map(|p| (p.invoked, p.operations[0])).min();
        began.or_else(|| self.open.get(&(toy, quantity)).copied())
    }

    /// Judges whether each number is linearizable.
    pub fn linearizable(&self) -> Judgement {
        let mut findings = Findings::default();
        for (number, one) in &self.numbers {
            self.content(*number, one, &mut findings);
            self.time(*number, one, &mut findings);
        }
        let (verdict, words) = match self.numbers.len() {
            0 => (Verdict::NotJudged, "no order was given or read".to_string()),
            count if self.reads == 0 => {
                let given = many(count as u64, "order number");
                (Verdict::NotJudged, format!("{given} given, and none was read"))
            }
            count => (
                Verdict::Held,
                format!(
                    "linearizable, each number by itself: {} and {}",
                    many(count as u64, "order number"),
                    many(self.reads, "read"),
                ),
            ),
        };
        findings.judge(Guarantee::Orders, verdict, words)
    }

    /// Every read finds the order that was bought, and all reads the same.
    fn content(&self, number: u64, one: &Number, findings: &mut Findings) {
        let bought = one.purchases.iter().map(|p| (p.told.unwrap_or(p.operations[0]), p));
        let mut known: Vec<(usize, Name, i64)> =
            bought.map(|(place, p)| (place, p.toy, p.quantity)).collect();
        known.extend(one.found.first().filter(|_| known.is_empty()));
        for (place, toy, quantity) in &one.found {
            if known.iter().any(|(_, t, q)| (t, q) == (toy, quantity)) {
                continue;
            }
            let first = known[0].0;
            findings.add(|| Counterexample {
                sentence: format!(
                    "{} {}, but {} {}",
                    words::began(self.history, *place),
                    words::told(self.history, *place),
                    words::who(self.history, first),
                    words::told(self.history, first),
                ),
                operations: vec![first, *place],
                toy: Some(*toy),
            });
        }
        if number >= self.history.head.orders
            && one.purchases.is_empty()
            && let Some((place, toy, quantity)) = one.found.first()
            && !self.open.contains_key(&(*toy, *quantity))
        {
            findings.add(|| Counterexample {
                sentence: format!(
                    "{} {}, but no purchase of the history can have made it",
                    words::began(self.history, *place),
                    words::told(self.history, *place),
                ),
                operations: vec![*place],
                toy: Some(*toy),
            });
        }
    }

    /// There is a moment at which it can have been recorded.
    fn time(&self, number: u64, one: &Number, findings: &mut Findings) {
        let operations = &self.history.operations;
        let told = |p: &&&Purchase| (p.returned, p.told.unwrap_or(p.operations[0]));
        let acknowledged = one.purchases.iter().map(|p| told(&p));
        let found = one.found.iter().map(|(place, ..)| (operations[*place].returned, *place));
        let latest = acknowledged.chain(found.clone()).min();
        let before = number < self.history.head.orders;
        let latest = match (before, one.absent.first()) {
            (true, Some(place)) => Some((0, *place)),
            _ => latest,
        };
        let Some((latest, by)) = latest else { return };
        for place in one.absent.iter().copied() {
            let invoked = operations[place].invoked;
            if invoked <= latest {
                continue;
            }
            findings.add(|| Counterexample {
                sentence: match before {
                    true => format!(
                        "{} {}, but the store had {} orders before",
                        words::began(self.history, place),
                        words::told(self.history, place),
                        self.history.head.orders,
                    ),
                    false => format!(
                        "{} {}, but {} {} at {}",
                        words::began(self.history, place),
                        words::told(self.history, place),
                        words::who(self.history, by),
                        words::told(self.history, by),
                        words::seconds(latest),
                    ),
                },
                operations: vec![by, place],
                toy: None,
            });
        }
        let began = one.purchases.iter().map(|p| (p.invoked, p.operations[0])).min();
        let began = began.or_else(|| {
            let (_, toy, quantity) = one.found.first()?;
            self.open.get(&(*toy, *quantity)).copied()
        });
        let Some((began, by)) = began else { return };
        for (_, place) in found.filter(|(returned, _)| *returned < began) {
            findings.add(|| Counterexample {
                sentence: format!(
                    "{} {} and {}, but {} began only later, at {}",
                    words::who(self.history, place),
                    words::told(self.history, place),
                    words::finished(self.history, place),
                    words::who(self.history, by),
                    words::seconds(began),
                ),
                operations: vec![by, place],
                toy: None,
            });
        }
    }

    /// Judges whether every acknowledged order is found by every later read, and by the final logs.
    pub fn kept(&self) -> Judgement {
        let mut findings = Findings::default();
        let operations = &self.history.operations;
        let logs = self.history.logs();
        let logged: Vec<BTreeMap<u64, &Logged>> =
            logs.values().map(|log| log.iter().map(|o| (o.number, *o)).collect()).collect();
        let (mut acknowledged, mut later) = (0, 0);
        for (number, one) in &self.numbers {
            let told = one.purchases.iter().filter(|p| p.returned != NEVER_RETURNED);
            for purchase in told {
                acknowledged += 1;
                let same =
                    |toy: Name, quantity: i64| (toy, quantity) == (purchase.toy, purchase.quantity);
                let absent = one.absent.iter().map(|place| (*place, false));
                let found = one.found.iter().map(|(place, toy, q)| (*place, same(*toy, *q)));
                let after = |place: usize| operations[place].invoked > purchase.returned;
                for (place, kept) in absent.chain(found).filter(|(place, _)| after(*place)) {
                    later += 1;
                    if !kept {
                        findings.add(|| self.lost(purchase, place));
                    }
                }
                let kept = |log: &BTreeMap<u64, &Logged>| {
                    log.get(number).is_some_and(|order| same(order.toy, order.quantity))
                };
                if !logged.is_empty() && !logged.iter().any(kept) {
                    findings.add(|| self.not_logged(*number, purchase));
                }
            }
        }
        let (verdict, words) = match (acknowledged, later, logs.len()) {
            (0, ..) => (Verdict::NotJudged, "no order was acknowledged".to_string()),
            (_, 0, 0) => (
                Verdict::NotJudged,
                "nobody read an order after it was acknowledged, and there are no final logs"
                    .to_string(),
            ),
            (orders, reads, logs) => (
                Verdict::Held,
                format!(
                    "{} acknowledged: {} found them, {}",
                    many(orders, "order"),
                    many(reads, "later read"),
                    match logs {
                        0 => "there are no final logs".to_string(),
                        logs => format!("and so do {}", many(logs as u64, "final log")),
                    },
                ),
            ),
        };
        findings.judge(Guarantee::Kept, verdict, words)
    }

    fn lost(&self, purchase: &Purchase, place: usize) -> Counterexample {
        let told = purchase.told.unwrap_or(purchase.operations[0]);
        Counterexample {
            sentence: format!(
                "{} {} at {}, but {} {}",
                words::who(self.history, told),
                words::told(self.history, told),
                words::seconds(purchase.returned),
                words::began(self.history, place),
                words::told(self.history, place),
            ),
            operations: vec![told, place],
            toy: Some(purchase.toy),
        }
    }

    fn not_logged(&self, number: u64, purchase: &Purchase) -> Counterexample {
        let told = purchase.told.unwrap_or(purchase.operations[0]);
        Counterexample {
            sentence: format!(
                "{} {} at {}, but no replica has order {number} as {} x{} in its final log",
                words::who(self.history, told),
                words::told(self.history, told),
                words::seconds(purchase.returned),
                self.history.name(purchase.toy),
                purchase.quantity,
            ),
            operations: vec![told],
            toy: Some(purchase.toy),
        }
    }
}
