//! What a tool answers: text as a rule, pictures and files where it has them.

use std::any::Any;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::ToolError;
use crate::message::Part;
use crate::origin::Origin;

/// The answer of a tool. A function may return anything that has a form in JSON; a text is taken as it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolOutput {
    /// What the model gets.
    pub parts: Vec<Part>,
    /// Who wrote what is in it. Unless said, the developer did where the tool reads nothing, talks to nobody and runs nothing;
    /// else nobody vouches for it.
    pub origin: Option<Origin>,
    /// Whether the turn ends with it: the model is not asked again, and the answer is what it said with the call.
    pub ends_turn: bool,
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for ToolOutput {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl ToolOutput {
    /// Answers with a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::parts([Part::text(text)])
    }

    /// Answers with parts: text, images, files.
    pub fn parts(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect(), origin: None, ends_turn: false }
    }

    /// Says who wrote what is in it.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Ends the turn with it.
    #[must_use]
    pub fn end_turn(mut self) -> Self {
        self.ends_turn = true;
        self
    }

    /// Takes what a function returned.
    pub(super) fn of<R: Serialize + 'static>(returned: R) -> Result<Self, ToolError> {
        let mut returned = Some(returned);
        let any: &mut dyn Any = &mut returned;
        if let Some(output) = any.downcast_mut::<Option<Self>>().and_then(Option::take) {
            return Ok(output);
        }
        if let Some(text) = any.downcast_mut::<Option<String>>().and_then(Option::take) {
            return Ok(Self::text(text));
        }
        Ok(match serde_json::to_value(&returned)? {
            Value::String(text) => Self::text(text),
            Value::Null => Self::text("done"),
            value => Self::text(value.to_string()),
        })
    }

    /// Cuts its text down to so many bytes, and says so.
    #[must_use]
    pub fn cut(mut self, bytes_max: usize) -> Self {
        let mut left = bytes_max;
        for part in &mut self.parts {
            let Part::Text(text) = part else { continue };
            if text.text.len() <= left {
                left -= text.text.len();
                continue;
            }
            let all = text.text.len();
            text.text.truncate(text.text.floor_char_boundary(left));
            let lost = all - text.text.len();
            text.text.push_str(&format!("\n[cut: {lost} bytes were left out; ask for less at once]"));
            left = 0;
        }
        self
    }
}

/// As the text that the model gets.
impl Serialize for ToolOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}
