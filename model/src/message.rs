//! A conversation: messages made of parts. What a provider must get back unchanged travels with the part it belongs to,
//! as an [`Opaque`] that only its own codec looks into.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::media::Media;
use crate::{Error, Kind, Result};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The developer: instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool that answers a call.
    Tool,
}

/// One message of a conversation.
///
/// ```
/// use lorewell_model::{Message, Role};
///
/// let message = Message::user("How high is Mont Blanc?");
/// assert_eq!(message.role, Role::User);
/// assert_eq!(message.text(), "How high is Mont Blanc?");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What names it within its conversation, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Asks providers that cache on request to keep all up to the end of this message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_here: bool,
}

impl Message {
    /// Makes a message of parts.
    pub fn new(role: Role, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { id: None, role, parts: parts.into_iter().collect(), cache_here: false }
    }

    /// Makes a message of the developer.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, [Part::text(text)])
    }

    /// Makes a message of the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [Part::text(text)])
    }

    /// Makes a message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, [Part::text(text)])
    }

    /// Makes a message with the results of tools.
    pub fn results(results: impl IntoIterator<Item = ToolResult>) -> Self {
        Self::new(Role::Tool, results.into_iter().map(Part::ToolResult))
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Returns its text, without reasoning: borrowed when one part holds all of it.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        let first = texts.next().unwrap_or_default();
        texts.fold(Cow::Borrowed(first), |mut all, next| {
            all.to_mut().push_str(next);
            all
        })
    }

    /// Returns it as any provider takes it back: arguments of calls that cannot be read become an empty object.
    #[must_use]
    pub fn with_readable_calls(mut self) -> Self {
        for part in &mut self.parts {
            if let Part::ToolCall(call) = part
                && call.arguments::<serde_json::Map<String, Value>>().is_err()
            {
                "{}".clone_into(&mut call.arguments_json);
            }
        }
        self
    }

    /// Returns the calls of tools in it.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Words.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A document or a recording.
    File(Media),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// A tool has answered.
    ToolResult(ToolResult),
    /// What the model thought before it spoke.
    Reasoning(Reasoning),
    /// Where the words before it come from.
    Citation(Citation),
    /// Something only its provider knows how to read; sent back to it unchanged, and to nobody else.
    Opaque(Opaque),
}

impl Part {
    /// Makes a part of words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), opaque: None })
    }

    /// Returns what the part of some provider carries for it alone.
    #[cfg(feature = "remote")]
    pub(crate) fn opaque(&self, provider: &str) -> Option<&Value> {
        let opaque = match self {
            Self::Text(text) => text.opaque.as_deref(),
            Self::ToolCall(call) => call.opaque.as_deref(),
            Self::Reasoning(reasoning) => reasoning.opaque.as_deref(),
            Self::Opaque(opaque) => Some(opaque),
            Self::Image(_) | Self::File(_) | Self::ToolResult(_) | Self::Citation(_) => None,
        };
        opaque.filter(|opaque| opaque.provider == provider).map(|opaque| &opaque.value)
    }
}

/// Words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// The words.
    pub text: String,
    /// What the provider must get back with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Box<Opaque>>,
}

/// What the model thought before it spoke, as far as the provider shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reasoning {
    /// The thoughts, or a summary of them; empty where the provider keeps them to itself.
    pub text: String,
    /// What the provider must get back with them: a signature, or the thoughts in sealed form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Box<Opaque>>,
}

/// The model asks for a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What names the call within the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: a JSON object, unless the model made a mistake. See
    /// [`arguments`](Self::arguments).
    #[serde(rename = "arguments")]
    pub arguments_json: String,
    /// What the provider must get back with the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Box<Opaque>>,
}

impl ToolCall {
    /// Makes a call.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: &Value) -> Self {
        Self { id: id.into(), name: name.into(), arguments_json: arguments.to_string(), opaque: None }
    }

    /// Reads the arguments. A model that gives none means an empty object.
    ///
    /// ```
    /// use lorewell_model::ToolCall;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Weather { city: String }
    /// let call = ToolCall::new("1", "weather", &serde_json::json!({"city": "Paris"}));
    /// assert_eq!(call.arguments::<Weather>()?.city, "Paris");
    /// # Ok::<(), lorewell_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// `BadOutput` if they are no JSON or do not fit, in words that a model understands.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        let text = if self.arguments_json.trim().is_empty() { "{}" } else { &self.arguments_json };
        serde_json::from_str(text).map_err(|error| {
            let message = format!(
                "the arguments of `{}` cannot be read: {error}; give a JSON object that fits the schema",
                self.name
            );
            Error::new(Kind::BadOutput, message).caused_by(error)
        })
    }
}

/// A tool has answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The id of the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What it answered: text, images and files.
    pub parts: Vec<Part>,
    /// Whether it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

impl ToolResult {
    /// Makes the answer to a call.
    pub fn new(call: &ToolCall, text: impl Into<String>) -> Self {
        Self { id: call.id.clone(), name: call.name.clone(), parts: vec![Part::text(text)], is_error: false }
    }

    /// Makes the answer to a call that failed; the text is for the model.
    pub fn failed(call: &ToolCall, text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::new(call, text) }
    }

    /// Returns the words of the answer, a line for each part.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// Where words of an answer come from, as the provider says; it was not checked here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// What the source is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// The provider's own account of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Box<Opaque>>,
}

/// What belongs to one provider, and goes back to it as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opaque {
    /// The wire format that it belongs to.
    pub provider: Cow<'static, str>,
    /// What it is.
    pub value: Value,
}

#[cfg(any(test, feature = "remote"))]
impl Opaque {
    pub(crate) fn new(provider: &'static str, value: Value) -> Self {
        Self { provider: provider.into(), value }
    }

    pub(crate) fn boxed(provider: &'static str, value: Value) -> Option<Box<Self>> {
        Some(Box::new(Self::new(provider, value)))
    }
}
