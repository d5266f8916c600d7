//! Packs neighbouring pieces into chunks: the second step of every chunker.
//! It sees pieces one at a time and holds no more than one chunk of them.

use std::ops::Range;

use crate::chunk::Limits;
use crate::chunk::split::Splitter;

/// How a piece hangs on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// They never share a chunk.
    Apart,
    /// They may share a chunk, and a cut between them loses nothing.
    Beside,
    /// They belong together; after a cut between them the next chunk repeats the end of this one.
    Within,
    /// The one before is a heading; it is cut off only if there is no room.
    Under,
}

/// A stretch of text that is not cut further.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) size: usize,
    pub(super) joint: Joint,
}

/// Takes pieces in text order and gives chunks.
pub(super) struct Packer<'a> {
    splitter: &'a Splitter<'a>,
    limits: Limits,
    open: Vec<Held>,
    chunks: Vec<Range<usize>>,
}

struct Held {
    piece: Piece,
    total: usize, // of the chunk, up to and with this piece
}

impl<'a> Packer<'a> {
    pub(super) fn new(splitter: &'a Splitter<'a>, limits: Limits) -> Self {
        Self { splitter, limits, open: Vec::new(), chunks: Vec::new() }
    }

    /// Adds a piece. A chunk is also closed once it has reached `target`, which makes chunks of one size out of a
    /// text instead of full ones and a small rest.
    pub(super) fn push(&mut self, piece: Piece, target: usize) {
        if self.must_close(&piece, target) {
            self.close(&piece);
        }
        self.hold(piece);
    }

    /// Ends the last chunk.
    pub(super) fn finish(mut self) -> Vec<Range<usize>> {
        self.end_chunk();
        self.chunks
    }

    /// Ends the chunk: what comes next shares nothing with it.
    pub(super) fn end_chunk(&mut self) {
        if let (Some(first), Some(last)) = (self.open.first(), self.open.last()) {
            self.chunks.push(first.piece.range.start..last.piece.range.end);
        }
        self.open.clear();
    }

    fn must_close(&self, next: &Piece, target: usize) -> bool {
        let Some(last) = self.open.last() else { return false };
        let is_full = self.total_with(next) > self.limits.max;
        next.joint == Joint::Apart || is_full || (last.total >= target && next.joint != Joint::Under)
    }

    fn total_with(&self, next: &Piece) -> usize {
        self.open.last().map_or(next.size, |last| {
            last.total + self.splitter.gap(last.piece.range.end..next.range.start) + next.size
        })
    }

    fn hold(&mut self, piece: Piece) {
        let total = self.total_with(&piece);
        self.open.push(Held { piece, total });
    }

    fn close(&mut self, next: &Piece) {
        let held = std::mem::take(&mut self.open);
        let (Some(first), Some(last)) = (held.first(), held.last()) else { return };
        self.chunks.push(first.piece.range.start..last.piece.range.end);
        let repeated = self.repeated(&held, next);
        for held in held.into_iter().skip(repeated) {
            self.hold(held.piece);
        }
    }

    /// Returns the index of the first held piece that the next chunk repeats. Never the first of all, so that chunks
    /// move on.
    fn repeated(&self, held: &[Held], next: &Piece) -> usize {
        let Some(end) = held.last().map(|last| last.total) else { return 0 };
        let room = match held.last() {
            Some(last) => {
                let needed = self.splitter.gap(last.piece.range.end..next.range.start) + next.size;
                self.limits.overlap.min(self.limits.max.saturating_sub(needed))
            }
            None => 0,
        };
        let (mut from, mut joint) = (held.len(), next.joint);
        while from > 1 && joint == Joint::Within && end - held[from - 2].total <= room {
            from -= 1;
            joint = held[from].piece.joint;
        }
        from
    }
}
