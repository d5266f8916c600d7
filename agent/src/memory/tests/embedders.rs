//! The embedder of a store: one at a time, another in its place, none at all.

use super::*;

/// Remembers by words alone, so that all vectors are missing.
async fn without_vectors(count: usize) -> (TempDir, PathBuf) {
    let Bench { store, folder } = Bench::open(|open| open).await;
    let space = store.namespace(["a"]).unwrap();
    for n in 0..count {
        space.remember(format!("The puppy number {n}.")).await.unwrap();
    }
    let path = folder.path().join("memory.sqlite");
    (folder, path)
}

#[tokio::test]
async fn another_embedder_makes_all_vectors_anew() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    remember_all(&anna, &["The puppy sleeps.", "The car is red."]).await;
    drop(anna);
    let path = bench.path();
    let Bench { store, folder } = bench;
    drop(store);
    let embedder = Words::new("another");
    let embedded = Arc::clone(&embedder.embedded);
    let store = MemoryStore::open(&path).embedder(Embedder::new(embedder)).await.unwrap();
    let anna = store.namespace(["user", "anna"]).unwrap();
    let hits = anna.search("car").await.unwrap();
    assert_eq!(texts(&hits)[0], "The car is red.", "words are searchable before vectors are");
    store.embed_pending().await.unwrap();
    let status = store.status().await.unwrap();
    assert_eq!((status.pending, status.embedder.as_deref()), (0, Some("another")));
    assert_eq!(texts(&anna.search("dog").limit(1).await.unwrap()), ["The puppy sleeps."]);
    let before = embedded.load(Ordering::Relaxed);
    store.embed_pending().await.unwrap();
    assert_eq!(embedded.load(Ordering::Relaxed), before, "nothing is embedded twice");
    drop((anna, store));
    let same = MemoryStore::open(&path).embedder(Embedder::new(Words::new("another"))).await.unwrap();
    assert_eq!(same.status().await.unwrap().pending, 0, "the same embedder finds its vectors");
    drop(folder);
}

#[tokio::test]
async fn what_was_cut_off_goes_on() {
    let (folder, path) = without_vectors(3 * vectors::EMBED_BATCH).await;
    let failing = Words::new("a").failing_after(2 * vectors::EMBED_BATCH + 7);
    let store = MemoryStore::open(&path).embedder(Embedder::new(failing)).await.unwrap();
    // Whichever comes to it first, this or the background.
    let failed = store.embed_pending().await.unwrap_err();
    assert_eq!(failed.kind(), Kind::Unavailable);
    assert_eq!(store.status().await.unwrap().pending, vectors::EMBED_BATCH, "batches that were done stay");
    drop(store);
    let embedder = Words::new("a");
    let embedded = Arc::clone(&embedder.embedded);
    let store = MemoryStore::open(&path).embedder(Embedder::new(embedder)).await.unwrap();
    store.embed_pending().await.unwrap();
    assert_eq!(store.status().await.unwrap().pending, 0);
    assert_eq!(embedded.load(Ordering::Relaxed), vectors::EMBED_BATCH);
    drop(folder);
}

#[tokio::test]
async fn vectors_of_two_embedders_never_meet() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    anna.remember("The puppy sleeps.").await.unwrap();
    let other = MemoryStore::open(bench.path()).embedder(embedder("another")).await.unwrap();
    other.embed_pending().await.unwrap();
    for told in [
        anna.search("dog").await.map(drop).unwrap_err(),
        anna.remember("A car.").await.map(drop).unwrap_err(),
        anna.fact(Fact::new("a", "b", "c")).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(told.kind(), Kind::Conflict, "{told}");
    }
    let words = MemoryStore::open(bench.path()).await.unwrap();
    words.namespace(["user", "anna"]).unwrap().remember("Without a vector.").await.unwrap();
    assert_eq!(other.status().await.unwrap().pending, 1);
    other.embed_pending().await.unwrap();
    assert_eq!(
        other.status().await.unwrap(),
        MemoryStatus { memories: 2, pending: 0, embedder: Some("another".to_owned()) }
    );
}

#[tokio::test]
async fn an_embedder_that_fails_changes_nothing() {
    let bench = Bench::open(|open| open.embedder(Embedder::new(Words::new("a").failing_after(1)))).await;
    let anna = bench.anna();
    let id = anna.remember("The puppy sleeps.").await.unwrap().id;
    assert_eq!(anna.remember("A car.").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(anna.update(id, "A car.").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(anna.search("dog").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(all(&anna).await, ["The puppy sleeps."]);
}

/// Gives what no embedder should.
#[derive(Debug)]
struct Wrong(Info, Give);

/// Vectors for so many texts.
type Give = fn(usize) -> Vectors;

#[async_trait]
impl Embed for Wrong {
    fn info(&self) -> &Info {
        &self.0
    }

    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors> {
        Ok(self.1(texts.len()))
    }

    fn count_tokens(&self, _: &str) -> usize {
        0
    }
}

#[tokio::test]
async fn wrong_vectors_are_told() {
    let wrong: [(Give, &str); 3] = [
        (|n| Vectors::new(16, vec![0.1; 16 * (n + 1)]), "gave 2 vectors for 1 texts"),
        (|n| Vectors::new(8, vec![0.1; 8 * n]), "gave vectors of 8 components instead of 16"),
        (|n| Vectors::new(16, vec![f32::NAN; 16 * n]), "gave a vector that is not finite"),
    ];
    for (vectors, message) in wrong {
        let embedder = Embedder::new(Wrong(Words::new("a").info, vectors));
        let bench = Bench::open(|open| open.embedder(embedder)).await;
        let told = bench.anna().remember("x").await.unwrap_err();
        assert_eq!(told.kind(), Kind::BadOutput);
        assert!(told.to_string().contains(message), "{told}");
        assert!(all(&bench.anna()).await.is_empty());
    }
}
