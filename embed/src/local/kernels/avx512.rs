//! The product on AVX-512: tiles of up to 12 rows by 32 columns. Their 24 sums, two registers of weights and one of
//! input leave five of the 32 registers spare.
#![expect(unsafe_code, reason = "vector intrinsics over pointers that `multiply` checked")]

use std::arch::x86_64::*;

use super::multiply::{Checked, GROUP, LANES};

const ROWS_MAX: usize = 12;
const WIDTH: usize = 16;

/// Multiplies all rows.
///
/// # Safety
/// The machine has AVX-512 F, and the pointers are good for the shapes beside them.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply<const INT8: bool>(product: Checked) {
    for (start, count) in product.tiles(ROWS_MAX) {
        // SAFETY: `tiles` yields rows below `count`, at most `ROWS_MAX` at once.
        unsafe {
            match count {
                1 => tile::<1, INT8>(product, start),
                2 => tile::<2, INT8>(product, start),
                3 => tile::<3, INT8>(product, start),
                4 => tile::<4, INT8>(product, start),
                5 => tile::<5, INT8>(product, start),
                6 => tile::<6, INT8>(product, start),
                7 => tile::<7, INT8>(product, start),
                8 => tile::<8, INT8>(product, start),
                9 => tile::<9, INT8>(product, start),
                10 => tile::<10, INT8>(product, start),
                11 => tile::<11, INT8>(product, start),
                _ => tile::<12, INT8>(product, start),
            }
        }
    }
}

/// # Safety
/// As `multiply`; rows `start..start + ROWS` exist.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const ROWS: usize, const INT8: bool>(product: Checked, start: usize) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // SAFETY: every offset stays below the lengths that `Tier::multiply` asserted.
    unsafe {
        let rows: [*const f32; ROWS] = std::array::from_fn(|row| product.rows.add((start + row) * product.rows_stride));
        for group in (0..product.depth).step_by(GROUP) {
            let scale = scales::<INT8>(product.scale, group / GROUP * LANES);
            for step in group..product.depth.min(group + GROUP) {
                let weights = load::<INT8>(product.columns, step * LANES, scale);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let value = _mm512_set1_ps(*row.add(step));
                    sums[0] = _mm512_fmadd_ps(value, weights[0], sums[0]);
                    sums[1] = _mm512_fmadd_ps(value, weights[1], sums[1]);
                }
            }
        }
        for half in 0..2 {
            let bias = _mm512_loadu_ps(product.bias.add(half * WIDTH));
            for (row, sums) in sums.iter().enumerate() {
                let out = product.out.add((start + row) * product.out_stride + half * WIDTH);
                _mm512_storeu_ps(out, _mm512_add_ps(sums[half], bias));
            }
        }
    }
}

/// Reads the scales of two registers of columns, which only int8 has.
///
/// # Safety
/// With `INT8`, twice `WIDTH` scales lie at `offset`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn scales<const INT8: bool>(scale: *const f32, offset: usize) -> [__m512; 2] {
    if !INT8 {
        return [_mm512_set1_ps(1.0); 2];
    }
    // SAFETY: the caller says so; the loads need no alignment.
    unsafe { [_mm512_loadu_ps(scale.add(offset)), _mm512_loadu_ps(scale.add(offset + WIDTH))] }
}

/// Reads two registers of weights.
///
/// # Safety
/// Twice `WIDTH` values lie at `offset`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load<const INT8: bool>(columns: *const u8, offset: usize, scale: [__m512; 2]) -> [__m512; 2] {
    // SAFETY: the caller says so; the loads need no alignment.
    unsafe {
        if INT8 {
            [0, 1].map(|half| {
                let at = columns.add(offset + half * WIDTH);
                let value = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(at.cast())));
                _mm512_mul_ps(value, scale[half])
            })
        } else {
            [0, 1].map(|half| _mm512_loadu_ps(columns.cast::<f32>().add(offset + half * WIDTH)))
        }
    }
}
