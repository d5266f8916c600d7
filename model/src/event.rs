//! What a model says while it says it. Every model, remote or local, speaks in these events; a [`Fold`](crate::Fold) makes
//! a message of them.

use serde::{Deserialize, Serialize};

use crate::message::{Citation, Opaque};
use crate::usage::Usage;

/// One event of an answer. Parts come one after the other, except that the arguments of several calls may interleave;
/// words without an end in between belong to one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The model has begun.
    Start {
        /// What the provider calls the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The model that really answers, as the provider names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// More words.
    Text {
        /// The words.
        text: String,
    },
    /// The words so far are a part of their own.
    TextEnd {
        /// What the provider must get back with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Box<Opaque>>,
    },
    /// More thoughts.
    Reasoning {
        /// The thoughts.
        text: String,
    },
    /// The thoughts so far are a part of their own.
    ReasoningEnd {
        /// What the provider must get back with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Box<Opaque>>,
    },
    /// The model asks for a tool.
    ToolCallStart {
        /// Which call of this answer, from 0.
        index: u32,
        /// What names the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// More of the arguments of a call: a piece of JSON text.
    ToolCallArguments {
        /// Which call.
        index: u32,
        /// The piece.
        text: String,
    },
    /// The arguments of a call are whole.
    ToolCallEnd {
        /// Which call.
        index: u32,
        /// What the provider must get back with the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Box<Opaque>>,
    },
    /// Where the words before it come from.
    Citation {
        /// The source.
        citation: Citation,
    },
    /// Something only its provider knows how to read.
    Opaque {
        /// What it is.
        opaque: Opaque,
    },
    /// What the answer has used so far; a later one takes its place.
    Usage {
        /// The tokens.
        usage: Usage,
    },
    /// The answer is over.
    Finish {
        /// Why.
        finish: Finish,
    },
    /// The other side is alive.
    Ping,
}

impl Event {
    /// Tells whether something of the answer itself was said, so that asking again would say it twice.
    #[must_use]
    pub fn is_content(&self) -> bool {
        !matches!(self, Self::Start { .. } | Self::Ping | Self::Usage { .. })
    }
}

/// Why an answer is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finish {
    /// The model has said all, or came to a stop sequence.
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// The model or the provider declined to answer.
    Refused,
    /// The provider paused a long turn; send the conversation back as it is to go on.
    Paused,
    /// Another reason, in the provider's word.
    Other(String),
}
