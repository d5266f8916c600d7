//! Why a file was found, or not: the question people ask most about retrieval, answered by its facts.

use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::Serialize;

use super::{Meaning, Search, TermExplanation, fuse};
use crate::ids::{ChunkId, IdSet};
use crate::index::table::read;
use crate::index::{FileInfo, FileState, Index, Reader, blocking};

/// How deep a rank is looked up; a passage below it is not worth a number.
const RANK_MAX: usize = 10_000;

/// What is known of a file and a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The file, and its state in the index.
    pub file: FileInfo,
    /// Its passages.
    pub chunks: u64,
    /// Rank of its best passage among all hits, from 1; none if no store found it.
    pub rank: Option<usize>,
    /// Rank by words.
    pub rank_words: Option<usize>,
    /// Rank by meaning.
    pub rank_meaning: Option<usize>,
    /// All hits of the question.
    pub hits: usize,
    /// Words of the question, by what they add to the best passage; 0 for words it does not have.
    pub terms: Vec<TermExplanation>,
    /// How far the search by meaning could be used.
    pub meaning: Meaning,
    /// A filter of the search leaves the file out.
    pub filtered: bool,
}

impl Search {
    /// Tells why a file is where it is in the answer to this question, or why it is not there.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the file was never met by an ingest.
    pub async fn why(self, file: &str) -> Result<Why> {
        let info = self.index.file(file).await?;
        self.index.query(|reader| self.why_now(reader, info.clone())).await
    }

    async fn why_now(&self, reader: Arc<Reader>, info: FileInfo) -> Result<Why> {
        let path = info.path.clone();
        let table = Arc::clone(&reader.table);
        let of_file: Vec<ChunkId> = blocking(move || {
            table.read(|table| {
                let documents = read::filtered(table)?;
                let document = documents.iter().find(|document| document.path == path);
                document.map_or_else(|| Ok(Vec::new()), |document| read::chunks_of(table, document.id))
            })
        })
        .await?;
        let is_left_out = |allowed: IdSet| !of_file.is_empty() && !of_file.iter().any(|id| allowed.contains(*id));
        let filtered = self.allowed(&reader).await?.is_some_and(is_left_out);
        let found = self.candidates(&reader, RANK_MAX).await?;
        let fused = fuse(&found.words, &found.meaning, self.fusion);
        let is_of_file = |id: ChunkId| of_file.binary_search(&id).is_ok();
        let best = fused.iter().position(|hit| is_of_file(hit.id));
        let explained = best.map(|index| fused[index].id).or_else(|| of_file.first().copied());
        let terms = match explained {
            Some(id) => {
                reader.sparse.refresh().await?;
                reader.sparse.explain(&self.question, id).await?
            }
            None => Vec::new(),
        };
        Ok(Why {
            chunks: of_file.len() as u64,
            rank: best.map(|index| index + 1),
            rank_words: found.words.iter().position(|hit| is_of_file(hit.id)).map(|index| index + 1),
            rank_meaning: found.meaning.iter().position(|hit| is_of_file(hit.id)).map(|index| index + 1),
            hits: fused.len(),
            terms: terms.into_iter().map(TermExplanation::from).collect(),
            meaning: found.state,
            filtered: filtered && info.state == FileState::Indexed,
            file: info,
        })
    }
}

impl Index {
    /// Tells what is known of one file, given by its path or by the name it is stored under.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the file was never met by an ingest.
    pub async fn file(&self, path: &str) -> Result<FileInfo> {
        let names: Arc<[String]> = self.names_of(path)?.into();
        let find = |reader: Arc<Reader>| {
            let names = Arc::clone(&names);
            blocking(move || {
                reader.table.read(|table| {
                    for name in names.iter() {
                        if let Some(row) = read::file(table, name)? {
                            return Ok(Some(FileInfo::from(row)));
                        }
                    }
                    Ok(None)
                })
            })
        };
        let found = self.query(find).await?;
        let unknown = || {
            let message = format!("`{path}` was never ingested; run `lorewell ingest` on it or on its folder");
            Error::new(Kind::NotFound, message)
        };
        found.ok_or_else(unknown)
    }
}
