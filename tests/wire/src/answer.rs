//! What is answered, before any format gives it a shape: blocks in pieces, how the answer ends, what it cost, and
//! what goes wrong on the way.

use std::sync::Arc;
use std::time::Duration;

/// An answer of the pretended model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub blocks: Vec<Block>,
    pub finish: Finish,
    pub usage: Usage,
    /// Wait before each delta.
    pub pace: Duration,
    pub fault: Fault,
}

#[derive(Debug, Clone)]
pub(crate) enum Block {
    Thought(Pieces),
    Text {
        pieces: Pieces,
        citations: Vec<Citation>,
    },
    Call(Call),
    Refusal(Pieces),
    /// A tool that the provider ran itself.
    Server(Search),
}

/// A call that the client must answer.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub name: String,
    pub arguments: Pieces,
}

/// A search that the provider pretends to have run.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub query: String,
    pub title: String,
    pub url: String,
}

/// A source for a span of an answer, counted in characters of the text.
#[derive(Debug, Clone)]
pub(crate) struct Citation {
    pub start: usize,
    pub end: usize,
    pub title: String,
    pub url: String,
    /// The words of the source that are quoted.
    pub quote: String,
    /// Where they stand in the document with this index, when the source was given with the request.
    pub document: Option<(usize, usize, usize)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Finish {
    #[default]
    Stop,
    Length,
    Calls,
    Refusal,
    Pause,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Everything that was read, the cached part included.
    pub input: usize,
    pub cache_read: usize,
    pub cache_write: usize,
    /// Everything that was written, thoughts included.
    pub output: usize,
    pub thoughts: usize,
}

/// What goes wrong once the headers are out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// A frame is cut in its middle and the connection is closed.
    HalfFrame,
    /// The stream ends in good order, but before its last events.
    EarlyEnd,
    /// An error in the stream.
    Error,
    /// Bytes that are not UTF-8, inside a string.
    InvalidUtf8,
    /// Headers, then nothing.
    HangBody,
    /// Some events, then nothing.
    HangMiddle,
    /// Events and fields that no documentation knows.
    Unknown,
}

/// The pieces in which a text is streamed. They may repeat, so that a text of 100 MB costs no memory.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    parts: Arc<[String]>,
    times: usize,
}

impl Pieces {
    pub(crate) fn new(parts: Vec<String>) -> Self {
        Self { parts: parts.into(), times: 1 }
    }

    /// Cuts a text into pieces of so many characters.
    pub(crate) fn cut(text: &str, piece_chars: usize) -> Self {
        let chars: Vec<char> = text.chars().collect();
        Self::new(chars.chunks(piece_chars).map(|piece| piece.iter().collect()).collect())
    }

    pub(crate) fn repeated(part: String, times: usize) -> Self {
        Self { parts: [part].into(), times }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len() * self.times
    }

    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        (at < self.len()).then(|| self.parts[at % self.parts.len()].as_str())
    }

    /// Returns the whole text.
    pub(crate) fn whole(&self) -> String {
        self.parts.concat().repeat(self.times)
    }

    /// Returns the text without its repetitions, for closing events that say once more what was streamed.
    pub(crate) fn brief(&self) -> String {
        self.parts.concat()
    }
}
