//! Cuts a text into the words within which tokens are merged.

use std::collections::HashMap;
use std::ops::Range;

use tokenizers::utils::SysRegex;

use super::pre::{Rule, Spaces};
use crate::{Error, Kind, Result};

/// What stands for a space in vocabularies of characters.
pub(super) const SPACE: char = '▁';
/// Words whose tokens are kept for when they come again.
const KEPT_WORDS_MAX: usize = 1 << 16;
/// Bytes of a word whose tokens are kept.
const KEPT_WORD_BYTES_MAX: usize = 64;
/// Pieces of white space under [`Spaces::Powers`].
const POWERS_OF_TWO: [usize; 10] = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

/// How texts are cut.
#[derive(Debug, Default)]
pub(super) struct Cut {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Pattern(SysRegex, Spaces),
    Thousands,
    AtSpaces,
}

impl Cut {
    /// Makes ready the rules of a family. Words may begin `at_spaces` where no token has `▁` after something else.
    pub(super) fn new(rules: &[Rule], at_spaces: bool) -> Result<Self> {
        let step = |rule: &Rule| match rule {
            Rule::Pattern(pattern, spaces) => {
                let pattern = SysRegex::new(pattern).map_err(|error| Error::from_source(Kind::Internal, error));
                pattern.map(|pattern| Step::Pattern(pattern, *spaces))
            }
            Rule::Thousands => Ok(Step::Thousands),
        };
        let mut steps = rules.iter().map(step).collect::<Result<Vec<_>>>()?;
        if at_spaces {
            steps.push(Step::AtSpaces);
        }
        Ok(Self { steps })
    }

    /// Makes tokens of the words of a text, of each that comes again only once.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>, mut encode: impl FnMut(&str, &mut Vec<u32>)) {
        let mut kept: HashMap<&str, Range<usize>> = HashMap::new();
        for word in self.words(text) {
            let word = &text[word];
            if let Some(range) = kept.get(word) {
                tokens.extend_from_within(range.clone());
                continue;
            }
            let start = tokens.len();
            encode(word, tokens);
            if kept.len() < KEPT_WORDS_MAX && word.len() <= KEPT_WORD_BYTES_MAX {
                kept.insert(word, start..tokens.len());
            }
        }
    }

    /// Returns where the words of a text lie: all of it, in order.
    fn words(&self, text: &str) -> Vec<Range<usize>> {
        let whole = 0..text.len();
        let mut pieces = vec![whole];
        for step in &self.steps {
            let mut cut = Vec::with_capacity(pieces.len());
            for piece in pieces {
                let start = piece.start;
                step.cut(&text[piece], |range| cut.push(start + range.start..start + range.end));
            }
            pieces = cut;
        }
        pieces
    }
}

impl Step {
    fn cut(&self, text: &str, mut piece: impl FnMut(Range<usize>)) {
        let mut done = 0;
        let mut to = |end: usize| {
            if end > done {
                piece(done..end);
                done = end;
            }
        };
        match self {
            Self::Pattern(pattern, spaces) => matches(pattern, *spaces, text, |found| {
                to(found.start);
                to(found.end);
            }),
            Self::Thousands => thousands(text, &mut to),
            Self::AtSpaces => {
                let starts = text.match_indices(SPACE).map(|(at, _)| at);
                starts.filter(|at| !text[..*at].ends_with(SPACE)).for_each(&mut to);
            }
        }
        to(text.len());
    }
}

/// Finds the matches of a pattern, white space before a word without that which goes with the word.
fn matches(pattern: &SysRegex, spaces: Spaces, text: &str, mut found: impl FnMut(Range<usize>)) {
    let mut from = 0;
    'again: loop {
        for (start, end) in pattern.find_iter(&text[from..]) {
            let (start, end) = (from + start, from + end);
            let kept = start..spaces.end(text, start, end);
            let shortened = kept.end;
            spaces.parts(text, kept, &mut found);
            if shortened < end {
                from = shortened;
                continue 'again;
            }
        }
        return;
    }
}

impl Spaces {
    /// Returns where a match ends. Only the last alternative of a pattern, `\s+`, matches what ends in white space, but for
    /// line breaks, which others may end in.
    fn end(self, text: &str, start: usize, end: usize) -> usize {
        let last = text[start..end].chars().next_back().filter(|last| last.is_whitespace());
        let Some(last) = last.filter(|_| self != Self::Together && end < text.len()) else { return end };
        let (is_break, before) = (matches!(last, '\r' | '\n'), end - last.len_utf8());
        let stays = before == start || is_break && self != Self::LastApart;
        if stays { end } else { before }
    }

    /// Takes a match apart where white space goes in powers of two.
    fn parts(self, text: &str, mut range: Range<usize>, found: &mut impl FnMut(Range<usize>)) {
        let is_blank = |character: char| character.is_whitespace() && !matches!(character, '\r' | '\n');
        if self == Self::Powers && text[range.clone()].ends_with(is_blank) {
            let mut left = text[range.clone()].chars().count();
            while let Some(taken) = POWERS_OF_TWO.into_iter().find(|n| *n <= left).filter(|n| *n < left) {
                let rest = &text[range.clone()];
                let length = rest.char_indices().nth(taken).map_or(rest.len(), |(length, _)| length);
                found(range.start..range.start + length);
                (range.start, left) = (range.start + length, left - taken);
            }
        }
        found(range);
    }
}

/// Cuts before and after numbers, and within them before every third digit from the right.
fn thousands(text: &str, to: &mut impl FnMut(usize)) {
    let mut digits: Vec<usize> = Vec::new();
    let mut flush = |digits: &mut Vec<usize>, end: usize| {
        let first = digits.len() % 3;
        digits.iter().enumerate().filter(|(index, _)| *index == 0 || index % 3 == first).for_each(|(_, at)| to(*at));
        if !digits.is_empty() {
            to(end);
        }
        digits.clear();
    };
    for (at, character) in text.char_indices() {
        if character.is_numeric() {
            digits.push(at);
        } else {
            flush(&mut digits, at);
        }
    }
    flush(&mut digits, text.len());
}

#[cfg(test)]
mod tests {
    use super::super::pre::{names, pre};
    use super::*;

    fn check(name: &str, text: &str, expected: &[&str]) {
        let cut = Cut::new(pre(name).unwrap().rules, false).unwrap();
        let words: Vec<_> = cut.words(text).into_iter().map(|word| &text[word]).collect();
        assert_eq!(words, expected, "{name}: {text:?}");
    }

    #[test]
    fn words_and_the_spaces_before_them() {
        check("gpt-2", "Hello  world's 12!\n\n x", &["Hello", " ", " world", "'s", " 12", "!", "\n\n", " x"]);
        check(
            "qwen2",
            "Hello  world'S 12!\n\n  x ",
            &["Hello", " ", " world", "'S", " ", "1", "2", "!\n\n", " ", " x", " "],
        );
        check("llama-bpe", "a\t\tb 12345\r\n \n c", &["a", "\t", "\tb", " ", "123", "45", "\r\n \n", " c"]);
        check("gpt-4o", "HelloWorld's ÉTÉété", &["Hello", "World's", " ÉTÉété"]);
        check("tekken", "HelloWORLD's", &["Hello", "WORLD", "'s"]);
        check("kimi-k2", "abc漢字def", &["abc", "漢字", "def"]);
    }

    #[test]
    fn digits_and_white_space_of_families() {
        check("superbpe", "a 1234567 12", &["a ", "1", "234", "567", " ", "12"]);
        check("afmoe", "x12345", &["x", "12", "345"]);
        check("falcon", "12345", &["123", "45"]);
        check("jais-2", "a       b", &["a", "    ", "  ", " b"]);
        check("spark2_5", "a  \nb", &["a", "  ", "\n", "b"]);
        check("gemma4", "a b\n\nc", &["a b", "\n\n", "c"]);
    }

    #[test]
    fn the_patterns_of_all_families_compile_and_lose_nothing() {
        let text = "It's  a 12345\n\n\ttest: ünï漢字かな 한국 — “x”!?\r\n  fin  ";
        for name in names() {
            let cut = Cut::new(pre(name).unwrap().rules, false).unwrap();
            assert_eq!(cut.words(text).into_iter().map(|word| &text[word]).collect::<String>(), text, "{name}");
        }
    }

    #[test]
    fn an_unknown_family_is_named() {
        let error = pre("llama-9").unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
        assert!(error.message().contains("`llama-9`"), "{error}");
    }
}
