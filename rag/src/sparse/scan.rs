//! Where words begin and end: runs of letters, the words of an identifier, the pieces of camel case. Only ranges;
//! what becomes of them is decided in `analysis`.

use std::iter::once;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::analysis::TERM_CHARS_MAX;
use super::fold::is_ignorable;

/// Characters between two separators, all of one manner of writing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Letters and digits of scripts that space their words, with `_` inside but not at the ends.
    Spaced(Range<usize>),
    /// Characters (with their marks) of scripts that do not.
    Unspaced(Vec<Range<usize>>),
}

/// Finds the runs of a text.
pub(super) fn runs(text: &str) -> impl Iterator<Item = Run> + use<'_> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let start = offset + text[offset..].find(|char| matches!(class(char), Class::Spaced | Class::Unspaced))?;
        let run =
            if text[start..].starts_with(is_unspaced) { unspaced_run(text, start) } else { spaced_run(text, start) };
        offset = match &run {
            Run::Spaced(range) => range.end,
            Run::Unspaced(characters) => characters.last().map_or(text.len(), |last| last.end),
        };
        Some(run)
    })
}

/// Finds the words of a run: what stands between its `_`.
pub(super) fn words(text: &str, run: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let mut start = run.start;
    text[run].split('_').filter_map(move |word| {
        let range = start..start + word.len();
        start = range.end + 1;
        (!word.is_empty()).then_some(range)
    })
}

/// Tells whether a text has more than one letter or digit; marks do not count.
pub(super) fn is_longer_than_one(text: &str) -> bool {
    text.nfc().filter_map(Letter::of).nth(1).is_some()
}

/// Finds the pieces of a word in camel case or of letters and digits: `parse|HTTP|Header`, `sha|256`. None if the
/// word is of one piece, or so long that it is data, not a name.
pub(super) fn pieces(text: &str, word: Range<usize>) -> Vec<Range<usize>> {
    let letters = &text[word.clone()];
    if letters.bytes().skip(1).all(|byte| byte.is_ascii_lowercase()) || letters.chars().nth(TERM_CHARS_MAX).is_some() {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut start = word.start;
    let mut last: Option<Letter> = None;
    for (offset, char) in letters.char_indices() {
        let Some(letter) = Letter::of(char) else { continue };
        if last.is_some_and(|last| is_border(last, letter, &letters[offset + char.len_utf8()..])) {
            pieces.push(start..word.start + offset);
            start = word.start + offset;
        }
        last = Some(letter);
    }
    if !pieces.is_empty() {
        pieces.push(start..word.end);
    }
    pieces
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Letter {
    Lower,
    Upper,
    Digit,
}

impl Letter {
    fn of(char: char) -> Option<Self> {
        // Composed characters count as what they are composed of.
        match once(char).nfd().next().unwrap_or(char) {
            char if is_combining_mark(char) => None, // belongs to the letter before it
            char if char.is_numeric() => Some(Self::Digit),
            char if char.is_uppercase() => Some(Self::Upper),
            char if char.is_alphabetic() => Some(Self::Lower),
            _ => None,
        }
    }
}

fn is_border(last: Letter, letter: Letter, rest: &str) -> bool {
    match (last, letter) {
        (Letter::Lower, Letter::Upper) | (Letter::Lower | Letter::Upper, Letter::Digit) => true,
        (Letter::Digit, Letter::Lower | Letter::Upper) => true,
        // `HTTP|Header`, but not `AP|Is`.
        (Letter::Upper, Letter::Upper) => {
            let rest = rest.trim_start_matches(is_combining_mark);
            rest != "s" && rest.chars().next().and_then(Letter::of) == Some(Letter::Lower)
        }
        (Letter::Lower | Letter::Upper, Letter::Lower) | (Letter::Digit, Letter::Digit) => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Spaced,
    Unspaced,
    Joint,
    Mark,
    Separator,
}

fn class(char: char) -> Class {
    match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Spaced,
        '_' => Class::Joint,
        '\0'..='\x7f' => Class::Separator,
        // Some marks are letters to Unicode too (the vowels of Indic scripts), but no word begins with one.
        _ if is_ignorable(char) || is_combining_mark(char) => Class::Mark,
        _ if is_unspaced(char) => Class::Unspaced,
        _ if char.is_alphanumeric() => Class::Spaced,
        _ => Class::Separator,
    }
}

fn spaced_run(text: &str, start: usize) -> Run {
    let mut end = start;
    for (offset, char) in text[start..].char_indices() {
        match class(char) {
            Class::Spaced | Class::Mark => end = start + offset + char.len_utf8(),
            Class::Joint => {} // belongs to the run only if a letter follows
            Class::Unspaced | Class::Separator => break,
        }
    }
    Run::Spaced(start..end)
}

fn unspaced_run(text: &str, start: usize) -> Run {
    let mut characters: Vec<Range<usize>> = Vec::new();
    for (offset, char) in text[start..].char_indices() {
        let range = start + offset..start + offset + char.len_utf8();
        match (characters.last_mut(), class(char)) {
            (Some(last), Class::Mark) => last.end = range.end,
            (Some(last), Class::Unspaced) if continues_character(char) => last.end = range.end,
            (_, Class::Unspaced) => characters.push(range),
            (_, Class::Spaced | Class::Joint | Class::Mark | Class::Separator) => break,
        }
    }
    Run::Unspaced(characters)
}

/// Tells whether a letter belongs to a script in which pairs of characters find more than words do: Chinese and
/// Japanese, Thai, Lao, Khmer and Burmese have no spaces, Korean hangs its grammar on the word.
fn is_unspaced(char: char) -> bool {
    let in_script = matches!(char,
        '\u{0e01}'..='\u{0e3a}' | '\u{0e40}'..='\u{0e4e}' // Thai
        | '\u{0e81}'..='\u{0ece}' // Lao
        | '\u{1000}'..='\u{103f}' // Burmese
        | '\u{1780}'..='\u{17d3}' // Khmer
        | '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{a960}'..='\u{a97c}' | '\u{ac00}'..='\u{d7fb}'
        | '\u{ffa0}'..='\u{ffdc}' // Hangul
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' // kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3fffd}'); // Han
    in_script && char.is_alphanumeric()
}

/// Tells whether a letter is written into the one before it: the rest of a Hangul syllable in pieces, a voicing mark
/// of half-width kana.
fn continues_character(char: char) -> bool {
    matches!(char, '\u{1160}'..='\u{11ff}' | '\u{ff9e}' | '\u{ff9f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pieces(word: &str, expected: &str) {
        let pieces: Vec<&str> = pieces(word, 0..word.len()).into_iter().map(|range| &word[range]).collect();
        assert_eq!(pieces.join("|"), expected, "{word}");
    }

    #[test]
    fn identifiers_fall_into_pieces() {
        check_pieces("getUserName", "get|User|Name");
        check_pieces("HTTPHeader", "HTTP|Header");
        check_pieces("parseXML", "parse|XML");
        check_pieces("sha256sum", "sha|256|sum");
        check_pieces("ÉcoleÉlève", "École|Élève");
    }

    #[test]
    fn plain_words_do_not() {
        for word in ["ownership", "Ownership", "OWNERSHIP", "APIs", "1998", "Привет", "a"] {
            check_pieces(word, "");
        }
        check_pieces(&"aB".repeat(TERM_CHARS_MAX), "");
    }

    #[test]
    fn joints_do_not_stand_at_the_ends_of_a_run() {
        let text = "__init__ _a__b_ _";
        let found: Vec<&str> = runs(text)
            .flat_map(|run| match run {
                Run::Spaced(range) => words(text, range).map(|range| &text[range]).collect(),
                Run::Unspaced(_) => vec![],
            })
            .collect();
        assert_eq!(found, ["init", "a", "b"]);
    }
}
