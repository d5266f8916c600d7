//! The wire formats by name, for those who have bytes and want events, or the other way round.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::anthropic::Anthropic;
use super::gemini::Gemini;
use super::ollama::Ollama;
use super::openai::{Chat, Responses};
use super::quirks::Quirks;
use super::wire::{Decoder, Wire};
use crate::request::Request;
use crate::{Error, Result};

/// A wire format.
///
/// ```
/// use lorewell_model::remote::Format;
/// use lorewell_model::{Event, Finish};
///
/// let mut decoder = Format::Ollama.decoder();
/// let mut events = Vec::new();
/// decoder.push(b"{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Mont\"},\"done\":false}\n", &mut events)?;
/// decoder.push(b"{\"model\":\"m\",\"done\":true,\"done_reason\":\"stop\"}\n", &mut events)?;
/// assert!(events.contains(&Event::Text { text: "Mont".to_owned() }));
/// assert_eq!(events.last(), Some(&Event::Finish { finish: Finish::Stop }));
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's Chat Completions, which most other servers speak.
    Chat,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Ollama's own chat.
    Ollama,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Responses, Self::Chat, Self::Anthropic, Self::Gemini, Self::Ollama];

    /// Makes what reads one answer.
    #[must_use]
    pub fn decoder(self) -> Decoder {
        Decoder::new(self.wire())
    }

    /// Makes the body of a request, which asks for a stream.
    ///
    /// # Errors
    /// `BadInput` if the format has no words for something that must not be left out.
    pub fn body(self, model: &str, request: &Request) -> Result<Value> {
        self.wire().body(model, request, &Quirks::default())
    }

    /// Makes an error of an answer that is none: its status, and its body, which may be anything.
    #[must_use]
    pub fn error(self, status: u16, body: &str) -> Error {
        self.wire().fault(status, body).error()
    }

    pub(crate) fn wire(self) -> &'static dyn Wire {
        match self {
            Self::Responses => &Responses,
            Self::Chat => &Chat,
            Self::Anthropic => &Anthropic,
            Self::Gemini => &Gemini,
            Self::Ollama => &Ollama,
        }
    }
}
