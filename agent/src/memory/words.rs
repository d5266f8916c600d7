//! Search by words: BM25 over the texts of one namespace. The counts are those of the namespace alone, so what others keep
//! shows neither in what is found nor in its order.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params_from_iter};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

use super::database::Work;
use super::filter::Clause;

/// Different words of a question that are looked for: a question is shorter, and what is longer is a text.
const QUERY_TERMS_MAX: usize = 64;
/// Bytes of a word that are kept: the longest word of a dictionary is shorter, what is longer is data.
const TERM_BYTES_MAX: usize = 64;
/// How fast more of the same word counts less, and how much long texts are held back. Robertson and Zaragoza 2009, §3.5.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Something that one way of searching has found; higher scores are better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    pub(super) row: i64,
    pub(super) score: f64,
}

/// Orders a list, best first and equal ones by age, and cuts it.
pub(super) fn best(mut list: Vec<Scored>, count: usize) -> Vec<Scored> {
    list.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    list.truncate(count);
    list
}

/// Counts the words of a text, in lower case and in one form of Unicode.
pub(super) fn terms(text: &str) -> BTreeMap<String, u32> {
    let folded = text.nfkc().collect::<String>().to_lowercase();
    let mut terms = BTreeMap::new();
    for word in folded.unicode_words() {
        let word = &word[..word.floor_char_boundary(TERM_BYTES_MAX)];
        *terms.entry(word.to_owned()).or_default() += 1;
    }
    terms
}

/// Stores the words of a memory.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    namespace: i64,
    row: i64,
    terms: &BTreeMap<String, u32>,
) -> Work<()> {
    let sql = "INSERT INTO postings (namespace, term, memory, count) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = transaction.prepare_cached(sql)?;
    for (term, count) in terms {
        statement.execute((namespace, term, row, count))?;
    }
    Ok(())
}

/// Finds memories by the words of a question, best first.
pub(super) fn search(
    transaction: &Transaction<'_>,
    namespace: i64,
    query: &str,
    clause: &Clause,
    count: usize,
) -> Work<Vec<Scored>> {
    let sql = "SELECT count(*), coalesce(avg(terms), 0.0) FROM memories WHERE namespace = ?1";
    let (all, length): (f64, f64) =
        transaction.prepare_cached(sql)?.query_row([namespace], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut scores: BTreeMap<i64, f64> = BTreeMap::new();
    for term in terms(query).keys().take(QUERY_TERMS_MAX) {
        let sql = "SELECT count(*) FROM postings WHERE namespace = ?1 AND term = ?2";
        let with: f64 = transaction.prepare_cached(sql)?.query_row((namespace, term), |row| row.get(0))?;
        let rarity = ((all - with + 0.5) / (with + 0.5)).ln_1p();
        for (row, times, terms) in postings(transaction, namespace, term, clause)? {
            *scores.entry(row).or_default() += rarity * saturated(times, terms, length);
        }
    }
    Ok(best(scores.into_iter().map(|(row, score)| Scored { row, score }).collect(), count))
}

/// The memories that have a word: how often, among how many.
fn postings(transaction: &Transaction<'_>, namespace: i64, term: &str, clause: &Clause) -> Work<Vec<(i64, f64, f64)>> {
    let sql = format!(
        "SELECT memories.row, postings.count, memories.terms FROM postings JOIN memories ON memories.row = postings.memory
        WHERE postings.namespace = ? AND postings.term = ? AND {}",
        clause.sql
    );
    let values = [namespace.into(), term.to_owned().into()].into_iter().chain(clause.values.iter().cloned());
    let mut statement = transaction.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn saturated(times: f64, terms: f64, average: f64) -> f64 {
    times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * terms / average.max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        let words = |text: &str| terms(text).into_keys().collect::<Vec<_>>();
        assert_eq!(words("Ｃafé CAFÉ, isn't 3.5!"), ["3.5", "café", "isn't"]);
        assert_eq!(terms("a b a")["a"], 2);
        assert_eq!(words(&"é".repeat(100)), ["é".repeat(TERM_BYTES_MAX / 2)]);
        assert!(words(" -- … ").is_empty());
    }

    #[test]
    fn equal_scores_are_in_order_of_age() {
        let list = [(3, 1.0), (1, 1.0), (2, 5.0)].map(|(row, score)| Scored { row, score });
        let rows: Vec<i64> = best(list.to_vec(), 2).iter().map(|scored| scored.row).collect();
        assert_eq!(rows, [2, 1]);
    }
}
