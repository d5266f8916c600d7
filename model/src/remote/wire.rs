//! What a wire format is: a request made into a call over HTTP, and the bytes of the answer made into events. Nothing here
//! touches a socket, so every stream can be played through in a test.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frames::{Frame, Framer, Framing};
use super::quirks::Quirks;
use crate::event::Event;
use crate::request::Request;
use crate::secret::Secret;
use crate::{Error, Kind, Result};

/// A wire format.
pub(crate) trait Wire: Send + Sync + fmt::Debug {
    /// How the answer is cut into frames.
    fn framing(&self) -> Framing;

    /// The path below the base address to which a request goes.
    fn path(&self, model: &str) -> String;

    /// Headers, with the key if there is one.
    fn headers(&self, key: Option<&Secret>) -> Vec<Header>;

    /// The body of a request.
    ///
    /// # Errors
    /// `BadInput` if the format has no words for something that must not be left out.
    fn body(&self, model: &str, request: &Request, quirks: &Quirks) -> Result<Value>;

    /// Reads one answer.
    fn decoder(&self) -> Box<dyn Decode>;

    /// Makes an error of an answer that is none: its status and its body, which may be anything.
    fn fault(&self, status: u16, body: &str) -> Fault;

    /// The path below the base address under which the models are listed.
    fn models_path(&self) -> &'static str;

    /// Reads a list of models, and the path of the next page if there is one.
    ///
    /// # Errors
    /// `BadOutput` if it is none.
    fn models(&self, body: &str) -> Result<(Vec<ModelInfo>, Option<String>)>;
}

/// A header of a request.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: &'static str,
    pub(crate) value: Secret,
    /// Whether it must not be seen.
    pub(crate) is_secret: bool,
}

impl Header {
    pub(crate) fn open(name: &'static str, value: &str) -> Self {
        Self { name, value: Secret::new(value), is_secret: false }
    }

    pub(crate) fn secret(name: &'static str, value: String) -> Self {
        Self { name, value: Secret::new(value), is_secret: true }
    }
}

/// Reads the frames of one answer. [`Event::Finish`] is the last event that it makes.
pub(crate) trait Decode: Send {
    /// Takes a frame. What is not known is passed over.
    ///
    /// # Errors
    /// The provider says that something went wrong, or what it says cannot be used.
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()>;

    /// There are no more frames.
    ///
    /// # Errors
    /// `Unavailable` if the answer broke off.
    fn end(&mut self, events: &mut Vec<Event>) -> Result<()>;
}

/// What a provider says went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    pub(crate) fn error(self) -> Error {
        let error = Error::new(self.kind, self.message);
        match self.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }
}

/// What a status says where the body says nothing better.
pub(crate) fn kind_of_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::Auth,
        402 => Kind::Limit,
        404 => Kind::NotFound,
        408 => Kind::Timeout,
        409 => Kind::Conflict,
        413 => Kind::Limit,
        429 => Kind::RateLimited,
        400..=499 => Kind::BadInput,
        500..=599 => Kind::Unavailable,
        _ => Kind::BadOutput,
    }
}

/// The most that is shown of a body that is not the provider's own form of an error.
const SHOWN_CHARS_MAX: usize = 200;

/// Makes a fault of a body that is not the provider's own form of an error: a proxy's page, or nothing.
pub(crate) fn plain_fault(status: u16, body: &str) -> Fault {
    let body = body.trim();
    let shown: String = body.chars().take(SHOWN_CHARS_MAX).collect();
    let message = match body {
        "" => format!("status {status} without a word"),
        page if page.starts_with('<') => {
            format!("status {status} with a web page instead of an answer; is the address right?")
        }
        _ => format!("status {status}: {shown}"),
    };
    Fault::new(kind_of_status(status), message)
}

/// The answer ended before it was whole.
pub(crate) fn broke_off() -> Error {
    Error::new(Kind::Unavailable, "the answer broke off before its end; ask again")
}

/// A model that a provider offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Its name, as a request wants it.
    pub id: String,
    /// Tokens of a request and its answer together, where the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens_max: Option<u64>,
    /// Tokens of an answer, where the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_max: Option<u64>,
}

impl ModelInfo {
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

/// Makes events of the bytes of an answer, however they are cut.
pub struct Decoder {
    framer: Framer,
    decode: Box<dyn Decode>,
    is_over: bool,
}

impl Decoder {
    pub(crate) fn new(wire: &dyn Wire) -> Self {
        Self { framer: Framer::new(wire.framing()), decode: wire.decoder(), is_over: false }
    }

    /// Takes bytes, and adds the events that they complete.
    ///
    /// # Errors
    /// The provider says that something went wrong, what it says cannot be used, or a frame is too long. The events before
    /// that have been added.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<()> {
        let Self { framer, decode, is_over } = self;
        if *is_over {
            return Ok(());
        }
        framer.push(bytes, |frame| {
            let before = events.len();
            decode.frame(frame, events)?;
            *is_over |= events[before..].iter().any(|event| matches!(event, Event::Finish { .. }));
            Ok(!*is_over)
        })
    }

    /// There are no more bytes.
    ///
    /// # Errors
    /// `Unavailable` if the answer broke off.
    pub fn end(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let Self { framer, decode, is_over } = self;
        if *is_over {
            return Ok(());
        }
        let before = events.len();
        framer.end(|frame| decode.frame(frame, events).map(|()| true))?;
        *is_over = true;
        if events[before..].iter().any(|event| matches!(event, Event::Finish { .. })) {
            return Ok(());
        }
        decode.end(events)
    }

    /// Tells whether the answer has come to its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
