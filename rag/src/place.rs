//! Where a passage stands in its file: lines, page or heading, as a citation shows it.
//!
//! The four kinds of [`SourceMap`] lead back to different things; this is the one place that knows.

use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::document::{Document, Piece, SourceMap};
use crate::outline::Outline;

/// Where a passage stands in its file, as exactly as the format allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Lines of the file, from 1.
    pub lines: Option<RangeInclusive<u32>>,
    /// The page on which the passage begins, from 1.
    pub page: Option<u32>,
    /// Titles of the sections around its start, outermost first.
    pub headings: Vec<String>,
    /// Bytes of the file.
    pub source: Option<Range<usize>>,
}

impl Place {
    /// Returns the place that covers both, if they touch or follow on each other: lines with no more than one line
    /// between them, the same page, the same headings.
    pub(crate) fn joined(&self, other: &Self) -> Option<Self> {
        let lines = match (&self.lines, &other.lines) {
            (Some(a), Some(b)) if b.start() <= &(a.end() + 2) && a.start() <= &(b.end() + 2) => {
                Some(*a.start().min(b.start())..=*a.end().max(b.end()))
            }
            (None, None) if self.page == other.page && self.headings == other.headings => None,
            _ => return None,
        };
        let source = match (&self.source, &other.source) {
            (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
            _ => None,
        };
        Some(Self { lines, page: self.page, headings: self.headings.clone(), source })
    }

    /// Writes the reference that people read: `a.md:92-94`, `a.md:31`, `a.pdf p.4`, `a.docx §Terms > Refunds`.
    ///
    /// ```
    /// use lorewell_rag::place::Place;
    ///
    /// let place = Place { lines: Some(92..=94), ..Place::default() };
    /// assert_eq!(place.reference("a.md"), "a.md:92-94");
    /// ```
    #[must_use]
    pub fn reference(&self, path: &str) -> String {
        match (&self.lines, self.page) {
            (Some(lines), _) if lines.start() == lines.end() => format!("{path}:{}", lines.start()),
            (Some(lines), _) => format!("{path}:{}-{}", lines.start(), lines.end()),
            (None, Some(page)) => format!("{path} p.{page}"),
            (None, None) if self.headings.is_empty() => path.to_owned(),
            (None, None) => format!("{path} §{}", self.headings.join(" > ")),
        }
    }
}

/// Finds the [`Place`] of passages of one document. Each look-up costs the logarithm of the document's length.
#[derive(Debug)]
pub struct Places<'a> {
    document: &'a Document,
    outline: Outline<'a>,
    line_starts: Vec<usize>, // of the text, not of the file
}

impl<'a> Places<'a> {
    /// Reads the lines and sections of a document.
    #[must_use]
    pub fn new(document: &'a Document) -> Self {
        let newlines = document.text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { document, outline: Outline::new(&document.sections), line_starts }
    }

    /// Returns where a range of the text stands in the file.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Place {
        let last = range.end.saturating_sub(1).max(range.start);
        let mut place = Place { headings: self.outline.path(range.start), ..Place::default() };
        match &self.document.source {
            SourceMap::Same => {
                place.lines = Some(number(self.line(range.start) + 1)..=number(self.line(last) + 1));
                place.source = Some(range);
            }
            SourceMap::Pieces(pieces) => {
                if let Some((start, end)) = ends(pieces, &range) {
                    let (first, after) = (self.locate(start, range.start), self.locate(end, last));
                    place.lines = Some(first.line..=after.line);
                    place.source = Some(first.source.start..after.source.end);
                }
            }
            SourceMap::Pages { starts } => {
                let page = starts.partition_point(|&start| start <= range.start);
                place.page = Some(number(page.max(1)));
            }
            SourceMap::Headings => {}
        }
        place
    }

    /// Returns the line of the text, from 0, that an offset is in.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset) - 1
    }

    /// Maps one byte of the text to the file.
    fn locate(&self, piece: &Piece, offset: usize) -> Located {
        if piece.text.len() != piece.source.len() {
            return Located { source: piece.source.clone(), line: piece.line };
        }
        let offset = offset.clamp(piece.text.start, piece.text.end.saturating_sub(1).max(piece.text.start));
        let source = piece.source.start + (offset - piece.text.start);
        let newlines = self.line(offset) - self.line(piece.text.start);
        Located { source: source..source + 1, line: piece.line.saturating_add(number(newlines)) }
    }
}

struct Located {
    source: Range<usize>,
    line: u32,
}

/// Returns the pieces that the first and the last byte of a range came from, or the nearest within the range: what a
/// loader put between pieces came from nowhere.
fn ends<'p>(pieces: &'p [Piece], range: &Range<usize>) -> Option<(&'p Piece, &'p Piece)> {
    let first = pieces.partition_point(|piece| piece.text.end <= range.start);
    let after = pieces.partition_point(|piece| piece.text.start < range.end.max(range.start + 1));
    (first < after).then(|| (&pieces[first], &pieces[after - 1]))
}

/// Lines and pages are shown, not computed with, so beyond `u32` the largest number will do.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Format, Section};

    fn check(document: &Document, passage: &str, reference: &str, source: impl Into<Option<Range<usize>>>) {
        let start = document.text.find(passage).expect("the passage is in the text");
        let place = Places::new(document).place(start..start + passage.len());
        assert_eq!(place.reference("f"), reference, "{passage:?}");
        assert_eq!(place.source, source.into(), "{passage:?}");
    }

    #[test]
    fn text_files_have_lines() {
        let document = Document::new(Format::Text, "one\ntwo é\r\n\nfour\nfive".into());
        check(&document, "one", "f:1", 0..3);
        check(&document, "two é", "f:2", 4..10);
        check(&document, "four\nfive", "f:4-5", 13..22);
        check(&document, "one\n", "f:1", 0..4);
        check(&document, "", "f:1", 0..0);
    }

    #[test]
    fn pieces_lead_back_to_lines_of_the_file() {
        // <p>one &amp; two\nthree</p>\n\n<p>four</p>
        let mut document = Document::new(Format::Html, "one & two\nthree\n\nfour".into());
        document.source = SourceMap::Pieces(vec![
            Piece { text: 0..4, source: 3..7, line: 1 },
            Piece { text: 4..5, source: 7..12, line: 1 },
            Piece { text: 5..15, source: 12..22, line: 1 },
            Piece { text: 17..21, source: 31..35, line: 4 },
        ]);
        check(&document, "one", "f:1", 3..6);
        check(&document, "& two", "f:1", 7..16);
        check(&document, "&", "f:1", 7..12);
        check(&document, "two\nthree", "f:1-2", 13..22);
        check(&document, "three\n\nfour", "f:2-4", 17..35);
        check(&document, "\n\nfour", "f:4", 31..35);
        check(&document, "\n\n", "f", None);
    }

    #[test]
    fn paged_files_have_pages() {
        let mut document = Document::new(Format::Pdf, "first second third".into());
        document.source = SourceMap::Pages { starts: vec![0, 6, 13] };
        check(&document, "first", "f p.1", None);
        check(&document, "second third", "f p.2", None);
        check(&document, "third", "f p.3", None);
        document.source = SourceMap::Pages { starts: vec![] };
        check(&document, "third", "f p.1", None);
    }

    #[test]
    fn the_rest_have_headings() {
        let mut document = Document::new(Format::Docx, "Terms Refunds thirty days".into());
        document.source = SourceMap::Headings;
        document.sections = vec![
            Section { range: 0..25, rank: 1, title: "Terms".into() },
            Section { range: 6..25, rank: 2, title: "Refunds".into() },
        ];
        check(&document, "thirty days", "f §Terms > Refunds", None);
        document.sections.clear();
        check(&document, "thirty days", "f", None);
    }
}
