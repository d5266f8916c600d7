//! What a model claims: its text cut into sentences as it comes, the marks that follow them, and whether a passage says
//! what a sentence says.
//!
//! The check is one of words, not of sense: a passage supports a sentence if one or two of its sentences have all its
//! numbers and names, most of its other words, its quotations word by word, and a negation where it has one.

use std::collections::HashSet;
use std::ops::Range;

use super::citation::{Verdict, check};
use super::decisive::is_negation;
use super::reading::quotable;
use super::words::words;
use crate::document::Format;
use crate::sentences::{SentenceKind, sentences};
use crate::sparse::content_terms;

/// Share of the words of content of a sentence that its passage must have. Two of three is too little: `opened parts can be
/// returned` has that in common with `unused parts can be returned`.
const SHARE_MIN: f32 = 0.7;
/// A sentence with fewer words of content claims nothing: `Yes:`.
const CLAIM_TERMS_MIN: usize = 2;
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
        // `[1](…)` is a link.
        if let Some(numbers) = numbers
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
        let terms: HashSet<String> = content_terms(&self.text).into_iter().collect();
        let sentence = self.sentence();
        let is_lead = sentence.ends_with(':') || sentence.starts_with('#');
        !is_lead && (terms.len() >= CLAIM_TERMS_MIN || sentence.contains(|c: char| c.is_ascii_digit()))
    }

    /// Returns where a passage says what the sentence says.
    pub(super) fn supported_by(&self, passage: &str, format: Format) -> Option<Range<usize>> {
        let claim = Claim::new(self.sentence());
        let said: Vec<Range<usize>> = quotable(passage, format)
            .into_iter()
            .filter(|sentence| sentence.kind != SentenceKind::Heading)
            .map(|sentence| sentence.range)
            .collect();
        let windows = (1..=WINDOW_MAX).flat_map(|length| said.windows(length));
        let scored = windows.filter_map(|window| {
            let range = window.first()?.start..window.last()?.end;
            let closest = window
                .iter()
                .map(|sentence| &passage[sentence.clone()])
                .reduce(|best, next| if claim.shared(next) > claim.shared(best) { next } else { best })?;
            Some((claim.share(passage, range.clone())?, range, closest))
        });
        // The first of the best: shorter ones come first.
        let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
        // The sentence that says most of it must not say the opposite.
        let supports = |share: f32, closest: &str| share >= SHARE_MIN && claim.negates == negates(closest);
        best.filter(|(share, _, closest)| supports(*share, closest)).map(|(_, range, _)| range)
    }
}

/// What of a sentence must be in its passage.
struct Claim<'a> {
    terms: HashSet<String>,
    numbers: Vec<String>,
    names: Vec<String>,
    quotes: Vec<&'a str>,
    negates: bool,
}

impl<'a> Claim<'a> {
    fn new(sentence: &'a str) -> Self {
        let all = words(sentence, 0..sentence.len());
        let numbers = all.iter().filter(|word| is_number(&word.folded)).map(|word| word.folded.clone()).collect();
        // The first word has a capital whatever it is.
        let names = all.iter().skip(1).filter(|word| word.is_capital && !is_number(&word.folded));
        Self {
            terms: content_terms(sentence).into_iter().collect(),
            numbers,
            names: names.map(|word| word.folded.clone()).collect(),
            quotes: quotes(sentence),
            negates: negates(sentence),
        }
    }

    /// The share of its words that a part of the passage has; nothing if it lacks what it must have.
    fn share(&self, passage: &str, range: Range<usize>) -> Option<f32> {
        let said = &passage[range.clone()];
        let around: HashSet<String> = words(said, 0..said.len()).into_iter().map(|word| word.folded).collect();
        let has_all = |wanted: &[String]| wanted.iter().all(|word| around.contains(word));
        let is_quoted = |quote: &str| !matches!(check(quote, passage, range.clone()), Verdict::Unsupported);
        let names = self.names.iter().filter(|name| around.contains(*name)).count();
        let is_named = names * 2 >= self.names.len();
        if !has_all(&self.numbers) || !is_named || !self.quotes.iter().all(|quote| is_quoted(quote)) {
            return None;
        }
        let count = |terms: usize| f32::from(u16::try_from(terms).unwrap_or(u16::MAX));
        Some(count(self.shared(said)) / count(self.terms.len().max(1)))
    }

    /// How many of its words a text has.
    fn shared(&self, said: &str) -> usize {
        let terms: HashSet<String> = content_terms(said).into_iter().collect();
        self.terms.intersection(&terms).count()
    }
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
            piece.supported_by(passage, Format::Markdown).map(|range| &passage[range])
        };
        let expected = Some("You can return unused parts within 30 days of delivery.");
        assert_eq!(says("Unused parts may be returned within 30 days."), expected);
        assert_eq!(says("Unused parts may be returned within 60 days."), None, "another number");
        assert_eq!(says("Unused parts cannot be returned within 30 days of delivery."), None, "a negation more");
        assert_eq!(says("Opened parts can be returned."), None, "a negation less");
        assert_eq!(says("In doubt Ada Lovelace decides."), Some("Ada Lovelace decides in doubt."));
        assert_eq!(says("In doubt Grace Hopper decides."), None, "another name");
        assert_eq!(says("It says \"return unused parts within 30 days\"."), expected);
        assert_eq!(says("It says \"return all unused parts in 30 days\"."), None, "another wording");
        assert_eq!(says("Bananas are yellow."), None);
    }

    #[test]
    fn glue_is_no_claim() {
        assert!(!Piece::new("Yes.").is_claim());
        assert!(!Piece::new("The rules of returning parts are:").is_claim());
        assert!(Piece::new("It takes 30.").is_claim());
        assert!(Piece::new("Unused parts can be returned.").is_claim());
    }
}
