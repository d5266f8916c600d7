//! What a node writes to a state of JSON values, and the form in which it is stored and sent: a plain object. What is
//! no plain write begins with `$`, which no field does.

use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::shape::kind;
use crate::state::Change;

/// The member of an update with what replaces fields as a whole.
pub(super) const REPLACE: &str = "$replace";
/// The member of an element of messages that removes one.
pub(super) const REMOVE: &str = "$remove";
/// The member of an element of messages that removes all before it.
pub(super) const CLEAR: &str = "$clear";

/// What a node writes to a [`Json`](super::Json) state.
///
/// In JSON it is an object with a member for each field that is written. What that means is up to the rule of the
/// field: for [`Rule::Append`](crate::state::Rule::Append) an array of what is added, for
/// [`Rule::Merge`](crate::state::Rule::Merge) an object of what is put into it, for
/// [`Rule::Messages`](crate::state::Rule::Messages) an array of messages, of `{"$remove": "id"}` and of
/// `{"$clear": true}`; for the others the value. The member `$replace` is an object of what takes the place of a list
/// or a map as a whole.
///
/// ```
/// use lorewell_agent::state::JsonUpdate;
/// use serde_json::json;
///
/// let update = JsonUpdate::new().set("route", "billing").replace("hits", json!(["a", "b"]));
/// let text = json!({"route": "billing", "$replace": {"hits": ["a", "b"]}});
/// assert_eq!(serde_json::to_value(&update)?, text);
/// assert_eq!(JsonUpdate::try_from(text).unwrap(), update);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Whether it fits the state shows when it is applied.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
#[must_use = "an update does nothing until a node returns it"]
pub struct JsonUpdate {
    pub(super) set: Map<String, Value>,
    pub(super) replace: Map<String, Value>,
}

impl JsonUpdate {
    /// Begins an update, which writes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes to a field, in place of what this was called with before.
    pub fn set(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set.insert(field.into(), value.into());
        self
    }

    /// Replaces all of a list or a map, and what this update wrote to it before; what is [`set`](Self::set)
    /// afterwards is added to the replacement.
    pub fn replace(mut self, field: impl Into<String>, whole: impl Into<Value>) -> Self {
        let field = field.into();
        self.set.remove(&field);
        self.replace.insert(field, whole.into());
        self
    }

    pub(super) fn writes(&self, field: &str) -> bool {
        self.set.contains_key(field) || self.replace.contains_key(field)
    }

    /// Takes what is written to a list or a map.
    pub(super) fn change<C>(&mut self, field: &str, read: impl Fn(Value) -> Option<C>) -> Option<Change<C>>
    where
        C: IntoIterator + Extend<C::Item>,
    {
        let added = self.set.remove(field).and_then(&read);
        let Some(mut whole) = self.replace.remove(field).and_then(read) else { return added.map(Change::Add) };
        whole.extend(added.into_iter().flatten());
        Some(Change::Replace(whole))
    }
}

/// Each member writes the field of its name; the member `$replace` is what replaces fields as a whole.
impl From<Map<String, Value>> for JsonUpdate {
    fn from(mut set: Map<String, Value>) -> Self {
        match set.remove(REPLACE) {
            Some(Value::Object(replace)) => Self { set, replace },
            // It stays where it is refused, since there is no field of this name.
            Some(other) => {
                set.insert(REPLACE.to_owned(), other);
                Self { set, replace: Map::new() }
            }
            None => Self { set, replace: Map::new() },
        }
    }
}

/// An object, as for a map.
impl TryFrom<Value> for JsonUpdate {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(members.into()),
            other => {
                let message = format!("an update is an object of the fields that it writes, not {}", kind(&other));
                Err(Error::new(Kind::BadInput, message))
            }
        }
    }
}

impl Serialize for JsonUpdate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let replace = (!self.replace.is_empty()).then_some((REPLACE, Member::Replaced(&self.replace)));
        let set = self.set.iter().map(|(name, value)| (name.as_str(), Member::Set(value)));
        serializer.collect_map(set.chain(replace))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Set(&'a Value),
    Replaced(&'a Map<String, Value>),
}
