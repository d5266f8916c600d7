//! Attention of the tokens of a text to each other, both ways, as encoders have it. Texts stand one after another, without
//! padding, and only this knows where one begins. Scores and their weighted sum are products with keys and values that are
//! packed as weights are; what one query sees depends on nothing but its text.
#![expect(unsafe_code, reason = "heads write to different columns of the same rows")]

use rayon::prelude::*;

use super::Tier;
use super::matrix::{Checked, LANES, Threads};
use crate::local::TensorKind;

/// Texts with fewer tokens are not worth a second thread: scoring them costs as much as waking it.
const SHARED_TOKENS_MIN: usize = 32;
/// Queries that are scored together: their scores stay in the nearest cache, and they are whole tiles of every tier.
const QUERIES: usize = 24;

/// So many heads of so many components each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutual {
    /// How many heads there are.
    pub heads: usize,
    /// How many components a head has.
    pub dims: usize,
}

/// The buffers of one thread, to be kept between texts.
#[derive(Debug, Default)]
pub struct MutualScratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

/// The rows of one text: queries, keys and values of all heads beside each other.
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    rows: &'a [f32],
    stride: usize,
    tokens: usize,
    out: Shared,
    out_stride: usize,
}

/// Where the first row of a text is written.
#[derive(Debug, Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: the pointer is to a slice that outlives the tasks, which write to different columns or rows.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Gives a buffer at least this length and returns exactly that much of it. What it held before is arbitrary.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Mutual {
    /// Lets the tokens of each text look at each other. Rows of `rows` hold queries, keys and values of all heads, those of
    /// `out` get what the heads saw; `lengths` are the tokens of the texts.
    ///
    /// # Panics
    /// If the rows are fewer or narrower than that.
    pub fn attend(
        self,
        tier: Tier,
        threads: Threads,
        lengths: &[usize],
        (rows, stride): (&[f32], usize),
        scratch: &mut MutualScratch,
        (out, out_stride): (&mut [f32], usize),
    ) {
        let (all, width) = (lengths.iter().sum::<usize>(), self.heads * self.dims);
        assert!(rows.len() >= all * stride && stride >= 3 * width, "there are rows for all tokens");
        assert!(out.len() >= all * out_stride && out_stride >= width, "there is room for all tokens");
        let threads = if all < SHARED_TOKENS_MIN { Threads::One } else { threads };
        let mut start = 0;
        let out = Shared(out.as_mut_ptr());
        let texts = lengths.iter().map(|tokens| {
            let rows = &rows[start * stride..][..tokens * stride];
            // SAFETY: the result has a row for each token of all texts.
            let out = Shared(unsafe { out.0.add(start * out_stride) });
            start += tokens;
            Text { rows, stride, tokens: *tokens, out, out_stride }
        });
        match threads {
            Threads::One => {
                for text in texts {
                    (0..self.heads).for_each(|head| self.attend_head(tier, text, head, scratch));
                }
            }
            Threads::All => {
                let share = self.heads.div_ceil(rayon::current_num_threads());
                for text in texts {
                    let heads = (0..self.heads).into_par_iter().with_min_len(share);
                    heads.for_each_init(MutualScratch::default, |scratch, head| {
                        self.attend_head(tier, text, head, scratch);
                    });
                }
            }
        }
    }

    fn attend_head(self, tier: Tier, text: Text<'_>, head: usize, scratch: &mut MutualScratch) {
        let (width, dims) = (self.heads * self.dims, self.dims);
        let at = |part: usize| part * width + head * dims;
        let padded = text.tokens.next_multiple_of(LANES);
        let keys = sized(&mut scratch.keys, padded * dims);
        pack_keys(text, at(1), dims, keys);
        let values = sized(&mut scratch.values, text.tokens * dims.next_multiple_of(LANES));
        pack_values(text, at(2), dims, values);
        let scores = sized(&mut scratch.scores, QUERIES * padded);
        let seen = sized(&mut scratch.out, QUERIES * dims.next_multiple_of(LANES));
        #[expect(clippy::cast_precision_loss, reason = "heads are narrow")]
        let scale = 1.0 / (dims as f32).sqrt();
        for first in (0..text.tokens).step_by(QUERIES) {
            let rows = QUERIES.min(text.tokens - first);
            let queries = &text.rows[first * text.stride + at(0)..];
            multiply(tier, (queries, text.stride), (rows, dims), keys, scores);
            for row in scores.chunks_exact_mut(padded).take(rows) {
                // The columns beyond the last token must not share in the softmax.
                row[text.tokens..].fill(f32::MIN);
                tier.softmax(row, scale);
            }
            multiply(tier, (scores, padded), (rows, text.tokens), values, seen);
            for (row, seen) in seen.chunks_exact(dims.next_multiple_of(LANES)).take(rows).enumerate() {
                // SAFETY: `attend` checked that each token has its row, and no other head writes to these columns.
                let out = unsafe {
                    let at = text.out.0.add((first + row) * text.out_stride + head * dims);
                    std::slice::from_raw_parts_mut(at, dims)
                };
                out.copy_from_slice(&seen[..dims]);
            }
        }
    }
}

/// Writes the products of some rows with packed panels.
fn multiply(
    tier: Tier,
    (floats, floats_stride): (&[f32], usize),
    (rows, inputs): (usize, usize),
    panels: &[f32],
    out: &mut [f32],
) {
    let stride = panels.len() / inputs;
    assert!(floats.len() >= (rows - 1) * floats_stride + inputs, "the rows are there");
    assert!(out.len() >= rows * stride, "the result is long enough");
    let job = Checked {
        rows,
        inputs,
        floats: floats.as_ptr(),
        floats_stride,
        out: out.as_mut_ptr(),
        stride,
        ..Checked::EMPTY
    };
    // SAFETY: the asserts bound every access; floats are four bytes each, and packed as little-endian.
    unsafe {
        let bytes = std::slice::from_raw_parts(panels.as_ptr().cast(), size_of_val(panels));
        job.floats(tier, TensorKind::F32, bytes, stride / LANES);
    }
}

/// Turns a float to how weights lie in memory.
fn little(value: f32) -> f32 {
    f32::from_bits(value.to_bits().to_le())
}

/// Packs the keys of a head: for each component, 16 tokens beside each other. Missing tokens of the last panel are zero.
fn pack_keys(text: Text<'_>, at: usize, dims: usize, packed: &mut [f32]) {
    for (panel, tokens) in packed.chunks_exact_mut(dims * LANES).zip(text.rows.chunks(text.stride * LANES)) {
        if tokens.len() < text.stride * LANES {
            panel.fill(0.0);
        }
        for (lane, row) in tokens.chunks_exact(text.stride).enumerate() {
            for (key, panel) in row[at..][..dims].iter().zip(panel.chunks_exact_mut(LANES)) {
                panel[lane] = little(*key);
            }
        }
    }
}

/// Packs the values of a head: for each token, 16 components beside each other. Missing components are zero.
fn pack_values(text: Text<'_>, at: usize, dims: usize, packed: &mut [f32]) {
    for (index, panel) in packed.chunks_exact_mut(text.tokens * LANES).enumerate() {
        let first = index * LANES;
        let wide = LANES.min(dims - first);
        for (packed, row) in panel.chunks_exact_mut(LANES).zip(text.rows.chunks_exact(text.stride)) {
            let values = &row[at + first..][..wide];
            packed[..wide].iter_mut().zip(values).for_each(|(packed, value)| *packed = little(*value));
            packed[wide..].fill(0.0);
        }
    }
}
