//! What judging a history costs: reading its lines, and deciding whether an order fits that every
//! client saw. `cargo bench -p checker`.
//!
//! Histories of ten thousand operations of 64 clients, made by a store that keeps every promise;
//! `examples/speed.rs` judges one of any size once. *Versions* are what proves an order quickly:
//! without them the checker searches.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/random/store.rs"]
mod store;

const OPERATIONS: u64 = 10_000;

fn history(versions: bool) -> Vec<u8> {
    let plan = store::Plan {
        seed: 7,
        toys: 30,
        clients: 64,
        operations: OPERATIONS,
        quantity: 100,
        versions,
        logged_keys: true,
        unknown: true,
    };
    let mut text = Vec::new();
    store::history(plan, &mut |line| {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    });
    text
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ten thousand operations");
    group.throughput(Throughput::Elements(OPERATIONS)).sample_size(20);
    let told = history(true);
    group.bench_function("read", |bencher| {
        bencher.iter(|| checker::history::read(black_box(&told)).expect("it is a history"));
    });
    for (name, versions) in [("judge, with versions", true), ("judge, without", false)] {
        let history = checker::history::read(&history(versions)).expect("it is a history");
        group.bench_function(name, |bencher| {
            bencher.iter(|| checker::judge(black_box(&history), checker::STEPS_DEFAULT));
        });
    }
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);
