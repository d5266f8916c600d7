//! Activations as the product wants them: floats, or 8-bit codes with a scale for 32 or 256 of them. The codes are those
//! that llama.cpp makes (`quantize_row_q8_0` and `quantize_row_q8_K` in ggml-quants.c), so that the same weights give the
//! same answers.

use std::slice::{Chunks, ChunksMut};

use rayon::prelude::*;

use super::Tier;
use super::blocks::Layout;
use super::bytes::BYTE_INPUTS;
use super::rows::Factors;

/// Rows of activations, quantised as far as the weights before them need it.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) rows: usize,
    pub(super) columns: usize,
    floats: Vec<f32>,
    /// With a scale for 32.
    flat: Codes,
    /// With a scale for 256.
    wide: Codes,
    /// With a scale for 64.
    bytes: ByteCodes,
}

/// Codes for weights that are bytes.
#[derive(Debug, Default)]
pub(super) struct ByteCodes {
    is_made: bool,
    /// How often 64 of them a row has, the last filled up with zeros.
    pub(super) groups: usize,
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
    /// What stands for the code 0.
    pub(super) shifts: Vec<f32>,
    /// Sums of 64 codes times what is added to the weights, below zero.
    pub(super) offsets: Vec<i32>,
}

/// Codes of rows.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// Whether they are those of the floats.
    is_made: bool,
    pub(super) codes: Vec<i8>,
    pub(super) scales: Vec<f32>,
    /// Sums of 32 codes as floats, which hold them exactly.
    pub(super) sums: Vec<f32>,
    /// Sums of 32 codes.
    pub(super) sums32: Vec<i16>,
    /// Sums of 16 codes.
    pub(super) sums16: Vec<i16>,
}

impl Activations {
    /// Gives so many rows to be written; they are quantised when a product asks for it. What they hold is what was written to
    /// rows of this shape before.
    pub fn set(&mut self, rows: usize, columns: usize) -> &mut [f32] {
        (self.rows, self.columns) = (rows, columns);
        (self.flat.is_made, self.wide.is_made, self.bytes.is_made) = (false, false, false);
        self.floats.resize(rows * columns, 0.0);
        &mut self.floats
    }

    /// Returns the rows.
    #[must_use]
    pub fn floats(&self) -> &[f32] {
        &self.floats
    }

    /// Makes the codes that weights of bytes need.
    pub(super) fn prepare_bytes(&mut self, tier: Tier) {
        if !self.bytes.is_made {
            self.bytes.fill(tier, &self.floats, self.columns);
        }
    }

    /// Returns the codes for weights of bytes, which `prepare_bytes` made before.
    pub(super) fn bytes(&self) -> &ByteCodes {
        assert!(self.bytes.is_made, "`prepare_bytes` was not called");
        &self.bytes
    }

    /// Makes the codes that weights of a layout need.
    pub(super) fn prepare(&mut self, layout: Layout) {
        let (slot, group) = match layout.group() {
            32 => (&mut self.flat, 32),
            group => (&mut self.wide, group),
        };
        if !slot.is_made {
            slot.fill(&self.floats, self.columns, group);
        }
    }

    /// Returns the codes for a layout, which `prepare` made before.
    pub(super) fn codes(&self, layout: Layout) -> &Codes {
        let codes = if layout.group() == 32 { &self.flat } else { &self.wide };
        assert!(codes.is_made, "`prepare` was not called");
        codes
    }
}

impl ByteCodes {
    fn fill(&mut self, tier: Tier, floats: &[f32], columns: usize) {
        self.is_made = true;
        self.groups = columns.div_ceil(BYTE_INPUTS);
        let groups = floats.len() / columns * self.groups;
        self.codes.resize(groups * BYTE_INPUTS, 0);
        self.scales.resize(groups, 0.0);
        self.shifts.resize(groups, 0.0);
        self.offsets.resize(groups, 0);
        let rows = floats.chunks(columns).zip(self.codes.chunks_mut(self.groups * BYTE_INPUTS));
        let factors = self.scales.chunks_mut(self.groups).zip(self.shifts.chunks_mut(self.groups));
        let factors = factors.zip(self.offsets.chunks_mut(self.groups));
        for ((floats, codes), ((scales, shifts), offsets)) in rows.zip(factors) {
            tier.to_bytes(floats, codes, Factors { scales, shifts, offsets });
        }
    }
}

impl Codes {
    fn fill(&mut self, floats: &[f32], columns: usize, group: usize) {
        self.is_made = true;
        self.codes.resize(floats.len(), 0);
        self.scales.resize(floats.len() / group, 0.0);
        self.sums.resize(floats.len() / 32, 0.0);
        self.sums32.resize(floats.len() / 32, 0);
        self.sums16.resize(floats.len() / 16, 0);
        let rows = Parts {
            floats: floats.chunks(columns),
            codes: self.codes.chunks_mut(columns),
            scales: self.scales.chunks_mut(columns / group),
            sums: self.sums.chunks_mut(columns / 32),
            sums32: self.sums32.chunks_mut(columns / 32),
            sums16: self.sums16.chunks_mut(columns / 16),
        };
        // One row is not worth a task.
        if floats.len() == columns {
            rows.for_each(|row| row.quantize(group));
        } else {
            rows.par_bridge().for_each(|row| row.quantize(group));
        }
    }
}

/// The rows of all parts, side by side.
struct Parts<'a> {
    floats: Chunks<'a, f32>,
    codes: ChunksMut<'a, i8>,
    scales: ChunksMut<'a, f32>,
    sums: ChunksMut<'a, f32>,
    sums32: ChunksMut<'a, i16>,
    sums16: ChunksMut<'a, i16>,
}

/// One row of them.
struct Part<'a> {
    floats: &'a [f32],
    codes: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
    sums32: &'a mut [i16],
    sums16: &'a mut [i16],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        Some(Part {
            floats: self.floats.next()?,
            codes: self.codes.next()?,
            scales: self.scales.next()?,
            sums: self.sums.next()?,
            sums32: self.sums32.next()?,
            sums16: self.sums16.next()?,
        })
    }
}

impl Part<'_> {
    fn quantize(self, group: usize) {
        let groups = self.floats.chunks(group).zip(self.codes.chunks_mut(group)).zip(self.scales);
        for ((floats, codes), scale) in groups {
            *scale = if group == 32 { quantize_flat(floats, codes) } else { quantize_wide(floats, codes) };
        }
        let sum = |codes: &[i8]| codes.iter().map(|code| i16::from(*code)).sum::<i16>();
        self.sums16.iter_mut().zip(self.codes.chunks(16)).for_each(|(out, codes)| *out = sum(codes));
        for ((sum, sum32), halves) in self.sums.iter_mut().zip(self.sums32).zip(self.sums16.chunks(2)) {
            *sum32 = halves[0] + halves[1];
            *sum = f32::from(*sum32);
        }
    }
}

/// Quantises 32 values; the scale is kept as a 16-bit float would be.
fn quantize_flat(floats: &[f32], codes: &mut [i8]) -> f32 {
    let most = floats.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let scale = most / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    store(floats, codes, inverse);
    half::f16::from_f32(scale).to_f32()
}

/// Quantises 256 values; the largest becomes −127, whatever its sign.
fn quantize_wide(floats: &[f32], codes: &mut [i8]) -> f32 {
    let most = floats.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    if most == 0.0 {
        codes.fill(0);
        return 0.0;
    }
    let signed = floats.iter().copied().find(|value| value.abs() == most).unwrap_or(most);
    let inverse = -127.0 / signed;
    store(floats, codes, inverse);
    1.0 / inverse
}

fn store(floats: &[f32], codes: &mut [i8], inverse: f32) {
    for (code, value) in codes.iter_mut().zip(floats) {
        #[expect(clippy::cast_possible_truncation, reason = "`inverse` brings values to −127..=127")]
        let rounded = (value * inverse).round_ties_even().min(127.0) as i8;
        *code = rounded;
    }
}
