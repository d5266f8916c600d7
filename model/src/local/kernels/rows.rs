//! What is done to one row at a time, in plain Rust that compilers turn into vectors; `per_tier!` compiles each function for
//! every tier. `FUSED` says whether the target multiplies and adds in one instruction, without which `mul_add` is a slow call.

use super::Tier;
use super::bytes::{BYTE_INPUTS, OFFSET};

/// Values handled together. Sums keep one partial sum per lane, so their order is the same in all tiers.
const WIDTH: usize = 16;

/// The parameters of a layer normalisation (Ba, Kiros and Hinton 2016).
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// What each component is multiplied by.
    pub weight: &'a [f32],
    /// What is added to each component.
    pub bias: &'a [f32],
    /// What is added to the variance, so that it is not 0.
    pub epsilon: f32,
}

/// What codes of bytes mean, for each 64 of a row: `code * scale + shift`.
#[derive(Debug)]
pub(super) struct Factors<'a> {
    pub(super) scales: &'a mut [f32],
    pub(super) shifts: &'a mut [f32],
    /// Sums of the codes times what is added to the weights, below zero.
    pub(super) offsets: &'a mut [i32],
}

/// A function between two linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Curve {
    /// GELU in the exact (erf) form.
    Gelu,
    /// GELU in the tanh form.
    GeluTanh,
    /// The value, or 0 where that is larger.
    Relu,
}

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

    /// Adds the bias, if there is one, and bends the sums.
    pub(super) fn finish(self, row: &mut [f32], bias: &[f32], curve: Option<Curve>) {
        per_tier!(self, finish(row: &mut [f32], bias: &[f32], curve: Option<Curve>));
    }

    /// Makes codes of a row, with factors for 64 of them.
    pub(super) fn to_bytes(self, row: &[f32], codes: &mut [i8], factors: Factors<'_>) {
        per_tier!(self, to_bytes(row: &[f32], codes: &mut [i8], factors: Factors<'_>));
    }

    /// Replaces each score by its share: softmax over `scale` times the row.
    pub(super) fn softmax(self, row: &mut [f32], scale: f32) {
        per_tier!(self, softmax(row: &mut [f32], scale: f32));
    }

    /// Adds `added` to the row, then brings it to mean 0 and variance 1, scaled and shifted.
    pub fn add_norm(self, row: &mut [f32], added: &[f32], norm: Norm<'_>) {
        per_tier!(self, add_norm(row: &mut [f32], added: &[f32], norm: Norm<'_>));
    }

    /// Adds `scale` times a row of bytes with sign.
    pub fn add_scaled(self, row: &mut [f32], bytes: &[u8], scale: f32) {
        per_tier!(self, add_scaled(row: &mut [f32], bytes: &[u8], scale: f32));
    }

    /// Adds a row.
    pub fn add(self, row: &mut [f32], added: &[f32]) {
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
fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let u = SQRT_2_OVER_PI * mul_add::<FUSED>(0.044_715 * x * x, x, x);
    x / (1.0 + exp::<FUSED>(-2.0 * u))
}

#[inline(always)]
fn gelu_gate<const FUSED: bool>(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = gelu_tanh::<FUSED>(*gate) * up;
    }
}

/// erf with an absolute error below 3e-7: Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn erf<const FUSED: bool>(x: f32) -> f32 {
    let z = x.abs();
    let t = 1.0 / mul_add::<FUSED>(0.327_591_1, z, 1.0);
    let mut p = 1.061_405_4;
    for coefficient in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        p = mul_add::<FUSED>(p, t, coefficient);
    }
    (1.0 - p * t * exp::<FUSED>(-z * z)).copysign(x)
}

#[inline(always)]
fn gelu<const FUSED: bool>(x: f32) -> f32 {
    0.5 * x * (1.0 + erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2))
}

#[inline(always)]
fn finish<const FUSED: bool>(row: &mut [f32], bias: &[f32], curve: Option<Curve>) {
    for (value, bias) in row.iter_mut().zip(bias) {
        *value += bias;
    }
    match curve {
        Some(Curve::Gelu) => map(row, gelu::<FUSED>),
        Some(Curve::GeluTanh) => map(row, gelu_tanh::<FUSED>),
        Some(Curve::Relu) => map(row, |x| larger(x, 0.0)),
        None => {}
    }
}

/// Applies a function to every value.
#[inline(always)]
fn map(row: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in row {
        *value = f(*value);
    }
}

/// Sums `f` over the row: one partial sum per lane, then the lanes in a tree.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; WIDTH];
    let (lanes, rest) = row.as_chunks::<WIDTH>();
    for lane in lanes {
        for (sum, value) in sums.iter_mut().zip(lane) {
            *sum += f(*value);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += f(*value);
    }
    tree(sums, |a, b| a + b)
}

/// The largest of `f` over the row, and no less than `least`.
#[inline(always)]
fn largest(row: &[f32], least: f32, f: impl Fn(f32) -> f32) -> f32 {
    let mut tops = [least; WIDTH];
    let (lanes, rest) = row.as_chunks::<WIDTH>();
    for lane in lanes {
        for (top, value) in tops.iter_mut().zip(lane) {
            *top = larger(f(*value), *top);
        }
    }
    for (top, value) in tops.iter_mut().zip(rest) {
        *top = larger(f(*value), *top);
    }
    tree(tops, larger)
}

/// Brings the lanes together, upper half onto lower half.
#[inline(always)]
fn tree(mut lanes: [f32; WIDTH], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = WIDTH / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = f(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// The larger value, in the one instruction that `f32::max` is not, because of how that treats NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Rounds to 8 bits between the least and the largest of 64 values. The sums that follow are exact for the shift, so a group
/// whose values lie far from zero loses nothing by it. −128 is left out, whose sign some kernels cannot turn.
#[inline(always)]
fn to_bytes<const FUSED: bool>(row: &[f32], codes: &mut [i8], factors: Factors<'_>) {
    // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const CODE_MAX: f32 = 127.0;
    let Factors { scales, shifts, offsets } = factors;
    let groups = row.chunks(BYTE_INPUTS).zip(codes.chunks_mut(BYTE_INPUTS));
    let factors = scales.iter_mut().zip(shifts).zip(offsets);
    for ((row, codes), ((scale, shift), offset)) in groups.zip(factors) {
        let top = largest(row, f32::MIN, |x| x);
        let bottom = -largest(row, f32::MIN, |x| -x);
        *scale = (top - bottom) / (2.0 * CODE_MAX);
        *shift = mul_add::<FUSED>(CODE_MAX, *scale, bottom);
        let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
        for (code, value) in codes.iter_mut().zip(row) {
            let rounded = mul_add::<FUSED>(*value - *shift, inverse, ROUND);
            *code = rounded.to_bits().to_le_bytes()[0].cast_signed();
        }
        codes[row.len()..].fill(0);
        let sum: i32 = codes.iter().map(|code| i32::from(*code)).sum();
        *offset = -i32::from(OFFSET) * sum;
    }
}

#[inline(always)]
fn softmax<const FUSED: bool>(row: &mut [f32], scale: f32) {
    let top = largest(row, f32::MIN, |x| x);
    map(row, |x| exp::<FUSED>((x - top) * scale));
    let share = 1.0 / sum(row, |x| x);
    map(row, |x| x * share);
}

#[expect(clippy::cast_precision_loss, reason = "a row is far shorter than 2^24")]
#[inline(always)]
fn add_norm<const FUSED: bool>(row: &mut [f32], added: &[f32], norm: Norm<'_>) {
    for (value, added) in row.iter_mut().zip(added) {
        *value += added;
    }
    let n = row.len() as f32;
    let mean = sum(row, |x| x) / n;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
    let scale = 1.0 / (variance + norm.epsilon).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(norm.weight).zip(norm.bias) {
        *value = mul_add::<FUSED>((*value - mean) * scale, *weight, *bias);
    }
}

#[inline(always)]
fn add_scaled<const FUSED: bool>(row: &mut [f32], bytes: &[u8], scale: f32) {
    for (value, byte) in row.iter_mut().zip(bytes) {
        *value = mul_add::<FUSED>(f32::from(byte.cast_signed()), scale, *value);
    }
}

#[inline(always)]
fn add<const FUSED: bool>(row: &mut [f32], added: &[f32]) {
    for (value, added) in row.iter_mut().zip(added) {
        *value += added;
    }
}
