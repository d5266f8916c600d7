//! Makes a schema fit OpenAI's strict mode, which holds an answer to it: objects are closed and name all their fields as
//! required, and some keywords are not known. What fits the strict schema fits the original too.

use serde_json::{Map, Value, json};

/// Keywords that strict mode refuses or that mean nothing to it.
const DROPPED: &[&str] = &[
    "$schema",
    "$id",
    "default",
    "examples",
    "minLength",
    "maxLength",
    "uniqueItems",
    "title",
    "readOnly",
    "writeOnly",
];

/// Formats of text that strict mode knows.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Keywords that strict mode has no words for and that change what a schema means.
const REFUSED: &[&str] =
    &["patternProperties", "propertyNames", "if", "then", "else", "not", "dependentSchemas", "prefixItems", "contains"];

/// How deep schemas may nest; strict mode takes ten levels.
const DEPTH_MAX: u8 = 64;

/// Returns the strict form of a schema, or nothing if there is none, such as for a map with any keys.
pub(super) fn strict(schema: &Value) -> Option<Value> {
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    if !is_object || schema.get("anyOf").is_some() || schema.get("oneOf").is_some() {
        return None;
    }
    node(schema, 0)
}

fn node(schema: &Value, depth: u8) -> Option<Value> {
    let Value::Object(schema) = schema else {
        // `true` lets anything pass, which strict mode cannot say.
        return None;
    };
    if depth == DEPTH_MAX || REFUSED.iter().any(|keyword| schema.contains_key(*keyword)) {
        return None;
    }
    if let Some(reference) = schema.get("$ref") {
        // A reference stands alone.
        return Some(json!({ "$ref": reference }));
    }
    let mut strict = Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "properties" | "$defs" | "definitions" => each(value, depth)?,
            "items" => node(value, depth + 1)?,
            "anyOf" | "oneOf" => variants(value, depth)?,
            "allOf" => {
                strict.extend(only(value, depth)?);
                continue;
            }
            "additionalProperties" if *value != json!(false) => return None,
            "format" if !FORMATS.iter().any(|known| value == known) => continue,
            dropped if DROPPED.contains(&dropped) => continue,
            _ => value.clone(),
        };
        // Variants that exclude each other are known as variants only.
        let keyword = if keyword == "oneOf" { "anyOf" } else { keyword };
        strict.insert(keyword.to_owned(), value);
    }
    if let Some(reference) = strict.get("$ref") {
        return Some(json!({ "$ref": reference }));
    }
    let says_what = ["type", "anyOf", "enum", "const"].iter().any(|keyword| strict.contains_key(*keyword));
    match is_object(schema) {
        true => closed(strict),
        false => says_what.then_some(Value::Object(strict)),
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.contains(&json!("object")),
        Some(kind) => kind == "object",
        None => schema.contains_key("properties"),
    }
}

/// Closes an object: no other fields, and none may be missing.
fn closed(mut object: Map<String, Value>) -> Option<Value> {
    // An object without named fields lets any field pass, unless it says that it does not.
    let names: Vec<_> = match object.get("properties") {
        Some(Value::Object(fields)) => fields.keys().cloned().collect(),
        _ if object.contains_key("additionalProperties") => Vec::new(),
        _ => return None,
    };
    object.entry("properties").or_insert_with(|| json!({}));
    object.insert("required".into(), names.into());
    object.insert("additionalProperties".into(), false.into());
    Some(Value::Object(object))
}

fn each(fields: &Value, depth: u8) -> Option<Value> {
    let fields = fields.as_object()?.iter().map(|(name, field)| Some((name.clone(), node(field, depth + 1)?)));
    fields.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn variants(variants: &Value, depth: u8) -> Option<Value> {
    variants.as_array()?.iter().map(|variant| node(variant, depth + 1)).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// One schema that stands in a list alone.
fn only(schemas: &Value, depth: u8) -> Option<Map<String, Value>> {
    match (schemas.as_array()?.as_slice(), depth) {
        ([schema], _) => match node(schema, depth + 1)? {
            Value::Object(schema) => Some(schema),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn objects_are_closed_and_foreign_keywords_dropped() {
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Peak {
            /// In metres.
            height: u32,
            kind: Kind,
            name: Option<String>,
            near: Vec<Self>,
        }
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        enum Kind {
            Rock,
            Ice { metres: f32 },
        }
        let schema = strict(&schemars::schema_for!(Peak).to_value()).unwrap();
        expect![[r##"{"$defs":{"Kind":{"anyOf":[{"enum":["Rock"],"type":"string"},{"additionalProperties":false,"properties":{"Ice":{"additionalProperties":false,"properties":{"metres":{"type":"number"}},"required":["metres"],"type":"object"}},"required":["Ice"],"type":"object"}]}},"additionalProperties":false,"properties":{"height":{"description":"In metres.","minimum":0,"type":"integer"},"kind":{"$ref":"#/$defs/Kind"},"name":{"type":["string","null"]},"near":{"items":{"$ref":"#"},"type":"array"}},"required":["height","kind","name","near"],"type":"object"}"##]]
        .assert_eq(&super::super::testing::ordered(&schema).to_string());
    }

    #[test]
    fn what_cannot_be_said_strictly_is_left_alone() {
        let field = |field: Value| json!({"type": "object", "properties": {"a": field}});
        for schema in [
            json!({"type": "string"}),
            json!({"type": "object"}),
            json!({"type": "object", "anyOf": []}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            field(json!(true)),
            field(json!({"description": "anything"})),
            field(json!({"type": "object", "additionalProperties": true})),
            field(json!({"not": {}})),
            field(json!({"allOf": [{}, {}]})),
        ] {
            assert_eq!(strict(&schema), None, "{schema}");
        }
        let wrapped = field(json!({"description": "d", "allOf": [{"$ref": "#/$defs/A"}]}));
        assert_eq!(strict(&wrapped).unwrap()["properties"], json!({"a": {"$ref": "#/$defs/A"}}));
        let none = json!({"type": "object", "additionalProperties": false});
        let expected = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
        assert_eq!(strict(&none), Some(expected.clone()));
        assert_eq!(strict(&json!({"type": "object", "properties": {}})), Some(expected));
    }
}
