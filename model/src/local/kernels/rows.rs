//! What is done to one row at a time, in plain Rust that compilers turn into vectors; `per_tier!` compiles each function for
//! every tier. `FUSED` says whether the target multiplies and adds in one instruction, without which `mul_add` is a slow call.

use super::Tier;

/// Values handled together. Sums keep one partial sum per lane, so their order is the same in all tiers.
const WIDTH: usize = 16;

#[inline(always)]
fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// e^x to 2 ulp for x between -86 and 88, clamped outside: ranges and coefficients of Cephes `expf` (Moshier 1989).
#[inline(always)]
pub(super) fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, so that x - n ln 2 keeps its low bits.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-86.0, 88.0);
    let shifted = mul_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FUSED>(n, -LN_2_LOW, mul_add::<FUSED>(n, -LN_2_HIGH, x));
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = mul_add::<FUSED>(p, r, coefficient);
    }
    let mantissa = mul_add::<FUSED>(p * r, r, r) + 1.0;
    f32::from_bits(mantissa.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Compiles a function once per tier and calls the one for this machine.
macro_rules! per_tier {
    ($tier:expr, $name:ident($($arg:ident: $kind:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
        fn avx512($($arg: $kind),*) {
            $name::<true>($($arg),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2($($arg: $kind),*) {
            $name::<true>($($arg),*);
        }
        match $tier {
            Tier::Portable => $name::<{ cfg!(target_arch = "aarch64") }>($($arg),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this tier only where the features were detected.
            Tier::Avx2 => unsafe { avx2($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Tier::Avx512 => unsafe { avx512($($arg),*) },
        }
    }};
}

#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "functions compiled for detected features are unsafe to call")
)]
impl Tier {
    /// Writes the row, divided by its root mean square and multiplied by the weights (Zhang and Sennrich 2019).
    pub(in crate::local) fn rms_norm(self, row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        per_tier!(self, rms_norm(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]));
    }

    /// Replaces each gate by its SiLU times the value beside it.
    pub(in crate::local) fn silu_gate(self, gate: &mut [f32], up: &[f32]) {
        per_tier!(self, silu_gate(gate: &mut [f32], up: &[f32]));
    }

    /// Replaces each gate by its GELU, in the tanh form, times the value beside it.
    pub(in crate::local) fn gelu_gate(self, gate: &mut [f32], up: &[f32]) {
        per_tier!(self, gelu_gate(gate: &mut [f32], up: &[f32]));
    }

    /// Adds a row.
    pub(in crate::local) fn add(self, row: &mut [f32], added: &[f32]) {
        per_tier!(self, add(row: &mut [f32], added: &[f32]));
    }
}

#[inline(always)]
fn rms_norm<const FUSED: bool>(row: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    // In doubles, as the reference sums.
    let mut sums = [0.0_f64; WIDTH];
    let (lanes, rest) = row.as_chunks::<WIDTH>();
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += f64::from(value * value);
        }
    }
    let total = sums.iter().sum::<f64>() + rest.iter().map(|value| f64::from(value * value)).sum::<f64>();
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a mean of floats is a float")]
    let mean = (total / row.len() as f64) as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for ((out, value), weight) in out.iter_mut().zip(row).zip(weight) {
        *out = value * scale * weight;
    }
}

#[inline(always)]
fn silu_gate<const FUSED: bool>(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp::<FUSED>(-*gate)) * up;
    }
}

/// x · sigmoid(2u) = x/2 · (1 + tanh u), with u from Hendrycks and Gimpel 2016.
#[inline(always)]
fn gelu_gate<const FUSED: bool>(gate: &mut [f32], up: &[f32]) {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    for (gate, up) in gate.iter_mut().zip(up) {
        let u = SQRT_2_OVER_PI * mul_add::<FUSED>(0.044_715 * *gate * *gate, *gate, *gate);
        *gate = *gate / (1.0 + exp::<FUSED>(-2.0 * u)) * up;
    }
}

#[inline(always)]
fn add<const FUSED: bool>(row: &mut [f32], added: &[f32]) {
    for (value, added) in row.iter_mut().zip(added) {
        *value += added;
    }
}
