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
    let mut counted = [0u64; BLOCK_WORDS];
    for (word, bits) in counted.iter_mut().enumerate() {
        let rows = block.len().saturating_sub(word * 64).min(64);
        *bits = u64::MAX.checked_shr(64 - u32::try_from(rows).expect("a word has 64 bits")).unwrap_or(0);
        *bits &= !removed.word(index * BLOCK_WORDS + word);
    }
    if query.allowed.is_some() {
        for row in rows(counted) {
            counted[row / 64] &= !(u64::from(!query.allows(|| block.id(row))) << (row % 64));
        }
    }
    let mut dots = [0; BLOCK_ROWS];
    let dims = query.vector.len();
    // Where most rows count, one run over the block is faster than many short ones.
    if 2 * counted.iter().map(|bits| bits.count_ones() as usize).sum::<usize>() >= block.len() {
        query.codes.dots(block.codes, &mut dots[..block.len()]);
    } else {
        for row in rows(counted) {
            dots[row] = query.codes.dot(&block.codes[row * dims..(row + 1) * dims]);
        }
    }
    for row in rows(counted) {
        let score = query.score(dots[row], block.scale(row));
        if best.admits(score) {
            best.push(Candidate { score, id: block.id(row), part, row: block.start + row });
        }
    }
}

/// Iterates over the bits that are set.
fn rows(words: [u64; BLOCK_WORDS]) -> impl Iterator<Item = usize> {
    words.into_iter().enumerate().flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            let bit = bits.trailing_zeros() as usize;
            (bits != 0).then(|| {
                bits &= bits - 1;
                word * 64 + bit
            })
        })
    })
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
        fn set_bits_are_found(set in prop::collection::btree_set(0usize..256, 0..256)) {
            let mut words = [0u64; BLOCK_WORDS];
            set.iter().for_each(|bit| words[bit / 64] |= 1 << (bit % 64));
            prop_assert!(rows(words).eq(set));
        }
    }
}
