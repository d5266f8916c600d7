//! Attention over a cache of floats, of 16 bits unless they are to be exact, that lies in blocks of 32 tokens. The keys of a block are stored with the tokens
//! of a component beside each other, so that scores need no sums across a register; values are stored token by token.
//! Several queries share each load; a running maximum keeps the scores of no more than one block
//! (Milakov and Gimelshein 2018, Dao et al. 2022).
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "vector intrinsics"))]

use super::Tier;
use super::rows::exp;

/// Tokens of a block of the cache.
pub(in crate::local) const BLOCK_TOKENS: usize = 32;
/// Queries that share each load of keys and values.
const QUERIES: usize = 8;
const LANES: usize = 16;

/// How many heads there are, and how wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::local) struct Heads {
    pub(in crate::local) queries: usize,
    /// Heads of keys and values; each serves as many of the queries.
    pub(in crate::local) keys: usize,
    /// Components of a head: a multiple of 16 in the cache, filled up with zeros.
    pub(in crate::local) width: usize,
}

impl Heads {
    /// Components of a head in the cache.
    pub(in crate::local) fn padded(self) -> usize {
        self.width.next_multiple_of(LANES)
    }

    /// Values that the keys, or the values, of a block take in one layer.
    pub(in crate::local) fn block_values(self) -> usize {
        self.keys * self.padded() * BLOCK_TOKENS
    }

    /// Tokens that one call of [`Attention::attend`] should take, so that loads are shared.
    pub(in crate::local) fn tile(self) -> usize {
        (QUERIES / (self.queries / self.keys).max(1)).max(1)
    }

    /// Writes the keys and values of a token into a block.
    pub(in crate::local) fn store<E: Stored>(
        self,
        at: usize,
        key: &[f32],
        value: &[f32],
        keys: &mut [E],
        values: &mut [E],
    ) {
        for head in 0..self.keys {
            let block = head * self.padded() * BLOCK_TOKENS;
            for component in 0..self.width {
                keys[block + component * BLOCK_TOKENS + at] = E::of(key[head * self.width + component]);
                values[block + at * self.padded() + component] = E::of(value[head * self.width + component]);
            }
        }
    }
}

/// How a cache stores a value.
pub(in crate::local) trait Stored: Copy + Default + Send + Sync + 'static {
    fn of(value: f32) -> Self;

    /// Reads 16 values.
    fn load<V: Lanes16>(from: &[Self; LANES]) -> V;
}

/// The bits of a float of 16 bits.
impl Stored for u16 {
    fn of(value: f32) -> Self {
        half::f16::from_f32(value).to_bits()
    }

    #[inline(always)]
    fn load<V: Lanes16>(from: &[Self; LANES]) -> V {
        V::halves(from)
    }
}

impl Stored for f32 {
    fn of(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn load<V: Lanes16>(from: &[Self; LANES]) -> V {
        V::load(from)
    }
}

/// What queries of neighbouring tokens of one sequence look at.
#[derive(Debug, Clone, Copy)]
pub(in crate::local) struct Attention<'a, E> {
    pub(in crate::local) heads: Heads,
    /// What scores are multiplied by.
    pub(in crate::local) scale: f32,
    /// How many tokens back a query sees, itself included.
    pub(in crate::local) window: Option<usize>,
    /// Keys of the blocks of the sequence in this layer, in order.
    pub(in crate::local) keys: &'a [&'a [E]],
    pub(in crate::local) values: &'a [&'a [E]],
}

/// What one task needs between blocks.
struct Scratch {
    queries: Vec<f32>,
    sums: Vec<f32>,
    scores: [[f32; BLOCK_TOKENS]; QUERIES],
    tops: [f32; QUERIES],
    shares: [f32; QUERIES],
}

impl<E: Stored> Attention<'_, E> {
    /// Lets the queries of tokens `position..` that belong to one head of keys look at all tokens before them. Row `i` of
    /// `queries` and `out` begins at `i * stride`, and holds all heads.
    pub(in crate::local) fn attend(
        &self,
        tier: Tier,
        key_head: usize,
        position: usize,
        queries: &[f32],
        stride: usize,
        out: &mut [&mut [f32]],
    ) {
        let group = self.heads.queries / self.heads.keys;
        let rows = out.len();
        let all: Vec<(usize, usize)> = (0..rows).flat_map(|row| (0..group).map(move |head| (row, head))).collect();
        for some in all.chunks(QUERIES) {
            let mut scratch = Scratch::new(self.heads.padded());
            for (index, (row, head)) in some.iter().enumerate() {
                let at = row * stride + (key_head * group + head) * self.heads.width;
                let query = &queries[at..at + self.heads.width];
                let to = &mut scratch.queries[index * self.heads.padded()..][..self.heads.width];
                to.iter_mut().zip(query).for_each(|(to, value)| *to = value * self.scale);
            }
            let last = position + some.last().map_or(0, |(row, _)| *row);
            let oldest = self.window.map_or(0, |window| (position + some[0].0 + 1).saturating_sub(window));
            for block in oldest / BLOCK_TOKENS..=last / BLOCK_TOKENS {
                self.look(tier, key_head, block, position, some, &mut scratch);
            }
            for (index, (row, head)) in some.iter().enumerate() {
                let sums = &scratch.sums[index * self.heads.padded()..][..self.heads.width];
                let to = &mut out[*row][head * self.heads.width..][..self.heads.width];
                let share = 1.0 / scratch.shares[index];
                to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum * share);
            }
        }
    }

    /// Adds what a block says.
    fn look(
        &self,
        tier: Tier,
        head: usize,
        block: usize,
        position: usize,
        queries: &[(usize, usize)],
        scratch: &mut Scratch,
    ) {
        let width = self.heads.padded();
        let size = width * BLOCK_TOKENS;
        let keys = &self.keys[block][head * size..(head + 1) * size];
        let values = &self.values[block][head * size..(head + 1) * size];
        scores(tier, keys, &scratch.queries, width, queries.len(), &mut scratch.scores);
        for (index, (row, _)) in queries.iter().enumerate() {
            let (first, at) = (block * BLOCK_TOKENS, position + row);
            let oldest = self.window.map_or(0, |window| (at + 1).saturating_sub(window));
            let scores = &mut scratch.scores[index];
            let seen = oldest.saturating_sub(first).min(BLOCK_TOKENS)..(at + 1).saturating_sub(first).min(BLOCK_TOKENS);
            scores[..seen.start].fill(f32::NEG_INFINITY);
            scores[seen.end..].fill(f32::NEG_INFINITY);
            let top = scores.iter().fold(scratch.tops[index], |top, score| if *score > top { *score } else { top });
            if top == f32::NEG_INFINITY {
                scores.fill(0.0);
                continue;
            }
            let factor = if scratch.tops[index] == top { 1.0 } else { (scratch.tops[index] - top).exp() };
            let sum = weigh(tier, scores, top);
            scratch.tops[index] = top;
            scratch.shares[index] = scratch.shares[index] * factor + sum;
            if factor != 1.0 {
                scratch.sums[index * width..(index + 1) * width].iter_mut().for_each(|value| *value *= factor);
            }
        }
        mix(tier, values, &scratch.scores, width, queries.len(), &mut scratch.sums);
    }
}

impl Scratch {
    fn new(width: usize) -> Self {
        Self {
            queries: vec![0.0; QUERIES * width],
            sums: vec![0.0; QUERIES * width],
            scores: [[0.0; BLOCK_TOKENS]; QUERIES],
            tops: [f32::NEG_INFINITY; QUERIES],
            shares: [0.0; QUERIES],
        }
    }
}

/// 16 floats.
pub(in crate::local) trait Lanes16: Copy {
    /// Reads 16 floats of 16 bits.
    fn halves(from: &[u16; LANES]) -> Self;
    fn load(from: &[f32; LANES]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
    /// Returns `self + value * other`.
    fn add_scaled(self, value: f32, other: Self) -> Self;
}

impl Lanes16 for [f32; LANES] {
    #[inline(always)]
    fn halves(from: &[u16; LANES]) -> Self {
        from.map(|bits| half::f16::from_bits(bits).to_f32())
    }

    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        *from
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self;
    }

    #[inline(always)]
    fn add_scaled(self, value: f32, other: Self) -> Self {
        std::array::from_fn(|lane| self[lane] + value * other[lane])
    }
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::*;

    use super::{LANES, Lanes16};

    #[derive(Clone, Copy)]
    pub(super) struct Avx512(__m512);

    impl Lanes16 for Avx512 {
        #[inline(always)]
        fn halves(from: &[u16; LANES]) -> Self {
            // SAFETY: only functions that have the features are compiled with this type.
            Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn add_scaled(self, value: f32, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm512_fmadd_ps(_mm512_set1_ps(value), other.0, self.0) })
        }
    }

    #[derive(Clone, Copy)]
    pub(super) struct Avx2([__m256; 2]);

    impl Lanes16 for Avx2 {
        #[inline(always)]
        fn halves(from: &[u16; LANES]) -> Self {
            // SAFETY: only functions that have the features are compiled with this type.
            Self([0, 1].map(|half| unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().add(half * 8).cast())) }))
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: as above.
            Self([0, 1].map(|half| unsafe { _mm256_loadu_ps(from.as_ptr().add(half * 8)) }))
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            for (half, value) in self.0.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(to.as_mut_ptr().add(half * 8), value) }
            }
        }

        #[inline(always)]
        fn add_scaled(self, value: f32, other: Self) -> Self {
            // SAFETY: as above.
            Self([0, 1].map(|half| unsafe { _mm256_fmadd_ps(_mm256_set1_ps(value), other.0[half], self.0[half]) }))
        }
    }
}

/// Compiles a function for the vectors of every tier and calls the one for this machine.
macro_rules! per_vector {
    ($tier:expr, $name:ident$(<$stored:ident>)?($($arg:ident: $kind:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
        fn avx512$(<$stored: Stored>)?($($arg: $kind),*) {
            $name::<$($stored,)? vectors::Avx512>($($arg),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2$(<$stored: Stored>)?($($arg: $kind),*) {
            $name::<$($stored,)? vectors::Avx2>($($arg),*);
        }
        match $tier {
            Tier::Portable => $name::<$($stored,)? [f32; LANES]>($($arg),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this tier only where the features were detected.
            Tier::Avx2 => unsafe { avx2($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Tier::Avx512 => unsafe { avx512($($arg),*) },
        }
    }};
}

type Scores = [[f32; BLOCK_TOKENS]; QUERIES];

/// Scores each query against the 32 keys of a block.
fn scores<E: Stored>(tier: Tier, keys: &[E], queries: &[f32], width: usize, count: usize, out: &mut Scores) {
    per_vector!(tier, scores_of<E>(keys: &[E], queries: &[f32], width: usize, count: usize, out: &mut Scores));
}

#[inline(always)]
fn scores_of<E: Stored, V: Lanes16>(keys: &[E], queries: &[f32], width: usize, count: usize, out: &mut Scores) {
    match count {
        1 => scores_tile::<E, V, 1>(keys, queries, width, 0, out),
        2 => scores_tile::<E, V, 2>(keys, queries, width, 0, out),
        3 | 4 => scores_tile::<E, V, 4>(keys, queries, width, 0, out),
        _ => {
            scores_tile::<E, V, 4>(keys, queries, width, 0, out);
            scores_tile::<E, V, 4>(keys, queries, width, 4, out);
        }
    }
}

#[inline(always)]
fn scores_tile<E: Stored, V: Lanes16, const N: usize>(
    keys: &[E],
    queries: &[f32],
    width: usize,
    first: usize,
    out: &mut Scores,
) {
    let zero = V::load(&[0.0; LANES]);
    let mut sums = [[zero; 2]; N];
    let queries: [&[f32]; N] = std::array::from_fn(|index| &queries[(first + index) * width..][..width]);
    let (components, _) = keys.as_chunks::<LANES>();
    for component in 0..width {
        let pair: [V; 2] = [E::load(&components[component * 2]), E::load(&components[component * 2 + 1])];
        for index in 0..N {
            let value = queries[index][component];
            sums[index] = [sums[index][0].add_scaled(value, pair[0]), sums[index][1].add_scaled(value, pair[1])];
        }
    }
    for index in 0..N {
        let (lanes, _) = out[first + index].as_chunks_mut::<LANES>();
        sums[index][0].store(&mut lanes[0]);
        sums[index][1].store(&mut lanes[1]);
    }
}

/// Adds the values of a block, each as much as its score says.
fn mix<E: Stored>(tier: Tier, values: &[E], scores: &Scores, width: usize, count: usize, sums: &mut [f32]) {
    per_vector!(tier, mix_of<E>(values: &[E], scores: &Scores, width: usize, count: usize, sums: &mut [f32]));
}

#[inline(always)]
fn mix_of<E: Stored, V: Lanes16>(values: &[E], scores: &Scores, width: usize, count: usize, sums: &mut [f32]) {
    match count {
        1 => mix_tile::<E, V, 1>(values, scores, width, 0, sums),
        2 => mix_tile::<E, V, 2>(values, scores, width, 0, sums),
        3 | 4 => mix_tile::<E, V, 4>(values, scores, width, 0, sums),
        _ => {
            mix_tile::<E, V, 4>(values, scores, width, 0, sums);
            mix_tile::<E, V, 4>(values, scores, width, 4, sums);
        }
    }
}

#[inline(always)]
fn mix_tile<E: Stored, V: Lanes16, const N: usize>(
    values: &[E],
    scores: &Scores,
    width: usize,
    first: usize,
    sums: &mut [f32],
) {
    let (values, _) = values.as_chunks::<LANES>();
    let (sums, _) = sums.as_chunks_mut::<LANES>();
    let registers = width / LANES;
    for register in 0..registers {
        let mut totals: [V; N] = std::array::from_fn(|index| V::load(&sums[(first + index) * registers + register]));
        for token in 0..BLOCK_TOKENS {
            let value: V = E::load(&values[token * registers + register]);
            for index in 0..N {
                totals[index] = totals[index].add_scaled(scores[first + index][token], value);
            }
        }
        for (index, total) in totals.into_iter().enumerate() {
            total.store(&mut sums[(first + index) * registers + register]);
        }
    }
}

/// Replaces scores by e to the power of what they are below the top one, and returns the sum.
fn weigh(tier: Tier, scores: &mut [f32; BLOCK_TOKENS], top: f32) -> f32 {
    let mut sum = 0.0;
    let out = &mut sum;
    per_vector!(tier, weigh_of(scores: &mut [f32; BLOCK_TOKENS], top: f32, out: &mut f32));
    sum
}

#[inline(always)]
fn weigh_of<V: Lanes16>(scores: &mut [f32; BLOCK_TOKENS], top: f32, out: &mut f32) {
    for score in scores.iter_mut() {
        // What is not seen has a score of minus infinity, which `exp` would not bring to 0.
        let weight = exp::<false>(*score - top);
        *score = if *score == f32::NEG_INFINITY { 0.0 } else { weight };
    }
    let mut sums = [0.0; LANES];
    for half in scores.chunks(LANES) {
        sums.iter_mut().zip(half).for_each(|(sum, score)| *sum += score);
    }
    *out = sums.iter().sum();
}
