//! The products on AVX2. `vpmaddubsw` multiplies four codes of 8 outputs with four of a row and adds pairs into 16 bits, which
//! hold as many of them as the bits of a code allow; then they are scaled and widened in one step (`vpmaddwd`).
#![expect(unsafe_code, reason = "vector intrinsics over pointers that `Matrix::check` checked")]

use std::arch::x86_64::*;

use super::blocks::{Layout, Scales};
use super::codes::{Chunk, codes_bytes};
use super::matrix::{Checked, tiles};

/// Rows that share a load of weights: 4 sums of 16 bits, 4 of 32 and 4 of floats leave 4 registers for the rest.
const ROWS_MAX: usize = 4;

/// Calls a function that is compiled for so many rows.
macro_rules! by_count {
    ($count:expr, $rows:ident, $call:expr) => {
        by_rows!($count, $rows, [1 2 3 4], $call)
    };
}

/// Multiplies all rows with a panel of codes.
///
/// # Safety
/// The machine has AVX2, FMA and F16C, the pointers of the job are good for its shapes, and the panel is one of a matrix with
/// that layout and so many inputs.
pub(super) unsafe fn codes(job: Checked, layout: Layout, panel: &[u8]) {
    let panel = panel.as_ptr();
    let offset = layout.offset;
    for (first, count) in tiles(job.rows, ROWS_MAX) {
        for half in 0..2 {
            // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
            unsafe {
                match (layout.bits, layout.scales) {
                    (4, Scales::Flat) => {
                        by_count!(count, ROWS, flat::<4, false, ROWS>(job, offset, panel, first, half));
                    }
                    (4, Scales::FlatMin) => {
                        by_count!(count, ROWS, flat::<4, true, ROWS>(job, offset, panel, first, half));
                    }
                    (5, Scales::Flat) => {
                        by_count!(count, ROWS, flat::<5, false, ROWS>(job, offset, panel, first, half));
                    }
                    (5, Scales::FlatMin) => {
                        by_count!(count, ROWS, flat::<5, true, ROWS>(job, offset, panel, first, half));
                    }
                    (8, Scales::Flat) => by_count!(count, ROWS, flat::<8, false, ROWS>(job, 0, panel, first, half)),
                    (4, Scales::Super32) => by_count!(count, ROWS, super32::<4, ROWS>(job, panel, first, half)),
                    (5, Scales::Super32) => by_count!(count, ROWS, super32::<5, ROWS>(job, panel, first, half)),
                    (4, Scales::Super16) => {
                        by_count!(count, ROWS, super16::<4, false, ROWS>(job, offset, panel, first, half));
                    }
                    (4, Scales::Super16Min) => {
                        by_count!(count, ROWS, super16::<4, true, ROWS>(job, offset, panel, first, half));
                    }
                    (6, Scales::Super16) => {
                        by_count!(count, ROWS, super16::<6, false, ROWS>(job, offset, panel, first, half));
                    }
                    _ => unreachable!("no tensor has {layout:?}"),
                }
            }
        }
    }
}

/// Reads four codes of 8 outputs: `QUAD` of 8 within 32 inputs. Codes of 8 bits come with their sign.
///
/// # Safety
/// The codes of 32 inputs lie at `at`, which points to the half of the panel that is meant.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn quad<const BITS: u32, const QUAD: usize>(at: *const u8) -> __m256i {
    // SAFETY: the caller says so; loads need no alignment.
    unsafe {
        let load = |register: usize| _mm256_loadu_si256(at.add(register * 64).cast());
        if BITS == 8 {
            return _mm256_xor_si256(load(QUAD), _mm256_set1_epi8(i8::MIN));
        }
        let low = load(QUAD % 4);
        let low = if QUAD < 4 { low } else { _mm256_srli_epi16::<4>(low) };
        let low = _mm256_and_si256(low, _mm256_set1_epi8(0x0f));
        let high = match (BITS, QUAD) {
            (5, 0) => _mm256_slli_epi16::<4>(load(4)),
            (5, 1) => _mm256_slli_epi16::<3>(load(4)),
            (5, 2) => _mm256_slli_epi16::<2>(load(4)),
            (5, 3) => _mm256_slli_epi16::<1>(load(4)),
            (5, 4) => load(4),
            (5, 5) => _mm256_srli_epi16::<1>(load(4)),
            (5, 6) => _mm256_srli_epi16::<2>(load(4)),
            (5, _) => _mm256_srli_epi16::<3>(load(4)),
            (6, 0 | 4) => _mm256_slli_epi16::<4>(load(4 + QUAD / 4)),
            (6, 1 | 5) => _mm256_slli_epi16::<2>(load(4 + QUAD / 4)),
            (6, 2 | 6) => load(4 + QUAD / 4),
            (6, _) => _mm256_srli_epi16::<2>(load(4 + QUAD / 4)),
            _ => return low,
        };
        let mask = _mm256_set1_epi8(if BITS == 5 { 0x10 } else { 0x30 });
        _mm256_or_si256(low, _mm256_and_si256(high, mask))
    }
}

/// Adds the products of so many quads, which fit into 16 bits, and widens them: times `$factor`, pairs are added up.
macro_rules! steps {
    ($bits:ident, [$($quad:literal),*], $at:expr, $sums:expr, $inputs:expr, $factor:expr, $rows:ident) => {
        let mut narrow = [_mm256_setzero_si256(); $rows];
        $(
            let weights = quad::<$bits, $quad>($at);
            for row in 0..$rows {
                let inputs = _mm256_set1_epi32($inputs[row].add($quad * 4).cast::<i32>().read_unaligned());
                let products = if $bits == 8 {
                    _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(inputs, weights))
                } else {
                    _mm256_maddubs_epi16(weights, inputs)
                };
                narrow[row] = _mm256_add_epi16(narrow[row], products);
            }
        )*
        for row in 0..$rows {
            $sums[row] = _mm256_add_epi32($sums[row], _mm256_madd_epi16(narrow[row], $factor));
        }
    };
}

/// The first 16 inputs of 32: their products fit into 16 bits by 4 quads of 4 and 5 bits, by 2 of 6 bits, by one of 8.
macro_rules! first_half {
    ($bits:ident, $at:expr, $sums:expr, $inputs:expr, $factor:expr, $rows:ident) => {
        if $bits <= 5 {
            steps!($bits, [0, 1, 2, 3], $at, $sums, $inputs, $factor, $rows);
        } else if $bits == 6 {
            steps!($bits, [0, 1], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [2, 3], $at, $sums, $inputs, $factor, $rows);
        } else {
            steps!($bits, [0], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [1], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [2], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [3], $at, $sums, $inputs, $factor, $rows);
        }
    };
}

/// The other 16 inputs.
macro_rules! second_half {
    ($bits:ident, $at:expr, $sums:expr, $inputs:expr, $factor:expr, $rows:ident) => {
        if $bits <= 5 {
            steps!($bits, [4, 5, 6, 7], $at, $sums, $inputs, $factor, $rows);
        } else if $bits == 6 {
            steps!($bits, [4, 5], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [6, 7], $at, $sums, $inputs, $factor, $rows);
        } else {
            steps!($bits, [4], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [5], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [6], $at, $sums, $inputs, $factor, $rows);
            steps!($bits, [7], $at, $sums, $inputs, $factor, $rows);
        }
    };
}

/// All 32 inputs; of 4 bits, 8 quads fit into 16 bits.
macro_rules! whole {
    ($bits:ident, $at:expr, $sums:expr, $inputs:expr, $factor:expr, $rows:ident) => {
        if $bits == 4 {
            steps!($bits, [0, 1, 2, 3, 4, 5, 6, 7], $at, $sums, $inputs, $factor, $rows);
        } else {
            first_half!($bits, $at, $sums, $inputs, $factor, $rows);
            second_half!($bits, $at, $sums, $inputs, $factor, $rows);
        }
    };
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist, and `half` is 0 or 1.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn flat<const BITS: u32, const MIN: bool, const ROWS: usize>(
    job: Checked,
    offset: i32,
    panel: *const u8,
    first: usize,
    half: usize,
) {
    let chunk = const { Chunk::new(BITS, 32, 0, MIN) };
    let blocks = job.inputs / 32;
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_ps(); ROWS];
    #[expect(clippy::cast_precision_loss, reason = "offsets are below 256")]
    let offset = _mm256_set1_ps(-(offset as f32));
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let scales: [*const f32; ROWS] = std::array::from_fn(|row| job.scales.add((first + row) * blocks));
        let row_sums: [*const f32; ROWS] = std::array::from_fn(|row| job.sums.add((first + row) * blocks));
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for block in 0..blocks {
            let at = panel.add(block * chunk.bytes);
            let inputs: [*const i8; ROWS] = std::array::from_fn(|row| inputs[row].add(block * 32));
            let mut sums = [_mm256_setzero_si256(); ROWS];
            whole!(BITS, at.add(half * 32), sums, inputs, ones, ROWS);
            let scale = halves(at.add(chunk.scale + half * 16));
            let min = if MIN { halves(at.add(chunk.min + half * 16)) } else { _mm256_setzero_ps() };
            for row in 0..ROWS {
                let input_scale = _mm256_broadcast_ss(&*scales[row].add(block));
                let sum = _mm256_broadcast_ss(&*row_sums[row].add(block));
                let products = _mm256_cvtepi32_ps(sums[row]);
                let products = if MIN {
                    _mm256_fmadd_ps(min, sum, _mm256_mul_ps(scale, products))
                } else {
                    _mm256_mul_ps(scale, _mm256_fmadd_ps(offset, sum, products))
                };
                totals[row] = _mm256_fmadd_ps(products, input_scale, totals[row]);
            }
        }
        store(job, first, half, totals);
    }
}

/// Reads the pairs of whole numbers of 8 outputs as 16 bits.
///
/// # Safety
/// 16 bytes lie at `at`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn pairs<const SIGNED: bool>(at: *const u8) -> __m256i {
    // SAFETY: the caller says so.
    let bytes = unsafe { _mm_loadu_si128(at.cast()) };
    if SIGNED { _mm256_cvtepi8_epi16(bytes) } else { _mm256_cvtepu8_epi16(bytes) }
}

/// The first numbers of pairs, twice each, and the second ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn split(pairs: __m256i) -> [__m256i; 2] {
    let first = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
    let second = _mm256_srli_epi32::<16>(pairs);
    [_mm256_or_si256(first, _mm256_slli_epi32::<16>(first)), _mm256_or_si256(second, _mm256_slli_epi32::<16>(second))]
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist, and `half` is 0 or 1.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn super32<const BITS: u32, const ROWS: usize>(job: Checked, panel: *const u8, first: usize, half: usize) {
    let chunk = const { Chunk::new(BITS, 256, 8, true) };
    let groups = job.inputs / 256;
    let mut totals = [_mm256_setzero_ps(); ROWS];
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for group in 0..groups {
            let at = panel.add(group * chunk.bytes);
            let mut all = [_mm256_setzero_si256(); ROWS];
            for pair in 0..4 {
                let subs = split(pairs::<false>(at.add(chunk.subs + pair * 32 + half * 16)));
                for (second, sub) in subs.into_iter().enumerate() {
                    let block = pair * 2 + second;
                    let at = at.add(block * codes_bytes(BITS) + half * 32);
                    let inputs: [*const i8; ROWS] =
                        std::array::from_fn(|row| inputs[row].add(group * 256 + block * 32));
                    whole!(BITS, at, all, inputs, sub, ROWS);
                }
            }
            let scale = halves(at.add(chunk.scale + half * 16));
            let min = halves(at.add(chunk.min + half * 16));
            for row in 0..ROWS {
                let sums = job.sums32.add(((first + row) * groups + group) * 8);
                let mut least = _mm256_setzero_si256();
                for pair in 0..4 {
                    let mins = pairs::<false>(at.add(chunk.sub_mins + pair * 32 + half * 16));
                    let sums = _mm256_set1_epi32(sums.add(pair * 2).cast::<i32>().read_unaligned());
                    least = _mm256_add_epi32(least, _mm256_madd_epi16(mins, sums));
                }
                let input_scale = _mm256_broadcast_ss(&*job.scales.add((first + row) * groups + group));
                let products = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(all[row]));
                let products = _mm256_fnmadd_ps(min, _mm256_cvtepi32_ps(least), products);
                totals[row] = _mm256_fmadd_ps(products, input_scale, totals[row]);
            }
        }
        store(job, first, half, totals);
    }
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist, and `half` is 0 or 1.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn super16<const BITS: u32, const MIN: bool, const ROWS: usize>(
    job: Checked,
    offset: i32,
    panel: *const u8,
    first: usize,
    half: usize,
) {
    let chunk = const { Chunk::new(BITS, 256, 16, MIN) };
    let groups = job.inputs / 256;
    let offset = _mm256_set1_epi32(offset);
    let mut totals = [_mm256_setzero_ps(); ROWS];
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for group in 0..groups {
            let at = panel.add(group * chunk.bytes);
            let mut all = [_mm256_setzero_si256(); ROWS];
            for block in 0..8 {
                let codes = at.add(block * codes_bytes(BITS) + half * 32);
                let subs = split(pairs::<true>(at.add(chunk.subs + block * 32 + half * 16)));
                let inputs: [*const i8; ROWS] = std::array::from_fn(|row| inputs[row].add(group * 256 + block * 32));
                first_half!(BITS, codes, all, inputs, subs[0], ROWS);
                second_half!(BITS, codes, all, inputs, subs[1], ROWS);
            }
            let scale = halves(at.add(chunk.scale + half * 16));
            let min = if MIN { halves(at.add(chunk.min + half * 16)) } else { _mm256_setzero_ps() };
            for row in 0..ROWS {
                let sums = job.sums16.add(((first + row) * groups + group) * 16);
                let mut least = _mm256_setzero_si256();
                for block in 0..8 {
                    // What stands with the sums of the inputs: the least values, or the scales times the offset.
                    let with_sums = if MIN {
                        pairs::<false>(at.add(chunk.sub_mins + block * 32 + half * 16))
                    } else {
                        pairs::<true>(at.add(chunk.subs + block * 32 + half * 16))
                    };
                    let sums = _mm256_set1_epi32(sums.add(block * 2).cast::<i32>().read_unaligned());
                    least = _mm256_add_epi32(least, _mm256_madd_epi16(with_sums, sums));
                }
                let input_scale = _mm256_broadcast_ss(&*job.scales.add((first + row) * groups + group));
                let products = if MIN {
                    let products = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(all[row]));
                    _mm256_fnmadd_ps(min, _mm256_cvtepi32_ps(least), products)
                } else {
                    let all = _mm256_sub_epi32(all[row], _mm256_mullo_epi32(least, offset));
                    _mm256_mul_ps(scale, _mm256_cvtepi32_ps(all))
                };
                totals[row] = _mm256_fmadd_ps(products, input_scale, totals[row]);
            }
        }
        store(job, first, half, totals);
    }
}

/// Reads 8 floats of 16 bits.
///
/// # Safety
/// They lie at `at`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn halves(at: *const u8) -> __m256 {
    // SAFETY: the caller says so.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(at.cast())) }
}

/// # Safety
/// Rows `first..first + ROWS` of the result exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn store<const ROWS: usize>(job: Checked, first: usize, half: usize, totals: [__m256; ROWS]) {
    for (row, total) in totals.into_iter().enumerate() {
        // SAFETY: the caller says so.
        unsafe { _mm256_storeu_ps(job.out.add((first + row) * job.stride + half * 8), total) };
    }
}
