//! Where sentences begin and end, in prose, in Markdown and in scripts without spaces.
//!
//! Sentences are what an answer quotes, so a wrong cut is seen by a person. The rules are our own: the sentence bounds
//! of Unicode (UAX 29) know neither abbreviations nor lists nor hard-wrapped lines. Two steps: `unit` finds what a
//! sentence cannot leave (a paragraph, a list item, a table row), this file cuts a unit at its stops.

mod abbreviation;
#[cfg(test)]
mod tests;
mod unit;

use std::ops::Range;

use abbreviation::{Follow, follow, is_starter};
use unit::{Unit, units};

/// A sentence, or what stands in its place: a heading, a table row, a line of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Where it lies, without white space around it and without the marker of its list item.
    pub range: Range<usize>,
    /// What it is part of.
    pub kind: SentenceKind,
}

/// What a sentence is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SentenceKind {
    /// Running text.
    Prose,
    /// A list item.
    Item,
    /// A heading; the range leaves out the `#` marks.
    Heading,
    /// A row of a table; never cut.
    Row,
    /// A line inside a code fence; never cut.
    Code,
}

/// Returns the ranges of all sentences, ascending and apart from each other.
///
/// ```
/// use lorewell_rag::sentences::sentences;
///
/// let text = "- It takes approx. 3.5 s. Dr. Ada agrees.";
/// let quotes: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
/// assert_eq!(quotes, ["It takes approx. 3.5 s.", "Dr. Ada agrees."]);
/// ```
#[must_use]
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    classified(text).into_iter().map(|sentence| sentence.range).collect()
}

/// Returns all sentences with what they are part of.
#[must_use]
pub fn classified(text: &str) -> Vec<Sentence> {
    let caseless = is_caseless(text);
    let mut found = Vec::new();
    for unit in units(text) {
        if matches!(unit.kind, SentenceKind::Prose | SentenceKind::Item) {
            cut(text, &unit, caseless, &mut found);
        } else {
            push(text, unit.range, unit.kind, &mut found);
        }
    }
    found
}

// Without this many letters one capital says nothing about the habits of a text.
const CASE_LETTERS_MIN: usize = 1_000;

/// Tells whether a text is written without capitals, so that a small letter may begin a sentence.
fn is_caseless(text: &str) -> bool {
    let upper = text.chars().filter(|c| c.is_uppercase()).count();
    if upper == 0 {
        return true;
    }
    let lower = text.chars().filter(|c| c.is_lowercase()).count();
    lower >= CASE_LETTERS_MIN && upper * 100 < lower
}

fn push(text: &str, range: Range<usize>, kind: SentenceKind, found: &mut Vec<Sentence>) {
    let range = trimmed(text, range);
    if !range.is_empty() {
        found.push(Sentence { range, kind });
    }
}

/// Narrows a range to what is left without white space at its ends.
pub(crate) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    start..(start + slice.trim().len())
}

fn cut(text: &str, unit: &Unit, caseless: bool, found: &mut Vec<Sentence>) {
    let base = unit.range.start;
    let body = Body { text: &text[unit.range.clone()], caseless };
    let (mut start, mut at) = (0, 0);
    while let Some(c) = body.text[at..].chars().next() {
        if c == '`' {
            at = body.after_code(at);
        } else if is_stop(c) {
            let stops_end = body.skip(at, is_stop);
            let end = body.after_closers(stops_end);
            if body.ends(at, stops_end, end) {
                push(text, base + start..base + end, unit.kind, found);
                start = end;
            }
            at = end;
        } else {
            at += c.len_utf8();
        }
    }
    push(text, base + start..base + body.text.len(), unit.kind, found);
}

// A code span longer than this is a stray backtick; the bound keeps the search for its partner linear.
const CODE_SPAN_BYTES_MAX: usize = 1_000;
// `[12, 13]` or `[^note]` directly after a stop belongs to the sentence before it.
const REFERENCE_BYTES_MAX: usize = 12;

/// The text of one unit.
struct Body<'a> {
    text: &'a str,
    caseless: bool,
}

impl Body<'_> {
    /// Returns the first offset from `at` whose character fails the test.
    fn skip(&self, at: usize, test: impl Fn(char) -> bool) -> usize {
        self.text.len() - self.text[at..].trim_start_matches(test).len()
    }

    /// Returns the end of the code span that opens at `at`, or of its backticks if nothing closes them.
    fn after_code(&self, at: usize) -> usize {
        let open_end = self.skip(at, |c| c == '`');
        let (ticks, limit) = (open_end - at, self.text.len().min(open_end + CODE_SPAN_BYTES_MAX));
        let bytes = self.text.as_bytes();
        let mut from = open_end;
        while let Some(found) = bytes[from..limit].iter().position(|&byte| byte == b'`') {
            let run_end = self.skip(from + found, |c| c == '`');
            if run_end - (from + found) == ticks {
                return run_end;
            }
            from = run_end.min(limit);
        }
        open_end
    }

    /// Returns the end of the quotes, brackets and reference marks that follow a stop.
    fn after_closers(&self, at: usize) -> usize {
        let end = self.skip(at, is_closer);
        let Some(inner) = self.text[end..].strip_prefix('[') else { return end };
        let Some(length) = inner.bytes().take(REFERENCE_BYTES_MAX).position(|byte| byte == b']') else { return end };
        let is_mark = |c: char| c.is_ascii_digit() || matches!(c, ',' | '-' | '–' | ' ');
        let mark = &inner[..length];
        if mark.starts_with('^') || mark.chars().all(is_mark) { end + 1 + length + 1 } else { end }
    }

    /// Decides whether the stops at `stop..stops_end`, with closers up to `end`, end a sentence.
    fn ends(&self, stop: usize, stops_end: usize, end: usize) -> bool {
        let (stops, rest) = (&self.text[stop..stops_end], &self.text[end..]);
        let Some(next) = rest.chars().next() else { return true };
        if stops.ends_with(is_wide_stop) {
            // `「…。」と言った`: the sentence goes on behind the quotation.
            return end == stops_end || next.is_whitespace() || is_opener(next);
        }
        if !next.is_whitespace() {
            return is_spaceless(next) && !stops.ends_with('.');
        }
        let head = rest.trim_start_matches(|c: char| c.is_whitespace() || is_opener(c));
        let Some(first) = head.chars().next() else { return true };
        if first.is_lowercase() && !self.caseless {
            return false;
        }
        stops != "." || self.period_ends(stop, head)
    }

    /// Decides whether one period ends a sentence, from the word before it and the text after it.
    fn period_ends(&self, stop: usize, head: &str) -> bool {
        let before = &self.text[..stop];
        let word = before.rsplit(|c: char| c.is_whitespace() || is_opener(c) || is_closer(c)).next().unwrap_or(before);
        let next = head.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(head);
        match follow(word) {
            Follow::Anything => true,
            Follow::Never => false,
            Follow::NoDigit => !next.starts_with(|c: char| c.is_ascii_digit()),
            Follow::NoMonth => !abbreviation::is_month(next),
            Follow::Capital => next.starts_with(char::is_uppercase),
            Follow::Starter => is_starter(next),
        }
    }
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '۔' | '।' | '॥' | '።' | '\u{37e}' | '‼' | '⁇' | '⁈' | '⁉')
        || is_wide_stop(c)
}

/// Stops of scripts that put no space behind them.
fn is_wide_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡' | '．')
}

fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»' | '›' | ')' | ']' | '}' | '*' | '_' | '」' | '』' | '）' | '】' | '》')
}

fn is_opener(c: char) -> bool {
    let quote = matches!(c, '"' | '\'' | '“' | '‘' | '„' | '‚' | '«' | '‹' | '「' | '『');
    quote || matches!(c, '(' | '[' | '{' | '*' | '_' | '`' | '¿' | '¡' | '（' | '【' | '《')
}

/// Tells whether a character belongs to a script written without spaces between words.
pub(crate) fn is_spaceless(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3134f}' | '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}')
}
