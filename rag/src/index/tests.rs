//! A writer whose stores fail, at every call that changes something, before or after it did: what a query can see stays
//! whole, and the next writer brings table, words and vectors back in step.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lorewell_embed::{Embed, Embedder, Info, Purpose, Vectors};
use lorewell_model::{Error, Kind, Result};

use super::lock::WriterLock;
use super::manifest::Manifest;
use super::prepare::{Tools, cut, text_to_embed};
use super::table::read::{IdsOf, chunk_ids};
use super::table::{Batch, FileRow, FileState, NewDocument, PendingChunk, meta};
use super::writer::Writer;
use super::{Index, Options};
use crate::chunk::ChunkOptions;
use crate::dense::DenseStore;
use crate::ids::{ChunkId, IdSet, Scored};
use crate::load::{Loaded, load};
use crate::search::Mode;
use crate::sparse::{SparseStore, TermScore, Terms};

/// Writing calls of the longest run below; reached only if nothing fails any more.
const CALLS_MAX: usize = 100;

/// Fails one call of many.
#[derive(Debug, Clone)]
struct Fuse {
    calls_left: Arc<AtomicUsize>,
    /// The call that fails has done its work.
    late: bool,
}

impl Fuse {
    async fn call<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let blown = || Err(Error::new(Kind::Io, "the fuse is blown"));
        match self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(1) if self.late => {
                work.await?;
                blown()
            }
            Ok(1) => blown(),
            _ => work.await,
        }
    }

    fn is_blown(&self) -> bool {
        self.calls_left.load(Ordering::SeqCst) == 0
    }
}

/// A store behind a fuse.
#[derive(Debug)]
struct Fused<S: ?Sized> {
    fuse: Fuse,
    store: Arc<S>,
}

#[async_trait]
impl SparseStore for Fused<dyn SparseStore> {
    async fn add(&self, chunks: &[Terms<'_>]) -> Result<()> {
        self.fuse.call(self.store.add(chunks)).await
    }
    async fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        self.fuse.call(self.store.remove(ids)).await
    }
    async fn commit(&self) -> Result<()> {
        self.fuse.call(self.store.commit()).await
    }
    async fn rollback(&self) -> Result<()> {
        self.store.rollback().await
    }
    async fn search(&self, question: &str, limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>> {
        self.store.search(question, limit, allowed).await
    }
    async fn explain(&self, question: &str, id: ChunkId) -> Result<Vec<TermScore>> {
        self.store.explain(question, id).await
    }
    async fn ids(&self) -> Result<Vec<ChunkId>> {
        self.store.ids().await
    }
    async fn refresh(&self) -> Result<()> {
        self.store.refresh().await
    }
    async fn compact(&self) -> Result<()> {
        self.fuse.call(self.store.compact()).await
    }
}

#[async_trait]
impl DenseStore for Fused<dyn DenseStore> {
    async fn append(&self, ids: &[ChunkId], vectors: &Vectors) -> Result<()> {
        self.fuse.call(self.store.append(ids, vectors)).await
    }
    async fn remove(&self, ids: &[ChunkId]) -> Result<()> {
        self.fuse.call(self.store.remove(ids)).await
    }
    async fn fetch(&self, ids: &[ChunkId]) -> Result<Vec<Option<Vec<f32>>>> {
        self.store.fetch(ids).await
    }
    async fn search(&self, query: &[f32], limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>> {
        self.store.search(query, limit, allowed).await
    }
    async fn ids(&self) -> Result<Vec<ChunkId>> {
        self.store.ids().await
    }
    async fn refresh(&self) -> Result<()> {
        self.store.refresh().await
    }
    async fn verify(&self) -> Result<()> {
        self.store.verify().await
    }
    async fn compact(&self) -> Result<()> {
        self.fuse.call(self.store.compact()).await
    }
}

/// Embeds a text by its length: all that is needed where nobody asks.
#[derive(Debug)]
struct Lengths(Info);

#[async_trait]
impl Embed for Lengths {
    fn info(&self) -> &Info {
        &self.0
    }
    async fn embed(&self, texts: &[&str], _: Purpose) -> Result<Vectors> {
        let row = |text: &&str| if text.len().is_multiple_of(2) { [0.6, 0.8] } else { [0.8, 0.6] };
        Ok(Vectors::new(2, texts.iter().flat_map(row).collect()))
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

fn options() -> Options {
    let dims = NonZeroU32::new(2).expect("2 is not 0");
    let info = Info { name: "lengths".into(), fingerprint: "lengths".into(), dims, tokens_max: 512 };
    Options {
        embedder: Some(Embedder::new(Lengths(info))),
        chunks: ChunkOptions::default().tokens_max(40).tokens_overlap(0),
        ..Options::default()
    }
}

fn sections(words: &[&str]) -> String {
    let sentence = |word: &str| format!("The {word} stands beside another {word} on the long table in the hall. ");
    words.iter().map(|word| format!("## About {word}\n\n{}\n\n", sentence(word).repeat(2))).collect()
}

fn document(index: &Index, name: &str, text: &str) -> NewDocument {
    let hash = *blake3::hash(text.as_bytes()).as_bytes();
    let document = load(Path::new("text.md"), text.as_bytes()).unwrap();
    let bytes = text.len() as u64;
    let row = FileRow {
        path: name.to_owned(),
        state: FileState::Indexed,
        reason: None,
        bytes,
        modified: 0,
        hash: Some(hash),
    };
    let count = index.0.count_tokens();
    let tools = Tools { loader: &index.0.options.loader, chunker: &*index.0.chunker, count: &*count };
    cut(row, Loaded { document, hash, bytes }, tools)
}

/// An edit, a document that borrows a vector, one that goes; then all that follows to the end of a run.
async fn write(index: &Index, writer: &mut Writer) -> Result<()> {
    let documents = vec![
        document(index, "text:a", &sections(&["mirror", "lamp"])),
        document(index, "text:d", &sections(&["clock"])),
        document(index, "text:e", &sections(&["bench"])),
    ];
    writer.commit(&Batch { documents, gone: vec!["text:c".to_owned()], ..Batch::default() }).await?;
    let failed = FileRow { state: FileState::Failed, hash: None, ..document(index, "text:b", "x").file };
    writer.commit(&Batch { files: vec![failed], ..Batch::default() }).await?;
    let embedder = index.embedder().cloned();
    writer.embed(embedder.as_ref(), &false.into(), &|_| {}).await?;
    writer.bury().await
}

/// Returns the documents that have a word.
async fn paths(index: &Index, word: &str) -> Vec<String> {
    let hits = index.search(word).mode(Mode::Words).await.unwrap().hits;
    let mut paths: Vec<String> = hits.into_iter().map(|hit| hit.path).collect();
    paths.dedup();
    paths
}

/// Runs [`write`] until its `calls`-th change of a store fails. Tells whether one did.
async fn fails_at(calls: usize, late: bool) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), options()).await.unwrap();
    for (name, words) in [("a", &["kettle", "lamp"][..]), ("b", &["clock"]), ("c", &["window"])] {
        index.add_text(name, sections(words)).await.unwrap();
    }
    let fuse = Fuse { calls_left: Arc::new(AtomicUsize::new(calls)), late };
    let lock = WriterLock::take(dir.path()).unwrap();
    let generation = Manifest::read(dir.path()).unwrap().live;
    let mut writer = Writer::open(&lock, &generation, dir.path()).await.unwrap();
    writer.sparse = Arc::new(Fused { fuse: fuse.clone(), store: Arc::clone(&writer.sparse) });
    writer.dense = writer.dense.map(|store| Arc::new(Fused { fuse: fuse.clone(), store }) as Arc<dyn DenseStore>);
    let result = write(&index, &mut writer).await;
    assert_eq!(result.is_err(), fuse.is_blown(), "{result:?}");

    // What died left no query worse off, …
    let left: Vec<ChunkId> = writer.sparse.ids().await.unwrap();
    let agreement = index.verify().await.unwrap();
    assert!(agreement.holds(), "call {calls}, late {late}: {agreement:?}");
    assert_eq!(paths(&index, "lamp").await, ["text:a"]);
    drop((writer, lock));

    // … the next writer mends it, …
    index.add_text("note", sections(&["tower"])).await.unwrap();
    let agreement = index.verify().await.unwrap();
    assert!(agreement.is_exact(), "call {calls}, late {late}: {agreement:?}");
    assert_eq!(agreement.chunks, agreement.embedded);
    let lock = WriterLock::take(dir.path()).unwrap();
    let mut writer = Writer::open(&lock, &generation, dir.path()).await.unwrap();
    assert!(left.iter().all(|id| id.0 < meta(&writer.table, "next_chunk").unwrap()), "names are never given again");
    assert!(chunk_ids(&writer.table, IdsOf::Dead).unwrap().is_empty());

    // … and the work can be done.
    write(&index, &mut writer).await.unwrap();
    writer.close().await.unwrap();
    drop(lock);
    assert!(index.verify().await.unwrap().is_exact());
    for (word, expected) in
        [("mirror", vec!["text:a"]), ("clock", vec!["text:d"]), ("kettle", vec![]), ("window", vec![])]
    {
        assert_eq!(paths(&index, word).await, expected, "{word}");
    }
    fuse.is_blown()
}

async fn check(late: bool) {
    let mut calls = 1;
    while fails_at(calls, late).await {
        calls += 1;
        assert!(calls < CALLS_MAX, "a run of so few documents makes far fewer calls");
    }
    assert!(calls > 8, "only {calls} calls changed a store");
}

#[tokio::test]
async fn a_store_that_refuses_any_call_leaves_an_index_that_can_be_mended() {
    check(false).await;
}

#[tokio::test]
async fn a_writer_that_dies_after_any_call_leaves_an_index_that_can_be_mended() {
    check(true).await;
}

#[tokio::test]
async fn words_that_were_lost_are_written_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), options()).await.unwrap();
    let german = "Die Lampen stehen auf den Tischen, und die Uhren hängen an den Wänden der alten Häuser. ".repeat(3);
    index.add_text("lampen", german).await.unwrap();
    index.add_text("b", sections(&["clock", "kettle"])).await.unwrap();
    let scores = async || {
        let mut scores = Vec::new();
        for question in ["lampe", "haus", "clock", "standing", "b"] {
            let hits = index.search(question).mode(Mode::Words).await.unwrap().hits;
            scores.extend(hits.into_iter().map(|hit| (question, hit.path, hit.range, hit.score, hit.words)));
        }
        scores
    };
    let before = scores().await;
    assert!(before.len() >= 4, "{before:?}");
    let lock = WriterLock::take(dir.path()).unwrap();
    let writer = Writer::open(&lock, &Manifest::read(dir.path()).unwrap().live, dir.path()).await.unwrap();
    let all = writer.sparse.ids().await.unwrap();
    writer.sparse.remove(&all).await.unwrap();
    writer.sparse.commit().await.unwrap();
    drop((writer, lock));
    assert_eq!(scores().await, []);
    index.refresh().await.unwrap();
    assert_eq!(scores().await, before);
}

async fn error_of(dir: &Path, options: Options) -> String {
    let error = Index::open(dir, options).await.unwrap_err();
    format!("{:?}: {}", error.kind(), error.to_string().replace(&dir.display().to_string(), "DIR"))
}

#[tokio::test]
async fn passages_that_the_embedder_would_not_read_to_the_end_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = Options { chunks: ChunkOptions::default().tokens_max(481), ..options() };
    assert_eq!(
        error_of(dir.path(), long).await,
        "Config: passages of 481 tokens are too long for the embedder `lengths`, which reads 512 tokens, 32 of them \
         for headings; set the most tokens of a passage (`chunk_tokens_max`) to 480, or take another embedder"
    );
    assert!(!Index::exists(dir.path()));
}

#[tokio::test]
async fn an_index_is_not_made_among_documents() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.md"), "# A").unwrap();
    assert_eq!(
        error_of(dir.path(), options()).await,
        "BadInput: `DIR` is no index, but holds other files, such as `a.md`; name a new or empty folder"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn outer_headings_give_way_to_the_passage() {
    let options = options();
    let embedder = options.embedder.as_ref().unwrap(); // a word is a token, and it reads 512
    let check = |words: usize, expected: &str| {
        let text = "word ".repeat(words);
        let headings = ["Two words", "Three more words", "Inner"].map(str::to_owned).to_vec();
        let chunk = PendingChunk {
            id: ChunkId(1),
            meaning: [0; 16],
            title: Some("The title".to_owned()),
            headings,
            text: text.clone(),
        };
        assert_eq!(text_to_embed(&chunk, embedder), format!("{expected}{text}"));
    };
    check(480, "The title > Two words > Three more words > Inner\n");
    check(502, "Two words > Three more words > Inner\n");
    check(508, "Inner\n");
    check(512, "");
}
