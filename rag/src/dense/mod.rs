//! Dense search: the vectors of chunks, found again by closeness.

use async_trait::async_trait;
use lorewell_model::Result;

use crate::ids::{ChunkId, IdSet, Scored};

/// A store of unit vectors, one per chunk.
///
/// The document table decides which chunks are live: a store may hold vectors of chunks that the table does not know
/// (after a crash), never the other way round, and the index drops hits that the table does not know.
/// Every implementation passes [`conformance`].
#[async_trait]
pub trait DenseStore: Send + Sync + std::fmt::Debug {
    /// Adds vectors and makes them durable before it returns. `ids` are new, ascending, and as many as there are rows.
    async fn append(&self, ids: &[ChunkId], vectors: &lorewell_embed::Vectors) -> Result<()>;

    /// Removes vectors, durably. Ids that are not there are ignored.
    async fn remove(&self, ids: &[ChunkId]) -> Result<()>;

    /// Returns the vectors of these chunks, `None` where there is none.
    async fn fetch(&self, ids: &[ChunkId]) -> Result<Vec<Option<Vec<f32>>>>;

    /// Returns the `limit` closest chunks, best first: cosine, −1..1. With `allowed`, only chunks in that set count,
    /// and the filter is applied before the scan.
    async fn search(&self, query: &[f32], limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>>;

    /// Returns the ids of all vectors, ascending.
    async fn ids(&self) -> Result<Vec<ChunkId>>;

    /// Sees what another process has committed since. Cheap when nothing has changed.
    async fn refresh(&self) -> Result<()>;

    /// Gives back the space of removed vectors where that pays.
    async fn compact(&self) -> Result<()>;
}
