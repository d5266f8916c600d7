//! The decoder: tokens in, scores of the next token out. Rows of several sequences go through it together, each with its own
//! position and its own blocks of the cache, so that one pass serves prompts and answers alike.

use rayon::prelude::*;

use super::cache::{BlockId, Cache};
use super::kernels::{Activations, Attention, BLOCK_TOKENS, Matrix, Out, Stored, Tier};
use super::memory;
use super::shape::{Activation, Rotation, Shape};
use super::weights::{Layer, Packed, Tensors, Weights};
use crate::Result;

/// A decoder with its weights.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) shape: Shape,
    weights: Weights,
    tier: Tier,
}

/// Rows that go through the decoder together. Those of one sequence stand beside each other, in order.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    pub(super) rows: Vec<Row>,
    /// The blocks of each sequence, with room for the rows.
    pub(super) sequences: Vec<&'a [BlockId]>,
}

/// A token on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) token: u32,
    pub(super) sequence: usize,
    pub(super) position: usize,
    /// Whether the scores of what follows are wanted.
    pub(super) is_wanted: bool,
}

/// What a pass needs and may keep for the next one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    hidden: Vec<f32>,
    projected: Vec<f32>,
    /// By head of keys, then by row.
    mixed: Vec<f32>,
    activations: Activations,
    out: Vec<f32>,
    turns: Vec<Vec<f32>>,
}

/// Neighbouring rows of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) sequence: usize,
    pub(super) position: usize,
}

/// Keys and values of the blocks that a run looks at.
type Seen<'a, E> = (Vec<&'a [E]>, Vec<&'a [E]>);

/// Where queries, keys and values lie in a row of projections.
#[derive(Debug, Clone, Copy)]
struct Place {
    keys: usize,
    values: usize,
    stride: usize,
}

/// Outputs of a panel: places begin there.
const LANES: usize = 16;

impl Decoder {
    /// Packs the weights of a model.
    pub(super) fn new(shape: Shape, tensors: &dyn Tensors) -> Result<Self> {
        memory::needs(tensors.bytes())?;
        let weights = Weights::new(tensors, &shape, &Packed)?;
        Ok(Self { shape, weights, tier: Tier::chosen()? })
    }

    /// Makes an empty cache.
    pub(super) fn cache<E: Stored>(&self) -> Cache<E> {
        Cache::new(self.shape.heads, self.shape.layers.len())
    }

    /// Reads the rows of a batch into the cache, and returns the scores of what follows those that want them, one row
    /// after the other.
    pub(super) fn forward<E: Stored>(
        &self,
        batch: &Batch<'_>,
        cache: &mut Cache<E>,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let (rows, width) = (batch.rows.len(), self.shape.width);
        let runs = runs(&batch.rows);
        scratch.hidden.resize(rows * width, 0.0);
        for (row, hidden) in batch.rows.iter().zip(scratch.hidden.chunks_mut(width)) {
            self.weights.embeddings.row(row.token as usize, hidden);
            hidden.iter_mut().for_each(|value| *value *= self.shape.embedding_scale);
        }
        self.turn(batch, scratch);
        for (index, layer) in self.weights.layers.iter().enumerate() {
            self.attend(index, layer, batch, &runs, cache, scratch);
            self.feed_forward(layer, rows, scratch);
        }
        self.scores(batch, scratch)
    }

    /// Computes by how much each row turns, for each kind of rotation.
    fn turn(&self, batch: &Batch<'_>, scratch: &mut Scratch) {
        scratch.turns = self.shape.rotations.iter().map(|rotation| turns(rotation, &batch.rows)).collect();
    }

    /// Normalises rows and hands them on as activations.
    fn normalise(&self, hidden: &[f32], norm: &[f32], activations: &mut Activations) {
        let width = self.shape.width;
        let out = activations.set(hidden.len() / width, width);
        each_row(out, width, |index, out| {
            self.tier.rms_norm(&hidden[index * width..(index + 1) * width], norm, self.shape.epsilon, out);
        });
    }

    fn place(&self, layer: &Layer) -> Place {
        let heads = self.shape.heads;
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        match layer.attention_in.len() {
            1 => Place { keys: queries, values: queries + keys, stride: (queries + 2 * keys).next_multiple_of(LANES) },
            _ => {
                let (queries, keys) = (queries.next_multiple_of(LANES), keys.next_multiple_of(LANES));
                Place { keys: queries, values: queries + keys, stride: queries + 2 * keys }
            }
        }
    }

    fn attend<E: Stored>(
        &self,
        index: usize,
        layer: &Layer,
        batch: &Batch<'_>,
        runs: &[Run],
        cache: &mut Cache<E>,
        scratch: &mut Scratch,
    ) {
        let (rows, heads) = (batch.rows.len(), self.shape.heads);
        let place = self.place(layer);
        self.normalise(&scratch.hidden, &layer.attention_norm, &mut scratch.activations);
        scratch.projected.resize(rows * place.stride, 0.0);
        let starts = [0, place.keys, place.values];
        self.multiply(&layer.attention_in, &starts, place.stride, &mut scratch.activations, &mut scratch.projected);
        let rotation = self.shape.layers[index].rotation;
        let turns = rotation.map(|rotation| (&self.shape.rotations[rotation], &scratch.turns[rotation]));
        each_row(&mut scratch.projected, place.stride, |row, projected| {
            self.position(layer, place, projected, turns.map(|(rotation, turns)| (rotation, &turns[..], row)));
        });
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        for (row, projected) in batch.rows.iter().zip(scratch.projected.chunks(place.stride)) {
            let block = batch.sequences[row.sequence][row.position / BLOCK_TOKENS];
            let (key, value) = (&projected[place.keys..][..keys], &projected[place.values..][..keys]);
            cache.store(block, index, row.position, key, value);
        }
        self.mix(index, batch, runs, cache, scratch, place);
        let activations = scratch.activations.set(rows, queries);
        let group = queries / heads.keys;
        for (head, mixed) in scratch.mixed.chunks(rows * group).enumerate() {
            for (row, mixed) in mixed.chunks(group).enumerate() {
                activations[row * queries + head * group..][..group].copy_from_slice(mixed);
            }
        }
        self.add(&layer.attention_out, layer.attention_post_norm.as_deref(), scratch);
    }

    /// Adds biases, normalises heads and turns them.
    fn position(&self, layer: &Layer, place: Place, row: &mut [f32], turn: Option<(&Rotation, &[f32], usize)>) {
        let heads = self.shape.heads;
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        if let Some(bias) = &layer.attention_bias {
            for (start, bias) in [0, place.keys, place.values].into_iter().zip(bias) {
                self.tier.add(&mut row[start..][..bias.len()], bias);
            }
        }
        for (start, len, norm) in [(0, queries, &layer.query_norm), (place.keys, keys, &layer.key_norm)] {
            for head in row[start..][..len].chunks_mut(heads.width) {
                if let Some(norm) = norm {
                    let before = head.to_vec();
                    self.tier.rms_norm(&before, norm, self.shape.epsilon, head);
                }
                if let Some((rotation, turns, index)) = turn {
                    let len = rotation.frequencies.len() * 2;
                    rotate(head, rotation.neighbours, &turns[index * len..(index + 1) * len]);
                }
            }
        }
    }

    /// Lets every row look at the tokens before it.
    fn mix<E: Stored>(
        &self,
        layer: usize,
        batch: &Batch<'_>,
        runs: &[Run],
        cache: &Cache<E>,
        scratch: &mut Scratch,
        place: Place,
    ) {
        let heads = self.shape.heads;
        let group = heads.queries / heads.keys * heads.width;
        scratch.mixed.resize(batch.rows.len() * heads.keys * group, 0.0);
        let seen: Vec<Seen<'_, E>> = runs
            .iter()
            .map(|run| {
                let blocks = &batch.sequences[run.sequence][..(run.position + run.rows).div_ceil(BLOCK_TOKENS)];
                let keys = blocks.iter().map(|block| cache.keys(*block, layer)).collect();
                (keys, blocks.iter().map(|block| cache.values(*block, layer)).collect())
            })
            .collect();
        let tile = heads.tile();
        let mut tasks = Vec::new();
        let mut rest = &mut scratch.mixed[..];
        for head in 0..heads.keys {
            for (run, seen) in runs.iter().zip(&seen) {
                for start in (0..run.rows).step_by(tile) {
                    let rows = tile.min(run.rows - start);
                    let (mine, others) = std::mem::take(&mut rest).split_at_mut(rows * group);
                    rest = others;
                    tasks.push((head, run, start, seen, mine));
                }
            }
        }
        let projected = &scratch.projected;
        let work = |(head, run, start, seen, mine): (usize, &Run, usize, &Seen<'_, E>, &mut [f32])| {
            let attention = Attention {
                heads,
                scale: self.shape.score_scale,
                window: self.shape.layers[layer].window,
                keys: &seen.0,
                values: &seen.1,
            };
            let mut out: Vec<&mut [f32]> = mine.chunks_mut(group).collect();
            let queries = &projected[(run.first + start) * place.stride..];
            attention.attend(self.tier, head, run.position + start, queries, place.stride, &mut out);
        };
        tasks.into_par_iter().for_each(work);
    }

    fn feed_forward(&self, layer: &Layer, rows: usize, scratch: &mut Scratch) {
        let inner = self.shape.inner;
        self.normalise(&scratch.hidden, &layer.inner_norm, &mut scratch.activations);
        let (second, stride) = match layer.inner_in.len() {
            1 => (inner, (2 * inner).next_multiple_of(LANES)),
            _ => (inner.next_multiple_of(LANES), 2 * inner.next_multiple_of(LANES)),
        };
        scratch.projected.resize(rows * stride, 0.0);
        self.multiply(&layer.inner_in, &[0, second], stride, &mut scratch.activations, &mut scratch.projected);
        let projected = &mut scratch.projected;
        each_row(projected, stride, |_, row| {
            let (gate, up) = row.split_at_mut(second);
            let (gate, up) = (&mut gate[..inner], &up[..inner]);
            match self.shape.activation {
                Activation::Silu => self.tier.silu_gate(gate, up),
                Activation::Gelu => self.tier.gelu_gate(gate, up),
            }
        });
        let activations = scratch.activations.set(rows, inner);
        for (to, row) in activations.chunks_mut(inner).zip(scratch.projected.chunks(stride)) {
            to.copy_from_slice(&row[..inner]);
        }
        self.add(&layer.inner_out, layer.inner_post_norm.as_deref(), scratch);
    }

    /// Multiplies the activations with matrices whose outputs go to places in the same rows.
    fn multiply(
        &self,
        matrices: &[Matrix],
        starts: &[usize],
        stride: usize,
        activations: &mut Activations,
        out: &mut [f32],
    ) {
        matrices.iter().for_each(|matrix| matrix.prepare(activations));
        Matrix::multiply(self.tier, activations, matrices, &starts[..matrices.len()], &mut Out { data: out, stride });
    }

    /// Multiplies the activations and adds the result to the rows.
    fn add(&self, matrix: &Matrix, norm: Option<&[f32]>, scratch: &mut Scratch) {
        let width = self.shape.width;
        let stride = width.next_multiple_of(LANES);
        let rows = scratch.hidden.len() / width;
        scratch.out.resize(rows * stride, 0.0);
        self.multiply(std::slice::from_ref(matrix), &[0], stride, &mut scratch.activations, &mut scratch.out);
        let out = &scratch.out;
        each_row(&mut scratch.hidden, width, |row, hidden| {
            let added = &out[row * stride..][..width];
            match norm {
                None => self.tier.add(hidden, added),
                Some(norm) => {
                    let mut normed = vec![0.0; width];
                    self.tier.rms_norm(added, norm, self.shape.epsilon, &mut normed);
                    self.tier.add(hidden, &normed);
                }
            }
        });
    }

    fn scores(&self, batch: &Batch<'_>, scratch: &mut Scratch) -> Vec<f32> {
        let width = self.shape.width;
        let rows = batch.rows.iter().zip(scratch.hidden.chunks(width));
        let wanted: Vec<f32> = rows.filter(|(row, _)| row.is_wanted).flat_map(|(_, hidden)| hidden).copied().collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        self.normalise(&wanted, &self.weights.norm, &mut scratch.activations);
        let output = self.weights.output();
        let stride = self.shape.vocabulary.next_multiple_of(LANES);
        let mut scores = vec![0.0; wanted.len() / width * stride];
        self.multiply(std::slice::from_ref(output), &[0], stride, &mut scratch.activations, &mut scores);
        if stride == self.shape.vocabulary {
            return scores;
        }
        scores.chunks(stride).flat_map(|row| &row[..self.shape.vocabulary]).copied().collect()
    }
}

/// Finds the runs of rows of one sequence.
pub(super) fn runs(rows: &[Row]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.sequence == row.sequence && run.position + run.rows == row.position => run.rows += 1,
            _ => runs.push(Run { first: index, rows: 1, sequence: row.sequence, position: row.position }),
        }
    }
    runs
}

/// Cosines and sines of each row, in turn.
pub(super) fn turns(rotation: &Rotation, rows: &[Row]) -> Vec<f32> {
    let mut turns = Vec::with_capacity(rows.len() * rotation.frequencies.len() * 2);
    for row in rows {
        for frequency in &rotation.frequencies {
            #[expect(clippy::cast_precision_loss, reason = "positions are below 2^24")]
            let (sine, cosine) = (row.position as f32 * frequency).sin_cos();
            turns.extend([cosine * rotation.magnitude, sine * rotation.magnitude]);
        }
    }
    turns
}

fn rotate(head: &mut [f32], neighbours: bool, turns: &[f32]) {
    let half = turns.len() / 2;
    for (pair, turn) in turns.chunks_exact(2).enumerate() {
        let (first, second) = if neighbours { (2 * pair, 2 * pair + 1) } else { (pair, pair + half) };
        let (x, y) = (head[first], head[second]);
        head[first] = x * turn[0] - y * turn[1];
        head[second] = x * turn[1] + y * turn[0];
    }
}

/// Rows from which on their handling is shared among threads.
const ROWS_SHARED: usize = 8;

fn each_row(data: &mut [f32], len: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if data.len() < ROWS_SHARED * len {
        data.chunks_mut(len).enumerate().for_each(|(index, row)| work(index, row));
    } else {
        data.par_chunks_mut(len).enumerate().for_each(|(index, row)| work(index, row));
    }
}

#[cfg(test)]
mod tests;
