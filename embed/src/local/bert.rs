//! The BERT encoder over packed sentences: tokens of all sentences stand one after another, without padding, and only
//! attention knows where a sentence begins. A forward pass runs on one thread, or shares the panels of its linear layers
//! and its heads among all when there are too few sentences to keep them busy.

use lorewell_model::Result;
use lorewell_model::local::kernels::{Activations, Curve, Matrix, Mutual, MutualScratch, Norm, Threads, Tier};

use super::describe::{Activation, Architecture, Pooling};
use super::weights::{Table, Tensors, WORDS};

/// The encoder: weights and the kernels they run on.
#[derive(Debug)]
pub(super) struct Encoder {
    mutual: Mutual,
    hidden: usize,
    /// Columns of a state: the hidden size, filled up as the kernels want it.
    width: usize,
    pooling: Pooling,
    words: Table,
    positions: Table,
    /// The row of the first token type, the only one a single text has.
    kind: Vec<f32>,
    norm: OwnedNorm,
    layers: Vec<Layer>,
    tier: Tier,
}

#[derive(Debug)]
struct Layer {
    qkv: Matrix,
    attended: Matrix,
    attended_norm: OwnedNorm,
    expand: Matrix,
    contract: Matrix,
    contract_norm: OwnedNorm,
}

#[derive(Debug)]
struct OwnedNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl OwnedNorm {
    fn read(tensors: &Tensors, name: &str, shape: &Architecture) -> Result<Self> {
        let read = |part| tensors.floats(&format!("{name}.LayerNorm.{part}"), &[shape.hidden_size]);
        Ok(Self { weight: read("weight")?, bias: read("bias")?, epsilon: shape.layer_norm_eps })
    }

    fn get(&self) -> Norm<'_> {
        Norm { weight: &self.weight, bias: &self.bias, epsilon: self.epsilon }
    }
}

impl Layer {
    fn read(tensors: &Tensors, index: usize, shape: &Architecture) -> Result<Self> {
        let name = format!("encoder.layer.{index}");
        let (hidden, inner) = (shape.hidden_size, shape.intermediate_size);
        let curve = match shape.hidden_act {
            Activation::Gelu => Curve::Gelu,
            Activation::GeluTanh => Curve::GeluTanh,
            Activation::Relu => Curve::Relu,
        };
        Ok(Self {
            qkv: tensors.qkv(&format!("{name}.attention.self"), hidden)?,
            attended: tensors.linear(&format!("{name}.attention.output.dense"), hidden, hidden)?,
            attended_norm: OwnedNorm::read(tensors, &format!("{name}.attention.output"), shape)?,
            expand: tensors.linear(&format!("{name}.intermediate.dense"), hidden, inner)?.curve(curve),
            contract: tensors.linear(&format!("{name}.output.dense"), inner, hidden)?,
            contract_norm: OwnedNorm::read(tensors, &format!("{name}.output"), shape)?,
        })
    }
}

/// The buffers of a forward pass, kept between passes: fresh pages cost more than the arithmetic of a short query.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    state: Activations,
    qkv: Vec<f32>,
    context: Activations,
    inner: Activations,
    sums: Vec<f32>,
    mutual: MutualScratch,
}

/// Gives a buffer at least this length and returns exactly that much of it. What it held before is arbitrary.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Encoder {
    pub(super) fn read(tensors: &Tensors, shape: &Architecture, pooling: Pooling, tier: Tier) -> Result<Self> {
        let (hidden, types) = (shape.hidden_size, shape.type_vocab_size);
        let mut kind = tensors.floats("embeddings.token_type_embeddings.weight", &[types, hidden])?;
        kind.truncate(hidden);
        let positions = "embeddings.position_embeddings.weight";
        Ok(Self {
            mutual: Mutual { heads: shape.num_attention_heads, dims: hidden / shape.num_attention_heads },
            hidden,
            width: hidden.next_multiple_of(Matrix::INPUTS),
            pooling,
            words: Table::read(tensors, WORDS, shape.vocab_size, hidden)?,
            positions: Table::read(tensors, positions, shape.max_position_embeddings, hidden)?,
            kind,
            norm: OwnedNorm::read(tensors, "embeddings", shape)?,
            layers: (0..shape.num_hidden_layers)
                .map(|index| Layer::read(tensors, index, shape))
                .collect::<Result<_>>()?,
            tier,
        })
    }

    /// Encodes sentences, given as token ids, and writes one unit vector for each to `out`. The numbers do not depend on
    /// the threads.
    ///
    /// # Panics
    /// If a sentence is empty, longer than the position table, or has an id beyond the word table.
    pub(super) fn encode(&self, sentences: &[&[u32]], threads: Threads, scratch: &mut Scratch, out: &mut [f32]) {
        let lengths: Vec<usize> = sentences.iter().map(|ids| ids.len()).collect();
        let tokens = lengths.iter().sum();
        self.embed(sentences, scratch.state.set(tokens, self.width));
        for layer in &self.layers {
            self.attend(layer, &lengths, threads, scratch);
            self.feed_forward(layer, tokens, threads, scratch);
        }
        let mut start = 0;
        for (tokens, vector) in lengths.iter().zip(out.chunks_exact_mut(self.hidden)) {
            let end = start + tokens * self.width;
            self.pool(&scratch.state.floats()[start..end], vector);
            start = end;
        }
    }

    fn embed(&self, sentences: &[&[u32]], state: &mut [f32]) {
        let tokens = sentences.iter().flat_map(|ids| ids.iter().enumerate());
        for ((position, id), row) in tokens.zip(state.chunks_exact_mut(self.width)) {
            row.fill(0.0);
            let row = &mut row[..self.hidden];
            self.words.add_row(self.tier, usize::try_from(*id).expect("ids are 32 bits, as words are"), row);
            self.positions.add_row(self.tier, position, row);
            self.tier.add_norm(row, &self.kind, self.norm.get());
        }
    }

    fn attend(&self, layer: &Layer, lengths: &[usize], threads: Threads, scratch: &mut Scratch) {
        let tokens = lengths.iter().sum::<usize>();
        let Scratch { state, qkv, context, sums, mutual, .. } = scratch;
        let stride = layer.qkv.width();
        let qkv = sized(qkv, tokens * stride);
        layer.qkv.apply(self.tier, state, threads, qkv);
        let seen = context.set(tokens, self.width);
        self.mutual.attend(self.tier, threads, lengths, (qkv, stride), mutual, (seen, self.width));
        let sums = sized(sums, tokens * self.width);
        layer.attended.apply(self.tier, context, threads, sums);
        self.add_norm(&layer.attended_norm, state.set(tokens, self.width), sums);
    }

    fn feed_forward(&self, layer: &Layer, tokens: usize, threads: Threads, scratch: &mut Scratch) {
        let Scratch { state, inner, sums, .. } = scratch;
        layer.expand.apply(self.tier, state, threads, inner.set(tokens, layer.expand.width()));
        let sums = sized(sums, tokens * self.width);
        layer.contract.apply(self.tier, inner, threads, sums);
        self.add_norm(&layer.contract_norm, state.set(tokens, self.width), sums);
    }

    fn add_norm(&self, norm: &OwnedNorm, state: &mut [f32], sums: &[f32]) {
        for (row, sums) in state.chunks_exact_mut(self.width).zip(sums.chunks_exact(self.width)) {
            self.tier.add_norm(&mut row[..self.hidden], &sums[..self.hidden], norm.get());
        }
    }

    fn pool(&self, states: &[f32], vector: &mut [f32]) {
        vector.copy_from_slice(&states[..self.hidden]);
        if matches!(self.pooling, Pooling::Mean) {
            for row in states.chunks_exact(self.width).skip(1) {
                for (sum, value) in vector.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        // The sum needs no division by the number of tokens: only its direction is left.
        crate::vector::normalize(vector);
    }
}
