//! The one path by which a generation changes.
//!
//! Order is everything here. New chunks go to the stores first and to the table last, so the table never names a
//! chunk that a store lacks. Chunks that go leave the table first, into its journal, and the stores with the next
//! commit. A writer that dies in between leaves only extra entries, which no query shows (the table does not know
//! them) and which the next writer clears away; their names are never given again.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use lorewell_embed::Vectors;
use lorewell_model::{Error, Kind, Result, ResultExt as _};
use rusqlite::Connection;

use super::blocking;
use super::lock::WriterLock;
use super::manifest::Generation;
use super::prepare::{title, words_of};
use super::rebuild::remove_dir;
use super::table::read::{IdsOf, chunk_ids, chunks, document};
use super::table::{Batch, Plan, Table, meta, set_meta, write};
use crate::dense::{DenseStore, LocalDense};
use crate::ids::ChunkId;
#[cfg(feature = "tantivy")]
use crate::sparse::TantivySparse;
use crate::sparse::{SparseStore, Terms, detect_language};
use crate::stores::Access;

/// Chunks repaired at a time, to bound memory.
const REPAIR_CHUNKS: usize = 1_000;

/// The writer of one generation.
#[derive(Debug)]
pub(crate) struct Writer {
    /// How its chunks are to be made.
    pub(crate) generation: Generation,
    pub(crate) table: Connection,
    pub(crate) sparse: Arc<dyn SparseStore>,
    pub(crate) dense: Option<Arc<dyn DenseStore>>,
}

/// What a commit came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) chunks_added: u64,
    pub(crate) chunks_kept: u64,
    pub(crate) chunks_removed: u64,
    /// Vectors taken over from chunks with the same meaning.
    pub(crate) vectors_reused: u64,
}

/// Makes an empty generation that the manifest does not name yet; what lies in its place was only begun.
pub(crate) async fn create_generation(generation: &Generation, index: &Path) -> Result<()> {
    let dir = generation.dir(index);
    remove_dir(&dir)?;
    std::fs::create_dir_all(&dir).context(|| format!("creating `{}`", dir.display()))?;
    Table::open_writer(&dir)?;
    open_sparse(&dir, Access::Write).await?;
    open_dense(generation, &dir, Access::Write).await?;
    super::manifest::sync_dir(index)
}

/// Opens a generation's words.
#[cfg(not(feature = "tantivy"))]
pub(crate) async fn open_sparse(_generation: &Path, _access: Access) -> Result<Arc<dyn SparseStore>> {
    let message = "an index needs the `tantivy` feature; add `features = [\"tantivy\"]`";
    std::future::ready(Err(Error::new(Kind::Config, message))).await
}

/// Opens a generation's words.
#[cfg(feature = "tantivy")]
pub(crate) async fn open_sparse(generation: &Path, access: Access) -> Result<Arc<dyn SparseStore>> {
    Ok(Arc::new(TantivySparse::open(generation.join("sparse"), access).await?))
}

/// Opens a generation's vectors, if it has an embedder.
pub(crate) async fn open_dense(
    generation: &Generation,
    dir: &Path,
    access: Access,
) -> Result<Option<Arc<dyn DenseStore>>> {
    let Some(pin) = &generation.embedder else { return Ok(None) };
    let dims = NonZeroU32::new(pin.dims)
        .ok_or_else(|| Error::new(Kind::Corrupt, "the manifest says that vectors have no components"))?;
    let dir = dir.join("dense");
    Ok(Some(Arc::new(blocking(move || LocalDense::open(dir, dims, access)).await?)))
}

impl Writer {
    /// Opens a generation for writing and mends what a writer that died has left. The lock outlives the writer.
    pub(crate) async fn open(_lock: &WriterLock, generation: &Generation, index: &Path) -> Result<Self> {
        let dir = generation.dir(index);
        let table = Table::open_writer(&dir)?;
        let sparse = open_sparse(&dir, Access::Write).await?;
        let dense = open_dense(generation, &dir, Access::Write).await?;
        let mut writer = Self { generation: generation.clone(), table, sparse, dense };
        if meta(&writer.table, "writing")? != 0 {
            writer.mend().await?;
        }
        set_meta(&writer.table, "writing", 1)?;
        Ok(writer)
    }

    /// Commits a batch: all of it, or, after an error or a crash, nothing that a query could see.
    pub(crate) async fn commit(&mut self, batch: &Batch) -> Result<Committed> {
        let plan = Plan::make(&self.table, batch)?;
        let buried = chunk_ids(&self.table, IdsOf::Dead)?;
        if let Err(error) = self.write_words(batch, &plan, &buried).await {
            self.sparse.rollback().await?;
            return Err(error);
        }
        let reused = self.write_vectors(&plan).await?;
        if let Some(dense) = &self.dense
            && !buried.is_empty()
        {
            dense.remove(&buried).await?;
        }
        write::apply(&mut self.table, batch, &plan, &buried)?;
        Ok(committed(&plan, reused))
    }

    async fn write_words(&self, batch: &Batch, plan: &Plan, buried: &[ChunkId]) -> Result<()> {
        let mut changed = false;
        for (document, planned) in batch.documents.iter().zip(&plan.documents) {
            let new = planned.iter().filter(|chunk| !chunk.kept);
            let terms: Vec<Terms<'_>> =
                new.map(|chunk| words_of(document, &document.chunks[chunk.index], chunk.id)).collect();
            if !terms.is_empty() {
                self.sparse.add(&terms).await?;
                changed = true;
            }
        }
        if !buried.is_empty() {
            self.sparse.remove(buried).await?;
            changed = true;
        }
        if changed { self.sparse.commit().await } else { Ok(()) }
    }

    /// Gives new chunks the vectors of old ones with the same meaning.
    async fn write_vectors(&self, plan: &Plan) -> Result<u64> {
        let Some(dense) = &self.dense else { return Ok(0) };
        let borrowed = plan.documents.iter().flatten().filter_map(|chunk| Some((chunk.id, chunk.vector_of?)));
        let mut borrowed: Vec<(ChunkId, ChunkId)> = borrowed.collect();
        if borrowed.is_empty() {
            return Ok(0);
        }
        borrowed.sort_unstable();
        let (ids, sources): (Vec<_>, Vec<_>) = borrowed.into_iter().unzip();
        let mut data = Vec::new();
        let mut dims = 1;
        for vector in dense.fetch(&sources).await? {
            let missing = || Error::new(Kind::Corrupt, "a vector that the document table counts on is missing");
            let vector = vector.ok_or_else(missing)?;
            dims = vector.len();
            data.extend(vector);
        }
        dense.append(&ids, &Vectors::new(dims, data)).await?;
        Ok(ids.len() as u64)
    }

    /// Takes out of the stores what the journal names.
    pub(crate) async fn bury(&mut self) -> Result<()> {
        if !chunk_ids(&self.table, IdsOf::Dead)?.is_empty() {
            self.commit(&Batch::default()).await?;
        }
        Ok(())
    }

    /// Ends cleanly: the stores drop what the journal names and give space back.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.bury().await?;
        self.sparse.compact().await?;
        if let Some(dense) = &self.dense {
            dense.compact().await?;
        }
        set_meta(&self.table, "writing", 0)
    }

    /// Brings the stores back in step with the table after a writer died: what the table does not know goes, words
    /// that it misses are written again from the stored text, vectors that it misses are made again later.
    async fn mend(&mut self) -> Result<()> {
        let live: HashSet<ChunkId> = chunk_ids(&self.table, IdsOf::Live)?.into_iter().collect();
        let words = self.sparse.ids().await?;
        let vectors = match &self.dense {
            Some(dense) => dense.ids().await?,
            None => Vec::new(),
        };
        let highest = words.iter().chain(&vectors).map(|id| id.0 + 1).max().unwrap_or(0);
        if highest > meta(&self.table, "next_chunk")? {
            set_meta(&self.table, "next_chunk", highest)?;
        }
        self.mend_words(&live, words).await?;
        self.mend_vectors(&live, vectors).await?;
        let buried = chunk_ids(&self.table, IdsOf::Dead)?;
        write::apply(&mut self.table, &Batch::default(), &Plan::default(), &buried)
    }

    async fn mend_words(&mut self, live: &HashSet<ChunkId>, words: Vec<ChunkId>) -> Result<()> {
        let extra: Vec<ChunkId> = words.iter().copied().filter(|id| !live.contains(id)).collect();
        let words: HashSet<ChunkId> = words.into_iter().collect();
        let mut missing: Vec<ChunkId> = live.difference(&words).copied().collect();
        missing.sort_unstable();
        if extra.is_empty() && missing.is_empty() {
            return Ok(());
        }
        tracing::info!(extra = extra.len(), missing = missing.len(), "mending the words of an interrupted run");
        self.sparse.remove(&extra).await?;
        let mut languages = HashMap::new(); // of documents, as their stemmer is chosen by the whole text
        for ids in missing.chunks(REPAIR_CHUNKS) {
            for (id, row) in chunks(&self.table, ids)? {
                let language = match languages.get(&row.path) {
                    Some(known) => *known,
                    None => *languages.entry(row.path.clone()).or_insert(self.language(&row.path)?),
                };
                let title = title(row.title.as_deref(), &row.path);
                let (path, headings, text) = (row.path.as_str(), row.headings.as_slice(), row.text.as_str());
                self.sparse.add(&[Terms { id, title, path, headings, text, language }]).await?;
            }
        }
        self.sparse.commit().await
    }

    fn language(&self, path: &str) -> Result<Option<&'static str>> {
        let document = document(&self.table, path)?;
        Ok(document.and_then(|(document, _)| detect_language(&document.text)))
    }

    async fn mend_vectors(&mut self, live: &HashSet<ChunkId>, vectors: Vec<ChunkId>) -> Result<()> {
        let Some(dense) = &self.dense else { return Ok(()) };
        let extra: Vec<ChunkId> = vectors.iter().copied().filter(|id| !live.contains(id)).collect();
        if !extra.is_empty() {
            dense.remove(&extra).await?;
        }
        let vectors: HashSet<ChunkId> = vectors.into_iter().collect();
        let embedded = chunk_ids(&self.table, IdsOf::Embedded)?;
        let missing: Vec<ChunkId> = embedded.iter().copied().filter(|id| !vectors.contains(id)).collect();
        write::mark_embedded(&mut self.table, &missing, false)?;
        // A vector may be durable while its mark is not.
        let marked: HashSet<ChunkId> = embedded.into_iter().collect();
        let unmarked: Vec<ChunkId> =
            vectors.iter().copied().filter(|id| live.contains(id) && !marked.contains(id)).collect();
        write::mark_embedded(&mut self.table, &unmarked, true)
    }
}

fn committed(plan: &Plan, vectors_reused: u64) -> Committed {
    let chunks = plan.documents.iter().flatten();
    let kept = chunks.clone().filter(|chunk| chunk.kept).count() as u64;
    Committed {
        chunks_added: chunks.count() as u64 - kept,
        chunks_kept: kept,
        chunks_removed: plan.dead.len() as u64,
        vectors_reused,
    }
}
