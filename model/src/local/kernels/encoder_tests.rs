//! The kernels of encoders held against their definitions in doubles, on every tier of the machine and over odd shapes; and
//! the promise that a row's result does not depend on the rows around it.

use proptest::prelude::*;

use super::rows::{Curve, Factors};
use super::tests::Noise;
use super::*;

fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut noise = Noise(seed);
    (0..len).map(|_| noise.float()).collect()
}

/// A layer, its weights as floats, and the rows before it.
struct Case {
    matrix: Matrix,
    weights: Vec<Vec<f32>>,
    bias: Vec<f32>,
    rows: Vec<Vec<f32>>,
}

impl Case {
    fn new(count: usize, inputs: usize, outputs: usize, seed: u64, int8: bool) -> Self {
        let bias = noise(outputs, seed);
        let rows = (1..).take(count).map(|row| noise(inputs, seed.wrapping_add(row))).collect();
        let flat = noise(outputs * inputs, seed ^ 1);
        if !int8 {
            let weights = flat.chunks(inputs).map(<[f32]>::to_vec).collect();
            return Self { matrix: Matrix::from_floats(&flat, outputs).bias(&bias), weights, bias, rows };
        }
        let (blocks, groups) = (outputs.div_ceil(BYTE_OUTPUTS), inputs.div_ceil(BYTE_INPUTS));
        let codes = noise(blocks * inputs * BYTE_OUTPUTS, seed ^ 2);
        #[expect(clippy::cast_possible_truncation, reason = "from -127 to 127")]
        let codes: Vec<u8> = codes.iter().map(|code| ((code * 127.0).round() as i8).cast_unsigned()).collect();
        let scales: Vec<f32> =
            noise(blocks * groups * BYTE_OUTPUTS, seed ^ 3).iter().map(|scale| scale / 127.0).collect();
        let value = |output: usize, input: usize| {
            let (block, lane) = (output / BYTE_OUTPUTS, output % BYTE_OUTPUTS);
            let code = codes[(block * inputs + input) * BYTE_OUTPUTS + lane].cast_signed();
            f32::from(code) * scales[(block * groups + input / BYTE_INPUTS) * BYTE_OUTPUTS + lane]
        };
        let weights: Vec<Vec<f32>> =
            (0..outputs).map(|output| (0..inputs).map(|input| value(output, input)).collect()).collect();
        let matrix = Matrix::from_bytes(&codes, &scales, outputs, inputs).bias(&bias);
        Self { matrix, weights, bias, rows }
    }

    fn product(&self, tier: Tier, threads: Threads, rows: &[Vec<f32>]) -> Vec<f32> {
        let mut activations = Activations::default();
        let columns = self.rows[0].len().next_multiple_of(Matrix::INPUTS);
        for (to, row) in activations.set(rows.len(), columns).chunks_mut(columns).zip(rows) {
            to[..row.len()].copy_from_slice(row);
        }
        let mut out = vec![f32::NAN; rows.len() * self.matrix.width()];
        self.matrix.apply(tier, &mut activations, threads, &mut out);
        out.chunks(self.matrix.width()).flat_map(|row| row[..self.bias.len()].to_vec()).collect()
    }

    /// The product in doubles, and how large its parts are together.
    fn expected(&self, row: usize, output: usize) -> (f64, f64) {
        let pairs = self.rows[row].iter().zip(&self.weights[output]);
        let products: Vec<f64> = pairs.map(|(input, weight)| f64::from(*input) * f64::from(*weight)).collect();
        let size = products.iter().map(|product| product * product).sum::<f64>().sqrt();
        (products.iter().sum::<f64>() + f64::from(self.bias[output]), size)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_are_right(count in 1_usize..30, inputs in 1_usize..200, outputs in 1_usize..80, seed: u64, int8: bool) {
        let case = Case::new(count, inputs, outputs, seed, int8);
        for tier in Tier::available() {
            let found = case.product(tier, Threads::One, &case.rows);
            for (index, found) in found.iter().enumerate() {
                let (expected, size) = case.expected(index / outputs, index % outputs);
                // Activations of 8 bits are off by up to 1 / 254 of the largest of 64.
                let tolerance = if int8 { 0.03 * size + 1e-2 } else { 1e-4 };
                prop_assert!((f64::from(*found) - expected).abs() < tolerance, "{tier:?} {index}: {found} {expected} {size}");
            }
        }
    }

    #[test]
    fn tiers_agree_on_bytes(count in 1_usize..30, inputs in 1_usize..200, outputs in 1_usize..80, seed: u64) {
        let case = Case::new(count, inputs, outputs, seed, true);
        let expected = case.product(Tier::Portable, Threads::One, &case.rows);
        for tier in Tier::available() {
            for (found, expected) in case.product(tier, Threads::One, &case.rows).iter().zip(&expected) {
                // A sum that lies between two codes may be rounded either way.
                prop_assert!((found - expected).abs() < 2e-2, "{tier:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours(count in 1_usize..30, inputs in 1_usize..200, outputs in 1_usize..200, seed: u64, int8: bool) {
        let case = Case::new(count, inputs, outputs, seed, int8);
        for tier in Tier::available() {
            let together = case.product(tier, Threads::One, &case.rows);
            prop_assert_eq!(&case.product(tier, Threads::All, &case.rows), &together);
            for (row, together) in case.rows.iter().zip(together.chunks(outputs)) {
                prop_assert_eq!(&case.product(tier, Threads::One, std::slice::from_ref(row)), together);
            }
        }
    }

    #[test]
    fn texts_attend_to_themselves(lengths in prop::collection::vec(1_usize..60, 1..4), heads in 1_usize..4, dims in 1_usize..40, seed: u64) {
        let (tokens, width) = (lengths.iter().sum::<usize>(), heads * dims);
        let (stride, out_stride) = (3 * width + 5, width + 3);
        let rows = noise(tokens * stride, seed);
        let mutual = Mutual { heads, dims };
        for tier in Tier::available() {
            let run = |threads| {
                let mut out = vec![0.0; tokens * out_stride];
                let mut scratch = MutualScratch::default();
                mutual.attend(tier, threads, &lengths, (&rows, stride), &mut scratch, (&mut out, out_stride));
                out
            };
            let found = run(Threads::One);
            prop_assert_eq!(&run(Threads::All), &found);
            let mut start = 0;
            for length in &lengths {
                for token in 0..*length {
                    let expected = attention(mutual, &rows[start * stride..], stride, *length, token);
                    for (found, expected) in found[(start + token) * out_stride..].iter().zip(&expected) {
                        prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{tier:?}: {found} {expected}");
                    }
                }
                start += length;
            }
        }
    }

    #[test]
    fn softmax_is_right(len in 1_usize..70, seed: u64, scale in 0.1_f32..9.0) {
        let row = noise(len, seed);
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
    fn norms_are_right(len in 2_usize..70, seed: u64) {
        let [row, added, weight, bias] = [0, 1, 2, 3].map(|offset| noise(len, seed ^ offset));
        let total: Vec<f64> = row.iter().zip(&added).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
        let n = f64::from(u32::try_from(len).unwrap());
        let mean = total.iter().sum::<f64>() / n;
        let variance = total.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        for tier in Tier::available() {
            let mut found = row.clone();
            tier.add_norm(&mut found, &added, Norm { weight: &weight, bias: &bias, epsilon: 1e-3 });
            for index in 0..len {
                let unit = (total[index] - mean) / (variance + 1e-3).sqrt();
                let expected = unit * f64::from(weight[index]) + f64::from(bias[index]);
                prop_assert!((f64::from(found[index]) - expected).abs() < 1e-4, "{tier:?}");
            }
        }
    }
}

/// What one token of a text sees, by the definition.
fn attention(mutual: Mutual, rows: &[f32], stride: usize, tokens: usize, token: usize) -> Vec<f64> {
    let width = mutual.heads * mutual.dims;
    let at = |row: usize, part: usize, index: usize| f64::from(rows[row * stride + part * width + index]);
    let scale = 1.0 / f64::from(u32::try_from(mutual.dims).unwrap()).sqrt();
    let mut out = Vec::new();
    for head in 0..mutual.heads {
        let components = head * mutual.dims..(head + 1) * mutual.dims;
        let score =
            |other| components.clone().map(|index| at(token, 0, index) * at(other, 1, index)).sum::<f64>() * scale;
        let weights: Vec<f64> = (0..tokens).map(|other| score(other).exp()).collect();
        let total: f64 = weights.iter().sum();
        out.extend(components.clone().map(|index| {
            weights.iter().enumerate().map(|(other, weight)| weight / total * at(other, 2, index)).sum::<f64>()
        }));
    }
    out
}

#[test]
fn the_largest_bytes_do_not_overflow() {
    for (code, input) in [(127_i8, 1.0), (-127, 1.0), (127, -1.0), (-127, -1.0)] {
        let codes = vec![code.cast_unsigned(); 256 * BYTE_OUTPUTS];
        let matrix = Matrix::from_bytes(&codes, &[1.0; 4 * BYTE_OUTPUTS], BYTE_OUTPUTS, 256);
        for tier in Tier::available() {
            let mut activations = Activations::default();
            // One pair of four has the other sign, so that the codes are the largest there are.
            for (index, value) in activations.set(7, 256).iter_mut().enumerate() {
                *value = if index % 8 < 2 { -input } else { input };
            }
            let mut out = vec![0.0; 7 * BYTE_OUTPUTS];
            matrix.apply(tier, &mut activations, Threads::One, &mut out);
            let expected = f32::from(code) * input * 128.0;
            assert!(out.iter().all(|found| (found - expected).abs() < 0.1), "{tier:?} {code} {input}: {out:?}");
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

fn check_curve(curve: Curve, expected: impl Fn(f64) -> f64) {
    let inputs: Vec<f32> = (-1600_i16..=1600).map(|step| f32::from(step) / 200.0).collect();
    for tier in Tier::available() {
        let mut found = inputs.clone();
        tier.finish(&mut found, &[], Some(curve));
        for (input, found) in inputs.iter().zip(&found) {
            let expected = expected(f64::from(*input));
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{tier:?} {input}: {found} {expected}");
        }
    }
}

#[test]
fn curves_are_right() {
    check_curve(Curve::Gelu, |x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)));
    let u = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    check_curve(Curve::GeluTanh, |x| 0.5 * x * (1.0 + u(x).tanh()));
    check_curve(Curve::Relu, |x| x.max(0.0));
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
        tier.finish(&mut row, &[], Some(Curve::Gelu));
        assert_eq!(row, [1e4, 0.0, 0.0], "{tier:?}");
    }
}

#[test]
fn rows_become_bytes() {
    let mut row = vec![0.0; 130];
    (row[0], row[1], row[2], row[129]) = (2.0, -1.0, 0.003, 0.25);
    row[64..128].fill(-5.0);
    for tier in Tier::available() {
        let (mut codes, mut scales, mut shifts, mut offsets) = (vec![7; 192], vec![7.0; 3], vec![7.0; 3], vec![7; 3]);
        let factors = Factors { scales: &mut scales, shifts: &mut shifts, offsets: &mut offsets };
        tier.to_bytes(&row, &mut codes, factors);
        assert_eq!(scales[1], 0.0, "{tier:?}: a group of the same values has no range");
        for (index, value) in row.iter().enumerate() {
            let group = index / 64;
            let found = f32::from(codes[index]) * scales[group] + shifts[group];
            assert!((found - value).abs() <= scales[group] * 0.501, "{tier:?} {index}: {found} {value}");
        }
        assert!(codes[130..].iter().all(|code| *code == 0), "{tier:?}: what is filled up has no say");
        for (codes, offset) in codes.chunks(64).zip(offsets) {
            assert_eq!(offset, -128 * codes.iter().map(|code| i32::from(*code)).sum::<i32>(), "{tier:?}");
        }
    }
}

#[test]
fn bytes_are_added_with_their_sign() {
    for tier in Tier::available() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut floats = vec![1.0; 256];
        tier.add_scaled(&mut floats, &bytes, -0.5);
        let expected: Vec<f32> = bytes.iter().map(|byte| 1.0 - f32::from(byte.cast_signed()) / 2.0).collect();
        assert_eq!(floats, expected, "{tier:?}");
    }
}

#[test]
fn a_tier_is_chosen_by_name() {
    for tier in Tier::available() {
        assert_eq!(Tier::choose(Some(tier.name())).unwrap(), tier);
    }
    assert_eq!(Tier::choose(None).unwrap(), Tier::best());
    assert_eq!(Some(&Tier::best()), Tier::available().last());
    let error = Tier::choose(Some("abacus")).unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    let message = "`LOREWELL_KERNELS`: this machine has no kernels `abacus`; it has `portable`";
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
#[should_panic(expected = "activations fit the weights")]
fn rows_that_do_not_fit_are_refused() {
    let mut activations = Activations::default();
    activations.set(1, 32);
    Matrix::from_floats(&[0.0; 16], 1).apply(Tier::best(), &mut activations, Threads::One, &mut [0.0; 16]);
}
