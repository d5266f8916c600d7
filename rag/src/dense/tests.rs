//! The store in a folder, seen from outside: the suite, a model, crashes, damage, other handles, recall.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use lorewell_embed::Vectors;
use lorewell_model::{Kind, Result};
use proptest::prelude::*;
use tempfile::TempDir;

use super::local::Limits;
use super::{CONFORMANCE_DIMS, DenseStore, LocalDense, conformance};
use crate::ids::{ChunkId, IdSet, Scored};
use crate::stores::Access;

const DIMS: usize = 32;

/// Subjects in a cloud: many more than a segment has inverted lists, so that lists cut through them.
const CENTRES: usize = 500;

/// Segments small enough that a few hundred rows fill several.
const SMALL: Limits = Limits { segment_rows_max: 300, scan_rows_max: usize::MAX };

/// The same, with inverted lists as soon as there are two segments or so.
const LISTED: Limits = Limits { segment_rows_max: 4_096, scan_rows_max: 5_000 };

fn open(dir: &Path, access: Access, limits: Limits) -> Result<LocalDense> {
    LocalDense::open_with(dir.to_owned(), dims(DIMS), access, limits)
}

fn dims(dims: usize) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(dims).unwrap()).unwrap()
}

/// Points around centres, as passages lie around subjects.
#[derive(Debug)]
struct Cloud {
    state: u64,
    centres: Vec<Vec<f32>>,
}

impl Cloud {
    fn new(seed: u64, centres: usize) -> Self {
        let mut cloud = Self { state: seed, centres: Vec::new() };
        cloud.centres = (0..centres).map(|_| normalized((0..DIMS).map(|_| cloud.normal()).collect())).collect();
        cloud
    }

    /// Draws a point whose cosine to its centre is about 0.7.
    fn point(&mut self) -> Vec<f32> {
        let centre = usize::try_from(self.next() % self.centres.len() as u64).unwrap();
        let noise = 1.0 / (DIMS as f32).sqrt();
        normalized((0..DIMS).map(|i| self.centres[centre][i] + noise * self.normal()).collect())
    }

    fn points(&mut self, count: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| self.point()).collect()
    }

    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Draws from nearly the standard normal distribution: the sum of twelve uniform draws, centred.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.next() >> 40) as f32 / (1u32 << 24) as f32).sum::<f32>() - 6.0
    }
}

fn normalized(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

fn matrix(rows: &[Vec<f32>]) -> Vectors {
    Vectors::new(DIMS, rows.concat())
}

fn chunks(ids: impl IntoIterator<Item = u64>) -> Vec<ChunkId> {
    ids.into_iter().map(ChunkId).collect()
}

/// Makes a store of `count` points with ids from 1, appended in batches.
async fn filled(dir: &Path, count: usize, limits: Limits) -> (LocalDense, Vec<Vec<f32>>) {
    let store = open(dir, Access::Write, limits).unwrap();
    let points = Cloud::new(1, CENTRES).points(count);
    for (batch, rows) in points.chunks(1_000).enumerate() {
        let first = batch as u64 * 1_000 + 1;
        store.append(&chunks(first..first + rows.len() as u64), &matrix(rows)).await.unwrap();
    }
    (store, points)
}

fn exact(points: &BTreeMap<u64, Vec<f32>>, query: &[f32], limit: usize) -> Vec<Scored> {
    let score = |row: &[f32]| row.iter().zip(query).map(|(x, y)| x * y).sum::<f32>();
    let mut hits: Vec<Scored> = points.iter().map(|(id, row)| Scored { id: ChunkId(*id), score: score(row) }).collect();
    hits.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.id.cmp(&right.id)));
    hits.truncate(limit);
    hits
}

/// The share of the true ten best that are found, over 100 new points of the same cloud.
async fn recall(store: &LocalDense, points: &[Vec<f32>], keep: impl Fn(u64) -> bool, allowed: Option<&IdSet>) -> f64 {
    let points = (1..).zip(points.iter().cloned()).filter(|(id, _)| keep(*id)).collect();
    let mut cloud = Cloud::new(1, CENTRES);
    cloud.state = 99;
    let mut found = 0;
    for query in cloud.points(100) {
        let truth: BTreeSet<u64> = exact(&points, &query, 10).iter().map(|hit| hit.id.0).collect();
        let hits = store.search(&query, 10, allowed).await.unwrap();
        assert_eq!(hits.len(), 10);
        assert!(hits.iter().all(|hit| keep(hit.id.0)), "only what counts is found");
        found += hits.iter().filter(|hit| truth.contains(&hit.id.0)).count();
    }
    f64::from(u32::try_from(found).unwrap()) / 1_000.0
}

fn files(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn file(dir: &Path, prefix: &str) -> PathBuf {
    dir.join(files(dir).into_iter().find(|name| name.starts_with(prefix)).unwrap())
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn it_conforms() {
    for limits in [Limits::default(), SMALL, Limits { segment_rows_max: 7, ..SMALL }] {
        let folder = TempDir::new().unwrap();
        conformance(|name, access| {
            let store = LocalDense::open_with(folder.path().join(name), CONFORMANCE_DIMS, access, limits);
            async { store }
        })
        .await;
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Adds so many rows behind the last id.
    Append(usize),
    /// Adds removed ids again.
    Return(usize),
    /// Removes every id that leaves this remainder.
    Remove(u64, u64),
    Compact,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1usize..90).prop_map(Step::Append),
        1 => (1usize..20).prop_map(Step::Return),
        3 => (2u64..9, 0u64..9).prop_map(|(of, rest)| Step::Remove(of, rest % of)),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..14)
}

async fn follows_a_model(steps: Vec<Step>, seed: u64) -> Result<()> {
    const TINY: Limits = Limits { segment_rows_max: 64, scan_rows_max: usize::MAX };
    let folder = TempDir::new()?;
    let mut cloud = Cloud::new(seed, 5);
    let mut store = open(folder.path(), Access::Write, TINY)?;
    let (mut model, mut removed, mut next) = (BTreeMap::new(), BTreeSet::new(), 1);
    for step in steps {
        let mut adding = Vec::new();
        match step {
            Step::Append(count) => adding.extend(next..next + count as u64),
            Step::Return(count) => adding.extend(removed.iter().copied().take(count)),
            Step::Remove(of, rest) => {
                let gone: Vec<u64> = (0..next).filter(|id| id % of == rest).collect();
                store.remove(&chunks(gone.iter().copied())).await?;
                removed.extend(gone.into_iter().filter(|id| model.remove(id).is_some()));
            }
            Step::Compact => store.compact().await?,
            Step::Reopen => {
                drop(store);
                store = open(folder.path(), Access::Write, TINY)?;
            }
        }
        let rows = cloud.points(adding.len());
        store.append(&chunks(adding.iter().copied()), &matrix(&rows)).await?;
        next = next.max(adding.last().map_or(0, |last| last + 1));
        removed.retain(|id| !adding.contains(id));
        model.extend(adding.into_iter().zip(rows));
        agrees(&store, &model, next, &cloud.point()).await?;
    }
    store.verify().await
}

async fn agrees(store: &LocalDense, model: &BTreeMap<u64, Vec<f32>>, next: u64, query: &[f32]) -> Result<()> {
    assert_eq!(store.ids().await?, chunks(model.keys().copied()));
    let all = chunks(0..next);
    let vectors: Vec<_> = all.iter().map(|id| model.get(&id.0).cloned()).collect();
    assert_eq!(store.fetch(&all).await?, vectors);
    // With every row a candidate the codes cannot lose one, so the answer is exact but for rounding.
    let hits = store.search(query, usize::MAX, None).await?;
    for (hit, expected) in hits.iter().zip(exact(model, query, usize::MAX)) {
        assert!((hit.score - expected.score).abs() < 1e-5, "{hit:?} {expected:?}");
    }
    assert_eq!(hits.iter().map(|hit| hit.id.0).collect::<BTreeSet<_>>(), model.keys().copied().collect());
    let few = store.search(query, 5, None).await?;
    assert_eq!(few.len(), model.len().min(5));
    // A code is off by half a step at most, a step is 1/127 of the largest component.
    let off = 4.0 * (DIMS as f32).sqrt() / 254.0;
    assert!(few.iter().zip(&hits).all(|(few, all)| all.score - few.score <= off), "{few:?} {hits:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_follows_a_model(steps in steps(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(follows_a_model(steps, seed)).unwrap();
    }
}

#[tokio::test]
async fn a_torn_tail_counts_for_nothing_and_is_written_over() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    let (store, points) = filled(dir, 290, SMALL).await;
    let committed = fs::read(dir.join("manifest"))?;
    let extra = Cloud::new(7, 3).points(30);
    store.append(&chunks(291..=320), &matrix(&extra)).await?;
    drop(store);
    // The power goes after the rows were written, before the manifest was.
    fs::write(dir.join("manifest"), committed)?;
    let store = open(dir, Access::Write, SMALL)?;
    assert_eq!(store.ids().await?, chunks(1..=290));
    assert!(!files(dir).contains("rows-2"), "the segment that was begun is gone");
    let other = Cloud::new(8, 3).points(30);
    store.append(&chunks(291..=320), &matrix(&other)).await?;
    let fetched = store.fetch(&chunks([290, 291, 320])).await?;
    assert_eq!(fetched, [&points[289], &other[0], &other[29]].map(|row| Some(row.clone())));
    store.verify().await
}

#[tokio::test]
async fn files_nobody_names_are_deleted_and_others_stay() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    drop(filled(dir, 10, SMALL).await);
    for stray in ["rows-9", "removed-1-8", "lists-3", "manifest-new-abc", "notes.txt"] {
        fs::write(dir.join(stray), "stray")?;
    }
    drop(open(dir, Access::Read, SMALL)?);
    assert_eq!(files(dir).len(), 8, "a reader deletes nothing");
    drop(open(dir, Access::Write, SMALL)?);
    assert_eq!(files(dir), ["lock", "manifest", "notes.txt", "rows-1"].map(str::to_owned).into());
    Ok(())
}

#[tokio::test]
async fn compaction_gives_space_back_where_that_pays() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    let (store, _) = filled(dir, 900, SMALL).await;
    assert_eq!(files(dir), ["lock", "manifest", "rows-1", "rows-2", "rows-3"].map(str::to_owned).into());
    store.remove(&chunks(1..=75)).await?;
    store.remove(&chunks(301..=376)).await?;
    store.compact().await?;
    let expected = ["lock", "manifest", "removed-1-2", "rows-1", "rows-3", "rows-4"];
    assert_eq!(files(dir), expected.map(str::to_owned).into(), "only the second segment had lost enough");
    let before = fs::read(dir.join("manifest"))?;
    store.compact().await?;
    assert_eq!(fs::read(dir.join("manifest"))?, before, "there was nothing left to do");
    store.verify().await
}

#[tokio::test]
async fn small_segments_are_merged() -> Result<()> {
    let folder = TempDir::new()?;
    let store = open(folder.path(), Access::Write, SMALL)?;
    let points = Cloud::new(3, 3).points(20);
    for (id, point) in (1..=20u64).rev().zip(&points) {
        store.append(&[ChunkId(id)], &matrix(std::slice::from_ref(point))).await?;
    }
    let rows_files = || files(folder.path()).iter().filter(|name| name.starts_with("rows-")).count();
    assert_eq!(rows_files(), 20, "each id is lower than the one before");
    store.compact().await?;
    assert_eq!(rows_files(), 1);
    assert_eq!(store.fetch(&[ChunkId(20), ChunkId(1)]).await?, [Some(points[0].clone()), Some(points[19].clone())]);
    store.verify().await
}

#[tokio::test]
async fn damage_is_found() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    let (store, _) = filled(dir, 260, SMALL).await;
    store.verify().await?;
    let rows = file(dir, "rows-");
    let length = fs::read(&rows)?.len();
    // Ids, checks, scales, codes, vectors of row 3, and the vector of row 259 in the second block.
    let block = 256 * (20 + 5 * DIMS);
    let columns = [3 * 8, 256 * 8 + 3 * 8, 256 * 16 + 3 * 4, 256 * 20 + 3 * DIMS, 256 * (20 + DIMS) + 3 * 4 * DIMS];
    for (offset, row) in columns.into_iter().map(|offset| (offset, 3)).chain([(block + columns[4], 259)]) {
        flip(&rows, offset);
        let error = store.verify().await.expect_err("a bit is wrong");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains(&format!("rows-1` is damaged in row {row} ")), "{error}");
        flip(&rows, offset);
    }
    flip(&rows, columns[4]);
    assert_eq!(store.fetch(&[ChunkId(4)]).await.expect_err("a bit is wrong").kind(), Kind::Corrupt);
    store.remove(&chunks(100..200)).await?;
    assert_eq!(store.compact().await.expect_err("damage is not copied").kind(), Kind::Corrupt);
    flip(&rows, columns[4]);
    store.verify().await?;
    flip(&rows, length - 1);
    store.verify().await?; // behind the last row there is nothing to damage
    flip(&file(dir, "removed-"), 40);
    assert_eq!(store.verify().await.expect_err("a bit is wrong").kind(), Kind::Corrupt);
    Ok(())
}

#[tokio::test]
async fn damage_that_hinders_opening_is_named() -> Result<()> {
    let check = |harm: &dyn Fn(&Path), kind: Kind, says: &str| {
        let folder = TempDir::new().unwrap();
        let dir = folder.path();
        let store = open(dir, Access::Write, SMALL).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.append(&chunks(1..=300), &matrix(&Cloud::new(1, 1).points(300)))).unwrap();
        drop(store);
        harm(dir);
        let error = open(dir, Access::Write, SMALL).expect_err(says);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    let checks = move || {
        check(&|dir| flip(&dir.join("manifest"), 80), Kind::Corrupt, "does not match its digest");
        check(&|dir| fs::write(dir.join("manifest"), "").unwrap(), Kind::Corrupt, "is cut short");
        check(&|dir| fs::remove_file(dir.join("rows-1")).unwrap(), Kind::Corrupt, "a file of the index is missing");
        check(&|dir| fs::write(dir.join("rows-1"), [0; 99]).unwrap(), Kind::Corrupt, "ends at offset 99");
        check(&|dir| rewrite(dir, r#"{"format":2}"#), Kind::Refused, "has format 2");
        check(&|dir| rewrite(dir, r#"{"format":1}"#), Kind::Corrupt, "is malformed");
        let endless = r#"{"format":1,"dims":32,"generation":1,"segment_next":2,"segments":[{"name":1,"rows":18446744073709551615,"removed":null,"lists":false}]}"#;
        check(&|dir| rewrite(dir, endless), Kind::Corrupt, "rows-1` ends at offset");
    };
    tokio::task::spawn_blocking(checks).await.unwrap();
    Ok(())
}

/// Puts a manifest in place whose digest is right.
fn rewrite(dir: &Path, json: &str) {
    let digest = blake3::hash(json.as_bytes()).to_hex();
    fs::write(dir.join("manifest"), format!("{digest}\n{json}")).unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path().join("dense");
    let kind = |count, access| LocalDense::open(&dir, dims(count), access).map(drop).map_err(|error| error.kind());
    assert_eq!(kind(4, Access::Read), Err(Kind::NotFound));
    assert_eq!(kind(16_385, Access::Write), Err(Kind::BadInput));
    let writer = LocalDense::open(&dir, dims(4), Access::Write)?;
    let error = LocalDense::open(&dir, dims(4), Access::Write).expect_err("there is a writer");
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert_eq!(kind(5, Access::Read), Err(Kind::BadInput));
    let reader = LocalDense::open(&dir, dims(4), Access::Read)?;
    let refused = reader.remove(&[ChunkId(1)]).await.expect_err("it was opened to read");
    assert_eq!(refused.kind(), Kind::Refused);
    drop(writer);
    assert_eq!(kind(4, Access::Write), Ok(()), "the lock goes with the handle");
    Ok(())
}

#[tokio::test]
async fn a_reader_keeps_its_state_until_it_refreshes() -> Result<()> {
    let folder = TempDir::new()?;
    let (writer, points) = filled(folder.path(), 700, SMALL).await;
    let reader = open(folder.path(), Access::Read, SMALL)?;
    let before = reader.search(&points[0], 50, None).await?;
    writer.append(&chunks(701..=800), &matrix(&Cloud::new(5, 4).points(100))).await?;
    writer.remove(&chunks((1..=800).filter(|id| id % 2 == 0))).await?;
    writer.compact().await?;
    writer.append(&chunks(801..=1_400), &matrix(&Cloud::new(6, 4).points(600))).await?;
    assert_eq!(reader.search(&points[0], 50, None).await?, before);
    assert_eq!(reader.ids().await?, chunks(1..=700));
    reader.verify().await?;
    assert_eq!(reader.search(&points[0], 50, None).await?, before);
    reader.refresh().await?;
    assert_eq!(reader.ids().await?, writer.ids().await?);
    Ok(())
}

#[tokio::test]
async fn readers_and_a_writer_do_not_disturb_each_other() -> Result<()> {
    let folder = TempDir::new()?;
    let (writer, points) = filled(folder.path(), 300, SMALL).await;
    let dir = folder.path().to_owned();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&done);
    let reading = tokio::spawn(async move {
        let reader = open(&dir, Access::Read, SMALL)?;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            reader.refresh().await?;
            let ids = reader.ids().await?;
            // Odd ids stay, and a batch of 50 is there as a whole or not at all.
            assert_eq!(ids.iter().filter(|id| id.0 % 2 == 1).count() % 25, 0, "{} ids", ids.len());
            reader.search(&points[0], 10, None).await?;
        }
        Result::Ok(())
    });
    for batch in 0..20u64 {
        let first = 301 + batch * 50;
        writer.append(&chunks(first..first + 50), &matrix(&Cloud::new(batch, 4).points(50))).await?;
        writer.remove(&chunks((first - 300..first).filter(|id| id % 2 == 0))).await?;
        writer.compact().await?;
        tokio::task::yield_now().await;
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    reading.await.unwrap()
}

#[tokio::test]
async fn the_scan_finds_what_is_closest() -> Result<()> {
    let folder = TempDir::new()?;
    let (store, points) = filled(folder.path(), 10_000, Limits::default()).await;
    let recall = recall(&store, &points, |_| true, None).await;
    println!("recall@10 of the scan: {recall}");
    assert!(recall >= 0.99, "recall@10 is {recall}");
    Ok(())
}

#[tokio::test]
async fn inverted_lists_find_nearly_all_that_is_closest() -> Result<()> {
    let folder = TempDir::new()?;
    let (store, points) = filled(folder.path(), 20_000, LISTED).await;
    store.compact().await?;
    assert_eq!(files(folder.path()).iter().filter(|name| name.starts_with("lists-")).count(), 4);
    store.verify().await?;
    let lists = file(folder.path(), "lists-");
    let last = fs::metadata(&lists)?.len() - 1;
    flip(&lists, usize::try_from(last).unwrap());
    assert_eq!(store.verify().await.expect_err("a code is wrong").kind(), Kind::Corrupt);
    flip(&lists, usize::try_from(last).unwrap());
    let plain = recall(&store, &points, |_| true, None).await;
    let half = |id: u64| id.is_multiple_of(2);
    let allowed: IdSet = (1..=20_000).filter(|id| half(*id)).map(ChunkId).collect();
    let filtered = recall(&store, &points, half, Some(&allowed)).await;
    let few = |id: u64| id.is_multiple_of(100);
    let allowed: IdSet = (1..=20_000).filter(|id| few(*id)).map(ChunkId).collect();
    let selective = recall(&store, &points, few, Some(&allowed)).await;
    println!("recall@10 of inverted lists: {plain}, filtered {filtered}, selective filter {selective}");
    assert!(plain >= 0.97 && filtered >= 0.97 && selective >= 0.99, "{plain} {filtered} {selective}");
    let removed = chunks((1..=20_000).filter(|id| id % 5 == 0));
    store.remove(&removed).await?;
    let kept = |id: u64| !id.is_multiple_of(5);
    assert!(recall(&store, &points, kept, None).await >= 0.97);
    assert_eq!(store.search(&points[0], usize::MAX, None).await?.len(), 16_000, "a large limit reads all lists");
    Ok(())
}

#[tokio::test]
async fn inverted_lists_can_be_lost() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    let (store, points) = filled(dir, 8_192, LISTED).await;
    store.compact().await?;
    drop(store);
    fs::remove_file(dir.join("lists-1"))?;
    flip(&dir.join("lists-2"), 500);
    let store = open(dir, Access::Write, LISTED)?;
    assert!(recall(&store, &points, |_| true, None).await >= 0.99, "it is searched by scanning");
    store.verify().await.expect_err("but the loss is reported");
    store.compact().await?;
    store.verify().await
}
