//! Arguments that come in pieces: each says where it belongs by a path such as `$.items[0].name`. Vertex AI sends them so
//! when asked to (`streamFunctionCallArguments`).

use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest index of a list; a path could otherwise ask for any amount of memory.
const INDEX_MAX: usize = 65_535;

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
    pub(super) fn put(self, arguments: &mut Map<String, Value>) {
        let Some(path) = self.json_path.strip_prefix("$.") else { return };
        let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
        let Some(place) = steps.next().map(|name| arguments.entry(name).or_insert(Value::Null)) else { return };
        let Some(place) = steps.try_fold(place, step) else { return };
        match (place, self.string_value, self.number_value, self.bool_value) {
            (Value::String(text), Some(more), ..) => text.push_str(&more),
            (place, Some(text), ..) => *place = text.into(),
            (place, _, Some(number), _) => *place = number.into(),
            (place, _, _, Some(is)) => *place = is.into(),
            (_, None, None, None) => {}
        }
    }
}

fn step<'a>(place: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    let index = step.parse::<usize>().ok().filter(|index| *index <= INDEX_MAX);
    match (place, index) {
        (place @ (Value::Null | Value::Array(_)), Some(index)) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut()?;
            if list.len() <= index {
                list.resize(index + 1, Value::Null);
            }
            list.get_mut(index)
        }
        (place @ (Value::Null | Value::Object(_)), _) => {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            Some(place.as_object_mut()?.entry(step.trim_matches(['\'', '"'])).or_insert(Value::Null))
        }
        _ => None,
    }
}
