//! The BERT encoder over packed sentences: tokens of all sentences stand one after another, without padding, and only
//! attention knows where a sentence begins. A forward pass runs on one thread, or spreads the panels of its linear
//! layers when there are too few sentences to keep all threads busy.

use lorewell_model::Result;
use rayon::prelude::*;

use super::describe::{Activation, Architecture, Pooling};
use super::kernels::{Columns, LANES, Norm, Out, Panel, Rows, Tier, padded};
use super::weights::{Linear, Table, Tensors, WORDS};

/// A block of rows this high pays for turning an int8 panel into floats once. Smaller ones convert in the kernel:
/// a query reads each weight only once or twice anyway, and the bytes are a quarter of the traffic.
const WIDEN_ROWS_MIN: usize = 48;

/// The encoder: weights and the kernels they run on.
#[derive(Debug)]
pub(super) struct Encoder {
    heads: usize,
    hidden: usize,
    activation: Activation,
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
    qkv: Linear,
    attended: Linear,
    attended_norm: OwnedNorm,
    expand: Linear,
    contract: Linear,
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
        Ok(Self {
            qkv: Linear::read_qkv(tensors, &format!("{name}.attention.self"), hidden)?,
            attended: Linear::read(tensors, &format!("{name}.attention.output.dense"), hidden, hidden)?,
            attended_norm: OwnedNorm::read(tensors, &format!("{name}.attention.output"), shape)?,
            expand: Linear::read(tensors, &format!("{name}.intermediate.dense"), hidden, inner)?,
            contract: Linear::read(tensors, &format!("{name}.output.dense"), inner, hidden)?,
            contract_norm: OwnedNorm::read(tensors, &format!("{name}.output"), shape)?,
        })
    }
}

/// The buffers of a forward pass, kept between passes: fresh pages cost more than the arithmetic of a short query.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    state: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    sums: Vec<f32>,
    attention: Attention,
    work: Work,
}

/// What a linear layer needs on the side.
#[derive(Debug, Default)]
struct Work {
    spread: bool,
    floats: Vec<f32>,
    columns: Vec<f32>,
}

/// What one head of one sentence needs.
#[derive(Debug, Default)]
struct Attention {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    head: Vec<f32>,
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
            heads: shape.num_attention_heads,
            hidden,
            activation: shape.hidden_act,
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

    /// Encodes sentences, given as token ids, and writes one unit vector for each to `out`. With `spread`, the linear
    /// layers use all threads; the numbers are the same either way.
    ///
    /// # Panics
    /// If a sentence is empty, longer than the position table, or has an id beyond the word table.
    pub(super) fn encode(&self, sentences: &[&[u32]], spread: bool, scratch: &mut Scratch, out: &mut [f32]) {
        let tokens = sentences.iter().map(|ids| ids.len()).sum::<usize>();
        scratch.work.spread = spread;
        self.embed(sentences, sized(&mut scratch.state, tokens * self.hidden));
        for layer in &self.layers {
            self.attend(layer, sentences, tokens, scratch);
            self.feed_forward(layer, tokens, scratch);
        }
        let mut start = 0;
        for (ids, vector) in sentences.iter().zip(out.chunks_exact_mut(self.hidden)) {
            let end = start + ids.len() * self.hidden;
            self.pool(&scratch.state[start..end], vector);
            start = end;
        }
    }

    fn embed(&self, sentences: &[&[u32]], state: &mut [f32]) {
        let tokens = sentences.iter().flat_map(|ids| ids.iter().enumerate());
        for ((position, id), row) in tokens.zip(state.chunks_exact_mut(self.hidden)) {
            row.fill(0.0);
            self.words.add_row(self.tier, usize::try_from(*id).expect("ids are 32 bits, as words are"), row);
            self.positions.add_row(self.tier, position, row);
            self.tier.add_norm(row, &self.kind, self.norm.get());
        }
    }

    fn attend(&self, layer: &Layer, sentences: &[&[u32]], tokens: usize, scratch: &mut Scratch) {
        let Scratch { state, qkv, context, sums, attention, work, .. } = scratch;
        self.linear(&layer.qkv, &state[..tokens * self.hidden], self.hidden, qkv, work);
        let context = sized(context, tokens * self.hidden);
        let stride = padded(3 * self.hidden);
        let mut start = 0;
        for ids in sentences {
            let end = start + ids.len();
            let rows = &qkv[start * stride..end * stride];
            for head in 0..self.heads {
                self.attend_head(
                    rows,
                    ids.len(),
                    head,
                    attention,
                    &mut context[start * self.hidden..end * self.hidden],
                );
            }
            start = end;
        }
        self.linear(&layer.attended, context, self.hidden, sums, work);
        self.add_norm(&layer.attended_norm, &mut state[..tokens * self.hidden], sums);
    }

    /// Attends with one head of one sentence. `rows` holds query, key and value of its tokens; the head's components
    /// of `context` are written. Scores and their weighted sum are products with keys and values packed as panels.
    fn attend_head(&self, rows: &[f32], tokens: usize, head: usize, work: &mut Attention, context: &mut [f32]) {
        let dims = self.hidden / self.heads;
        let stride = padded(3 * self.hidden);
        let at = |part: usize| part * self.hidden + head * dims;
        let keys = sized(&mut work.keys, padded(tokens) * dims);
        pack_keys(rows, stride, at(1), dims, keys);
        let width = padded(tokens);
        let scores = sized(&mut work.scores, tokens * width);
        for (index, keys) in keys.chunks_exact(dims * LANES).enumerate() {
            let queries = Rows { data: &rows[at(0)..], stride, count: tokens };
            let out = Out { data: &mut scores[index * LANES..], stride: width };
            self.tier.multiply(queries, Panel::plain(keys, dims), out);
        }
        let scale = 1.0 / f32::from(u16::try_from(dims).expect("heads are narrow, `Architecture::check` says")).sqrt();
        for row in scores.chunks_exact_mut(width) {
            // The columns beyond the last token must not share in the softmax.
            row[tokens..].fill(f32::MIN);
            self.tier.softmax(row, scale);
        }
        let attended = sized(&mut work.head, tokens * padded(dims));
        let values = sized(&mut work.values, tokens * LANES);
        for first in (0..dims).step_by(LANES) {
            let wide = LANES.min(dims - first);
            for (packed, row) in values.chunks_exact_mut(LANES).zip(rows.chunks_exact(stride)) {
                packed[..wide].copy_from_slice(&row[at(2) + first..][..wide]);
                packed[wide..].fill(0.0);
            }
            let shares = Rows { data: scores, stride: width, count: tokens };
            let out = Out { data: &mut attended[first..], stride: padded(dims) };
            self.tier.multiply(shares, Panel::plain(values, tokens), out);
        }
        for (context, row) in context.chunks_exact_mut(self.hidden).zip(attended.chunks_exact(padded(dims))) {
            context[head * dims..][..dims].copy_from_slice(&row[..dims]);
        }
    }

    fn feed_forward(&self, layer: &Layer, tokens: usize, scratch: &mut Scratch) {
        let Scratch { state, inner, sums, work, .. } = scratch;
        self.linear(&layer.expand, &state[..tokens * self.hidden], self.hidden, inner, work);
        let stride = padded(layer.expand.outputs);
        for row in inner[..tokens * stride].chunks_exact_mut(stride) {
            self.activate(row);
        }
        self.linear(&layer.contract, &inner[..tokens * stride], stride, sums, work);
        self.add_norm(&layer.contract_norm, &mut state[..tokens * self.hidden], sums);
    }

    fn activate(&self, row: &mut [f32]) {
        match self.activation {
            Activation::Gelu => self.tier.gelu(row),
            Activation::GeluTanh => self.tier.gelu_tanh(row),
            Activation::Relu => row.iter_mut().for_each(|value| *value = value.max(0.0)),
        }
    }

    fn add_norm(&self, norm: &OwnedNorm, state: &mut [f32], sums: &[f32]) {
        for (row, sums) in state.chunks_exact_mut(self.hidden).zip(sums.chunks_exact(padded(self.hidden))) {
            self.tier.add_norm(row, &sums[..self.hidden], norm.get());
        }
    }

    /// Applies a linear layer to rows `stride` apart. The rows of `out` are as long as the layer's whole panels.
    fn linear(&self, layer: &Linear, rows: &[f32], stride: usize, out: &mut Vec<f32>, work: &mut Work) {
        let count = rows.len() / stride;
        let rows = Rows { data: rows, stride, count };
        let width = padded(layer.outputs);
        let out = sized(out, count * width);
        if work.spread {
            return self.linear_spread(layer, rows, out, work);
        }
        for index in 0..layer.panels() {
            let mut panel = layer.panel(index);
            if let Columns::Int8 { bytes, scale } = panel.columns
                && count >= WIDEN_ROWS_MIN
            {
                let floats = sized(&mut work.floats, bytes.len());
                self.tier.widen(bytes, scale, floats);
                panel.columns = Columns::F32(floats);
            }
            self.tier.multiply(rows, panel, Out { data: &mut out[index * LANES..], stride: width });
        }
    }

    /// Gives each thread some of the panels, whose columns it writes to a block of its own.
    fn linear_spread(&self, layer: &Linear, rows: Rows<'_>, out: &mut [f32], work: &mut Work) {
        let block = rows.count * LANES;
        let columns = sized(&mut work.columns, layer.panels() * block);
        let share = layer.panels().div_ceil(rayon::current_num_threads());
        columns.par_chunks_exact_mut(block).with_min_len(share).enumerate().for_each(|(index, columns)| {
            self.tier.multiply(rows, layer.panel(index), Out { data: columns, stride: LANES });
        });
        let width = padded(layer.outputs);
        for (index, columns) in columns.chunks_exact(block).enumerate() {
            for (row, columns) in out.chunks_exact_mut(width).zip(columns.chunks_exact(LANES)) {
                row[index * LANES..][..LANES].copy_from_slice(columns);
            }
        }
    }

    fn pool(&self, states: &[f32], vector: &mut [f32]) {
        vector.copy_from_slice(&states[..self.hidden]);
        if matches!(self.pooling, Pooling::Mean) {
            for row in states[self.hidden..].chunks_exact(self.hidden) {
                for (sum, value) in vector.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        // The sum needs no division by the number of tokens: only its direction is left.
        crate::vector::normalize(vector);
    }
}

/// Packs the keys of a head: for each component, 32 tokens side by side. Missing tokens of the last panel are zero.
fn pack_keys(rows: &[f32], stride: usize, at: usize, dims: usize, packed: &mut [f32]) {
    for (panel, tokens) in packed.chunks_exact_mut(dims * LANES).zip(rows.chunks(stride * LANES)) {
        if tokens.len() < stride * LANES {
            panel.fill(0.0);
        }
        for (lane, row) in tokens.chunks_exact(stride).enumerate() {
            for (component, value) in row[at..][..dims].iter().enumerate() {
                panel[component * LANES + lane] = *value;
            }
        }
    }
}
