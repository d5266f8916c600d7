//! Different spellings of one word made equal: compatibility forms, case, and accents where they do not make
//! another letter. Case and forms are folded before stemming, accents after, because stemmers need them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Returns a word in NFKC and lower case, with nothing but letters, digits and marks; only its first `chars_max`
/// characters count.
pub(super) fn fold(word: &str, chars_max: usize) -> String {
    if word.is_ascii() {
        let head = &word[..word.len().min(chars_max)];
        return head
            .bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect();
    }
    let head = word.chars().take(chars_max);
    let lower =
        head.nfkc().flat_map(char::to_lowercase).filter(|&char| char.is_alphanumeric() || is_combining_mark(char));
    lower.nfc().filter(|&char| !is_ignorable(char)).take(chars_max).collect()
}

/// Returns a term without the accents that people leave out when they type: those of Latin and Greek letters, the
/// dots of `ё`, the points of Hebrew and Arabic. Marks that make another letter (`й`, `が`, vowels of Indic scripts)
/// stay.
pub(super) fn strip_accents(term: String) -> String {
    if term.is_ascii() {
        return term;
    }
    let mut base = '\0';
    let mut plain = String::with_capacity(term.len());
    for char in term.nfd() {
        if !is_combining_mark(char) {
            base = char;
            push_plain(&mut plain, char);
        } else if !is_accent(base, char) {
            plain.push(char);
        }
    }
    plain.nfc().collect()
}

/// Tells whether a character inside a word is not seen and means nothing: a soft hyphen, a joiner.
pub(super) fn is_ignorable(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

fn is_accent(base: char, mark: char) -> bool {
    match mark {
        '\u{300}'..='\u{36f}' => match base {
            'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => true, // Latin
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => true,            // Greek
            'е' => mark == '\u{308}',                                           // ё is written е
            _ => false,
        },
        '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{652}' | '\u{670}' => true, // Hebrew and Arabic points
        _ => false,
    }
}

/// Letters that are told from others by more than a mark.
fn push_plain(plain: &mut String, char: char) {
    match char {
        'ß' => plain.push_str("ss"),
        'æ' => plain.push_str("ae"),
        'œ' => plain.push_str("oe"),
        'þ' => plain.push_str("th"),
        'ø' => plain.push('o'),
        'đ' | 'ð' => plain.push('d'),
        'ł' => plain.push('l'),
        'ħ' => plain.push('h'),
        'ı' => plain.push('i'),
        'ς' => plain.push('σ'),
        'ـ' => {} // the Arabic tatweel only stretches a word
        other => plain.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_become_equal() {
        let check = |spellings: &[&str], expected: &str| {
            for spelling in spellings {
                assert_eq!(strip_accents(fold(spelling, 64)), expected, "{spelling:?}");
            }
        };
        check(&["Café", "cafe\u{301}", "CAFE", "ｃａｆé"], "cafe");
        check(&["STRASSE", "Straße", "straẞe"], "strasse");
        check(&["ﬁne", "fi\u{ad}ne"], "fine");
        check(&["İstanbul", "istanbul", "Istanbul"], "istanbul");
        check(&["Ёлка", "елка"], "елка");
        check(&["ΟΔΟΣ", "οδός"], "οδοσ");
        check(&["m²", "M2"], "m2");
        check(&["ｶﾞ", "ガ", "カ\u{3099}"], "ガ");
    }

    #[test]
    fn letters_of_their_own_stay() {
        assert_eq!(strip_accents(fold("Йод", 64)), "йод");
        assert_eq!(strip_accents(fold("が", 64)), "が");
        assert_eq!(strip_accents(fold("हिन्दी", 64)), "हिन्दी");
    }
}
