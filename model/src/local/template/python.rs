//! What templates know from Python: `json.dumps`, the length of nothing, and methods of text.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands arguments over by value")]

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// How deep values may lie within each other when they are written as JSON.
const DEPTH_MAX: usize = 200;

pub(super) fn install(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", tojson);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("indent", indented);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
}

/// Python goes through text and through what is undefined, but not through `None`.
fn is_iterable(value: &Value) -> bool {
    is_sequence(value) || value.kind() == ValueKind::Iterable
}

fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map)
}

fn length(value: &Value) -> Result<usize, Error> {
    match value.len() {
        Some(len) => Ok(len),
        None if value.is_undefined() => Ok(0),
        None => Err(invalid(format!("a {} has no length", value.kind()))),
    }
}

/// Indents all lines but the first and those that are empty.
fn indented(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let width = match width {
        Some(width) => Some(width),
        None => options.get::<Option<Value>>("width")?,
    };
    let flag = |given: Option<bool>, name: &str| match given {
        Some(flag) => Ok(flag),
        None => options.get::<Option<bool>>(name).map(Option::unwrap_or_default),
    };
    let (first, blank) = (flag(first, "first")?, flag(blank, "blank")?);
    options.assert_all_used()?;
    let indent = width.as_ref().and_then(indent).unwrap_or_else(|| " ".repeat(4));
    let mut made = if first { indent.clone() } else { String::new() };
    for (place, line) in text.split('\n').enumerate() {
        if place > 0 {
            made.push('\n');
            made.push_str(if blank || !line.is_empty() { &indent } else { "" });
        }
        made.push_str(line);
    }
    Ok(made)
}

fn invalid(words: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, words)
}

/// How `json.dumps` was asked to write.
struct Style {
    is_ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    is_sorted: bool,
}

/// Writes a value as `json.dumps(value, ensure_ascii=False)` does, which is what Hugging Face puts under this name.
fn tojson(value: &Value, more: Rest<Value>, options: Kwargs) -> Result<String, Error> {
    let named = |place: usize, name: &str| -> Result<Value, Error> {
        Ok(match more.get(place) {
            Some(value) => value.clone(),
            None => options.get::<Option<Value>>(name)?.unwrap_or_default(),
        })
    };
    let (is_ascii, indent) = (named(0, "ensure_ascii")?.is_true(), indent(&named(1, "indent")?));
    let (separators, is_sorted) = (named(2, "separators")?, named(3, "sort_keys")?.is_true());
    options.assert_all_used()?;
    let separator = |place: usize, default: &str| match separators.get_item_by_index(place) {
        Ok(given) if given.as_str().is_some() => given.to_string(),
        _ => default.to_owned(),
    };
    // Python puts no space where a line ends.
    let item = separator(0, if indent.is_some() { "," } else { ", " });
    let style = Style { is_ascii, indent, item, key: separator(1, ": "), is_sorted };
    let mut json = String::new();
    dump(value, &style, 0, &mut json)?;
    Ok(json)
}

/// An indent, as text or as a number of spaces.
fn indent(value: &Value) -> Option<String> {
    match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None if value.kind() == ValueKind::Number => Some(" ".repeat(value.as_usize()?.min(DEPTH_MAX))),
        None => None,
    }
}

fn dump(value: &Value, style: &Style, depth: usize, json: &mut String) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("values lie more than {DEPTH_MAX} deep within each other")));
    }
    match value.kind() {
        ValueKind::None => json.push_str("null"),
        ValueKind::Bool => json.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => json.push_str(&number(value)),
        ValueKind::String => string(value.as_str().unwrap_or_default(), style.is_ascii, json),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
            list(("[", "]"), items, style, depth, json, |item, json| dump(&item, style, depth + 1, json))?;
        }
        ValueKind::Map => {
            let mut pairs = value
                .try_iter()?
                .checked()
                .map(|key| key.and_then(|key| Ok((value.get_item(&key)?, key_text(&key)))))
                .collect::<Result<Vec<_>, _>>()?;
            if style.is_sorted {
                pairs.sort_by(|a, b| a.1.cmp(&b.1));
            }
            list(("{", "}"), pairs, style, depth, json, |(item, key), json| {
                string(&key, style.is_ascii, json);
                json.push_str(&style.key);
                dump(&item, style, depth + 1, json)
            })?;
        }
        kind => return Err(invalid(format!("a value of type {kind} cannot be written as JSON"))),
    }
    Ok(())
}

fn list<T>(
    (open, close): (&str, &str),
    items: Vec<T>,
    style: &Style,
    depth: usize,
    json: &mut String,
    write: impl Fn(T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |depth: usize, json: &mut String| {
        if let Some(indent) = &style.indent {
            json.push('\n');
            json.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    };
    let is_empty = items.is_empty();
    json.push_str(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            json.push_str(&style.item);
        }
        line(depth + 1, json);
        write(item, json)?;
    }
    if !is_empty {
        line(depth, json);
    }
    json.push_str(close);
    Ok(())
}

fn key_text(key: &Value) -> String {
    match key.kind() {
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => key.is_true().to_string(),
        ValueKind::Number => number(key),
        _ => key.to_string(),
    }
}

/// Writes a number as Python does: `1e+16` and `1e-05`, not `1e16` and `1e-5`.
fn number(value: &Value) -> String {
    let float = match f64::try_from(value.clone()) {
        Ok(float) if !value.is_integer() => float,
        _ => return value.to_string(),
    };
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{float:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

fn string(text: &str, is_ascii: bool, json: &mut String) {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..'\u{20}' => escape(u32::from(letter), json),
            _ if is_ascii && !letter.is_ascii() => {
                letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escape((*unit).into(), json));
            }
            // Python leaves DEL as it is unless all must be ASCII, and there too.
            _ => json.push(letter),
        }
    }
    json.push('"');
}

fn escape(unit: u32, json: &mut String) {
    let _ = write!(json, "\\u{unit:04x}"); // writing into a string does not fail
}

/// Methods of Python's types: those that minijinja knows, and of text some more.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(answer) = text_method(text, name, args)?
    {
        return Ok(answer);
    }
    if value.kind() == ValueKind::Map && name == "copy" {
        return Ok(value.clone());
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

fn text_method(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match name {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            text.strip_prefix(prefix).unwrap_or(text).into()
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            text.strip_suffix(suffix).unwrap_or(text).into()
        }
        "casefold" => text.to_lowercase().into(),
        "partition" => {
            let (mark,): (&str,) = from_args(args)?;
            let (before, after) = text.split_once(mark).unwrap_or((text, ""));
            let mark = if before.len() == text.len() { "" } else { mark };
            [before, mark, after].into_iter().collect()
        }
        "rpartition" => {
            let (mark,): (&str,) = from_args(args)?;
            let (before, after) = text.rsplit_once(mark).unwrap_or(("", text));
            let mark = if after.len() == text.len() { "" } else { mark };
            [before, mark, after].into_iter().collect()
        }
        "rsplit" => {
            let (mark, most): (Option<&str>, Option<i64>) = from_args(args)?;
            rsplit(text, mark, most).into()
        }
        "zfill" | "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            padded(text, name, width, fill)?.into()
        }
        "index" | "rindex" => {
            let (what,): (&str,) = from_args(args)?;
            let place = if name == "index" { text.find(what) } else { text.rfind(what) };
            let place = place.ok_or_else(|| invalid(format!("`{what}` is not in the text")))?;
            text[..place].chars().count().into()
        }
        "isdecimal" => (!text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit())).into(),
        "swapcase" => {
            let swap = |letter: char| match letter.is_uppercase() {
                true => letter.to_lowercase().collect::<String>(),
                false => letter.to_uppercase().collect(),
            };
            text.chars().map(swap).collect::<String>().into()
        }
        _ => return Ok(None),
    }))
}

fn rsplit(text: &str, mark: Option<&str>, most: Option<i64>) -> Vec<Value> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    let mut parts: Vec<Value> = match mark {
        Some(mark) => text.rsplitn(most.saturating_add(1), mark).map(Value::from).collect(),
        None => {
            let mut rest = text.trim_end();
            let mut parts = Vec::new();
            while parts.len() < most {
                let Some(place) = rest.rfind(char::is_whitespace) else { break };
                let letter = rest[place..].chars().next().map_or(1, char::len_utf8);
                parts.push(Value::from(&rest[place + letter..]));
                rest = rest[..place].trim_end();
            }
            let rest = if parts.len() < most { rest.trim_start() } else { rest };
            parts.extend((!rest.is_empty()).then(|| Value::from(rest)));
            parts
        }
    };
    parts.reverse();
    parts
}

/// The widest that text may be made.
const WIDTH_MAX: usize = 10_000;

fn padded(text: &str, name: &str, width: usize, fill: Option<&str>) -> Result<String, Error> {
    if width > WIDTH_MAX {
        return Err(invalid(format!("text cannot be made {width} wide; {WIDTH_MAX} is the most")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let fill = |n: usize| fill.unwrap_or(" ").repeat(n);
    Ok(match name {
        "zfill" => {
            let sign = if text.starts_with(['+', '-']) { 1 } else { 0 };
            format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
        }
        "ljust" => format!("{text}{}", fill(missing)),
        "rjust" => format!("{}{text}", fill(missing)),
        // Where it cannot be even, Python puts the rest to the left if the width is odd.
        _ => {
            let left = missing / 2 + (missing & width & 1);
            format!("{}{text}{}", fill(left), fill(missing - left))
        }
    })
}
