//! Names of chunks, sets of them, and scored lists of them: what passes between the index and its stores. They know
//! nothing of texts or vectors, so that either store can be replaced.

use std::collections::BTreeSet;

/// The name of a chunk within one generation of an index. Names are given in ascending order and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u64);

/// A chunk and how well it fits; higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The chunk.
    pub id: ChunkId,
    /// Its score, on the scale of whoever made the list.
    pub score: f32,
}

/// A set of chunks, for filters. Membership costs a shift and a mask; memory is one bit per id between the smallest
/// and the largest member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet {
    base: u64,
    words: Vec<u64>,
    len: usize,
}

impl IdSet {
    /// Tells whether a chunk is in the set.
    #[must_use]
    pub fn contains(&self, id: ChunkId) -> bool {
        let Some(bit) = id.0.checked_sub(self.base) else { return false };
        let word = usize::try_from(bit / 64).ok().and_then(|index| self.words.get(index));
        word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl FromIterator<ChunkId> for IdSet {
    fn from_iter<I: IntoIterator<Item = ChunkId>>(ids: I) -> Self {
        let ids: BTreeSet<ChunkId> = ids.into_iter().collect();
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Self::default() };
        let base = first.0;
        let span = usize::try_from((last.0 - base) / 64 + 1).expect("ids are counted up from 1, so their span fits");
        let mut words = vec![0u64; span];
        for id in &ids {
            let bit = id.0 - base;
            words[usize::try_from(bit / 64).expect("bit is within the span")] |= 1 << (bit % 64);
        }
        Self { base, words, len: ids.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_its_members() {
        let set: IdSet = [7, 70, 700].map(ChunkId).into_iter().collect();
        assert_eq!(set.len(), 3);
        assert!(set.contains(ChunkId(7)) && set.contains(ChunkId(70)) && set.contains(ChunkId(700)));
        assert!(!set.contains(ChunkId(0)) && !set.contains(ChunkId(71)) && !set.contains(ChunkId(701)));
        assert!(!set.contains(ChunkId(u64::MAX)));
        assert!(IdSet::default().is_empty() && !IdSet::default().contains(ChunkId(0)));
    }
}
