//! From a question to hits: search both stores, drop what is not live, fuse, and say why.

mod filter;
mod fuse;
mod span;
mod why;

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use lorewell_embed::Purpose;
use lorewell_model::{Error, Kind, Result};
use serde::Serialize;
use tracing::Instrument as _;

use crate::document::Format;
use crate::ids::{ChunkId, IdSet, Scored};
use crate::index::table::{ChunkRow, read};
use crate::index::{Index, Reader, blocking};
use crate::place::Place;
use crate::sparse::TermScore;

pub use filter::Filter;
pub(crate) use fuse::{Fused, fuse};
pub use fuse::{Fusion, Part};
pub use why::Why;

/// Candidates taken from each store before fusion; the recall@100 of either store is what hybrid search builds on.
const CANDIDATES: usize = 100;
/// Hits of a query that names no limit.
const LIMIT: usize = 8;
/// Hits of any query; a person or a model reads far fewer.
pub const LIMIT_MAX: usize = 1_000;
/// How many times more candidates are asked for when dead ones took the places of live ones.
const WIDEN: usize = 4;

/// Which stores are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Words and meaning.
    #[default]
    Hybrid,
    /// Words only.
    Words,
    /// Meaning only.
    Meaning,
}

/// A question that has not been asked; `.await` asks it.
#[derive(Debug, Clone)]
#[must_use = "a search runs when it is awaited"]
pub struct Search {
    index: Index,
    question: String,
    mode: Mode,
    fusion: Fusion,
    filter: Filter,
    limit: usize,
    explain: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hits {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Which stores answered.
    pub mode: Mode,
    /// How far the search by meaning could be used.
    pub meaning: Meaning,
    /// The question's vector, if one was made.
    #[serde(skip)]
    pub(crate) vector: Option<Arc<[f32]>>,
}

/// How much of the index can be found by meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Meaning {
    /// All of it.
    Ready,
    /// Vectors are still being made.
    Partial {
        /// Passages with a vector.
        embedded: u64,
        /// All passages.
        chunks: u64,
    },
    /// None of it.
    Off {
        /// Why, and what to do about it.
        why: String,
    },
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// Name of the document.
    pub path: String,
    /// Where in the document: lines, page, headings.
    pub place: Place,
    /// Format of the document.
    pub format: Format,
    /// Title of the document.
    pub title: Option<String>,
    /// Date of the document.
    pub date: Option<String>,
    /// Titles of the sections around the passage, outermost first.
    pub headings: Vec<String>,
    /// The passage.
    pub text: String,
    /// Byte range of the passage in the document's text.
    pub range: std::ops::Range<usize>,
    /// How well it fits: higher is better, comparable within one search.
    pub score: f32,
    /// What the search by words says of it.
    pub words: Option<Part>,
    /// What the search by meaning says of it.
    pub meaning: Option<Part>,
    /// Why its words score as they do; only if [`Search::explain`] was set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<TermExplanation>,
    #[serde(skip)]
    pub(crate) id: ChunkId,
}

/// What one word of the question adds to a hit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TermExplanation {
    /// The word as it was asked.
    pub word: String,
    /// The word as it is indexed.
    pub term: String,
    /// What it adds to the score by words; 0 if the passage does not have it.
    pub score: f32,
    /// Passages of the index that have it.
    pub chunks: u64,
}

impl From<TermScore> for TermExplanation {
    fn from(term: TermScore) -> Self {
        Self { word: term.word, term: term.term, score: term.score, chunks: term.chunks }
    }
}

impl Index {
    /// Finds passages for a question in plain words.
    pub fn search(&self, question: impl Into<String>) -> Search {
        Search {
            index: self.clone(),
            question: question.into(),
            mode: Mode::default(),
            fusion: Fusion::Dbsf,
            filter: Filter::default(),
            limit: LIMIT,
            explain: false,
        }
    }
}

impl Search {
    /// Chooses the stores that are asked.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Chooses how the two lists become one.
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// Restricts the search to some documents.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Returns at most this many hits: 8 unless set, 1,000 at most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Says of each hit which words it was found by.
    pub fn explain(mut self) -> Self {
        self.explain = true;
        self
    }

    async fn run(self) -> Result<Hits> {
        let span = span::of_search(&self);
        let found = self.run_within().instrument(span.clone()).await;
        span::found(&span, &found);
        found
    }

    async fn run_within(self) -> Result<Hits> {
        if self.limit > LIMIT_MAX {
            let message = format!("a search returns at most {LIMIT_MAX} hits, {} were asked for", self.limit);
            return Err(Error::new(Kind::BadInput, message));
        }
        self.index.query(|reader| self.attempt(reader)).await
    }

    async fn attempt(&self, reader: Arc<Reader>) -> Result<Hits> {
        let reader = &reader;
        let candidates = self.candidates(reader, CANDIDATES.max(self.limit)).await?;
        let fused = fuse(&candidates.words, &candidates.meaning, self.fusion);
        let mut hits = self.live(reader, fused).await?;
        if self.explain {
            for hit in &mut hits {
                let terms = reader.sparse.explain(&self.question, hit.id).await?;
                hit.terms = terms.into_iter().map(TermExplanation::from).collect();
            }
        }
        let Candidates { state, vector, .. } = candidates;
        let mode = if matches!(state, Meaning::Off { .. }) { Mode::Words } else { self.mode };
        Ok(Hits { hits, mode, meaning: state, vector })
    }

    /// Asks both stores.
    pub(crate) async fn candidates(&self, reader: &Arc<Reader>, limit: usize) -> Result<Candidates> {
        let state = self.meaning_state(reader).await?;
        let allowed = self.allowed(reader).await?;
        let by_meaning = self.mode != Mode::Words && !matches!(state, Meaning::Off { .. });
        let by_words = self.mode != Mode::Meaning;
        if let (Mode::Meaning, Meaning::Off { why }) = (self.mode, &state) {
            return Err(Error::new(Kind::Config, format!("this index cannot be searched by meaning: {why}")));
        }
        let words = async {
            if !by_words {
                return Ok(Vec::new());
            }
            reader.sparse.refresh().await?;
            let search = |limit| reader.sparse.search(&self.question, limit, allowed.as_ref());
            live_only(reader, limit, search).await
        };
        let meaning = async {
            let (Some(embedder), Some(dense), true) = (self.index.embedder(), &reader.dense, by_meaning) else {
                return Ok((Vec::new(), None));
            };
            dense.refresh().await?;
            let vectors = embedder.embed(&[&self.question], Purpose::Query).await?;
            let search = |limit| dense.search(vectors.row(0), limit, allowed.as_ref());
            let found = live_only(reader, limit, search).await?;
            Ok::<_, Error>((found, Some(Arc::from(vectors.row(0)))))
        };
        let (words, meaning) = futures_util::future::join(words, meaning).await;
        let (meaning, vector) = meaning?;
        Ok(Candidates { words: words?, meaning, vector, state })
    }

    async fn meaning_state(&self, reader: &Arc<Reader>) -> Result<Meaning> {
        let off = |why: &str| Ok(Meaning::Off { why: why.to_owned() });
        if self.mode == Mode::Words {
            return off("only words were asked for");
        }
        let Some(embedder) = self.index.embedder() else { return off("there is no embedder") };
        let Some(pin) = &reader.manifest.live.embedder else { return off("the index has no vectors; ingest again") };
        if pin.fingerprint != embedder.info().fingerprint {
            let why = format!(
                "its vectors were made by {}, the embedder now is {}; the next ingest makes them anew",
                pin.name,
                embedder.info().name
            );
            return Ok(Meaning::Off { why });
        }
        let table = Arc::clone(&reader.table);
        blocking(move || {
            table.read(|table| {
                let pending = read::count(table, "chunks WHERE embedded = 0")?;
                if pending == 0 {
                    return Ok(Meaning::Ready);
                }
                let chunks = read::count(table, "chunks")?;
                Ok(Meaning::Partial { embedded: chunks - pending, chunks })
            })
        })
        .await
    }

    async fn allowed(&self, reader: &Arc<Reader>) -> Result<Option<IdSet>> {
        if self.filter.is_empty() {
            return Ok(None);
        }
        let filter = self.filter.compile()?;
        let table = Arc::clone(&reader.table);
        blocking(move || {
            table.read(|table| {
                let documents = read::filtered(table)?;
                let mut allowed = Vec::new();
                for document in
                    documents.iter().filter(|row| filter.passes(&row.path, row.format, row.date.as_deref(), &row.tags))
                {
                    allowed.extend(read::chunks_of(table, document.id)?);
                }
                Ok(Some(allowed.into_iter().collect()))
            })
        })
        .await
    }

    /// Turns fused candidates into hits; what the table does not know is not live and falls out.
    async fn live(&self, reader: &Arc<Reader>, fused: Vec<Fused>) -> Result<Vec<Hit>> {
        let table = Arc::clone(&reader.table);
        let limit = self.limit;
        blocking(move || {
            table.read(|table| {
                let mut hits = Vec::with_capacity(limit);
                let mut fused = fused.into_iter();
                while hits.len() < limit {
                    let next: Vec<Fused> = fused.by_ref().take(limit - hits.len()).collect();
                    if next.is_empty() {
                        break;
                    }
                    let ids: Vec<ChunkId> = next.iter().map(|hit| hit.id).collect();
                    let mut rows: HashMap<ChunkId, ChunkRow> = read::chunks(table, &ids)?;
                    hits.extend(next.iter().filter_map(|fused| Some(hit(rows.remove(&fused.id)?, fused))));
                }
                Ok(hits)
            })
        })
        .await
    }
}

impl IntoFuture for Search {
    type Output = Result<Hits>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Hits>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// What the stores found, before fusion.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) words: Vec<Scored>,
    pub(crate) meaning: Vec<Scored>,
    pub(crate) vector: Option<Arc<[f32]>>,
    pub(crate) state: Meaning,
}

fn hit(row: ChunkRow, fused: &Fused) -> Hit {
    Hit {
        path: row.path,
        place: row.place,
        format: row.format,
        title: row.title,
        date: row.date,
        headings: row.headings,
        text: row.text,
        range: row.range,
        score: fused.score,
        words: fused.words,
        meaning: fused.meaning,
        terms: Vec::new(),
        id: fused.id,
    }
}

/// Searches a store and drops what the table does not know: chunks that have left it, or that an interrupted writer
/// left behind. Where those crowd live ones out, asks for more.
async fn live_only<F>(reader: &Reader, limit: usize, search: impl Fn(usize) -> F + Send) -> Result<Vec<Scored>>
where
    F: Future<Output = Result<Vec<Scored>>> + Send,
{
    let mut wanted = limit;
    loop {
        let mut found = search(wanted).await?;
        let is_all = found.len() < wanted;
        let table = Arc::clone(&reader.table);
        found = blocking(move || {
            table.read(|table| {
                found = read::live(table, found)?;
                Ok(found)
            })
        })
        .await?;
        if is_all || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
        wanted = wanted.saturating_mul(WIDEN);
    }
}
