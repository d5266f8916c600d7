//! Aligns a quotation with a passage word by word, and judges what differs between them.
//! `fuzzy` finds the passages worth it; the quadratic part is here, over at most a page.

use std::ops::Range;

use crate::answer::decisive::{are_opposites, is_light};
use crate::answer::words::Word;

// Characters added or left out in words that stand for each other, per cent: `colour` for `color`, `organi-` `zation` for
// one word. An exchanged character counts twice, for it makes another word: `northern` for `southern`.
const TYPO_PERCENT_MAX: usize = 17;
// Longer runs of differing words are no typo; the bound keeps the comparison of characters cheap.
const TYPO_CHARS_MAX: usize = 64;
// A word of the quotation may be broken into this many more in the source.
const EXTRA_WORDS: usize = 2;

/// Words of the quotation and of the source that stand for each other.
#[derive(Debug)]
pub(super) struct Run {
    quote: Range<usize>,
    pub(super) source: Range<usize>,
    equal: bool,
}

impl Run {
    /// Returns how many characters agree, or nothing if the difference is not harmless.
    pub(super) fn agreement(&self, quote: &[Word], source: &[Word]) -> Option<usize> {
        let (quoted, said) = (&quote[self.quote.clone()], &source[self.source.clone()]);
        if self.equal {
            return Some(quoted.iter().map(chars).sum());
        }
        // It may be a name, and `Johnston` is not a slip for `Johnson`: names are what a sentence is about.
        if quoted.iter().chain(said).any(|word| word.is_capital) {
            return None;
        }
        if said.is_empty() {
            return quoted.iter().all(|word| is_light(&word.folded)).then_some(0);
        }
        if quoted.is_empty() {
            return Some(0);
        }
        let (quoted, said) = (joined(quoted), joined(said));
        let longer = quoted.chars().count().max(said.chars().count());
        typo(&quoted, &said).filter(|_| !are_opposites(&quoted, &said)).map(|edits| longer - edits)
    }
}

/// Aligns the whole quotation with the part of the source that fits it best: the fewest characters of unmatched words
/// on both sides, words of the source before and behind that part being free.
pub(super) fn runs(quote: &[Word], source: &[Word]) -> Vec<Run> {
    let columns = source.len() + 1;
    let mut cost = vec![0usize; (quote.len() + 1) * columns];
    for row in 1..=quote.len() {
        let word = &quote[row - 1];
        cost[row * columns] = cost[(row - 1) * columns] + chars(word);
        for column in 1..columns {
            let other = &source[column - 1];
            let skipped = cost[(row - 1) * columns + column] + chars(word);
            let left_out = cost[row * columns + column - 1] + chars(other);
            let least = skipped.min(left_out);
            let paired = unlikeness(word, other).map(|unlike| cost[(row - 1) * columns + column - 1] + unlike);
            cost[row * columns + column] = paired.map_or(least, |paired| paired.min(least));
        }
    }
    let end = (0..columns).min_by_key(|&column| cost[quote.len() * columns + column]).unwrap_or(0);
    let pairs = traced(quote, source, &cost, end);
    between(&pairs, quote, source)
}

/// Walks the cost table back and returns the matched pairs in order.
fn traced(quote: &[Word], source: &[Word], cost: &[usize], end: usize) -> Vec<(usize, usize)> {
    let columns = source.len() + 1;
    let (mut row, mut column) = (quote.len(), end);
    let mut pairs = Vec::new();
    while row > 0 && column > 0 {
        let here = cost[row * columns + column];
        let (word, other) = (&quote[row - 1], &source[column - 1]);
        let paired = unlikeness(word, other).map(|unlike| cost[(row - 1) * columns + column - 1] + unlike);
        if paired == Some(here) {
            row -= 1;
            column -= 1;
            pairs.push((row, column));
        } else if here == cost[(row - 1) * columns + column] + chars(word) {
            row -= 1;
        } else {
            column -= 1;
        }
    }
    pairs.reverse();
    pairs
}

/// Turns matched pairs into runs that cover the quotation. Unmatched words at its ends stand for what is
/// most like them in the source.
fn between(pairs: &[(usize, usize)], quote: &[Word], source: &[Word]) -> Vec<Run> {
    let (Some(&(row, column)), Some(&(last_row, last_column))) = (pairs.first(), pairs.last()) else {
        return Vec::new();
    };
    let mut runs = Vec::new();
    let differing = |quote: Range<usize>, source: Range<usize>| {
        let is_some = !quote.is_empty() || !source.is_empty();
        is_some.then_some(Run { quote, source, equal: false })
    };
    let before = (0..=row + EXTRA_WORDS).filter_map(|n| column.checked_sub(n)).map(|start| start..column);
    runs.extend(differing(0..row, nearest(&quote[..row], source, before)));
    let mut next = (row, column);
    for &(row, column) in pairs {
        runs.extend(differing(next.0..row, next.1..column));
        let equal = quote[row].folded == source[column].folded;
        runs.push(Run { quote: row..row + 1, source: column..column + 1, equal });
        next = (row + 1, column + 1);
    }
    let (rest, from) = (&quote[last_row + 1..], last_column + 1);
    let behind = (0..=rest.len() + EXTRA_WORDS).map(|n| from..from + n).take_while(|range| range.end <= source.len());
    runs.extend(differing(last_row + 1..quote.len(), nearest(rest, source, behind)));
    runs
}

pub(super) fn chars(word: &Word) -> usize {
    word.folded.chars().count()
}

/// Returns how far two words are from each other in edits, if one can stand for the other.
fn unlikeness(word: &Word, other: &Word) -> Option<usize> {
    if word.folded == other.folded { Some(0) } else { typo(&word.folded, &other.folded) }
}

/// Returns the edits between two texts if they are few enough for a typo.
fn typo(a: &str, b: &str) -> Option<usize> {
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    // In bytes first: most pairs of words end here. Edits add and remove whole characters of up to four bytes.
    if (longer - shorter) * 100 > 4 * longer * TYPO_PERCENT_MAX {
        return None;
    }
    let longer = a.chars().count().max(b.chars().count());
    let allowed = longer * TYPO_PERCENT_MAX / 100;
    if longer > TYPO_CHARS_MAX || allowed == 0 {
        return None;
    }
    Some(edits(a, b)).filter(|&edits| edits <= allowed)
}

/// Returns the words of the source that are most like some words at an end of the quotation.
fn nearest(quote: &[Word], source: &[Word], choices: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    let quoted = joined(quote);
    let choices = choices.take(TYPO_CHARS_MAX).filter(|choice| !quote.is_empty() || choice.is_empty());
    choices.min_by_key(|choice| edits(&quoted, &joined(&source[choice.clone()]))).unwrap_or(0..0)
}

fn joined(words: &[Word]) -> String {
    words.iter().flat_map(|word| word.folded.chars()).take(TYPO_CHARS_MAX + 1).collect()
}

/// Characters to add or leave out to turn one text into the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let least = if x == *y { diagonal } else { row[j + 1].min(row[j]) + 1 };
            diagonal = row[j + 1];
            row[j + 1] = least;
        }
    }
    row[b.len()]
}
