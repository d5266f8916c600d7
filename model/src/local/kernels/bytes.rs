//! The products of bytes with bytes, on every tier: weights of 8 bits with a scale for 64 inputs of an output, activations of
//! twice 8 bits with scales for 64 of a row. Sums of 64 products are exact integers; they are scaled and added up in order, so
//! the bits of an output depend neither on the rows beside it nor on how rows are cut into tiles.
#![expect(unsafe_code, reason = "reads and writes through pointers that `Matrix::check` checked")]

use super::matrix::{Checked, LANES, QUAD};

/// Inputs that share a scale, in each output. Fewer would be closer to the source, but scales weigh too: with 64 they add
/// 6 %, and the cosine of MiniLM to its source for a text of two words rises from 0.9990 to 0.9998.
pub const BYTE_INPUTS: usize = 64;
/// Outputs that lie beside each other in what [`Matrix::from_bytes`](super::Matrix::from_bytes) reads.
pub const BYTE_OUTPUTS: usize = 32;
/// Codes of an activation: one that rounds it, and one for what the first leaves. With one alone, a component of the bundled
/// MiniLM's vector of two words was off by 0.006, where its test allows 0.003.
pub(super) const PARTS: usize = 2;
/// What is added to a weight, so that it is a byte without a sign.
pub(super) const OFFSET: u8 = 128;
/// Where the scales of a chunk lie: after the codes of [`BYTE_INPUTS`] inputs.
pub(super) const SCALES_AT: usize = BYTE_INPUTS * LANES;
/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = SCALES_AT + 4 * LANES;

/// Multiplies all rows with a panel in plain Rust.
///
/// # Safety
/// The pointers of the job are good for its shapes, and the panel is one of bytes with so many inputs.
pub(super) unsafe fn portable(job: Checked, panel: &[u8]) {
    for row in 0..job.rows {
        let mut totals = [0.0_f32; LANES];
        let chunks = panel.chunks_exact(CHUNK_BYTES).flat_map(|chunk| [chunk; PARTS]);
        for (group, chunk) in chunks.enumerate() {
            let at = row * job.groups + group;
            // SAFETY: the caller vouches for the shapes.
            let (codes, scale) = unsafe {
                (&*job.codes.add(at * BYTE_INPUTS).cast::<[[i8; QUAD]; BYTE_INPUTS / QUAD]>(), *job.scales.add(at))
            };
            let (weights, scales) = chunk.split_at(SCALES_AT);
            let mut sums = [0_i32; LANES];
            for (weights, codes) in weights.as_chunks::<{ QUAD * LANES }>().0.iter().zip(codes) {
                for (sum, weights) in sums.iter_mut().zip(weights.as_chunks::<QUAD>().0) {
                    let pairs = weights.iter().zip(codes);
                    *sum += pairs
                        .map(|(weight, code)| i32::from((weight ^ OFFSET).cast_signed()) * i32::from(*code))
                        .sum::<i32>();
                }
            }
            for ((total, sum), weight) in totals.iter_mut().zip(sums).zip(scales.as_chunks::<4>().0) {
                #[expect(clippy::cast_precision_loss, reason = "64 products of bytes are below 2^24")]
                let sum = sum as f32;
                *total += sum * (f32::from_le_bytes(*weight) * scale);
            }
        }
        // SAFETY: as above.
        unsafe { job.out.add(row * job.stride).cast::<[f32; LANES]>().write_unaligned(totals) };
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    //! `vpmaddubsw` multiplies without overflow when one side is the weights without their signs, and the other the inputs
    //! with them.

    use std::arch::x86_64::*;

    use super::super::avx2::store;
    use super::super::matrix::{Checked, tiles};
    use super::{BYTE_INPUTS, CHUNK_BYTES, PARTS, SCALES_AT};

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
                let chunk = panel.add(group / PARTS * CHUNK_BYTES);
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
                for row in 0..ROWS {
                    let scale = _mm256_mul_ps(scale, _mm256_broadcast_ss(&*job.scales.add(rows[row])));
                    totals[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[row]), scale, totals[row]);
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
    use super::{BYTE_INPUTS, CHUNK_BYTES, PARTS, SCALES_AT};

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
                let at: [*const u8; N] = std::array::from_fn(|panel| {
                    panels.add((panel * (job.groups / PARTS) + group / PARTS) * CHUNK_BYTES)
                });
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
                    for row in 0..ROWS {
                        let scale = _mm512_mul_ps(scale, _mm512_set1_ps(*job.scales.add(rows[row])));
                        let sums = _mm512_cvtepi32_ps(sums[panel][row]);
                        totals[panel][row] = _mm512_fmadd_ps(sums, scale, totals[panel][row]);
                    }
                }
            }
            for (panel, totals) in totals.into_iter().enumerate() {
                store(job, first, panel, totals);
            }
        }
    }
}
