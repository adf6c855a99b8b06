//! Which toy was in which slot when: what a frontend says happened to its cache, put together.
//!
//! Pure. Fed by `cache::mod`, which asks the frontend again and again; drawn by `report`. A
//! frontend remembers its last events, numbered without gaps: what was missed is noticed.

use std::collections::BTreeMap;

use shop::frontend::{Happening, HappeningStatus};

use crate::command::plot::slots::{End, Stay};

/// What happened, in order, with the slots that toys had.
#[derive(Debug, Default)]
pub struct Timeline {
    capacity: usize,
    /// The number of the last event that is known.
    last: u64,
    /// Events that nobody was told of.
    pub missed: u64,
    /// The toy in each slot, and since when, in seconds.
    open: Vec<Option<(String, f64)>>,
    /// Slots of those that were evicted for these toys.
    promised: BTreeMap<String, usize>,
    /// Stays that are over.
    pub stays: Vec<Stay>,
    /// Each event: when, what, which toy, for whom.
    pub events: Vec<(f64, &'static str, String, String)>,
    /// Tones of toys, in the order in which they came.
    tones: BTreeMap<String, usize>,
}

impl Timeline {
    /// Of an empty cache with so many slots; `last` is the number of the last event before.
    pub fn new(capacity: usize, last: u64) -> Timeline {
        Timeline { capacity, last, open: vec![None; capacity], ..Timeline::default() }
    }

    /// What a frontend said at this moment, in seconds.
    pub fn add(&mut self, now: f64, happened: &[HappeningStatus]) {
        for one in happened.iter().filter(|one| one.number > self.last).cloned().collect::<Vec<_>>()
        {
            self.missed += one.number - self.last - 1;
            self.last = one.number;
            self.event(now - one.ago_ms as f64 / 1e3, one.what);
        }
    }

    fn event(&mut self, at: f64, what: Happening) {
        let mut note = |word: &'static str, name: &str, by: &str| {
            self.events.push((at, word, name.to_string(), by.to_string()));
        };
        match what {
            Happening::Miss { name } => note("miss", &name, ""),
            Happening::Fill { name, .. } => {
                note("fill", &name, "");
                self.fill(at, name);
            }
            Happening::Evict { name, by } => {
                note("evict", &name, &by);
                if let Some(slot) =
                    self.close(at, &name, End::Evicted, &format!("evicted for {by}"))
                {
                    self.promised.insert(by, slot);
                }
            }
            Happening::Invalidate { name } => {
                note("invalidate", &name, "");
                self.close(at, &name, End::Invalidated, "invalidated: it was sold");
            }
            Happening::Expire { name } => {
                note("expire", &name, "");
                self.close(at, &name, End::Invalidated, "too old");
            }
            Happening::Drop => {
                note("drop", "", "");
                let names: Vec<String> =
                    self.open.iter().flatten().map(|(n, _)| n.clone()).collect();
                for name in names {
                    self.close(at, &name, End::Invalidated, "everything was dropped");
                }
            }
        }
    }

    fn fill(&mut self, at: f64, name: String) {
        let place = |one: &Option<(String, f64)>| one.as_ref().is_some_and(|(n, _)| *n == name);
        if self.open.iter().any(place) {
            // A newer state of the same toy.
            return;
        }
        let free = self.open.iter().position(Option::is_none);
        if let Some(slot) = self.promised.remove(&name).or(free) {
            self.open[slot] = Some((name, at));
        }
    }

    /// Ends a stay; says which slot is free.
    fn close(&mut self, at: f64, name: &str, end: End, how: &str) -> Option<usize> {
        let slot = self.open.iter().position(|one| one.as_ref().is_some_and(|(n, _)| n == name))?;
        let (name, from) = self.open[slot].take()?;
        let next = self.tones.len();
        let tone = *self.tones.entry(name.clone()).or_insert(next);
        let words = format!("{name}: {from:.2} s to {at:.2} s, {how}");
        self.stays.push(Stay { slot, name, tone, from, to: at, end, words });
        Some(slot)
    }

    /// Nothing happens any more.
    pub fn end(&mut self, at: f64) {
        let names: Vec<String> = self.open.iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in names {
            self.close(at, &name, End::Stayed, "to the end");
        }
    }

    /// How many slots there are.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How often a stay ended so.
    pub fn ends(&self, end: End) -> usize {
        self.stays.iter().filter(|stay| stay.end == end).count()
    }
}

#[cfg(test)]
mod tests {
    use shop::toy::Version;

    use super::*;

    fn happened(number: u64, what: Happening) -> HappeningStatus {
        HappeningStatus { number, ago_ms: 0, what }
    }

    fn fill(name: &str) -> Happening {
        Happening::Fill { name: name.to_string(), version: Version(1) }
    }

    #[test]
    fn who_is_evicted_gives_its_slot_to_whom_it_was_evicted_for() {
        let mut timeline = Timeline::new(2, 0);
        let evict = Happening::Evict { name: "Tux".to_string(), by: "Fox".to_string() };
        timeline.add(1.0, &[happened(1, fill("Tux")), happened(2, fill("Lego"))]);
        // What was told before is told again.
        timeline
            .add(2.0, &[happened(2, fill("Lego")), happened(3, evict), happened(4, fill("Fox"))]);
        let invalidate = Happening::Invalidate { name: "Lego".to_string() };
        timeline.add(3.0, &[happened(6, invalidate)]);
        timeline.end(4.0);
        let stays = timeline.stays.iter().map(|s| (s.name.as_str(), s.slot, s.from, s.to, s.end));
        let expected = [
            ("Tux", 0, 1.0, 2.0, End::Evicted),
            ("Lego", 1, 1.0, 3.0, End::Invalidated),
            ("Fox", 0, 2.0, 4.0, End::Stayed),
        ];
        assert_eq!(stays.collect::<Vec<_>>(), expected);
        assert_eq!((timeline.missed, timeline.ends(End::Evicted)), (1, 1));
        assert_eq!(timeline.capacity(), 2);
    }
}
