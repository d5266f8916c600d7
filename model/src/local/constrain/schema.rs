//! Makes a JSON schema ready for llguidance, and finds what of it could not be enforced. llguidance refuses most of that
//! itself; here it gets a name and a place, and what would pass although it is not enforced is found as well.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::bad;
use crate::Result;

/// How deep a schema may lie within itself; what people write is seldom deeper than 20.
const DEPTH_MAX: usize = 64;
/// How many values a schema may have, its keywords counted; llguidance itself stops at 50,000 steps.
const VALUES_MAX: usize = 20_000;

/// Keywords that look at more than one place of an answer at once, or at what is not there.
const REFUSED: [&str; 16] = [
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];
/// Keywords that say nothing once those above are gone, and one that would change how llguidance reads the schema.
const DROPPED: [&str; 3] = ["$dynamicAnchor", "$recursiveAnchor", "x-guidance"];
/// Formats of text that llguidance 1.9 knows.
const FORMATS: [&str; 9] = ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"];
/// It knows this one as well.
const URI: &str = "uri";

/// 29 February is in leap years alone, and seconds end at 59: llguidance lets both pass, readers of dates do not.
const DATE: &str = "^(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29|\
                    [0-9]{4}-(?:02-(?:[01][0-9]|2[0-8])|(?:0[13-9]|1[0-2])-[0-9]{2}))";
const TIME: &str = "^[0-9]{2}:[0-9]{2}:[0-5]";
const DATE_TIME: &str = "^(?:(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29|\
                         [0-9]{4}-(?:02-(?:[01][0-9]|2[0-8])|(?:0[13-9]|1[0-2])-[0-9]{2}))[tT][0-9]{2}:[0-9]{2}:[0-5]";

/// Nor does it count the letters of names: RFC 5321 (4.5.3.1) and RFC 1035 (2.3.4).
const EMAIL: &str = "^[^@]{1,64}@(?:\\[|[^.]{1,63}(?:\\.[^.]{1,63})*$)";
const EMAIL_LENGTH_MAX: u64 = 254;
const HOSTNAME_LENGTH_MAX: u64 = 253;

/// The greatest number of 64 bits that a double holds as it is; llguidance reckons bounds in doubles.
const WHOLE_MAX: i64 = 9_223_372_036_854_774_784;

/// A schema that llguidance enforces, and what of the original it leaves out.
pub(super) struct Prepared {
    pub(super) schema: Value,
    pub(super) left_out: Vec<String>,
}

/// Makes a schema ready. What cannot be enforced is an error, or is left out and listed.
pub(super) fn prepared(schema: &Value, loosely: bool) -> Result<Prepared> {
    if *schema == Value::Bool(false) {
        return Err(bad("it is `false`, which no answer satisfies"));
    }
    measure(schema, 0, &mut 0)?;
    let (closes, left_out) = (!combines(schema), Vec::new());
    let mut walk = Walk { loosely, closes, left_out, places: HashSet::new(), references: Vec::new() };
    let schema = match walk.schema(schema, "#")? {
        Value::Bool(_) => json!({}),
        schema => schema,
    };
    if let Some((place, _)) = walk.references.iter().find(|(_, target)| !walk.places.contains(target)) {
        let message =
            format!("`$ref` at `{place}` leads nowhere; it can be `#` or lead to a schema such as `#/$defs/a`");
        return Err(bad(message));
    }
    Ok(Prepared { schema, left_out: walk.left_out })
}

fn measure(value: &Value, depth: usize, values: &mut usize) -> Result<()> {
    *values += 1;
    if depth > DEPTH_MAX {
        return Err(bad(format!("it lies within itself deeper than the {DEPTH_MAX} levels that can be")));
    }
    if *values > VALUES_MAX {
        return Err(bad(format!("it has more than the {VALUES_MAX} values that can be")));
    }
    match value {
        Value::Array(list) => list.iter().try_for_each(|value| measure(value, depth + 1, values)),
        Value::Object(map) => map.values().try_for_each(|value| measure(value, depth + 1, values)),
        _ => Ok(()),
    }
}

/// Tells whether properties of one object may be listed in several places, so that none of these may close it.
fn combines(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(combines),
        Value::Object(map) => {
            let has = |name: &str| map.contains_key(name);
            let here = ["properties", "required", "additionalProperties", "minProperties"].iter().any(|name| has(name));
            has("allOf") || here && (has("$ref") || has("anyOf") || has("oneOf")) || map.values().any(combines)
        }
        _ => false,
    }
}

struct Walk {
    loosely: bool,
    /// Whether objects that list their properties have no others.
    closes: bool,
    left_out: Vec<String>,
    /// Where schemas are.
    places: HashSet<String>,
    /// Where references are, and where they lead.
    references: Vec<(String, String)>,
}

impl Walk {
    fn schema(&mut self, schema: &Value, place: &str) -> Result<Value> {
        self.places.insert(place.to_owned());
        let map = match schema {
            Value::Object(map) => map,
            Value::Bool(_) => return Ok(schema.clone()),
            other => return Err(bad(format!("`{place}` is {other}, and should be a schema"))),
        };
        let mut new = Map::new();
        for (key, value) in map {
            if let Some(value) = self.keyword(key, value, place)? {
                new.insert(key.clone(), value);
            }
        }
        whole_numbers(&mut new);
        self.format(&mut new, place)?;
        self.properties(&mut new, place)?;
        Ok(Value::Object(new))
    }

    /// Makes a keyword ready; nothing if it is left out.
    fn keyword(&mut self, key: &str, value: &Value, place: &str) -> Result<Option<Value>> {
        let below = format!("{place}/{key}");
        match (key, value) {
            ("uniqueItems", Value::Bool(false)) => return Ok(None),
            ("$id", _) if place == "#" => {}
            ("$id", _) => return self.refuse(key, place).map(|()| None),
            _ if DROPPED.contains(&key) => return Ok(None),
            ("pattern", Value::String(pattern)) => return Ok(Some(as_in_javascript(pattern).into())),
            _ if REFUSED.contains(&key) => return self.refuse(key, place).map(|()| None),
            ("$ref", Value::String(target)) => self.references.push((place.to_owned(), target.clone())),
            ("const" | "enum", _) => literal(value, &below)?,
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", _) => literal(value, &below)?,
            ("anyOf" | "allOf" | "oneOf" | "prefixItems" | "items", Value::Array(list)) => {
                let list = list.iter().enumerate().map(|(index, item)| self.schema(item, &format!("{below}/{index}")));
                return list.collect::<Result<Vec<_>>>().map(|list| Some(Value::Array(list)));
            }
            ("items" | "additionalItems" | "additionalProperties", _) => return self.schema(value, &below).map(Some),
            ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(map)) => {
                let map = map.iter().map(|(name, value)| {
                    name_of(name, &below)?;
                    let schema = self.schema(value, &format!("{below}/{name}"))?;
                    let is_pattern = key == "patternProperties";
                    Ok((if is_pattern { as_in_javascript(name) } else { name.clone() }, schema))
                });
                return map.collect::<Result<Map<_, _>>>().map(|map| Some(Value::Object(map)));
            }
            _ => {}
        }
        Ok(Some(value.clone()))
    }

    fn refuse(&mut self, what: &str, place: &str) -> Result<()> {
        if self.loosely {
            self.left_out.push(format!("`{what}` at `{place}`"));
            return Ok(());
        }
        let message = format!("`{what}` at `{place}` cannot be enforced while an answer is made; take it out");
        Err(bad(message))
    }

    fn format(&mut self, schema: &mut Map<String, Value>, place: &str) -> Result<()> {
        let Some(Value::String(format)) = schema.get("format").cloned() else { return Ok(()) };
        if !may_be(schema, "string") {
            schema.remove("format");
            return Ok(());
        }
        let (pattern, length_max) = match format.as_str() {
            "date" => (Some(DATE), None),
            "time" => (Some(TIME), None),
            "date-time" => (Some(DATE_TIME), None),
            "email" => (Some(EMAIL), Some(EMAIL_LENGTH_MAX)),
            "hostname" => (None, Some(HOSTNAME_LENGTH_MAX)),
            _ => (None, None),
        };
        if let Some(most) = length_max {
            let said = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(most);
            schema.insert("maxLength".into(), said.min(most).into());
        }
        match pattern {
            Some(pattern) if schema.contains_key("pattern") => {
                let mut all = schema.get("allOf").and_then(Value::as_array).cloned().unwrap_or_default();
                all.push(json!({"pattern": pattern}));
                schema.insert("allOf".into(), all.into());
            }
            Some(pattern) => drop(schema.insert("pattern".into(), pattern.into())),
            None if FORMATS.contains(&format.as_str()) || format == URI => {}
            None => {
                schema.remove("format");
                self.refuse(&format!("format: {format}"), place)?;
            }
        }
        Ok(())
    }

    fn properties(&mut self, schema: &mut Map<String, Value>, place: &str) -> Result<()> {
        let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        required.iter().try_for_each(|name| name_of(name, &format!("{place}/required")))?;
        let Some(Value::Object(listed)) = schema.get("properties") else {
            return self.least_properties(schema, place);
        };
        let is_open = ["additionalProperties", "patternProperties"].iter().any(|name| schema.contains_key(*name));
        let closes = self.closes && !is_open && !listed.is_empty();
        let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
        let enough = listed.len() as u64 >= least && required.iter().all(|name| listed.contains_key(*name));
        if closes && enough {
            schema.insert("additionalProperties".into(), false.into());
        }
        self.least_properties(schema, place)
    }

    /// A name that is free may come twice, which makes one property of two, so that only the first is certain.
    fn least_properties(&mut self, schema: &mut Map<String, Value>, place: &str) -> Result<()> {
        let Some(least) = schema.get("minProperties").and_then(Value::as_u64) else { return Ok(()) };
        let required = schema.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        let is_open = schema.get("additionalProperties") != Some(&Value::Bool(false));
        if least > required + 1 && (is_open || schema.contains_key("patternProperties")) {
            schema.remove("minProperties");
            self.refuse("minProperties", place)?;
        }
        Ok(())
    }
}

/// Patterns of schemas are those of JavaScript, where spaces are others than in Rust, and `.` is no end of a line: the
/// classes `WhiteSpace` and `LineTerminator` of ECMA-262. llguidance sees to `\d` and `\w`.
fn as_in_javascript(pattern: &str) -> String {
    const SPACES: &str = r"\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}";
    let (mut new, mut in_class) = (String::new(), false);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('s') => new.extend(["[", SPACES, "]"]),
                Some('S') => new.extend(["[^", SPACES, "]"]),
                Some(escaped) => new.extend(['\\', escaped]),
                None => new.push('\\'),
            },
            '.' if !in_class => new.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            _ => {
                in_class = letter != ']' && (in_class || letter == '[');
                new.push(letter);
            }
        }
    }
    new
}

fn may_be(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|other| other == kind),
        _ => true,
    }
}

/// Bounds whole numbers by their format, as `schemars` and OpenAPI write it, else by 64 bits, so that they can be read.
fn whole_numbers(schema: &mut Map<String, Value>) {
    let whole = schema.contains_key("type") && may_be(schema, "integer") && !may_be(schema, "number");
    if !whole || schema.contains_key("const") || schema.contains_key("enum") {
        return;
    }
    let (low, high) = match schema.get("format").and_then(Value::as_str) {
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint" | "uint64" | "uint128") => (0, WHOLE_MAX),
        _ => (-WHOLE_MAX, WHOLE_MAX),
    };
    if !schema.contains_key("minimum") && !schema.contains_key("exclusiveMinimum") {
        schema.insert("minimum".into(), low.into());
    }
    if !schema.contains_key("maximum") && !schema.contains_key("exclusiveMaximum") {
        schema.insert("maximum".into(), high.into());
    }
}

/// Checks that a value comes out as it is: llguidance holds numbers as doubles, and `\u` is not written.
fn literal(value: &Value, place: &str) -> Result<()> {
    match value {
        Value::String(text) => name_of(text, place),
        Value::Number(number) => {
            let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            #[expect(clippy::cast_possible_truncation, reason = "a double made of 64 bits fits 128")]
            let kept = whole.is_none_or(|whole| whole as f64 as i128 == whole);
            if kept {
                Ok(())
            } else {
                Err(bad(format!("{number} at `{place}` has more digits than a double; shorten it")))
            }
        }
        Value::Array(list) => list.iter().try_for_each(|value| literal(value, place)),
        Value::Object(map) => map.iter().try_for_each(|(name, value)| {
            name_of(name, place)?;
            literal(value, place)
        }),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn name_of(text: &str, place: &str) -> Result<()> {
    let control = |c: char| c.is_ascii_control() && !"\n\r\t\u{8}\u{c}".contains(c);
    match text.chars().find(|c| control(*c)) {
        Some(found) => Err(bad(format!("{found:?} at `{place}` is a control character, which answers cannot have"))),
        None => Ok(()),
    }
}

/// Says what llguidance refused in the words of the schema.
pub(super) fn explained(message: &str) -> String {
    let refusals = [
        ("oneOf constraints", "`oneOf` cannot be enforced where two of its cases may hold at once; use `anyOf`"),
        ("min/maxProperties only", "`minProperties` and `maxProperties` cannot be enforced beside optional properties"),
        ("patternProperty regexes", "`patternProperties` cannot be enforced where one name may match two patterns"),
        ("circular references", "`$ref` to what it stands in cannot be enforced with other keywords beside it"),
        ("Unable to determine if regex is empty", "`pattern` is too complex to follow; make it simpler"),
    ];
    if let Some((_, refusal)) = refusals.iter().find(|(begin, _)| message.contains(begin)) {
        return (*refusal).to_owned();
    }
    match message.strip_prefix("Unsatisfiable schema: ") {
        Some(why) => format!("no answer satisfies it: {why}"),
        None => format!("it cannot be enforced: {message}"),
    }
}
