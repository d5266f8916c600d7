//! Activations as the product wants them: floats, or 8-bit codes with a scale for 32 or 256 of them. The codes are those
//! that llama.cpp makes (`quantize_row_q8_0` and `quantize_row_q8_K` in ggml-quants.c), so that the same weights give the
//! same answers.

use super::blocks::Layout;

/// Rows of activations, quantised as far as the weights before them need it.
#[derive(Debug, Default)]
pub(in crate::local) struct Activations {
    pub(super) rows: usize,
    pub(super) columns: usize,
    floats: Vec<f32>,
    /// With a scale for 32.
    flat: Codes,
    /// With a scale for 256.
    wide: Codes,
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
    /// Takes rows; they are quantised when a product asks for it.
    pub(in crate::local) fn set(&mut self, rows: usize, columns: usize) -> &mut [f32] {
        (self.rows, self.columns) = (rows, columns);
        (self.flat.is_made, self.wide.is_made) = (false, false);
        self.floats.resize(rows * columns, 0.0);
        &mut self.floats
    }

    pub(super) fn floats(&self) -> &[f32] {
        &self.floats
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

impl Codes {
    fn fill(&mut self, floats: &[f32], columns: usize, group: usize) {
        self.is_made = true;
        self.codes.resize(floats.len(), 0);
        self.scales.resize(floats.len() / group, 0.0);
        self.sums.resize(floats.len() / 32, 0.0);
        self.sums32.resize(floats.len() / 32, 0);
        self.sums16.resize(floats.len() / 16, 0);
        use rayon::prelude::*;
        let rows = floats
            .par_chunks(columns)
            .zip(self.codes.par_chunks_mut(columns))
            .zip(self.scales.par_chunks_mut(columns / group))
            .zip(self.sums.par_chunks_mut(columns / 32))
            .zip(self.sums32.par_chunks_mut(columns / 32))
            .zip(self.sums16.par_chunks_mut(columns / 16));
        let quantize = |(((((floats, codes), scales), sums), sums32), sums16): (
            ((((&[f32], &mut [i8]), &mut [f32]), &mut [f32]), &mut [i16]),
            &mut [i16],
        )| {
            let groups = floats.chunks(group).zip(codes.chunks_mut(group)).zip(scales);
            for ((floats, codes), scale) in groups {
                *scale = if group == 32 { quantize_flat(floats, codes) } else { quantize_wide(floats, codes) };
            }
            let sum = |codes: &[i8]| codes.iter().map(|code| i16::from(*code)).sum::<i16>();
            sums16.iter_mut().zip(codes.chunks(16)).for_each(|(out, codes)| *out = sum(codes));
            for ((sum, sum32), halves) in sums.iter_mut().zip(sums32).zip(sums16.chunks(2)) {
                *sum32 = halves[0] + halves[1];
                *sum = f32::from(*sum32);
            }
        };
        if floats.len() == columns {
            // One row is not worth a task.
            let row =
                ((((floats, &mut self.codes[..]), &mut self.scales[..]), &mut self.sums[..]), &mut self.sums32[..]);
            return quantize((row, &mut self.sums16[..]));
        }
        rows.for_each(quantize);
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
