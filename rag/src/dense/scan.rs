//! The exact search: every live row that the filter allows is compared by its codes, and the best of them are scored
//! again by their vectors. Filters come first, so a row they exclude costs a bit test and no arithmetic.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::kernels::{Codes, dot};
use super::segment::{BLOCK_ROWS, BLOCK_WORDS};
use super::snapshot::Part;
use crate::ids::{ChunkId, IdSet, Scored};

/// Candidates that are scored again for each hit that is asked for. Codes of 8 bits rank so close to the vectors that
/// a few spare candidates bring recall to 1 within the noise of measurement.
pub(super) const OVERSAMPLE: usize = 4;

/// Blocks that one task scans: work for some ten microseconds, well above the cost of handing it to another thread.
const TASK_BLOCKS: usize = 16;

/// A question to the store.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// The vector.
    vector: &'a [f32],
    /// The vector as codes.
    codes: Codes,
    /// The chunks that count; all if there is no filter.
    allowed: Option<&'a IdSet>,
}

impl<'a> Query<'a> {
    /// Prepares a question.
    pub(super) fn new(vector: &'a [f32], allowed: Option<&'a IdSet>) -> Self {
        Self { vector, codes: Codes::new(vector), allowed }
    }

    /// Returns the number of components.
    pub(super) fn dims(&self) -> usize {
        self.vector.len()
    }

    /// Returns the vector as codes.
    pub(super) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Tells whether the filter lets a chunk through. Its id is only looked up if there is a filter.
    pub(super) fn allows(&self, id: impl FnOnce() -> u64) -> bool {
        self.allowed.is_none_or(|allowed| allowed.contains(ChunkId(id())))
    }

    /// Returns the score that a dot product of codes stands for.
    pub(super) fn score(&self, dot: i32, scale: f32) -> f32 {
        dot as f32 * scale * self.codes.scale()
    }
}

/// A row that may be among the best.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its score; higher is better.
    pub(super) score: f32,
    /// The chunk.
    pub(super) id: u64,
    /// Index of its segment in the snapshot.
    pub(super) part: usize,
    /// Its row in the segment.
    pub(super) row: usize,
}

impl Candidate {
    /// Orders the better one first; of equals, the one with the smaller id.
    fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

/// The best candidates so far. Twice as many as wanted are collected before the worse half is dropped, so that a
/// candidate costs a comparison and, seldom, a constant share of a selection.
#[derive(Debug)]
pub(super) struct Best {
    wanted: usize,
    floor: f32,
    found: Vec<Candidate>,
}

impl Best {
    /// Makes room for this many.
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted, floor: f32::NEG_INFINITY, found: Vec::new() }
    }

    /// Tells whether a candidate with this score would have a chance.
    pub(super) fn admits(&self, score: f32) -> bool {
        score >= self.floor
    }

    /// Takes a candidate in.
    pub(super) fn push(&mut self, candidate: Candidate) {
        if self.admits(candidate.score) {
            self.found.push(candidate);
            if self.found.len() >= self.wanted.saturating_mul(2) {
                self.prune();
            }
        }
    }

    /// Takes in what another has found.
    pub(super) fn merge(mut self, other: Self) -> Self {
        other.found.into_iter().for_each(|candidate| self.push(candidate));
        self
    }

    /// Returns the best, best first.
    pub(super) fn finish(mut self) -> Vec<Candidate> {
        self.prune();
        self.found.sort_unstable_by(Candidate::order);
        self.found
    }

    fn prune(&mut self) {
        if self.wanted == 0 {
            self.found.clear();
        } else if self.found.len() > self.wanted {
            let (_, worst, _) = self.found.select_nth_unstable_by(self.wanted - 1, Candidate::order);
            self.floor = worst.score;
            self.found.truncate(self.wanted);
        }
    }
}

/// Compares all rows of the named segments and returns the `wanted` best by their codes.
pub(super) fn scan(parts: &[Part], which: impl Iterator<Item = usize>, query: &Query<'_>, wanted: usize) -> Best {
    let tasks: Vec<(usize, Range<usize>)> = which
        .flat_map(|part| {
            let blocks = parts[part].segment.blocks();
            (0..blocks).step_by(TASK_BLOCKS).map(move |start| (part, start..blocks.min(start + TASK_BLOCKS)))
        })
        .collect();
    in_parallel(&tasks, wanted, |(part, blocks), best| {
        for block in blocks.clone() {
            scan_block(parts, *part, block, query, best);
        }
    })
}

/// Lets the threads share tasks, each collecting its own best.
pub(super) fn in_parallel<T: Sync>(tasks: &[T], wanted: usize, run: impl Fn(&T, &mut Best) + Sync) -> Best {
    let fold = |mut best, task| {
        run(task, &mut best);
        best
    };
    match tasks {
        [] | [_] => tasks.iter().fold(Best::new(wanted), fold),
        tasks => tasks.par_iter().fold(|| Best::new(wanted), fold).reduce(|| Best::new(wanted), Best::merge),
    }
}

fn scan_block(parts: &[Part], part: usize, index: usize, query: &Query<'_>, best: &mut Best) {
    let Part { segment, removed, .. } = &parts[part];
    let block = segment.block(index);
    let mut counting = Rows::first(block.len());
    for (word, bits) in counting.0.iter_mut().enumerate() {
        *bits &= !removed.word(index * BLOCK_WORDS + word);
    }
    if query.allowed.is_some() {
        for row in counting.iter() {
            if !query.allows(|| block.id(row)) {
                counting.0[row / 64] &= !(1 << (row % 64));
            }
        }
    }
    compare(query, block.codes, block.scales, counting, |row, score| {
        if best.admits(score) {
            best.push(Candidate { score, id: block.id(row), part, row: block.start + row });
        }
    });
}

/// Compares the rows that count, of at most a block, and hands out their scores.
pub(super) fn compare(
    query: &Query<'_>,
    codes: &[u8],
    scales: &[[u8; 4]],
    counting: Rows,
    mut scored: impl FnMut(usize, f32),
) {
    let dims = query.dims();
    let mut dots = [0; BLOCK_ROWS];
    // Where most rows count, one run over all of them is faster than many short ones.
    if 2 * counting.len() >= scales.len() {
        query.codes.dots(codes, &mut dots[..scales.len()]);
    } else {
        for row in counting.iter() {
            dots[row] = query.codes.dot(&codes[row * dims..(row + 1) * dims]);
        }
    }
    for row in counting.iter() {
        scored(row, query.score(dots[row], f32::from_le_bytes(scales[row])));
    }
}

/// A set of rows of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rows([u64; BLOCK_WORDS]);

impl Rows {
    /// Makes the set of the first rows.
    fn first(count: usize) -> Self {
        let mut rows = Self::default();
        for (word, bits) in rows.0.iter_mut().enumerate() {
            *bits = match count.saturating_sub(word * 64) {
                0 => 0,
                1..64 => (1 << (count % 64)) - 1,
                _ => u64::MAX,
            };
        }
        rows
    }

    /// Adds a row.
    pub(super) fn insert(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Iterates over the rows as they are now, ascending.
    fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}

/// Scores candidates by their vectors and returns the `limit` best, best first.
pub(super) fn rescore(parts: &[Part], query: &Query<'_>, candidates: Best, limit: usize) -> Vec<Scored> {
    let mut best = Best::new(limit);
    for candidate in candidates.finish() {
        // Rounding can carry the product of two unit vectors past 1.
        let score = dot(query.vector, parts[candidate.part].segment.vector(candidate.row)).clamp(-1.0, 1.0);
        best.push(Candidate { score, ..candidate });
    }
    best.finish().into_iter().map(|hit| Scored { id: ChunkId(hit.id), score: hit.score }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_the_head_of_the_sorted_list(
            scores in prop::collection::vec(0u8..20, 0..200), wanted in 0usize..50, cut in 0usize..200,
        ) {
            let candidates: Vec<_> = scores.iter().zip(0..).map(|(score, id)| Candidate {
                score: f32::from(*score), id, part: 0, row: 0,
            }).collect();
            let collect = |candidates: &[Candidate]| {
                let mut best = Best::new(wanted);
                candidates.iter().for_each(|candidate| best.push(*candidate));
                best
            };
            let (left, right) = candidates.split_at(cut.min(candidates.len()));
            let found = collect(left).merge(collect(right)).finish();
            let mut expected = candidates.clone();
            expected.sort_by(Candidate::order);
            expected.truncate(wanted);
            let ids = |list: &[Candidate]| list.iter().map(|candidate| candidate.id).collect::<Vec<_>>();
            prop_assert_eq!(ids(&found), ids(&expected));
        }

        #[test]
        fn rows_are_a_set(set in prop::collection::btree_set(0usize..BLOCK_ROWS, 0..BLOCK_ROWS), count in 0..=BLOCK_ROWS) {
            let mut rows = Rows::default();
            set.iter().for_each(|row| rows.insert(*row));
            prop_assert_eq!(rows.len(), set.len());
            prop_assert!(rows.iter().eq(set));
            prop_assert!(Rows::first(count).iter().eq(0..count));
        }
    }
}
