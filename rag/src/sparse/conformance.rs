//! What every [`SparseStore`] must do, as a suite that its tests run: `conformance(|name, access| …).await`.
//! Each part has a store of its own; a part panics with what is wrong.

use std::future::Future;

use lorewell_model::{Kind, Result};

use super::{Access, SparseStore, Terms};
use crate::ids::{ChunkId, IdSet};

/// Runs the suite. `open` opens the store of a name, empty at first, and the same store again for the same name.
///
/// # Panics
/// If the store does not do what the trait says.
pub async fn conformance<S, F>(open: impl Fn(&'static str, Access) -> F)
where
    S: SparseStore,
    F: Future<Output = Result<S>>,
{
    let store = async |name| open(name, Access::Write).await.expect("a store can be made");
    nothing_is_found_in_an_empty_store(&store("empty").await).await;
    changes_show_after_a_commit(&store("commit").await).await;
    a_rollback_forgets(&store("rollback").await).await;
    a_removal_is_complete(&store("remove").await).await;
    lists_are_sorted_and_cut(&store("limit").await).await;
    filters_keep_to_their_set(&store("filter").await).await;
    an_explanation_adds_up(&store("explain").await).await;
    no_question_is_too_odd(&store("odd").await).await;
    words_are_found_in_other_forms(&store("forms").await).await;
    every_language_has_its_stems(&store("languages").await).await;
    titles_headings_and_paths_count(&store("fields").await).await;
    history_leaves_no_trace(&store("worn").await, &store("fresh").await).await;

    let name = "processes";
    let missing = open(name, Access::Read).await.expect_err("there is nothing to read yet");
    assert_eq!(missing.kind(), Kind::NotFound);
    let writer = store(name).await;
    let reader = open(name, Access::Read).await.expect("a reader opens beside the writer");
    let second = open(name, Access::Write).await.expect_err("a second writer is refused");
    assert_eq!(second.kind(), Kind::Conflict);
    a_reader_sees_commits_when_it_asks(&writer, &reader).await;
    let uncommitted = add(&writer, 9, "never committed").await;
    drop(writer);
    let writer = store(name).await;
    assert_eq!(ids(&writer).await, [1], "what was committed is there after a restart, {uncommitted:?} is not");
    check(&writer, "committed", &[1]).await;
}

fn chunk(id: u64, text: &str) -> Terms<'_> {
    Terms { id: ChunkId(id), title: "", path: "", headings: &[], text, language: None }
}

async fn add(store: &impl SparseStore, id: u64, text: &str) -> ChunkId {
    store.add(&[chunk(id, text)]).await.expect("a chunk can be added");
    ChunkId(id)
}

async fn fill(store: &impl SparseStore, chunks: &[Terms<'_>]) {
    store.add(chunks).await.expect("chunks can be added");
    store.commit().await.expect("a commit succeeds");
}

async fn search(store: &impl SparseStore, question: &str) -> Vec<u64> {
    let hits = store.search(question, 100, None).await.expect("every question can be asked");
    hits.into_iter().map(|hit| hit.id.0).collect()
}

async fn ids(store: &impl SparseStore) -> Vec<u64> {
    store.ids().await.expect("ids can be listed").into_iter().map(|id| id.0).collect()
}

async fn check(store: &impl SparseStore, question: &str, expected: &[u64]) {
    assert_eq!(search(store, question).await, expected, "question: {question:?}");
}

async fn nothing_is_found_in_an_empty_store(store: &impl SparseStore) {
    check(store, "anything", &[]).await;
    assert!(ids(store).await.is_empty());
    store.commit().await.expect("nothing can be committed");
    store.rollback().await.expect("nothing can be rolled back");
    store.remove(&[ChunkId(1)]).await.expect("what is not there can be removed");
    store.commit().await.expect("that can be committed");
    store.compact().await.expect("nothing can be compacted");
    store.refresh().await.expect("nothing can be seen");
    let missing = store.explain("anything", ChunkId(1)).await.expect_err("there is no such chunk");
    assert_eq!(missing.kind(), Kind::NotFound);
}

async fn changes_show_after_a_commit(store: &impl SparseStore) {
    add(store, 1, "the borrow checker").await;
    check(store, "borrow", &[]).await;
    store.commit().await.expect("a commit succeeds");
    check(store, "borrow", &[1]).await;
    assert_eq!(ids(store).await, [1]);
    store.remove(&[ChunkId(1)]).await.expect("a chunk can be removed");
    check(store, "borrow", &[1]).await;
    add(store, 2, "borrow again").await;
    store.commit().await.expect("a commit succeeds");
    check(store, "borrow", &[2]).await;
}

async fn a_rollback_forgets(store: &impl SparseStore) {
    fill(store, &[chunk(1, "kept")]).await;
    add(store, 2, "forgotten").await;
    store.remove(&[ChunkId(1)]).await.expect("a chunk can be removed");
    store.rollback().await.expect("a rollback succeeds");
    store.commit().await.expect("a commit succeeds");
    check(store, "kept forgotten", &[1]).await;
    fill(store, &[chunk(3, "kept as well")]).await;
    assert_eq!(ids(store).await, [1, 3]);
}

async fn a_removal_is_complete(store: &impl SparseStore) {
    fill(store, &[chunk(1, "alpha"), chunk(2, "alpha beta"), chunk(3, "alpha gamma")]).await;
    store.remove(&[ChunkId(2), ChunkId(77)]).await.expect("chunks can be removed");
    store.commit().await.expect("a commit succeeds");
    check(store, "alpha beta", &[1, 3]).await;
    assert_eq!(ids(store).await, [1, 3]);
    assert_eq!(store.explain("alpha", ChunkId(2)).await.map_err(|error| error.kind()), Err(Kind::NotFound));
    store.compact().await.expect("a compaction succeeds");
    check(store, "alpha beta", &[1, 3]).await;
    store.remove(&[ChunkId(1), ChunkId(3)]).await.expect("the rest can be removed");
    store.commit().await.expect("a commit succeeds");
    store.compact().await.expect("a compaction succeeds");
    assert!(ids(store).await.is_empty() && search(store, "alpha").await.is_empty());
}

async fn lists_are_sorted_and_cut(store: &impl SparseStore) {
    // The same text scores the same: ids decide.
    fill(store, &[chunk(5, "ab cd"), chunk(3, "ab cd"), chunk(9, "ab ab cd")]).await;
    fill(store, &[chunk(4, "ab cd"), chunk(1, "xy")]).await;
    check(store, "ab", &[9, 3, 4, 5]).await;
    for (limit, expected) in [(0, &[][..]), (1, &[9]), (2, &[9, 3]), (3, &[9, 3, 4]), (usize::MAX, &[9, 3, 4, 5])] {
        let hits = store.search("ab", limit, None).await.expect("every limit can be asked for");
        let found: Vec<u64> = hits.iter().map(|hit| hit.id.0).collect();
        assert_eq!(found, expected, "limit {limit}");
        assert!(hits.iter().all(|hit| hit.score > 0.0) && hits.is_sorted_by(|a, b| a.score >= b.score));
    }
}

async fn filters_keep_to_their_set(store: &impl SparseStore) {
    fill(store, &[chunk(1, "ab ab ab"), chunk(2, "ab ab"), chunk(3, "ab cd"), chunk(4, "cd")]).await;
    for (allowed, limit, expected) in
        [(&[2, 3, 4][..], 10, &[2, 3][..]), (&[3], 1, &[3]), (&[4], 10, &[]), (&[], 10, &[]), (&[99], 10, &[])]
    {
        let set: IdSet = allowed.iter().copied().map(ChunkId).collect();
        let hits = store.search("ab", limit, Some(&set)).await.expect("a filter can be given");
        let found: Vec<u64> = hits.iter().map(|hit| hit.id.0).collect();
        assert_eq!(found, expected, "allowed {allowed:?}");
        let all = store.search("ab", 10, None).await.expect("no filter need be given");
        assert!(hits.iter().all(|hit| all.contains(hit)), "a filter does not change scores");
    }
}

async fn an_explanation_adds_up(store: &impl SparseStore) {
    let chunks = [chunk(1, "Ownership has rules. Rules are rules."), chunk(2, "ownership"), chunk(3, "nothing")];
    fill(store, &chunks).await;
    let question = "What are the ownership rules of zebras?";
    let hits = store.search(question, 10, None).await.expect("every question can be asked");
    assert_eq!(hits.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [1, 2]);
    for hit in hits {
        let scores = store.explain(question, hit.id).await.expect("a hit can be explained");
        let sum: f32 = scores.iter().map(|score| score.score).sum();
        assert!((sum - hit.score).abs() <= 1e-5 * hit.score, "{scores:?} do not add up to {}", hit.score);
        let chunks: Vec<(&str, u64)> = scores.iter().map(|score| (score.word.as_str(), score.chunks)).collect();
        assert_eq!(chunks, [("ownership", 2), ("rules", 1), ("zebras", 0)]);
    }
    let scores = store.explain(question, ChunkId(3)).await.expect("a miss can be explained");
    assert!(scores.iter().all(|score| score.score == 0.0));
}

async fn no_question_is_too_odd(store: &impl SparseStore) {
    fill(
        store,
        &[chunk(1, "to be or not to be"), chunk(2, "C++ and x^2: (a) \"quote\" path\\to\\file"), chunk(3, "🦀")],
    )
    .await;
    check(store, "", &[]).await;
    check(store, " \t\n\u{0}", &[]).await;
    check(store, "( \" : * ~ ^ \\ [ } +- !", &[]).await;
    check(store, "🦀 👩‍👩‍👧", &[]).await;
    check(store, "\"quote", &[2]).await;
    check(store, "path:file^3 AND (", &[2]).await;
    check(store, "to be or not to be", &[1, 2]).await;
    check(store, "NOT", &[1]).await;
    let long = "quote ".repeat(1 << 18);
    check(store, &long, &[2]).await;
    check(store, &"x".repeat(1 << 20), &[]).await;
    check(store, &"字".repeat(1 << 18), &[]).await;
    check(store, &"a\u{301}".repeat(1 << 18), &[]).await;
    fill(store, &[chunk(4, ""), chunk(5, &long)]).await;
    check(store, "quote", &[5, 2]).await;
}

async fn words_are_found_in_other_forms(store: &impl SparseStore) {
    let chunks = [
        chunk(1, "Le café de la gare"),
        chunk(2, "cafe\u{301} au lait"),
        chunk(3, "calls getUserName once"),
        chunk(4, "calls get_user_name twice"),
        chunk(5, "an HTTPServer on port ８０８０"),
        chunk(6, "東京都に住んでいます"),
        chunk(7, "猫が好き"),
        chunk(8, "한국어를 배웁니다"),
        chunk(9, "ภาษาไทย"),
        chunk(10, "the SHA256 sum"),
    ];
    fill(store, &chunks).await;
    let cases: [(&str, &[u64]); 16] = [
        ("café", &[2, 1]),
        ("CAFE", &[2, 1]),
        ("lait cafe\u{301}", &[2, 1]),
        ("getUserName", &[3, 4]),
        ("get_user_name", &[3, 4]),
        ("getusername", &[3, 4]),
        ("user names", &[3, 4]),
        ("http server", &[5]),
        ("8080", &[5]),
        ("東京", &[6]),
        ("猫", &[7]),
        ("한국", &[8]),
        ("ไทย", &[9]),
        ("sha256", &[10]),
        ("sha-256", &[10]),
        ("京東", &[]),
    ];
    for (question, expected) in cases {
        check(store, question, expected).await;
    }
}

async fn every_language_has_its_stems(store: &impl SparseStore) {
    let in_language = |id, text, language| Terms { language: Some(language), ..chunk(id, text) };
    let chunks = [
        in_language(1, "Die Kündigungsfristen der Häuser", "deu"),
        in_language(2, "правила владения", "rus"),
        in_language(3, "the houses and the rules", "eng"),
        in_language(4, "zasady własności", "pol"),
    ];
    fill(store, &chunks).await;
    check(store, "Kündigungsfrist", &[1]).await;
    check(store, "kundigungsfrist", &[1]).await;
    check(store, "Hauses", &[1]).await;
    check(store, "правило", &[2]).await;
    check(store, "house", &[3]).await;
    check(store, "wlasnosci", &[4]).await;
    check(store, "What is the rule of the house?", &[3]).await;
}

async fn titles_headings_and_paths_count(store: &impl SparseStore) {
    let headings = ["Ownership".to_owned(), "Rules".to_owned()];
    let text = "There are three of them.";
    let chunks = [
        Terms { title: "Zebras", ..chunk(1, text) },
        Terms { headings: &headings, ..chunk(2, text) },
        Terms { path: "src/lemur_care.md", ..chunk(3, text) },
    ];
    fill(store, &chunks).await;
    check(store, "zebra", &[1]).await;
    check(store, "ownership rule", &[2]).await;
    check(store, "lemur", &[3]).await;
}

/// However an index came about, equal chunks rank equally.
async fn history_leaves_no_trace(worn: &impl SparseStore, fresh: &impl SparseStore) {
    const TEXTS: [&str; 5] =
        ["alpha beta", "alpha alpha gamma delta", "beta gamma", "delta delta delta alpha", "gamma"];
    let text = |id: u64| TEXTS[usize::try_from(id % 5).expect("a remainder of 5 fits")];
    for batch in 0..12 {
        let ids = batch * 10..batch * 10 + 10;
        fill(worn, &ids.clone().map(|id| chunk(id, text(id))).collect::<Vec<_>>()).await;
        let odd: Vec<ChunkId> = ids.filter(|id| id % 2 == 1 || *id > 60).map(ChunkId).collect();
        worn.remove(&odd).await.expect("chunks can be removed");
    }
    worn.commit().await.expect("a commit succeeds");
    fill(fresh, &(0..=60).step_by(2).map(|id| chunk(id, text(id))).collect::<Vec<_>>()).await;
    for compacted in [false, true] {
        assert_eq!(ids(worn).await, ids(fresh).await);
        for question in ["alpha", "alpha gamma", "delta beta alpha"] {
            let expected = fresh.search(question, 100, None).await.expect("every question can be asked");
            let found = worn.search(question, 100, None).await.expect("every question can be asked");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.id, expected.id, "{question:?}, compacted: {compacted}");
                assert!((found.score - expected.score).abs() <= 1e-6, "{found:?} is not {expected:?}");
            }
        }
        worn.compact().await.expect("a compaction succeeds");
    }
}

async fn a_reader_sees_commits_when_it_asks(writer: &impl SparseStore, reader: &impl SparseStore) {
    fill(writer, &[chunk(1, "committed")]).await;
    check(reader, "committed", &[]).await;
    reader.refresh().await.expect("a refresh succeeds");
    check(reader, "committed", &[1]).await;
    let refused = reader.add(&[chunk(2, "no")]).await.expect_err("a reader cannot write");
    assert_eq!(refused.kind(), Kind::BadInput);
    assert!(reader.remove(&[ChunkId(1)]).await.is_err() && reader.commit().await.is_err());
}
