//! What a read costs a frontend's processor, with few toys in its cache and with a million: the
//! step alone, without HTTP. `cargo bench -p shop`.
//!
//! *Hit* is [`Frontend::hit`]: the lease is looked at, the toy is found and becomes the last one
//! that was used. *Evicting fill* is a miss in a full cache: the question to the catalog, its
//! answer, the body that is prepared, and the toy that leaves. Names come in an order that no
//! prefetcher knows, so with a million toys most of the time is the memory's.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use replication::{NodeId, Time};
use shop::Node;
use shop::frontend::{Config, Frontend};
use shop::message::{Consistency, Generation, Lease, ReadFrom, Reply, Request};
use shop::node::{Answer, CallId, Effect, Input, Token};
use shop::toy::{Cents, Product, ToyName, Version};

/// The course's cache, a small shop's, and far more than any shop has.
const CAPACITIES: [usize; 3] = [7, 1_000, 1_000_000];

/// Names that are drawn ahead; a power of two.
const DRAWN: usize = 1 << 16;

/// It never lapses here, since no time passes.
const LEASE: Lease =
    Lease { generation: Generation { catalog: 1, count: 1 }, duration_ms: 3_600_000 };

/// A frontend, and a catalog that answers at once.
struct Shop {
    frontend: Frontend,
    token: u64,
}

impl Shop {
    fn new(capacity: usize) -> Shop {
        let mut config = Config::new(1, vec![NodeId(1)], "http://frontend-1".to_string(), 1);
        config.cache_capacity = capacity;
        let mut shop = Shop { frontend: Frontend::new(config), token: 0 };
        shop.step(Input::Start);
        shop
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.frontend.step(Time(0), input, &mut effects);
        for effect in effects {
            if let Effect::Call { call, request, .. } = effect {
                self.catalog(call, request);
            }
        }
    }

    fn catalog(&mut self, call: CallId, request: Request) {
        let reply = if let Request::Fill { name, .. } = request {
            let product = Product { name, price: Cents(999), quantity: 9, version: Version(1) };
            let (generation, from) = (Some(LEASE.generation), ReadFrom::UNTOLD);
            Reply::Filled { product, generation, from }
        } else if let Request::RenewLease { .. } = request {
            Reply::Leased(LEASE)
        } else {
            return;
        };
        self.step(Input::Answer { call, answer: Answer::Said(Ok(reply)) });
    }

    fn fill(&mut self, name: &ToyName) {
        self.token += 1;
        let (name, consistency) = (name.clone(), Consistency::Linearizable);
        let request = Request::ReadProduct { name, consistency };
        self.step(Input::Request { token: Token(self.token), request });
    }
}

/// Names of so many toys, in an order of no sense.
fn names(count: usize) -> Vec<ToyName> {
    let name = |number| format!("toy-{number:07}").parse().expect("this is a name");
    let mut names: Vec<ToyName> = (0..count).map(name).collect();
    names.shuffle(&mut Pcg64Mcg::seed_from_u64(7));
    names
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hit");
    for capacity in CAPACITIES {
        let names = names(capacity);
        let mut shop = Shop::new(capacity);
        names.iter().for_each(|name| shop.fill(name));
        let drawn: Vec<&str> =
            names.iter().cycle().take(DRAWN).map(|name| name.spelling()).collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(capacity), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % DRAWN;
                let hit = shop.frontend.hit(Time(0), drawn[next]);
                black_box(hit.expect("every toy is in the cache"))
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("evicting fill");
    for capacity in CAPACITIES {
        // Twice as many toys as there is room for: whoever comes has just left.
        let names = names(capacity * 2);
        let mut shop = Shop::new(capacity);
        names.iter().for_each(|name| shop.fill(name));
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(capacity), |bencher| {
            bencher.iter(|| {
                shop.fill(&names[next]);
                next = (next + 1) % names.len();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reads);
criterion_main!(benches);
