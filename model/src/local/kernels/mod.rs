//! The arithmetic of models, decoders and encoders alike: products of activations with weights as GGUF, safetensors and our
//! own int8 store them, attention over a cache of 16-bit floats and within a text, and what works on one row at a time. Each
//! kernel is there for AVX-512 with VNNI, for AVX2, and in plain Rust; [`Tier::chosen`] says which one runs.

/// Calls a function that is compiled for so many rows.
macro_rules! by_rows {
    ($count:expr, $rows:ident, [$($number:literal)*], $call:expr) => {
        match $count {
            $($number => {
                const $rows: usize = $number;
                $call;
            })*
            _ => unreachable!("tiles are smaller"),
        }
    };
}

mod activations;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocks;
mod bytes;
mod codes;
#[cfg(test)]
mod encoder_tests;
mod floats;
mod matrix;
mod mutual;
mod panels;
mod portable;
mod rows;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;

pub use activations::Activations;
pub(super) use attention::{Attention, BLOCK_TOKENS, Heads, Stored};
pub(super) use blocks::read_row;
pub use bytes::{BYTE_INPUTS, BYTE_OUTPUTS};
pub(super) use matrix::Out;
pub use matrix::{Matrix, Threads};
pub use mutual::{Mutual, MutualScratch};
pub use rows::{Curve, Norm};

use crate::{Error, Kind, Result};

/// The environment variable that names the tier: `avx512`, `avx2` or `portable`.
pub const TIER_VARIABLE: &str = "LOREWELL_KERNELS";

/// The instruction set that the kernels run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tier {
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
    #[must_use]
    pub fn available() -> Vec<Self> {
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
    #[must_use]
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// Returns the tier that [`TIER_VARIABLE`] names, or else the fastest.
    ///
    /// # Errors
    /// `BadInput` if the machine has no tier of that name.
    pub fn chosen() -> Result<Self> {
        let wanted = std::env::var_os(TIER_VARIABLE);
        Self::choose(wanted.as_deref().map(OsStr::to_string_lossy).as_deref())
    }

    fn choose(wanted: Option<&str>) -> Result<Self> {
        let Some(wanted) = wanted.filter(|name| !name.is_empty()) else { return Ok(Self::best()) };
        Self::available().into_iter().find(|tier| tier.name() == wanted).ok_or_else(|| {
            let names: Vec<_> = Self::available().iter().map(|tier| format!("`{}`", tier.name())).collect();
            let message =
                format!("`{TIER_VARIABLE}`: this machine has no kernels `{wanted}`; it has {}", names.join(", "));
            Error::new(Kind::BadInput, message)
        })
    }

    /// Returns the name, as [`TIER_VARIABLE`] has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }
}
