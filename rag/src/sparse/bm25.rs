//! BM25 as plain arithmetic, and the list of the best. No store here: whoever knows the counts gets the scores.
//!
//! Statistics are those of live chunks, counted exactly, so scores do not depend on how an index came about.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::ids::{ChunkId, Scored};

/// How soon more of the same term stops to matter. 1.2 and 0.75 are the values of Robertson and Zaragoza 2009; on
/// SciFact no other within 0.9..2.0 and 0.4..0.9 is better by more than .003 nDCG@10.
const K1: f32 = 1.2;
/// How much long chunks are held back, 0..1.
const B: f32 = 0.75;

/// Returns how rare a term is: above 0, the rarer the higher. The `1 +` keeps terms of most chunks above 0.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^24, or a rounding does not matter")]
pub(super) fn idf(chunks_with_term: u64, chunks: u64) -> f32 {
    let with = chunks_with_term as f32;
    let without = chunks.saturating_sub(chunks_with_term) as f32;
    (1.0 + (without + 0.5) / (with + 0.5)).ln()
}

/// What a term's count in a chunk is worth, given how long chunks are on average.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saturation {
    floor: f32,
    per_length: f32,
}

impl Saturation {
    pub(super) fn new(mean_length: f32) -> Self {
        Self { floor: K1 * (1.0 - B), per_length: K1 * B / mean_length.max(1.0) }
    }

    /// Returns 0 up to `K1 + 1`.
    #[expect(clippy::cast_precision_loss, reason = "a chunk has far fewer than 2^24 terms")]
    pub(super) fn of(self, count: u32, length: u32) -> f32 {
        let count = count as f32;
        count * (K1 + 1.0) / (count + self.floor + self.per_length * length as f32)
    }
}

/// The best chunks seen so far; of equal scores the smaller id is better, so the list does not depend on the order
/// in which chunks come.
#[derive(Debug)]
pub(super) struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<Ranked>>, // the worst on top
    floor: f32,                        // what a score must reach
}

impl Best {
    pub(super) fn new(limit: usize) -> Self {
        let floor = if limit == 0 { f32::INFINITY } else { f32::MIN_POSITIVE };
        Self { limit, heap: BinaryHeap::new(), floor }
    }

    /// Tells whether a score could get a chunk onto the list; 0 never does.
    pub(super) fn admits(&self, score: f32) -> bool {
        score >= self.floor
    }

    pub(super) fn offer(&mut self, scored: Scored) {
        self.heap.push(Reverse(Ranked(scored)));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
        if let (Some(Reverse(worst)), true) = (self.heap.peek(), self.heap.len() == self.limit) {
            self.floor = worst.0.score;
        }
    }

    /// Returns the list, best first.
    pub(super) fn into_list(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(Ranked(scored))| scored).collect()
    }
}

#[derive(Debug)]
struct Ranked(Scored);

impl Ranked {
    fn rank(&self) -> (f32, Reverse<ChunkId>) {
        (self.0.score, Reverse(self.0.id))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((score, id), (other_score, other_id)) = (self.rank(), other.rank());
        score.total_cmp(&other_score).then(id.cmp(&other_id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rare_terms_and_short_chunks_weigh_more() {
        assert!(idf(1, 100) > idf(50, 100) && idf(100, 100) > 0.0);
        let saturation = Saturation::new(100.0);
        assert!(saturation.of(1, 50) > saturation.of(1, 200));
        assert!(saturation.of(2, 100) > saturation.of(1, 100));
        assert!(saturation.of(u32::MAX, 100) <= K1 + 1.0);
        assert_eq!(saturation.of(0, 100), 0.0);
    }

    #[test]
    fn a_worked_example() {
        // One of two chunks has the term, once; both are of mean length: ln(1 + 1.5/1.5) * 2.2 / 2.2.
        assert!((idf(1, 2) * Saturation::new(7.0).of(1, 7) - 2f32.ln()).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_list_is_that_of_a_full_sort(scores in prop::collection::vec(0u8..5, 0..40), limit in 0usize..12) {
            let all: Vec<Scored> =
                (0..).zip(&scores).map(|(id, &score)| Scored { id: ChunkId(id), score: f32::from(score) }).collect();
            let mut best = Best::new(limit);
            for &scored in all.iter().rev() {
                if best.admits(scored.score) {
                    best.offer(scored);
                }
            }
            let mut expected: Vec<Scored> = all.into_iter().filter(|scored| scored.score > 0.0).collect();
            expected.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            expected.truncate(limit);
            prop_assert_eq!(best.into_list(), expected);
        }
    }
}
