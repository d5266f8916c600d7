//! What is asked, after a format has read it: the parts of a request on which the behaviours depend.

use serde_json::Value;

/// A request without its format.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub model: String,
    pub stream: bool,
    /// The last text of the user.
    pub prompt: String,
    /// Everything that was read, in characters.
    pub chars: usize,
    /// The same for equal requests, and only for them.
    pub likeness: u64,
    pub tools: Vec<Tool>,
    /// More than one call at once is welcome.
    pub parallel: bool,
    /// Results of tools since the last text of the user.
    pub results: Vec<String>,
    /// The answer has to fit this.
    pub schema: Option<Value>,
    pub media: Vec<Media>,
    /// What identifies the cached part, when a hint asks for caching.
    pub cache: Option<String>,
    pub thinks: Thinks,
    /// Thoughts are to carry their seal (Responses).
    pub sealed: bool,
    /// The conversation has turns of the model.
    pub answered: bool,
    /// The conversation ends with a turn of the model, which is to be continued.
    pub continued: bool,
    /// Blocks of server-side tools that came back.
    pub echoed: usize,
    /// Usage has to be streamed (Chat Completions).
    pub wants_usage: bool,
    /// Documents for which citations are wanted: title and text.
    pub documents: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub name: String,
    pub schema: Value,
}

/// A picture or file: its media type and its size, or where it lies.
#[derive(Debug, Clone)]
pub(crate) enum Media {
    Bytes { media_type: String, length: usize },
    Url(String),
}

/// Whether thoughts are wanted, and whether their text is to be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Thinks {
    #[default]
    No,
    Hidden,
    Shown,
}

impl Ask {
    /// A new text of the user begins a new question: what tools said before is no longer an answer to it.
    pub(crate) fn said(&mut self, text: &str) {
        self.prompt = text.to_owned();
        self.results.clear();
    }
}
