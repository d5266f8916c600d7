//! What is written to a field that holds many things: something added, or all of it replaced; and, for messages,
//! something put or removed by id.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A write to a field that collects.
///
/// When tasks of one superstep add and one replaces, the replacement comes first and what the others added follows;
/// two replacements are an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<C> {
    /// Adds to what is there.
    Add(C),
    /// Takes its place.
    Replace(C),
}

/// A write to a field of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit<M> {
    /// Puts a message: in the place of the one with its id, or at the end.
    Put(M),
    /// Removes the message with this id.
    Remove(String),
    /// Removes all messages before it.
    Clear,
}

impl<M: Identified> From<M> for Edit<M> {
    fn from(message: M) -> Self {
        Self::Put(message)
    }
}

/// Something with an id, which a field with the rule `messages` can hold.
pub trait Identified {
    /// Returns its id, if it has one.
    fn id(&self) -> Option<&str>;

    /// Gives it an id.
    fn identify(&mut self, id: String);
}

/// An object whose member `id` is a string.
impl Identified for Value {
    fn id(&self) -> Option<&str> {
        self.get("id").and_then(Self::as_str)
    }

    fn identify(&mut self, id: String) {
        if let Self::Object(members) = self {
            members.insert("id".to_owned(), Self::String(id));
        }
    }
}
