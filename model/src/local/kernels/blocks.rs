//! The blocks in which GGUF stores quantised rows, taken apart into codes and scales. Every kind comes down to one formula:
//! `value = scale * sub * (code - offset) + min` or `scale * sub * code - min * submin`, with a scale for 32 or 256 values
//! and, in the latter, small whole numbers for 16 or 32 of them. Layouts are those of ggml-common.h and ggml-quants.c.

use crate::local::TensorKind;

/// How the scales of a row are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scales {
    /// A scale for 32 values.
    Flat,
    /// A scale and a least value for 32 values.
    FlatMin,
    /// For 256 values a scale and a least value; both are multiplied by 8 whole numbers, one for 32 values.
    Super32,
    /// For 256 values a scale, which is multiplied by 16 whole numbers, one for 16 values.
    Super16,
    /// As `Super16`, with a least value.
    Super16Min,
}

/// How the rows of a matrix are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bits of a code.
    pub(super) bits: u32,
    pub(super) scales: Scales,
    /// What is taken from each code.
    pub(super) offset: i32,
}

impl Layout {
    /// The layout of a kind; none for floats.
    pub(super) fn of(kind: TensorKind) -> Option<Self> {
        let (bits, scales, offset) = match kind {
            TensorKind::Q4_0 => (4, Scales::Flat, 8),
            TensorKind::Q4_1 => (4, Scales::FlatMin, 0),
            TensorKind::Q5_0 => (5, Scales::Flat, 16),
            TensorKind::Q5_1 => (5, Scales::FlatMin, 0),
            TensorKind::Q8_0 => (8, Scales::Flat, 128),
            // Two and three bits are kept as four: no model that needs them is worth a kernel of its own yet.
            TensorKind::Q2K => (4, Scales::Super16Min, 0),
            TensorKind::Q3K => (4, Scales::Super16, 4),
            TensorKind::Q4K => (4, Scales::Super32, 0),
            TensorKind::Q5K => (5, Scales::Super32, 0),
            TensorKind::Q6K => (6, Scales::Super16, 32),
            TensorKind::F32 | TensorKind::F16 | TensorKind::BF16 => return None,
        };
        Some(Self { bits, scales, offset })
    }

    /// Values that share a scale.
    pub(super) fn group(self) -> usize {
        match self.scales {
            Scales::Flat | Scales::FlatMin => 32,
            Scales::Super32 | Scales::Super16 | Scales::Super16Min => 256,
        }
    }

    /// Values that share a whole number.
    pub(super) fn sub_group(self) -> usize {
        match self.scales {
            Scales::Flat | Scales::FlatMin | Scales::Super32 => 32,
            Scales::Super16 | Scales::Super16Min => 16,
        }
    }

    /// Whole numbers in a group.
    pub(super) fn subs(self) -> usize {
        match self.scales {
            Scales::Flat | Scales::FlatMin => 0,
            Scales::Super32 | Scales::Super16 | Scales::Super16Min => self.group() / self.sub_group(),
        }
    }

    pub(super) fn has_min(self) -> bool {
        matches!(self.scales, Scales::FlatMin | Scales::Super32 | Scales::Super16Min)
    }
}

/// Values of a group: 32 or 256.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) codes: [u8; 256],
    /// Bits of 16-bit floats.
    pub(super) scale: u16,
    pub(super) min: u16,
    pub(super) subs: [i8; 16],
    pub(super) sub_mins: [u8; 16],
}

impl Group {
    pub(super) const EMPTY: Self = Self { codes: [0; 256], scale: 0, min: 0, subs: [0; 16], sub_mins: [0; 16] };

    /// Takes a block apart.
    pub(super) fn read(&mut self, kind: TensorKind, block: &[u8]) {
        match kind {
            TensorKind::Q4_0 => self.flat4(block, 2),
            TensorKind::Q4_1 => self.flat4(block, 4),
            TensorKind::Q5_0 => self.flat5(block, 2),
            TensorKind::Q5_1 => self.flat5(block, 4),
            TensorKind::Q8_0 => {
                self.scale = half_at(block, 0);
                self.codes[..32].iter_mut().zip(&block[2..]).for_each(|(code, byte)| *code = byte ^ 0x80);
            }
            TensorKind::Q2K => self.q2k(block),
            TensorKind::Q3K => self.q3k(block),
            TensorKind::Q4K => self.q4k(block),
            TensorKind::Q5K => self.q5k(block),
            TensorKind::Q6K => self.q6k(block),
            TensorKind::F32 | TensorKind::F16 | TensorKind::BF16 => unreachable!("floats have no layout"),
        }
    }

    /// Returns a value.
    pub(super) fn value(&self, layout: Layout, index: usize) -> f32 {
        let (scale, min) = (float(self.scale), float(self.min));
        let code = f32::from(i16::from(self.codes[index])) - layout.offset as f32;
        let sub = index / layout.sub_group();
        match layout.scales {
            Scales::Flat => scale * code,
            Scales::FlatMin => scale * code + min,
            Scales::Super16 => scale * f32::from(self.subs[sub]) * code,
            Scales::Super32 | Scales::Super16Min => {
                scale * f32::from(self.subs[sub]) * code - min * f32::from(self.sub_mins[sub])
            }
        }
    }

    fn flat4(&mut self, block: &[u8], at: usize) {
        self.scale = half_at(block, 0);
        self.min = if at == 4 { half_at(block, 2) } else { 0 };
        for (index, byte) in block[at..at + 16].iter().enumerate() {
            self.codes[index] = byte & 0x0f;
            self.codes[index + 16] = byte >> 4;
        }
    }

    fn flat5(&mut self, block: &[u8], at: usize) {
        self.scale = half_at(block, 0);
        self.min = if at == 4 { half_at(block, 2) } else { 0 };
        let high = u32::from_le_bytes(std::array::from_fn(|index| block[at + index]));
        let bit = |index: usize| u8::from(high >> index & 1 == 1) << 4;
        for (index, byte) in block[at + 4..at + 20].iter().enumerate() {
            self.codes[index] = byte & 0x0f | bit(index);
            self.codes[index + 16] = byte >> 4 | bit(index + 16);
        }
    }

    fn q2k(&mut self, block: &[u8]) {
        (self.scale, self.min) = (half_at(block, 80), half_at(block, 82));
        for (index, byte) in block[..16].iter().enumerate() {
            self.subs[index] = (byte & 0x0f).cast_signed();
            self.sub_mins[index] = byte >> 4;
        }
        for (index, code) in self.codes.iter_mut().enumerate() {
            *code = block[16 + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3;
        }
    }

    fn q3k(&mut self, block: &[u8]) {
        self.scale = half_at(block, 108);
        let packed = &block[96..108];
        for index in 0..16 {
            let low = packed[index % 8] >> (index / 8 * 4) & 0x0f;
            let high = packed[8 + index % 4] >> (index / 4 * 2) & 3;
            self.subs[index] = (low | high << 4).cast_signed() - 32;
        }
        for (index, code) in self.codes.iter_mut().enumerate() {
            let low = block[32 + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3;
            let high = block[index % 32] >> (index / 32) & 1;
            *code = low | high << 2;
        }
    }

    /// Reads the scale, the least value and the 6-bit numbers of 4 and 5 bits.
    fn super32(&mut self, block: &[u8]) {
        (self.scale, self.min) = (half_at(block, 0), half_at(block, 2));
        let packed = &block[4..16];
        for index in 0..8 {
            let (sub, min) = match index {
                0..4 => (packed[index] & 63, packed[index + 4] & 63),
                _ => (
                    packed[index + 4] & 0x0f | packed[index - 4] >> 6 << 4,
                    packed[index + 4] >> 4 | packed[index] >> 6 << 4,
                ),
            };
            (self.subs[index], self.sub_mins[index]) = (sub.cast_signed(), min);
        }
    }

    fn q4k(&mut self, block: &[u8]) {
        self.super32(block);
        for (codes, bytes) in self.codes.chunks_exact_mut(64).zip(block[16..].chunks_exact(32)) {
            let (low, high) = codes.split_at_mut(32);
            for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
                (*low, *high) = (byte & 0x0f, byte >> 4);
            }
        }
    }

    fn q5k(&mut self, block: &[u8]) {
        self.super32(block);
        let bits = &block[16..48];
        for (part, (codes, bytes)) in self.codes.chunks_exact_mut(64).zip(block[48..].chunks_exact(32)).enumerate() {
            let (low, high) = codes.split_at_mut(32);
            for (((low, high), byte), bits) in low.iter_mut().zip(high).zip(bytes).zip(bits) {
                *low = byte & 0x0f | (bits >> (2 * part) & 1) << 4;
                *high = byte >> 4 | (bits >> (2 * part + 1) & 1) << 4;
            }
        }
    }

    fn q6k(&mut self, block: &[u8]) {
        self.scale = half_at(block, 208);
        self.subs.iter_mut().zip(&block[192..208]).for_each(|(sub, byte)| *sub = byte.cast_signed());
        for (part, codes) in self.codes.chunks_exact_mut(32).enumerate() {
            let (half, quarter) = (part / 4, part % 4);
            let low = &block[half * 64 + quarter % 2 * 32..][..32];
            let high = &block[128 + half * 32..][..32];
            for ((code, low), high) in codes.iter_mut().zip(low).zip(high) {
                *code = low >> (quarter / 2 * 4) & 0x0f | (high >> (quarter * 2) & 3) << 4;
            }
        }
    }
}

fn half_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

pub(super) fn float(half: u16) -> f32 {
    half::f16::from_bits(half).to_f32()
}

/// Reads a row of any kind as floats.
pub(in crate::local) fn read_row(kind: TensorKind, bytes: &[u8], out: &mut [f32]) {
    let two = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    match (kind, Layout::of(kind)) {
        (TensorKind::F32, _) => {
            let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        }
        (TensorKind::F16, _) => {
            out.iter_mut().zip(bytes.chunks_exact(2)).for_each(|(out, bytes)| *out = float(two(bytes)));
        }
        (TensorKind::BF16, _) => {
            let values = bytes.chunks_exact(2).map(|bytes| f32::from_bits(u32::from(two(bytes)) << 16));
            out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        }
        (_, Some(layout)) => {
            let mut group = Group::EMPTY;
            for (out, block) in out.chunks_mut(layout.group()).zip(bytes.chunks_exact(kind.block_bytes())) {
                group.read(kind, block);
                out.iter_mut().enumerate().for_each(|(index, out)| *out = group.value(layout, index));
            }
        }
        (_, None) => unreachable!("all but floats have a layout"),
    }
}
