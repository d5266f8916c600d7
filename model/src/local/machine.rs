//! What the engine runs: a decoder with its cache, on the processor or on another device. It is apart so that batches, blocks
//! and their sharing are the same wherever a model runs.

use super::cache::{BlockId, Cache};
use super::decoder::{Batch, Decoder, Scratch};
use super::kernels::Stored;
use super::memory;
use super::shape::Shape;
use crate::Result;

/// Memory of the cache.
const CACHE_BYTES_MAX: usize = 4 << 30;

/// A decoder with its cache.
pub(super) trait Machine: Send {
    /// Returns the shape of the model.
    fn shape(&self) -> &Shape;

    /// Makes sure that there is room for so many blocks of the cache, and returns how many more than that there may be, up to
    /// `most`.
    fn prepare(&mut self, needed: usize, most: usize) -> Result<usize>;

    /// Returns how many blocks there are.
    fn blocks(&self) -> usize;

    /// Adds a block, and returns its name.
    fn grow(&mut self) -> Result<BlockId>;

    /// Reads the rows of a batch into the cache, and returns the scores of what follows those that want them, one row
    /// after the other.
    fn forward(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>>;
}

/// How many blocks a cache may have where so much memory is free.
pub(super) fn blocks_most(block_bytes: usize, free: usize, needed: usize, most: usize) -> usize {
    (CACHE_BYTES_MAX.min(free) / block_bytes).min(most).max(needed)
}

/// A decoder on the kernels of this crate.
#[derive(Debug)]
pub(super) struct Processor<E = u16> {
    decoder: Decoder,
    cache: Cache<E>,
    scratch: Scratch,
}

impl<E: Stored> Processor<E> {
    /// Gives a decoder a cache.
    pub(super) fn new(decoder: Decoder) -> Self {
        Self { cache: decoder.cache(), decoder, scratch: Scratch::default() }
    }
}

impl<E: Stored> Machine for Processor<E> {
    fn shape(&self) -> &Shape {
        &self.decoder.shape
    }

    fn prepare(&mut self, needed: usize, most: usize) -> Result<usize> {
        let shape = &self.decoder.shape;
        let block = Cache::<E>::block_bytes(shape.heads, shape.layers.len());
        memory::needs((needed * block) as u64)?;
        // Half of what is left is for others.
        let free = memory::available().map_or(usize::MAX, |free| usize::try_from(free / 2).unwrap_or(usize::MAX));
        Ok(blocks_most(block, free, needed, most))
    }

    fn blocks(&self) -> usize {
        self.cache.len()
    }

    fn grow(&mut self) -> Result<BlockId> {
        Ok(self.cache.grow())
    }

    fn forward(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>> {
        let Self { decoder, cache, scratch } = self;
        // Within the pool, a parallel loop costs a microsecond and not a wake-up.
        Ok(rayon::scope(|_| decoder.forward(batch, cache, scratch)))
    }
}

#[cfg(test)]
mod tests;
