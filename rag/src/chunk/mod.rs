//! From a [`Document`] to [`Chunk`]s: the passages that are embedded, searched and quoted.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::document::Document;

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
    /// Returns what makes two chunkers cut alike: kind, sizes and version, `structure/1 max=256 overlap=32`.
    fn fingerprint(&self) -> String;

    /// Cuts a document.
    fn chunk(&self, document: &Document, count: CountTokens<'_>) -> Vec<Chunk>;
}
