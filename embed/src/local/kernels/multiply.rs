//! The matrix product of the encoder: a block of rows times one panel of [`LANES`] columns. Shapes are checked here,
//! once, so that the kernels of each tier may trust their pointers.

use super::{Tier, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Columns of a panel: two AVX-512 registers, four of AVX2, eight of NEON.
pub(in crate::local) const LANES: usize = 32;

/// Inputs that share a scale, in each column of int8. Fewer would be closer to the source, but scales weigh too: with 64
/// they add 6 %, and the cosine to the f32 model of a two-word text rises from 0.9990 to 0.9998.
pub(in crate::local) const GROUP: usize = 64;

/// Rounds a number of columns up to whole panels.
pub(in crate::local) const fn padded(columns: usize) -> usize {
    columns.next_multiple_of(LANES)
}

/// The left side: `count` rows, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) struct Rows<'a> {
    pub(in crate::local) data: &'a [f32],
    pub(in crate::local) stride: usize,
    pub(in crate::local) count: usize,
}

/// The values of a panel, `LANES` neighbours for each step of the depth.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) enum Columns<'a> {
    F32(&'a [f32]),
    /// Two's complement bytes, and for each [`GROUP`] steps of the depth the scales of the `LANES` columns.
    Int8 {
        bytes: &'a [u8],
        scale: &'a [f32],
    },
}

/// The right side: `LANES` columns, and what is added to their sums.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) struct Panel<'a> {
    pub(in crate::local) columns: Columns<'a>,
    pub(in crate::local) depth: usize,
    pub(in crate::local) bias: &'a [f32; LANES],
}

impl<'a> Panel<'a> {
    /// Makes a panel that adds nothing to its sums.
    pub(in crate::local) fn plain(values: &'a [f32], depth: usize) -> Self {
        Self { columns: Columns::F32(values), depth, bias: &[0.0; LANES] }
    }
}

/// Where the product goes: rows `stride` apart, of which `LANES` components each are written.
#[derive(Debug)]
pub(in crate::local) struct Out<'a> {
    pub(in crate::local) data: &'a mut [f32],
    pub(in crate::local) stride: usize,
}

/// A product whose shapes were checked, as the kernels see it. `columns` points to `f32` or `i8` by the kernel's kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) rows: *const f32,
    pub(super) rows_stride: usize,
    pub(super) count: usize,
    pub(super) depth: usize,
    pub(super) columns: *const u8,
    pub(super) scale: *const f32,
    pub(super) bias: *const f32,
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
}

impl Checked {
    /// Splits the rows into equal tiles of at most `rows_max`, so that no tile is left with one lonely row.
    pub(super) fn tiles(self, rows_max: usize) -> impl Iterator<Item = (usize, usize)> {
        let tiles = self.count.div_ceil(rows_max);
        let start = move |tile: usize| self.count * tile / tiles;
        (0..tiles).map(move |tile| (start(tile), start(tile + 1) - start(tile)))
    }
}

impl Tier {
    /// Writes `rows · panel` to `out`.
    ///
    /// # Panics
    /// If a slice is shorter than its shape says.
    #[expect(unsafe_code, reason = "kernels work on pointers into slices whose lengths are checked here")]
    pub(in crate::local) fn multiply(self, rows: Rows<'_>, panel: Panel<'_>, out: Out<'_>) {
        let Out { data: out, stride: out_stride } = out;
        if rows.count == 0 {
            return;
        }
        let last = rows.count - 1;
        assert!(rows.data.len() >= last * rows.stride + panel.depth, "the left side is shorter than its shape");
        assert!(out.len() >= last * out_stride + LANES, "the result is shorter than its shape");
        let (columns, len, scale, int8) = match panel.columns {
            Columns::F32(values) => (values.as_ptr().cast(), values.len(), &[][..], false),
            Columns::Int8 { bytes, scale } => (bytes.as_ptr(), bytes.len(), scale, true),
        };
        assert!(len >= panel.depth * LANES, "the panel is shorter than its depth");
        assert!(!int8 || scale.len() >= panel.depth.div_ceil(GROUP) * LANES, "the panel lacks scales");
        let checked = Checked {
            rows: rows.data.as_ptr(),
            rows_stride: rows.stride,
            count: rows.count,
            depth: panel.depth,
            columns,
            scale: scale.as_ptr(),
            bias: panel.bias.as_ptr(),
            out: out.as_mut_ptr(),
            out_stride,
        };
        // SAFETY: the asserts above bound every access; a tier is made only where its features were detected.
        unsafe {
            match (self, int8) {
                (Self::Portable, false) => portable::multiply::<false>(checked),
                (Self::Portable, true) => portable::multiply::<true>(checked),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, false) => avx2::multiply::<false>(checked),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx2, true) => avx2::multiply::<true>(checked),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, false) => avx512::multiply::<false>(checked),
                #[cfg(target_arch = "x86_64")]
                (Self::Avx512, true) => avx512::multiply::<true>(checked),
            }
        }
    }
}
