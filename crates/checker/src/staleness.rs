//! Measures how old answers were that were older than they might have been.
//!
//! A read is *stale* if somebody had seen, or made, a newer version of its toy before it began. By
//! how many versions: those between its own and the newest that was known. By how much time: since
//! the first moment at which anybody knew a newer one. A linearizable mode has none; a mode that
//! bounds the age (`ttl=2s`) is held to its bound; of the others it is only measured, since they
//! promise nothing. By versions only. Called by [`crate::judge`].

use serde::Serialize;

use crate::history::{Asked, History, Micros, Name, Outcome};
use crate::model::Object;
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, thousands};
use crate::words;

/// The clocks of two machines run within 1 % of each other's speed.
const DRIFT_PERCENT: u64 = 1;

/// The figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Staleness {
    /// Reads of a toy that showed a version.
    pub reads: u64,
    /// Of these, stale ones.
    pub stale: u64,
    /// By how much time, half of them at most; in microseconds.
    pub age_us_median: Micros,
    /// By how much time at most; in microseconds.
    pub age_us_max: Micros,
    /// By how many versions, half of them at most.
    pub versions_median: u64,
    /// By how many versions at most.
    pub versions_max: u64,
}

/// One stale read.
#[derive(Clone, Copy, Debug)]
struct Stale {
    read: usize,
    /// Who knew a newer version first.
    by: usize,
    toy: Name,
    age: Micros,
    versions: u64,
}

/// Measures, and judges a mode that bounds the age.
pub fn judge(history: &History, objects: &[Object]) -> (Judgement, Staleness) {
    let mut figures = Staleness::default();
    let mut all: Vec<Stale> = Vec::new();
    for object in objects {
        of_toy(history, object, &mut figures, &mut all);
    }
    figures.stale = all.len() as u64;
    let mut ages: Vec<Micros> = all.iter().map(|stale| stale.age).collect();
    let mut versions: Vec<u64> = all.iter().map(|stale| stale.versions).collect();
    (figures.age_us_median, figures.age_us_max) = median_and_max(&mut ages);
    (figures.versions_median, figures.versions_max) = median_and_max(&mut versions);
    let mode = &history.head.invalidation;
    let bound = bound(mode);
    let mut findings = Findings::default();
    for stale in all.iter().filter(|stale| bound.is_some_and(|bound| stale.age > bound)) {
        findings.add(|| too_old(history, stale));
    }
    let mut words = figures.words();
    let verdict = match (figures.reads, bound) {
        (0, _) => {
            words = "no read showed a version".to_string();
            Verdict::NotJudged
        }
        (_, Some(_)) => Verdict::Held,
        (_, None) => {
            words.push_str(&format!("; {mode} bounds no age"));
            Verdict::NotJudged
        }
    };
    (findings.judge(Guarantee::Staleness, verdict, words), figures)
}

impl Staleness {
    /// In a sentence.
    fn words(&self) -> String {
        let share = format!("{} of {} reads", thousands(self.stale), thousands(self.reads));
        if self.stale == 0 {
            return format!("{share} were stale");
        }
        format!(
            "{share} were stale, by {} (median) to {} and {} to {} versions",
            words::length(self.age_us_median),
            words::length(self.age_us_max),
            self.versions_median,
            self.versions_max,
        )
    }
}

fn of_toy(history: &History, object: &Object, figures: &mut Staleness, all: &mut Vec<Stale>) {
    // What was known, from when on: each raises the version.
    let mut known: Vec<(Micros, u64, usize)> = object
        .moves
        .iter()
        .filter_map(|one| Some((one.returned, one.version()?, one.operation)))
        .collect();
    known.sort_unstable();
    let mut newest = 0;
    known.retain(|(_, version, _)| {
        let newer = *version > newest;
        newest = newest.max(*version);
        newer
    });
    for one in &object.moves {
        let operation = &history.operations[one.operation];
        let (Asked::Read { toy }, Outcome::Product { version: Some(version), .. }) =
            (operation.asked, operation.outcome)
        else {
            continue;
        };
        figures.reads += 1;
        let before = known.partition_point(|(at, ..)| *at < one.invoked);
        let Some((_, newest, _)) = before.checked_sub(1).map(|last| known[last]) else { continue };
        if newest <= version {
            continue;
        }
        let (since, _, by) = known[known.partition_point(|(_, known, _)| *known <= version)];
        let (age, versions) = (one.invoked - since, newest - version);
        all.push(Stale { read: one.operation, by, toy, age, versions });
    }
}

fn median_and_max(numbers: &mut [u64]) -> (u64, u64) {
    numbers.sort_unstable();
    let median = numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    (median, numbers.last().copied().unwrap_or(0))
}

/// The age that a mode allows: `ttl=2s`, `ttl=500ms`; with what two clocks may differ.
fn bound(mode: &str) -> Option<Micros> {
    let text = mode.strip_prefix("ttl=")?;
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        _ => return None,
    };
    let micros = number.parse::<u64>().ok()?.saturating_mul(factor);
    Some(micros.saturating_add(micros / 100 * DRIFT_PERCENT))
}

fn too_old(history: &History, stale: &Stale) -> Counterexample {
    Counterexample {
        sentence: format!(
            "{} {}, {} after {} {}: older than {} allows",
            words::began(history, stale.read),
            words::told(history, stale.read),
            words::length(stale.age),
            words::who(history, stale.by),
            words::told(history, stale.by),
            history.head.invalidation,
        ),
        operations: vec![stale.by, stale.read],
        toy: Some(stale.toy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_a_mode_is_read() {
        assert_eq!(bound("ttl=2s"), Some(2_020_000));
        assert_eq!(bound("ttl=500ms"), Some(505_000));
        for other in ["lease", "push", "none", "no cache", "ttl=", "ttl=s", "ttl=2 s"] {
            assert_eq!(bound(other), None, "{other}");
        }
    }

    #[test]
    fn medians_are_the_lower_one_of_two() {
        assert_eq!(median_and_max(&mut []), (0, 0));
        assert_eq!(median_and_max(&mut [3, 1]), (1, 3));
        assert_eq!(median_and_max(&mut [9, 1, 4]), (4, 9));
    }
}
