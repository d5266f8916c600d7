//! Checks a quotation against its source, so that only what stands there is shown as quoted.
//!
//! Three gates, each at the expected place first and anywhere then: the exact slice, the same words in the same order,
//! nearly the same words (see `fuzzy`). Cost is linear in the source.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::answer::decisive::is_negation;
use crate::answer::fuzzy::Fuzzy;
use crate::answer::words::{Word, Words, words};
use crate::sentences::trimmed;

/// Whether a source says what it is quoted with. Ranges are bytes of the source: show those, not the quotation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The quotation stands at the expected place.
    Verified {
        /// The words quoted.
        range: Range<usize>,
    },
    /// The quotation stands elsewhere in the source.
    Moved {
        /// The words quoted.
        range: Range<usize>,
    },
    /// The source does not say this.
    Unsupported,
}

// How far from its place a quotation may begin and still be where it was expected: an edit before it, not a new place.
const NEAR_BYTES: usize = 256;

/// Checks a quotation against a source, in which it is expected within a range.
///
/// ```
/// use lorewell_rag::answer::citation::{Verdict, check};
///
/// let source = "- Each value in Rust has an _owner_.\n- There can only be one owner\n  at a time.\n";
/// let verdict = check("There can only be one owner at a time.", source, 37..79);
/// assert_eq!(verdict, Verdict::Verified { range: 39..79 });
/// assert_eq!(check("There can be two owners at a time.", source, 37..79), Verdict::Unsupported);
/// ```
#[must_use]
pub fn check(quote: &str, source: &str, expected: Range<usize>) -> Verdict {
    let quote = quote.trim();
    if quote.is_empty() {
        return Verdict::Unsupported;
    }
    let expected = on_boundaries(source, &expected);
    let slice = trimmed(source, expected.clone());
    if &source[slice.clone()] == quote {
        return Verdict::Verified { range: slice };
    }
    let pattern = Pattern::new(quote);
    if pattern.words.is_empty() {
        return Verdict::Unsupported;
    }
    let near =
        from_word(source, expected.start.saturating_sub(NEAR_BYTES))..(expected.end + NEAR_BYTES).min(source.len());
    let expected = from_word(source, expected.start)..expected.end;
    let everywhere = 0..source.len();
    if let Some(range) = pattern.find(source, expected).or_else(|| pattern.find(source, near.clone())) {
        return Verdict::Verified { range };
    }
    if let Some(range) = pattern.find(source, everywhere.clone()) {
        return Verdict::Moved { range };
    }
    let Some(fuzzy) = Fuzzy::new(&pattern.words, &pattern.ids) else { return Verdict::Unsupported };
    if let Some(range) = fuzzy.find(source, near) {
        return Verdict::Verified { range: widened(source, quote, range) };
    }
    match fuzzy.find(source, everywhere) {
        Some(range) => Verdict::Moved { range: widened(source, quote, range) },
        None => Verdict::Unsupported,
    }
}

/// Moves the ends of a range into the text and onto character boundaries.
fn on_boundaries(source: &str, range: &Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(range.start.min(source.len()));
    let end = source.floor_char_boundary(range.end.min(source.len()));
    start..end.max(start)
}

// Nothing that is quoted is a longer run without white space.
const WORD_BYTES_MAX: usize = 256;

/// Moves an offset back to the white space before it, so that reading does not begin within a word.
fn from_word(source: &str, offset: usize) -> usize {
    let offset = source.floor_char_boundary(offset);
    let limit = source.floor_char_boundary(offset.saturating_sub(WORD_BYTES_MAX));
    source[limit..offset].rfind(char::is_whitespace).map_or(limit, |at| limit + at)
}

/// A quotation, ready to be looked for.
struct Pattern<'a> {
    quote: &'a str,
    words: Vec<Word>,
    ids: HashMap<String, usize>, // of each distinct word
    sequence: Vec<usize>,
    fallback: Vec<usize>, // Knuth, Morris and Pratt 1977
}

impl<'a> Pattern<'a> {
    fn new(quote: &'a str) -> Self {
        let words = words(quote, 0..quote.len());
        let mut ids = HashMap::new();
        let sequence: Vec<usize> = words
            .iter()
            .map(|word| {
                let next = ids.len();
                *ids.entry(word.folded.clone()).or_insert(next)
            })
            .collect();
        let mut fallback = vec![0; sequence.len()];
        let mut matched = 0;
        for at in 1..sequence.len() {
            while matched > 0 && sequence[at] != sequence[matched] {
                matched = fallback[matched - 1];
            }
            matched += usize::from(sequence[at] == sequence[matched]);
            fallback[at] = matched;
        }
        Self { quote, words, ids, sequence, fallback }
    }

    /// Finds the same words in the same order, first occurrence first.
    fn find(&self, source: &str, region: Range<usize>) -> Option<Range<usize>> {
        let mut reader = Words::within(source, region);
        let mut folded = String::new();
        let mut starts = VecDeque::with_capacity(self.sequence.len());
        let mut matched = 0;
        while let Some(word) = reader.read(&mut folded) {
            let id = self.ids.get(folded.as_str()).copied();
            while matched > 0 && id != Some(self.sequence[matched]) {
                matched = self.fallback[matched - 1];
            }
            matched += usize::from(id == Some(self.sequence[matched]));
            if starts.len() == self.sequence.len() {
                starts.pop_front();
            }
            starts.push_back(word.start);
            if matched == self.sequence.len() {
                let start = starts.front().copied().unwrap_or(word.start);
                if !is_negated(source, start) {
                    return Some(widened(source, self.quote, start..word.end));
                }
                matched = self.fallback[matched - 1];
            }
        }
        None
    }
}

// Enough for the longest negation and the markup around it.
const NEGATION_BYTES_MAX: usize = 32;

/// Tells whether the word directly before an offset negates what follows: to quote only what follows would turn it
/// around.
pub(super) fn is_negated(source: &str, start: usize) -> bool {
    let from = source.floor_char_boundary(start.saturating_sub(NEGATION_BYTES_MAX));
    let from = source[from..start].find(char::is_whitespace).map_or(from, |at| from + at);
    let Some(last) = words(source, from..start).pop() else { return false };
    let between = source.get(last.range.end..start).unwrap_or_default();
    is_negation(&last.folded) && between.chars().all(|c| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '[' | '>'))
}

// Marks that stand around a quoted word; more in a row are a line, not punctuation.
const MARKS_MAX: usize = 4;

/// Takes in the emphasis around the first and last word and the stop after it, if the quotation has one.
fn widened(source: &str, quote: &str, range: Range<usize>) -> Range<usize> {
    let is_emphasis = |c: char| matches!(c, '*' | '_' | '`');
    let is_stop = |c: char| matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '"' | '”' | '’' | '»');
    let stops = quote.ends_with(|c| is_stop(c) || is_emphasis(c));
    let before = source[..range.start].chars().rev().take(MARKS_MAX).take_while(|&c| is_emphasis(c));
    let after = source[range.end..].chars().take(MARKS_MAX).take_while(|&c| is_emphasis(c) || (stops && is_stop(c)));
    range.start - before.map(char::len_utf8).sum::<usize>()..range.end + after.map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests;
