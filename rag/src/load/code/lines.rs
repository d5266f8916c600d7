//! The lines of a file, found once: items, comments and containers ask for theirs by the thousand, and a line may be as
//! long as the file.

use std::ops::Range;

/// Where the lines of a text are.
#[derive(Debug)]
pub(super) struct Lines(Vec<Line>);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it starts.
    pub(super) start: usize,
    /// The line without the white space around it; empty, at its end, if there is nothing else.
    pub(super) words: Range<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let mut at = 0;
        // What follows the last line break is a line, too, if an empty one.
        let lines = text.split('\n').map(|line| {
            let start = at;
            at += line.len() + 1;
            let from = start + (line.len() - line.trim_start().len());
            Line { start, words: from..from + line.trim().len() }
        });
        Self(lines.collect())
    }

    /// Returns the number of the line that an offset is in, from 0.
    pub(super) fn number(&self, at: usize) -> usize {
        self.0.partition_point(|line| line.start <= at) - 1
    }

    /// Returns the line that an offset is in.
    pub(super) fn of(&self, at: usize) -> &Line {
        &self.0[self.number(at)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_known_by_any_offset_in_them() {
        let lines = Lines::new("a\n  b \r\n \n\nc");
        let of = |at| (lines.number(at), lines.of(at).start, lines.of(at).words.clone());
        assert_eq!([of(0), of(1)], [(0, 0, 0..1), (0, 0, 0..1)]);
        assert_eq!([of(2), of(7)], [(1, 2, 4..5), (1, 2, 4..5)]);
        assert_eq!(of(8), (2, 8, 9..9));
        assert_eq!(of(10), (3, 10, 10..10));
        assert_eq!([of(11), of(12)], [(4, 11, 11..12), (4, 11, 11..12)]);
        assert_eq!(Lines::new("").of(0), &Line { start: 0, words: 0..0 });
    }
}
