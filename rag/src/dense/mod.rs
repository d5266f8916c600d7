//! Dense search: the vectors of chunks, found again by closeness. The trait every store implements, the suite every
//! store passes, and the store that lives in a folder.

mod conformance;
mod local;

mod compact;
mod kernels;
mod lists;
mod lock;
mod manifest;
mod scan;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use lorewell_model::Result;

pub use self::conformance::{CONFORMANCE_DIMS, conformance};
pub use self::local::LocalDense;
use crate::ids::{ChunkId, IdSet, Scored};

/// A store of unit vectors, one per chunk.
///
/// The document table decides which chunks are live: a store may hold vectors of chunks that the table does not know
/// (after a crash), never the other way round, and the index drops hits that the table does not know.
/// Every implementation passes [`conformance`].
#[async_trait]
pub trait DenseStore: Send + Sync + std::fmt::Debug {
    /// Adds vectors and makes them durable before it returns: all of them, or none and an error. `ids` are ascending,
    /// as many as there are rows, and none of them is there; an id that was removed may come again. What is not a unit
    /// vector of the store's dimensions is refused with [`BadInput`](lorewell_model::Kind::BadInput), like the rest.
    async fn append(&self, ids: &[ChunkId], vectors: &lorewell_embed::Vectors) -> Result<()>;

    /// Removes vectors, durably. Ids that are not there are ignored.
    async fn remove(&self, ids: &[ChunkId]) -> Result<()>;

    /// Returns the vectors of these chunks, bit for bit as they were appended, `None` where there is none.
    async fn fetch(&self, ids: &[ChunkId]) -> Result<Vec<Option<Vec<f32>>>>;

    /// Returns the `limit` closest chunks, best first, of equals the one with the smaller id first. The score is the
    /// cosine, −1..1. With `allowed`, only chunks in that set count, and the filter is applied before the scan.
    /// `query` is a unit vector, or refused like a vector in [`append`](Self::append).
    async fn search(&self, query: &[f32], limit: usize, allowed: Option<&IdSet>) -> Result<Vec<Scored>>;

    /// Returns the ids of all vectors, ascending.
    async fn ids(&self) -> Result<Vec<ChunkId>>;

    /// Sees what another process has committed since. Cheap when nothing has changed.
    async fn refresh(&self) -> Result<()>;

    /// Reads all that is committed and compares it with its digests; [`Corrupt`](lorewell_model::Kind::Corrupt) names
    /// the file and the place of the damage.
    async fn verify(&self) -> Result<()>;

    /// Gives back the space of removed vectors where that pays.
    async fn compact(&self) -> Result<()>;
}
