//! The keys and values of tokens that a model has read, in blocks of 32 tokens.

use super::kernels::{BLOCK_TOKENS, Heads, Stored};

/// Names a block.
pub(super) type BlockId = usize;

/// The blocks of a model, in floats of 16 bits unless they are to be exact.
#[derive(Debug)]
pub(super) struct Cache<E = u16> {
    heads: Heads,
    layers: usize,
    blocks: Vec<Block<E>>,
}

#[derive(Debug)]
struct Block<E> {
    keys: Vec<E>,
    values: Vec<E>,
}

impl<E: Stored> Cache<E> {
    /// Makes a cache without blocks.
    pub(super) fn new(heads: Heads, layers: usize) -> Self {
        Self { heads, layers, blocks: Vec::new() }
    }

    /// Bytes that a block takes.
    pub(super) fn block_bytes(heads: Heads, layers: usize) -> usize {
        2 * size_of::<E>() * layers * heads.block_values()
    }

    /// Adds a block, and returns its name.
    pub(super) fn grow(&mut self) -> BlockId {
        let values = self.layers * self.heads.block_values();
        self.blocks.push(Block { keys: vec![E::default(); values], values: vec![E::default(); values] });
        self.blocks.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    fn range(&self, layer: usize) -> std::ops::Range<usize> {
        layer * self.heads.block_values()..(layer + 1) * self.heads.block_values()
    }

    pub(super) fn keys(&self, block: BlockId, layer: usize) -> &[E] {
        &self.blocks[block].keys[self.range(layer)]
    }

    pub(super) fn values(&self, block: BlockId, layer: usize) -> &[E] {
        &self.blocks[block].values[self.range(layer)]
    }

    /// Writes the keys and values of a token.
    pub(super) fn store(&mut self, block: BlockId, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let range = self.range(layer);
        let block = &mut self.blocks[block];
        let (keys, values) = (&mut block.keys[range.clone()], &mut block.values[range]);
        self.heads.store(position % BLOCK_TOKENS, key, value, keys, values);
    }
}
