//! The products with weights that are floats, on every tier. Each output is summed over its inputs one after the other,
//! so its bits depend neither on the rows beside it nor on how rows are cut into tiles.
#![expect(unsafe_code, reason = "reads and writes through pointers that `Matrix::check` checked")]

use super::blocks::float;
use super::matrix::{Checked, LANES};
use crate::local::TensorKind;

/// Panels that the kernels take at once: two have twice the work for each input that is read.
pub(super) const PANELS: usize = 2;

/// Multiplies all rows with a panel of floats in plain Rust.
///
/// # Safety
/// The pointers of the job are good for its shapes, and the panel is one of a matrix of that kind with so many inputs.
pub(super) unsafe fn portable(job: Checked, kind: TensorKind, panel: &[u8]) {
    match kind {
        TensorKind::F32 => {
            // SAFETY: the caller vouches for the shapes.
            unsafe { product::<4>(job, panel, f32::from_le_bytes) }
        }
        TensorKind::F16 => {
            // SAFETY: as above.
            unsafe { product::<2>(job, panel, |bytes| float(u16::from_le_bytes(bytes))) }
        }
        _ => {
            // SAFETY: as above.
            unsafe { product::<2>(job, panel, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)) }
        }
    }
}

/// Cuts rows into tiles of 4 that share a load of weights.
///
/// # Safety
/// As [`portable`].
unsafe fn product<const SIZE: usize>(job: Checked, panel: &[u8], read: impl Fn([u8; SIZE]) -> f32 + Copy) {
    for first in (0..job.rows).step_by(4) {
        // SAFETY: the caller vouches for the shapes.
        unsafe {
            match job.rows - first {
                1 => tile::<SIZE, 1>(job, panel, first, read),
                2 => tile::<SIZE, 2>(job, panel, first, read),
                3 => tile::<SIZE, 3>(job, panel, first, read),
                _ => tile::<SIZE, 4>(job, panel, first, read),
            }
        }
    }
}

/// # Safety
/// As [`portable`]; rows `first..first + ROWS` exist.
unsafe fn tile<const SIZE: usize, const ROWS: usize>(
    job: Checked,
    panel: &[u8],
    first: usize,
    read: impl Fn([u8; SIZE]) -> f32,
) {
    let (values, _) = panel.as_chunks::<SIZE>();
    let (values, _) = values.as_chunks::<LANES>();
    let mut sums = [[0.0_f32; LANES]; ROWS];
    for (input, weights) in values.iter().take(job.inputs).enumerate() {
        let weights = weights.map(&read);
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller vouches for the shapes.
            let value = unsafe { *job.floats.add((first + row) * job.floats_stride + input) };
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe { job.out.add((first + row) * job.stride).cast::<[f32; LANES]>().write_unaligned(sums) };
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    //! Tiles of up to 6 rows: 12 sums, two registers of weights and one of inputs.

    use std::arch::x86_64::*;

    use super::super::avx2::{halves, store};
    use super::super::matrix::{Checked, LANES, tiles};
    use crate::local::TensorKind;

    const ROWS_MAX: usize = 6;

    /// Multiplies all rows with a panel.
    ///
    /// # Safety
    /// The machine has AVX2, FMA and F16C, the pointers of the job are good for its shapes, and the panel is one of a
    /// matrix of that kind with so many inputs.
    pub(in super::super) unsafe fn floats(job: Checked, kind: TensorKind, panel: &[u8]) {
        let panel = panel.as_ptr();
        for (first, count) in tiles(job.rows, ROWS_MAX) {
            // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
            unsafe {
                match kind {
                    TensorKind::F32 => by_rows!(count, ROWS, [1 2 3 4 5 6], tile::<0, ROWS>(job, panel, first)),
                    TensorKind::F16 => by_rows!(count, ROWS, [1 2 3 4 5 6], tile::<1, ROWS>(job, panel, first)),
                    _ => by_rows!(count, ROWS, [1 2 3 4 5 6], tile::<2, ROWS>(job, panel, first)),
                }
            }
        }
    }

    /// Floats of 32 bits (0), of 16 (1), or the upper half of 32 (2).
    ///
    /// # Safety
    /// As [`floats`]; rows `first..first + ROWS` exist.
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn tile<const KIND: u8, const ROWS: usize>(job: Checked, panel: *const u8, first: usize) {
        let mut totals = [[_mm256_setzero_ps(); 2]; ROWS];
        let size = if KIND == 0 { 4 } else { 2 };
        // SAFETY: the caller vouches for the shapes.
        unsafe {
            let inputs: [*const f32; ROWS] =
                std::array::from_fn(|row| job.floats.add((first + row) * job.floats_stride));
            for input in 0..job.inputs {
                let weights = [0, 1].map(|half| {
                    let at = panel.add((input * LANES + half * 8) * size);
                    match KIND {
                        0 => _mm256_loadu_ps(at.cast()),
                        1 => halves(at),
                        _ => {
                            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast()));
                            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
                        }
                    }
                });
                for row in 0..ROWS {
                    let value = _mm256_broadcast_ss(&*inputs[row].add(input));
                    totals[row][0] = _mm256_fmadd_ps(value, weights[0], totals[row][0]);
                    totals[row][1] = _mm256_fmadd_ps(value, weights[1], totals[row][1]);
                }
            }
            for half in 0..2 {
                store(job, first, half, totals.map(|totals| totals[half]));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    //! Tiles of up to 12 rows and two panels: 24 sums, two registers of weights and one of inputs.

    use std::arch::x86_64::*;

    use super::super::avx512::{halves, store};
    use super::super::matrix::{Checked, LANES, tiles};
    use super::PANELS;
    use crate::local::TensorKind;

    const ROWS_MAX: usize = 12;

    /// Calls a function that is compiled for so many rows.
    macro_rules! by_count {
        ($count:expr, $rows:ident, $call:expr) => {
            by_rows!($count, $rows, [1 2 3 4 5 6 7 8 9 10 11 12], $call)
        };
    }

    /// Multiplies all rows with one panel or two.
    ///
    /// # Safety
    /// The machine has AVX-512 F, BW and VNNI, the pointers of the job are good for its shapes, and the panels are so many
    /// of a matrix of that kind with so many inputs.
    pub(in super::super) unsafe fn floats(job: Checked, kind: TensorKind, panels: &[u8], count: usize) {
        // SAFETY: the caller vouches for the machine and the shapes.
        unsafe {
            match (kind, count) {
                (TensorKind::F32, PANELS) => rows::<0, PANELS>(job, panels.as_ptr()),
                (TensorKind::F32, _) => rows::<0, 1>(job, panels.as_ptr()),
                (TensorKind::F16, PANELS) => rows::<1, PANELS>(job, panels.as_ptr()),
                (TensorKind::F16, _) => rows::<1, 1>(job, panels.as_ptr()),
                (_, PANELS) => rows::<2, PANELS>(job, panels.as_ptr()),
                _ => rows::<2, 1>(job, panels.as_ptr()),
            }
        }
    }

    /// # Safety
    /// As [`floats`]; there are `N` panels.
    unsafe fn rows<const KIND: u8, const N: usize>(job: Checked, panels: *const u8) {
        for (first, count) in tiles(job.rows, ROWS_MAX) {
            // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
            unsafe { by_count!(count, ROWS, tile::<KIND, ROWS, N>(job, panels, first)) }
        }
    }

    /// Floats of 32 bits (0), of 16 (1), or the upper half of 32 (2).
    ///
    /// # Safety
    /// As [`floats`]; rows `first..first + ROWS` exist, and there are `N` panels.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn tile<const KIND: u8, const ROWS: usize, const N: usize>(job: Checked, panels: *const u8, first: usize) {
        let mut totals = [[_mm512_setzero_ps(); ROWS]; N];
        let size = if KIND == 0 { 4 } else { 2 };
        // SAFETY: the caller vouches for the shapes.
        unsafe {
            let inputs: [*const f32; ROWS] =
                std::array::from_fn(|row| job.floats.add((first + row) * job.floats_stride));
            for input in 0..job.inputs {
                let weights: [__m512; N] = std::array::from_fn(|panel| {
                    let at = panels.add((panel * job.inputs + input) * LANES * size);
                    match KIND {
                        0 => _mm512_loadu_ps(at.cast()),
                        1 => halves(at),
                        _ => {
                            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(at.cast()));
                            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
                        }
                    }
                });
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*inputs[row].add(input));
                    for panel in 0..N {
                        totals[panel][row] = _mm512_fmadd_ps(value, weights[panel], totals[panel][row]);
                    }
                }
            }
            for (panel, totals) in totals.into_iter().enumerate() {
                store(job, first, panel, totals);
            }
        }
    }
}
