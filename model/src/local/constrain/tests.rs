//! Grammars over a made-up vocabulary.

mod random;

use serde_json::json;

use super::*;
use crate::local::TokenKind;

/// All bytes, common pieces of JSON, words, and a mark that ends the answer.
pub(super) fn vocabulary() -> Vocabulary {
    let bytes = (0..=255_u8).map(|byte| (vec![byte], TokenKind::Text));
    let pieces = [
        "{\"",
        "\":",
        "\": ",
        "\", \"",
        "\"}",
        "},",
        "}, {",
        "[]",
        "{}",
        "[\"",
        "\"]",
        "true",
        "false",
        "null",
        "né",
        "ö\"",
        "-0",
        "e+",
        "1e5",
        "\\n",
        "\\\"",
        "\\u0041",
        "\",",
        "],",
        "日本",
        "\u{1f600}",
        "::",
        "@",
        ".com",
        "-02-",
        "e999",
    ];
    let pieces = pieces.map(|piece| (piece.as_bytes().to_vec(), TokenKind::Text));
    let numbers = (0..1000).map(|n| (n.to_string().into_bytes(), TokenKind::Text));
    let syllables = ["ba", "co", "di", "fu", "ge", "ha", "ki", "lo", "me", "nu", "po", "ra", "se", "ti", "vo", "zu"];
    let words = syllables.iter().flat_map(|a| syllables.iter().map(move |b| format!("{a}{b}")));
    let words = words.flat_map(|word| [word.clone(), format!(" {word}"), format!("\"{word}")]);
    let words = words.map(|word| (word.into_bytes(), TokenKind::Text));
    let marks = [(b"<end>".to_vec(), TokenKind::Control), (b"<other>".to_vec(), TokenKind::Control)];
    let all: Vec<_> = bytes.chain(pieces).chain(numbers).chain(words).chain(marks).collect();
    let end = u32::try_from(all.len() - 2).expect("there are few");
    Vocabulary::new(all, [end])
}

fn grammars() -> Grammars {
    Grammars::new(vocabulary().into()).expect("it has an end")
}

/// Takes text byte by byte, and says where it stopped fitting.
fn take(matcher: &mut Matcher, text: &str) -> Result<(), usize> {
    for (index, byte) in text.bytes().enumerate() {
        matcher.accept(byte.into()).map_err(|_| index)?;
    }
    Ok(())
}

#[track_caller]
fn accepts(constraint: &Constraint, texts: &[&str]) {
    for text in texts {
        let mut matcher = grammars().start(constraint).unwrap();
        assert_eq!(take(&mut matcher, text), Ok(()), "{text}");
        assert!(matcher.may_end().unwrap(), "{text}");
    }
}

#[track_caller]
fn refuses(constraint: &Constraint, texts: &[&str]) {
    for text in texts {
        let mut matcher = grammars().start(constraint).unwrap();
        let whole = take(&mut matcher, text).is_ok() && matcher.may_end().unwrap();
        assert!(!whole, "{text}");
    }
}

#[test]
fn json_comes_on_one_line() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}}},
        "required": ["a"],
    });
    let schema = Constraint::Schema(schema);
    accepts(&schema, &[r#"{"a":1}"#, r#"{"a": 1, "b": ["x", "\n"]}"#, r#"{"a":-9223372036854774784,"b":[]}"#]);
    refuses(
        &schema,
        &[
            "{ \"a\":1}",
            "{\"a\":  1}",
            "{\"a\":1 }",
            "{\n\"a\":1}",
            "{}",
            r#"{"a":1.5}"#,
            r#"{"a":1,"c":1}"#,
            r#"{"b":[],"a":1}"#,
            r#"{"a":9223372036854775807}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":1,"b":["\u0041"]}"#,
        ],
    );
}

#[test]
fn it_is_over_when_nothing_can_follow() {
    let mut matcher = grammars().start(&Constraint::Schema(json!({"const": {"a": [1, null]}}))).unwrap();
    assert!(!matcher.is_over());
    let mut forced = Vec::new();
    while !matcher.is_over() {
        let next = matcher.mask().unwrap().tokens().next().unwrap();
        matcher.accept(next).unwrap();
        forced.extend_from_slice(vocabulary().bytes(next));
    }
    assert_eq!(String::from_utf8(forced).unwrap(), r#"{"a": [1, null]}"#);
    let stop = vocabulary().stops()[0];
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), [stop]);
    assert!(matcher.forced().unwrap().is_empty());
    assert!(matcher.accept(b'x'.into()).is_err());
    matcher.accept(stop).unwrap();
}
