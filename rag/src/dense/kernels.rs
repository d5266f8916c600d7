//! Vectors as int8 codes, and the dot products of codes: the only arithmetic of a scan. The fastest kernel the
//! processor has is picked at run time; all of them give the same integers.

use std::fmt;

/// Components a vector may have. The widest kernel sums products below 2^15 in an `i32`, which overflows at 2^16
/// components; no embedder comes near.
pub(super) const DIMS_MAX: usize = 16_384;

/// The largest code. −128 is left out: with it, two products no longer fit the 16-bit lanes of AVX2.
const CODE_MAX: f32 = 127.0;

/// Turns a vector into codes, appended as bytes, and returns what one code step is worth. The scale is per vector and
/// symmetric, so that a dot product of codes needs one multiplication to become a dot product of vectors.
pub(super) fn quantize(vector: &[f32], codes: &mut Vec<u8>) -> f32 {
    let largest = vector.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        codes.extend(std::iter::repeat_n(0, vector.len()));
        return 0.0;
    }
    let steps = CODE_MAX / largest;
    codes.extend(vector.iter().map(|x| code(x * steps)));
    largest / CODE_MAX
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the codes just before")]
fn code(x: f32) -> u8 {
    (x.round().clamp(-CODE_MAX, CODE_MAX) as i8).cast_unsigned()
}

/// Takes the exact dot product of two vectors, the second as little-endian bytes. Lanes are summed in a fixed order,
/// so the same vectors score the same on every machine.
pub(super) fn dot(left: &[f32], right: &[u8]) -> f32 {
    const LANES: usize = 16;
    let (right, _) = right.as_chunks::<4>();
    let mut lanes = [0.0f32; LANES];
    let (left_lanes, left_rest) = left.as_chunks::<LANES>();
    let (right_lanes, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_lanes.iter().zip(right_lanes) {
        for lane in 0..LANES {
            lanes[lane] += left[lane] * f32::from_le_bytes(right[lane]);
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * f32::from_le_bytes(*right)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A vector as codes, ready to be compared with many others.
pub(super) struct Codes {
    codes: Vec<u8>,
    scale: f32,
    kernel: Kernel,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").field("dims", &self.codes.len()).field("kernel", &self.kernel).finish()
    }
}

impl Codes {
    /// Quantises a vector.
    pub(super) fn new(vector: &[f32]) -> Self {
        let mut codes = Vec::with_capacity(vector.len());
        let scale = quantize(vector, &mut codes);
        Self { codes, scale, kernel: Kernel::best() }
    }

    /// Takes codes that are quantised already.
    pub(super) fn stored(codes: &[u8], scale: f32) -> Self {
        Self { codes: codes.to_vec(), scale, kernel: Kernel::best() }
    }

    /// Returns what one code step is worth.
    pub(super) fn scale(&self) -> f32 {
        self.scale
    }

    /// Takes the dot product with each row of `rows`, which lie one after the other.
    pub(super) fn dots(&self, rows: &[u8], out: &mut [i32]) {
        assert_eq!(rows.len(), self.codes.len() * out.len(), "rows are as long as the query and as many as results");
        self.kernel.dots(&self.codes, rows, out);
    }

    /// Takes the dot product with one row.
    pub(super) fn dot(&self, row: &[u8]) -> i32 {
        let mut out = [0];
        self.dots(row, &mut out);
        out[0]
    }
}

/// A way to take dot products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

impl Kernel {
    /// Every kernel this processor can run, slowest first.
    fn available() -> impl DoubleEndedIterator<Item = Self> {
        let kernels = [
            Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            is_x86_feature_detected!("avx2").then_some(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")).then_some(Self::Avx512Vnni),
        ];
        kernels.into_iter().flatten()
    }

    fn best() -> Self {
        Self::available().next_back().unwrap_or(Self::Portable)
    }

    fn dots(self, query: &[u8], rows: &[u8], out: &mut [i32]) {
        match self {
            Self::Portable => portable::dots(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the processor has the instructions")]
            // SAFETY: `available` is the only source of this variant and has just checked for AVX2.
            Self::Avx2 => unsafe { x86::dots_avx2(query, rows, out) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "the processor has the instructions")]
            // SAFETY: `available` is the only source of this variant and has just checked for AVX-512 with VNNI.
            Self::Avx512Vnni => unsafe { x86::dots_avx512(query, rows, out) },
        }
    }
}

mod portable {
    //! Plain Rust; compilers turn it into the vector instructions every processor of its kind has.

    pub(super) fn dots(query: &[u8], rows: &[u8], out: &mut [i32]) {
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            *out = dot(query, row);
        }
    }

    pub(super) fn dot(query: &[u8], row: &[u8]) -> i32 {
        let pairs = query.iter().zip(row);
        pairs.map(|(query, row)| i32::from(query.cast_signed()) * i32::from(row.cast_signed())).sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The instructions multiply unsigned by signed bytes, so one side has to be made unsigned first.

    use std::arch::x86_64::{
        __m256i, __m512i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_abs_epi8, _mm256_add_epi32,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sign_epi8, _mm512_dpbusd_epi32, _mm512_loadu_si512,
        _mm512_reduce_add_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_xor_si512,
    };

    use super::portable;

    /// |row| · (query with the sign of row): the pair sums stay within 2 · 127², which 16 bits hold.
    #[target_feature(enable = "avx2")]
    pub(super) fn dots_avx2(query: &[u8], rows: &[u8], out: &mut [i32]) {
        let (query_lanes, query_rest) = query.as_chunks::<32>();
        let ones = _mm256_set1_epi16(1);
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            let (row_lanes, row_rest) = row.as_chunks::<32>();
            let mut sums = _mm256_setzero_si256();
            for (query, row) in query_lanes.iter().zip(row_lanes) {
                let (query, row) = (load_256(query), load_256(row));
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(row), _mm256_sign_epi8(query, row));
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
            }
            *out = sum_256(sums) + portable::dot(query_rest, row_rest);
        }
    }

    /// (row + 128) · query − 128 · Σ query. Flipping the top bit of a code adds 128 to it.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots_avx512(query: &[u8], rows: &[u8], out: &mut [i32]) {
        let (query_lanes, query_rest) = query.as_chunks::<64>();
        let bias = 128 * query_lanes.as_flattened().iter().map(|code| i32::from(code.cast_signed())).sum::<i32>();
        let flip = _mm512_set1_epi32(i32::from_ne_bytes([0x80; 4]));
        for (row, out) in rows.chunks_exact(query.len()).zip(out) {
            let (row_lanes, row_rest) = row.as_chunks::<64>();
            let mut sums = _mm512_setzero_si512();
            for (query, row) in query_lanes.iter().zip(row_lanes) {
                let (query, row) = (load_512(query), load_512(row));
                sums = _mm512_dpbusd_epi32(sums, _mm512_xor_si512(row, flip), query);
            }
            *out = _mm512_reduce_add_epi32(sums) - bias + portable::dot(query_rest, row_rest);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "a load reads through a pointer")]
    fn load_256(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: the array is as long as the load, which asks for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "a load reads through a pointer")]
    fn load_512(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: the array is as long as the load, which asks for no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum_256(sums: __m256i) -> i32 {
        let quarters = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let halves = _mm_add_epi32(quarters, _mm_shuffle_epi32::<0b01_00_11_10>(quarters));
        _mm_cvtsi128_si32(_mm_add_epi32(halves, _mm_shuffle_epi32::<0b00_00_00_01>(halves)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(dims: usize, rows: usize) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec((-127i8..=127).prop_map(i8::cast_unsigned), dims * rows)
    }

    proptest! {
        #[test]
        fn all_kernels_agree((query, rows) in (1usize..200).prop_flat_map(|dims| (codes(dims, 1), codes(dims, 3)))) {
            let mut expected = [0; 3];
            portable::dots(&query, &rows, &mut expected);
            for kernel in Kernel::available() {
                let mut out = [0; 3];
                kernel.dots(&query, &rows, &mut out);
                prop_assert_eq!(out, expected, "{:?}", kernel);
            }
        }

        #[test]
        fn codes_are_within_half_a_step(vector in prop::collection::vec(-1.0f32..1.0, 1..64)) {
            let mut codes = Vec::new();
            let scale = quantize(&vector, &mut codes);
            for (x, code) in vector.iter().zip(codes) {
                prop_assert!((x - f32::from(code.cast_signed()) * scale).abs() <= scale * 0.501, "{} {}", x, code);
            }
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let codes = |code: i8| vec![code.cast_unsigned(); DIMS_MAX];
        for (query, row) in [(127i8, 127i8), (127, -127), (-127, -127), (-127, 127)] {
            let expected = i32::from(query) * i32::from(row) * i32::try_from(DIMS_MAX).unwrap();
            for kernel in Kernel::available() {
                let mut out = [0];
                kernel.dots(&codes(query), &codes(row), &mut out);
                assert_eq!(out, [expected], "{kernel:?}");
            }
        }
    }

    #[test]
    fn a_vector_of_zeros_has_codes() {
        let mut codes = Vec::new();
        assert_eq!(quantize(&[0.0; 3], &mut codes), 0.0);
        assert_eq!(codes, [0; 3]);
    }

    #[test]
    fn the_exact_product_counts_every_component() {
        for dims in [1, 15, 16, 17, 384] {
            let bytes: Vec<u8> = std::iter::repeat_n(2.0f32.to_le_bytes(), dims).flatten().collect();
            let expected = 2.0 * f32::from(u16::try_from(dims).unwrap());
            assert_eq!(dot(&vec![1.0; dims], &bytes), expected);
        }
    }
}
