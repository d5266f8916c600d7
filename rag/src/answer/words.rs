//! The words of a text as a quotation is compared by: what markup, typography and line breaks cannot change.
//!
//! Words are folded by NFKC and case. Emphasis, backticks, quotation marks, list marks, brackets and link targets are not
//! words; numbers keep their sign, decimals and powers; symbols that carry meaning (`%`, `€`, `<`, `!` in code, `*`
//! between operands) are words of their own, and so is a dash, since `a - b` may be a difference. Scripts without
//! spaces give one word a character.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::sentences::is_spaceless;

/// One word with its folded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) range: Range<usize>,
    pub(super) folded: String,
    pub(super) is_capital: bool, // it begins with a capital, so it may be a name
}

/// Reads words from a part of a text.
pub(super) struct Words<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// Reads the words that begin in `region`, whose start must not lie within a word.
    pub(super) fn within(text: &'a str, region: Range<usize>) -> Self {
        Self { text, at: region.start, end: region.end }
    }

    /// Reads the next word: its range, and its folded form into `folded`.
    pub(super) fn read(&mut self, folded: &mut String) -> Option<Range<usize>> {
        while self.at < self.end {
            let start = self.at;
            let c = self.text[start..].chars().next()?;
            let end = self.word_end(start, c);
            if end > start {
                self.at = end;
                fold(&self.text[start..end], folded);
                return Some(start..end);
            }
            self.at = self.after_mark(start, c);
        }
        None
    }

    /// Returns the end of the word that begins at `start`, or `start` if none does.
    fn word_end(&self, start: usize, c: char) -> usize {
        let after = start + c.len_utf8();
        let rest = &self.text[after..];
        if is_spaceless(c) && c.is_alphanumeric() {
            after + prefix(rest, is_combining_mark)
        } else if c.is_alphanumeric() {
            self.run_end(start)
        } else if matches!(c, '-' | '−' | '–') && rest.starts_with(|c: char| c.is_numeric()) && self.is_detached(start)
        {
            self.run_end(after)
        } else if self.is_symbol(start, c) {
            after
        } else {
            start
        }
    }

    /// Returns the end of the letters and digits from `start`, with the marks that may stand between two of them.
    fn run_end(&self, start: usize) -> usize {
        let mut before = None;
        let mut chars = self.text[start..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|&(_, next)| next);
            let joins = match c {
                '\'' | '’' | '_' => next.is_some_and(char::is_alphanumeric),
                '.' | ',' => before.is_some_and(char::is_numeric) && next.is_some_and(char::is_numeric),
                _ => (c.is_alphanumeric() && !is_spaceless(c)) || is_combining_mark(c) || is_ignorable(c),
            };
            if !joins {
                return start + at;
            }
            before = Some(c);
        }
        self.text.len()
    }

    fn is_symbol(&self, at: usize, c: char) -> bool {
        let next = self.text[at + c.len_utf8()..].chars().next();
        let follows_word = self.before(at).is_some_and(char::is_alphanumeric);
        match c {
            '%' | '‰' | '±' | '×' | '÷' | '≤' | '≥' | '≠' | '≈' | '&' | '¬' => true,
            '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20cf}' => true,
            '<' => true,
            '=' => !self.is_run(at, c),
            '>' | '+' => !self.is_run(at, c) && !self.is_at_line_start(at),
            '*' | '/' => self.joins_operands(at, c),
            '^' => !self.text[..at].ends_with('['), // of a footnote
            '—' => true,
            '-' | '−' | '–' => self.is_between_spaces(at, c) && !self.is_at_line_start(at),
            '#' => follows_word,
            '!' => !follows_word && next.is_some_and(|next| next == '=' || next.is_alphanumeric()),
            _ => false,
        }
    }

    /// Tells an operator from emphasis and from the mark of a list: `a * b` and `3*4`, not `*b*`.
    fn joins_operands(&self, at: usize, c: char) -> bool {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let joins_numbers = is_digit(self.before(at)) && is_digit(self.after(at, c));
        joins_numbers || (self.is_between_spaces(at, c) && !self.is_at_line_start(at))
    }

    fn is_between_spaces(&self, at: usize, c: char) -> bool {
        let is_space = |c: Option<char>| c.is_some_and(char::is_whitespace);
        is_space(self.before(at)) && is_space(self.after(at, c))
    }

    fn after(&self, at: usize, c: char) -> Option<char> {
        self.text[at + c.len_utf8()..].chars().next()
    }

    fn before(&self, at: usize) -> Option<char> {
        self.text[..at].chars().next_back()
    }

    /// Tells whether nothing that a sign could join to a number stands before an offset: `-5`, not `3-5`.
    fn is_detached(&self, at: usize) -> bool {
        self.before(at).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '[' | '*' | '_' | '`' | '|'))
    }

    /// Tells whether a character is doubled on both sides, as in the underline of a heading.
    fn is_run(&self, at: usize, c: char) -> bool {
        let before = self.text[..at].chars().rev().take_while(|&other| other == c).take(RUN_CHARS).count();
        let from = self.text[at..].chars().take_while(|&other| other == c).take(RUN_CHARS).count();
        before + from > RUN_CHARS - 1
    }

    fn is_at_line_start(&self, at: usize) -> bool {
        let from = self.text.floor_char_boundary(at.saturating_sub(INDENT_BYTES_MAX));
        let before = self.text[from..at].trim_end_matches([' ', '\t', '>']);
        before.ends_with('\n') || (before.is_empty() && from == 0)
    }

    /// Skips a character that is no word, and what belongs to it: the target of a link, the label of a footnote.
    fn after_mark(&self, at: usize, c: char) -> usize {
        let rest = &self.text[at..];
        let target = rest.strip_prefix("](").and_then(|inner| within(inner, ')').filter(|target| is_address(target)));
        if let Some(target) = target {
            return at + "](".len() + target.len() + ")".len();
        }
        if let Some(label) = rest.strip_prefix("[^").and_then(|inner| within(inner, ']')) {
            return at + "[^".len() + label.len() + "]".len();
        }
        at + c.len_utf8()
    }
}

// `===` is a line, `==` is an operator.
const RUN_CHARS: usize = 3;
// Deeper indentation before a `>` or a `+` is code.
const INDENT_BYTES_MAX: usize = 64;
// Addresses in real documents stay under this; it bounds the look ahead.
const TARGET_BYTES_MAX: usize = 2_048;

/// Returns what stands before a closing mark, if the mark is near.
fn within(text: &str, close: char) -> Option<&str> {
    let near = &text[..text.floor_char_boundary(TARGET_BYTES_MAX.min(text.len()))];
    near.find(close).map(|at| &near[..at])
}

/// Tells a link's target from the arguments of a call: `](ch04.html#rules)`, not `[0](17)`.
fn is_address(target: &str) -> bool {
    let path = target.split_whitespace().next().unwrap_or_default();
    let starts = path.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '#' | '.' | '<'));
    starts && path.contains(['/', '#', '.', ':'])
}

fn prefix(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.len() - text.trim_start_matches(test).len()
}

/// Soft hyphen, joiners, byte order mark: they change how a word looks at most.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

fn fold(word: &str, folded: &mut String) {
    folded.clear();
    if word.is_ascii() {
        folded.push_str(word);
        folded.make_ascii_lowercase();
        return;
    }
    for c in word.chars().filter(|&c| !is_ignorable(c)) {
        match c {
            '’' => folded.push('\''),
            '−' | '–' | '—' => folded.push('-'),
            // NFKC would make 10² the number 102.
            '²' | '³' | '¹' | '\u{2070}'..='\u{2079}' => folded.push('^'),
            '\u{2080}'..='\u{2089}' => folded.push('_'),
            '¼'..='¾' | '\u{2150}'..='\u{215f}' => folded.push('+'),
            _ => {}
        }
        if !matches!(c, '’' | '−' | '–' | '—') {
            folded.push(c);
        }
    }
    let normal: String = folded.nfkc().flat_map(char::to_lowercase).collect();
    *folded = normal.nfkc().collect();
}

/// Reads all words of a region.
pub(super) fn words(text: &str, region: Range<usize>) -> Vec<Word> {
    let mut reader = Words::within(text, region);
    let mut folded = String::new();
    let mut words = Vec::new();
    while let Some(range) = reader.read(&mut folded) {
        let is_capital = text[range.clone()].starts_with(char::is_uppercase);
        words.push(Word { range, folded: folded.clone(), is_capital });
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let words = words(text, 0..text.len());
        let folded: Vec<&str> = words.iter().map(|word| word.folded.as_str()).collect();
        assert_eq!(folded, expected, "{text:?}");
    }

    #[test]
    fn markup_and_typography_vanish() {
        check(
            "Each _owner_ “can’t” **be** `Rc`—[two](ch04-01.html#x \"t\") now.[^n1]",
            &["each", "owner", "can't", "be", "rc", "-", "two", "now"],
        );
        check("> quoted\n> - item\n# Head", &["quoted", "item", "head"]);
        check("ﬁne Ｆull e\u{301}t\u{e9} co\u{ad}op", &["fine", "full", "\u{e9}t\u{e9}", "coop"]);
        check("所有权 rule", &["所", "有", "权", "rule"]);
    }

    #[test]
    fn numbers_and_symbols_stay() {
        check("-5 °C, 3-5, 1,234.5 %, 10², ½, v1.2", &["-5", "c", "3", "5", "1,234.5", "%", "10^2", "+1⁄2", "v1.2"]);
        check(
            "a != b, !x, a <= b; wow! $3 C#",
            &["a", "!", "=", "b", "!", "x", "a", "<", "=", "b", "wow", "$", "3", "c", "#"],
        );
        check("handlers[0](17)", &["handlers", "0", "17"]);
        check(
            "a * b / c ^ d - e – f, 3*4, 3/4, x^2",
            &["a", "*", "b", "/", "c", "^", "d", "-", "e", "-", "f", "3", "*", "4", "3", "/", "4", "x", "^", "2"],
        );
        check(
            "* a *b* **c** un*d*e km/h\n- f\n  * g\n---\n\n| - |",
            &["a", "b", "c", "un", "d", "e", "km", "h", "f", "g", "-"],
        );
        check("Title\n=====\nsnake_case", &["title", "snake_case"]);
    }

    proptest! {
        #[test]
        fn ranges_ascend(text in "(?s)([a-z0-9 .,'’_*`\\[\\]()!#>+=^\n-]|.){0,80}") {
            let mut end = 0;
            for word in words(&text, 0..text.len()) {
                prop_assert!(end <= word.range.start && word.range.start < word.range.end);
                prop_assert!(text.get(word.range.clone()).is_some());
                end = word.range.end;
            }
        }
    }
}
