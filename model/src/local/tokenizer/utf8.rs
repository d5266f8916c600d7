//! Bytes of tokens to text. A character may be spread over several tokens, so its first bytes wait for the others.

/// Makes text of bytes that come piece by piece: what comes out is, taken together, what [`String::from_utf8_lossy`] makes
/// of all of the bytes.
///
/// ```
/// use lorewell_model::local::Utf8;
///
/// let mut text = Utf8::default();
/// assert_eq!(text.push(b"caf\xc3"), "caf");
/// assert_eq!(text.push(b"\xa9!"), "é!");
/// assert_eq!(text.end(), "");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The beginning of a character: at most 3 bytes.
    held: Vec<u8>,
}

impl Utf8 {
    /// Takes bytes and returns the text that is certain by now. Bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.held.len());
        let mut done = 0;
        let unfinished = self.held.utf8_chunks().fold(0, |_, chunk| {
            text.push_str(chunk.valid());
            done += chunk.valid().len() + chunk.invalid().len();
            let unfinished = done == self.held.len() && is_unfinished(chunk.invalid());
            if unfinished {
                return chunk.invalid().len();
            }
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            0
        });
        self.held.drain(..self.held.len() - unfinished);
        text
    }

    /// Returns what is left when no more bytes come: U+FFFD for a character that was cut, or nothing.
    #[must_use]
    pub fn end(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        rest
    }
}

/// Tells whether more bytes could make a character of these.
fn is_unfinished(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], cut: usize) {
        let mut text = Utf8::default();
        let (start, end) = bytes.split_at(cut);
        let pieces = [text.push(start), text.push(end), text.end()];
        assert_eq!(pieces.concat(), String::from_utf8_lossy(bytes), "{bytes:?} cut at {cut}");
    }

    #[test]
    fn every_cut_gives_the_same_text() {
        for bytes in
            ["aé€🦀z".as_bytes(), b"\xf0\x9f\xa6", b"a\xff\xc3\xc3\xa9\xe2\x82", b"\xed\xa0\x80\xf4\x90\x80\x80"]
        {
            for cut in 0..=bytes.len() {
                check(bytes, cut);
            }
        }
    }

    #[test]
    fn a_character_comes_out_when_it_is_whole() {
        let mut text = Utf8::default();
        let pieces: Vec<_> = "é🦀".bytes().map(|byte| text.push(&[byte])).collect();
        assert_eq!(pieces, ["", "é", "", "", "", "🦀"]);
        assert_eq!(text, Utf8::default());
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..8)) {
            let mut text = Utf8::default();
            let mut made: String = pieces.iter().map(|piece| text.push(piece)).collect();
            prop_assert!(text.held.len() <= 3);
            made.push_str(&text.end());
            let whole = pieces.concat();
            prop_assert_eq!(made, String::from_utf8_lossy(&whole));
        }
    }
}
