//! The products in plain Rust, over the same panels; also what the other tiers are held against.
#![expect(unsafe_code, reason = "reads and writes through pointers that `Matrix::check` checked")]

use super::blocks::{Layout, Scales, float};
use super::matrix::{Checked, Chunk, LANES, unpack};
use crate::local::TensorKind;

/// Multiplies all rows with a panel of codes.
///
/// # Safety
/// The pointers of the job are good for its shapes, and the panel is one of a matrix with that layout and so many inputs.
pub(super) unsafe fn codes(job: Checked, layout: Layout, panel: &[u8]) {
    let chunk = Chunk::of(layout);
    let (group_len, sub_len) = (layout.group(), layout.sub_group());
    for row in 0..job.rows {
        // SAFETY: the caller vouches for the shapes.
        let (codes, scales) = unsafe {
            let codes = std::slice::from_raw_parts(job.codes.add(row * job.inputs), job.inputs);
            let groups = job.inputs / group_len;
            (codes, std::slice::from_raw_parts(job.scales.add(row * groups), groups))
        };
        for lane in 0..LANES {
            let mut total = 0.0;
            let groups = panel.chunks_exact(chunk.bytes).zip(codes.chunks_exact(group_len)).zip(scales);
            for ((bytes, codes), scale) in groups {
                let group = unpack(layout, bytes, lane);
                let (mut sum, mut least) = (0_i32, 0_i32);
                for (sub, (weights, codes)) in group.codes.chunks(sub_len).zip(codes.chunks(sub_len)).enumerate() {
                    let products = weights
                        .iter()
                        .zip(codes)
                        .map(|(weight, code)| (i32::from(*weight) - layout.offset) * i32::from(*code));
                    let factor = if layout.subs() == 0 { 1 } else { i32::from(group.subs[sub]) };
                    sum += factor * products.sum::<i32>();
                    let all: i32 = codes.iter().map(|code| i32::from(*code)).sum();
                    least += all * if layout.subs() == 0 { 1 } else { i32::from(group.sub_mins[sub]) };
                }
                #[expect(clippy::cast_precision_loss, reason = "sums of 256 products of bytes and 6 bits")]
                let (sum, least) = (sum as f32, least as f32);
                total += scale * float(group.scale) * sum;
                total += match layout.scales {
                    Scales::FlatMin => scale * float(group.min) * least,
                    Scales::Super32 | Scales::Super16Min => -scale * float(group.min) * least,
                    Scales::Flat | Scales::Super16 => 0.0,
                };
            }
            // SAFETY: as above.
            unsafe { *job.out.add(row * job.stride + lane) = total };
        }
    }
}

/// Multiplies all rows with a panel of floats.
///
/// # Safety
/// As [`codes`].
pub(super) unsafe fn floats(job: Checked, kind: TensorKind, panel: &[u8]) {
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

/// # Safety
/// As [`codes`].
unsafe fn product<const SIZE: usize>(job: Checked, panel: &[u8], read: impl Fn([u8; SIZE]) -> f32) {
    let (values, _) = panel.as_chunks::<SIZE>();
    for row in 0..job.rows {
        // SAFETY: the caller vouches for the shapes.
        let inputs = unsafe { std::slice::from_raw_parts(job.floats.add(row * job.inputs), job.inputs) };
        let mut sums = [0.0_f32; LANES];
        for (input, weights) in inputs.iter().zip(values.chunks_exact(LANES)) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += input * read(*weight);
            }
        }
        for (lane, sum) in sums.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { *job.out.add(row * job.stride + lane) = sum };
        }
    }
}
