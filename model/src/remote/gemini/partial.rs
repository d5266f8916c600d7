//! Arguments that come in pieces: each says where it belongs by a path such as `$.items[0].name`. Vertex AI sends them so
//! when asked to (`streamFunctionCallArguments`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Kind, Result};

/// Steps of a path. Arguments are nested a few levels deep, and what is nested without end cannot be written or dropped.
const STEPS_MAX: usize = 32;

/// Elements of all lists of a call; a path could otherwise ask for any amount of memory with a few bytes.
const ELEMENTS_MAX: usize = 65_536;

/// The arguments so far.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    fields: Map<String, Value>,
    /// The elements of all lists.
    elements: usize,
}

impl Arguments {
    /// Puts pieces where they belong.
    pub(super) fn put(&mut self, pieces: Option<Vec<Piece>>) -> Result<()> {
        pieces.into_iter().flatten().try_for_each(|piece| piece.put(self))
    }

    pub(super) fn into_json(self) -> String {
        Value::Object(self.fields).to_string()
    }
}

/// A piece of the arguments.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece {
    #[serde(default)]
    json_path: String,
    string_value: Option<String>,
    number_value: Option<serde_json::Number>,
    bool_value: Option<bool>,
}

impl Piece {
    /// Puts the piece where it belongs. Strings grow; what has no place is passed over.
    fn put(self, arguments: &mut Arguments) -> Result<()> {
        let Some(path) = self.json_path.strip_prefix("$.") else { return Ok(()) };
        let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
        if steps.clone().nth(STEPS_MAX).is_some() {
            return Err(too_much(&format!("a path of more than {STEPS_MAX} steps")));
        }
        let Some(mut place) = steps.next().map(|name| arguments.fields.entry(name).or_insert(Value::Null)) else {
            return Ok(());
        };
        for step in steps {
            let Some(next) = self::step(place, step, &mut arguments.elements)? else { return Ok(()) };
            place = next;
        }
        match (place, self.string_value, self.number_value, self.bool_value) {
            (Value::String(text), Some(more), ..) => text.push_str(&more),
            (place, Some(text), ..) => *place = text.into(),
            (place, _, Some(number), _) => *place = number.into(),
            (place, _, _, Some(is)) => *place = is.into(),
            (_, None, None, None) => {}
        }
        Ok(())
    }
}

fn step<'a>(place: &'a mut Value, step: &str, elements: &mut usize) -> Result<Option<&'a mut Value>> {
    let is_index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    match place {
        Value::Null if is_index => *place = Value::Array(Vec::new()),
        Value::Null => *place = Value::Object(Map::new()),
        _ => {}
    }
    match place {
        Value::Array(list) if is_index => {
            // A number that is too large for the type is too large for the list.
            let index = step.parse::<usize>().unwrap_or(usize::MAX);
            let more = index.saturating_add(1).saturating_sub(list.len());
            *elements = elements.saturating_add(more);
            if *elements > ELEMENTS_MAX {
                return Err(too_much(&format!("lists of more than {ELEMENTS_MAX} elements")));
            }
            list.resize(list.len() + more, Value::Null);
            Ok(list.get_mut(index))
        }
        Value::Object(fields) => Ok(Some(fields.entry(step.trim_matches(['\'', '"'])).or_insert(Value::Null))),
        _ => Ok(None),
    }
}

fn too_much(what: &str) -> Error {
    Error::new(Kind::BadOutput, format!("the arguments of a call have {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(paths: impl IntoIterator<Item = String>) -> Result<String> {
        let piece = |json_path| Piece { json_path, string_value: None, number_value: None, bool_value: Some(true) };
        let mut arguments = Arguments::default();
        arguments.put(Some(paths.into_iter().map(piece).collect()))?;
        Ok(arguments.into_json())
    }

    #[test]
    fn paths_lead_to_their_places() {
        let paths = ["$.a[1].b", "$.a[0]['c d']", "$.a.x", "no", "$.e.f"].map(str::to_owned);
        assert_eq!(put(paths).unwrap(), r#"{"a":[{"c d":true},{"b":true}],"e":{"f":true}}"#);
    }

    #[test]
    fn paths_and_lists_have_bounds() {
        assert!(put([format!("$.a{}", ".a".repeat(STEPS_MAX - 1))]).is_ok());
        let bad = |paths: Vec<String>| assert_eq!(put(paths).unwrap_err().kind(), Kind::BadOutput);
        bad(vec![format!("$.a{}", ".a".repeat(STEPS_MAX))]);
        bad(vec![format!("$.a{}", ".a".repeat(100_000))]);
        assert!(put(["$.a[65535]".to_owned()]).is_ok());
        bad(vec!["$.a[65536]".to_owned()]);
        bad(vec![format!("$.a[{}]", u64::MAX)]);
        bad(vec![format!("$.a[{}0]", u64::MAX)]);
        bad((0..200).map(|i| format!("$.a{i}[65535]")).collect());
        bad((0..200).map(|i| format!("$.a[{i}][4000]")).collect());
    }
}
