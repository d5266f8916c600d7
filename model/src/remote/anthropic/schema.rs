//! Fits a JSON schema to what the provider compiles into a grammar: it wants objects closed and refuses bounds. What it
//! refuses goes into the description, where the model reads it.

use serde_json::{Map, Value};

/// Keywords that the provider refuses in schemas that it holds answers to, from its documentation of structured outputs.
const REFUSED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Formats of strings that it knows; `uint32` and the like, which schemars writes, are not among them.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Deeper schemas are passed on as they are; the provider refuses them long before.
const DEPTH_MAX: u32 = 64;

/// Returns a schema that the provider takes.
pub(super) fn strict(schema: &Value) -> Value {
    fit(schema, DEPTH_MAX)
}

fn fit(schema: &Value, depth: u32) -> Value {
    match schema {
        Value::Object(fields) if depth > 0 => Value::Object(fit_object(fields, depth - 1)),
        Value::Array(items) if depth > 0 => items.iter().map(|item| fit(item, depth - 1)).collect(),
        _ => schema.clone(),
    }
}

fn fit_object(fields: &Map<String, Value>, depth: u32) -> Map<String, Value> {
    let (mut fitted, mut told) = (Map::new(), Vec::new());
    for (name, value) in fields {
        if is_refused(name, value) {
            told.push(format!("{name}: {value}"));
            continue;
        }
        let value = match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                named.iter().map(|(name, schema)| (name.clone(), fit(schema, depth))).collect()
            }
            ("enum" | "const" | "default" | "examples" | "required", _) => value.clone(),
            _ => fit(value, depth),
        };
        fitted.insert(name.clone(), value);
    }
    let is_object = fitted.contains_key("properties") || fitted.get("type").is_some_and(|kind| kind == "object");
    if is_object && fitted.get("additionalProperties").is_none_or(|allowed| allowed == &Value::Bool(true)) {
        fitted.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if !told.is_empty() {
        let described = fitted.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
        let description = format!("{}({})", described.unwrap_or_default(), told.join(", "));
        fitted.insert("description".to_owned(), description.into());
    }
    fitted
}

fn is_refused(name: &str, value: &Value) -> bool {
    match name {
        "minItems" => value.as_u64().is_some_and(|least| least > 1),
        "format" => value.as_str().is_some_and(|format| !FORMATS.contains(&format)),
        // A bound is a number or a flag; what is an object is a property of that name.
        _ => REFUSED.contains(&name) && (value.is_number() || value.is_boolean()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_closed_and_bounds_are_told() {
        let schema = json!({
            "type": "object",
            "properties": {
                "age": {"type": "integer", "format": "uint32", "minimum": 0, "description": "In years."},
                "minimum": {"type": "object", "properties": {"at": {"type": "string", "format": "date"}}},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 1},
                "any": {"enum": [{"minimum": 1}]},
            },
            "required": ["age"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "age": {"type": "integer", "description": "In years. (format: \"uint32\", minimum: 0)"},
                "minimum": {
                    "type": "object",
                    "properties": {"at": {"type": "string", "format": "date"}},
                    "additionalProperties": false,
                },
                "tags": {"type": "array", "items": {"type": "string", "description": "(maxLength: 9)"}, "minItems": 1},
                "any": {"enum": [{"minimum": 1}]},
            },
            "required": ["age"],
            "additionalProperties": false,
        });
        let told = |value: &Value| value["properties"]["age"]["description"].as_str().map(str::len);
        let fitted = strict(&schema);
        // The order of the fields of a JSON object is not fixed, so only the length of what is told of two is.
        assert_eq!(told(&fitted), told(&expected));
        let mut fitted = fitted;
        fitted["properties"]["age"] = expected["properties"]["age"].clone();
        assert_eq!(fitted, expected);
    }
}
