//! Characters that a reader does not see and a model does: they hide orders in a text, or turn its order round. What
//! comes from pages and databases is shown without them, or with their numbers.

/// Characters that are drawn as nothing: `Default_Ignorable_Code_Point` of Unicode 17, `DerivedCoreProperties.txt`.
const IGNORABLE: &[(u32, u32)] = &[
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
];

/// Notes between lines: their marks are drawn as nothing, too, where they are not supported (Unicode 17, §23.8).
const ANNOTATION: std::ops::RangeInclusive<char> = '\u{FFF9}'..='\u{FFFB}';

/// Those that change what is seen: Persian and Indic scripts part and join letters with the first two (Unicode 17,
/// §23.2), the others choose between a picture and a letter.
const NEEDED: [char; 4] = ['\u{200C}', '\u{200D}', '\u{FE0E}', '\u{FE0F}'];

/// Tells whether nobody sees a character. A tab and the end of a line are seen.
pub(super) fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control() && !matches!(c, '\t' | '\n');
    }
    let is_ignorable = || IGNORABLE.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
    c.is_control() || ANNOTATION.contains(&c) || (is_ignorable() && !NEEDED.contains(&c))
}

/// Takes the beginning of a text from elsewhere that stands in a message: only what is seen, and no more than so many
/// characters.
pub(super) fn excerpt(text: &str, chars_max: usize) -> String {
    let mut shown = text.chars().filter(|c| !is_invisible(*c));
    let mut excerpt: String = shown.by_ref().take(chars_max).collect();
    excerpt.push_str(if shown.next().is_some() { "…" } else { "" });
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_stays() {
        for seen in "a\t\n é 日本 می\u{200C}خواهم 👩\u{200D}💻 ❤\u{FE0F} \u{A0}\u{2028}".chars() {
            assert!(!is_invisible(seen), "{seen:?}");
        }
    }

    #[test]
    fn an_excerpt_is_short_and_seen() {
        assert_eq!(excerpt("né\u{1b}[2J\u{202E}", 5), "né[2J");
        assert_eq!(excerpt("né\u{1b}[2J", 3), "né[…");
        assert_eq!(excerpt("", 3), "");
    }

    #[test]
    fn what_nobody_sees_is_known() {
        let hidden =
            "\0\u{7}\u{8}\r\u{1b}\u{7f}\u{85}\u{9b}\u{AD}\u{200B}\u{200E}\u{202E}\u{2066}\u{2069}\u{FEFF}\u{FE00}";
        for hidden in hidden.chars().chain("\u{FFF9}\u{3164}\u{E0041}\u{E007F}\u{E0100}\u{E01EF}".chars()) {
            assert!(is_invisible(hidden), "{hidden:?}");
        }
    }
}
