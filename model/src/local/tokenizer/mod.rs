//! Text to tokens and back, as the model that reads them was trained. Each family of tokenizers has a file; what they share
//! is here: names that are found before anything else, what begins a text, what ends an answer.

mod build;
mod byte_level;
mod charsmap;
mod cut;
mod facts;
mod folder;
mod library;
mod marks;
mod merges;
mod pre;
mod prefixes;
mod unigram;
mod utf8;

pub use utf8::Utf8;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use self::library::Library;
use self::marks::{Fragment, Marks};
use self::merges::Merges;
use self::unigram::Unigram;
use super::gguf::Gguf;
use super::vocabulary::{TokenKind, Vocabulary};
use crate::{Error, Kind, Result, ResultExt};

/// Bytes of a text that is made tokens at once; no model reads a hundredth of it.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// Makes tokens of text, and says what tokens stand for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokenizer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    vocabulary: Arc<Vocabulary>,
    ids: HashMap<Box<str>, u32>,
    /// What goes before a text by itself.
    before: Vec<u32>,
    /// What goes after it.
    after: Vec<u32>,
    names: Names,
    /// Whether the first word of a text gets a space that was not there.
    drops_space: bool,
}

/// Tokens that chat templates name.
#[derive(Debug, Default)]
struct Names {
    bos: Option<String>,
    eos: Option<String>,
    unk: Option<String>,
    pad: Option<String>,
}

#[derive(Debug)]
enum Engine {
    Merges(Marks, Box<Merges>),
    Unigram(Marks, Box<Unigram>),
    Library(Box<Library>),
}

/// What names of marks in a text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markers {
    /// The marks themselves. For text that a chat template wrote.
    Parse,
    /// Text like any other, so that nobody can forge the end of a turn. For text that a person, a document or a tool wrote.
    Text,
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// `BadInput` if it describes none, or one of a family that is not known; `Corrupt` if the description contradicts
    /// itself; `Limit` if it is larger than any model's.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let inner = build::build(gguf).context(|| format!("reading the tokenizer of `{}`", gguf.path().display()))?;
        Ok(Self(Arc::new(inner)))
    }

    /// Reads `tokenizer.json` in a folder, and what `tokenizer_config.json`, `special_tokens_map.json`,
    /// `generation_config.json` and `config.json` beside it say of its tokens.
    ///
    /// # Errors
    /// `NotFound` if there is no `tokenizer.json`; `BadInput` if one of the files cannot be understood; `Limit` and `Io` if
    /// it cannot be read.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        Ok(Self(Arc::new(folder::build(folder)?)))
    }

    /// Makes tokens of a text, without what goes before and after one that stands by itself.
    ///
    /// # Errors
    /// `Limit` if the text has more than 1 GiB; `BadInput` if `tokenizer.json` asks for what cannot be done with it.
    pub fn encode(&self, text: &str, markers: Markers) -> Result<Vec<u32>> {
        if text.len() > TEXT_BYTES_MAX {
            let message =
                format!("a text has {} bytes, more than the {TEXT_BYTES_MAX} that can be; cut it", text.len());
            return Err(Error::new(Kind::Limit, message));
        }
        match &self.0.engine {
            Engine::Merges(marks, merges) => {
                Ok(encode(marks, text, markers, |text, tokens| merges.encode(text, tokens)))
            }
            Engine::Unigram(marks, unigram) => {
                Ok(encode(marks, text, markers, |text, tokens| unigram.encode(text, tokens)))
            }
            Engine::Library(library) => library.encode(text, markers),
        }
    }

    /// Returns the text of tokens, without marks, and without the space that some tokenizers put before a text. An answer
    /// goes on from a prompt, so there that space is part of it: put its [`Vocabulary::bytes`] through [`Utf8`].
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let vocabulary = self.vocabulary();
        let seen = tokens.iter().filter(|id| vocabulary.kind(**id) != TokenKind::Control);
        let bytes = seen.flat_map(|id| vocabulary.bytes(*id)).copied().collect::<Vec<u8>>();
        let bytes = bytes.strip_prefix(b" ").filter(|_| self.0.drops_space).unwrap_or(&bytes);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Returns what goes before a text that stands by itself: the token that begins one, or nothing.
    #[must_use]
    pub fn beginning(&self) -> &[u32] {
        &self.0.before
    }

    /// Returns what goes after a text that stands by itself, which models that embed or translate want.
    #[must_use]
    pub fn ending(&self) -> &[u32] {
        &self.0.after
    }

    /// Returns what the tokens stand for, and at which an answer ends.
    #[must_use]
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.0.vocabulary
    }

    /// Returns the token of a name, as the vocabulary writes it: `<|im_end|>`, `▁the`.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        match &self.0.engine {
            Engine::Library(library) => library.id(token),
            Engine::Merges(..) | Engine::Unigram(..) => self.0.ids.get(token).copied(),
        }
    }

    /// Returns the name of the token that begins texts, for chat templates.
    #[must_use]
    pub fn bos_text(&self) -> Option<&str> {
        self.0.names.bos.as_deref()
    }

    /// Returns the name of the token that ends texts, for chat templates.
    #[must_use]
    pub fn eos_text(&self) -> Option<&str> {
        self.0.names.eos.as_deref()
    }

    /// Returns the name of the token for what is unknown, for chat templates.
    #[must_use]
    pub fn unk_text(&self) -> Option<&str> {
        self.0.names.unk.as_deref()
    }

    /// Returns the name of the token that fills up, for chat templates.
    #[must_use]
    pub fn pad_text(&self) -> Option<&str> {
        self.0.names.pad.as_deref()
    }
}

impl Engine {
    fn drops_space(&self) -> bool {
        match self {
            Self::Merges(_, merges) => merges.prefix,
            Self::Unigram(_, unigram) => unigram.prefix,
            Self::Library(library) => library.drops_space,
        }
    }
}

/// Makes tokens of the parts of a text between marks. Each follows a mark, or nothing.
fn encode(marks: &Marks, text: &str, markers: Markers, mut part: impl FnMut(&str, &mut Vec<u32>)) -> Vec<u32> {
    let mut tokens = Vec::with_capacity(text.len() / 3);
    for fragment in marks.split(text, markers) {
        match fragment {
            Fragment::Text(text) => part(text, &mut tokens),
            Fragment::Token(id) => tokens.push(id),
        }
    }
    tokens
}

#[cfg(test)]
mod tests;
