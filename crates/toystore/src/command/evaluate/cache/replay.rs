//! Hit rates by replay: the frontend's own cache, given a stream of toys from a seed. No process,
//! no network, no time; the same seed gives the same number.
//!
//! Pure. Called by `cache::mod`.

use bytes::Bytes;
use replication::Time;
use shop::frontend::{Cache, Filled, Policy};
use shop::message::Generation;
use shop::shopper::Probability;
use shop::toy::{Cents, Product, ToyName, Version};

use crate::load::mix::{Chooser, Mix, Orders, Popularity, Quantities};

/// The policies, each with its name.
pub const POLICIES: [(&str, Policy); 4] = [
    ("lru", Policy::Lru),
    ("fifo", Policy::Fifo),
    ("lfu", Policy::Lfu),
    ("random", Policy::Random(1)),
];

/// Popularities that are compared, each with its name.
pub const POPULARITIES: [(&str, Popularity); 2] =
    [("uniform", Popularity::Uniform), ("zipf", Popularity::Zipf(0.8))];

/// A stream of toys.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// How many toys there are.
    pub toys: usize,
    /// How often which is asked for.
    pub popularity: Popularity,
    /// How many are asked for before anything is counted.
    pub warm_up: usize,
    /// How many are counted.
    pub length: usize,
    /// Fixes which.
    pub seed: u64,
}

/// The share of a stream that a cache of this capacity answers.
pub fn hit_rate(stream: Stream, policy: Policy, capacity: usize) -> f64 {
    let names: Vec<ToyName> =
        (0..stream.toys).filter_map(|n| format!("Toy {n}").parse().ok()).collect();
    let mut chooser = chooser(stream);
    let mut cache = Cache::new(capacity, policy);
    let mut hits = 0_usize;
    for number in 0..stream.warm_up + stream.length {
        let Some(name) = names.get(chooser.toy()) else { continue };
        if cache.touch(name.key()).is_some() {
            hits += usize::from(number >= stream.warm_up);
        } else {
            cache.keep(fill(name));
        }
    }
    hits as f64 / stream.length.max(1) as f64
}

/// The most that any cache of this capacity could answer that never knows what comes: the most
/// popular toys, kept for ever (Aho, Denning and Ullman, *Principles of Optimal Page Replacement*,
/// J. ACM 18 (1971), algorithm A0: it keeps one slot for what comes and goes).
pub fn best(popularity: Popularity, toys: usize, capacity: usize) -> f64 {
    let weight = |rank: usize| match popularity {
        Popularity::Uniform => 1.0,
        Popularity::Zipf(exponent) => (rank as f64).powf(-exponent),
    };
    let weights: Vec<f64> = (1..=toys).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    if capacity >= toys {
        return 1.0;
    }
    // One slot holds what was asked for last, which is none of those that stay.
    let stay = capacity.saturating_sub(1);
    let kept: f64 = weights.iter().take(stay).map(|weight| weight / sum).sum();
    let rest = (1.0 - kept).max(f64::MIN_POSITIVE);
    let again: f64 = weights.iter().skip(stay).map(|weight| (weight / sum).powi(2)).sum();
    if capacity == 0 { 0.0 } else { kept + again / rest }
}

fn chooser(stream: Stream) -> Chooser {
    let mix = Mix {
        orders: Orders::Share(Probability::default()),
        order_queries: Probability::default(),
        popularity: stream.popularity,
        quantities: Quantities::Baskets,
    };
    Chooser::new(mix, stream.toys, stream.seed)
}

fn fill(name: &ToyName) -> Filled {
    let product =
        Product { name: name.clone(), price: Cents(999), quantity: 1, version: Version(1) };
    let (generation, filled_at) = (Generation::default(), Time(0));
    Filled { product, generation, filled_at, body: Bytes::new(), applied: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(popularity: Popularity) -> Stream {
        Stream { toys: 20, popularity, warm_up: 2_000, length: 20_000, seed: 5 }
    }

    #[test]
    fn under_uniform_popularity_no_policy_is_better_than_chance() {
        for (name, policy) in POLICIES {
            let found = hit_rate(stream(Popularity::Uniform), policy, 5);
            assert!((found - 0.25).abs() < 0.02, "{name}: {found}");
            assert_eq!(hit_rate(stream(Popularity::Uniform), policy, 20), 1.0, "{name}");
        }
        assert!((best(Popularity::Uniform, 20, 5) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn under_zipf_counting_is_better_than_recency_and_that_better_than_arrival() {
        let of = |policy| hit_rate(stream(Popularity::Zipf(0.8)), policy, 5);
        let [lru, fifo, lfu] = [of(Policy::Lru), of(Policy::Fifo), of(Policy::Lfu)];
        let best = best(Popularity::Zipf(0.8), 20, 5);
        assert!(fifo < lru && lru < lfu && lfu < best + 0.01, "{fifo} {lru} {lfu} {best}");
    }

    #[test]
    fn a_seed_repeats_its_stream() {
        let again = |seed| {
            let stream = Stream { seed, ..stream(Popularity::Zipf(0.8)) };
            hit_rate(stream, Policy::Lru, 5)
        };
        assert_eq!(again(1), again(1));
        assert_ne!(again(1), again(2));
    }
}
