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

impl<C: Default> Default for Change<C> {
    fn default() -> Self {
        Self::Add(C::default())
    }
}

/// Adds to what is added or takes the place.
impl<C: Extend<A>, A> Extend<A> for Change<C> {
    fn extend<I: IntoIterator<Item = A>>(&mut self, items: I) {
        match self {
            Self::Add(collection) | Self::Replace(collection) => collection.extend(items),
        }
    }
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

impl<M: Identified> Edit<M> {
    /// Gives the message that is put one of `ids`, if it has none.
    pub fn identify(&mut self, ids: &mut dyn FnMut() -> String) {
        if let Self::Put(message) = self
            && message.id().is_none()
        {
            message.identify(ids());
        }
    }
}

impl<M: Identified> From<M> for Edit<M> {
    fn from(message: M) -> Self {
        Self::Put(message)
    }
}

/// Something with an id, which a field with the rule `messages` can hold.
#[diagnostic::on_unimplemented(
    message = "the rule `messages` needs messages with an id, and `{Self}` is not `Identified`",
    label = "has no id that the rule knows of",
    note = "implement `lorewell_agent::state::Identified` for it, or use the rule `append`"
)]
pub trait Identified {
    /// Returns its id, if it has one.
    fn id(&self) -> Option<&str>;

    /// Gives it an id.
    fn identify(&mut self, id: String);
}

impl Identified for lorewell_model::Message {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn identify(&mut self, id: String) {
        self.id = Some(id);
    }
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
