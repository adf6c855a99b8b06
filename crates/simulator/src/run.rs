//! One run of a seed: faults, then healing, then rest, and the verdict.
//!
//! Called by the shell's `sim` command, by `shrink` and by tests.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use checker::history::Head;
use replication::Time;

use crate::costs::Costs;
use crate::frames::Frame;
use crate::plan::Plan;
use crate::record;
use crate::tally::Tally;
use crate::world::{Broken, World};

/// How long shoppers may take to come to their end once everything has healed: a call of 10 s and
/// its repetition, some failovers, and the comparison of all orders.
const REST_MAX: Duration = Duration::from_secs(90);

/// How long the world is watched after the last answer: what is done in the background is over.
const QUIET: Duration = Duration::from_secs(3);

/// How long after healing no call is waited for any more that was lost before: a frontend's longest
/// deadline towards the catalog, and a little.
const SETTLED: Duration = Duration::from_millis(3500);

/// How long every frontend may take to answer a probe.
const PROBE_MAX: Duration = Duration::from_secs(11);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first promise that was broken.
    pub broken: Option<Broken>,
    /// Every promise that was broken, as far as clients can tell; at least the first one.
    pub convicted: Vec<&'static str>,
    /// What a read showed that no order fits, where it was not promised to be fresh: clocks beyond
    /// their bound, a cache that promises less.
    pub forgiven: Option<String>,
    /// What was counted.
    pub tally: Tally,
    /// Equal for equal runs.
    pub digest: u64,
    /// Everything that happened, a line each, if it was wanted.
    pub trace: Vec<String>,
    /// What nodes said, moment after moment, if it was wanted.
    pub frames: Vec<Frame>,
    /// What clients were told, as a history: its first line and the others, if it was wanted.
    pub history: Option<(Head, Vec<String>)>,
}

/// Runs a plan. A panic in a node is a broken promise, like any other.
pub fn run(plan: &Plan, traced: bool) -> Outcome {
    #[cfg(feature = "planted")]
    let _planting =
        plan.setting.planted.map(|planted| replication::planted::plant(planted.points()));
    through(&mut World::new(plan.clone(), traced), plan, traced)
}

/// The same, and what it cost.
pub fn run_measured(plan: &Plan, window: Range<Time>) -> (Outcome, Costs) {
    let mut world = World::new(plan.clone(), false);
    world.costs = Some(Box::new(Costs::new(window.clone())));
    let outcome = through(&mut world, plan, false);
    world.count_kept();
    (outcome, world.costs.take().map_or_else(|| Costs::new(window), |costs| *costs))
}

fn through(world: &mut World, plan: &Plan, traced: bool) -> Outcome {
    // The world is only read after a panic, for its trace and its numbers.
    let played = catch_unwind(AssertUnwindSafe(|| play(world, plan)));
    let judged = matches!(played, Ok(true));
    // Whoever panicked says nothing any more.
    let frames = world.take_frames(played.is_ok());
    if let Err(panic) = played {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
        let what = format!("at {}: {}", world.now, words.unwrap_or_default());
        world.broken.get_or_insert(Broken { promise: "invariant", what });
    }
    if !judged {
        world.judge();
    }
    let mut tally = std::mem::take(&mut world.tally);
    tally.seeds = 1;
    tally.seeds_broken = u64::from(world.broken.is_some());
    tally.seeds_forgiven = u64::from(world.forgiven.is_some());
    tally.simulated_micros = world.now.0;
    tally.points = world.points.counts().map(|(p, _)| (p.words().to_string(), 1)).collect();
    let mut convicted = std::mem::take(&mut world.convicted);
    if let Some(broken) = &world.broken
        && !convicted.contains(&broken.promise)
    {
        convicted.push(broken.promise);
    }
    Outcome {
        convicted,
        forgiven: world.forgiven.take(),
        broken: world.broken.take(),
        tally,
        digest: world.digest.value(),
        trace: world.trace.take().unwrap_or_default(),
        frames,
        history: traced.then(|| (record::head(&plan.setting), world.record.take_lines())),
    }
}

/// Returns whether it came to the end, where everything is judged.
fn play(world: &mut World, plan: &Plan) -> bool {
    world.run_until(plan.heal_at);
    world.heal();
    // To read an order back takes no longer than to place it did.
    let limit = world.now + REST_MAX.max(plan.heal_at.since(Time(0)));
    while !(world.shoppers_are_done() && world.members_settled()) && world.broken.is_none() {
        if world.now > limit {
            if !plan.setting.firm() {
                // Somebody looks for an order that is lost, where not to find it proves nothing.
                break;
            }
            let who = world.stragglers();
            world.breaks("liveness", format!("no end after healing: {who}"));
            return false;
        }
        world.run_until(world.now + Duration::from_millis(10));
    }
    // A call that was lost before may still be waited for, and others wait along.
    world.run_until(plan.heal_at + SETTLED);
    if plan.setting.absence {
        world.begin_absence();
    }
    world.begin_probe();
    let limit = world.now + PROBE_MAX;
    world.run_until(world.now + Duration::from_millis(1));
    while !world.asker_is_done() && world.now < limit && world.broken.is_none() {
        world.run_until(world.now + Duration::from_millis(10));
    }
    world.end_absence();
    world.run_until(world.now + QUIET);
    let rests = world.broken.is_none();
    if rests {
        world.check();
    }
    rests
}
