//! Cutting text into blocks and headings into sections: what the loaders of text formats have in common, so that
//! a section, a paragraph and a date mean the same in all of them.

use std::ops::Range;

use crate::document::{Block, BlockKind, Section};

/// Shrinks a range so that it neither begins nor ends with white space.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let end = range.start + text[range.clone()].trim_end().len();
    let slice = &text[range.start..end];
    end - slice.trim_start().len()..end
}

/// Shrinks a range to whole lines that are not blank; the indentation of the first one stays.
pub(super) fn trim_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let inner = trim(text, range.clone());
    let indented = text[range.start..inner.start].rfind('\n').map_or(range.start, |at| range.start + at + 1);
    if inner.is_empty() { inner } else { indented..inner.end }
}

/// Cuts a range of text at blank lines.
pub(super) fn paragraphs(text: &str, range: Range<usize>, kind: &BlockKind) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = range.start;
    for line in text[range.clone()].split_inclusive('\n') {
        match (line.trim().is_empty(), open) {
            (true, Some(start)) => {
                blocks.push(Block { range: trim_lines(text, start..at), kind: kind.clone() });
                open = None;
            }
            (false, None) => open = Some(at),
            (true, None) | (false, Some(_)) => {}
        }
        at += line.len();
    }
    if let Some(start) = open {
        blocks.push(Block { range: trim_lines(text, start..range.end), kind: kind.clone() });
    }
    blocks
}

/// A heading where it was met, before it is known how far its section reaches.
#[derive(Debug)]
pub(super) struct Heading {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Rank: 1 is the highest.
    pub(super) rank: u8,
    /// Its text, without markup.
    pub(super) title: String,
}

/// Closes each heading's section at the next heading of the same or a higher rank, or at the end.
pub(super) fn sections(headings: Vec<Heading>, end: usize) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::with_capacity(headings.len());
    let mut open: Vec<usize> = Vec::new(); // ranks ascend, so there are never more than 255
    for Heading { start, rank, title } in headings {
        while let Some(last) = open.pop_if(|last| sections[*last].rank >= rank) {
            sections[last].range.end = start;
        }
        open.push(sections.len());
        sections.push(Section { range: start..end, rank, title });
    }
    sections
}

/// Tags, or links, that are taken from one document. People use dozens; each is compared with all before it, so a
/// file of nothing but tags must end somewhere.
const WORDS_MAX: usize = 4096;

/// Adds a word to a list in which each stands once.
pub(super) fn add_once(words: &mut Vec<String>, word: &str) {
    if !word.is_empty() && words.len() < WORDS_MAX && !words.iter().any(|known| known == word) {
        words.push(word.to_owned());
    }
}

/// Turns `2026-03-01`, alone or at the start of a longer timestamp, into a date.
pub(super) fn date(text: &str) -> Option<String> {
    let day = text.trim().get(..10)?;
    day.parse::<jiff::civil::Date>().ok().map(|date| date.to_string())
}
