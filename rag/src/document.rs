//! A document: the text that is searched, its structure, and the way back to the bytes it came from.
//!
//! Loaders make documents, chunkers cut them, citations find their way back through [`SourceMap`]. All ranges are
//! byte ranges of [`Document::text`] unless a name says `source`.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// HTML.
    Html,
    /// PDF with a text layer.
    Pdf,
    /// Word.
    Docx,
    /// Source code; the language is in [`Document::language`].
    Code,
    /// One JSON value.
    Json,
    /// One JSON value a line.
    Jsonl,
    /// Rows of comma-separated values.
    Csv,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 9] =
        [Self::Text, Self::Markdown, Self::Html, Self::Pdf, Self::Docx, Self::Code, Self::Json, Self::Jsonl, Self::Csv];

    /// Returns the name used in filters and in JSON: `markdown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Code => "code",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// Finds a format by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// A loaded document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What the file is.
    pub format: Format,
    /// The text that is chunked, searched and quoted.
    pub text: String,
    /// The title: front matter, first heading, `<title>`, document properties; else none.
    pub title: Option<String>,
    /// Tags from front matter and `#tags`, without `#`, in order of appearance, each once.
    pub tags: Vec<String>,
    /// Targets of `[[wiki links]]`, in order of appearance, each once.
    pub links: Vec<String>,
    /// The date the document itself states (front matter, properties), as `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Programming language of source code: `rust`, `python`.
    pub language: Option<String>,
    /// Structure, in text order. Ranges do not overlap and lie on character boundaries. What no block covers
    /// (front matter, markup between blocks, white space) is not indexed.
    pub blocks: Vec<Block>,
    /// Headings in text order. A section reaches from its heading to the next heading of the same or a higher rank.
    pub sections: Vec<Section>,
    /// The way back to the bytes of the file.
    pub source: SourceMap,
    /// What a person should know about this load: `pages 3-5 have no text (scans?); they need OCR`.
    pub warnings: Vec<Warning>,
}

/// A unit of structure that chunkers keep whole when it fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it lies in the text.
    pub range: Range<usize>,
    /// What it is.
    pub kind: BlockKind,
}

/// The kinds of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading's own line.
    Heading,
    /// Running text.
    Paragraph,
    /// One item of a list, with its marker.
    ListItem,
    /// A whole table.
    Table,
    /// A code listing inside prose.
    Listing,
    /// An item of source code (function, class, …) with the comments above it.
    CodeItem,
    /// One record of a data file: a CSV row, a JSONL line, a member of a JSON value.
    Record,
}

/// A heading and what it governs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// From the heading's first byte to the end of the section.
    pub range: Range<usize>,
    /// Rank: 1 is the highest. In code: nesting depth of the item.
    pub rank: u8,
    /// The heading's text, without markup; in code the item's name (`impl Index`, `fn open`).
    pub title: String,
}

/// How offsets in the text map to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceMap {
    /// The text *is* the file, byte for byte.
    Same,
    /// The text was taken from the file in pieces (HTML, other encodings than UTF-8).
    Pieces(Vec<Piece>),
    /// The file is paged (PDF): page `i` starts at text offset `starts[i]`; the first page is page 1.
    Pages {
        /// Text offsets, ascending.
        starts: Vec<usize>,
    },
    /// Only headings lead back (DOCX).
    Headings,
}

/// A run of text and the run of source bytes it came from. Pieces are in ascending order in both. Where both lengths
/// are equal offsets map one to one, else the text run maps to the source run as a whole (an entity, a character of
/// another encoding).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Range in the text.
    pub text: Range<usize>,
    /// Range in the file.
    pub source: Range<usize>,
    /// Line of the file on which `source` starts, from 1.
    pub line: u32,
}

/// Something less than perfect about a load that still gave a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// These pages (from 1) have no text layer.
    NeedsOcr {
        /// Page numbers, ascending.
        pages: Vec<u32>,
    },
    /// The text was not UTF-8 and was decoded from this encoding.
    Decoded {
        /// Name of the encoding: `windows-1252`.
        encoding: String,
        /// Characters that could not be decoded and read `U+FFFD`.
        replaced: u64,
    },
    /// Anything else, in words.
    Other {
        /// The words.
        message: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsOcr { pages } => write!(f, "{} without text (scans?): needs OCR", page_list(pages)),
            Self::Decoded { encoding, replaced: 0 } => write!(f, "read as {encoding}"),
            Self::Decoded { encoding, replaced } => {
                write!(f, "read as {encoding}; {replaced} characters could not be decoded")
            }
            Self::Other { message } => f.write_str(message),
        }
    }
}

/// Writes ascending page numbers as runs: `page 3`, `pages 1-3, 7`.
fn page_list(pages: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &page in pages {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => runs.push((page, page)),
        }
    }
    let run = |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let runs: Vec<String> = runs.iter().map(run).collect();
    format!("page{} {}", if pages.len() == 1 { "" } else { "s" }, runs.join(", "))
}

impl Document {
    /// Makes a document of one format from its text, with no structure yet and the text being the file itself.
    #[must_use]
    pub fn new(format: Format, text: String) -> Self {
        Self {
            format,
            text,
            title: None,
            tags: Vec::new(),
            links: Vec::new(),
            date: None,
            language: None,
            blocks: Vec::new(),
            sections: Vec::new(),
            source: SourceMap::Same,
            warnings: Vec::new(),
        }
    }

    /// Copies everything but the text.
    #[must_use]
    pub(crate) fn layout(&self) -> Self {
        Self {
            format: self.format,
            text: String::new(),
            title: self.title.clone(),
            tags: self.tags.clone(),
            links: self.links.clone(),
            date: self.date.clone(),
            language: self.language.clone(),
            blocks: self.blocks.clone(),
            sections: self.sections.clone(),
            source: self.source.clone(),
            warnings: self.warnings.clone(),
        }
    }

    /// Returns the titles of the sections that contain an offset, outermost first.
    #[must_use]
    pub fn heading_path(&self, offset: usize) -> Vec<&str> {
        let open = self.sections.iter().take_while(|section| section.range.start <= offset);
        open.filter(|section| offset < section.range.end).map(|section| section.title.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_read_as_runs() {
        let says = |pages: &[u32]| Warning::NeedsOcr { pages: pages.to_vec() }.to_string();
        assert_eq!(says(&[3]), "page 3 without text (scans?): needs OCR");
        assert_eq!(says(&[1, 2, 3, 7]), "pages 1-3, 7 without text (scans?): needs OCR");
    }
}
