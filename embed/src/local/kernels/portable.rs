//! The product in plain Rust, laid out so that compilers turn the inner loop into whatever vectors the target has:
//! tiles of up to 4 rows by 16 columns.
#![expect(unsafe_code, reason = "reads and writes through pointers that `multiply` checked")]

use super::multiply::{Checked, GROUP, LANES};

const ROWS_MAX: usize = 4;
const WIDTH: usize = 16;

/// Multiplies all rows.
///
/// # Safety
/// The pointers are good for the shapes beside them.
pub(super) unsafe fn multiply<const INT8: bool>(product: Checked) {
    for column in [0, LANES / 2] {
        for (start, count) in product.tiles(ROWS_MAX) {
            // SAFETY: `tiles` yields rows below `count`, at most `ROWS_MAX` at once; both halves lie in the panel.
            unsafe {
                match count {
                    1 => tile::<1, INT8>(product, start, column),
                    2 => tile::<2, INT8>(product, start, column),
                    3 => tile::<3, INT8>(product, start, column),
                    _ => tile::<4, INT8>(product, start, column),
                }
            }
        }
    }
}

/// # Safety
/// As `multiply`; rows `start..start + ROWS` exist, and `column` starts half a panel.
unsafe fn tile<const ROWS: usize, const INT8: bool>(product: Checked, start: usize, column: usize) {
    let mut sums = [[0.0_f32; WIDTH]; ROWS];
    // SAFETY: every offset stays below the lengths that `Tier::multiply` asserted.
    unsafe {
        for step in 0..product.depth {
            let weights = load::<INT8>(&product, step, column);
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = *product.rows.add((start + row) * product.rows_stride + step);
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (lane, sum) in sums.iter().enumerate() {
                let offset = column + lane;
                *product.out.add((start + row) * product.out_stride + offset) = sum + *product.bias.add(offset);
            }
        }
    }
}

/// Reads the weights of one step for half a panel.
///
/// # Safety
/// As `multiply`; `step` is less than the depth, and `column` starts half a panel.
#[inline]
unsafe fn load<const INT8: bool>(product: &Checked, step: usize, column: usize) -> [f32; WIDTH] {
    let offset = step * LANES + column;
    // SAFETY: the caller says so; an `i8` has the size of its byte, and floats come from slices of floats.
    unsafe {
        if INT8 {
            let scale = *product.scale.add(step / GROUP * LANES + column).cast::<[f32; WIDTH]>();
            let bytes = *product.columns.add(offset).cast::<[i8; WIDTH]>();
            std::array::from_fn(|lane| f32::from(bytes[lane]) * scale[lane])
        } else {
            *product.columns.cast::<f32>().add(offset).cast::<[f32; WIDTH]>()
        }
    }
}
