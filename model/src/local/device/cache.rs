//! The keys and values of tokens that a model has read, on a device: one row a token and layer, so that those of a sequence are
//! gathered by their numbers. A block is 32 rows beside each other.

use gpu::{DType, Device, Tensor};

use super::weights::fault;
use crate::local::cache::BlockId;
use crate::local::kernels::{BLOCK_TOKENS, Heads};
use crate::{Error, Kind, Result};

/// The blocks of a model.
#[derive(Debug)]
pub(super) struct Cache {
    /// Components of the keys of a token, and of its values.
    width: usize,
    kind: DType,
    device: Device,
    layers: Vec<Layer>,
    /// Blocks in use.
    len: usize,
    /// Blocks that there is room for.
    room: usize,
    /// Blocks that room is made for at once.
    step: usize,
}

#[derive(Debug)]
struct Layer {
    keys: Tensor,
    values: Tensor,
}

impl Cache {
    /// Makes a cache without room.
    pub(super) fn new(heads: Heads, layers: usize, kind: DType, device: &Device) -> Result<Self> {
        let width = heads.keys * heads.width;
        let empty = || Tensor::zeros((0, width), kind, device);
        let layer = || Ok(Layer { keys: empty()?, values: empty()? });
        let layers = (0..layers).map(|_| layer()).collect::<gpu::Result<_>>().map_err(fault)?;
        Ok(Self { width, kind, device: device.clone(), layers, len: 0, room: 0, step: 1 })
    }

    pub(super) fn block_bytes(&self) -> usize {
        2 * self.layers.len() * self.width * BLOCK_TOKENS * self.kind.size_in_bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes room for so many blocks, now and whenever there is none left.
    pub(super) fn reserve(&mut self, blocks: usize) -> Result<()> {
        self.step = blocks.max(1);
        self.extend(blocks)
    }

    /// Makes room for `room` blocks. One layer after the other, so that little is there twice.
    fn extend(&mut self, room: usize) -> Result<()> {
        let rows = room.checked_mul(BLOCK_TOKENS).filter(|rows| u32::try_from(*rows).is_ok()).ok_or_else(|| {
            Error::new(
                Kind::Limit,
                format!("the cache of a device has at most {} tokens; take a smaller window", u32::MAX),
            )
        })?;
        for layer in &mut self.layers {
            for side in [&mut layer.keys, &mut layer.values] {
                *side = longer(side, rows, &self.device).map_err(fault)?;
            }
        }
        self.room = self.room.max(room);
        Ok(())
    }

    /// Adds a block, and returns its name.
    pub(super) fn grow(&mut self) -> Result<BlockId> {
        if self.len == self.room {
            self.extend(self.room + self.step)?;
        }
        self.len += 1;
        Ok(self.len - 1)
    }

    /// Returns the number of a token's row.
    pub(super) fn slot(block: BlockId, position: usize) -> u32 {
        let slot = block * BLOCK_TOKENS + position % BLOCK_TOKENS;
        u32::try_from(slot).expect("`extend` makes no more rows than that")
    }

    /// Makes of the rows of tokens what `store` takes.
    pub(super) fn places(&self, slots: &[u32]) -> gpu::Result<Tensor> {
        Tensor::new(slots, &self.device)?.unsqueeze(1)?.expand((slots.len(), self.width))?.contiguous()
    }

    /// Writes keys and values.
    pub(super) fn store(&self, layer: usize, places: &Tensor, keys: &Tensor, values: &Tensor) -> gpu::Result<()> {
        let layer = &self.layers[layer];
        layer.keys.scatter_set(places, &keys.to_dtype(self.kind)?.contiguous()?, 0)?;
        layer.values.scatter_set(places, &values.to_dtype(self.kind)?.contiguous()?, 0)
    }

    /// Reads the keys of tokens.
    pub(super) fn keys(&self, layer: usize, slots: &Tensor) -> gpu::Result<Tensor> {
        self.layers[layer].keys.index_select(slots, 0)?.to_dtype(DType::F32)
    }

    /// Reads the values of tokens.
    pub(super) fn values(&self, layer: usize, slots: &Tensor) -> gpu::Result<Tensor> {
        self.layers[layer].values.index_select(slots, 0)?.to_dtype(DType::F32)
    }
}

fn longer(side: &Tensor, rows: usize, device: &Device) -> gpu::Result<Tensor> {
    let (before, width) = side.dims2()?;
    if before >= rows {
        return Ok(side.clone());
    }
    let longer = Tensor::zeros((rows, width), side.dtype(), device)?;
    if before > 0 {
        longer.slice_set(side, 0, 0)?;
    }
    Ok(longer)
}
