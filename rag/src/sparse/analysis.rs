//! From text to the terms that are indexed and asked for. One analyser serves the index, the questions and the
//! answers, so that a word means the same everywhere.
//!
//! Words are split at every character that is neither letter nor digit; identifiers are kept whole and in pieces;
//! terms are folded (NFKC, case, accents) and stemmed; scripts without spaces become pairs of characters.

use std::collections::VecDeque;
use std::ops::Range;

use super::fold::{fold, strip_accents};
use super::language::Language;
use super::scan::{Run, is_longer_than_one, pieces, runs, words};
use super::stopwords;

/// Characters of a word that count; what is longer is data (a hash, base64), and its head tells it apart well enough.
pub const TERM_CHARS_MAX: usize = 64;

/// What a term is to the text it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TermKind {
    /// A word, or an identifier as a whole: `getUserName`.
    Word,
    /// A piece of an identifier: `User` in `getUserName`.
    Part,
    /// A word that carries grammar, not content: `the`.
    Stopword,
    /// Two neighbouring characters of a script that does not space its words: `東京`.
    Pair,
    /// One character of such a pair. Only an index needs it, to be found by a question of one character.
    Character,
}

/// A term and the place it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The bytes of the text it stands for.
    pub range: Range<usize>,
    /// The term as it is indexed: folded and stemmed.
    pub term: String,
    /// How many words stand before it. An identifier and its first piece share a position.
    pub position: usize,
    /// What it is to the text.
    pub kind: TermKind,
}

/// Cuts texts of one language into terms.
///
/// ```
/// use lorewell_rag::sparse::{Analyzer, Language};
///
/// let terms = Analyzer::new(Language::English).terms("The getUserName calls").map(|term| term.term);
/// assert_eq!(terms.collect::<Vec<_>>(), ["the", "getusernam", "get", "user", "name", "call"]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Analyzer {
    language: Language,
}

impl Analyzer {
    /// Makes the analyser of a language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self { language }
    }

    /// Returns the terms of a text, in the order in which they start.
    pub fn terms<'a>(&self, text: &'a str) -> impl Iterator<Item = Term> + use<'a> {
        let mut cut = Cut { text, language: self.language, position: 0, terms: VecDeque::new() };
        let mut runs = runs(text);
        std::iter::from_fn(move || {
            while cut.terms.is_empty() {
                cut.run(runs.next()?);
            }
            cut.terms.pop_front()
        })
    }
}

/// Returns the terms of a text that carry content, folded and stemmed as English, in text order: what two texts must
/// share to speak of the same thing.
///
/// ```
/// assert_eq!(lorewell_rag::sparse::content_terms("What are the ownership rules?"), ["ownership", "rule"]);
/// ```
#[must_use]
pub fn content_terms(text: &str) -> Vec<String> {
    let terms = Analyzer::new(Language::English).terms(text);
    terms.filter(|term| !matches!(term.kind, TermKind::Stopword | TermKind::Character)).map(|term| term.term).collect()
}

/// The work in progress on one text.
struct Cut<'a> {
    text: &'a str,
    language: Language,
    position: usize,
    terms: VecDeque<Term>, // of the current run, not yet handed out
}

impl Cut<'_> {
    fn run(&mut self, run: Run) {
        match run {
            Run::Spaced(range) => self.identifier(range),
            Run::Unspaced(characters) => self.characters(&characters),
        }
    }

    /// A run of letters and digits, perhaps joined by `_`: itself and its words.
    fn identifier(&mut self, range: Range<usize>) {
        let words: Vec<Range<usize>> = words(self.text, range.clone()).collect();
        if words.len() == 1 {
            return self.word(range, TermKind::Word);
        }
        if self.text[range.clone()].chars().nth(TERM_CHARS_MAX).is_none() {
            let start = self.position;
            self.push(range, TermKind::Word);
            self.position = start; // its first word stands where it does
        }
        for word in words {
            self.word(word, TermKind::Part);
        }
    }

    /// A word: itself and, if it is in camel case or mixes letters and digits, its pieces.
    fn word(&mut self, range: Range<usize>, kind: TermKind) {
        let pieces = pieces(self.text, range.clone());
        let start = self.position;
        self.push(range, kind);
        if pieces.is_empty() {
            return;
        }
        self.position = start;
        for piece in pieces {
            // One letter or digit (`v` in `v12`) is in too many words to tell any apart.
            if is_longer_than_one(&self.text[piece.clone()]) {
                self.push(piece, TermKind::Part);
            }
        }
        self.position = self.position.max(start + 1);
    }

    fn push(&mut self, range: Range<usize>, kind: TermKind) {
        let word = fold(&self.text[range.clone()], TERM_CHARS_MAX);
        let is_stopword = self.language == Language::English && self.is_stopword(&word, &range);
        let kind = if is_stopword { TermKind::Stopword } else { kind };
        let stem = strip_accents(self.language.stem(&word));
        let term = if stem.is_empty() { strip_accents(word) } else { stem };
        if term.is_empty() {
            return; // a lone point or stretching sign, which Unicode counts as a letter
        }
        self.terms.push_back(Term { range, term, position: self.position, kind });
        self.position += 1;
    }

    fn is_stopword(&self, word: &str, range: &Range<usize>) -> bool {
        stopwords::contains(word) || self.is_contraction(word, range)
    }

    /// Tells whether this is one half of `don't`, or the rest of `owner's`.
    fn is_contraction(&self, word: &str, range: &Range<usize>) -> bool {
        const APOSTROPHES: [char; 2] = ['\'', '’'];
        let before = self.text[..range.start].strip_suffix(APOSTROPHES);
        let follows_word = before.is_some_and(|before| before.ends_with(char::is_alphanumeric));
        let after = self.text[range.end..].strip_prefix(APOSTROPHES).and_then(|after| after.strip_prefix(['t', 'T']));
        let precedes_t = after.is_some_and(|after| !after.starts_with(char::is_alphanumeric));
        (follows_word && stopwords::is_clitic(word)) || (precedes_t && word.ends_with('n'))
    }

    /// A run of a script without spaces: each pair of neighbours, and each character.
    fn characters(&mut self, characters: &[Range<usize>]) {
        let alone = characters.len() == 1;
        let mut neighbour: Option<(Range<usize>, String)> = None;
        for range in characters {
            let term = fold(&self.text[range.clone()], TERM_CHARS_MAX);
            if let Some((before, first)) = neighbour.take() {
                let pair = Term {
                    range: before.start..range.end,
                    term: first + &term,
                    position: self.position - 1,
                    kind: TermKind::Pair,
                };
                self.terms.push_back(pair);
            }
            let kind = if alone { TermKind::Word } else { TermKind::Character };
            self.terms.push_back(Term { range: range.clone(), term: term.clone(), position: self.position, kind });
            self.position += 1;
            neighbour = Some((range.clone(), term));
        }
    }
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
