//! The products of codes in plain Rust, over the same panels; also what the other tiers are held against.
#![expect(unsafe_code, reason = "reads and writes through pointers that `Matrix::check` checked")]

use super::blocks::{Layout, Scales, float};
use super::codes::{Chunk, unpack};
use super::matrix::{Checked, LANES};

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
