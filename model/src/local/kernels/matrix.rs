//! Weights as the kernels want them: panels of 16 outputs, in which the same inputs of all 16 lie beside each other. They are
//! packed once, when a model is opened; the codes and scales stay those of the file, so nothing is lost.

use std::ops::Range;

use rayon::prelude::*;

use super::activations::Activations;
use super::blocks::{Layout, read_row};
use super::codes::{Chunk, pack_codes, unpack};
use super::panels::{Panels, pack_bytes, pack_floats};
use super::rows::Curve;
use super::{Tier, bytes, floats, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::local::{TensorKind, TensorView};

/// Outputs of a panel: one AVX-512 register, two of AVX2.
pub(super) const LANES: usize = 16;
/// Inputs that are multiplied in one step: four 8-bit codes of each output make up a register.
pub(super) const QUAD: usize = 4;
/// Panels that one task multiplies at least, so that starting it costs little beside it.
const PANELS_MIN: usize = 4;

/// Panels that a kernel multiplies at once at most.
const PANELS_AT_ONCE: usize = floats::PANELS;

/// The weights of a linear layer, so many outputs of so many inputs, and what is done to its products where they are made.
///
/// ```
/// use lorewell_model::local::kernels::{Activations, Matrix, Threads, Tier};
///
/// let layer = Matrix::from_floats(&[1.0, 2.0, 3.0, 4.0], 2).bias(&[0.5, 0.0]);
/// let mut activations = Activations::default();
/// let row = activations.set(1, 16); // inputs are filled up to 16
/// row[..2].copy_from_slice(&[10.0, 1.0]);
/// let mut products = vec![0.0; layer.width()];
/// layer.apply(Tier::best(), &mut activations, Threads::One, &mut products);
/// assert_eq!(products[..2], [12.5, 34.0]);
/// ```
#[derive(Debug)]
pub struct Matrix {
    pub(in crate::local) outputs: usize,
    pub(in crate::local) inputs: usize,
    values: Values,
    /// One for each output of the panels, or none at all.
    bias: Vec<f32>,
    curve: Option<Curve>,
}

/// How many threads share a product. The numbers are the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Threads {
    /// The one that asks.
    One,
    /// All those of the pool that it belongs to.
    All,
}

#[derive(Debug)]
enum Values {
    /// Floats of 4 or 2 bytes: the 16 weights of an input beside each other.
    Float {
        kind: TensorKind,
        panels: Panels,
    },
    Codes {
        layout: Layout,
        panels: Panels,
    },
    /// Bytes, a scale for 64 of them.
    Bytes {
        panels: Panels,
    },
}

impl Values {
    fn panels(&self) -> &[u8] {
        match self {
            Self::Float { panels, .. } | Self::Codes { panels, .. } | Self::Bytes { panels } => panels.bytes(),
        }
    }
}

/// Where products go: rows `stride` apart.
#[derive(Debug)]
pub(in crate::local) struct Out<'a> {
    pub(in crate::local) data: &'a mut [f32],
    pub(in crate::local) stride: usize,
}

/// A product whose shapes were checked, as the kernels see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) floats: *const f32,
    pub(super) floats_stride: usize,
    pub(super) codes: *const i8,
    /// One for 32, 64 or 256 inputs.
    pub(super) scales: *const f32,
    /// How often 64 inputs there are, the last filled up with zeros.
    pub(super) groups: usize,
    /// One for 64 inputs.
    pub(super) shifts: *const f32,
    /// One for 64 inputs: what the offset of the weights adds too much, below zero.
    pub(super) offsets: *const i32,
    /// One for 32 inputs.
    pub(super) sums: *const f32,
    pub(super) sums32: *const i16,
    /// One for 16 inputs.
    pub(super) sums16: *const i16,
    pub(super) out: *mut f32,
    pub(super) stride: usize,
}

// SAFETY: the pointers are to slices that outlive the product; panels write to different columns of `out`.
#[expect(unsafe_code, reason = "tasks write to different columns of the same rows")]
unsafe impl Send for Checked {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "tasks write to different columns of the same rows")]
unsafe impl Sync for Checked {}

impl Checked {
    /// A product with nothing in it.
    pub(super) const EMPTY: Self = Self {
        rows: 0,
        inputs: 0,
        floats: std::ptr::null(),
        floats_stride: 0,
        codes: std::ptr::null(),
        scales: std::ptr::null(),
        groups: 0,
        shifts: std::ptr::null(),
        offsets: std::ptr::null(),
        sums: std::ptr::null(),
        sums32: std::ptr::null(),
        sums16: std::ptr::null(),
        out: std::ptr::null_mut(),
        stride: 0,
    };

    /// Multiplies with so many panels of floats.
    ///
    /// # Safety
    /// The pointers are good for the shapes, with room for all panels, and each panel has so many inputs.
    #[expect(unsafe_code, reason = "kernels work on pointers")]
    pub(super) unsafe fn floats(self, tier: Tier, kind: TensorKind, panels: &[u8], count: usize) {
        let size = panels.len() / count;
        for (index, panels) in panels.chunks(size * PANELS_AT_ONCE).enumerate() {
            // SAFETY: the caller vouches for that; a tier is made only where its features were detected.
            unsafe {
                let job = Self { out: self.out.add(index * PANELS_AT_ONCE * LANES), ..self };
                #[cfg(target_arch = "x86_64")]
                if tier == Tier::Avx512 {
                    floats::avx512::floats(job, kind, panels, panels.len() / size);
                    continue;
                }
                for (index, panel) in panels.chunks_exact(size).enumerate() {
                    let job = Self { out: job.out.add(index * LANES), ..job };
                    match tier {
                        #[cfg(target_arch = "x86_64")]
                        Tier::Avx2 | Tier::Avx512 => floats::avx2::floats(job, kind, panel),
                        Tier::Portable => floats::portable(job, kind, panel),
                    }
                }
            }
        }
    }

    /// Multiplies with so many panels of bytes.
    ///
    /// # Safety
    /// As [`floats`](Self::floats); there are at most [`PANELS_AT_ONCE`].
    #[expect(unsafe_code, reason = "kernels work on pointers")]
    unsafe fn bytes(self, tier: Tier, panels: &[u8], count: usize) {
        // SAFETY: the caller vouches for that; a tier is made only where its features were detected.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if tier == Tier::Avx512 {
                return bytes::avx512::bytes(self, panels, count);
            }
            for (index, panel) in panels.chunks_exact(panels.len() / count).enumerate() {
                let job = Self { out: self.out.add(index * LANES), ..self };
                match tier {
                    #[cfg(target_arch = "x86_64")]
                    Tier::Avx2 | Tier::Avx512 => bytes::avx2::bytes(job, panel),
                    Tier::Portable => bytes::portable(job, panel),
                }
            }
        }
    }

    /// Multiplies with so many panels of codes.
    ///
    /// # Safety
    /// As [`floats`](Self::floats).
    #[expect(unsafe_code, reason = "kernels work on pointers")]
    unsafe fn codes(self, tier: Tier, layout: Layout, panels: &[u8], count: usize) {
        for (index, panel) in panels.chunks_exact(panels.len() / count).enumerate() {
            // SAFETY: the caller vouches for that; a tier is made only where its features were detected.
            unsafe {
                let job = Self { out: self.out.add(index * LANES), ..self };
                match tier {
                    Tier::Portable => portable::codes(job, layout, panel),
                    #[cfg(target_arch = "x86_64")]
                    Tier::Avx2 => avx2::codes(job, layout, panel),
                    #[cfg(target_arch = "x86_64")]
                    Tier::Avx512 => avx512::codes(job, layout, panel),
                }
            }
        }
    }
}

/// Splits rows into equal tiles of at most `most`, so that none is left with one lonely row.
#[cfg(target_arch = "x86_64")]
pub(super) fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(most);
    let start = move |tile: usize| rows * tile / tiles;
    (0..tiles).map(move |tile| (start(tile), start(tile + 1) - start(tile)))
}

impl Matrix {
    /// Columns of activations are filled up with zeros to a multiple of this.
    pub const INPUTS: usize = LANES;

    fn of(values: Values, outputs: usize, inputs: usize) -> Self {
        Self { outputs, inputs, values, bias: Vec::new(), curve: None }
    }

    /// Packs a tensor of two dimensions.
    pub(in crate::local) fn new(tensor: &TensorView) -> Self {
        let (outputs, inputs) = (tensor.shape[0], tensor.shape[1]);
        let values = match Layout::of(tensor.kind) {
            Some(layout) => Values::Codes { layout, panels: pack_codes(tensor, layout, outputs, inputs) },
            None => Values::Float {
                kind: tensor.kind,
                panels: pack_floats(&tensor.bytes, tensor.kind.block_bytes(), outputs, inputs, inputs),
            },
        };
        tensor.bytes.let_go();
        Self::of(values, outputs, inputs)
    }

    /// Packs floats, one row for each output. Inputs are filled up with zeros to a multiple of [`INPUTS`](Self::INPUTS).
    ///
    /// # Panics
    /// If that is not a whole number of rows.
    #[must_use]
    pub fn from_floats(weights: &[f32], outputs: usize) -> Self {
        let inputs = weights.len() / outputs;
        assert_eq!(weights.len(), outputs * inputs, "all rows are whole");
        let padded = inputs.next_multiple_of(LANES);
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let panels = pack_floats(&bytes, 4, outputs, inputs, padded);
        Self::of(Values::Float { kind: TensorKind::F32, panels }, outputs, padded)
    }

    /// Packs bytes with sign. `codes` has them for [`BYTE_OUTPUTS`](super::BYTE_OUTPUTS) outputs, then for the next: for each
    /// input, those of the outputs beside each other. `scales` has one for [`BYTE_INPUTS`](super::BYTE_INPUTS) of the inputs in
    /// the same order. Outputs are filled up to whole blocks, and inputs with zeros to a multiple of [`INPUTS`](Self::INPUTS).
    ///
    /// # Panics
    /// If there are not so many of them.
    #[must_use]
    pub fn from_bytes(codes: &[u8], scales: &[f32], outputs: usize, inputs: usize) -> Self {
        let panels = pack_bytes(codes, scales, outputs, inputs);
        Self::of(Values::Bytes { panels }, outputs, inputs.next_multiple_of(LANES))
    }

    /// Adds one number for each output to its products.
    ///
    /// # Panics
    /// If there is not one for each.
    #[must_use]
    pub fn bias(mut self, bias: &[f32]) -> Self {
        assert_eq!(bias.len(), self.outputs, "each output has its bias");
        self.bias = bias.to_vec();
        self.bias.resize(self.outputs.next_multiple_of(LANES), 0.0);
        self
    }

    /// Bends the products, after the bias was added.
    #[must_use]
    pub fn curve(mut self, curve: Curve) -> Self {
        self.curve = Some(curve);
        self
    }

    /// How many columns a row of products takes: outputs, filled up to a multiple of 16.
    #[must_use]
    pub fn width(&self) -> usize {
        self.outputs.next_multiple_of(LANES)
    }

    /// Reads the weights of one output.
    pub(in crate::local) fn row(&self, output: usize, out: &mut [f32]) {
        let (panel, lane) = (output / LANES, output % LANES);
        match &self.values {
            Values::Float { kind, panels } => {
                let size = kind.block_bytes();
                let panel = &panels.bytes()[panel * self.inputs * LANES * size..];
                for (input, out) in out.iter_mut().enumerate() {
                    let at = (input * LANES + lane) * size;
                    read_row(*kind, &panel[at..at + size], std::slice::from_mut(out));
                }
            }
            Values::Codes { layout, panels } => {
                let chunk = Chunk::of(*layout);
                let per_panel = self.inputs / layout.group() * chunk.bytes;
                let panel = &panels.bytes()[panel * per_panel..(panel + 1) * per_panel];
                for (bytes, out) in panel.chunks_exact(chunk.bytes).zip(out.chunks_mut(layout.group())) {
                    let group = unpack(*layout, bytes, lane);
                    out.iter_mut().enumerate().for_each(|(index, out)| *out = group.value(*layout, index));
                }
            }
            Values::Bytes { .. } => unreachable!("no tensor of a decoder is of bytes"),
        }
    }

    /// Makes what the product needs of the activations.
    pub(in crate::local) fn prepare(&self, activations: &mut Activations) {
        assert_eq!(activations.columns, self.inputs, "activations fit the weights");
        if let Values::Codes { layout, .. } = &self.values {
            activations.prepare(*layout);
        }
    }

    /// Writes the products of activations to rows of [`width`](Self::width).
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn apply(&self, tier: Tier, activations: &mut Activations, threads: Threads, out: &mut [f32]) {
        self.prepare(activations);
        if let Values::Bytes { .. } = &self.values {
            activations.prepare_bytes(tier);
        }
        let stride = self.width();
        assert!(out.len() >= activations.rows * stride, "the result is long enough");
        let job = self.check(activations, &mut Out { data: out, stride }, 0, stride);
        let panels = stride / LANES;
        let all = 0..panels;
        match threads {
            Threads::One => self.multiply_panels(tier, job, all),
            Threads::All => {
                let share = panels.div_ceil(rayon::current_num_threads()).next_multiple_of(PANELS_MIN);
                let parts = all.step_by(share).map(|first| first..panels.min(first + share));
                let parts: Vec<_> = parts.collect();
                parts.into_par_iter().for_each(|part| self.multiply_panels(tier, job, part));
            }
        }
    }

    /// Writes the products of prepared activations with several matrices into the same rows, those of each from its start on.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub(in crate::local) fn multiply(
        tier: Tier,
        activations: &Activations,
        matrices: &[Self],
        starts: &[usize],
        out: &mut Out<'_>,
    ) {
        assert!(out.data.len() >= activations.rows * out.stride, "the result is long enough");
        let stride = out.stride;
        let ends = starts.iter().skip(1).chain([&stride]);
        let mut tasks = Vec::new();
        for ((matrix, start), end) in matrices.iter().zip(starts).zip(ends) {
            let job = matrix.check(activations, out, *start, *end);
            let panels = matrix.outputs.div_ceil(LANES);
            let firsts = (0..panels).step_by(PANELS_MIN);
            tasks.extend(firsts.map(|first| (matrix, job, first..panels.min(first + PANELS_MIN))));
        }
        tasks.into_par_iter().for_each(|(matrix, job, panels)| {
            matrix.multiply_panels(tier, job, panels);
        });
    }

    /// Holds a product against its shapes.
    fn check(&self, activations: &Activations, out: &mut Out<'_>, start: usize, end: usize) -> Checked {
        assert_eq!(activations.columns, self.inputs, "activations fit the weights");
        assert!(start + self.outputs.next_multiple_of(LANES) <= end, "rows of the result are wide enough");
        let codes = match &self.values {
            Values::Codes { layout, .. } => Some(activations.codes(*layout)),
            Values::Float { .. } | Values::Bytes { .. } => None,
        };
        if let Values::Bytes { .. } = &self.values {
            let codes = activations.bytes();
            return Checked {
                rows: activations.rows,
                inputs: self.inputs,
                codes: codes.codes.as_ptr(),
                scales: codes.scales.as_ptr(),
                shifts: codes.shifts.as_ptr(),
                offsets: codes.offsets.as_ptr(),
                groups: codes.groups,
                out: out.data[start..].as_mut_ptr(),
                stride: out.stride,
                ..Checked::EMPTY
            };
        }
        Checked {
            rows: activations.rows,
            inputs: self.inputs,
            floats: activations.floats().as_ptr(),
            floats_stride: activations.columns,
            codes: codes.map_or(std::ptr::null(), |codes| codes.codes.as_ptr()),
            scales: codes.map_or(std::ptr::null(), |codes| codes.scales.as_ptr()),
            sums: codes.map_or(std::ptr::null(), |codes| codes.sums.as_ptr()),
            sums32: codes.map_or(std::ptr::null(), |codes| codes.sums32.as_ptr()),
            sums16: codes.map_or(std::ptr::null(), |codes| codes.sums16.as_ptr()),
            out: out.data[start..].as_mut_ptr(),
            stride: out.stride,
            ..Checked::EMPTY
        }
    }

    /// Multiplies some panels and finishes the products while they are near.
    #[expect(unsafe_code, reason = "kernels work on pointers into slices whose lengths were checked")]
    fn multiply_panels(&self, tier: Tier, job: Checked, panels: Range<usize>) {
        let size = self.values.panels().len() / self.outputs.div_ceil(LANES);
        for first in panels.clone().step_by(PANELS_AT_ONCE) {
            let count = PANELS_AT_ONCE.min(panels.end - first);
            let bytes = &self.values.panels()[first * size..(first + count) * size];
            // SAFETY: `check` and the constructors bound every access, with room for all panels in each row of the result;
            // a tier is made only where its features were detected.
            unsafe {
                let job = Checked { out: job.out.add(first * LANES), ..job };
                match &self.values {
                    Values::Float { kind, .. } => job.floats(tier, *kind, bytes, count),
                    Values::Bytes { .. } => job.bytes(tier, bytes, count),
                    Values::Codes { layout, .. } => job.codes(tier, *layout, bytes, count),
                }
                self.finish(tier, job, first * LANES, count * LANES);
            }
        }
    }

    /// Adds the bias to some columns of the products and bends them.
    ///
    /// # Safety
    /// The result of the job has so many columns, which are those of the outputs from `first` on.
    #[expect(unsafe_code, reason = "rows of a result whose shape was checked")]
    unsafe fn finish(&self, tier: Tier, job: Checked, first: usize, columns: usize) {
        if self.bias.is_empty() && self.curve.is_none() {
            return;
        }
        let bias = if self.bias.is_empty() { &[] } else { &self.bias[first..first + columns] };
        for row in 0..job.rows {
            // SAFETY: the caller says so, and no other task writes to these columns.
            let row = unsafe { std::slice::from_raw_parts_mut(job.out.add(row * job.stride), columns) };
            tier.finish(row, bias, self.curve);
        }
    }
}
