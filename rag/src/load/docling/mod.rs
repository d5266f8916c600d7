//! PDF and DOCX, through the `docling` crates. `docx` walks the item tree that docling builds; `pdf` takes lines with
//! their boxes from docling's text layer and `layout` puts them into reading order. Both write through `Composer`.

mod docx;
mod layout;
mod pdf;
#[cfg(test)]
mod tests;

use std::path::Path;

use lorewell_model::{Error, Kind};

pub use self::docx::Docx;
pub use self::pdf::Pdf;
use crate::document::{Block, BlockKind, Section};

/// The title and the date that a document's properties state.
#[derive(Debug, Default)]
struct Properties {
    title: Option<String>,
    date: Option<String>,
}

/// Puts a document's text together, block by block.
#[derive(Debug, Default)]
struct Composer {
    text: String,
    blocks: Vec<Block>,
    sections: Vec<Section>,
}

impl Composer {
    /// Adds a block on lines of its own; nothing if there is nothing to read in it.
    fn push(&mut self, kind: BlockKind, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let last = self.blocks.last().map(|block| &block.kind);
        let together = kind == BlockKind::ListItem && last == Some(&kind);
        if !self.text.is_empty() {
            self.text.push_str(if together { "\n" } else { "\n\n" });
        }
        let start = self.text.len();
        self.text.extend(text.chars().filter(|c| !is_noise(*c)));
        self.blocks.push(Block { range: start..self.text.len(), kind });
    }

    /// Adds a heading, which ends the sections of its rank and below.
    fn push_heading(&mut self, rank: u8, text: &str) {
        let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let before = self.blocks.len();
        self.push(BlockKind::Heading, &title);
        if let Some(block) = self.blocks.get(before) {
            let title = self.text[block.range.clone()].to_owned();
            self.sections.push(Section { range: block.range.clone(), rank, title });
        }
    }

    /// Lets every section reach to where it ends.
    fn finish(mut self) -> (String, Vec<Block>, Vec<Section>) {
        let mut ends = vec![(0u8, self.text.len())]; // rank and start of the headings that follow, highest rank first
        for section in self.sections.iter_mut().rev() {
            while ends.last().is_some_and(|(rank, _)| *rank > section.rank) {
                ends.pop();
            }
            let (_, end) = ends.last().expect("rank 0 is above all headings");
            let start = section.range.start;
            section.range.end = *end;
            ends.push((section.rank, start));
        }
        (self.text, self.blocks, self.sections)
    }
}

/// Tells whether a character is a left-over of a file format: controls other than line breaks and tabs, and the mark
/// that parsers put for a glyph without a meaning.
fn is_noise(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{feff}'
}

/// Takes the day from a date that a file states, if it is one: `2024-02-30T…` is not.
fn day(stated: &str) -> Option<String> {
    let day: jiff::civil::Date = stated.get(..10)?.parse().ok()?;
    Some(day.to_string())
}

/// Keeps a title that says something; writers fill in `untitled` and the like, or leave spaces.
fn telling(title: &str) -> Option<String> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let says_nothing = title.is_empty() || title.eq_ignore_ascii_case("untitled");
    (!says_nothing).then_some(title)
}

fn damaged(path: &Path, what: &str, why: &str) -> Error {
    let message = format!("`{}` is not {what} or is damaged ({why}); open and save it again", path.display());
    Error::new(Kind::BadInput, message)
}

fn encrypted(path: &Path) -> Error {
    let message = format!("`{}` is encrypted; save a copy without a password", path.display());
    Error::new(Kind::Refused, message)
}
