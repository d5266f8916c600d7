//! What the bodies of requests have in common whatever the format, what a name says about a model, and the ids of calls:
//! made up where a provider gives none, and changed where another one would not take them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::message::ToolCall;

/// Puts the caller's own fields over those made here. The fields in `deep` are objects of which both keep their part.
pub(crate) fn merge(body: &mut Map<String, Value>, extra: &Map<String, Value>, deep: &[&str]) {
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            (_, Value::Null) => drop(body.remove(name)),
            (Some(Value::Object(made)), Value::Object(more)) if deep.contains(&name.as_str()) => {
                made.extend(more.clone());
            }
            _ => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Writes a number as a person would: 0.2 and not 0.20000000298023224.
pub(crate) fn number(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// Returns the arguments of a call as an object, for formats that take nothing else. Those that a model spoilt are
/// wrapped, as Anthropic advises for its fine-grained streaming, so that the model can see what it wrote.
pub(crate) fn arguments_object(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments_json) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ if call.arguments_json.trim().is_empty() => json!({}),
        _ => json!({ "INVALID_JSON": call.arguments_json }),
    }
}

/// Returns the schema of the arguments of a tool, which must say that it is one of an object.
pub(crate) fn object_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(schema) if schema.contains_key("type") => Value::Object(schema.clone()),
        Value::Object(schema) => {
            let mut schema = schema.clone();
            schema.insert("type".to_owned(), "object".into());
            Value::Object(schema)
        }
        _ => json!({ "type": "object", "properties": {} }),
    }
}

/// Returns the version in the name of a model: (4, 5) in `claude-haiku-4-5-20251001`, (2, 5) in `gemini-2.5-pro`. Dates
/// are longer than versions.
pub(crate) fn version(model: &str) -> Option<(u32, u32)> {
    let number = |word: &str| if word.len() <= 2 { word.parse::<u32>().ok() } else { None };
    let mut words = model.split(['-', '.', '@', ':', '/']).map(number);
    let major = words.find_map(|word| word)?;
    Some((major, words.next().flatten().unwrap_or(0)))
}

/// Writes a value so that it can stand in the query of an address (RFC 3986 §2.3).
pub(crate) fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Begins every id that was made here. The rest is a hash of 16 digits and the number of the call.
const MADE_UP: &str = "made_";

/// Frames of an answer that take part in its hash. The first one has an id or a time in it, or, at servers that begin with
/// a chunk without names, one of the next.
const HASHED_FRAMES_MAX: u8 = 4;

/// Makes ids for the calls of one answer. They differ between answers, as a conversation holds many, and are the same
/// whenever the same answer is read.
#[derive(Debug)]
pub(crate) struct CallIds {
    hash: u64,
    frames: u8,
}

impl Default for CallIds {
    fn default() -> Self {
        Self { hash: hashed(HASH_START, &[]), frames: 0 }
    }
}

impl CallIds {
    /// Takes note of a frame; the frame of a call comes before its id.
    pub(crate) fn see(&mut self, frame: &str) {
        if self.frames < HASHED_FRAMES_MAX {
            self.frames += 1;
            self.hash = hashed(self.hash, frame.as_bytes());
        }
    }

    /// Makes the id of a call.
    pub(crate) fn make(&self, index: impl std::fmt::Display) -> String {
        format!("{MADE_UP}{:016x}_{index}", self.hash)
    }
}

/// Tells whether an id was made here, because the provider gave none.
pub(crate) fn is_made_up(id: &str) -> bool {
    let parts = id.strip_prefix(MADE_UP).and_then(|rest| rest.split_once('_'));
    parts.is_some_and(|(hash, index)| {
        hash.len() == 16
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !index.is_empty()
            && index.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Which ids of calls a provider takes. An id that fits stays as it is; another one becomes one that fits, always the same,
/// so that a call and its result still belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdRule {
    /// Letters, digits, `_` and `-`: Anthropic.
    Word,
    /// No more than 64 bytes: OpenAI's Responses.
    Short,
    /// Nine letters and digits: Mistral.
    Nine,
}

impl IdRule {
    /// Makes an id fit.
    pub(crate) fn fit(self, id: &str) -> Cow<'_, str> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
        let fits = match self {
            Self::Word => !id.is_empty() && id.bytes().all(|byte| is_letter(byte) || matches!(byte, b'_' | b'-')),
            Self::Short => !id.is_empty() && id.len() <= 64,
            Self::Nine => id.len() == 9 && id.bytes().all(is_letter),
        };
        let hash = || hashed(HASH_START, id.as_bytes());
        match self {
            _ if fits => id.into(),
            Self::Word | Self::Short => format!("call_{:016x}", hash()).into(),
            Self::Nine => nine(hash()).into(),
        }
    }
}

/// Writes as much of a number as nine letters and digits hold.
fn nine(mut number: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut letter = || {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        number /= 62;
        char::from(LETTERS[digit])
    };
    (0..9).map(|_| letter()).collect()
}

const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Goes on with a hash: FNV-1a (Fowler, Noll, Vo), because ids that are stored must not change with the standard library.
/// What is hashed ends in a byte that no text has.
fn hashed(hash: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().chain(&[0xff]).fold(hash, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_versions() {
        let names = [
            ("claude-haiku-4-5-20251001", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("anthropic/claude-haiku-4.5", Some((4, 5))),
            ("claude-fable-5", Some((5, 0))),
            ("gemini-2.5-flash-preview-05-20", Some((2, 5))),
            ("models/gemini-3-pro-preview", Some((3, 0))),
            ("gemini-flash-latest", None),
        ];
        for (name, expected) in names {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn spoilt_arguments_are_shown_to_the_model() {
        let mut call = ToolCall::new("1", "f", &json!({"a": 1}));
        assert_eq!(arguments_object(&call), json!({"a": 1}));
        call.arguments_json = String::new();
        assert_eq!(arguments_object(&call), json!({}));
        call.arguments_json = "{\"a\":".to_owned();
        assert_eq!(arguments_object(&call), json!({"INVALID_JSON": "{\"a\":"}));
    }

    #[test]
    fn fields_of_the_caller_win() {
        let Value::Object(mut body) = json!({"a": {"x": 1, "y": 1}, "b": {"x": 1}}) else { unreachable!() };
        let Value::Object(extra) = json!({"a": {"y": 2}, "b": {"y": 2}, "c": 3}) else { unreachable!() };
        merge(&mut body, &extra, &["a"]);
        assert_eq!(Value::Object(body), json!({"a": {"x": 1, "y": 2}, "b": {"y": 2}, "c": 3}));
    }

    #[test]
    fn numbers_and_values_are_written_plainly() {
        assert_eq!(number(0.2), json!(0.2));
        assert_eq!(escaped("a/b=ü"), "a%2Fb%3D%C3%BC");
        assert_eq!(object_schema(&json!({})), json!({"type": "object"}));
        assert_eq!(object_schema(&Value::Null), json!({"type": "object", "properties": {}}));
    }

    #[test]
    fn made_up_ids_differ_between_answers() {
        let id = |frames: &[&str], index: u32| {
            let mut ids = CallIds::default();
            frames.iter().for_each(|frame| ids.see(frame));
            ids.make(index)
        };
        let ids = [id(&["a"], 0), id(&["a"], 1), id(&["b"], 0), id(&["", "a"], 0), id(&["a", ""], 0), id(&[], 0)];
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
        assert_eq!(id(&["a", "b"], 0), id(&["a", "b"], 0));
        assert_eq!(id(&["a", "b", "c", "d", "e"], 0), id(&["a", "b", "c", "d", "f"], 0), "only the first frames count");
        for id in &ids {
            assert!(is_made_up(id) && IdRule::Word.fit(id) == **id && IdRule::Short.fit(id) == **id, "{id}");
        }
        let others = ["call_0", "made_0", "made_", "", "made_0123456789abcdef_", "made_0123456789abcdef_x", "made_ä_0"];
        others.iter().for_each(|other| assert!(!is_made_up(other), "{other}"));
    }

    #[test]
    fn ids_are_made_to_fit() {
        let long = "x".repeat(65);
        let all = [
            (
                IdRule::Word,
                ["toolu_01-A", "call_1", "made_x"].as_slice(),
                ["", "a:b", "functions.get:0", "ä"].as_slice(),
            ),
            (IdRule::Short, &["a:b", "ä", "toolu_1"], &["", &long]),
            (IdRule::Nine, &["aB3456789"], &["", "call_1", "12345678", "1234567890", "1234_6789", "äbcdefgh"]),
        ];
        for (rule, good, bad) in all {
            good.iter().for_each(|id| assert_eq!(rule.fit(id), **id));
            let fitted: std::collections::HashSet<_> = bad.iter().map(|id| rule.fit(id).into_owned()).collect();
            assert_eq!(fitted.len(), bad.len(), "{fitted:?}");
            for id in &fitted {
                assert_eq!(rule.fit(id), *id, "what was made to fit fits");
            }
        }
    }
}
