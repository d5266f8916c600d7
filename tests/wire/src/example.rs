//! A value that fits a JSON Schema, for the arguments of calls and for structured answers. It knows the keywords that
//! the providers accept, and no more.

use serde_json::{Map, Value, json};

/// A schema that refers to itself ends here.
const DEPTH_MAX: usize = 16;

/// Builds the smallest interesting value that fits a schema.
pub(crate) fn example(schema: &Value) -> Value {
    fit(schema, schema, "value", 0)
}

fn fit(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return fit(target, root, name, depth + 1);
    }
    for keyword in ["const", "default"] {
        if !schema[keyword].is_null() {
            return schema[keyword].clone();
        }
    }
    for keyword in ["enum", "examples"] {
        if let Some(first) = schema[keyword].get(0) {
            return first.clone();
        }
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(options) = schema[keyword].as_array() {
            let chosen = options.iter().find(|option| option["type"] != "null").unwrap_or(&Value::Null);
            return fit(chosen, root, name, depth + 1);
        }
    }
    typed(schema, root, name, depth)
}

fn typed(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    // Gemini writes types in capitals.
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        other => other.as_str(),
    };
    match kind.unwrap_or("object").to_ascii_lowercase().as_str() {
        "string" => text(schema, name),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(7)),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(1.5)),
        "boolean" => json!(true),
        "array" => {
            let length = schema["minItems"].as_u64().unwrap_or(1).min(8);
            (0..length).map(|_| fit(&schema["items"], root, name, depth + 1)).collect()
        }
        "null" => Value::Null,
        _ => object(schema, root, depth),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(properties) = schema["properties"].as_object() else { return json!({}) };
    let fields = properties.iter().map(|(name, property)| (name.clone(), fit(property, root, name, depth + 1)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn text(schema: &Value, name: &str) -> Value {
    match schema["format"].as_str() {
        Some("date") => json!("2026-01-02"),
        Some("date-time") => json!("2026-01-02T03:04:05Z"),
        Some("time") => json!("03:04:05Z"),
        Some("email") => json!("anna@example.org"),
        Some("uri") => json!("https://example.org/"),
        Some("uuid") => json!("00000000-0000-4000-8000-000000000000"),
        _ => json!(format!("ein {name} für dich")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::example;

    #[test]
    fn examples_follow_references_choices_and_types() {
        let schema = json!({
            "type": "object",
            "$defs": {"Colour": {"enum": ["red", "blue"]}, "Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}},
            "properties": {
                "city": {"type": "string"},
                "colour": {"$ref": "#/$defs/Colour"},
                "count": {"type": ["integer", "null"], "minimum": 3},
                "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                "parts": {"type": "array", "items": {"type": "STRING", "format": "date"}, "minItems": 2},
            }
        });
        let expected = json!({
            "city": "ein city für dich", "colour": "red", "count": 3, "maybe": true,
            "parts": ["2026-01-02", "2026-01-02"],
        });
        assert_eq!(example(&schema), expected);
        assert!(example(&json!({"$ref": "#/$defs/Node", "$defs": schema["$defs"]})).is_object());
    }
}
