//! The cache against the simplest model there is: a vector, oldest first.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::toy::{Cents, Version};

fn product(name: &str, version: u64) -> Product {
    let name = name.parse().unwrap();
    Product { name, price: Cents(100), quantity: 1, version: Version(version) }
}

fn keep(cache: &mut Cache, name: &str, version: u64) -> Kept {
    let generation = Generation { catalog: 1, count: 1 };
    let (filled_at, body) = (Time(version), Bytes::from_static(b"{}"));
    let product = product(name, version);
    cache.keep(Filled { product, generation, filled_at, body, applied: version })
}

fn order(cache: &Cache) -> Vec<String> {
    cache.slots().map(|slot| slot.product.name.to_string()).collect()
}

#[test]
fn agrees_with_a_vector() {
    for seed in 0..200 {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let capacity = random.random_range(0..6);
        let mut cache = Cache::new(capacity);
        let mut model: Vec<(String, u64, u64)> = Vec::new();
        for step in 0..300 {
            let name = format!("toy-{}", random.random_range(0..9));
            let place = model.iter().position(|(known, ..)| *known == name);
            match random.random_range(0..10) {
                0..4 => {
                    let found = cache.touch(&name).map(|slot| (slot.product.version.0, slot.hits));
                    let expected = place.map(|place| {
                        let (name, version, hits) = model.remove(place);
                        model.push((name, version, hits + 1));
                        (version, hits + 1)
                    });
                    assert_eq!(found, expected, "seed {seed} step {step}");
                }
                4..8 => {
                    let version = random.random_range(0..20);
                    let kept = keep(&mut cache, &name, version);
                    let expected = match place {
                        Some(place) if model[place].1 > version => Kept::Ignored,
                        Some(place) => {
                            model.remove(place);
                            model.push((name, version, 0));
                            Kept::Replaced
                        }
                        None if capacity == 0 => Kept::Ignored,
                        None if model.len() == capacity => {
                            let (oldest, ..) = model.remove(0);
                            model.push((name, version, 0));
                            Kept::Evicted(oldest.parse().unwrap())
                        }
                        None => {
                            model.push((name, version, 0));
                            Kept::Added
                        }
                    };
                    assert_eq!(kept, expected, "seed {seed} step {step}");
                }
                8 => {
                    assert_eq!(cache.invalidate(&name), place.is_some());
                    place.map(|place| model.remove(place));
                }
                _ if random.random_range(0..20) == 0 => {
                    assert_eq!(cache.clear(), model.len());
                    model.clear();
                }
                _ => assert_eq!(cache.peek(&name).is_some(), place.is_some()),
            }
            let names: Vec<String> = model.iter().map(|(name, ..)| name.clone()).collect();
            assert_eq!(order(&cache), names, "seed {seed} step {step}");
            assert!(cache.len() <= capacity && cache.slots.len() <= capacity);
        }
    }
}

/// Bug zoo: fifo-as-lru.
#[test]
fn a_hit_refreshes_recency() {
    let mut cache = Cache::new(2);
    keep(&mut cache, "a", 1);
    keep(&mut cache, "b", 1);
    cache.touch("a");
    assert_eq!(keep(&mut cache, "c", 1), Kept::Evicted("b".parse().unwrap()));
    assert_eq!(order(&cache), ["a", "c"]);
}

#[test]
fn a_new_generation_may_go_back_in_versions() {
    let mut cache = Cache::new(2);
    keep(&mut cache, "a", 5);
    let generation = Generation { catalog: 2, count: 1 };
    let (product, filled_at, body) = (product("a", 1), Time(9), Bytes::new());
    let kept = cache.keep(Filled { product, generation, filled_at, body, applied: 1 });
    assert_eq!(kept, Kept::Replaced);
}
