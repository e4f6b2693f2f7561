//! Throughput of hashing from memory: one stream for each algorithm, and SHA-256 of many streams on one thread, where
//! the lanes come in. `cargo bench --bench digest -- --save-baseline NAME` keeps figures to compare with.
#![allow(clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mverify::digest::{Algorithm, Plan, Pool, Prepared, many, pass};
use std::ops::ControlFlow;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn one_stream(c: &mut Criterion) {
    let source = bytes(4 << 20);
    let mut group = c.benchmark_group("one stream of 4 MiB");
    group.throughput(Throughput::Bytes(source.len() as u64));
    for algorithm in Algorithm::ALL {
        let plan = Plan { algorithms: vec![algorithm], ..Plan::default() };
        group.bench_function(algorithm.name(), |b| b.iter(|| pass(&source, &plan, &Pool::single(), &()).unwrap()));
    }
    group.finish();
}

fn many_streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha256 of many streams on one thread");
    for (count, len) in [(1, 1 << 20), (2, 1 << 20), (8, 1 << 20), (12, 1 << 20), (16, 1 << 20), (4096, 4096)] {
        let sources = vec![bytes(len); count];
        group.throughput(Throughput::Bytes((count * len) as u64));
        group.bench_with_input(BenchmarkId::new(format!("of {len}"), count), &sources, |b, sources| {
            b.iter(|| {
                many(
                    &Pool::single(),
                    sources.iter(),
                    |source: &Vec<u8>| Prepared::Hash {
                        source: source.as_slice(),
                        plan: Plan { algorithms: vec![Algorithm::Sha256], ..Plan::default() },
                        carry: (),
                    },
                    |(), _, passed| passed.unwrap(),
                    &(),
                    |_| ControlFlow::Continue(()),
                )
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = one_stream, many_streams
}
criterion_main!(benches);
