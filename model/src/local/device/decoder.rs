//! The decoder as tensors of candle: the same steps as on the processor, for the same batches and the same blocks of the cache.
//! Sums are in 32 bits; embeddings are read where they lie, so that their table takes no memory of the device.

use gpu::{D, DType, Device, Tensor};

use super::attention::{Plan, index};
use super::cache::Cache;
use super::weights::{Matrix, Placed, fault};
use crate::local::cache::BlockId;
use crate::local::decoder::{Batch, Row, runs, turns};
use crate::local::gguf::TensorView;
use crate::local::kernels::BLOCK_TOKENS;
use crate::local::machine::{Machine, blocks_most};
use crate::local::memory;
use crate::local::shape::{Activation, Rotation, Shape};
use crate::local::weights::{Layer, Tensors, Weights, tensor_row};
use crate::{Error, Kind, Result};

/// A decoder whose weights and cache lie on a device.
#[derive(Debug)]
pub(in super::super) struct Guest {
    shape: Shape,
    device: Device,
    embeddings: TensorView,
    weights: Weights<Matrix, Tensor>,
    cache: Cache,
}

/// By how much the rows of a pass turn.
#[derive(Debug)]
struct Turns {
    cosines: Tensor,
    sines: Tensor,
    neighbours: bool,
}

/// What is the same for all layers of a pass.
#[derive(Debug)]
struct Pass {
    turns: Vec<Turns>,
    /// For each window that a layer has.
    plans: Vec<(Option<usize>, Plan)>,
    /// Where keys and values go.
    places: Tensor,
}

impl Guest {
    /// Puts a model on a device. What is kept of tokens is rounded to 16 bits, unless the device is a processor.
    pub(in super::super) fn new(shape: Shape, tensors: &dyn Tensors, device: Device) -> Result<Self> {
        if device.is_cpu() {
            memory::needs(tensors.bytes())?;
        }
        let weights = Weights::new(tensors, &shape, &Placed(&device))?;
        let embeddings = tensors.tensor("token_embd.weight");
        let embeddings = embeddings.ok_or_else(|| Error::new(Kind::Corrupt, "it lacks the tensor of its tokens"))?;
        let kind = if device.is_cpu() { DType::F32 } else { DType::F16 };
        let cache = Cache::new(shape.heads, shape.layers.len(), kind, &device)?;
        Ok(Self { shape, device, embeddings, weights, cache })
    }

    fn run(&self, batch: &Batch<'_>) -> gpu::Result<Vec<f32>> {
        let wanted: Vec<usize> = (0..batch.rows.len()).filter(|row| batch.rows[*row].is_wanted).collect();
        let pass = self.pass(batch)?;
        let mut hidden = self.embed(&batch.rows)?;
        for (index, layer) in self.weights.layers.iter().enumerate() {
            let seen = self.attend(index, layer, &pass, &hidden)?;
            hidden = self.add(&hidden, &layer.attention_out, layer.attention_post_norm.as_ref(), &seen)?;
            let inner = self.inner(layer, &hidden)?;
            hidden = self.add(&hidden, &layer.inner_out, layer.inner_post_norm.as_ref(), &inner)?;
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = hidden.index_select(&index(wanted, &self.device)?, 0)?;
        let scores = self.weights.output().multiply(&self.normalise(&wanted, &self.weights.norm)?)?;
        scores.flatten_all()?.to_vec1()
    }

    fn pass(&self, batch: &Batch<'_>) -> gpu::Result<Pass> {
        let turns = self.shape.rotations.iter().map(|rotation| Turns::new(rotation, &batch.rows, &self.device));
        let slot = |row: &Row| Cache::slot(batch.sequences[row.sequence][row.position / BLOCK_TOKENS], row.position);
        let slots: Vec<u32> = batch.rows.iter().map(slot).collect();
        let runs = runs(&batch.rows);
        let mut windows: Vec<Option<usize>> = self.shape.layers.iter().map(|layer| layer.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let plan = |window| Ok((window, Plan::new(batch, &runs, window, self.shape.heads, &self.device)?));
        Ok(Pass {
            turns: turns.collect::<gpu::Result<_>>()?,
            plans: windows.into_iter().map(plan).collect::<gpu::Result<_>>()?,
            places: self.cache.places(&slots)?,
        })
    }

    fn embed(&self, rows: &[Row]) -> gpu::Result<Tensor> {
        let width = self.shape.width;
        let mut hidden = vec![0.0; rows.len() * width];
        for (row, hidden) in rows.iter().zip(hidden.chunks_mut(width)) {
            tensor_row(&self.embeddings, row.token as usize, hidden);
            hidden.iter_mut().for_each(|value| *value *= self.shape.embedding_scale);
        }
        Tensor::from_vec(hidden, (rows.len(), width), &self.device)
    }

    /// Divides the last dimension by its root mean square and multiplies it with weights.
    fn normalise(&self, values: &Tensor, norm: &Tensor) -> gpu::Result<Tensor> {
        let mean = values.sqr()?.mean_keepdim(D::Minus1)?;
        let root = (mean + f64::from(self.shape.epsilon))?.sqrt()?;
        values.broadcast_div(&root)?.broadcast_mul(norm)
    }

    fn attend(&self, index: usize, layer: &Layer<Matrix, Tensor>, pass: &Pass, hidden: &Tensor) -> gpu::Result<Tensor> {
        let (heads, shape) = (self.shape.heads, self.shape.layers[index]);
        let turns = shape.rotation.map(|rotation| &pass.turns[rotation]);
        let [queries, keys, values] = self.project(layer, hidden)?;
        let queries = self.position(&queries, heads.queries, layer.query_norm.as_ref(), turns)?;
        let keys = self.position(&keys, heads.keys, layer.key_norm.as_ref(), turns)?;
        self.cache.store(index, &pass.places, &keys, &values)?;
        let queries = queries.affine(f64::from(self.shape.score_scale), 0.0)?;
        let plan = pass.plans.iter().find(|(window, _)| *window == shape.window);
        let (_, plan) = plan.expect("`pass` makes a plan for the window of each layer");
        plan.attend(&queries, &self.cache, index, heads)
    }

    /// Makes queries, keys and values, with their biases.
    fn project(&self, layer: &Layer<Matrix, Tensor>, hidden: &Tensor) -> gpu::Result<[Tensor; 3]> {
        let heads = self.shape.heads;
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        let normed = self.normalise(hidden, &layer.attention_norm)?;
        let parts = match &layer.attention_in[..] {
            [query, key, value] => [query.multiply(&normed)?, key.multiply(&normed)?, value.multiply(&normed)?],
            all => {
                let all = multiply_first(all, &normed)?;
                [all.narrow(1, 0, queries)?, all.narrow(1, queries, keys)?, all.narrow(1, queries + keys, keys)?]
            }
        };
        match &layer.attention_bias {
            None => Ok(parts),
            Some([query, key, value]) => {
                let [queries, keys, values] = parts;
                Ok([queries.broadcast_add(query)?, keys.broadcast_add(key)?, values.broadcast_add(value)?])
            }
        }
    }

    /// Normalises heads and turns them.
    fn position(
        &self,
        rows: &Tensor,
        heads: usize,
        norm: Option<&Tensor>,
        turns: Option<&Turns>,
    ) -> gpu::Result<Tensor> {
        let (n, width) = rows.dims2()?;
        let mut rows = rows.contiguous()?.reshape((n, heads, width / heads))?;
        if let Some(norm) = norm {
            rows = self.normalise(&rows, norm)?;
        }
        if let Some(turns) = turns {
            rows = turns.turn(&rows)?;
        }
        rows.contiguous()?.reshape((n, width))
    }

    /// Makes what stands between the gate and the output.
    fn inner(&self, layer: &Layer<Matrix, Tensor>, hidden: &Tensor) -> gpu::Result<Tensor> {
        let inner = self.shape.inner;
        let normed = self.normalise(hidden, &layer.inner_norm)?;
        let (gate, up) = match &layer.inner_in[..] {
            [gate, up] => (gate.multiply(&normed)?, up.multiply(&normed)?),
            both => {
                let both = multiply_first(both, &normed)?;
                (both.narrow(1, 0, inner)?.contiguous()?, both.narrow(1, inner, inner)?.contiguous()?)
            }
        };
        let gate = match self.shape.activation {
            Activation::Silu => gate.silu()?,
            Activation::Gelu => gate.gelu()?,
        };
        gate * up
    }

    /// Multiplies, and adds the result to the rows.
    fn add(&self, hidden: &Tensor, matrix: &Matrix, norm: Option<&Tensor>, rows: &Tensor) -> gpu::Result<Tensor> {
        let added = matrix.multiply(rows)?;
        hidden + norm.map_or(Ok(added.clone()), |norm| self.normalise(&added, norm))?
    }
}

/// Multiplies with the matrix that holds what others have in several.
fn multiply_first(matrices: &[Matrix], rows: &Tensor) -> gpu::Result<Tensor> {
    matrices.first().expect("a layer has one matrix at least").multiply(rows)
}

impl Turns {
    fn new(rotation: &Rotation, rows: &[Row], device: &Device) -> gpu::Result<Self> {
        let (cosines, sines): (Vec<f32>, Vec<f32>) =
            turns(rotation, rows).chunks_exact(2).map(|turn| (turn[0], turn[1])).unzip();
        let place = |values| Tensor::from_vec(values, (rows.len(), 1, rotation.frequencies.len()), device);
        Ok(Self { cosines: place(cosines)?, sines: place(sines)?, neighbours: rotation.neighbours })
    }

    /// Turns heads. What is behind the pairs that turn stays as it is.
    fn turn(&self, heads: &Tensor) -> gpu::Result<Tensor> {
        let (rows, n, width) = heads.dims3()?;
        let pairs = self.cosines.dim(D::Minus1)?;
        let (first, second) = if self.neighbours {
            let turning = heads.narrow(2, 0, 2 * pairs)?.contiguous()?.reshape((rows, n, pairs, 2))?;
            (turning.narrow(3, 0, 1)?.squeeze(3)?, turning.narrow(3, 1, 1)?.squeeze(3)?)
        } else {
            (heads.narrow(2, 0, pairs)?, heads.narrow(2, pairs, pairs)?)
        };
        let (cosines, sines) = (&self.cosines, &self.sines);
        let turned = [
            (first.broadcast_mul(cosines)? - second.broadcast_mul(sines)?)?,
            (first.broadcast_mul(sines)? + second.broadcast_mul(cosines)?)?,
        ];
        let turned = if self.neighbours {
            Tensor::stack(&turned, 3)?.reshape((rows, n, 2 * pairs))?
        } else {
            Tensor::cat(&turned, 2)?
        };
        if 2 * pairs == width {
            return Ok(turned);
        }
        Tensor::cat(&[turned, heads.narrow(2, 2 * pairs, width - 2 * pairs)?], 2)
    }
}

impl Machine for Guest {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn prepare(&mut self, needed: usize, most: usize) -> Result<usize> {
        let block = self.cache.block_bytes();
        if self.device.is_cpu() {
            memory::needs((needed * block) as u64)?;
        }
        self.cache.reserve(needed)?;
        // What a device has left candle does not tell; where it is less, the cache stays smaller.
        Ok(blocks_most(block, usize::MAX, needed, most))
    }

    fn blocks(&self) -> usize {
        self.cache.len()
    }

    fn grow(&mut self) -> Result<BlockId> {
        self.cache.grow()
    }

    fn forward(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>> {
        self.run(batch).map_err(fault)
    }
}
