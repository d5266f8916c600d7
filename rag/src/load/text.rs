//! Plain text, and source code whose structure is not known. The text is the file; blank lines part its blocks.
//! Headings are not guessed: an all-capitals line is as often a warning or a shout.

use std::path::Path;

use lorewell_model::Result;

use super::decode::decode;
use super::{Load, outline};
use crate::document::{BlockKind, Document, Format};

/// Loads plain text: a block a paragraph.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Load for Text {
    fn load(&self, _path: &Path, bytes: &[u8]) -> Result<Document> {
        Ok(parted(bytes, Format::Text, &BlockKind::Paragraph))
    }
}

/// Loads source code of any language by its lines: a block for each run of lines without a blank one.
#[derive(Debug, Clone, Copy, Default)]
pub struct CodeLines;

impl Load for CodeLines {
    fn load(&self, _path: &Path, bytes: &[u8]) -> Result<Document> {
        Ok(parted(bytes, Format::Code, &BlockKind::Listing))
    }
}

fn parted(bytes: &[u8], format: Format, kind: &BlockKind) -> Document {
    let mut document = decode(bytes).document(format);
    document.blocks = outline::paragraphs(&document.text, 0..document.text.len(), kind);
    document
}
