//! Search: by words and by meaning, each among what the filter leaves, then one list of the two. What was found counts as used.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use lorewell_model::{Error, Kind, Result};
use rusqlite::Transaction;

use super::Namespace;
use super::database::{Durable, Work};
use super::filter::{Clause, MemoryFilter};
use super::item::MemoryItem;
use super::remember::TEXT_BYTES_MAX;
use super::time::{micros, now};
use super::words::Scored;
use super::{rows, vectors, words};

/// Hits that a search gives, unless said.
const LIMIT: usize = 10;
/// Hits that it may give: what a model reads of them at once is less.
pub const HITS_MAX: usize = 100;
/// Hits of each way of searching that are looked at: more than are given, so that one in the middle of both lists can come first.
const CANDIDATES: usize = 4 * HITS_MAX;
/// Flattens the difference between ranks. Cormack et al. 2009.
const RRF_K: f64 = 60.0;

/// A search: `.await` it for the hits, best first.
#[derive(Debug, Clone)]
#[must_use = "a search does nothing until it is awaited"]
pub struct Search {
    namespace: Namespace,
    query: String,
    limit: usize,
    filter: MemoryFilter,
    as_of: Option<SystemTime>,
    half_life: Option<Duration>,
    is_use: bool,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryHit {
    /// The memory.
    pub item: MemoryItem,
    /// How well it fits, higher is better: the sum of 1 / (60 + rank) over both lists, times what its age leaves.
    pub score: f64,
    /// Its rank by words, from 1.
    pub words: Option<usize>,
    /// Its rank by meaning, from 1.
    pub meaning: Option<usize>,
}

impl Search {
    pub(super) fn new(namespace: Namespace, query: String) -> Self {
        let filter = MemoryFilter::new();
        Self { namespace, query, limit: LIMIT, filter, as_of: None, half_life: None, is_use: true }
    }

    /// Sets how many hits are given, at most [`HITS_MAX`]; 10 unless said.
    pub fn limit(mut self, hits: usize) -> Self {
        self.limit = hits;
        self
    }

    /// Looks only at what fits.
    pub fn filter(mut self, filter: MemoryFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Looks at what was so at a time; at what is so now unless said.
    pub fn as_of(mut self, time: impl Into<SystemTime>) -> Self {
        self.as_of = Some(time.into());
        self
    }

    /// Prefers the new: a memory loses half its score each time that so long has passed since it was last changed.
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = Some(half_life);
        self
    }

    /// Leaves no trace: what is found does not count as used.
    pub fn unnoticed(mut self) -> Self {
        self.is_use = false;
        self
    }
}

impl IntoFuture for Search {
    type Output = Result<Vec<MemoryHit>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    /// `BadInput` if nothing is asked for, or more than [`HITS_MAX`] hits are; `Limit` if the question is too long; those of the
    /// embedder, `Conflict` if it is not the one of the file any more; those of the store.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.check()?;
            let vector = match self.namespace.store().embedder() {
                Some(embedder) => Some(vectors::query(embedder, &self.query).await?),
                None => None,
            };
            let (namespace, store) = (self.namespace.clone(), self.namespace.store().shared());
            let (is_use, now) = (self.is_use, now());
            let read = move |transaction: &Transaction<'_>, namespace| {
                rows::check_embedder(transaction, store.fingerprint())?;
                self.find(transaction, namespace, vector.as_deref(), now)
            };
            let found = namespace.read(Vec::new(), read).await?;
            if is_use && !found.is_empty() {
                let rows: Vec<i64> = found.iter().map(|(row, _)| *row).collect();
                let touch = move |transaction: &Transaction<'_>| rows::touch(transaction, &rows, now);
                namespace.store().database().write(Durable::No, touch).await?;
            }
            Ok(found.into_iter().map(|(_, hit)| hit).collect())
        })
    }
}

impl Search {
    fn check(&self) -> Result<()> {
        if self.query.trim().is_empty() {
            return Err(Error::new(Kind::BadInput, "the question is empty; say what to look for"));
        }
        if self.query.len() > TEXT_BYTES_MAX {
            let message =
                format!("a question of {} bytes is too long; {TEXT_BYTES_MAX} is the limit", self.query.len());
            return Err(Error::new(Kind::Limit, message));
        }
        if !(1..=HITS_MAX).contains(&self.limit) {
            let message = format!("a search gives 1 to {HITS_MAX} hits, not {}", self.limit);
            return Err(Error::new(Kind::BadInput, message));
        }
        if self.half_life.is_some_and(|half_life| half_life.is_zero()) {
            return Err(Error::new(Kind::BadInput, "a half-life of zero leaves nothing; give a longer one"));
        }
        Ok(())
    }

    /// Finds hits with their rows.
    fn find(
        &self,
        transaction: &Transaction<'_>,
        namespace: i64,
        vector: Option<&[f32]>,
        now: i64,
    ) -> Work<Vec<(i64, MemoryHit)>> {
        let clause = self.filter.clause().living(now).valid(self.as_of.map_or(now, micros));
        let words = words::search(transaction, namespace, &self.query, &clause, CANDIDATES)?;
        let meaning = match vector {
            Some(vector) => vectors::search(transaction, namespace, vector, &clause, CANDIDATES)?,
            None => Vec::new(),
        };
        let mut hits = Vec::new();
        for fused in fuse(&words, &meaning) {
            let clause = Clause { sql: "memories.row = ?".to_owned(), values: vec![fused.row.into()] };
            for (row, item) in rows::select(transaction, namespace, &clause, 1)? {
                let score = fused.score * self.freshness(&item, now);
                hits.push((row, MemoryHit { item, score, words: fused.words, meaning: fused.meaning }));
            }
            // In this order the first are the best, unless age counts.
            if self.half_life.is_none() && hits.len() == self.limit {
                break;
            }
        }
        hits.sort_by(|a, b| b.1.score.total_cmp(&a.1.score)); // stable, so ties stay in order
        hits.truncate(self.limit);
        Ok(hits)
    }

    /// What its age leaves of a score, 0..1.
    fn freshness(&self, item: &MemoryItem, now: i64) -> f64 {
        let Some(half_life) = self.half_life else { return 1.0 };
        let age = Duration::from_micros(now.saturating_sub(micros(item.updated)).max(0).unsigned_abs());
        0.5_f64.powf(age.as_secs_f64() / half_life.as_secs_f64())
    }
}

/// A hit of both lists.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fused {
    row: i64,
    score: f64,
    words: Option<usize>,
    meaning: Option<usize>,
}

/// Makes one list of two by reciprocal ranks, best first; equal ones in order of age.
fn fuse(words: &[Scored], meaning: &[Scored]) -> Vec<Fused> {
    let mut fused: BTreeMap<i64, Fused> = BTreeMap::new();
    let empty = |row| Fused { row, score: 0.0, words: None, meaning: None };
    for (rank, scored) in (1..).zip(words) {
        let hit = fused.entry(scored.row).or_insert_with(|| empty(scored.row));
        (hit.score, hit.words) = (hit.score + share(rank), Some(rank));
    }
    for (rank, scored) in (1..).zip(meaning) {
        let hit = fused.entry(scored.row).or_insert_with(|| empty(scored.row));
        (hit.score, hit.meaning) = (hit.score + share(rank), Some(rank));
    }
    let mut fused: Vec<Fused> = fused.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

#[expect(clippy::cast_precision_loss, reason = "a rank is at most the number of candidates")]
fn share(rank: usize) -> f64 {
    1.0 / (RRF_K + rank as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: &[i64]) -> Vec<Scored> {
        rows.iter().map(|row| Scored { row: *row, score: 0.0 }).collect()
    }

    #[test]
    fn a_hit_of_both_lists_comes_first() {
        let fused = fuse(&list(&[1, 2, 3]), &list(&[4, 2, 5]));
        let rows: Vec<i64> = fused.iter().map(|hit| hit.row).collect();
        assert_eq!(rows, [2, 1, 4, 3, 5]);
        assert_eq!((fused[0].words, fused[0].meaning), (Some(2), Some(2)));
        assert!((fused[0].score - 2.0 / 62.0).abs() < 1e-12);
        assert!(fuse(&[], &[]).is_empty());
    }
}
