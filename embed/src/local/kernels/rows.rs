//! What is done to one row at a time, in plain Rust over [`WIDTH`] lanes. `per_tier!` compiles each function for every
//! tier; `FUSED` says whether the target multiplies and adds in one instruction, without which `mul_add` is a slow call.

use super::{GROUP, LANES, Norm};

/// Values handled together. Sums keep one partial sum per lane, so their order is the same in all tiers.
const WIDTH: usize = 16;

#[inline(always)]
fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
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

/// e^x to 2 ulp for x between -86 and 88, clamped outside: ranges and coefficients of Cephes `expf` (Moshier 1989).
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
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
pub(super) fn gelu<const FUSED: bool>(row: &mut [f32]) {
    map(row, |x| 0.5 * x * (1.0 + erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2)));
}

/// x · sigmoid(2u) = x/2 · (1 + tanh u), with u from Hendrycks and Gimpel 2016.
#[inline(always)]
pub(super) fn gelu_tanh<const FUSED: bool>(row: &mut [f32]) {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    map(row, |x| {
        let u = SQRT_2_OVER_PI * mul_add::<FUSED>(0.044_715 * x * x, x, x);
        x / (1.0 + exp::<FUSED>(-2.0 * u))
    });
}

#[inline(always)]
pub(super) fn softmax<const FUSED: bool>(row: &mut [f32], scale: f32) {
    let mut tops = [f32::MIN; WIDTH];
    let (lanes, rest) = row.as_chunks::<WIDTH>();
    for lane in lanes {
        for (top, value) in tops.iter_mut().zip(lane) {
            *top = larger(*value, *top);
        }
    }
    for (top, value) in tops.iter_mut().zip(rest) {
        *top = larger(*value, *top);
    }
    let top = tree(tops, larger);
    map(row, |x| exp::<FUSED>((x - top) * scale));
    let share = 1.0 / sum(row, |x| x);
    map(row, |x| x * share);
}

#[expect(clippy::cast_precision_loss, reason = "a row is far shorter than 2^24")]
#[inline(always)]
pub(super) fn add_norm<const FUSED: bool>(row: &mut [f32], added: &[f32], norm: Norm<'_>) {
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
pub(super) fn add_scaled<const FUSED: bool>(row: &mut [f32], bytes: &[u8], scale: f32) {
    for (value, byte) in row.iter_mut().zip(bytes) {
        *value = mul_add::<FUSED>(f32::from(byte.cast_signed()), scale, *value);
    }
}

#[inline(always)]
pub(super) fn widen<const FUSED: bool>(bytes: &[u8], scale: &[f32], floats: &mut [f32]) {
    let (scales, _) = scale.as_chunks::<LANES>();
    let (steps, _) = bytes.as_chunks::<LANES>();
    let (out, _) = floats.as_chunks_mut::<LANES>();
    for ((steps, out), scale) in steps.chunks(GROUP).zip(out.chunks_mut(GROUP)).zip(scales) {
        for (step, out) in steps.iter().zip(out) {
            for lane in 0..LANES {
                out[lane] = f32::from(step[lane].cast_signed()) * scale[lane];
            }
        }
    }
}
