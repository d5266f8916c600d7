//! Grammars over a made-up vocabulary.

mod random;

use serde_json::json;

use super::*;
use crate::OutputSchema;
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

#[test]
fn what_may_not_come_changes_nothing() {
    let mut matcher = grammars().start(&Constraint::Regex("ab+".into())).unwrap();
    let error = matcher.accept(b'b'.into()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::BadInput, "token 98, `b`, may not come next in this form"));
    assert!(matcher.accept(u32::MAX).is_err());
    assert!(matcher.accept(vocabulary().stops()[0]).is_err());
    assert_eq!(take(&mut matcher, "abb"), Ok(()));
    assert!(matcher.may_end().unwrap() && !matcher.is_over());
    matcher.accept(vocabulary().stops()[0]).unwrap();
    assert!(matcher.is_over());
}

#[test]
fn matchers_of_one_grammar_do_not_meet() {
    let grammars = grammars();
    let constraint = Constraint::Regex("a(b|c)d".into());
    let mut first = grammars.start(&constraint).unwrap();
    assert_eq!(take(&mut first, "ab"), Ok(()));
    let mut second = grammars.start(&constraint).unwrap();
    assert_eq!(second.mask().unwrap().tokens().collect::<Vec<_>>(), [u32::from(b'a')]);
    // More than are kept, so that the first one is compiled anew.
    for n in 0..CACHED_MAX + 3 {
        grammars.start(&Constraint::Regex(format!("x{n}"))).unwrap();
    }
    assert_eq!(grammars.0.compiled.lock().unwrap().len(), CACHED_MAX);
    assert_eq!(take(&mut first, "d"), Ok(()));
    assert_eq!(take(&mut grammars.start(&constraint).unwrap(), "acd"), Ok(()));
}

#[test]
fn what_must_come_need_not_be_drawn() {
    let schema = Constraint::Schema(json!({"const": "bacodi fuge 12"}));
    let by_letter = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
    let grammars = Grammars::with_tokenizer(vocabulary().into(), by_letter).unwrap();
    let mut matcher = grammars.start(&schema).unwrap();
    let forced = matcher.forced().unwrap();
    assert!(forced.len() > 10, "{forced:?}");
    assert!(by_letter("\"bacodi fuge 12\"").starts_with(&forced));
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), forced[..1]);
    forced.iter().for_each(|token| matcher.accept(*token).unwrap());
    // A tokenizer that says something else is not listened to.
    let wrong = Grammars::with_tokenizer(vocabulary().into(), |_| vec![u32::MAX, 3]).unwrap();
    let mut matcher = wrong.start(&schema).unwrap();
    let forced = matcher.forced().unwrap();
    let bytes: Vec<u8> = forced.iter().flat_map(|token| vocabulary().bytes(*token).to_vec()).collect();
    assert!("\"bacodi fuge 12\"".as_bytes().starts_with(&bytes) && !bytes.is_empty(), "{bytes:?}");
}

#[test]
fn marks_come_only_where_a_grammar_names_them() {
    let len = u32::try_from(vocabulary().len()).unwrap();
    let (end, other) = (len - 2, len - 1);
    let mut matcher = grammars().start(&Constraint::Lark("start: /[^x]*/".into())).unwrap();
    let mask = matcher.mask().unwrap();
    assert!(!mask.allows(other) && mask.allows(end) && !mask.allows(0xff));
    let mut matcher = grammars().start(&Constraint::Lark("start: <other> \"a\"".into())).unwrap();
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), [other]);
    matcher.accept(other).unwrap();
    assert_eq!(take(&mut matcher, "a"), Ok(()));
    assert!(matcher.is_over());
}

#[test]
fn a_stop_that_is_spelled_like_text_never_comes_as_text() {
    let letters = (0..=127_u8).map(|letter| (vec![letter], TokenKind::Text));
    let vocabulary = Vocabulary::new(letters.chain([(b"ab".to_vec(), TokenKind::Text)]), [128, 97]);
    let mut matcher = Grammars::new(vocabulary.into()).unwrap().start(&Constraint::Regex("ba?b?".into())).unwrap();
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), [98]);
    matcher.accept(98).unwrap();
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), [97, 98, 128]);
    matcher.accept(97).unwrap();
    assert!(matcher.is_over());
}

#[test]
fn a_request_says_the_form() {
    let of = |request: &Request| Constraint::of(request);
    assert_eq!(of(&Request::default().extra("regex", Value::Null)).unwrap(), None);
    let schema = json!({"type": "null"});
    let request = Request::default().output(OutputSchema::new("nothing", schema.clone()));
    assert_eq!(of(&request).unwrap(), Some(Constraint::Schema(schema)));
    assert_eq!(of(&Request::default().extra("regex", "a")).unwrap(), Some(Constraint::Regex("a".into())));
    assert_eq!(of(&Request::default().extra("grammar", "a")).unwrap(), Some(Constraint::Lark("a".into())));
    let check = |request: &Request, expected: &str| {
        let error = of(request).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::BadInput, expected));
    };
    check(&Request::default().extra("regex", 1), "`regex` is 1, and should be text");
    check(&request.extra("grammar", "a"), "an answer has one form; give one of `output`, `regex` and `grammar`");
}

#[test]
fn types_of_rust_are_enforced() {
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Answer {
        /// Whole.
        count: u8,
        big: Option<i64>,
        share: f32,
        letter: char,
        kind: Kinds,
        by_name: std::collections::BTreeMap<String, Vec<Self>>,
    }
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum Kinds {
        Plain,
        With { text: String },
    }
    let schema = Constraint::Schema(OutputSchema::of::<Answer>().schema);
    let plain = r#"{"count": 255, "big": null, "share": 0.5, "letter": "é", "kind": "Plain", "by_name": {}}"#;
    let nested = format!(
        r#"{{"count":0,"share":-1e5,"letter":"\n","kind":{{"With":{{"text":""}}}},"by_name":{{"x":[{plain}]}}}}"#
    );
    accepts(&schema, &[plain, &nested]);
    refuses(&schema, &[&plain.replace("255", "256"), &plain.replace("é", "éé"), &plain.replace("Plain", "Other")]);
}

#[test]
fn dates_that_do_not_exist_are_not_said() {
    let format = |format: &str| Constraint::Schema(json!({"type": "string", "format": format}));
    accepts(&format("date"), &["\"2024-02-29\"", "\"2000-02-29\"", "\"1999-12-31\"", "\"2023-02-28\""]);
    refuses(&format("date"), &["\"2023-02-29\"", "\"1900-02-29\"", "\"2024-02-30\"", "\"2024-13-01\"", "\"24-1-1\""]);
    accepts(&format("date-time"), &["\"2024-02-29T23:59:59Z\"", "\"2023-03-01t00:00:00.5+01:30\""]);
    refuses(&format("date-time"), &["\"2023-02-29T00:00:00Z\"", "\"2024-02-29T23:59:60Z\"", "\"2024-02-29\""]);
    let late = Constraint::Schema(json!({"type": "string", "format": "date", "pattern": "^2"}));
    accepts(&late, &["\"2024-02-29\""]);
    refuses(&late, &["\"2023-02-29\"", "\"1999-01-01\""]);
}

#[test]
fn patterns_are_those_of_javascript() {
    let pattern = |pattern: &str| Constraint::Schema(json!({"type": "string", "pattern": pattern}));
    accepts(&pattern("^a\\sb$"), &["\"a b\"", "\"a\u{a0}b\"", "\"a\u{feff}b\"", "\"a\\tb\""]);
    refuses(&pattern("^a\\sb$"), &["\"a\u{85}b\"", "\"ab\""]);
    accepts(&pattern("^[x\\s]+[\\s\\S]$"), &["\"x x\\n\""]);
    accepts(&pattern("^a.[.]\\.$"), &["\"ax..\"", "\"aé..\""]);
    refuses(&pattern("^a.[.]\\.$"), &["\"a\u{2028}..\"", "\"a\\r..\"", "\"axx.\"", "\"ax.x\""]);
    accepts(&pattern("^\\d\\w$"), &["\"1a\""]);
    refuses(&pattern("^\\d\\w$"), &["\"١a\"", "\"1é\""]);
}

#[track_caller]
fn fails(constraint: &Constraint, expected: &str) {
    let error = grammars().start(constraint).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::BadInput, expected));
}

#[test]
fn what_cannot_be_enforced_has_a_name_and_a_place() {
    let check =
        |schema: Value, expected: &str| fails(&Constraint::Schema(schema), &format!("reading the schema: {expected}"));
    check(
        json!({"properties": {"a": {"type": "array", "uniqueItems": true}}}),
        "`uniqueItems` at `#/properties/a` cannot be enforced while an answer is made; take it out",
    );
    check(
        json!({"anyOf": [true, {"items": {"not": {}}}]}),
        "`not` at `#/anyOf/1/items` cannot be enforced while an answer is made; take it out",
    );
    check(
        json!({"type": "string", "format": "regex"}),
        "`format: regex` at `#` cannot be enforced while an answer is made; take it out",
    );
    check(
        json!({"type": "object", "minProperties": 2}),
        "`minProperties` at `#` cannot be enforced while an answer is made; take it out",
    );
    check(
        json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
        "`oneOf` cannot be enforced where two of its cases may hold at once; use `anyOf`",
    );
    check(
        json!({"$ref": "#/$defs/b", "$defs": {"a": {}}}),
        "`$ref` at `#` leads nowhere; it can be `#` or lead to a schema such as `#/$defs/a`",
    );
    check(
        json!({"const": 9_007_199_254_740_993_i64}),
        "9007199254740993 at `#/const` has more digits than a double; shorten it",
    );
    check(json!({"enum": ["\u{7f}"]}), "'\\u{7f}' at `#/enum` is a control character, which answers cannot have");
    check(json!(false), "it is `false`, which no answer satisfies");
    check(json!([]), "`#` is [], and should be a schema");
    check(json!({"type": "text"}), "it cannot be enforced: Invalid type: text");
}

#[test]
fn loosely_it_is_left_out_and_listed() {
    let loosely = |schema: Value| {
        let (mut matcher, left_out) = grammars().start_loosely(&Constraint::Schema(schema)).unwrap();
        assert!(!matcher.mask().unwrap().is_empty());
        left_out
    };
    let schema = json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "format": "regex"}});
    assert_eq!(loosely(schema), ["`uniqueItems` at `#`", "`format: regex` at `#/items`"]);
    assert_eq!(loosely(json!({"type": "array", "uniqueItems": false})), [""; 0]);
    assert_eq!(loosely(json!({"oneOf": [{"type": "integer"}, {"type": "number"}]})).len(), 1);
    let lenient = json!({"x-guidance": {"lenient": true}, "type": "string", "format": "regex"});
    assert!(grammars().start(&Constraint::Schema(lenient)).is_err());
}

#[test]
fn no_schema_or_grammar_is_too_much() {
    let mut deep = json!(true);
    (0..100).for_each(|_| deep = json!({"items": deep.clone()}));
    fails(&Constraint::Schema(deep), "reading the schema: it lies within itself deeper than the 64 levels that can be");
    let many = json!({"enum": (0..20_000).collect::<Vec<_>>()});
    fails(&Constraint::Schema(many), "reading the schema: it has more than the 20000 values that can be");
    fails(&Constraint::Regex("a".repeat(300_000)), "a schema or grammar has 300006 bytes, and 262144 can be");
    let deep = format!("start: {}\"a\"{}", "(".repeat(300), ")".repeat(300));
    fails(&Constraint::Lark(deep), "brackets in `grammar` lie deeper than the 256 that can be");
    // References are followed one within the other.
    let next =
        |n: u32| json!({"type": "object", "properties": {"a": {"items": {"$ref": format!("#/$defs/d{}", n + 1)}}}});
    let mut defs: serde_json::Map<String, Value> = (0..1500).map(|n| (format!("d{n}"), next(n))).collect();
    defs.insert("d1500".into(), json!({"type": "null"}));
    let chain = Constraint::Schema(json!({"$ref": "#/$defs/d0", "$defs": defs}));
    assert!(grammars().start(&chain).is_ok());
    for constraint in [
        Constraint::Regex("(".into()),
        Constraint::Lark(String::new()),
        Constraint::Lark("start: missing".into()),
        Constraint::Schema(json!({"type": "string", "pattern": "("})),
        Constraint::Schema(json!({"type": "string", "pattern": "(?=a)b"})),
        Constraint::Schema(json!({"type": "integer", "minimum": 5, "maximum": 4})),
    ] {
        let error = grammars().start(&constraint).err().map(|error| error.kind());
        assert_eq!(error, Some(Kind::BadInput), "{constraint:?}");
    }
    let error = Grammars::new(Vocabulary::default().into()).unwrap_err();
    assert_eq!(error.message(), "the vocabulary has no token at which an answer ends, so that no grammar can end it");
}
