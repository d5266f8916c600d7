//! How codes and scales lie in panels: for a group of inputs, the codes of 16 outputs, four inputs of an output beside each
//! other, then what scales them.

use rayon::prelude::*;

use super::blocks::{Group, Layout};
use super::matrix::{LANES, QUAD};
use super::panels::Panels;
use crate::local::TensorView;

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

/// Bytes of the codes of 32 inputs.
pub(super) const fn codes_bytes(bits: u32) -> usize {
    32 * LANES * bits as usize / 8
}

pub(super) fn pack_codes(tensor: &TensorView, layout: Layout, outputs: usize, inputs: usize) -> Panels {
    let chunk = Chunk::of(layout);
    let (groups, block) = (inputs / layout.group(), tensor.kind.block_bytes());
    let mut panels = Panels::zeroed(outputs.div_ceil(LANES) * groups * chunk.bytes);
    panels.bytes_mut().par_chunks_mut(groups * chunk.bytes).enumerate().for_each(|(panel, out)| {
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
