//! What the bodies of requests have in common whatever the format, and what a name says about a model.

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
}
