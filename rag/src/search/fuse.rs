//! One list from two: hits by words and hits by meaning, fused by score distribution or by rank.

use std::collections::BTreeMap;

use crate::ids::{ChunkId, Scored};

/// How two lists become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// Distribution-based score fusion: each list is normalised by its mean ± 3 standard deviations, then the two are
    /// summed (Mazzeschi 2023). Keeps how much better the first is than the second, which ranks forget.
    Dbsf,
    /// Reciprocal rank fusion: the sum of `weight / (k + rank)` (Cormack et al. 2009).
    Rrf {
        /// Larger values flatten the difference between ranks. 60 in the paper; 10 does better here.
        k: f32,
        /// Weight of the hits by words.
        words: f32,
        /// Weight of the hits by meaning.
        meaning: f32,
    },
}

impl Fusion {
    /// Reciprocal rank fusion with k = 10 and equal weights.
    pub const RRF: Self = Self::Rrf { k: 10.0, words: 1.0, meaning: 1.0 };
}

/// What one list says of a hit.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Part {
    /// Rank in that list, from 1.
    pub rank: usize,
    /// Score on the list's own scale: BM25, or cosine.
    pub score: f32,
    /// What it adds to the fused score.
    pub share: f32,
}

/// A fused hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fused {
    pub(crate) id: ChunkId,
    pub(crate) score: f32,
    pub(crate) words: Option<Part>,
    pub(crate) meaning: Option<Part>,
}

/// Fuses two lists, best first; equal scores in order of id.
pub(crate) fn fuse(words: &[Scored], meaning: &[Scored], fusion: Fusion) -> Vec<Fused> {
    let mut fused: BTreeMap<ChunkId, Fused> = BTreeMap::new();
    let empty = |id| Fused { id, score: 0.0, words: None, meaning: None };
    for (id, part) in parts(words, fusion, |fusion| weight(fusion).0) {
        let hit = fused.entry(id).or_insert_with(|| empty(id));
        hit.score += part.share;
        hit.words = Some(part);
    }
    for (id, part) in parts(meaning, fusion, |fusion| weight(fusion).1) {
        let hit = fused.entry(id).or_insert_with(|| empty(id));
        hit.score += part.share;
        hit.meaning = Some(part);
    }
    let mut fused: Vec<Fused> = fused.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable, so ties stay in order of id
    fused
}

fn weight(fusion: Fusion) -> (f32, f32) {
    match fusion {
        Fusion::Dbsf => (1.0, 1.0),
        Fusion::Rrf { words, meaning, .. } => (words, meaning),
    }
}

fn parts(list: &[Scored], fusion: Fusion, weight: impl Fn(Fusion) -> f32) -> Vec<(ChunkId, Part)> {
    let normal = Normal::of(list);
    let part = |(index, scored): (usize, &Scored)| {
        let rank = index + 1;
        let share = match fusion {
            Fusion::Dbsf => normal.normalise(scored.score),
            #[expect(clippy::cast_precision_loss, reason = "a rank is far below 2^24")]
            Fusion::Rrf { k, .. } => 1.0 / (k + rank as f32),
        };
        (scored.id, Part { rank, score: scored.score, share: share * weight(fusion) })
    };
    list.iter().enumerate().map(part).collect()
}

/// Mean and standard deviation of a list's scores.
struct Normal {
    mean: f32,
    deviation: f32,
}

impl Normal {
    fn of(list: &[Scored]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a list of candidates is far below 2^24 long")]
        let count = list.len().max(1) as f32;
        let mean = list.iter().map(|scored| scored.score).sum::<f32>() / count;
        let variance = list.iter().map(|scored| (scored.score - mean).powi(2)).sum::<f32>() / count;
        Self { mean, deviation: variance.sqrt() }
    }

    /// Maps mean ± 3 deviations to 0..1, and leaves room above for what stands out further: cut off there, the few
    /// best of a list would all be equal. What a list has is never worth less than what it lacks, hence the 0 below.
    /// A list whose scores are all alike says nothing, so all get the middle.
    fn normalise(&self, score: f32) -> f32 {
        if self.deviation <= f32::EPSILON {
            return 0.5;
        }
        ((score - self.mean) / (6.0 * self.deviation) + 0.5).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scores: &[(u64, f32)]) -> Vec<Scored> {
        scores.iter().map(|&(id, score)| Scored { id: ChunkId(id), score }).collect()
    }

    fn order(fused: &[Fused]) -> Vec<u64> {
        fused.iter().map(|hit| hit.id.0).collect()
    }

    #[test]
    fn a_hit_of_both_lists_comes_first() {
        let words = list(&[(1, 9.0), (2, 8.0), (3, 1.0)]);
        let meaning = list(&[(4, 0.9), (2, 0.8), (5, 0.1)]);
        for fusion in [Fusion::Dbsf, Fusion::RRF] {
            assert_eq!(fuse(&words, &meaning, fusion)[0].id, ChunkId(2), "{fusion:?}");
        }
    }

    #[test]
    fn dbsf_keeps_distance_where_rrf_sees_ranks_only() {
        let words = list(&[(1, 20.0), (2, 2.0), (3, 1.9), (4, 1.8)]);
        let meaning = list(&[(2, 0.81), (1, 0.80), (3, 0.79), (4, 0.1)]);
        assert_eq!(order(&fuse(&words, &meaning, Fusion::Dbsf))[0], 1);
        let weighted = Fusion::Rrf { k: 10.0, words: 0.5, meaning: 1.0 };
        assert_eq!(order(&fuse(&words, &meaning, weighted))[0], 2);
    }

    #[test]
    fn a_single_list_keeps_its_order() {
        let mut scores: Vec<(u64, f32)> = (10..100).map(|id| (id, 1.0)).collect();
        scores.splice(0..0, [(3, 30.0), (2, 20.0), (1, 10.0)]);
        assert_eq!(order(&fuse(&list(&scores), &[], Fusion::Dbsf))[..3], [3, 2, 1]);
    }

    #[test]
    fn ties_and_flat_and_empty_lists_are_in_order_of_id() {
        assert_eq!(order(&fuse(&list(&[(7, 1.0), (3, 1.0)]), &[], Fusion::Dbsf)), [3, 7]);
        assert!(fuse(&[], &[], Fusion::Dbsf).is_empty());
    }

    #[test]
    fn shares_add_up_to_the_score() {
        let fused = fuse(&list(&[(1, 3.0), (2, 1.0)]), &list(&[(2, 0.5), (1, 0.4)]), Fusion::Dbsf);
        for hit in fused {
            let shares = hit.words.map_or(0.0, |part| part.share) + hit.meaning.map_or(0.0, |part| part.share);
            assert!((shares - hit.score).abs() < 1e-6);
        }
    }
}
