//! A failing run made smaller: the same seed with fewer faults, fewer questions, fewer shoppers,
//! and a shorter time, as long as the same promise is broken.
//!
//! What is left out changes what happens after it: dice are thrown in another order, a leader is
//! another one. So a smaller plan may fail only under another *noise* of network and disks, and
//! some are tried. Called by the shell's `sim` command; the result is a [`Trim`], which replays it.

use std::collections::BTreeSet;
use std::time::Duration;

use replication::Time;

use crate::plan::Plan;
use crate::run::{Outcome, run};
use crate::trim::Trim;

/// How many other noises are tried where a large step would be gained.
const NOISES: u64 = 4;

/// What is left of a failing run.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// Replays it.
    pub trim: Trim,
    /// How it fails, with its trace.
    pub outcome: Outcome,
    /// How many runs it took.
    pub tries: u32,
}

/// Tries smaller and smaller plans.
struct Search<'a> {
    plan: &'a Plan,
    promise: &'static str,
    best: Trim,
    tries: u32,
    give_up: &'a mut dyn FnMut() -> bool,
}

/// Shrinks a run that breaks `promise`, until nothing more can be left out or the caller gives up.
/// `None` if it does not break it.
pub fn shrink(
    plan: &Plan,
    promise: &'static str,
    give_up: &mut dyn FnMut() -> bool,
) -> Option<Shrunk> {
    let best = Trim::default();
    let mut search = Search { plan, promise, best, tries: 0, give_up };
    if !search.fails(&Trim::default()) {
        return None;
    }
    loop {
        let before = search.best.clone();
        search.shorten();
        search.send_shoppers_away();
        search.drop_asks();
        search.drop_faults();
        search.drop_rounds();
        if search.best == before || (search.give_up)() {
            break;
        }
    }
    let trim = search.best.clone();
    let outcome = run(&plan.clone().trimmed(&trim), true);
    Some(Shrunk { trim, outcome, tries: search.tries })
}

impl Search<'_> {
    fn fails(&mut self, trim: &Trim) -> bool {
        self.tries += 1;
        let plan = self.plan.clone().trimmed(trim);
        run(&plan, false).broken.is_some_and(|broken| broken.promise == self.promise)
    }

    /// Keeps a smaller plan if it still fails, under this noise or another one.
    fn keep(&mut self, trim: &Trim, noises: u64) -> bool {
        for noise in 0..noises {
            if (self.give_up)() {
                return false;
            }
            let trim = Trim { noise: trim.noise + noise, ..trim.clone() };
            if self.fails(&trim) {
                self.best = trim;
                return true;
            }
        }
        false
    }

    /// Heals earlier and earlier.
    fn shorten(&mut self) {
        let whole = self.best.until.unwrap_or(self.plan.heal_at);
        let mut step = whole.since(Time(0)) / 2;
        let mut until = whole;
        while step > Duration::from_millis(100) {
            let shorter = until - step;
            if self.keep(&Trim { until: Some(shorter), ..self.best.clone() }, 2) {
                until = shorter;
            }
            step /= 2;
        }
    }

    fn send_shoppers_away(&mut self) {
        let whole = self.best.shoppers.unwrap_or(self.plan.setting.seats.shoppers);
        for shoppers in 0..whole {
            if self.keep(&Trim { shoppers: Some(shoppers), ..self.best.clone() }, NOISES) {
                return;
            }
        }
    }

    fn drop_rounds(&mut self) {
        let whole = self.best.rounds.unwrap_or(u32::MAX);
        for rounds in [1, 3, 10, 30, 100, 300].into_iter().filter(|rounds| *rounds < whole) {
            if self.keep(&Trim { rounds: Some(rounds), ..self.best.clone() }, 1) {
                return;
            }
        }
    }

    fn drop_asks(&mut self) {
        let until = self.best.until.unwrap_or(Time(u64::MAX));
        let asks = &self.plan.asks;
        let places = (0..asks.len()).filter(|place| asks[*place].at < until).collect();
        let places: BTreeSet<usize> = self.best.asks.clone().unwrap_or(places);
        self.drop_places(places, |trim, places| trim.asks = Some(places));
    }

    fn drop_faults(&mut self) {
        let until = self.best.until.unwrap_or(Time(u64::MAX));
        let faults = &self.plan.faults;
        let places = (0..faults.len()).filter(|place| faults[*place].0 < until).collect();
        let places: BTreeSet<usize> = self.best.faults.clone().unwrap_or(places);
        self.drop_places(places, |trim, places| trim.faults = Some(places));
    }

    /// Leaves out larger, then smaller pieces (delta debugging, Zeller and Hildebrandt 2002).
    fn drop_places(
        &mut self,
        mut places: BTreeSet<usize>,
        set: impl Fn(&mut Trim, BTreeSet<usize>),
    ) {
        let mut size = places.len().max(1);
        loop {
            let all: Vec<usize> = places.iter().copied().collect();
            for piece in all.chunks(size) {
                let fewer: BTreeSet<usize> =
                    places.iter().copied().filter(|place| !piece.contains(place)).collect();
                let mut trim = self.best.clone();
                set(&mut trim, fewer.clone());
                let noises = if size > 2 { NOISES } else { 1 };
                if fewer.len() < places.len() && self.keep(&trim, noises) {
                    places = fewer;
                }
                if (self.give_up)() {
                    return;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2).min(places.len().max(1));
        }
    }
}
