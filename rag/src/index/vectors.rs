//! Giving chunks their vectors, batch by batch: the vectors are durable before the table says so, and a run that is
//! stopped goes on where it was.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};

use lorewell_embed::{Embedder, Purpose, Vectors};
use lorewell_model::{Error, Kind, Result};

use super::ingest::Progress;
use super::prepare::text_to_embed;
use super::table::read::{count, pending};
use super::table::{Digest, PendingChunk, write};
use super::writer::Writer;
use crate::dense::DenseStore;
use crate::ids::ChunkId;

/// Chunks embedded between two commits: some seconds of work, which is what a crash can lose.
const BATCH_CHUNKS: usize = 256;

/// What a round of embedding came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    /// Vectors computed.
    pub(crate) made: u64,
    /// Chunks that share the vector of another chunk.
    pub(crate) reused: u64,
    /// Chunks still without one.
    pub(crate) pending: u64,
}

impl Writer {
    /// Embeds all chunks that wait for it, or, without an embedder, counts them.
    pub(crate) async fn embed(
        &mut self,
        embedder: Option<&Embedder>,
        cancel: &AtomicBool,
        tell: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Made> {
        let of = count(&self.table, "chunks WHERE embedded = 0")?;
        let (Some(embedder), Some(dense)) = (embedder, self.dense.clone()) else {
            return Ok(Made { pending: of, ..Made::default() });
        };
        let mut total = Made { pending: of, ..Made::default() };
        if of > 0 {
            tell(Progress::Embedded { chunks: 0, of }); // the first batch takes a while; say that it has begun
        }
        while !cancel.load(Ordering::Relaxed) {
            let batch = pending(&self.table, ChunkId(0), BATCH_CHUNKS)?;
            if batch.is_empty() {
                break;
            }
            let made = self.embed_batch(&batch, embedder, dense.as_ref()).await?;
            let ids: Vec<ChunkId> = batch.iter().map(|chunk| chunk.id).collect();
            write::mark_embedded(&mut self.table, &ids, true)?;
            total.made += made;
            total.reused += ids.len() as u64 - made;
            total.pending -= ids.len() as u64;
            tell(Progress::Embedded { chunks: of - total.pending, of });
        }
        Ok(total)
    }

    /// Embeds each meaning that no chunk has a vector of yet, once, and stores a vector for every chunk.
    async fn embed_batch(&self, batch: &[PendingChunk], embedder: &Embedder, dense: &dyn DenseStore) -> Result<u64> {
        let mut vector_of = self.stored_vectors(batch, dense).await?;
        let mut new: Vec<&PendingChunk> = Vec::new();
        for chunk in batch {
            if let Entry::Vacant(entry) = vector_of.entry(chunk.meaning) {
                entry.insert(Vec::new()); // follows below
                new.push(chunk);
            }
        }
        let text = |chunk: &&PendingChunk| text_to_embed(chunk, embedder);
        let texts: Vec<String> = new.iter().map(text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if !texts.is_empty() {
            let vectors = embedder.embed(&texts, Purpose::Passage).await?;
            if vectors.len() != texts.len() {
                let message = format!("the embedder gave {} vectors for {} texts", vectors.len(), texts.len());
                return Err(Error::new(Kind::BadOutput, message));
            }
            vector_of.extend(new.iter().zip(vectors.rows()).map(|(chunk, vector)| (chunk.meaning, vector.to_vec())));
        }
        let ids: Vec<ChunkId> = batch.iter().map(|chunk| chunk.id).collect();
        let rows = batch.iter().flat_map(|chunk| vector_of[&chunk.meaning].iter().copied());
        dense.append(&ids, &Vectors::new(embedder.info().dims.get() as usize, rows.collect())).await?;
        Ok(texts.len() as u64)
    }

    /// Fetches the vectors that chunks of the same meaning have already.
    async fn stored_vectors(
        &self,
        batch: &[PendingChunk],
        dense: &dyn DenseStore,
    ) -> Result<HashMap<Digest, Vec<f32>>> {
        let mut known = HashMap::new();
        for chunk in batch {
            if let Some(id) = write::chunk_with_vector(&self.table, &chunk.meaning)? {
                known.insert(chunk.meaning, id);
            }
        }
        let (meanings, ids): (Vec<Digest>, Vec<ChunkId>) = known.into_iter().unzip();
        let vectors = dense.fetch(&ids).await?;
        Ok(meanings.into_iter().zip(vectors).filter_map(|(meaning, vector)| Some((meaning, vector?))).collect())
    }
}
