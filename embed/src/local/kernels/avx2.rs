//! The product on AVX2 with FMA: tiles of up to 6 rows by 16 columns, half a panel. Their 12 sums, two registers of
//! weights and one of input use 15 of the 16 registers.
#![expect(unsafe_code, reason = "vector intrinsics over pointers that `multiply` checked")]

use std::arch::x86_64::*;

use super::multiply::{Checked, GROUP, LANES};

const ROWS_MAX: usize = 6;
const WIDTH: usize = 8;

/// Multiplies all rows.
///
/// # Safety
/// The machine has AVX2 and FMA, and the pointers are good for the shapes beside them.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply<const INT8: bool>(product: Checked) {
    for column in [0, LANES / 2] {
        for (start, count) in product.tiles(ROWS_MAX) {
            // SAFETY: `tiles` yields rows below `count`, at most `ROWS_MAX` at once; both halves lie in the panel.
            unsafe {
                match count {
                    1 => tile::<1, INT8>(product, start, column),
                    2 => tile::<2, INT8>(product, start, column),
                    3 => tile::<3, INT8>(product, start, column),
                    4 => tile::<4, INT8>(product, start, column),
                    5 => tile::<5, INT8>(product, start, column),
                    _ => tile::<6, INT8>(product, start, column),
                }
            }
        }
    }
}

/// # Safety
/// As `multiply`; rows `start..start + ROWS` exist, and `column` starts half a panel.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const INT8: bool>(product: Checked, start: usize, column: usize) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    // SAFETY: every offset stays below the lengths that `Tier::multiply` asserted.
    unsafe {
        let rows: [*const f32; ROWS] = std::array::from_fn(|row| product.rows.add((start + row) * product.rows_stride));
        for group in (0..product.depth).step_by(GROUP) {
            let scale = scales::<INT8>(product.scale, group / GROUP * LANES + column);
            for step in group..product.depth.min(group + GROUP) {
                let weights = load::<INT8>(product.columns, step * LANES + column, scale);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let value = _mm256_broadcast_ss(&*row.add(step));
                    sums[0] = _mm256_fmadd_ps(value, weights[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(value, weights[1], sums[1]);
                }
            }
        }
        for half in 0..2 {
            let offset = column + half * WIDTH;
            let bias = _mm256_loadu_ps(product.bias.add(offset));
            for (row, sums) in sums.iter().enumerate() {
                let out = product.out.add((start + row) * product.out_stride + offset);
                _mm256_storeu_ps(out, _mm256_add_ps(sums[half], bias));
            }
        }
    }
}

/// Reads the scales of two registers of columns, which only int8 has.
///
/// # Safety
/// With `INT8`, twice `WIDTH` scales lie at `offset`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn scales<const INT8: bool>(scale: *const f32, offset: usize) -> [__m256; 2] {
    if !INT8 {
        return [_mm256_set1_ps(1.0); 2];
    }
    // SAFETY: the caller says so; the loads need no alignment.
    unsafe { [_mm256_loadu_ps(scale.add(offset)), _mm256_loadu_ps(scale.add(offset + WIDTH))] }
}

/// Reads two registers of weights.
///
/// # Safety
/// Twice `WIDTH` values lie at `offset`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load<const INT8: bool>(columns: *const u8, offset: usize, scale: [__m256; 2]) -> [__m256; 2] {
    // SAFETY: the caller says so; the loads need no alignment.
    unsafe {
        if INT8 {
            [0, 1].map(|half| {
                let at = columns.add(offset + half * WIDTH);
                let value = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast())));
                _mm256_mul_ps(value, scale[half])
            })
        } else {
            [0, 1].map(|half| _mm256_loadu_ps(columns.cast::<f32>().add(offset + half * WIDTH)))
        }
    }
}
