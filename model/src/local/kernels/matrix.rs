//! Weights as the kernels want them: panels of 16 outputs, in which the same inputs of all 16 lie beside each other. They are
//! packed once, when a model is opened; the codes and scales stay those of the file, so nothing is lost.

use rayon::prelude::*;

use super::activations::Activations;
use super::blocks::{Group, Layout, read_row};
use super::{Tier, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::local::{TensorKind, TensorView};

/// Outputs of a panel: one AVX-512 register, two of AVX2.
pub(super) const LANES: usize = 16;
/// Inputs that are multiplied in one step: four 8-bit codes of each output make up a register.
pub(super) const QUAD: usize = 4;
/// Panels that one task multiplies at least, so that starting it costs little beside it.
const PANELS_MIN: usize = 4;

/// The weights of a linear layer, without its bias: so many outputs of so many inputs.
#[derive(Debug)]
pub(in crate::local) struct Matrix {
    pub(in crate::local) outputs: usize,
    pub(in crate::local) inputs: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// Floats of 4 or 2 bytes: the 16 weights of an input beside each other.
    Float {
        kind: TensorKind,
        panels: Vec<u8>,
    },
    Codes {
        layout: Layout,
        panels: Vec<u8>,
    },
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
    pub(super) codes: *const i8,
    /// One for 32 or 256 inputs.
    pub(super) scales: *const f32,
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

/// Where the parts of a chunk lie: the codes of a group of inputs, then their scales.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) subs: usize,
    pub(super) sub_mins: usize,
    pub(super) scale: usize,
    pub(super) min: usize,
    pub(super) bytes: usize,
}

impl Chunk {
    pub(super) const fn new(bits: u32, group: usize, subs: usize, has_min: bool) -> Self {
        let at = group * LANES * bits as usize / 8;
        let sub_mins = at + subs * LANES;
        let scale = sub_mins + if has_min { subs * LANES } else { 0 };
        let min = scale + 2 * LANES;
        Self { subs: at, sub_mins, scale, min, bytes: if has_min { min + 2 * LANES } else { min } }
    }

    pub(super) fn of(layout: Layout) -> Self {
        Self::new(layout.bits, layout.group(), layout.subs(), layout.has_min())
    }
}

/// Splits rows into equal tiles of at most `most`, so that none is left with one lonely row.
#[cfg(target_arch = "x86_64")]
pub(super) fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(most);
    let start = move |tile: usize| rows * tile / tiles;
    (0..tiles).map(move |tile| (start(tile), start(tile + 1) - start(tile)))
}

/// Bytes of the codes of 32 inputs.
pub(super) const fn codes_bytes(bits: u32) -> usize {
    32 * LANES * bits as usize / 8
}

impl Matrix {
    /// Packs a tensor of two dimensions.
    pub(in crate::local) fn new(tensor: &TensorView) -> Self {
        let (outputs, inputs) = (tensor.shape[0], tensor.shape[1]);
        let values = match Layout::of(tensor.kind) {
            Some(layout) => Values::Codes { layout, panels: pack_codes(tensor, layout, outputs, inputs) },
            None => Values::Float { kind: tensor.kind, panels: pack_floats(tensor, outputs, inputs) },
        };
        tensor.bytes.let_go();
        Self { outputs, inputs, values }
    }

    /// Reads the weights of one output.
    pub(in crate::local) fn row(&self, output: usize, out: &mut [f32]) {
        let (panel, lane) = (output / LANES, output % LANES);
        match &self.values {
            Values::Float { kind, panels } => {
                let size = kind.block_bytes();
                let panel = &panels[panel * self.inputs * LANES * size..];
                for (input, out) in out.iter_mut().enumerate() {
                    let at = (input * LANES + lane) * size;
                    read_row(*kind, &panel[at..at + size], std::slice::from_mut(out));
                }
            }
            Values::Codes { layout, panels } => {
                let chunk = Chunk::of(*layout);
                let per_panel = self.inputs / layout.group() * chunk.bytes;
                let panel = &panels[panel * per_panel..(panel + 1) * per_panel];
                for (bytes, out) in panel.chunks_exact(chunk.bytes).zip(out.chunks_mut(layout.group())) {
                    let group = unpack(*layout, bytes, lane);
                    out.iter_mut().enumerate().for_each(|(index, out)| *out = group.value(*layout, index));
                }
            }
        }
    }

    /// Makes what the product needs of the activations.
    pub(in crate::local) fn prepare(&self, activations: &mut Activations) {
        assert_eq!(activations.columns, self.inputs, "activations fit the weights");
        if let Values::Codes { layout, .. } = &self.values {
            activations.prepare(*layout);
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
            panels.for_each(|panel| matrix.multiply_panel(tier, job, panel));
        });
    }

    /// Holds a product against its shapes.
    fn check(&self, activations: &Activations, out: &mut Out<'_>, start: usize, end: usize) -> Checked {
        assert_eq!(activations.columns, self.inputs, "activations fit the weights");
        assert!(start + self.outputs.next_multiple_of(LANES) <= end, "rows of the result are wide enough");
        let codes = match &self.values {
            Values::Codes { layout, .. } => Some(activations.codes(*layout)),
            Values::Float { .. } => None,
        };
        Checked {
            rows: activations.rows,
            inputs: self.inputs,
            floats: activations.floats().as_ptr(),
            codes: codes.map_or(std::ptr::null(), |codes| codes.codes.as_ptr()),
            scales: codes.map_or(std::ptr::null(), |codes| codes.scales.as_ptr()),
            sums: codes.map_or(std::ptr::null(), |codes| codes.sums.as_ptr()),
            sums32: codes.map_or(std::ptr::null(), |codes| codes.sums32.as_ptr()),
            sums16: codes.map_or(std::ptr::null(), |codes| codes.sums16.as_ptr()),
            out: out.data[start..].as_mut_ptr(),
            stride: out.stride,
        }
    }

    #[expect(unsafe_code, reason = "kernels work on pointers into slices whose lengths were checked")]
    fn multiply_panel(&self, tier: Tier, mut job: Checked, panel: usize) {
        let panels = match &self.values {
            Values::Float { panels, .. } | Values::Codes { panels, .. } => panels,
        };
        let size = panels.len() / self.outputs.div_ceil(LANES);
        let bytes = &panels[panel * size..(panel + 1) * size];
        // SAFETY: `check` asserted that each row of the result has room for all panels.
        job.out = unsafe { job.out.add(panel * LANES) };
        // SAFETY: `check` and the constructors bound every access; a tier is made only where its features were detected.
        unsafe {
            match (&self.values, tier) {
                (Values::Codes { layout, .. }, Tier::Portable) => portable::codes(job, *layout, bytes),
                (Values::Float { kind, .. }, Tier::Portable) => portable::floats(job, *kind, bytes),
                #[cfg(target_arch = "x86_64")]
                (Values::Codes { layout, .. }, Tier::Avx2) => avx2::codes(job, *layout, bytes),
                #[cfg(target_arch = "x86_64")]
                (Values::Float { kind, .. }, Tier::Avx2) => avx2::floats(job, *kind, bytes),
                #[cfg(target_arch = "x86_64")]
                (Values::Codes { layout, .. }, Tier::Avx512) => avx512::codes(job, *layout, bytes),
                #[cfg(target_arch = "x86_64")]
                (Values::Float { kind, .. }, Tier::Avx512) => avx512::floats(job, *kind, bytes),
            }
        }
    }
}

fn pack_floats(tensor: &TensorView, outputs: usize, inputs: usize) -> Vec<u8> {
    let size = tensor.kind.block_bytes();
    let mut panels = vec![0; outputs.next_multiple_of(LANES) * inputs * size];
    panels.par_chunks_mut(LANES * inputs * size).enumerate().for_each(|(panel, out)| {
        for lane in 0..LANES.min(outputs - panel * LANES) {
            let row = &tensor.bytes[(panel * LANES + lane) * inputs * size..][..inputs * size];
            for (input, value) in row.chunks_exact(size).enumerate() {
                out[(input * LANES + lane) * size..][..size].copy_from_slice(value);
            }
        }
    });
    panels
}

fn pack_codes(tensor: &TensorView, layout: Layout, outputs: usize, inputs: usize) -> Vec<u8> {
    let chunk = Chunk::of(layout);
    let (groups, block) = (inputs / layout.group(), tensor.kind.block_bytes());
    let mut panels = vec![0; outputs.div_ceil(LANES) * groups * chunk.bytes];
    panels.par_chunks_mut(groups * chunk.bytes).enumerate().for_each(|(panel, out)| {
        let mut group = Group::EMPTY;
        for lane in 0..LANES.min(outputs - panel * LANES) {
            let row = &tensor.bytes[(panel * LANES + lane) * groups * block..][..groups * block];
            for (bytes, out) in row.chunks_exact(block).zip(out.chunks_exact_mut(chunk.bytes)) {
                group.read(tensor.kind, bytes);
                pack(layout, &group, lane, out);
            }
        }
    });
    panels
}

/// Where the low bits of a code lie: the byte, and how far up in it. Of 32 inputs, the first half is in the low bits of
/// four registers and the second in the high ones; wider codes have their other bits in further registers, and codes of 8
/// bits a byte each.
fn low_bits(bits: u32, input: usize, lane: usize) -> (usize, u32) {
    let (quad, at) = (input / QUAD, lane * QUAD + input % QUAD);
    match bits {
        8 => (quad * LANES * QUAD + at, 0),
        _ => (quad % 4 * LANES * QUAD + at, if quad < 4 { 0 } else { 4 }),
    }
}

/// Where the bits above the fourth lie.
fn high_bits(bits: u32, input: usize, lane: usize) -> (usize, u32) {
    let (quad, at) = (input / QUAD, lane * QUAD + input % QUAD);
    let (quad, at) = (u32::try_from(quad).unwrap_or_default(), 4 * LANES * QUAD + at);
    match bits {
        5 => (at, quad),
        _ => (at + if quad < 4 { 0 } else { LANES * QUAD }, quad % 4 * 2),
    }
}

fn pack(layout: Layout, group: &Group, lane: usize, out: &mut [u8]) {
    let chunk = Chunk::of(layout);
    let parts = group.codes[..layout.group()].chunks(32).zip(out.chunks_mut(codes_bytes(layout.bits)));
    for (codes, out) in parts {
        pack_32(layout.bits, codes, lane, out);
    }
    let pair = |sub: usize| sub / 2 * 2 * LANES + lane * 2 + sub % 2;
    for sub in 0..layout.subs() {
        out[chunk.subs + pair(sub)] = group.subs[sub].cast_unsigned();
        if layout.has_min() {
            out[chunk.sub_mins + pair(sub)] = group.sub_mins[sub];
        }
    }
    out[chunk.scale + 2 * lane..][..2].copy_from_slice(&group.scale.to_le_bytes());
    if layout.has_min() {
        out[chunk.min + 2 * lane..][..2].copy_from_slice(&group.min.to_le_bytes());
    }
}

/// Writes 32 codes to where [`low_bits`] and [`high_bits`] say, four at a time.
fn pack_32(bits: u32, codes: &[u8], lane: usize, out: &mut [u8]) {
    let (quads, _) = codes.as_chunks::<QUAD>();
    let mut put = |register: usize, quad: [u8; QUAD]| {
        out[(register * LANES + lane) * QUAD..][..QUAD].copy_from_slice(&quad);
    };
    if bits == 8 {
        quads.iter().enumerate().for_each(|(register, quad)| put(register, *quad));
        return;
    }
    for register in 0..4 {
        let (low, high) = (quads[register], quads[register + 4]);
        put(register, std::array::from_fn(|at| low[at] & 0x0f | high[at] << 4));
    }
    let high = |at: usize, quads: &[[u8; QUAD]], width: u32| {
        let all = quads.iter().rev();
        all.fold(0_u8, |all, quad| all << width | quad[at] >> 4)
    };
    match bits {
        5 => put(4, std::array::from_fn(|at| high(at, quads, 1))),
        6 => {
            put(4, std::array::from_fn(|at| high(at, &quads[..4], 2)));
            put(5, std::array::from_fn(|at| high(at, &quads[4..], 2)));
        }
        _ => {}
    }
}

/// Takes the codes and scales of one output out of a chunk again.
pub(super) fn unpack(layout: Layout, bytes: &[u8], lane: usize) -> Group {
    let chunk = Chunk::of(layout);
    let mut group = Group::EMPTY;
    for (part, codes) in group.codes[..layout.group()].chunks_mut(32).enumerate() {
        let bytes = &bytes[part * codes_bytes(layout.bits)..];
        for (input, code) in codes.iter_mut().enumerate() {
            let (at, shift) = low_bits(layout.bits, input, lane);
            *code = if layout.bits == 8 { bytes[at] } else { bytes[at] >> shift & 0x0f };
            if matches!(layout.bits, 5 | 6) {
                let (at, shift) = high_bits(layout.bits, input, lane);
                *code |= (bytes[at] >> shift & if layout.bits == 5 { 1 } else { 3 }) << 4;
            }
        }
    }
    let pair = |sub: usize| sub / 2 * 2 * LANES + lane * 2 + sub % 2;
    for sub in 0..layout.subs() {
        group.subs[sub] = bytes[chunk.subs + pair(sub)].cast_signed();
        if layout.has_min() {
            group.sub_mins[sub] = bytes[chunk.sub_mins + pair(sub)];
        }
    }
    let half = |at: usize| u16::from_le_bytes([bytes[at + 2 * lane], bytes[at + 2 * lane + 1]]);
    group.scale = half(chunk.scale);
    if layout.has_min() {
        group.min = half(chunk.min);
    }
    group
}
