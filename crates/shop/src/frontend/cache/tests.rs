//! The cache against the simplest model there is, under each policy: a vector that is searched.

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

/// A toy, and all that any policy goes by.
struct Entry {
    name: String,
    version: u64,
    hits: u64,
    /// In which step it was filled, and read last.
    filled: u32,
    used: u32,
    /// How old the cache was when it was read last.
    age: u64,
}

/// What a cache is, in one vector; slow, and in no order.
struct Model {
    policy: Policy,
    capacity: usize,
    entries: Vec<Entry>,
    age: u64,
}

impl Model {
    fn place(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// The lowest goes.
    fn key(&self, entry: &Entry) -> (u64, u32) {
        match self.policy {
            Policy::Lru => (0, entry.used),
            Policy::Fifo | Policy::Random(_) => (0, entry.filled),
            Policy::Lfu => (1 + entry.hits + entry.age, entry.used),
        }
    }

    fn order(&self) -> Vec<String> {
        let mut sorted: Vec<&Entry> = self.entries.iter().collect();
        sorted.sort_by_key(|entry| self.key(entry));
        sorted.into_iter().map(|entry| entry.name.clone()).collect()
    }

    /// A hit: version and hits.
    fn touch(&mut self, step: u32, name: &str) -> Option<(u64, u64)> {
        let place = self.place(name)?;
        let entry = &mut self.entries[place];
        entry.hits += 1;
        (entry.used, entry.age) = (step, self.age);
        Some((entry.version, entry.hits))
    }

    /// Which one goes where any may is what the cache drew.
    fn keep(&mut self, step: u32, name: &str, version: u64, drawn: &Kept) -> Kept {
        let mut kept = Kept::Added;
        if self.capacity == 0 {
            return Kept::Ignored;
        }
        if let Some(place) = self.place(name) {
            if self.entries[place].version > version {
                return Kept::Ignored;
            }
            self.entries.remove(place);
            kept = Kept::Replaced;
        } else if self.entries.len() == self.capacity {
            let goes = match (self.policy, drawn) {
                (Policy::Random(_), Kept::Evicted(drawn)) => drawn.to_string(),
                (_, _) => self.order().remove(0),
            };
            let place = self.place(&goes).expect("what goes was there");
            let gone = self.entries.remove(place);
            self.age = self.key(&gone).0;
            kept = Kept::Evicted(goes.parse().unwrap());
        }
        let (filled, used, age) = (step, step, self.age);
        self.entries.push(Entry { name: name.to_string(), version, hits: 0, filled, used, age });
        kept
    }
}

fn agrees(policy: Policy, seed: u64) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let capacity = random.random_range(0..6);
    let mut cache = Cache::new(capacity, policy);
    let mut model = Model { policy, capacity, entries: vec![], age: 0 };
    for step in 0..300 {
        let at = format!("{policy}, seed {seed}, step {step}");
        let name = format!("toy-{}", random.random_range(0..9));
        match random.random_range(0..10) {
            0..4 => {
                let found = cache.touch(&name).map(|slot| (slot.product.version.0, slot.hits));
                assert_eq!(found, model.touch(step, &name), "{at}");
            }
            4..8 => {
                let version = random.random_range(0..20);
                let kept = keep(&mut cache, &name, version);
                assert_eq!(kept, model.keep(step, &name, version, &kept), "{at}");
            }
            8 => {
                let place = model.place(&name);
                assert_eq!(cache.invalidate(&name), place.is_some(), "{at}");
                place.map(|place| model.entries.remove(place));
            }
            _ if random.random_range(0..20) == 0 => {
                assert_eq!(cache.clear(), model.entries.len(), "{at}");
                model = Model { entries: vec![], age: 0, ..model };
            }
            _ => assert_eq!(cache.peek(&name).is_some(), model.place(&name).is_some(), "{at}"),
        }
        assert_eq!(order(&cache), model.order(), "{at}");
        let backwards = std::iter::successors(cache.slots.get(cache.last), |slot| {
            cache.slots.get(slot.as_ref()?.before)
        });
        assert_eq!(backwards.flatten().count(), cache.len(), "{at}");
        assert!(cache.len() <= capacity && cache.slots.len() <= capacity, "{at}");
    }
}

#[test]
fn agrees_with_a_vector() {
    for seed in 0..200 {
        for policy in [Policy::Lru, Policy::Fifo, Policy::Lfu, Policy::Random(seed)] {
            agrees(policy, seed);
        }
    }
}

/// Bug zoo: fifo-as-lru.
#[test]
fn a_hit_refreshes_recency() {
    let mut cache = Cache::new(2, Policy::Lru);
    keep(&mut cache, "a", 1);
    keep(&mut cache, "b", 1);
    cache.touch("a");
    assert_eq!(keep(&mut cache, "c", 1), Kept::Evicted("b".parse().unwrap()));
    assert_eq!(order(&cache), ["a", "c"]);
}

#[test]
fn a_new_generation_may_go_back_in_versions() {
    let mut cache = Cache::new(2, Policy::Lru);
    keep(&mut cache, "a", 5);
    let generation = Generation { catalog: 2, count: 1 };
    let (product, filled_at, body) = (product("a", 1), Time(9), Bytes::new());
    let kept = cache.keep(Filled { product, generation, filled_at, body, applied: 1 });
    assert_eq!(kept, Kept::Replaced);
}

/// What a plain count would never forget.
#[test]
fn what_is_not_read_any_more_ages() {
    let mut cache = Cache::new(3, Policy::Lfu);
    keep(&mut cache, "once-loved", 1);
    for _ in 0..10 {
        cache.touch("once-loved");
    }
    let mut fills = 0;
    while cache.peek("once-loved").is_some() {
        fills += 1;
        keep(&mut cache, &format!("toy-{fills}"), 1);
    }
    // Eleven reads, two other slots, and the three toys that stay.
    assert_eq!(fills, 23);
}

/// Who goes, of so many fills of different toys.
fn drawn(seed: u64, fills: u32) -> Vec<ToyName> {
    let mut cache = Cache::new(4, Policy::Random(seed));
    let kept = (0..fills).map(|number| keep(&mut cache, &format!("toy-{number}"), 1));
    kept.filter_map(|kept| match kept {
        Kept::Evicted(name) => Some(name),
        Kept::Added | Kept::Replaced | Kept::Ignored => None,
    })
    .collect()
}

#[test]
fn the_same_seed_draws_the_same_toys() {
    assert_eq!(drawn(7, 100), drawn(7, 100));
    assert_ne!(drawn(7, 100), drawn(8, 100));
}

/// Every slot has its turn about as often: the youngest goes as often as the oldest.
#[test]
fn a_draw_favours_nobody() {
    let mut cache = Cache::new(4, Policy::Random(1));
    let mut ages = [0; 4];
    for number in 0..4004 {
        let before = order(&cache);
        if let Kept::Evicted(name) = keep(&mut cache, &format!("toy-{number}"), 1) {
            ages[before.iter().position(|there| *there == name.to_string()).unwrap()] += 1;
        }
    }
    // 1000 each, and a standard deviation of 27.
    assert!(ages.iter().all(|count| (870..1130).contains(count)), "{ages:?}");
}
