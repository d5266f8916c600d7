//! The products of bytes with bytes, on every tier: weights of 8 bits with a scale for 64 inputs of an output, activations of
//! 8 bits with a scale and a shift for 64 of a row. Sums of 64 products are exact integers; they are scaled, shifted and added
//! up in order, so the bits of an output depend neither on the rows beside it nor on how rows are cut into tiles.
#![expect(unsafe_code, reason = "reads and writes through pointers that `Matrix::check` checked")]

use super::matrix::{Checked, LANES, QUAD};

/// Inputs that share a scale, in each output. Fewer would be closer to the source, but scales weigh too: with 64 they add
/// 6 %. With weights alone in bytes, the cosine of MiniLM's vectors to those of its source is 0.9998 on average; with
/// activations too 0.9997, where scales without shifts would leave 0.9995.
pub const BYTE_INPUTS: usize = 64;
/// Outputs that lie beside each other in what [`Matrix::from_bytes`](super::Matrix::from_bytes) reads.
pub const BYTE_OUTPUTS: usize = 32;
/// What is added to a weight, so that it is a byte without a sign.
pub(super) const OFFSET: u8 = 128;
/// Where the scales of a chunk lie: after the codes of [`BYTE_INPUTS`] inputs.
pub(super) const SCALES_AT: usize = BYTE_INPUTS * LANES;
/// Where the sums of a chunk lie: for each output, the sum of its weights, which is what a shift of 1 adds.
pub(super) const SUMS_AT: usize = SCALES_AT + 4 * LANES;
/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = SUMS_AT + 4 * LANES;

/// Rows for which plain Rust turns weights into floats once.
const PORTABLE_ROWS: usize = 32;

/// Multiplies all rows with a panel in plain Rust. Sums are of floats, which hold those of 64 products exactly: compilers turn
/// them into vectors on every machine.
///
/// # Safety
/// The pointers of the job are good for its shapes, and the panel is one of bytes with so many inputs.
pub(super) unsafe fn portable(job: Checked, panel: &[u8]) {
    for first in (0..job.rows).step_by(PORTABLE_ROWS) {
        let rows = PORTABLE_ROWS.min(job.rows - first);
        let mut totals = [[0.0_f32; LANES]; PORTABLE_ROWS];
        for (group, chunk) in panel.chunks_exact(CHUNK_BYTES).enumerate() {
            let (weights, factors) = chunk.split_at(SCALES_AT);
            let weights = to_floats(weights);
            let (scales, weight_sums) = factors.split_at(SUMS_AT - SCALES_AT);
            let (scales, weight_sums) = (read_lanes(scales), read_lanes(weight_sums));
            for (row, totals) in totals.iter_mut().enumerate().take(rows) {
                let at = (first + row) * job.groups + group;
                // SAFETY: the caller vouches for the shapes.
                let (codes, scale, shift) = unsafe {
                    let codes = &*job.codes.add(at * BYTE_INPUTS).cast::<[i8; BYTE_INPUTS]>();
                    (codes, *job.scales.add(at), *job.shifts.add(at))
                };
                let mut sums = [0.0_f32; LANES];
                for (weights, code) in weights.iter().zip(codes.map(f32::from)) {
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * code);
                }
                for lane in 0..LANES {
                    totals[lane] += sums[lane] * (scales[lane] * scale) + weight_sums[lane] * shift;
                }
            }
        }
        for (row, totals) in totals.into_iter().enumerate().take(rows) {
            // SAFETY: as above.
            unsafe { job.out.add((first + row) * job.stride).cast::<[f32; LANES]>().write_unaligned(totals) };
        }
    }
}

/// Turns the codes of a chunk into floats: for each input, those of the 16 outputs.
fn to_floats(codes: &[u8]) -> [[f32; LANES]; BYTE_INPUTS] {
    let mut floats = [[0.0; LANES]; BYTE_INPUTS];
    for (codes, floats) in codes.as_chunks::<{ QUAD * LANES }>().0.iter().zip(floats.as_chunks_mut::<QUAD>().0) {
        let (codes, _) = codes.as_chunks::<QUAD>();
        for (at, floats) in floats.iter_mut().enumerate() {
            for (float, codes) in floats.iter_mut().zip(codes) {
                // Four codes as one number, of which two shifts leave one with its sign: all of it works on vectors.
                let codes = u32::from_le_bytes(*codes) ^ u32::from_le_bytes([OFFSET; QUAD]);
                #[expect(clippy::cast_precision_loss, reason = "a code has 8 bits")]
                let code = ((codes << (24 - 8 * at)).cast_signed() >> 24) as f32;
                *float = code;
            }
        }
    }
    floats
}

fn read_lanes(bytes: &[u8]) -> [f32; LANES] {
    let (bytes, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|lane| f32::from_le_bytes(bytes[lane]))
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    //! `vpmaddubsw` multiplies without overflow when one side is the weights without their signs, and the other the inputs
    //! with them.

    use std::arch::x86_64::*;

    use super::super::avx2::store;
    use super::super::matrix::{Checked, tiles};
    use super::{BYTE_INPUTS, CHUNK_BYTES, SCALES_AT, SUMS_AT};

    /// 4 sums of integers and 4 of floats leave 8 registers for the rest.
    const ROWS_MAX: usize = 4;
    const QUADS: usize = BYTE_INPUTS / super::QUAD;

    /// Multiplies all rows with a panel.
    ///
    /// # Safety
    /// The machine has AVX2, FMA and F16C, the pointers of the job are good for its shapes, and the panel is one of bytes
    /// with so many inputs.
    pub(in super::super) unsafe fn bytes(job: Checked, panel: &[u8]) {
        for (first, count) in tiles(job.rows, ROWS_MAX) {
            for half in 0..2 {
                // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
                unsafe { by_rows!(count, ROWS, [1 2 3 4], tile::<ROWS>(job, panel.as_ptr(), first, half)) }
            }
        }
    }

    /// # Safety
    /// As [`bytes`]; rows `first..first + ROWS` exist, and `half` is 0 or 1.
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn tile<const ROWS: usize>(job: Checked, panel: *const u8, first: usize, half: usize) {
        let ones = _mm256_set1_epi16(1);
        let mut totals = [_mm256_setzero_ps(); ROWS];
        // SAFETY: the caller vouches for the shapes.
        unsafe {
            for group in 0..job.groups {
                let chunk = panel.add(group * CHUNK_BYTES);
                let at = chunk.add(half * 32);
                let rows: [usize; ROWS] = std::array::from_fn(|row| (first + row) * job.groups + group);
                let inputs = rows.map(|row| job.codes.add(row * BYTE_INPUTS).cast::<i32>());
                let mut sums = [_mm256_setzero_si256(); ROWS];
                for quad in 0..QUADS {
                    let weights = _mm256_loadu_si256(at.add(quad * 64).cast());
                    let weights = _mm256_xor_si256(weights, _mm256_set1_epi8(i8::MIN));
                    let sizes = _mm256_abs_epi8(weights);
                    for row in 0..ROWS {
                        let inputs = _mm256_set1_epi32(inputs[row].add(quad).read_unaligned());
                        let products = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(inputs, weights));
                        sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(products, ones));
                    }
                }
                let scale = _mm256_loadu_ps(chunk.add(SCALES_AT + half * 32).cast());
                let weight_sum = _mm256_loadu_ps(chunk.add(SUMS_AT + half * 32).cast());
                for row in 0..ROWS {
                    let scale = _mm256_mul_ps(scale, _mm256_broadcast_ss(&*job.scales.add(rows[row])));
                    totals[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[row]), scale, totals[row]);
                    let shift = _mm256_broadcast_ss(&*job.shifts.add(rows[row]));
                    totals[row] = _mm256_fmadd_ps(weight_sum, shift, totals[row]);
                }
            }
            store(job, first, half, totals);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    //! `vpdpbusd` adds four products to each of 16 sums. The sums begin with what the offset of the weights adds too much.

    use std::arch::x86_64::*;

    use super::super::avx512::store;
    use super::super::matrix::{Checked, tiles};
    use super::{BYTE_INPUTS, CHUNK_BYTES, SCALES_AT, SUMS_AT};

    /// With two panels, 12 sums of integers and 12 of floats leave 8 registers for the rest.
    const ROWS_MAX: usize = 6;
    const QUADS: usize = BYTE_INPUTS / super::QUAD;

    /// Multiplies all rows with one panel or two.
    ///
    /// # Safety
    /// The machine has AVX-512 F, BW and VNNI, the pointers of the job are good for its shapes, and the panels are so many
    /// of bytes with so many inputs.
    pub(in super::super) unsafe fn bytes(job: Checked, panels: &[u8], count: usize) {
        for (first, rows) in tiles(job.rows, ROWS_MAX) {
            // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
            unsafe {
                match count {
                    1 => by_rows!(rows, ROWS, [1 2 3 4 5 6], tile::<ROWS, 1>(job, panels.as_ptr(), first)),
                    _ => by_rows!(rows, ROWS, [1 2 3 4 5 6], tile::<ROWS, 2>(job, panels.as_ptr(), first)),
                }
            }
        }
    }

    /// # Safety
    /// As [`bytes`]; rows `first..first + ROWS` exist, and there are `N` panels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn tile<const ROWS: usize, const N: usize>(job: Checked, panels: *const u8, first: usize) {
        let mut totals = [[_mm512_setzero_ps(); ROWS]; N];
        // SAFETY: the caller vouches for the shapes.
        unsafe {
            for group in 0..job.groups {
                let at: [*const u8; N] =
                    std::array::from_fn(|panel| panels.add((panel * job.groups + group) * CHUNK_BYTES));
                let rows: [usize; ROWS] = std::array::from_fn(|row| (first + row) * job.groups + group);
                let inputs = rows.map(|row| job.codes.add(row * BYTE_INPUTS).cast::<i32>());
                let mut sums = [rows.map(|row| _mm512_set1_epi32(*job.offsets.add(row))); N];
                for quad in 0..QUADS {
                    let weights = at.map(|at| _mm512_loadu_si512(at.add(quad * 64).cast()));
                    for row in 0..ROWS {
                        let inputs = _mm512_set1_epi32(inputs[row].add(quad).read_unaligned());
                        for panel in 0..N {
                            sums[panel][row] = _mm512_dpbusd_epi32(sums[panel][row], weights[panel], inputs);
                        }
                    }
                }
                for panel in 0..N {
                    let scale = _mm512_loadu_ps(at[panel].add(SCALES_AT).cast());
                    let weight_sum = _mm512_loadu_ps(at[panel].add(SUMS_AT).cast());
                    for row in 0..ROWS {
                        let scale = _mm512_mul_ps(scale, _mm512_set1_ps(*job.scales.add(rows[row])));
                        let sums = _mm512_cvtepi32_ps(sums[panel][row]);
                        let total = _mm512_fmadd_ps(sums, scale, totals[panel][row]);
                        let shift = _mm512_set1_ps(*job.shifts.add(rows[row]));
                        totals[panel][row] = _mm512_fmadd_ps(weight_sum, shift, total);
                    }
                }
            }
            for (panel, totals) in totals.into_iter().enumerate() {
                store(job, first, panel, totals);
            }
        }
    }
}
