//! Building a [`SourceMap::Pieces`](crate::document::SourceMap::Pieces). Pieces made here tile the text: every byte of
//! it lies in exactly one, so an offset always leads somewhere. A one-to-one piece holds the same line ends as its
//! source and other pieces end at a line end at the latest, so the line of an offset is the line of its piece plus
//! the line ends before it in the piece.

use std::ops::Range;

use crate::document::Piece;

/// Collects pieces in the order of the text, merging neighbours where nothing is lost.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    last_is_exact: bool,
}

impl Pieces {
    /// Adds a run whose bytes map one to one.
    pub(super) fn push_exact(&mut self, source: Range<usize>, line: u32) {
        let text_start = self.text_end();
        let text = text_start..text_start + source.len();
        match self.pieces.last_mut() {
            Some(last) if self.last_is_exact && last.source.end == source.start => {
                last.text.end = text.end;
                last.source.end = source.end;
            }
            _ if source.is_empty() => {}
            _ => {
                self.pieces.push(Piece { text, source, line });
                self.last_is_exact = true;
            }
        }
    }

    /// Adds a run that maps to a run of the source as a whole.
    pub(super) fn push_whole(&mut self, text_bytes: usize, source: Range<usize>, line: u32) {
        if text_bytes > 0 {
            let text_start = self.text_end();
            self.pieces.push(Piece { text: text_start..text_start + text_bytes, source, line });
            self.last_is_exact = false;
        }
    }

    /// Returns the pieces.
    pub(super) fn finish(self) -> Vec<Piece> {
        self.pieces
    }

    fn text_end(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.text.end)
    }
}

/// Counts lines along ascending offsets, each byte once.
#[derive(Debug)]
pub(super) struct LineCounter<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u32,
}

impl<'a> LineCounter<'a> {
    /// Starts on line 1.
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), offset: 0, line: 1 }
    }

    /// Returns the line, from 1, of an offset that is not before the one asked for last.
    pub(super) fn line(&mut self, offset: usize) -> u32 {
        if let Some(passed) = self.bytes.get(self.offset..offset) {
            let lines = passed.iter().filter(|byte| **byte == b'\n').count();
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.offset = offset;
        }
        self.line
    }
}

/// Chains two maps: text → middle (`outer`) and middle → file (`inner`, tiling `middle`) give text → file.
pub(super) fn chain(outer: &[Piece], middle: &str, inner: &[Piece]) -> Vec<Piece> {
    let mut chained = Pieces::default();
    let mut lines = LineCounter::new(middle);
    for piece in outer {
        if piece.text.len() != piece.source.len() {
            let source = whole_source(&piece.source, inner);
            chained.push_whole(piece.text.len(), source, piece.line);
            continue;
        }
        let mut at = piece.source.start;
        while at < piece.source.end {
            let Some(part) = inner.get(piece_at(inner, at)) else { break };
            let end = part.text.end.min(piece.source.end);
            if part.text.len() == part.source.len() {
                let start = part.source.start + (at - part.text.start);
                chained.push_exact(start..start + (end - at), lines.line(at));
            } else {
                chained.push_whole(end - at, part.source.clone(), lines.line(at));
            }
            at = end;
        }
    }
    chained.finish()
}

/// Returns the source of everything between two offsets of the text.
fn whole_source(range: &Range<usize>, pieces: &[Piece]) -> Range<usize> {
    let offset = |at: usize, at_end: bool| {
        let Some(piece) = pieces.get(piece_at(pieces, at)) else { return 0 };
        match (piece.text.len() == piece.source.len(), at_end) {
            (true, _) => piece.source.start + (at - piece.text.start) + usize::from(at_end),
            (false, true) => piece.source.end,
            (false, false) => piece.source.start,
        }
    };
    match range.is_empty() {
        true => {
            let at = if range.start == 0 { offset(0, false) } else { offset(range.start - 1, true) };
            at..at
        }
        false => offset(range.start, false)..offset(range.end - 1, true),
    }
}

/// Returns the index of the piece that holds an offset of the text.
fn piece_at(pieces: &[Piece], at: usize) -> usize {
    pieces.partition_point(|piece| piece.text.end <= at)
}
