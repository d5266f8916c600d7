//! Filters, explanations, and why a file was found or not, against a whole index.

use lorewell_model::Kind;
use lorewell_rag::document::Format;
use lorewell_rag::index::{FileState, Index};
use lorewell_rag::search::{Filter, Fusion, Meaning, Mode};

use crate::world::{World, section};

async fn library() -> (World, Index) {
    let world = World::new();
    world.write("notes/a.md", format!("---\ndate: 2024-03-05\ntags: [Tea]\n---\n{}", section("kettle")));
    world.write("notes/b.md", format!("---\ndate: 2025-07-01\ntags: [coffee]\n---\n{}", section("kettle")));
    world.write("c.txt", "A kettle, a lamp, and a clock stand on the table.");
    world.write("d.txt", "Nothing of the kind is in this one.");
    world.write("film.xyz", "kettle");
    world.write("broken.json", r#"{"kettle": "#);
    let index = world.open().await;
    world.ingest(&index).await;
    (world, index)
}

async fn check(index: &Index, set: impl Fn(&mut Filter), expected: &[&str]) {
    let mut filter = Filter::default();
    set(&mut filter);
    for mode in [Mode::Words, Mode::Hybrid, Mode::Meaning] {
        let hits = index.search("kettle").mode(mode).filter(filter.clone()).await.unwrap().hits;
        let mut paths: Vec<&str> = hits.iter().map(|hit| hit.path.as_str()).collect();
        paths.sort_unstable();
        paths.retain(|path| *path != "d.txt"); // by meaning everything is found, if last
        assert_eq!(paths, expected, "{filter:?} {mode:?}");
    }
}

#[tokio::test]
async fn filters_choose_documents() {
    let (_world, index) = library().await;
    check(&index, |_| {}, &["c.txt", "notes/a.md", "notes/b.md"]).await;
    check(&index, |filter| filter.path = Some("notes".into()), &["notes/a.md", "notes/b.md"]).await;
    check(&index, |filter| filter.path = Some("*.txt".into()), &["c.txt"]).await;
    check(&index, |filter| filter.tag = Some("#tea".into()), &["notes/a.md"]).await;
    check(&index, |filter| filter.format = Some(Format::Text), &["c.txt"]).await;
    check(&index, |filter| filter.since = Some("2025-01-01".into()), &["notes/b.md"]).await;
    check(&index, |filter| filter.until = Some("2024-03-05".into()), &["c.txt", "notes/a.md"]).await;
    check(&index, |filter| filter.path = Some("nowhere/**".into()), &[]).await;
    let mut broken = Filter::default();
    broken.path = Some("a[".into());
    assert_eq!(index.search("kettle").filter(broken).await.unwrap_err().kind(), Kind::BadInput);
    assert_eq!(index.search("kettle").limit(100_000).await.unwrap_err().kind(), Kind::BadInput);
}

#[tokio::test]
async fn the_shares_of_a_hit_add_up() {
    let (_world, index) = library().await;
    for fusion in [Fusion::Dbsf, Fusion::RRF] {
        let hits = index.search("kettle and lamp").fusion(fusion).explain().await.unwrap().hits;
        assert!(hits.len() >= 3);
        for hit in &hits {
            let parts = hit.words.iter().chain(&hit.meaning);
            let shares: f32 = parts.map(|part| part.share).sum();
            assert!((shares - hit.score).abs() < 1e-6, "{hit:?}");
            let terms: f32 = hit.terms.iter().map(|term| term.score).sum();
            let words = hit.words.map_or(0.0, |part| part.score);
            assert!((terms - words).abs() < 1e-4 * words.max(1.0), "{hit:?}");
        }
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "best first");
    }
    assert!(index.search("kettle").await.unwrap().hits.iter().all(|hit| hit.terms.is_empty()), "only if asked for");
}

#[tokio::test]
async fn why_is_told_for_every_state() {
    let (world, index) = library().await;
    let why = async |file: &str| index.search("kettle").why(file).await.unwrap();
    let found = why("notes/a.md").await;
    assert_eq!(
        (found.file.state, found.chunks, found.filtered, found.meaning),
        (FileState::Indexed, 1, false, Meaning::Ready)
    );
    assert!(found.rank.is_some() && found.rank_words.is_some() && found.rank_meaning.is_some());
    assert_eq!(found.terms.len(), 1);
    assert!(found.terms[0].score > 0.0 && found.terms[0].chunks == 3, "{:?}", found.terms);

    let missed = why("d.txt").await;
    assert_eq!((missed.rank_words, missed.terms[0].score), (None, 0.0), "it does not have the word");
    assert_eq!(missed.rank, Some(4));
    let by_path = why(world.file("d.txt").to_str().unwrap()).await;
    assert_eq!(by_path.file.path, "d.txt");

    for (file, state) in [("film.xyz", FileState::Skipped), ("broken.json", FileState::Failed)] {
        let left_out = why(file).await;
        assert_eq!((left_out.file.state, left_out.chunks, left_out.rank), (state, 0, None));
        assert!(left_out.file.reason.is_some_and(|reason| !reason.is_empty()), "{file}");
    }
    let mut filter = Filter::default();
    filter.tag = Some("tea".into());
    let filtered = async |file: &str| index.search("kettle").filter(filter.clone()).why(file).await.unwrap().filtered;
    assert!(filtered("notes/b.md").await);
    assert!(!filtered("notes/a.md").await && !filtered("film.xyz").await);
    let unknown = index.search("kettle").why("never.md").await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
    assert!(unknown.to_string().contains("lorewell ingest"), "{unknown}");
}
