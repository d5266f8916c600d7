//! The alphabet in which vocabularies of bytes are written: each byte has a character that can be printed, its own if it
//! has one, and one from U+0100 on if not (`bytes_to_unicode` of GPT-2).

/// Returns the character that stands for a byte.
pub(super) fn name(byte: u8) -> char {
    let hidden = |byte: u8| !matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if !hidden(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| hidden(*byte)).count();
    u32::try_from(before).ok().and_then(|before| char::from_u32(256 + before)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the bytes that a token is written for; nothing if it has a character that stands for none.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte).collect()
}

fn byte(name: char) -> Option<u8> {
    match u32::from(name) {
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_name() {
        for byte in 0..=u8::MAX {
            assert_eq!(bytes(&name(byte).to_string()), Some(vec![byte]));
        }
        assert_eq!((name(b' '), name(b'\n'), name(b'a'), name(0xAD)), ('Ġ', 'Ċ', 'a', 'Ń'));
        assert_eq!(bytes("aĠ漢"), None);
    }
}
