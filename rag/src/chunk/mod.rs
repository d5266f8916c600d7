//! From a [`Document`] to [`Chunk`]s: the passages that are embedded, searched and quoted.
//!
//! Every chunker works in two steps. `split` breaks blocks into pieces that fit; `pack` puts neighbouring pieces
//! together until a chunk is full. The kinds differ in what they take for a piece and in what they keep apart.

mod fixed;
mod pack;
mod recursive;
mod sentence;
mod split;
mod structure;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::outline::Outline;
use crate::sentences::is_spaceless;

/// A passage of a document.
///
/// It holds for every chunker: `document.text[chunk.range] ` is the passage, its ends lie on character boundaries,
/// it is not blank, and chunks come in ascending order of their starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it lies in [`Document::text`].
    pub range: Range<usize>,
    /// Titles of the sections around its start, outermost first.
    pub headings: Vec<String>,
}

/// Counts tokens as the embedder will.
pub type CountTokens<'a> = &'a (dyn Fn(&str) -> usize + Sync);

/// Cuts documents.
pub trait Chunker: Send + Sync + std::fmt::Debug {
    /// Returns what makes two chunkers cut alike: kind, sizes and version, `structure/1 max=222 overlap=32`.
    fn fingerprint(&self) -> String;

    /// Cuts a document.
    fn chunk(&self, document: &Document, count: CountTokens<'_>) -> Vec<Chunk>;
}

/// How a chunker decides where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChunkerKind {
    /// Follows sections, blocks, sentences and table rows; small neighbouring sections share a chunk.
    #[default]
    Structure,
    /// Cuts at the coarsest of blank line, line, sentence and word that fits, blind to sections.
    Recursive,
    /// Packs whole sentences.
    Sentence,
    /// Packs whole words.
    Fixed,
}

impl ChunkerKind {
    /// Every kind, the default first.
    pub const ALL: [Self; 4] = [Self::Structure, Self::Recursive, Self::Sentence, Self::Fixed];

    /// Returns the name used in settings: `structure`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Recursive => "recursive",
            Self::Sentence => "sentence",
            Self::Fixed => "fixed",
        }
    }

    /// Finds a kind by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The settings of a chunker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkOptions {
    /// Where to cut.
    pub kind: ChunkerKind,
    /// Tokens of a chunk at most; only a single character that counts more exceeds it.
    pub tokens_max: usize,
    /// Tokens that a chunk repeats from the one before it at most, where a cut could not be avoided.
    pub tokens_overlap: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self { kind: ChunkerKind::default(), tokens_max: TOKENS_MAX_DEFAULT, tokens_overlap: TOKENS_OVERLAP_DEFAULT }
    }
}

impl ChunkOptions {
    /// Sets where to cut.
    #[must_use]
    pub fn kind(mut self, kind: ChunkerKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the most tokens of a chunk.
    #[must_use]
    pub fn tokens_max(mut self, tokens: usize) -> Self {
        self.tokens_max = tokens;
        self
    }

    /// Sets the most tokens that two neighbouring chunks share.
    #[must_use]
    pub fn tokens_overlap(mut self, tokens: usize) -> Self {
        self.tokens_overlap = tokens;
        self
    }
}

// What all-MiniLM-L6-v2 reads (254) less what the headings above a passage get, and one sentence of it.
const TOKENS_MAX_DEFAULT: usize = 222;
const TOKENS_OVERLAP_DEFAULT: usize = 32;

// Shorter passages carry no context of their own; longer ones are beyond what embedders read.
const TOKENS_MAX_LEAST: usize = 16;
const TOKENS_MAX_MOST: usize = 8_192;

/// Makes a chunker.
///
/// ```
/// use lorewell_rag::chunk::{ChunkOptions, ChunkerKind, chunker};
///
/// let options = ChunkOptions::default().kind(ChunkerKind::Sentence).tokens_max(128);
/// assert_eq!(chunker(&options).unwrap().fingerprint(), "sentence/1 max=128 overlap=32");
/// ```
///
/// # Errors
/// [`Kind::Config`] if a size is out of bounds, or the overlap is not under half of the chunk.
pub fn chunker(options: &ChunkOptions) -> Result<Arc<dyn Chunker>> {
    let limits = Limits::checked(options)?;
    Ok(match options.kind {
        ChunkerKind::Structure => Arc::new(structure::Structure(limits)),
        ChunkerKind::Recursive => Arc::new(recursive::Recursive(limits)),
        ChunkerKind::Sentence => Arc::new(sentence::Sentence(limits)),
        ChunkerKind::Fixed => Arc::new(fixed::Fixed(limits)),
    })
}

/// Sizes that were checked against each other.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max: usize,
    overlap: usize,
}

impl Limits {
    fn checked(options: &ChunkOptions) -> Result<Self> {
        let (max, overlap) = (options.tokens_max, options.tokens_overlap);
        if !(TOKENS_MAX_LEAST..=TOKENS_MAX_MOST).contains(&max) {
            let message = format!("chunks of {max} tokens; give {TOKENS_MAX_LEAST} to {TOKENS_MAX_MOST}");
            return Err(Error::new(Kind::Config, message));
        }
        if overlap >= max.div_ceil(2) {
            let message =
                format!("an overlap of {overlap} tokens in chunks of {max}; give less than half of the chunk");
            return Err(Error::new(Kind::Config, message));
        }
        Ok(Self { max, overlap })
    }

    /// The fingerprint of a chunker; raise `version` whenever the same document is cut differently.
    fn fingerprint(self, kind: ChunkerKind, version: u32) -> String {
        format!("{}/{version} max={} overlap={}", kind.name(), self.max, self.overlap)
    }
}

// Characters of a word that WordPiece tends to keep together; in scripts without spaces every character is a token.
const WORD_PIECE_CHARS: usize = 8;

/// Estimates tokens where no embedder counts them: about what WordPiece makes of a text, rather more than less.
///
/// ```
/// assert_eq!(lorewell_rag::chunk::estimate_tokens("Ownership is Rust's most unique feature."), 10);
/// ```
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    let (mut tokens, mut word_chars) = (0, 0);
    for c in text.chars() {
        let is_word = c.is_alphanumeric() && !is_spaceless(c);
        word_chars = if is_word { word_chars + 1 } else { 0 };
        let begins = is_word && word_chars % WORD_PIECE_CHARS == 1;
        tokens += usize::from(begins || (!is_word && !c.is_whitespace()));
    }
    tokens
}

/// Adds to each range the headings above it.
fn with_headings(document: &Document, ranges: Vec<Range<usize>>) -> Vec<Chunk> {
    let outline = Outline::new(&document.sections);
    ranges.into_iter().map(|range| Chunk { headings: outline.path(range.start), range }).collect()
}
