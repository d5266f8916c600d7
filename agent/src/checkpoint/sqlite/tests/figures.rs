//! Sizes, which are the same everywhere and held here, and times, which are only printed.

use std::time::Instant;

use super::super::super::Memory;
use super::*;

/// Supersteps without effect, each a transaction.
const SUPERSTEPS: u64 = 1000;
/// What they may take on the disk, about half of it for their values.
const BYTES_MAX: u64 = 150_000;

#[tokio::test]
async fn supersteps_without_effect_take_little_space() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..SUPERSTEPS {
        bench.store.write(&claim, step(seq)).await.unwrap();
    }
    bench.store.release(&claim);
    let path = bench.path();
    let Bench { store, folder } = bench;
    drop(store);
    let bytes = fs::metadata(path).unwrap().len();
    assert!(bytes < BYTES_MAX, "{bytes} bytes for {SUPERSTEPS} supersteps");
    drop(folder);
}

#[tokio::test]
#[ignore = "prints times; run it in release mode"]
async fn print_times() {
    let memory = Memory::new();
    let claim = memory.claim("a").await.unwrap();
    let batches: Vec<_> = (0..100 * SUPERSTEPS).map(step).collect();
    let start = Instant::now();
    for batch in batches {
        memory.write(&claim, batch).await.unwrap();
    }
    println!("memory: {:?} a write", start.elapsed() / 100_000);
    for is_durable in [false, true] {
        let bench = Bench::new().await;
        let claim = bench.store.claim("a").await.unwrap();
        let (start, cpu) = (Instant::now(), cpu());
        for seq in 0..10 * SUPERSTEPS {
            bench.store.write(&claim, Batch { durable: is_durable, ..step(seq) }).await.unwrap();
        }
        let (wall, cpu) = (start.elapsed() / 10_000, (self::cpu() - cpu) / 10_000);
        println!("durable {is_durable}: {wall:?} wall, {cpu:?} processor a commit");
        let log = fs::metadata(bench.folder.path().join("threads.sqlite-wal")).unwrap().len();
        println!("  the log: {log} bytes; {:?}", bench.store.commits());
        let Bench { store, folder } = bench;
        drop(store);
        println!("  the file: {} bytes", fs::metadata(folder.path().join("threads.sqlite")).unwrap().len());
    }
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    let (start, cpu) = (Instant::now(), cpu());
    let writes: Vec<_> = (0..100 * SUPERSTEPS).map(|seq| bench.store.write(&claim, step(seq))).collect();
    for write in writes.into_iter().rev() {
        // The queue is shorter than this; what was refused is not counted.
        let _ = write.await;
    }
    let n = bench.newest("a").await.unwrap();
    println!(
        "unawaited: {:?} wall, {:?} processor a batch of {n}",
        start.elapsed() / 65_536,
        (self::cpu() - cpu) / 65_536
    );
    bench.store.release(&claim);
    let claim = bench.store.claim("a").await.unwrap();
    let place = Place { path: Arc::from(""), branch: 0, seq: 0 };
    let snapshot =
        Batch { records: vec![Record { place, body: Body::Snapshot(vec![b'x'; 1000]) }], ..Batch::default() };
    bench.store.write(&claim, snapshot).await.unwrap();
    let lineage = [Span { branch: 0, seq_max: u64::MAX, root_max: u64::MAX - 1 }];
    let bounded = [Span { branch: 0, seq_max: u64::MAX, root_max: 3 }];
    for lineage in [&TRUNK, &lineage, &bounded] {
        bench.store.load("a", "", lineage).await.unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            bench.store.load("a", "", lineage).await.unwrap();
        }
        println!("load of {n} steps within {lineage:?}: {:?}", start.elapsed() / 100);
    }
}

/// The processor time of this process: both threads count.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis(10 * (ticks(11) + ticks(12))) // 100 ticks a second on Linux
}
