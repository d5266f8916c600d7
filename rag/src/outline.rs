//! The sections of a document as a tree that is quick to ask: which section is an offset in, and under which headings.
//!
//! [`Document::heading_path`](crate::document::Document::heading_path) reads all sections at every call, which is too
//! slow for a caller that asks once per chunk of a document with many headings.

use crate::document::Section;

/// The section tree. Sections are numbered by their place in the document's list.
#[derive(Debug, Clone)]
pub(crate) struct Outline<'a> {
    sections: &'a [Section],
    parents: Vec<Option<usize>>,
}

impl<'a> Outline<'a> {
    /// Reads the nesting off the ranges.
    pub(crate) fn new(sections: &'a [Section]) -> Self {
        let mut open: Vec<usize> = Vec::new();
        let mut parents = Vec::with_capacity(sections.len());
        for (index, section) in sections.iter().enumerate() {
            while open.last().is_some_and(|&last| sections[last].range.end <= section.range.start) {
                open.pop();
            }
            parents.push(open.last().copied());
            open.push(index);
        }
        Self { sections, parents }
    }

    /// Returns the innermost section that contains an offset.
    pub(crate) fn innermost(&self, offset: usize) -> Option<usize> {
        let started = self.sections.partition_point(|section| section.range.start <= offset);
        let mut at = started.checked_sub(1);
        while let Some(index) = at.filter(|&index| self.sections[index].range.end <= offset) {
            at = self.parents[index];
        }
        at
    }

    /// Returns the section around a section.
    pub(crate) fn parent(&self, section: usize) -> Option<usize> {
        self.parents[section]
    }

    /// Tells whether `section` is `ancestor` or lies within it.
    pub(crate) fn is_within(&self, section: usize, ancestor: usize) -> bool {
        let mut at = Some(section);
        while let Some(index) = at.filter(|&index| index > ancestor) {
            at = self.parents[index];
        }
        at == Some(ancestor)
    }

    /// Returns the titles of the sections that contain an offset, outermost first.
    pub(crate) fn path(&self, offset: usize) -> Vec<String> {
        let mut titles = Vec::new();
        let mut at = self.innermost(offset);
        while let Some(index) = at {
            titles.push(self.sections[index].title.clone());
            at = self.parents[index];
        }
        titles.reverse();
        titles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Format};

    fn section(range: std::ops::Range<usize>, rank: u8, title: &str) -> Section {
        Section { range, rank, title: title.into() }
    }

    #[test]
    fn it_agrees_with_the_document() {
        let mut document = Document::new(Format::Text, "x".repeat(40));
        document.sections = vec![
            section(2..20, 1, "a"),
            section(4..10, 2, "a1"),
            section(6..10, 3, "a11"),
            section(10..20, 2, "a2"),
            section(20..30, 1, "b"),
            section(22..30, 4, "b1"),
        ];
        let outline = Outline::new(&document.sections);
        for offset in 0..40 {
            assert_eq!(outline.path(offset), document.heading_path(offset), "at {offset}");
        }
        assert_eq!(outline.innermost(7), Some(2));
        assert_eq!(outline.innermost(35), None);
        assert_eq!((outline.parent(2), outline.parent(4)), (Some(1), None));
        assert!(outline.is_within(2, 0) && outline.is_within(3, 3) && !outline.is_within(3, 1));
    }
}
