//! Every tier of every kernel against plain double-precision arithmetic, over odd sizes; and the promise that a row's
//! result does not depend on the rows around it.

use proptest::prelude::*;

use super::*;

/// Values without pattern, the same in every run.
pub(in crate::local) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from(u16::try_from(state >> 48).unwrap()) / 32768.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

struct Case {
    rows: Vec<f32>,
    stride: usize,
    depth: usize,
    floats: Vec<f32>,
    bytes: Vec<u8>,
    scale: Vec<f32>,
    bias: [f32; LANES],
}

impl Case {
    fn new(count: usize, depth: usize, gap: usize, seed: u64) -> Self {
        let floats = noise(depth * LANES, seed + 1);
        let bytes =
            noise(depth * LANES, seed + 2).iter().map(|value| (value.to_bits() >> 8).to_le_bytes()[0]).collect();
        let scale = noise(depth.div_ceil(GROUP) * LANES, seed + 3);
        let bias = noise(LANES, seed + 4).try_into().unwrap();
        Self { rows: noise(count * (depth + gap), seed), stride: depth + gap, depth, floats, bytes, scale, bias }
    }

    fn columns(&self, int8: bool) -> Columns<'_> {
        if int8 { Columns::Int8 { bytes: &self.bytes, scale: &self.scale } } else { Columns::F32(&self.floats) }
    }

    fn product(&self, tier: Tier, int8: bool, rows: std::ops::Range<usize>) -> Vec<f32> {
        let mut out = vec![f32::NAN; rows.len() * LANES];
        let panel = Panel { columns: self.columns(int8), depth: self.depth, bias: &self.bias };
        let rows = Rows { data: &self.rows[rows.start * self.stride..], stride: self.stride, count: rows.len() };
        tier.multiply(rows, panel, Out { data: &mut out, stride: LANES });
        out
    }

    fn expected(&self, int8: bool, row: usize, lane: usize) -> f64 {
        let weight = |step: usize| match self.columns(int8) {
            Columns::F32(values) => f64::from(values[step * LANES + lane]),
            Columns::Int8 { bytes, scale } => {
                f64::from(bytes[step * LANES + lane].cast_signed()) * f64::from(scale[step / GROUP * LANES + lane])
            }
        };
        let products = (0..self.depth).map(|step| f64::from(self.rows[row * self.stride + step]) * weight(step));
        products.sum::<f64>() + f64::from(self.bias[lane])
    }
}

proptest! {
    #[test]
    fn products_are_right(count in 1_usize..40, depth in 1_usize..140, gap in 0_usize..5, seed: u32, int8: bool) {
        let case = Case::new(count, depth, gap, u64::from(seed));
        let tolerance = if int8 { 127.0 * 1e-4 } else { 1e-4 };
        for tier in Tier::available() {
            let out = case.product(tier, int8, 0..count);
            for (index, found) in out.iter().enumerate() {
                let expected = case.expected(int8, index / LANES, index % LANES);
                prop_assert!((f64::from(*found) - expected).abs() < tolerance, "{tier:?} {index}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours(count in 1_usize..40, depth in 1_usize..140, seed: u32, int8: bool) {
        let case = Case::new(count, depth, 0, u64::from(seed));
        for tier in Tier::available() {
            let together = case.product(tier, int8, 0..count);
            for row in 0..count {
                let alone = case.product(tier, int8, row..row + 1);
                prop_assert_eq!(&alone, &together[row * LANES..(row + 1) * LANES]);
            }
        }
    }

    #[test]
    fn a_widened_panel_gives_the_same(depth in 1_usize..200, seed: u32) {
        let case = Case::new(3, depth, 0, u64::from(seed));
        for tier in Tier::available() {
            let mut widened = Case::new(3, depth, 0, u64::from(seed));
            tier.widen(&case.bytes, &case.scale, &mut widened.floats);
            prop_assert_eq!(widened.product(tier, false, 0..3), case.product(tier, true, 0..3));
        }
    }

    #[test]
    fn softmax_is_right(len in 1_usize..70, seed: u32, scale in 0.1_f32..9.0) {
        let row = noise(len, u64::from(seed));
        let shares: Vec<f64> = row.iter().map(|x| (f64::from(*x) * f64::from(scale)).exp()).collect();
        let total: f64 = shares.iter().sum();
        for tier in Tier::available() {
            let mut found = row.clone();
            tier.softmax(&mut found, scale);
            for (found, share) in found.iter().zip(&shares) {
                prop_assert!((f64::from(*found) - share / total).abs() < 1e-6, "{tier:?}: {found} {}", share / total);
            }
        }
    }

    #[test]
    fn norms_are_right(len in 2_usize..70, seed: u32) {
        let seed = u64::from(seed);
        let [row, added, weight, bias] = [0, 1, 2, 3].map(|offset| noise(len, seed + offset));
        let total: Vec<f64> = row.iter().zip(&added).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
        let n = f64::from(u32::try_from(len).unwrap());
        let mean = total.iter().sum::<f64>() / n;
        let variance = total.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        for tier in Tier::available() {
            let mut found = row.clone();
            tier.add_norm(&mut found, &added, Norm { weight: &weight, bias: &bias, epsilon: 1e-3 });
            for index in 0..len {
                let expected = (total[index] - mean) / (variance + 1e-3).sqrt() * f64::from(weight[index]) + f64::from(bias[index]);
                prop_assert!((f64::from(found[index]) - expected).abs() < 1e-4, "{tier:?}");
            }
        }
    }
}

/// erf by its series with positive terms (Abramowitz and Stegun 7.1.6), which converges for every argument.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
}

fn check_function(run: impl Fn(Tier, &mut [f32]), expected: impl Fn(f64) -> f64) {
    let inputs: Vec<f32> = (-1600_i16..=1600).map(|step| f32::from(step) / 200.0).collect();
    for tier in Tier::available() {
        let mut found = inputs.clone();
        run(tier, &mut found);
        for (input, found) in inputs.iter().zip(&found) {
            let expected = expected(f64::from(*input));
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{tier:?} {input}: {found} {expected}");
        }
    }
}

#[test]
fn gelu_is_right() {
    check_function(Tier::gelu, |x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)));
}

#[test]
fn gelu_tanh_is_right() {
    let u = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    check_function(Tier::gelu_tanh, |x| 0.5 * x * (1.0 + u(x).tanh()));
}

#[test]
fn extremes_stay_finite() {
    for tier in Tier::available() {
        for value in [f32::MAX, 1e4, -1e4, f32::MIN] {
            let mut row = [value, 0.0, -0.0];
            tier.softmax(&mut row, 8.0);
            assert!(row.iter().all(|value| value.is_finite()), "{tier:?} softmax {value}: {row:?}");
        }
        let mut row = [1e4, -1e4, 0.0];
        tier.gelu(&mut row);
        assert_eq!(row, [1e4, 0.0, 0.0], "{tier:?}");
    }
}

#[test]
fn bytes_widen_with_their_sign() {
    for tier in Tier::available() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut floats = vec![0.0; 256];
        tier.widen(&bytes, &[1.0; LANES], &mut floats);
        let expected: Vec<f32> = bytes.iter().map(|byte| f32::from(byte.cast_signed())).collect();
        assert_eq!(floats, expected, "{tier:?}");
        tier.add_scaled(&mut floats, &bytes, -0.5);
        assert_eq!(floats, expected.iter().map(|value| value / 2.0).collect::<Vec<_>>(), "{tier:?}");
    }
}

#[test]
#[should_panic(expected = "the panel is shorter than its depth")]
fn a_short_panel_is_refused() {
    let panel = Panel::plain(&[0.0; LANES], 2);
    Tier::best().multiply(
        Rows { data: &[0.0; 2], stride: 2, count: 1 },
        panel,
        Out { data: &mut [0.0; LANES], stride: LANES },
    );
}
