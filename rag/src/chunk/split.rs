//! Breaks what is too large into pieces that fit: at blank lines, lines, sentences, words, and inside a word at last.
//! Sizes are counted here, each byte a bounded number of times.

use std::ops::Range;

use crate::chunk::CountTokens;
use crate::document::{Block, BlockKind, Document, Format};
use crate::sentences::{sentences, trimmed};

/// Where a text may be cut, from coarse to fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Stanza,
    Line,
    Sentence,
    Word,
}

/// Measures and breaks the text of one document.
pub(super) struct Splitter<'a> {
    text: &'a str,
    count: CountTokens<'a>,
    max: usize,
}

// A tokenizer may read any long run of characters as one unknown token (WordPiece: beyond 100), yet it takes room in
// an answer. Real text has 3 to 5 bytes a token, CJK 3.
const TOKEN_BYTES_MAX: usize = 16;

impl<'a> Splitter<'a> {
    pub(super) fn new(document: &'a Document, count: CountTokens<'a>, max: usize) -> Self {
        Self { text: &document.text, count, max }
    }

    /// Emits the pieces of a range, each at most `limit` in size, cut no finer than needed.
    pub(super) fn split(&self, range: Range<usize>, levels: &[Level], limit: usize, emit: Emit<'_>) {
        let range = trimmed(self.text, range);
        if range.is_empty() {
            return;
        }
        if let Some(size) = self.fitting(range.clone(), limit) {
            emit(range, size);
        } else if let Some((level, finer)) = levels.split_first() {
            level.parts(self.text, range, &mut |part| self.split(part, finer, limit, emit));
        } else {
            self.halve(range, limit, emit);
        }
    }

    /// Emits every part of a range at a level; parts that do not fit alone are cut at the finer levels.
    pub(super) fn split_all(&self, range: Range<usize>, level: Level, finer: &[Level], emit: Emit<'_>) {
        level.parts(self.text, range, &mut |part| self.split(part, finer, self.max, emit));
    }

    /// Returns the size of what lies between two pieces. White space is free while it is short.
    pub(super) fn gap(&self, range: Range<usize>) -> usize {
        let text = &self.text[range];
        let bytes = text.len() / TOKEN_BYTES_MAX;
        if text.trim().is_empty() { bytes } else { bytes.max((self.count)(text)) }
    }

    /// Returns the size of a range in tokens if it is within the limit.
    fn fitting(&self, range: Range<usize>, limit: usize) -> Option<usize> {
        let bytes = range.len().div_ceil(TOKEN_BYTES_MAX);
        if bytes > limit {
            return None; // without counting: this is what keeps a huge block linear
        }
        let size = bytes.max((self.count)(&self.text[range]));
        (size <= limit).then_some(size)
    }

    /// Cuts a run without white space in the middle until its parts fit or are single characters.
    fn halve(&self, range: Range<usize>, limit: usize, emit: Emit<'_>) {
        let text = &self.text[range.clone()];
        let first = text.chars().next().map_or(0, char::len_utf8);
        if first == text.len() {
            emit(range, (self.count)(text).max(1));
            return;
        }
        let middle = range.start + text.floor_char_boundary(text.len() / 2).max(first);
        for half in [range.start..middle, middle..range.end] {
            match self.fitting(half.clone(), limit) {
                Some(size) => emit(half, size),
                None => self.halve(half, limit, emit),
            }
        }
    }
}

/// Takes a piece and its size.
pub(super) type Emit<'e> = &'e mut dyn FnMut(Range<usize>, usize);

impl Level {
    /// Tiles a range with its parts at this level.
    fn parts(self, text: &str, range: Range<usize>, each: &mut dyn FnMut(Range<usize>)) {
        let slice = &text[range.clone()];
        let mut start = range.start;
        let mut cut = |at: usize| {
            if at > start {
                each(start..at);
                start = at;
            }
        };
        match self {
            Self::Stanza => stanza_starts(slice, |at| cut(range.start + at)),
            Self::Line => slice.match_indices('\n').for_each(|(at, _)| cut(range.start + at + 1)),
            Self::Sentence => sentence_starts(slice, |at| cut(range.start + at)),
            Self::Word => word_starts(slice, |at| cut(range.start + at)),
        }
        cut(range.end);
    }
}

fn stanza_starts(text: &str, mut cut: impl FnMut(usize)) {
    let (mut at, mut after_blank) = (0, false);
    for line in text.split_inclusive('\n') {
        let is_blank = line.trim().is_empty();
        if after_blank && !is_blank {
            cut(at);
        }
        after_blank = is_blank;
        at += line.len();
    }
}

/// Cuts before each sentence; a list marker or `#` before it on its line goes with it.
fn sentence_starts(text: &str, mut cut: impl FnMut(usize)) {
    let mut sentences = sentences(text).into_iter();
    let Some(first) = sentences.next() else { return };
    let mut end = first.end;
    for sentence in sentences {
        let between = &text[end..sentence.start];
        cut(between.rfind('\n').map_or(sentence.start, |newline| end + newline + 1));
        end = sentence.end;
    }
}

fn word_starts(text: &str, mut cut: impl FnMut(usize)) {
    let mut after_space = false;
    for (at, c) in text.char_indices() {
        if after_space && !c.is_whitespace() {
            cut(at);
        }
        after_space = c.is_whitespace();
    }
}

/// Tells whether a block must share its chunk with no other: a line of JSONL is a document of its own.
pub(super) fn stands_alone(document: &Document, block: &Block) -> bool {
    block.kind == BlockKind::Record && document.format == Format::Jsonl
}
