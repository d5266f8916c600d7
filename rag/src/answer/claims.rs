//! What a model claims: its text cut into sentences as it comes, the marks that follow them, and whether a passage says
//! what a sentence says.
//!
//! The check is one of words, not of sense: a passage supports a sentence if one or two of its sentences have all its numbers
//! with what they count, all its names, nearly all its other words, its quotations word by word, and a negation where it
//! has one.

use std::collections::HashSet;
use std::ops::Range;

use super::citation::{Verdict, check};
use super::decisive::is_negation;
use super::reading::quotable;
use super::words::{Word, words};
use crate::document::Format;
use crate::sentences::{SentenceKind, sentences};
use crate::sparse::{content_terms, is_stopword};

/// Of so many words of content a passage may lack one. With fewer, each counts: `opened parts can be returned` has two of
/// three in common with `unused parts can be returned`.
const TERMS_PER_MISSING: usize = 6;
/// What a sentence of one word may say; the ones after it tell why.
const ANSWERS: &[&str] = &["yes", "no", "ja", "nein", "oui", "non", "si", "sí"];
/// Sentences of a passage that support one of the answer together.
const WINDOW_MAX: usize = 2;
/// A quotation of fewer words is a word in quotation marks.
const QUOTE_WORDS_MIN: usize = 3;
/// Text that is held back for the end of its sentence.
const HELD_BYTES_MAX: usize = 16 << 10;

/// A text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: String,
}

/// A sentence with its marks, and the white space around it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// As the model wrote it, without its marks.
    text: String,
    /// The passages that it cites, from 1.
    pub(super) marks: Vec<usize>,
}

impl Claims {
    /// Takes more text, and returns the sentences that are whole.
    pub(super) fn push(&mut self, more: &str) -> Vec<Piece> {
        self.held.push_str(more);
        // A sentence is whole when another one has begun, which takes a stop or a line.
        let may_end = more.contains(|c: char| c.is_whitespace() || c == ']') || self.held.len() > HELD_BYTES_MAX;
        if !may_end {
            return Vec::new();
        }
        let whole = self.whole();
        let rest = self.held.split_off(whole);
        cut(&std::mem::replace(&mut self.held, rest))
    }

    /// Returns the rest.
    pub(super) fn end(&mut self) -> Vec<Piece> {
        cut(&std::mem::take(&mut self.held))
    }

    /// Where the sentence begins that may still go on.
    fn whole(&self) -> usize {
        if self.held.len() > HELD_BYTES_MAX {
            return self.held.len();
        }
        let found = bounds(&self.held);
        match found.as_slice() {
            // A mark that has only begun belongs to the sentence before it.
            [.., before, last] if self.held[last.start..].starts_with('[') => before.start,
            [.., last] => last.start,
            [] => 0,
        }
    }
}

/// Sentences of a text with the marks behind them; together they are all of it but what is before the first.
fn bounds(text: &str) -> Vec<Range<usize>> {
    let mut bounds: Vec<Range<usize>> = Vec::new();
    for range in sentences(text) {
        // Marks behind the stop belong to the sentence before.
        let begin = range.start + leading_marks(&text[range.clone()]);
        match bounds.last_mut() {
            Some(last) => last.end = begin,
            None if begin > range.start => bounds.push(range.start..begin),
            None => {}
        }
        if begin < range.end {
            bounds.push(begin..range.end);
        }
    }
    if let Some(last) = bounds.last_mut() {
        last.end = text.len();
    }
    bounds
}

/// The length of the marks at the beginning of a text, with the space around them.
fn leading_marks(text: &str) -> usize {
    let mut at = 0;
    while let Some((range, _)) = next_mark(text, at)
        && text[at..range.start].trim().is_empty()
    {
        at = range.end;
    }
    match at {
        0 => 0,
        _ => text.len() - text[at..].trim_start_matches([' ', '.', ',']).len(),
    }
}

/// Finds the next `[1]`, `[1, 2]` or `[^1]`.
fn next_mark(text: &str, from: usize) -> Option<(Range<usize>, Vec<usize>)> {
    let mut at = from;
    while let Some(open) = text[at..].find('[').map(|open| at + open) {
        let close = text[open..].find(']').map(|close| open + close)?;
        let inside = text[open + 1..close].trim_start_matches('^');
        let numbers: Option<Vec<usize>> =
            inside.split([',', ';']).map(|number| number.trim().parse().ok().filter(|number| *number < 1000)).collect();
        // `[1](…)` is a link, and within a span of code it is an index.
        let is_code = text[..open].rsplit('\n').next().unwrap_or_default().matches('`').count() % 2 == 1;
        if let Some(numbers) = numbers
            && !is_code
            && !text[close + 1..].starts_with('(')
        {
            return Some((open..close + 1, numbers));
        }
        at = open + 1;
    }
    None
}

fn cut(text: &str) -> Vec<Piece> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut starts: Vec<usize> = bounds(text).iter().map(|range| range.start).collect();
    match starts.first_mut() {
        Some(first) => *first = 0,
        None => starts.push(0),
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]).collect::<Vec<_>>();
    starts.into_iter().zip(ends).map(|(start, end)| Piece::new(&text[start..end])).collect()
}

impl Piece {
    fn new(written: &str) -> Self {
        let (mut text, mut marks, mut at) = (String::with_capacity(written.len()), Vec::new(), 0);
        while let Some((range, numbers)) = next_mark(written, at) {
            text.push_str(written[at..range.start].trim_end_matches(' '));
            marks.extend(numbers);
            at = range.end;
        }
        text.push_str(&written[at..]);
        Self { text, marks }
    }

    pub(super) fn sentence(&self) -> &str {
        self.text.trim()
    }

    /// The sentence as it is shown: with these marks behind it, and the white space that was there.
    pub(super) fn shown(&self, marks: &str) -> String {
        let body = self.text.trim_end();
        let space = &self.text[body.len()..];
        match marks {
            "" => self.text.clone(),
            _ => format!("{body} {marks}{space}"),
        }
    }

    /// Whether it says something that can be right or wrong.
    pub(super) fn is_claim(&self) -> bool {
        let terms: Vec<String> =
            terms(&self.text).into_iter().filter(|term| !ANSWERS.contains(&term.as_str())).collect();
        let sentence = self.sentence();
        // `The rules are:` says nothing yet.
        let is_lead = sentence.ends_with(':') || sentence.starts_with('#');
        terms.len() > usize::from(is_lead) || sentence.contains(|c: char| c.is_ascii_digit())
    }

    /// Returns where a passage says what the sentence says.
    pub(super) fn supported_by(&self, passage: &Passage) -> Option<Range<usize>> {
        let claim = Claim::new(self.sentence());
        let scored = passage.windows.iter().filter_map(|window| Some((claim.met(&passage.text, window)?, window)));
        // The first of the best: shorter ones come first.
        let (shared, window) = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        // The sentence that says most of it must not say the opposite.
        let said = &passage.said[window.sentences.clone()];
        let closest =
            said.iter().reduce(|best, next| if claim.shared(next) > claim.shared(best) { next } else { best })?;
        (claim.is_met(shared) && claim.negates == closest.negates).then(|| window.range.clone())
    }
}

/// A passage, read once so that many claims can be held against it.
#[derive(Debug)]
pub(super) struct Passage {
    text: String,
    said: Vec<Said>,
    /// Sentences that support a claim together; shorter ones first.
    windows: Vec<Window>,
}

/// What a sentence of a passage says.
#[derive(Debug)]
struct Said {
    terms: HashSet<String>,
    negates: bool,
}

/// Neighbouring sentences of a passage.
#[derive(Debug)]
struct Window {
    sentences: Range<usize>,
    range: Range<usize>,
    numbers: Vec<(String, Option<String>)>,
    terms: HashSet<String>,
}

impl Passage {
    /// Reads a passage.
    pub(super) fn new(text: &str, format: Format) -> Self {
        let sentences = quotable(text, format).into_iter().filter(|sentence| sentence.kind != SentenceKind::Heading);
        let ranges: Vec<Range<usize>> = sentences.map(|sentence| sentence.range).collect();
        let windows = (1..=WINDOW_MAX).flat_map(|length| {
            ranges.windows(length).enumerate().filter_map(move |(first, window)| {
                let range = window.first()?.start..window.last()?.end;
                let said = &text[range.clone()];
                Some(Window { sentences: first..first + length, range, numbers: numbers(said), terms: terms(said) })
            })
        });
        let windows = windows.collect();
        let said =
            |range: &Range<usize>| Said { terms: terms(&text[range.clone()]), negates: negates(&text[range.clone()]) };
        Self { text: text.to_owned(), said: ranges.iter().map(said).collect(), windows }
    }
}

/// What of a sentence must be in its passage.
struct Claim<'a> {
    terms: HashSet<String>,
    /// Numbers, with the word that follows if it has content: what they count.
    numbers: Vec<(String, Option<String>)>,
    names: Vec<String>,
    quotes: Vec<&'a str>,
    negates: bool,
}

impl<'a> Claim<'a> {
    fn new(sentence: &'a str) -> Self {
        let all = words(sentence, 0..sentence.len());
        // The first word has a capital whatever it is, so it counts as a name if it has content.
        let names = all.iter().filter(|word| word.is_capital && !is_number(&word.folded) && !is_stopword(&word.folded));
        Self {
            terms: content_terms(sentence).into_iter().collect(),
            numbers: numbers(sentence),
            names: names.flat_map(|word| content_terms(&word.folded)).collect(),
            quotes: quotes(sentence),
            negates: negates(sentence),
        }
    }

    /// How many of its words a part of the passage has; nothing if it lacks what it must have.
    fn met(&self, passage: &str, window: &Window) -> Option<usize> {
        let is_counted = |(number, unit): &(String, Option<String>)| {
            let is_same = |other: &(String, Option<String>)| other.0 == *number && (unit.is_none() || other.1 == *unit);
            window.numbers.iter().any(is_same)
        };
        let is_quoted = |quote: &&str| !matches!(check(quote, passage, window.range.clone()), Verdict::Unsupported);
        let is_met = self.numbers.iter().all(is_counted)
            && self.names.iter().all(|name| window.terms.contains(name))
            && self.quotes.iter().all(is_quoted);
        is_met.then(|| self.terms.intersection(&window.terms).count())
    }

    fn is_met(&self, shared: usize) -> bool {
        shared > 0 && self.terms.len() - shared <= self.terms.len() / TERMS_PER_MISSING
    }

    /// How many of its words a sentence has.
    fn shared(&self, said: &Said) -> usize {
        self.terms.intersection(&said.terms).count()
    }
}

fn terms(text: &str) -> HashSet<String> {
    content_terms(text).into_iter().collect()
}

/// The numbers of a text, each with the word that follows if it has content.
fn numbers(text: &str) -> Vec<(String, Option<String>)> {
    let all = words(text, 0..text.len());
    let following = all.iter().skip(1).map(Some).chain([None]);
    let pairs = all.iter().zip(following).filter(|(word, _)| is_number(&word.folded));
    let unit = |next: Option<&Word>| next.and_then(|next| content_terms(&next.folded).pop());
    pairs.map(|(word, next)| (word.folded.clone(), unit(next))).collect()
}

fn is_number(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

fn negates(text: &str) -> bool {
    let all = words(text, 0..text.len());
    all.iter().any(|word| is_negation(&word.folded)) || text.contains("n't") || text.contains("n’t")
}

/// Quotations of some words.
fn quotes(sentence: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('«', '»'), ('„', '“')] {
        let mut rest = sentence;
        while let Some(at) = rest.find(open) {
            rest = &rest[at + open.len_utf8()..];
            let Some(end) = rest.find(close) else { break };
            if rest[..end].split_whitespace().count() >= QUOTE_WORDS_MIN {
                found.push(&rest[..end]);
            }
            rest = &rest[end + close.len_utf8()..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(String, Vec<usize>)> {
        cut(text).into_iter().map(|piece| (piece.text, piece.marks)).collect()
    }

    #[test]
    fn marks_belong_to_the_sentence_before_them() {
        let piece = |text: &str, marks: &[usize]| (text.to_owned(), marks.to_vec());
        assert_eq!(
            pieces("It is blue [1]. It is old. [2][3] Nobody knows. And [a](b) link [1](x)."),
            [
                piece("It is blue. ", &[1]),
                piece("It is old. ", &[2, 3]),
                piece("Nobody knows. ", &[]),
                piece("And [a](b) link [1](x).", &[]),
            ]
        );
        assert_eq!(pieces("Use `argv[1]` [2]."), [piece("Use `argv[1]`.", &[2])]);
        assert_eq!(pieces("- one [1, 2]\n- two [^3]\n"), [piece("- one\n- ", &[1, 2]), piece("two\n", &[3])]);
    }

    #[test]
    fn however_a_text_comes_its_sentences_are_the_same() {
        let text = "The window is 30 days [1]. It was 3.5 weeks before. [2]\n\n- Parts: unused [3]\n- Costs, e.g. post [4]\nEnd";
        let whole = pieces(text);
        for step in 1..20 {
            let mut claims = Claims::default();
            let mut found = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            chars.chunks(step).for_each(|piece| found.extend(claims.push(&piece.iter().collect::<String>())));
            found.extend(claims.end());
            let shown: String = found.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(shown, whole.iter().map(|piece| piece.0.as_str()).collect::<String>(), "{step}");
            let marks: Vec<_> = found.iter().flat_map(|piece| piece.marks.clone()).collect();
            assert_eq!(marks, [1, 2, 3, 4], "{step}");
        }
    }

    #[test]
    fn a_passage_must_say_it() {
        let passage = "Returns are free. You can return unused parts within 30 days of delivery. Opened parts cannot be \
            returned. Ada Lovelace decides in doubt.";
        let says = |sentence: &str| {
            let piece = Piece::new(sentence);
            piece.supported_by(&Passage::new(passage, Format::Markdown)).map(|range| &passage[range])
        };
        let expected = Some("You can return unused parts within 30 days of delivery.");
        assert_eq!(says("Unused parts may be returned within 30 days."), expected);
        assert_eq!(says("Unused parts may be returned within 60 days."), None, "another number");
        assert_eq!(says("Unused parts cannot be returned within 30 days of delivery."), None, "a negation more");
        assert_eq!(says("Opened parts can be returned."), None, "a negation less");
        assert_eq!(says("In doubt Ada Lovelace decides."), Some("Ada Lovelace decides in doubt."));
        assert_eq!(says("In doubt Grace Hopper decides."), None, "another name");
        assert_eq!(says("In doubt Grace Lovelace decides."), None, "half another name");
        assert_eq!(says("Byron decides in doubt."), None, "another name at the beginning");
        assert_eq!(says("You can return unused parts within 30 weeks of delivery."), None, "30 of something else");
        assert_eq!(says("Returns are costly."), None, "another word");
        assert_eq!(says("It says \"return unused parts within 30 days\"."), expected);
        assert_eq!(says("It says \"return all unused parts in 30 days\"."), None, "another wording");
        assert_eq!(says("Bananas are yellow."), None);
    }

    #[test]
    fn glue_is_no_claim() {
        assert!(!Piece::new("Yes.").is_claim());
        assert!(!Piece::new("The rules are:").is_claim());
        assert!(Piece::new("It takes 30.").is_claim());
        assert!(Piece::new("It is free.").is_claim());
        assert!(Piece::new("Opened parts are refunded for 500 dollars:").is_claim());
        assert!(Piece::new("Unused parts can be returned.").is_claim());
    }
}
