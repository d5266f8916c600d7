//! Numbers of an answer that stay readable. JSON has no largest number, but who reads it has: without a bound a model may
//! write digits for ever, or `1e999`, which no parser takes.

use crate::local::mask::Mask;
use crate::local::vocabulary::{TokenKind, Vocabulary};

/// More than any number needs: 17 digits tell all double-precision numbers apart.
const NUMBER_BYTES_MAX: usize = 32;
/// With at most this many digits in its exponent, a number of that length is far below 1e308.
const EXPONENT_DIGITS_MAX: usize = 2;

/// The tokens that could make a number too long.
#[derive(Debug)]
pub(super) struct NumberTokens {
    /// Those that begin with at least 1, 2, 3 digits.
    digits: [Mask; EXPONENT_DIGITS_MAX + 1],
    /// Those with a whole exponent that is too long.
    exponents: Mask,
    /// The same after the end of a string.
    exponents_after_string: Mask,
}

impl NumberTokens {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let none = || Mask::new(vocabulary.len());
        let mut tokens = Self { digits: [none(), none(), none()], exponents: none(), exponents_after_string: none() };
        for id in 0..u32::try_from(vocabulary.len()).unwrap_or(u32::MAX) {
            if vocabulary.kind(id) != TokenKind::Text {
                continue;
            }
            let bytes = vocabulary.bytes(id);
            let run = run_of_digits(bytes);
            tokens.digits.iter_mut().take(run).for_each(|mask| mask.allow(id));
            if has_long_exponent(bytes) {
                tokens.exponents.allow(id);
            }
            let quote = bytes.iter().position(|byte| *byte == b'"');
            if quote.is_some_and(|quote| has_long_exponent(&bytes[quote..])) {
                tokens.exponents_after_string.allow(id);
            }
        }
        tokens
    }
}

fn run_of_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn has_long_exponent(bytes: &[u8]) -> bool {
    (0..bytes.len()).filter(|at| matches!(bytes[*at], b'e' | b'E')).any(|at| {
        let after = &bytes[at + 1..];
        let sign = usize::from(matches!(after.first(), Some(b'+' | b'-')));
        run_of_digits(&after[sign..]) > EXPONENT_DIGITS_MAX
    })
}

/// Where in JSON a text is, as far as numbers need to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    in_string: bool,
    escaped: bool,
    /// How long the number is in which the text ends, 0 for none.
    bytes: usize,
    exponent_digits: Option<usize>,
}

impl Numbers {
    /// Takes the next piece of the text.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        let goes_on = match byte {
            b'0'..=b'9' => true,
            b'-' => self.bytes == 0 || self.exponent_digits.is_some(),
            b'.' | b'+' | b'e' | b'E' => self.bytes > 0,
            _ => false,
        };
        if !goes_on {
            *self = Self { in_string: byte == b'"', ..Self::default() };
            return;
        }
        self.bytes += 1;
        self.exponent_digits = match (byte, self.exponent_digits) {
            (b'e' | b'E', _) => Some(0),
            (b'0'..=b'9', Some(digits)) => Some(digits + 1),
            (_, digits) => digits,
        };
    }

    /// Takes out of a mask what would make a number too long.
    pub(super) fn limit(&self, mask: &mut Mask, tokens: &NumberTokens) {
        mask.remove(&tokens.exponents_after_string);
        if self.in_string {
            return;
        }
        mask.remove(&tokens.exponents);
        match self.exponent_digits {
            Some(digits) => mask.remove(&tokens.digits[EXPONENT_DIGITS_MAX.saturating_sub(digits)]),
            None if self.bytes >= NUMBER_BYTES_MAX => mask.remove(&tokens.digits[0]),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, may_come: &[&str]) {
        const TOKENS: [&str; 8] = ["1", "22", "333", "4x", "e5", "e6666", "\": 1e777", ","];
        let vocabulary = Vocabulary::new(TOKENS.map(|token| (token.into(), TokenKind::Text)), []);
        let mut mask = Mask::new(TOKENS.len());
        (0..8).for_each(|token| mask.allow(token));
        let mut numbers = Numbers::default();
        numbers.read(text.as_bytes());
        numbers.limit(&mut mask, &NumberTokens::new(&vocabulary));
        assert_eq!(mask.tokens().map(|token| TOKENS[token as usize]).collect::<Vec<_>>(), may_come);
    }

    #[test]
    fn numbers_stay_short() {
        check("{\"a\": ", &["1", "22", "333", "4x", "e5", ","]);
        check("{\"a\": 12", &["1", "22", "333", "4x", "e5", ","]);
        check("[1e", &["1", "22", "4x", "e5", ","]);
        check("[1E-", &["1", "22", "4x", "e5", ","]);
        check("[1e+1", &["1", "4x", "e5", ","]);
        check("[1e12", &["e5", ","]);
        check("[1e12, 2", &["1", "22", "333", "4x", "e5", ","]);
        check(&"1".repeat(32), &["e5", ","]);
        check("[true", &["1", "22", "333", "4x", "e5", ","]);
    }

    #[test]
    fn text_is_left_alone() {
        check("\"1e12", &["1", "22", "333", "4x", "e5", "e6666", ","]);
        check("\"\\\"1e12", &["1", "22", "333", "4x", "e5", "e6666", ","]);
        check("\"\\\\\" 1e12", &["e5", ","]);
    }
}
