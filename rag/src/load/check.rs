//! What must hold of every loaded document, whatever the bytes were. Chunking, search and citations rely on it, so
//! each load is checked, and again what a worker process hands over; the cost is a pass over the structure, not over
//! the text.

use std::ops::Range;

use crate::document::{Document, Piece, SourceMap};

/// Returns what is wrong with a document that was loaded from `source`.
pub(crate) fn check(document: &Document, source: &[u8]) -> Result<(), String> {
    match &document.source {
        SourceMap::Same if document.text.as_bytes() != source => Err("the text is not the file".to_owned()),
        _ => check_structure(document, source.len()),
    }
}

/// Returns what is wrong with a document that was loaded from a source of a length, without a look at its bytes.
pub(crate) fn check_structure(document: &Document, source_bytes: usize) -> Result<(), String> {
    check_blocks(document)?;
    check_sections(document)?;
    match &document.source {
        SourceMap::Pieces(pieces) => check_pieces(pieces, &document.text, source_bytes),
        SourceMap::Pages { starts } if !starts.is_sorted() => Err("pages do not ascend".to_owned()),
        SourceMap::Pages { starts } => match starts.iter().find(|start| !document.text.is_char_boundary(**start)) {
            Some(start) => Err(format!("a page starts at {start}, which is no place in the text")),
            None => Ok(()),
        },
        SourceMap::Same | SourceMap::Headings => Ok(()),
    }
}

fn check_blocks(document: &Document) -> Result<(), String> {
    let mut end = 0;
    for (index, block) in document.blocks.iter().enumerate() {
        if block.range.start < end {
            return Err(format!("block {index} starts at {} before {end}", block.range.start));
        }
        if is_blank(&document.text, &block.range)? {
            return Err(format!("block {index} is blank"));
        }
        end = block.range.end;
    }
    Ok(())
}

fn check_sections(document: &Document) -> Result<(), String> {
    let mut start = 0;
    for (index, section) in document.sections.iter().enumerate() {
        slice(&document.text, &section.range)?;
        if section.range.start < start {
            return Err(format!("section {index} starts at {} before {start}", section.range.start));
        }
        start = section.range.start;
    }
    Ok(())
}

fn check_pieces(pieces: &[Piece], text: &str, source_bytes: usize) -> Result<(), String> {
    let (mut text_end, mut source_start, mut line) = (0, 0, 1);
    for (index, piece) in pieces.iter().enumerate() {
        slice(text, &piece.text)?;
        if piece.text.start != text_end || piece.text.is_empty() {
            return Err(format!("piece {index} covers {:?} and not the text from {text_end}", piece.text));
        }
        let is_inside = piece.source.start <= piece.source.end && piece.source.end <= source_bytes;
        if !is_inside || piece.source.start < source_start || piece.line < line {
            return Err(format!("piece {index} comes from {:?}, line {}", piece.source, piece.line));
        }
        (text_end, source_start, line) = (piece.text.end, piece.source.start, piece.line);
    }
    if text_end == text.len() { Ok(()) } else { Err(format!("no piece covers the text from {text_end}")) }
}

fn is_blank(text: &str, range: &Range<usize>) -> Result<bool, String> {
    slice(text, range).map(|slice| slice.trim().is_empty())
}

fn slice<'a>(text: &'a str, range: &Range<usize>) -> Result<&'a str, String> {
    text.get(range.clone()).ok_or_else(|| format!("{range:?} is no slice of {} bytes", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Block, BlockKind, Format, Section};

    fn broken(change: impl FnOnce(&mut Document)) -> String {
        let mut document = Document::new(Format::Text, "é b".to_owned());
        change(&mut document);
        check(&document, "é b".as_bytes()).expect_err("the document is broken")
    }

    fn block(range: Range<usize>) -> Block {
        Block { range, kind: BlockKind::Paragraph }
    }

    #[test]
    fn it_finds_what_is_wrong() {
        assert_eq!(check(&Document::new(Format::Text, "é b".to_owned()), "é b".as_bytes()), Ok(()));
        assert_eq!(broken(|d| d.text.push('!')), "the text is not the file");
        assert_eq!(broken(|d| d.blocks = vec![block(0..1)]), "0..1 is no slice of 4 bytes");
        assert_eq!(broken(|d| d.blocks = vec![block(2..3)]), "block 0 is blank");
        assert_eq!(broken(|d| d.blocks = vec![block(0..4), block(3..4)]), "block 1 starts at 3 before 4");
        let section = |start| Section { range: start..4, rank: 1, title: String::new() };
        assert_eq!(broken(|d| d.sections = vec![section(2), section(0)]), "section 1 starts at 0 before 2");
        let piece = |text, source| Piece { text, source, line: 1 };
        assert_eq!(broken(|d| d.source = SourceMap::Pieces(vec![])), "no piece covers the text from 0");
        assert_eq!(
            broken(|d| d.source = SourceMap::Pieces(vec![piece(0..2, 0..2), piece(3..4, 3..4)])),
            "piece 1 covers 3..4 and not the text from 2"
        );
        assert_eq!(
            broken(|d| d.source = SourceMap::Pieces(vec![piece(0..4, 3..9)])),
            "piece 0 comes from 3..9, line 1"
        );
        assert_eq!(broken(|d| d.source = SourceMap::Pages { starts: vec![3, 2] }), "pages do not ascend");
        for start in [1, 5] {
            assert_eq!(
                broken(|d| d.source = SourceMap::Pages { starts: vec![0, start] }),
                format!("a page starts at {start}, which is no place in the text")
            );
        }
    }
}
