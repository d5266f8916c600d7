//! The arithmetic of the encoder, in three tiers chosen at run time: AVX-512, AVX2 with FMA, and portable Rust.
//! `multiply` is the one matrix product everything is built from; `rows` holds what works on one row at a time.
//! Every output depends only on its own row and column, summed in a fixed order: how rows are batched, tiled or
//! spread over threads never changes a bit of the result.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod multiply;
mod portable;
mod rows;
#[cfg(test)]
pub(super) mod tests;

pub(super) use multiply::{Columns, GROUP, LANES, Out, Panel, Rows, padded};

/// The instruction set the kernels run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// Whatever the target guarantees.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F.
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
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                tiers.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
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

/// Compiles a function of `rows` once per tier and calls the one for this machine.
macro_rules! per_tier {
    ($tier:expr, $name:ident($($arg:ident: $kind:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn avx512($($arg: $kind),*) {
            rows::$name::<true>($($arg),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($arg: $kind),*) {
            rows::$name::<true>($($arg),*);
        }
        match $tier {
            Tier::Portable => rows::$name::<{ cfg!(target_arch = "aarch64") }>($($arg),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this tier only where the features were detected.
            Tier::Avx2 => unsafe { avx2($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; every AVX-512 machine has AVX2 and FMA.
            Tier::Avx512 => unsafe { avx512($($arg),*) },
        }
    }};
}

#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "functions compiled for detected features are unsafe to call")
)]
impl Tier {
    /// Replaces each value by its GELU, in the exact (erf) form.
    pub(super) fn gelu(self, row: &mut [f32]) {
        per_tier!(self, gelu(row: &mut [f32]));
    }

    /// Replaces each value by its GELU, in the tanh form.
    pub(super) fn gelu_tanh(self, row: &mut [f32]) {
        per_tier!(self, gelu_tanh(row: &mut [f32]));
    }

    /// Replaces each score by its share: softmax over `scale` times the row.
    pub(super) fn softmax(self, row: &mut [f32], scale: f32) {
        per_tier!(self, softmax(row: &mut [f32], scale: f32));
    }

    /// Adds `added` to the row, then brings it to mean 0 and variance 1, scaled and shifted.
    pub(super) fn add_norm(self, row: &mut [f32], added: &[f32], norm: Norm<'_>) {
        per_tier!(self, add_norm(row: &mut [f32], added: &[f32], norm: Norm<'_>));
    }

    /// Adds `scale` times a row of signed bytes to `row`.
    pub(super) fn add_scaled(self, row: &mut [f32], bytes: &[u8], scale: f32) {
        per_tier!(self, add_scaled(row: &mut [f32], bytes: &[u8], scale: f32));
    }

    /// Turns an int8 panel into floats, the same that the product makes of it.
    pub(super) fn widen(self, bytes: &[u8], scale: &[f32], floats: &mut [f32]) {
        per_tier!(self, widen(bytes: &[u8], scale: &[f32], floats: &mut [f32]));
    }
}

/// The parameters of a layer normalisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) epsilon: f32,
}
