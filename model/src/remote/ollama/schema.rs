//! Fits the schema of a tool to what the server keeps of it. The server reads schemas into fields of its own (`ToolProperty`
//! in its `api/types.go`) and drops the rest without a word, references among it, so that a model would see a field without
//! a type. References are written out here, and what else would be dropped goes into the description.

use serde_json::{Map, Value, json};

/// What the server keeps of a field.
const KEPT: &[&str] = &["type", "enum", "required"];
/// What tells the model nothing.
const SILENT: &[&str] = &["$schema", "$id", "$comment", "$defs", "definitions", "title"];
/// References that are written out in one schema, each within others as often as it stands there; the rest are named.
const WRITTEN_MAX: usize = 200;
/// Deeper fields are left out; no model fills them in.
const DEPTH_MAX: usize = 32;

/// Returns a schema of which the server drops nothing.
pub(super) fn kept(schema: &Value) -> Value {
    let mut writer = Writer { root: schema, open: Vec::new(), written: 0 };
    let mut fitted = match schema.as_object() {
        Some(fields) => writer.fields(fields, 0),
        None => Map::new(),
    };
    // What the server keeps of the whole is less: no words.
    fitted.remove("description");
    fitted.insert("type".to_owned(), "object".into());
    fitted.entry("properties").or_insert_with(|| json!({}));
    Value::Object(fitted)
}

struct Writer<'a> {
    root: &'a Value,
    /// The references that are being written out, outermost first.
    open: Vec<&'a str>,
    written: usize,
}

impl<'a> Writer<'a> {
    fn field(&mut self, schema: &'a Value, depth: usize) -> Value {
        match schema {
            Value::Object(fields) => Value::Object(self.fields(fields, depth)),
            _ => json!({}),
        }
    }

    fn fields(&mut self, fields: &'a Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut fitted = match fields.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.reference(reference, depth),
            None => Map::new(),
        };
        if depth >= DEPTH_MAX {
            return fitted;
        }
        let mut told = Vec::new();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("$ref", _) | ("additionalProperties", Value::Bool(_)) => {}
                ("description", Value::String(_)) => drop(fitted.insert(name.clone(), value.clone())),
                ("properties", Value::Object(named)) => {
                    let named = named.iter().map(|(name, schema)| (name.clone(), self.field(schema, depth + 1)));
                    let named: Map<_, _> = named.collect();
                    fitted.insert(name.clone(), named.into());
                }
                ("items", Value::Object(_)) => drop(fitted.insert(name.clone(), self.field(value, depth + 1))),
                ("anyOf" | "oneOf", Value::Array(kinds)) => {
                    let kinds: Vec<_> = kinds.iter().map(|kind| self.field(kind, depth + 1)).collect();
                    fitted.insert("anyOf".to_owned(), kinds.into());
                }
                ("allOf", Value::Array(all)) => {
                    let parts = all.iter().filter_map(Value::as_object);
                    parts.for_each(|part| join(&mut fitted, self.fields(part, depth + 1)));
                }
                ("const", _) => drop(fitted.insert("enum".to_owned(), json!([value]))),
                _ if KEPT.contains(&name.as_str()) => drop(fitted.insert(name.clone(), value.clone())),
                _ if SILENT.contains(&name.as_str()) => {}
                _ => told.push(format!("{name}: {value}")),
            }
        }
        tell(&mut fitted, &told);
        fitted
    }

    /// Writes out what a reference stands for. One that is part of itself, or one too many, is named.
    fn reference(&mut self, reference: &'a str, depth: usize) -> Map<String, Value> {
        let found = reference.strip_prefix('#').and_then(|path| self.root.pointer(path)).and_then(Value::as_object);
        let Some(found) = found else { return named(reference, None) };
        if self.open.contains(&reference) || self.written == WRITTEN_MAX || depth >= DEPTH_MAX {
            return named(reference, found.get("type"));
        }
        self.written += 1;
        self.open.push(reference);
        let fitted = self.fields(found, depth + 1);
        self.open.pop();
        fitted
    }
}

fn named(reference: &str, kind: Option<&Value>) -> Map<String, Value> {
    let name = reference.rsplit('/').next().filter(|name| !name.is_empty() && *name != "#");
    let mut fitted = Map::new();
    if let Some(kind) = kind {
        fitted.insert("type".to_owned(), kind.clone());
    }
    tell(&mut fitted, &[format!("again a {}", name.unwrap_or("whole"))]);
    fitted
}

/// Puts two schemas together that hold at once.
fn join(fitted: &mut Map<String, Value>, part: Map<String, Value>) {
    for (name, value) in part {
        match (fitted.get_mut(&name), value) {
            (Some(Value::Object(fields)), Value::Object(more)) => fields.extend(more),
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (_, value) => drop(fitted.insert(name, value)),
        }
    }
}

/// Adds to the description what no field says.
fn tell(fitted: &mut Map<String, Value>, told: &[String]) {
    if told.is_empty() {
        return;
    }
    let described = fitted.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
    let description = format!("{}({})", described.unwrap_or_default(), told.join(", "));
    fitted.insert("description".to_owned(), description.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_written_out() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Booking",
            "description": "A booking.",
            "properties": {
                "guest": {"$ref": "#/$defs/Guest", "description": "Who comes."},
                "nights": {"type": "integer", "description": "How long.", "minimum": 1},
                "kind": {"oneOf": [{"const": "single"}, {"allOf": [{"$ref": "#/$defs/Suite"}]}]},
                "room": {"allOf": [{"properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["guest"],
            "additionalProperties": false,
            "$defs": {
                "Guest": {
                    "type": "object",
                    "title": "Guest",
                    "properties": {"with": {"type": "array", "items": {"$ref": "#/$defs/Guest"}}},
                },
                "Suite": {"type": "string", "enum": ["suite"]},
            },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "guest": {
                    "type": "object",
                    "description": "Who comes.",
                    "properties": {
                        "with": {"type": "array", "items": {"type": "object", "description": "(again a Guest)"}},
                    },
                },
                "nights": {"type": "integer", "description": "How long. (minimum: 1)"},
                "kind": {"anyOf": [{"enum": ["single"]}, {"type": "string", "enum": ["suite"]}]},
                "room": {"type": "object", "properties": {"a": {}, "b": {}}},
                "labels": {"type": "object", "description": "(additionalProperties: {\"type\":\"string\"})"},
            },
            "required": ["guest"],
        });
        assert_eq!(kept(&schema), expected);
    }

    #[test]
    fn no_schema_grows_without_end() {
        let double = |of: usize| {
            let inner = json!({"$ref": format!("#/$defs/{of}")});
            json!({"type": "object", "properties": {"a": inner, "b": inner}})
        };
        let defs: Map<_, _> = (0..64).map(|index| (index.to_string(), double((index + 1) % 64))).collect();
        let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": defs});
        assert!(kept(&schema).to_string().len() < 40_000);
        for odd in [json!({"$ref": "#"}), json!({"$ref": "#/nowhere"}), json!({"$ref": "https://a.b/c"}), json!(true)] {
            assert_eq!(kept(&odd)["type"], "object", "{odd}");
        }
        let mut deep = json!({"type": "string"});
        for _ in 0..200 {
            deep = json!({"type": "object", "properties": {"in": deep}});
        }
        assert!(kept(&deep).to_string().len() < 2000);
    }
}
