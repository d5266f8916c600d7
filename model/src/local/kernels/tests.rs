//! Each kernel held against its definition, on every tier of the machine.

use proptest::prelude::*;

use super::blocks::{Layout, read_row};
use super::*;
use crate::local::{Bytes, TensorKind, TensorView};

const KINDS: &[TensorKind] = &[
    TensorKind::F32,
    TensorKind::F16,
    TensorKind::BF16,
    TensorKind::Q4_0,
    TensorKind::Q4_1,
    TensorKind::Q5_0,
    TensorKind::Q5_1,
    TensorKind::Q8_0,
    TensorKind::Q2K,
    TensorKind::Q3K,
    TensorKind::Q4K,
    TensorKind::Q5K,
    TensorKind::Q6K,
];

/// Numbers that look random and are the same each time (Steele, Lea and Flood 2014).
pub(super) struct Noise(pub(super) u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Between −1 and 1.
    pub(super) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

/// Makes a tensor of any blocks; only the scales are such that the values stay small.
fn tensor(kind: TensorKind, outputs: usize, inputs: usize, noise: &mut Noise) -> TensorView {
    let blocks = outputs * inputs / kind.block_values();
    let mut bytes: Vec<u8> = (0..blocks * kind.block_bytes()).map(|_| noise.next().to_le_bytes()[0]).collect();
    for block in bytes.chunks_mut(kind.block_bytes()) {
        let mut half = |at: usize| {
            block[at..at + 2].copy_from_slice(&half::f16::from_f32(noise.float() * 0.1).to_bits().to_le_bytes());
        };
        match kind {
            TensorKind::F32 => block.copy_from_slice(&noise.float().to_le_bytes()),
            TensorKind::BF16 => block.copy_from_slice(&noise.float().to_le_bytes()[2..]),
            TensorKind::F16 | TensorKind::Q4_0 | TensorKind::Q5_0 | TensorKind::Q8_0 => half(0),
            TensorKind::Q4_1 | TensorKind::Q5_1 | TensorKind::Q4K | TensorKind::Q5K => {
                half(0);
                half(2);
            }
            TensorKind::Q2K => {
                half(80);
                half(82);
            }
            TensorKind::Q3K => half(108),
            TensorKind::Q6K => half(208),
        }
    }
    TensorView { kind, shape: vec![outputs, inputs], bytes: Bytes::from(bytes) }
}

fn weights(tensor: &TensorView) -> Vec<Vec<f32>> {
    let inputs = tensor.shape[1];
    let size = inputs / tensor.kind.block_values() * tensor.kind.block_bytes();
    let rows = tensor.bytes.chunks(size);
    rows.map(|row| {
        let mut out = vec![0.0; inputs];
        read_row(tensor.kind, row, &mut out);
        out
    })
    .collect()
}

fn multiply(tier: Tier, matrix: &Matrix, activations: &mut Activations) -> Vec<f32> {
    let stride = matrix.outputs.next_multiple_of(16) + 16;
    let mut out = vec![f32::NAN; activations.rows * stride];
    matrix.prepare(activations);
    Matrix::multiply(tier, activations, std::slice::from_ref(matrix), &[0], &mut Out { data: &mut out, stride });
    out.chunks(stride).flat_map(|row| row[..matrix.outputs].to_vec()).collect()
}

#[test]
fn packing_loses_nothing() {
    let mut noise = Noise(1);
    for kind in KINDS {
        let tensor = tensor(*kind, 37, 512, &mut noise);
        let matrix = Matrix::new(&tensor);
        for (output, expected) in weights(&tensor).iter().enumerate() {
            let mut row = vec![0.0; 512];
            matrix.row(output, &mut row);
            assert_eq!(row, *expected, "{kind:?} {output}");
        }
    }
}

#[test]
fn products_are_close_to_those_of_floats() {
    let mut noise = Noise(2);
    for kind in KINDS {
        let tensor = tensor(*kind, 40, 512, &mut noise);
        let (matrix, weights) = (Matrix::new(&tensor), weights(&tensor));
        let mut activations = Activations::default();
        activations.set(3, 512).iter_mut().for_each(|value| *value = noise.float());
        let inputs = activations.floats().to_vec();
        let products = multiply(Tier::Portable, &matrix, &mut activations);
        for (index, product) in products.iter().enumerate() {
            let (row, output) = (index / 40, index % 40);
            let pairs = || inputs[row * 512..][..512].iter().zip(&weights[output]);
            let exact: f32 = pairs().map(|(a, b)| a * b).sum();
            let size: f32 = pairs().map(|(a, b)| (a * b) * (a * b)).sum::<f32>().sqrt();
            assert!((product - exact).abs() <= 0.05 * size + 1e-4, "{kind:?} {index}: {product} {exact} {size}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_tier_gives_the_same_products(seed: u64, outputs in 1_usize..70, groups in 1_usize..4, rows in 1_usize..20) {
        let mut noise = Noise(seed);
        for kind in KINDS {
            let inputs = groups * 256;
            let matrix = Matrix::new(&tensor(*kind, outputs, inputs, &mut noise));
            let mut activations = Activations::default();
            activations.set(rows, inputs).iter_mut().for_each(|value| *value = noise.float());
            let expected = multiply(Tier::Portable, &matrix, &mut activations);
            let most = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
            for tier in Tier::available() {
                for (found, expected) in multiply(tier, &matrix, &mut activations).iter().zip(&expected) {
                    prop_assert!((found - expected).abs() <= 2e-5 * most, "{:?} {:?}: {} {}", tier, kind, found, expected);
                }
            }
        }
    }
}

#[test]
fn the_largest_codes_do_not_overflow() {
    for kind in KINDS.iter().filter(|kind| Layout::of(**kind).is_some()) {
        let mut tensor = tensor(*kind, 16, 512, &mut Noise(3));
        // All codes as large as can be, with scales of one.
        let one = half::f16::ONE.to_bits().to_le_bytes();
        let mut bytes = vec![0xff; tensor.bytes.len()];
        for block in bytes.chunks_mut(kind.block_bytes()) {
            match kind {
                TensorKind::Q2K => (block[80..82].copy_from_slice(&one), block[82..84].copy_from_slice(&one)).0,
                TensorKind::Q3K => block[108..110].copy_from_slice(&one),
                TensorKind::Q6K => block[208..210].copy_from_slice(&one),
                TensorKind::Q4_0 | TensorKind::Q5_0 => block[..2].copy_from_slice(&one),
                TensorKind::Q8_0 => {
                    block.fill(0x80);
                    block[..2].copy_from_slice(&one);
                }
                _ => (block[..2].copy_from_slice(&one), block[2..4].copy_from_slice(&one)).0,
            }
        }
        tensor.bytes = Bytes::from(bytes);
        let matrix = Matrix::new(&tensor);
        for sign in [1.0, -1.0] {
            let mut activations = Activations::default();
            activations.set(9, 512).fill(sign);
            let expected = multiply(Tier::Portable, &matrix, &mut activations);
            for tier in Tier::available() {
                for (found, expected) in multiply(tier, &matrix, &mut activations).iter().zip(&expected) {
                    assert!((found - expected).abs() <= 1e-3 * expected.abs(), "{tier:?} {kind:?}: {found} {expected}");
                }
            }
        }
    }
}

/// Attention as its definition says, in doubles.
fn attention(heads: Heads, window: Option<usize>, queries: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>]) -> Vec<f64> {
    let group = heads.queries / heads.keys;
    let round = |value: f32| f64::from(half::f16::from_f32(value).to_f32());
    let oldest = window.map_or(0, |window| keys.len().saturating_sub(window));
    let mut out = Vec::new();
    for head in 0..heads.queries {
        let at = head / group * heads.width;
        let query = &queries[head * heads.width..][..heads.width];
        let score = |key: &Vec<f32>| {
            let pairs = query.iter().zip(&key[at..]);
            pairs.map(|(query, key)| f64::from(*query) * round(*key)).sum::<f64>() * 0.25
        };
        let scores: Vec<f64> = keys[oldest..].iter().map(score).collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        for component in 0..heads.width {
            let pairs = scores.iter().zip(&values[oldest..]);
            out.push(pairs.map(|(score, value)| (score - top).exp() / sum * round(value[at + component])).sum());
        }
    }
    out
}

#[test]
fn attention_is_as_defined() {
    let mut noise = Noise(4);
    let shapes = [(4, 2, 16), (6, 2, 24), (1, 1, 64), (14, 2, 64), (9, 3, 8)];
    for ((queries_n, keys_n, width), window) in shapes.into_iter().flat_map(|shape| [(shape, None), (shape, Some(40))])
    {
        let heads = Heads { queries: queries_n, keys: keys_n, width };
        let tokens = 75_usize;
        let mut rows =
            |n: usize| (0..tokens).map(|_| (0..n).map(|_| noise.float() * 3.0).collect()).collect::<Vec<Vec<f32>>>();
        let (queries, keys, values) = (rows(queries_n * width), rows(keys_n * width), rows(keys_n * width));
        let mut cache =
            vec![(vec![0; heads.block_values()], vec![0; heads.block_values()]); tokens.div_ceil(BLOCK_TOKENS)];
        for token in 0..tokens {
            let (block_keys, block_values) = &mut cache[token / BLOCK_TOKENS];
            heads.store(token % BLOCK_TOKENS, &keys[token], &values[token], block_keys, block_values);
        }
        let cached_keys: Vec<&[u16]> = cache.iter().map(|(keys, _)| &keys[..]).collect();
        let cached_values: Vec<&[u16]> = cache.iter().map(|(_, values)| &values[..]).collect();
        let seen = Attention { heads, scale: 0.25, window, keys: &cached_keys, values: &cached_values };
        for tier in Tier::available() {
            for (first, count) in [(0, 1), (3, 5), (30, 7), (70, 5)] {
                let flat: Vec<f32> = queries[first..first + count].concat();
                let group = queries_n / keys_n * width;
                let mut out = vec![vec![vec![0.0; group]; count]; keys_n];
                for (head, out) in out.iter_mut().enumerate() {
                    let mut out: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
                    seen.attend(tier, head, first, &flat, queries_n * width, &mut out);
                }
                for row in 0..count {
                    let until = first + row + 1;
                    let expected = attention(heads, window, &queries[first + row], &keys[..until], &values[..until]);
                    let found: Vec<f32> = out.iter().flat_map(|head| head[row].clone()).collect();
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!((f64::from(*found) - expected).abs() < 1e-4, "{tier:?} {heads:?}: {found} {expected}");
                    }
                }
            }
        }
    }
}
