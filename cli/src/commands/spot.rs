//! Where in the text of a document a reference leads: to its page, section or lines, and within them to the words that
//! were quoted. Apart from `show` because it needs no index and no disk.

use std::ops::{Range, RangeInclusive};

use lorewell::rag::answer::citation::{Verdict, check};
use lorewell::rag::document::{Document, SourceMap};
use lorewell::rag::place::Place;

/// Returns the bytes of the text that lines of the file, a page or a section take; none if there is no such.
pub(super) fn range_of(document: &Document, place: &Place) -> Option<Range<usize>> {
    let text = &document.text;
    match &document.source {
        SourceMap::Same => {
            let lines = place.lines.as_ref()?;
            let starts = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
            let start = starts().nth((*lines.start() as usize).checked_sub(1)?)?;
            Some(start..starts().nth(*lines.end() as usize).unwrap_or(text.len()))
        }
        SourceMap::Pieces(pieces) => {
            let lines = place.lines.as_ref()?;
            let first = pieces.partition_point(|piece| piece.line < *lines.start());
            let after = pieces.partition_point(|piece| piece.line <= *lines.end());
            // The piece before may reach into the first line.
            let start = pieces.get(first.saturating_sub(1))?.text.start;
            Some(start..pieces[..after].last()?.text.end)
        }
        SourceMap::Pages { starts } => {
            let page = place.page? as usize;
            let start = *starts.get(page.checked_sub(1)?)?;
            Some(start..starts.get(page).copied().unwrap_or(text.len()))
        }
        SourceMap::Headings => {
            let wanted = place.headings.join(" > ");
            let is_wanted = |start: usize| document.heading_path(start).join(" > ") == wanted;
            document.sections.iter().map(|section| section.range.clone()).find(|range| is_wanted(range.start))
        }
        _ => None,
    }
}

/// Finds what was quoted, expected within a range, and returns what all of it spans; none if the text says none of it.
pub(super) fn quoted(text: &str, quotes: &[String], expected: &Range<usize>) -> Option<Range<usize>> {
    let found = quotes.iter().filter_map(|quote| find(text, quote, expected));
    found.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
}

fn find(text: &str, quote: &str, expected: &Range<usize>) -> Option<Range<usize>> {
    if let Some(at) = text.get(expected.clone()).and_then(|expected| expected.find(quote)) {
        return Some(expected.start + at..expected.start + at + quote.len());
    }
    match check(quote, text, expected.clone()) {
        Verdict::Verified { range } | Verdict::Moved { range } => Some(range),
        Verdict::Unsupported | _ => None,
    }
}

/// Returns the lines of a text that a range touches, from 1.
pub(super) fn lines_of(text: &str, range: &Range<usize>) -> RangeInclusive<u32> {
    let line = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
    let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
    number(line(range.start))..=number(line(range.end.saturating_sub(1).max(range.start)))
}

#[cfg(test)]
mod tests {
    use lorewell::rag::document::{Format, Piece, Section};

    use super::*;

    fn lines(lines: RangeInclusive<u32>) -> Place {
        Place { lines: Some(lines), ..Place::default() }
    }

    fn check(document: &Document, place: &Place, expected: Option<&str>) {
        assert_eq!(range_of(document, place).map(|range| &document.text[range]), expected, "{place:?}");
    }

    #[test]
    fn lines_pages_and_sections_are_found() {
        let mut document = Document::new(Format::Text, "one\ntwo\nthree".into());
        check(&document, &lines(2..=2), Some("two\n"));
        check(&document, &lines(2..=9), Some("two\nthree"));
        check(&document, &lines(4..=4), None);
        document.source = SourceMap::Pages { starts: vec![0, 4, 8] };
        let page = |page| Place { page: Some(page), ..Place::default() };
        check(&document, &page(2), Some("two\n"));
        check(&document, &page(3), Some("three"));
        check(&document, &page(4), None);
        check(&document, &page(0), None);
        document.source = SourceMap::Pieces(vec![
            Piece { text: 0..4, source: 3..7, line: 1 },
            Piece { text: 4..8, source: 17..21, line: 5 },
            Piece { text: 8..13, source: 27..32, line: 7 },
        ]);
        check(&document, &lines(7..=7), Some("two\nthree"));
        check(&document, &lines(1..=5), Some("one\ntwo\n"));
        check(&document, &lines(1..=1), Some("one\n"));
        document.source = SourceMap::Headings;
        document.sections = vec![
            Section { range: 0..13, rank: 1, title: "one".into() },
            Section { range: 4..13, rank: 2, title: "two".into() },
        ];
        let section = |title: &str| Place { headings: vec![title.to_owned()], ..Place::default() };
        check(&document, &section("one > two"), Some("two\nthree"));
        check(&document, &section("two"), None);
    }

    #[test]
    fn a_quotation_is_found_where_it_is_expected_first() {
        let text = "The fee is 3 euros.\n\nThe key is green.\n\nThe fee is 3 euros.\n";
        let quotes = |quotes: &[&str]| quotes.iter().map(|quote| (*quote).to_owned()).collect::<Vec<String>>();
        let lines = |quoted: Option<Range<usize>>| quoted.map(|range| lines_of(text, &range));
        let fee = quotes(&["The fee is 3 euros."]);
        assert_eq!(lines(quoted(text, &fee, &(0..text.len()))), Some(1..=1));
        assert_eq!(lines(quoted(text, &fee, &(40..text.len()))), Some(5..=5));
        assert_eq!(lines(quoted(text, &quotes(&["The key\nis green."]), &(0..4))), Some(3..=3));
        assert_eq!(lines(quoted(text, &quotes(&["The fee is 3 euros.", "The key is green."]), &(0..4))), Some(1..=3));
        assert_eq!(quoted(text, &quotes(&["Nobody has a bicycle of that sort here."]), &(0..4)), None);
    }
}
