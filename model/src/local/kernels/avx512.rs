//! The products on AVX-512 with VNNI. Each step multiplies four codes of 16 outputs with four of a row, which
//! `vpdpbusd` adds to 16 sums of 32 bits; up to 8 rows share the unpacking of the weights.
#![expect(unsafe_code, reason = "vector intrinsics over pointers that `Matrix::check` checked")]

use std::arch::x86_64::*;

use super::blocks::{Layout, Scales};
use super::codes::{Chunk, codes_bytes};
use super::matrix::{Checked, LANES, tiles};

/// Rows that share a load of weights: 8 sums of integers, 8 of floats and 8 of products leave 8 registers spare.
const ROWS_MAX: usize = 8;

/// Calls a function that is compiled for so many rows.
macro_rules! by_count {
    ($count:expr, $rows:ident, $call:expr) => {
        by_rows!($count, $rows, [1 2 3 4 5 6 7 8], $call)
    };
}

/// Multiplies all rows with a panel of codes.
///
/// # Safety
/// The machine has AVX-512 F, BW and VNNI, the pointers of the job are good for its shapes, and the panel is one of a matrix
/// with that layout and so many inputs.
pub(super) unsafe fn codes(job: Checked, layout: Layout, panel: &[u8]) {
    let panel = panel.as_ptr();
    let offset = layout.offset;
    for (first, count) in tiles(job.rows, ROWS_MAX) {
        // SAFETY: the caller vouches for the machine and the shapes; `tiles` yields rows of the job.
        unsafe {
            match (layout.bits, layout.scales) {
                (4, Scales::Flat) => {
                    by_count!(count, ROWS, flat::<4, false, ROWS>(job, offset, panel, first));
                }
                (4, Scales::FlatMin) => {
                    by_count!(count, ROWS, flat::<4, true, ROWS>(job, offset, panel, first));
                }
                (5, Scales::Flat) => {
                    by_count!(count, ROWS, flat::<5, false, ROWS>(job, offset, panel, first));
                }
                (5, Scales::FlatMin) => {
                    by_count!(count, ROWS, flat::<5, true, ROWS>(job, offset, panel, first));
                }
                (8, Scales::Flat) => {
                    by_count!(count, ROWS, flat::<8, false, ROWS>(job, offset, panel, first));
                }
                (4, Scales::Super32) => by_count!(count, ROWS, super32::<4, ROWS>(job, panel, first)),
                (5, Scales::Super32) => by_count!(count, ROWS, super32::<5, ROWS>(job, panel, first)),
                (4, Scales::Super16) => {
                    by_count!(count, ROWS, super16::<4, false, ROWS>(job, offset, panel, first));
                }
                (4, Scales::Super16Min) => {
                    by_count!(count, ROWS, super16::<4, true, ROWS>(job, offset, panel, first));
                }
                (6, Scales::Super16) => {
                    by_count!(count, ROWS, super16::<6, false, ROWS>(job, offset, panel, first));
                }
                _ => unreachable!("no tensor has {layout:?}"),
            }
        }
    }
}

/// Reads four codes of each output: `quad` of 8 within 32 inputs.
///
/// # Safety
/// The codes of 32 inputs lie at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn quad<const BITS: u32, const QUAD: usize>(at: *const u8) -> __m512i {
    // SAFETY: the caller says so; loads need no alignment.
    unsafe {
        let load = |register: usize| _mm512_loadu_si512(at.add(register * 64).cast());
        if BITS == 8 {
            return load(QUAD);
        }
        let low = load(QUAD % 4);
        let low = if QUAD < 4 { low } else { _mm512_srli_epi16::<4>(low) };
        let low = _mm512_and_si512(low, _mm512_set1_epi8(0x0f));
        let high = match (BITS, QUAD) {
            (5, 0) => _mm512_slli_epi16::<4>(load(4)),
            (5, 1) => _mm512_slli_epi16::<3>(load(4)),
            (5, 2) => _mm512_slli_epi16::<2>(load(4)),
            (5, 3) => _mm512_slli_epi16::<1>(load(4)),
            (5, 4) => load(4),
            (5, 5) => _mm512_srli_epi16::<1>(load(4)),
            (5, 6) => _mm512_srli_epi16::<2>(load(4)),
            (5, _) => _mm512_srli_epi16::<3>(load(4)),
            (6, 0 | 4) => _mm512_slli_epi16::<4>(load(4 + QUAD / 4)),
            (6, 1 | 5) => _mm512_slli_epi16::<2>(load(4 + QUAD / 4)),
            (6, 2 | 6) => load(4 + QUAD / 4),
            (6, _) => _mm512_srli_epi16::<2>(load(4 + QUAD / 4)),
            _ => return low,
        };
        let mask = _mm512_set1_epi8(if BITS == 5 { 0x10 } else { 0x30 });
        // low | (high & mask)
        _mm512_ternarylogic_epi32::<0xf8>(low, high, mask)
    }
}

/// Adds the products of four inputs.
macro_rules! step {
    ($bits:ident, $quad:literal, $at:expr, $sums:ident, $inputs:expr, $rows:ident) => {
        let weights = quad::<$bits, $quad>($at);
        for row in 0..$rows {
            let inputs = _mm512_set1_epi32($inputs[row].add($quad * 4).cast::<i32>().read_unaligned());
            $sums[row] = _mm512_dpbusd_epi32($sums[row], weights, inputs);
        }
    };
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn flat<const BITS: u32, const MIN: bool, const ROWS: usize>(
    job: Checked,
    offset: i32,
    panel: *const u8,
    first: usize,
) {
    let chunk = const { Chunk::new(BITS, 32, 0, MIN) };
    let blocks = job.inputs / 32;
    let mut totals = [_mm512_setzero_ps(); ROWS];
    #[expect(clippy::cast_precision_loss, reason = "offsets are below 256")]
    let offset = _mm512_set1_ps(-(offset as f32));
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let scales: [*const f32; ROWS] = std::array::from_fn(|row| job.scales.add((first + row) * blocks));
        let row_sums: [*const f32; ROWS] = std::array::from_fn(|row| job.sums.add((first + row) * blocks));
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for block in 0..blocks {
            let at = panel.add(block * chunk.bytes);
            let inputs: [*const i8; ROWS] = std::array::from_fn(|row| inputs[row].add(block * 32));
            let mut sums = [_mm512_setzero_si512(); ROWS];
            step!(BITS, 0, at, sums, inputs, ROWS);
            step!(BITS, 1, at, sums, inputs, ROWS);
            step!(BITS, 2, at, sums, inputs, ROWS);
            step!(BITS, 3, at, sums, inputs, ROWS);
            step!(BITS, 4, at, sums, inputs, ROWS);
            step!(BITS, 5, at, sums, inputs, ROWS);
            step!(BITS, 6, at, sums, inputs, ROWS);
            step!(BITS, 7, at, sums, inputs, ROWS);
            let scale = halves(at.add(chunk.scale));
            let min = if MIN { halves(at.add(chunk.min)) } else { _mm512_setzero_ps() };
            for row in 0..ROWS {
                let input_scale = _mm512_set1_ps(*scales[row].add(block));
                let sum = _mm512_set1_ps(*row_sums[row].add(block));
                let products = _mm512_cvtepi32_ps(sums[row]);
                if MIN {
                    let products = _mm512_fmadd_ps(min, sum, _mm512_mul_ps(scale, products));
                    totals[row] = _mm512_fmadd_ps(products, input_scale, totals[row]);
                } else {
                    let products = _mm512_fmadd_ps(offset, sum, products);
                    totals[row] = _mm512_fmadd_ps(_mm512_mul_ps(scale, input_scale), products, totals[row]);
                }
            }
        }
        store(job, first, 0, totals);
    }
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn super32<const BITS: u32, const ROWS: usize>(job: Checked, panel: *const u8, first: usize) {
    let chunk = const { Chunk::new(BITS, 256, 8, true) };
    let groups = job.inputs / 256;
    let mut totals = [_mm512_setzero_ps(); ROWS];
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for group in 0..groups {
            let at = panel.add(group * chunk.bytes);
            let mut all = [_mm512_setzero_si512(); ROWS];
            for pair in 0..4 {
                let subs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(at.add(chunk.subs + pair * 32).cast()));
                for half in 0..2 {
                    let block = pair * 2 + half;
                    let at = at.add(block * codes_bytes(BITS));
                    let inputs: [*const i8; ROWS] =
                        std::array::from_fn(|row| inputs[row].add(group * 256 + block * 32));
                    let mut sums = [_mm512_setzero_si512(); ROWS];
                    step!(BITS, 0, at, sums, inputs, ROWS);
                    step!(BITS, 1, at, sums, inputs, ROWS);
                    step!(BITS, 2, at, sums, inputs, ROWS);
                    step!(BITS, 3, at, sums, inputs, ROWS);
                    step!(BITS, 4, at, sums, inputs, ROWS);
                    step!(BITS, 5, at, sums, inputs, ROWS);
                    step!(BITS, 6, at, sums, inputs, ROWS);
                    step!(BITS, 7, at, sums, inputs, ROWS);
                    let sub = if half == 0 {
                        _mm512_and_si512(subs, _mm512_set1_epi32(0xffff))
                    } else {
                        _mm512_srli_epi32::<16>(subs)
                    };
                    for row in 0..ROWS {
                        all[row] = _mm512_add_epi32(all[row], _mm512_mullo_epi32(sums[row], sub));
                    }
                }
            }
            let scale = halves(at.add(chunk.scale));
            let min = halves(at.add(chunk.min));
            for row in 0..ROWS {
                let sums = job.sums32.add(((first + row) * groups + group) * 8);
                let mut least = _mm512_setzero_si512();
                for pair in 0..4 {
                    let mins = _mm512_cvtepu8_epi16(_mm256_loadu_si256(at.add(chunk.sub_mins + pair * 32).cast()));
                    let sums = _mm512_set1_epi32(sums.add(pair * 2).cast::<i32>().read_unaligned());
                    least = _mm512_dpwssd_epi32(least, mins, sums);
                }
                let input_scale = _mm512_set1_ps(*job.scales.add((first + row) * groups + group));
                let products = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(all[row]));
                let products = _mm512_fnmadd_ps(min, _mm512_cvtepi32_ps(least), products);
                totals[row] = _mm512_fmadd_ps(products, input_scale, totals[row]);
            }
        }
        store(job, first, 0, totals);
    }
}

/// # Safety
/// As [`codes`]; rows `first..first + ROWS` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn super16<const BITS: u32, const MIN: bool, const ROWS: usize>(
    job: Checked,
    offset: i32,
    panel: *const u8,
    first: usize,
) {
    let chunk = const { Chunk::new(BITS, 256, 16, MIN) };
    let groups = job.inputs / 256;
    let offset = _mm512_set1_epi32(offset);
    let mut totals = [_mm512_setzero_ps(); ROWS];
    // SAFETY: the caller vouches for the shapes.
    unsafe {
        let inputs: [*const i8; ROWS] = std::array::from_fn(|row| job.codes.add((first + row) * job.inputs));
        for group in 0..groups {
            let at = panel.add(group * chunk.bytes);
            let (mut all, mut least) = ([_mm512_setzero_si512(); ROWS], [_mm512_setzero_si512(); ROWS]);
            for block in 0..8 {
                let codes = at.add(block * codes_bytes(BITS));
                let subs = _mm512_cvtepi8_epi16(_mm256_loadu_si256(at.add(chunk.subs + block * 32).cast()));
                let inputs: [*const i8; ROWS] = std::array::from_fn(|row| inputs[row].add(group * 256 + block * 32));
                let mut sums = [_mm512_setzero_si512(); ROWS];
                step!(BITS, 0, codes, sums, inputs, ROWS);
                step!(BITS, 1, codes, sums, inputs, ROWS);
                step!(BITS, 2, codes, sums, inputs, ROWS);
                step!(BITS, 3, codes, sums, inputs, ROWS);
                let sub = _mm512_srai_epi32::<16>(_mm512_slli_epi32::<16>(subs));
                for row in 0..ROWS {
                    all[row] = _mm512_add_epi32(all[row], _mm512_mullo_epi32(sums[row], sub));
                }
                let mut sums = [_mm512_setzero_si512(); ROWS];
                step!(BITS, 4, codes, sums, inputs, ROWS);
                step!(BITS, 5, codes, sums, inputs, ROWS);
                step!(BITS, 6, codes, sums, inputs, ROWS);
                step!(BITS, 7, codes, sums, inputs, ROWS);
                let sub = _mm512_srai_epi32::<16>(subs);
                // What stands with the sums of the inputs: the least values, or the scales times the offset.
                let with_sums = if MIN {
                    _mm512_cvtepu8_epi16(_mm256_loadu_si256(at.add(chunk.sub_mins + block * 32).cast()))
                } else {
                    subs
                };
                for row in 0..ROWS {
                    all[row] = _mm512_add_epi32(all[row], _mm512_mullo_epi32(sums[row], sub));
                    let sums = job.sums16.add(((first + row) * groups + group) * 16 + block * 2);
                    let sums = _mm512_set1_epi32(sums.cast::<i32>().read_unaligned());
                    least[row] = _mm512_dpwssd_epi32(least[row], with_sums, sums);
                }
            }
            let scale = halves(at.add(chunk.scale));
            let min = if MIN { halves(at.add(chunk.min)) } else { _mm512_setzero_ps() };
            for row in 0..ROWS {
                let input_scale = _mm512_set1_ps(*job.scales.add((first + row) * groups + group));
                let products = if MIN {
                    let products = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(all[row]));
                    _mm512_fnmadd_ps(min, _mm512_cvtepi32_ps(least[row]), products)
                } else {
                    let all = _mm512_sub_epi32(all[row], _mm512_mullo_epi32(least[row], offset));
                    _mm512_mul_ps(scale, _mm512_cvtepi32_ps(all))
                };
                totals[row] = _mm512_fmadd_ps(products, input_scale, totals[row]);
            }
        }
        store(job, first, 0, totals);
    }
}

/// Reads 16 floats of 16 bits.
///
/// # Safety
/// They lie at `at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn halves(at: *const u8) -> __m512 {
    // SAFETY: the caller says so.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())) }
}

/// # Safety
/// Rows `first..first + ROWS` of the result exist, with room for that panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn store<const ROWS: usize>(job: Checked, first: usize, panel: usize, totals: [__m512; ROWS]) {
    for (row, total) in totals.into_iter().enumerate() {
        // SAFETY: the caller says so.
        unsafe { _mm512_storeu_ps(job.out.add((first + row) * job.stride + panel * LANES), total) };
    }
}
