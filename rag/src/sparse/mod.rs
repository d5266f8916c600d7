//! Sparse search: the words of chunks, found again by BM25.
//!
//! `analysis` (with `scan`, `fold`, `language`, `stopwords`) turns text into terms, `question` decides what is looked
//! up, `bm25` scores; `tantivy` keeps the terms on disk.

mod analysis;
#[cfg(feature = "tantivy")]
mod bm25;
mod conformance;
mod fold;
mod language;
#[cfg(feature = "tantivy")]
mod question;
mod scan;
mod stopwords;
#[cfg(feature = "tantivy")]
mod tantivy;

use async_trait::async_trait;
use lorewell_model::Result;

pub use self::analysis::{Analyzer, TERM_CHARS_MAX, Term, TermKind, content_terms};
pub use self::conformance::conformance;
pub use self::language::{Language, detect_language};
#[cfg(feature = "tantivy")]
pub use self::question::QUESTION_TERMS_MAX;
pub use self::stopwords::is_stopword;
#[cfg(feature = "tantivy")]
pub use self::tantivy::TantivySparse;
use crate::ids::{ChunkId, IdSet, Scored};
pub use crate::stores::Access;

/// What is indexed of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms<'a> {
    /// The chunk.
    pub id: ChunkId,
    /// The document's title.
    pub title: &'a str,
    /// The document's path or name.
    pub path: &'a str,
    /// Titles of the sections around the chunk, outermost first.
    pub headings: &'a [String],
    /// The passage.
    pub text: &'a str,
    /// Language of the document, ISO 639-3 (`eng`), if it could be told; decides the stemmer.
    pub language: Option<&'a str>,
}

/// Why a chunk was found by its words.
#[derive(Debug, Clone, PartialEq)]
pub struct TermScore {
    /// The term as it stands in the query.
    pub word: String,
    /// The term as it is indexed, after folding and stemming.
    pub term: String,
    /// What it adds to the chunk's score; 0 if the chunk does not contain it.
    pub score: f32,
    /// Chunks of the whole index that contain it.
    pub chunks: u64,
}

/// A store of words.
///
/// The document table decides which chunks are live, as for the dense store. Writes are visible to nobody before
/// [`commit`](Self::commit). A store opened to be read refuses them with
/// [`Kind::BadInput`](lorewell_model::Kind::BadInput). Every implementation passes [`conformance`].
#[async_trait]
pub trait SparseStore: Send + Sync + std::fmt::Debug {
    /// Queues chunks. Ids are new.
    async fn add(&self, chunks: &[Terms<'_>]) -> Result<()>;

    /// Queues removals. Ids that are not there are ignored.
    async fn remove(&self, ids: &[ChunkId]) -> Result<()>;

    /// Makes all that is queued durable and visible, or none of it.
    async fn commit(&self) -> Result<()>;

    /// Forgets what is queued.
    async fn rollback(&self) -> Result<()>;

    /// Returns the `limit` best chunks for a question in plain words, best first: BM25, above 0.
    /// The question is never parsed as a query language. With `allowed`, only chunks in that set count.
    async fn search(&self, question: &str, limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>>;

    /// Tells, term by term, why this chunk scores as it does for the question; the parts add up to its score.
    /// [`Kind::NotFound`](lorewell_model::Kind::NotFound) if there is no such chunk.
    async fn explain(&self, question: &str, id: ChunkId) -> Result<Vec<TermScore>>;

    /// Returns the ids of all chunks, ascending.
    async fn ids(&self) -> Result<Vec<ChunkId>>;

    /// Sees what another process has committed since. Cheap when nothing has changed.
    async fn refresh(&self) -> Result<()>;

    /// Gives back the space of removed chunks where that pays. Scores are the same before and after.
    /// [`Kind::Conflict`](lorewell_model::Kind::Conflict) while changes are queued.
    async fn compact(&self) -> Result<()>;
}
