//! The arithmetic of models: products of activations with weights as GGUF and safetensors store them, attention over a
//! cache of 16-bit floats, and what works on one row at a time. Each kernel is there for AVX-512 with VNNI, for AVX2, and
//! in plain Rust; which one runs is decided once, when the program starts to use them.

mod activations;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod matrix;
mod portable;
mod rows;
#[cfg(test)]
mod tests;

pub(super) use activations::Activations;
pub(super) use attention::{Attention, BLOCK_TOKENS, Heads, Stored};
pub(super) use blocks::read_row;
pub(super) use matrix::{Matrix, Out};

/// The instruction set that the kernels run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Whatever the target guarantees.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Tier {
    /// Returns the tiers of this machine, the fastest last.
    pub(super) fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "only x86-64 has more than one tier"))]
        let mut tiers = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            if avx2 {
                tiers.push(Self::Avx2);
            }
            if avx2 && avx512 {
                tiers.push(Self::Avx512);
            }
        }
        tiers
    }

    /// Returns the fastest tier of this machine.
    pub(super) fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }
}
