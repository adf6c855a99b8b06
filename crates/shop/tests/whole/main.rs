//! The whole store in one deterministic world, in virtual time: real shoppers, frontends, order
//! replicas and catalog, with crashes that lose what was not synced, power cuts, pauses, cuts, full
//! disks, clean stops, messages lost, late and doubled, clocks of different speeds. All the time:
//! no read is older than what somebody had seen, and a request has one fate. When all is healed and
//! quiet: every acknowledged order is there, none is doubled, stock is conserved, the replicas are
//! equal and all in sync, nothing is left over.

mod check;
mod history;
mod host;
mod nemesis;
mod setting;
mod world;

use std::time::Duration;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use replication::Time;
use replication::primary_backup::Rules;
use setting::{Faults, Setting};
use shop::invalidation::Invalidation;
use world::World;

/// One run: faults for some virtual seconds, then healing, until all is quiet.
fn run(setting: Setting) -> World {
    let mut world = World::new(setting);
    world.run_until(Time::from_millis(40_000));
    world.heal();
    world.run_until_quiet(Time::from_millis(400_000));
    world
}

/// The same for many worlds; everything that the store promises must hold in each. Returns how many
/// reads were stale.
fn check(settings: impl Iterator<Item = Setting>) -> u64 {
    let mut stale = 0;
    for setting in settings {
        let seed = setting.seed;
        let outcome = std::panic::catch_unwind(|| {
            let world = run(setting);
            world.check();
            world.history.stale
        });
        match outcome {
            Ok(seen) => stale += seen,
            Err(panic) => {
                #[expect(clippy::disallowed_macros, reason = "it says how to repeat it")]
                {
                    let again = format!("TOYSTORE_SEED={seed} cargo test -p shop --test whole");
                    eprintln!("seed {seed} fails: {again}");
                }
                std::panic::resume_unwind(panic);
            }
        }
    }
    stale
}

/// `TOYSTORE_SEEDS=1000` goes deeper, `TOYSTORE_SEED=7` runs that one.
#[expect(clippy::disallowed_methods, reason = "a test may be told its seeds")]
fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("TOYSTORE_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("TOYSTORE_SEEDS").unwrap_or(default)).collect(),
    }
}

fn drawn(seed: u64) -> Setting {
    Setting::drawn(seed, &mut Pcg64Mcg::seed_from_u64(seed ^ 0x5eed))
}

#[test]
fn without_faults_everything_matches() {
    check(seeds(5).into_iter().map(|seed| Setting::plain(seed, Faults::NONE)));
}

/// Seeds that once failed, or convict a planted fault, each with what it showed.
const FAILED_ONCE: [u64; 4] = [
    16,  // a fate was "recorded", then "pending": an ex-leader answered without a barrier
    24,  // (planted) commits did not wait for a follower that was on its way into the view
    92,  // (planted) barriers passed without anybody's confirmation
    108, // an order was refused as resolved before "never" was recorded, then recorded after all
];

#[test]
fn nothing_acknowledged_is_lost_or_doubled_whatever_happens() {
    let seeds = seeds(40);
    let again = if seeds.len() == 1 { &[][..] } else { &FAILED_ONCE[..] };
    check(again.iter().copied().chain(seeds).map(drawn));
}

/// The other ways to keep caches promise nothing about reads, and everything else. That stale reads
/// are seen in them shows that the check can see them.
#[test]
fn weaker_caches_weaken_nothing_but_reads() {
    let modes = [Invalidation::Push, Invalidation::Ttl(Duration::from_secs(2)), Invalidation::None];
    let setting = |seed: u64| {
        let invalidation = modes[usize::try_from(seed % 3).expect("below three")];
        Setting { invalidation, ..drawn(seed) }
    };
    let stale = check(seeds(9).into_iter().map(setting));
    assert!(stale > 0, "no read was ever stale");
}

/// The same for naive: orders that no log named, or worlds that did not come to rest.
const NAIVE_FAILED_ONCE: [u64; 9] = [
    48, 116, // followers were faithful to a dead leader's term, and deaf to the living one
    49, 56, 66, 91, 106, 119,  // losses that the test took for unnamed
    1568, // the catalog waited for ever for a lease that its frontend had ended
];

/// `naive` is kept to be convicted: it must lose acknowledged orders, and name each.
#[test]
fn naive_loses_acknowledged_orders_and_names_them() {
    let seeds = seeds(20);
    let again = if seeds.len() == 1 { &[][..] } else { &NAIVE_FAILED_ONCE[..] };
    let mut lost = 0;
    for seed in again.iter().copied().chain(seeds) {
        let outcome = std::panic::catch_unwind(|| {
            run(Setting { rules: Rules::Naive, ..drawn(seed) }).check_losses()
        });
        lost += outcome.unwrap_or_else(|_| panic!("seed {seed} fails: see above"));
    }
    assert!(lost > 0, "naive lost nothing");
}
