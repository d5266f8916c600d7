//! The memory that packed weights lie in, and the packing of floats and bytes.

use rayon::prelude::*;

use super::bytes::{BYTE_INPUTS, BYTE_OUTPUTS, CHUNK_BYTES, OFFSET, SCALES_AT, SUMS_AT};
use super::matrix::{LANES, QUAD};

/// Bytes that begin where a line of the cache does, so that no load of a whole register takes two.
#[derive(Debug)]
pub(super) struct Panels {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Panels {
    pub(super) fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0; 64]); len.div_ceil(64)], len }
    }

    #[expect(unsafe_code, reason = "lines are seen as their bytes")]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: lines lie beside each other, have no padding, and are enough for so many bytes.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    #[expect(unsafe_code, reason = "lines are seen as their bytes")]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Packs rows of floats of so many bytes: for each input, the 16 outputs beside each other. Inputs are filled up with zeros.
pub(super) fn pack_floats(rows: &[u8], size: usize, outputs: usize, inputs: usize, padded: usize) -> Panels {
    let mut panels = Panels::zeroed(outputs.next_multiple_of(LANES) * padded * size);
    panels.bytes_mut().par_chunks_mut(LANES * padded * size).enumerate().for_each(|(panel, out)| {
        for lane in 0..LANES.min(outputs - panel * LANES) {
            let row = &rows[(panel * LANES + lane) * inputs * size..][..inputs * size];
            for (input, value) in row.chunks_exact(size).enumerate() {
                out[(input * LANES + lane) * size..][..size].copy_from_slice(value);
            }
        }
    });
    panels
}

/// Packs blocks of bytes: of 64 inputs, four codes of each of 16 outputs, then of the next four; then the
/// scales, and the sums of the weights.
pub(super) fn pack_bytes(codes: &[u8], scales: &[f32], outputs: usize, inputs: usize) -> Panels {
    let (blocks, groups) = (outputs.div_ceil(BYTE_OUTPUTS), inputs.div_ceil(BYTE_INPUTS));
    assert_eq!(codes.len(), blocks * inputs * BYTE_OUTPUTS, "all blocks have their codes");
    assert_eq!(scales.len(), blocks * groups * BYTE_OUTPUTS, "all blocks have their scales");
    let mut panels = Panels::zeroed(outputs.div_ceil(LANES) * groups * CHUNK_BYTES);
    panels.bytes_mut().par_chunks_mut(groups * CHUNK_BYTES).enumerate().for_each(|(panel, out)| {
        let (block, first) = (panel * LANES / BYTE_OUTPUTS, panel * LANES % BYTE_OUTPUTS);
        let (codes, _) = codes[block * inputs * BYTE_OUTPUTS..][..inputs * BYTE_OUTPUTS].as_chunks::<BYTE_OUTPUTS>();
        let scales = &scales[block * groups * BYTE_OUTPUTS..][..groups * BYTE_OUTPUTS];
        let groups = codes.chunks(BYTE_INPUTS).zip(scales.chunks_exact(BYTE_OUTPUTS));
        for ((codes, scales), out) in groups.zip(out.chunks_exact_mut(CHUNK_BYTES)) {
            let (packed, factors) = out.split_at_mut(SCALES_AT);
            pack_group(codes, first, packed);
            let (packed_scales, packed_sums) = factors.split_at_mut(SUMS_AT - SCALES_AT);
            let packed = packed_scales.chunks_exact_mut(4).zip(packed_sums.chunks_exact_mut(4));
            for (lane, (scale_out, sum_out)) in packed.enumerate() {
                let scale = scales[first + lane];
                let sum: i16 = codes.iter().map(|codes| i16::from(codes[first + lane].cast_signed())).sum();
                scale_out.copy_from_slice(&scale.to_le_bytes());
                sum_out.copy_from_slice(&(scale * f32::from(sum)).to_le_bytes());
            }
        }
    });
    panels
}

/// Packs the codes of up to 64 inputs; those that there are not are zero.
fn pack_group(codes: &[[u8; BYTE_OUTPUTS]], first: usize, out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<{ LANES * QUAD }>();
    for (quad, out) in out.iter_mut().enumerate() {
        let rows: [[u8; LANES]; QUAD] = std::array::from_fn(|at| {
            let row = codes.get(quad * QUAD + at).unwrap_or(&[0; BYTE_OUTPUTS]);
            std::array::from_fn(|lane| row[first + lane])
        });
        for lane in 0..LANES {
            for (at, row) in rows.iter().enumerate() {
                out[lane * QUAD + at] = row[lane] ^ OFFSET;
            }
        }
    }
}
