//! How long a search for vectors takes: the exact scan, with and without filters, and inverted lists. Recall against
//! an exact search in f32 is printed beside it. The points lie around 1,000 centres, as passages lie around subjects.

#![allow(missing_docs, reason = "criterion's macro makes a public function without one")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lorewell_embed::Vectors;
use lorewell_rag::dense::{DenseStore, LocalDense};
use lorewell_rag::ids::{ChunkId, IdSet};
use lorewell_rag::stores::Access;

const DIMS: usize = 384;
const CENTRES: usize = 1_000;
const QUERIES: usize = 50;
const LIMIT: usize = 10;

fn sizes(criterion: &mut Criterion) {
    // 50,000 and 200,000 rows are scanned; 400,000 are beyond the scan and have inverted lists.
    for rows in [50_000, 200_000, 400_000] {
        sized(criterion, rows);
    }
}

fn sized(criterion: &mut Criterion, rows: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let dims = u32::try_from(DIMS).ok().and_then(NonZeroU32::new).expect("there are some");
    let store = LocalDense::open(folder.path(), dims, Access::Write).expect("an empty folder can be opened");
    let mut cloud = Cloud::new(1);
    let mut first = 1u64;
    let queries = cloud.points(QUERIES);
    let mut truth: Vec<Vec<(f32, u64)>> = vec![Vec::new(); QUERIES];
    while first <= rows as u64 {
        let batch = cloud.points(10_000);
        let ids: Vec<ChunkId> = (first..first + batch.len() as u64).map(ChunkId).collect();
        for (query, best) in queries.rows().zip(&mut truth) {
            best.extend(ids.iter().zip(batch.rows()).map(|(id, row)| (product(query, row), id.0)));
            best.sort_by(|left, right| right.0.total_cmp(&left.0));
            best.truncate(LIMIT);
        }
        runtime.block_on(store.append(&ids, &batch)).expect("rows can be appended");
        first += batch.len() as u64;
    }
    runtime.block_on(store.compact()).expect("a store can be compacted");

    let search = |query: &[f32], allowed: Option<&IdSet>| {
        runtime.block_on(store.search(query, LIMIT, allowed)).expect("a search succeeds")
    };
    let found: usize = queries
        .rows()
        .zip(&truth)
        .map(|(query, best)| {
            search(query, None).iter().filter(|hit| best.iter().any(|(_, id)| *id == hit.id.0)).count()
        })
        .sum();
    println!("{rows} rows: recall@{LIMIT} {:.3}", found as f64 / (QUERIES * LIMIT) as f64);

    let mut group = criterion.benchmark_group(format!("dense/{rows}"));
    group.measurement_time(Duration::from_secs(5)).sample_size(50);
    let filters = [("all", None), ("half", Some(2)), ("one in 100", Some(100))];
    for (name, step) in filters {
        let allowed: Option<IdSet> =
            step.map(|step| (1..=rows as u64).filter(|id| id % step == 0).map(ChunkId).collect());
        let mut turn = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % QUERIES;
                black_box(search(queries.row(turn), allowed.as_ref()))
            });
        });
    }
    group.finish();
}

fn product(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (left, right) in left.as_chunks::<16>().0.iter().zip(right.as_chunks::<16>().0) {
        for lane in 0..16 {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    lanes.iter().sum()
}

/// Points around centres.
struct Cloud {
    state: u64,
    centres: Vec<Vec<f32>>,
}

impl Cloud {
    fn new(seed: u64) -> Self {
        let mut cloud = Self { state: seed, centres: Vec::new() };
        cloud.centres = (0..CENTRES).map(|_| normalized((0..DIMS).map(|_| cloud.normal()).collect())).collect();
        cloud
    }

    /// Draws points whose cosine to their centre is about 0.8.
    fn points(&mut self, count: usize) -> Vectors {
        let noise = 0.75 / (DIMS as f32).sqrt();
        let mut data = Vec::with_capacity(count * DIMS);
        for _ in 0..count {
            let centre = usize::try_from(self.next() % CENTRES as u64).expect("centres are few");
            data.extend(normalized((0..DIMS).map(|i| self.centres[centre][i] + noise * self.normal()).collect()));
        }
        Vectors::new(DIMS, data)
    }

    /// Draws by SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Draws from nearly the standard normal distribution: the sum of four uniform draws, centred and scaled.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: f32 = (0..4).map(|i| ((bits >> (16 * i)) & 0xffff) as f32 / 65_536.0).sum();
        (sum - 2.0) * 3.0f32.sqrt()
    }
}

fn normalized(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

criterion_group!(benches, sizes);
criterion_main!(benches);
