//! What every [`DenseStore`] must do, as a suite that its tests run: `conformance(|name, access| …).await`. Each part
//! has a store of its own and compares answers with those found the plain way.

use std::collections::BTreeSet;
use std::future::Future;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use lorewell_embed::Vectors;
use lorewell_model::{Kind, Result};

use super::DenseStore;
use crate::ids::{ChunkId, IdSet, Scored};
use crate::stores::Access;

/// Components of the vectors in [`conformance`].
pub const CONFORMANCE_DIMS: NonZeroU32 = NonZeroU32::new(24).expect("24 is not 0");

const DIMS: usize = CONFORMANCE_DIMS.get() as usize;

/// Rows enough to fill several blocks of any store.
const ROWS: u64 = 600;

/// Runs the suite. `open` opens the store of a name for vectors of [`CONFORMANCE_DIMS`] components, empty at first,
/// and the same store again for the same name.
///
/// # Panics
/// If the store does not do what the trait says.
pub async fn conformance<S, F>(open: impl Fn(&'static str, Access) -> F)
where
    S: DenseStore,
    F: Future<Output = Result<S>>,
{
    let store = async |name| open(name, Access::Write).await.expect("a store can be made");
    let parts = async || -> Result<()> {
        empty(&store("empty").await).await?;
        order(&store("order").await).await?;
        ties(&store("ties").await).await?;
        filters(&store("filters").await).await?;
        removal(&store("removal").await).await?;
        refusals(&store("refusals").await).await?;
        compaction(&store("compaction").await).await?;

        let missing = open("processes", Access::Read).await.expect_err("there is nothing to read yet");
        assert_eq!(missing.kind(), Kind::NotFound);
        let writer = store("processes").await;
        let reader = open("processes", Access::Read).await.expect("a reader opens beside the writer");
        let second = open("processes", Access::Write).await.expect_err("a second writer is refused");
        assert_eq!(second.kind(), Kind::Conflict);
        a_reader_sees_commits_when_it_asks(&writer, &reader).await?;
        drop((writer, reader));

        let hits = before_a_restart(&store("restart").await).await?;
        after_a_restart(&store("restart").await, &hits).await
    };
    parts().await.expect("a store does what it is asked");
}

async fn empty(store: &impl DenseStore) -> Result<()> {
    assert_eq!(store.ids().await?, [], "a new store is empty");
    assert_eq!(store.search(&unit(1), 5, None).await?, [], "nothing is found in an empty store");
    assert_eq!(store.fetch(&[ChunkId(1)]).await?, [None], "nothing can be fetched from an empty store");
    store.append(&[], &Vectors::new(DIMS, Vec::new())).await?;
    store.remove(&[ChunkId(1)]).await?;
    store.compact().await?;
    store.refresh().await?;
    assert_eq!(store.ids().await?, [], "appending nothing and removing what is not there change nothing");
    Ok(())
}

async fn order(store: &impl DenseStore) -> Result<()> {
    append(store, 1..=ROWS).await?;
    let ids: Vec<ChunkId> = (1..=ROWS).map(ChunkId).collect();
    assert_eq!(store.ids().await?, ids, "all ids are listed, ascending");
    let fetched = store.fetch(&[ChunkId(ROWS), ChunkId(0), ChunkId(7), ChunkId(u64::MAX)]).await?;
    assert_eq!(fetched, [Some(unit(ROWS)), None, Some(unit(7)), None], "vectors come back bit for bit, in order");
    for limit in [1, 10] {
        let hits = store.search(&unit(42), limit, None).await?;
        assert_hits(&hits, &expected(1..=ROWS, &unit(42), limit, |_| true));
    }
    assert_eq!(store.search(&unit(42), 0, None).await?, [], "a limit of 0 gives nothing");
    for limit in [600, 601, usize::MAX] {
        let hits = store.search(&unit(42), limit, None).await?;
        assert_hits(&hits, &expected(1..=ROWS, &unit(42), limit, |_| true));
    }
    Ok(())
}

async fn ties(store: &impl DenseStore) -> Result<()> {
    let ids: Vec<ChunkId> = (1..=ROWS).map(|id| ChunkId(id * 3)).collect();
    let same = (1..=ROWS).flat_map(|_| unit(5)).collect();
    store.append(&ids, &Vectors::new(DIMS, same)).await?;
    let hits = store.search(&unit(5), 4, None).await?;
    let found: Vec<u64> = hits.iter().map(|hit| hit.id.0).collect();
    assert_eq!(found, [3, 6, 9, 12], "of equally close chunks those with the smallest ids come, in order");
    assert!(hits.iter().all(|hit| hit.score <= 1.0 && hit.score > 0.999), "the cosine of a vector with itself is 1");
    Ok(())
}

async fn filters(store: &impl DenseStore) -> Result<()> {
    append(store, 1..=ROWS).await?;
    let none = store.search(&unit(9), 5, Some(&IdSet::default())).await?;
    assert_eq!(none, [], "an empty filter lets nothing through");
    let strangers: IdSet = [ChunkId(0), ChunkId(ROWS + 1), ChunkId(ROWS + 100)].into_iter().collect();
    assert_eq!(store.search(&unit(9), 5, Some(&strangers)).await?, [], "a filter may name chunks that are not there");
    for step in [1, 2, 7, 299] {
        let allowed: IdSet = (1..=ROWS).filter(|id| id % step == 0).map(ChunkId).collect();
        for limit in [3, usize::MAX] {
            let hits = store.search(&unit(9), limit, Some(&allowed)).await?;
            assert_hits(&hits, &expected(1..=ROWS, &unit(9), limit, |id| id % step == 0));
        }
    }
    Ok(())
}

async fn removal(store: &impl DenseStore) -> Result<()> {
    append(store, 1..=ROWS).await?;
    let gone: Vec<ChunkId> = (1..=ROWS).filter(|id| id % 2 == 0).map(ChunkId).collect();
    store.remove(&gone).await?;
    store.remove(&[ChunkId(2), ChunkId(9999)]).await?;
    let odd = |id: u64| !id.is_multiple_of(2);
    assert_eq!(store.ids().await?, (1..=ROWS).filter(|id| odd(*id)).map(ChunkId).collect::<Vec<_>>());
    assert_eq!(store.fetch(&[ChunkId(1), ChunkId(2)]).await?, [Some(unit(1)), None], "what is removed is gone");
    let hits = store.search(&unit(4), usize::MAX, None).await?;
    assert_hits(&hits, &expected(1..=ROWS, &unit(4), usize::MAX, odd));
    let allowed: IdSet = [ChunkId(3), ChunkId(4)].into_iter().collect();
    let hits = store.search(&unit(4), 5, Some(&allowed)).await?;
    assert_hits(&hits, &expected(3..=3, &unit(4), 5, |_| true));
    append(store, ROWS + 1..=ROWS + 10).await?;
    append(store, 4..=4).await?;
    let back = |id: u64| odd(id) || id > ROWS || id == 4;
    let hits = store.search(&unit(4), 8, None).await?;
    assert_hits(&hits, &expected(1..=ROWS + 10, &unit(4), 8, back));
    assert_eq!(hits[0].id, ChunkId(4), "an id that was removed may come again");
    Ok(())
}

async fn refusals(store: &impl DenseStore) -> Result<()> {
    append(store, 10..=20).await?;
    let row = |x: f32| [vec![x], vec![0.0; DIMS - 1]].concat();
    let refused: [(&[u64], Vectors, &str); 9] = [
        (&[15], rows([15]), "an id that is there"),
        (&[30, 30], rows([30, 31]), "an id twice"),
        (&[32, 31], rows([32, 31]), "ids out of order"),
        (&[30, 31], rows([30]), "more ids than vectors"),
        (&[30], Vectors::new(DIMS + 1, vec![0.2; DIMS + 1]), "another number of components"),
        (&[30], Vectors::new(DIMS, row(f32::NAN)), "a component that is not a number"),
        (&[30], Vectors::new(DIMS, row(f32::INFINITY)), "a component that is not finite"),
        (&[30], Vectors::new(DIMS, row(0.5)), "a vector that is not of length 1"),
        (&[30, 31], Vectors::new(DIMS, [row(1.0), row(0.0)].concat()), "a vector of zeros behind a good one"),
    ];
    for (ids, vectors, what) in refused {
        let ids: Vec<ChunkId> = ids.iter().copied().map(ChunkId).collect();
        let result = store.append(&ids, &vectors).await;
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::BadInput), "{what} is refused");
    }
    let queries = [(vec![0.2; DIMS + 1], "another number of components"), (row(f32::NAN), "not a number")];
    for (query, what) in queries {
        let result = store.search(&query, 5, None).await;
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::BadInput), "a query of {what} is refused");
    }
    let ids: Vec<ChunkId> = (10..=20).map(ChunkId).collect();
    assert_eq!(store.ids().await?, ids, "what is refused changes nothing");
    append(store, 30..=31).await
}

async fn compaction(store: &impl DenseStore) -> Result<()> {
    append(store, 1..=ROWS).await?;
    let gone: Vec<ChunkId> = (1..=ROWS).filter(|id| id % 3 != 0).map(ChunkId).collect();
    store.remove(&gone).await?;
    let before = store.search(&unit(8), 20, None).await?;
    store.compact().await?;
    assert_eq!(store.search(&unit(8), 20, None).await?, before, "compaction keeps answers");
    assert_eq!(store.ids().await?, (1..=ROWS).filter(|id| id % 3 == 0).map(ChunkId).collect::<Vec<_>>());
    assert_eq!(store.fetch(&[ChunkId(3), ChunkId(4)]).await?, [Some(unit(3)), None]);
    append(store, ROWS + 1..=ROWS + 5).await?;
    let rest: Vec<ChunkId> = store.ids().await?;
    store.remove(&rest).await?;
    store.compact().await?;
    assert_eq!(store.ids().await?, [], "everything can be removed");
    append(store, ROWS + 6..=ROWS + 7).await?;
    assert_eq!(store.ids().await?.len(), 2, "and a compacted store can be filled again");
    Ok(())
}

async fn a_reader_sees_commits_when_it_asks(writer: &impl DenseStore, reader: &impl DenseStore) -> Result<()> {
    append(writer, 1..=10).await?;
    reader.refresh().await?;
    assert_eq!(reader.ids().await?.len(), 10);
    append(writer, 11..=ROWS).await?;
    let gone: Vec<ChunkId> = (1..=400).map(ChunkId).collect();
    writer.remove(&gone).await?;
    writer.compact().await?;
    reader.refresh().await?;
    assert_eq!(reader.ids().await?, writer.ids().await?, "a refreshed reader sees what the writer sees");
    let hits = reader.search(&unit(3), 10, None).await?;
    assert_hits(&hits, &expected(401..=ROWS, &unit(3), 10, |_| true));
    Ok(())
}

async fn before_a_restart(store: &impl DenseStore) -> Result<Vec<Scored>> {
    append(store, 1..=300).await?;
    append(store, 301..=ROWS).await?;
    store.remove(&[ChunkId(2), ChunkId(400)]).await?;
    store.search(&unit(2), 10, None).await
}

async fn after_a_restart(store: &impl DenseStore, hits: &[Scored]) -> Result<()> {
    assert_eq!(store.search(&unit(2), 10, None).await?, hits, "a store opened again gives the same answers");
    assert_eq!(store.ids().await?.len() as u64, ROWS - 2);
    append(store, ROWS + 1..=ROWS + 1).await?;
    assert_eq!(store.fetch(&[ChunkId(ROWS + 1), ChunkId(2)]).await?, [Some(unit(ROWS + 1)), None]);
    Ok(())
}

/// Makes a unit vector out of a number, always the same. No two are closely alike.
fn unit(seed: u64) -> Vec<f32> {
    let mut state = seed;
    let raw: Vec<f32> = (0..DIMS).map(|_| component(&mut state)).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.iter().map(|x| x / length).collect()
}

/// Draws from −0.5..0.5 by SplitMix64 (Steele, Lea, Flood 2014).
fn component(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ bits >> 31) >> 40) as f32 / (1u32 << 24) as f32 - 0.5
}

fn rows(seeds: impl IntoIterator<Item = u64>) -> Vectors {
    Vectors::new(DIMS, seeds.into_iter().flat_map(unit).collect())
}

async fn append(store: &impl DenseStore, ids: RangeInclusive<u64>) -> Result<()> {
    let chunks: Vec<ChunkId> = ids.clone().map(ChunkId).collect();
    store.append(&chunks, &rows(ids)).await
}

/// Finds the closest chunks the plain way.
fn expected(ids: RangeInclusive<u64>, query: &[f32], limit: usize, counts: impl Fn(u64) -> bool) -> Vec<Scored> {
    let score = |id| unit(id).iter().zip(query).map(|(x, y)| x * y).sum();
    let mut all: Vec<Scored> =
        ids.filter(|id| counts(*id)).map(|id| Scored { id: ChunkId(id), score: score(id) }).collect();
    all.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.id.cmp(&right.id)));
    all.truncate(limit);
    all
}

/// Scores may differ by rounding, and then the order of what is equal but for rounding.
fn assert_hits(found: &[Scored], expected: &[Scored]) {
    const ROUNDING: f32 = 1e-5;
    assert_eq!(found.len(), expected.len(), "as many hits as there should be");
    for (found, expected) in found.iter().zip(expected) {
        let close = (found.score - expected.score).abs() <= ROUNDING;
        assert!(close, "found {found:?} where {expected:?} belongs");
    }
    let ids = |hits: &[Scored]| hits.iter().map(|hit| hit.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(found).len(), found.len(), "no chunk is found twice");
    assert_eq!(ids(found), ids(expected), "the closest chunks are found");
}
