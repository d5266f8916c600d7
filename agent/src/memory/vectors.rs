//! Search by meaning: an exact scan over the vectors of one namespace, and how texts get their vectors. A namespace is small
//! beside a library, so nothing is held in memory and nothing is approximate.

use lorewell_embed::{Embedder, Purpose, dot};
use lorewell_model::{Error, Kind, Result};
use rusqlite::{Transaction, params_from_iter};

use super::database::{Fault, Work};
use super::filter::Clause;
use super::words::{Scored, best};

/// Texts that are embedded at once. A crash loses the work on so many at most.
pub(super) const EMBED_BATCH: usize = 64;

/// Embeds texts that are to be stored.
pub(super) async fn passages(embedder: &Embedder, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(EMBED_BATCH) {
        vectors.extend(embed(embedder, batch, Purpose::Passage).await?);
    }
    Ok(vectors)
}

/// Embeds a question.
pub(super) async fn query(embedder: &Embedder, text: &str) -> Result<Vec<f32>> {
    let mut vectors = embed(embedder, &[text], Purpose::Query).await?;
    vectors.pop().ok_or_else(|| misfit(embedder, "gave no vector for one text"))
}

async fn embed(embedder: &Embedder, texts: &[&str], purpose: Purpose) -> Result<Vec<Vec<f32>>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let vectors = embedder.embed(texts, purpose).await?;
    if vectors.len() != texts.len() {
        return Err(misfit(embedder, &format!("gave {} vectors for {} texts", vectors.len(), texts.len())));
    }
    if vectors.dims() != dims(embedder) {
        let message = format!("gave vectors of {} components instead of {}", vectors.dims(), dims(embedder));
        return Err(misfit(embedder, &message));
    }
    if vectors.rows().flatten().any(|value| !value.is_finite()) {
        return Err(misfit(embedder, "gave a vector that is not finite"));
    }
    Ok(vectors.rows().map(<[f32]>::to_vec).collect())
}

fn dims(embedder: &Embedder) -> usize {
    usize::try_from(embedder.info().dims.get()).unwrap_or(usize::MAX)
}

fn misfit(embedder: &Embedder, what: &str) -> Error {
    Error::new(Kind::BadOutput, format!("the embedder `{}` {what}", embedder.info().name))
}

/// Finds memories whose vectors are nearest to that of the question, best first.
pub(super) fn search(
    transaction: &Transaction<'_>,
    namespace: i64,
    query: &[f32],
    clause: &Clause,
    count: usize,
) -> Work<Vec<Scored>> {
    let sql = format!(
        "SELECT memories.row, vectors.value FROM memories JOIN vectors ON vectors.memory = memories.row
        WHERE memories.namespace = ? AND {}",
        clause.sql
    );
    let values = [namespace.into()].into_iter().chain(clause.values.iter().cloned());
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut vector, mut found) = (Vec::with_capacity(query.len()), Vec::new());
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let (values, rest) = bytes.as_chunks();
        vector.clear();
        vector.extend(values.iter().map(|value| f32::from_le_bytes(*value)));
        if vector.len() != query.len() || !rest.is_empty() {
            return Err(Fault::corrupt("a vector does not have the length of the others"));
        }
        found.push(Scored { row: row.get(0)?, score: f64::from(dot(&vector, query)) });
    }
    Ok(best(found, count))
}
