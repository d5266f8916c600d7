//! Checks of requests: tables of fields with their types, and what a strict schema has to look like. What is wrong is
//! found here; each format says it in its provider's words.

use serde_json::{Map, Value};

pub(crate) type Object = Map<String, Value>;

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A whole number, not below this.
    Whole(i64),
    /// A number between two bounds.
    Number(f64, f64),
    Flag,
    List,
    Map,
    TextOrList,
    TextOrMap,
    OneOf(&'static [&'static str]),
    Any,
}

/// A field of a request. An optional one may be `null`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

pub(crate) const fn need(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

pub(crate) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// What is wrong with a request, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub path: String,
    pub what: Wrong,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wrong {
    Missing,
    Unknown,
    Type { expected: &'static str, found: &'static str },
    Below { least: String, found: String, is_whole: bool },
    Above { most: String, found: String },
    Value { found: String, supported: Vec<&'static str> },
}

/// Compares an object with its table. `at` is the path of the object, empty for the request itself.
pub(crate) fn check(object: &Object, at: &str, fields: &[Field]) -> Result<(), Problem> {
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    for name in object.keys() {
        if !fields.iter().any(|field| field.name == name) {
            return Err(Problem { path: path(name), what: Wrong::Unknown });
        }
    }
    for field in fields {
        match object.get(field.name) {
            Some(value) if !value.is_null() => {
                fits(value, field.kind).map_err(|what| Problem { path: path(field.name), what })?;
            }
            _ if field.required => return Err(Problem { path: path(field.name), what: Wrong::Missing }),
            _ => {}
        }
    }
    Ok(())
}

fn fits(value: &Value, kind: Kind) -> Result<(), Wrong> {
    let (fits, expected) = match kind {
        Kind::Text => (value.is_string(), "a string"),
        Kind::Whole(least) => return whole(value, least),
        Kind::Number(least, most) => return number(value, least, most),
        Kind::Flag => (value.is_boolean(), "a boolean"),
        Kind::List => (value.is_array(), "an array"),
        Kind::Map => (value.is_object(), "an object"),
        Kind::TextOrList => (value.is_string() || value.is_array(), "a string or an array"),
        Kind::TextOrMap => (value.is_string() || value.is_object(), "a string or an object"),
        Kind::OneOf(supported) => return one_of(value, supported),
        Kind::Any => (true, ""),
    };
    if fits { Ok(()) } else { Err(Wrong::Type { expected, found: name_of(value) }) }
}

fn whole(value: &Value, least: i64) -> Result<(), Wrong> {
    match value.as_i64() {
        None => Err(Wrong::Type { expected: "an integer", found: name_of(value) }),
        Some(found) if found < least => {
            Err(Wrong::Below { least: least.to_string(), found: found.to_string(), is_whole: true })
        }
        Some(_) => Ok(()),
    }
}

fn number(value: &Value, least: f64, most: f64) -> Result<(), Wrong> {
    match value.as_f64() {
        None => Err(Wrong::Type { expected: "a decimal", found: name_of(value) }),
        Some(found) if found < least => {
            Err(Wrong::Below { least: least.to_string(), found: value.to_string(), is_whole: false })
        }
        Some(found) if found > most => Err(Wrong::Above { most: most.to_string(), found: value.to_string() }),
        Some(_) => Ok(()),
    }
}

fn one_of(value: &Value, supported: &'static [&'static str]) -> Result<(), Wrong> {
    let Some(found) = value.as_str() else {
        return Err(Wrong::Type { expected: "a string", found: name_of(value) });
    };
    if supported.contains(&found) {
        return Ok(());
    }
    Err(Wrong::Value { found: found.to_owned(), supported: supported.to_vec() })
}

/// Names the type of a value as the errors do.
pub(crate) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What keeps a schema from being strict: in which context, and what about it.
pub(crate) fn not_strict(schema: &Value) -> Option<String> {
    if !is_object(schema) || !schema.is_object() {
        let found = schema["type"].as_str().unwrap_or("None");
        return Some(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'."));
    }
    not_strict_at(schema, &mut Vec::new())
}

fn is_object(schema: &Value) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object" || schema["properties"].is_object(),
    }
}

fn not_strict_at(schema: &Value, context: &mut Vec<String>) -> Option<String> {
    if is_object(schema) {
        let at = place(context);
        if schema["additionalProperties"] != false {
            return Some(format!(
                "In context={at}, 'additionalProperties' is required to be supplied and to be false."
            ));
        }
        let names = schema["properties"].as_object().into_iter().flat_map(Object::keys);
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        if let Some(missing) = names.into_iter().find(|name| !required.iter().any(|one| one == name.as_str())) {
            return Some(format!(
                "In context={at}, 'required' is required to be supplied and to be an array including every key in \
                 properties. Missing '{missing}'."
            ));
        }
    }
    below(schema, context)
}

fn below(schema: &Value, context: &mut Vec<String>) -> Option<String> {
    for keyword in ["properties", "$defs", "definitions"] {
        for (name, inner) in schema[keyword].as_object().into_iter().flatten() {
            context.extend([keyword.to_owned(), name.clone()]);
            let found = not_strict_at(inner, context);
            context.truncate(context.len() - 2);
            if found.is_some() {
                return found;
            }
        }
    }
    context.push("items".to_owned());
    let items = schema.get("items").and_then(|items| not_strict_at(items, context));
    context.pop();
    items.or_else(|| schema["anyOf"].as_array()?.iter().find_map(|inner| not_strict_at(inner, context)))
}

/// Writes a context as the provider does, which is written in Python.
fn place(context: &[String]) -> String {
    let quoted: Vec<_> = context.iter().map(|part| format!("'{part}'")).collect();
    match quoted.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    }
}
