//! What an index holds, and whether its parts agree.

use std::collections::HashSet;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::Serialize;

use super::manifest::Manifest;
use super::table::read::{self, IdsOf, chunk_ids, count, file_counts, files};
use super::{Index, Reader, blocking};
use crate::document::SourceMap;
use crate::ids::ChunkId;
use crate::search::Filter;

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Number of the generation that answers.
    pub generation: u32,
    /// Fingerprint of the chunker.
    pub chunker: String,
    /// Name of the embedder; none for an index of words only.
    pub embedder: Option<String>,
    /// The handle's embedder is another one, so queries go by words until the next ingest has rebuilt the vectors.
    pub embedder_differs: bool,
    /// Paths that were asked to be ingested.
    pub sources: Vec<String>,
    /// Files whose text is in the index.
    pub indexed: u64,
    /// Files left out on purpose.
    pub skipped: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Passages.
    pub chunks: u64,
    /// Passages that have a vector.
    pub embedded: u64,
    /// A new generation is half built; the next ingest goes on with it.
    pub rebuilding: bool,
    /// A writer is at work, or the last one did not end cleanly; then the next one mends what it left.
    pub interrupted: bool,
}

/// Whether table, words and vectors name the same chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Agreement {
    /// Chunks of the table.
    pub chunks: u64,
    /// Chunks of the table that say they have a vector.
    pub embedded: u64,
    /// Chunks whose words are missing: they cannot be found by words.
    pub words_missing: u64,
    /// Chunks whose vectors are missing: they cannot be found by meaning.
    pub vectors_missing: u64,
    /// Entries of the sparse store that no query shows, left by an interrupted writer.
    pub words_extra: u64,
    /// Entries of the dense store that no query shows.
    pub vectors_extra: u64,
}

impl Agreement {
    /// Tells whether every chunk can be found by all that it should be found by.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.words_missing == 0 && self.vectors_missing == 0
    }

    /// Tells whether, beyond that, nothing is left over.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.holds() && self.words_extra == 0 && self.vectors_extra == 0
    }
}

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileState {
    /// Its text is in the index.
    Indexed,
    /// It was left out on purpose.
    Skipped,
    /// It could not be read.
    Failed,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// The name it is stored under.
    pub path: String,
    /// Its state.
    pub state: FileState,
    /// Why it was left out or could not be read.
    pub reason: Option<String>,
    /// Its size.
    pub bytes: u64,
}

/// A document of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DocumentInfo {
    /// The name it is stored under.
    pub path: String,
    /// What it is.
    pub format: crate::document::Format,
    /// Its title.
    pub title: Option<String>,
    /// Its date, `YYYY-MM-DD`: stated by the document, else the file's modification.
    pub date: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Its passages.
    pub chunks: u64,
}

impl Index {
    /// Tells what the index holds.
    ///
    /// # Errors
    /// What reading the table gives.
    pub async fn status(&self) -> Result<Status> {
        self.query(|reader| self.status_of(reader)).await
    }

    async fn status_of(&self, reader: Arc<Reader>) -> Result<Status> {
        let fingerprint = self.embedder().map(|embedder| embedder.info().fingerprint.clone());
        let dir = self.0.dir.clone();
        blocking(move || {
            let live = &reader.manifest.live;
            reader.table.read(|table| {
                let states = file_counts(table)?;
                let of = |state: &str| states.get(state).copied().unwrap_or(0);
                Ok(Status {
                    generation: live.number,
                    chunker: live.chunker.clone(),
                    embedder: live.embedder.as_ref().map(|pin| pin.name.clone()),
                    embedder_differs: fingerprint.is_some_and(|fingerprint| !reader.is_embedded_by(&fingerprint)),
                    sources: read::sources(table)?,
                    indexed: of("indexed"),
                    skipped: of("skipped"),
                    failed: of("failed"),
                    chunks: count(table, "chunks")?,
                    embedded: count(table, "chunks WHERE embedded = 1")?,
                    rebuilding: Manifest::read(&dir)?.building.is_some(), // the reader's is as old as the reader
                    interrupted: super::table::meta(table, "writing")? != 0,
                })
            })
        })
        .await
    }

    /// Compares table, words and vectors. Costs time in proportion to the number of chunks.
    ///
    /// # Errors
    /// What reading the stores gives.
    pub async fn verify(&self) -> Result<Agreement> {
        self.query(agreement).await
    }

    /// Lists the documents, by path.
    ///
    /// # Errors
    /// What reading the table gives.
    pub async fn documents(&self) -> Result<Vec<DocumentInfo>> {
        self.documents_matching(&Filter::default()).await
    }

    /// Lists the documents that pass a filter, by path.
    ///
    /// # Errors
    /// [`Kind::BadInput`] if the filter cannot be read.
    pub async fn documents_matching(&self, filter: &Filter) -> Result<Vec<DocumentInfo>> {
        let filter = filter.compile()?;
        let mut rows = self.query(|reader| blocking(move || reader.table.read(read::documents))).await?;
        rows.retain(|row| filter.passes(row.path.as_str(), row.format, row.date.as_deref(), &row.tags));
        let info = |row: super::table::DocumentRow| DocumentInfo {
            path: row.path,
            format: row.format,
            title: row.title,
            date: row.date,
            tags: row.tags,
            bytes: row.bytes,
            chunks: row.chunks,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Returns a document's text as its line numbers count: the file itself where it is text, else what was read
    /// out of it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such document.
    pub async fn text(&self, path: &str) -> Result<String> {
        let find = |reader: Arc<Reader>| {
            let path = path.to_owned();
            blocking(move || reader.table.read(|table| read::document(table, &path)))
        };
        let unknown = || Error::new(Kind::NotFound, format!("`{path}` is not in the index"));
        let (document, _) = self.query(find).await?.ok_or_else(unknown)?;
        match document.source {
            SourceMap::Pieces(_) => {
                let file = self.file_of(path);
                blocking(move || Ok(crate::load::read_text(&file).unwrap_or(document.text))).await
            }
            _ => Ok(document.text),
        }
    }

    /// Lists what is known of all files, by path: indexed, skipped and failed ones.
    ///
    /// # Errors
    /// What reading the table gives.
    pub async fn files(&self) -> Result<Vec<FileInfo>> {
        let rows = self.query(|reader| blocking(move || reader.table.read(files))).await?;
        let mut files: Vec<FileInfo> = rows.into_values().map(FileInfo::from).collect();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// Compares table, words and vectors of one generation.
async fn agreement(reader: Arc<Reader>) -> Result<Agreement> {
    let table = Arc::clone(&reader.table);
    let (live, embedded) =
        blocking(move || table.read(|table| Ok((chunk_ids(table, IdsOf::Live)?, chunk_ids(table, IdsOf::Embedded)?))))
            .await?;
    reader.sparse.refresh().await?;
    let words: HashSet<ChunkId> = reader.sparse.ids().await?.into_iter().collect();
    let mut vectors = HashSet::new();
    if let Some(dense) = &reader.dense {
        dense.refresh().await?;
        dense.verify().await?;
        vectors.extend(dense.ids().await?);
    }
    let missing =
        |wanted: &[ChunkId], have: &HashSet<ChunkId>| wanted.iter().filter(|id| !have.contains(id)).count() as u64;
    let (words_missing, vectors_missing) = (missing(&live, &words), missing(&embedded, &vectors));
    Ok(Agreement {
        chunks: live.len() as u64,
        embedded: embedded.len() as u64,
        words_missing,
        vectors_missing,
        words_extra: words.len() as u64 - (live.len() as u64 - words_missing),
        vectors_extra: vectors.len() as u64 - (embedded.len() as u64 - vectors_missing),
    })
}

impl From<super::table::FileRow> for FileInfo {
    fn from(row: super::table::FileRow) -> Self {
        let state = match row.state {
            super::table::FileState::Indexed => FileState::Indexed,
            super::table::FileState::Skipped => FileState::Skipped,
            super::table::FileState::Failed => FileState::Failed,
        };
        Self { path: row.path, state, reason: row.reason, bytes: row.bytes }
    }
}
