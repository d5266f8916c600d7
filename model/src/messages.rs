//! A conversation that many hold: requests, layers and agents share it, and whoever changes it while others look gets a copy.
//! So asking a model again and again with a longer conversation does not cost a copy of all of it each time.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::Message;

/// Messages, oldest first: a `Vec` that is cheap to clone, and copied when it is changed while someone else has it.
///
/// ```
/// use lorewell_model::{Message, Messages};
///
/// let mut messages = Messages::from([Message::user("hi")]);
/// let before = messages.clone();
/// messages.push(Message::assistant("hello"));
/// assert_eq!((before.len(), messages.len()), (1, 2));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages(Arc<Vec<Message>>);

impl Deref for Messages {
    type Target = Vec<Message>;

    fn deref(&self) -> &Vec<Message> {
        &self.0
    }
}

impl DerefMut for Messages {
    fn deref_mut(&mut self) -> &mut Vec<Message> {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self(Arc::new(messages))
    }
}

/// Copies them only if someone else has them too.
impl From<Messages> for Vec<Message> {
    fn from(messages: Messages) -> Self {
        Arc::unwrap_or_clone(messages.0)
    }
}

impl<const N: usize> From<[Message; N]> for Messages {
    fn from(messages: [Message; N]) -> Self {
        Vec::from(messages).into()
    }
}

impl FromIterator<Message> for Messages {
    fn from_iter<T: IntoIterator<Item = Message>>(messages: T) -> Self {
        Vec::from_iter(messages).into()
    }
}

impl IntoIterator for Messages {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;

    fn into_iter(self) -> Self::IntoIter {
        Vec::from(self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Messages {
    type Item = &'a Message;
    type IntoIter = std::slice::Iter<'a, Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Extend<Message> for Messages {
    fn extend<T: IntoIterator<Item = Message>>(&mut self, messages: T) {
        self.deref_mut().extend(messages);
    }
}

impl<T: AsRef<[Message]> + ?Sized> PartialEq<T> for Messages {
    fn eq(&self, other: &T) -> bool {
        self.0.as_slice() == other.as_ref()
    }
}

impl Serialize for Messages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}
