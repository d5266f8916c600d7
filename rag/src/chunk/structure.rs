//! Follows the document: sections, blocks, then sentences, rows or lines. The default.
//!
//! A *group* is what one section says before its first subsection. Groups become chunks; a group too large for one
//! becomes several of about one size, and small groups under one parent share a chunk.

use crate::chunk::pack::{Joint, Packer, Piece};
use crate::chunk::split::{Level, Splitter, stands_alone};
use crate::chunk::{Chunk, Chunker, ChunkerKind, CountTokens, Limits, with_headings};
use crate::document::{Block, BlockKind, Document};
use crate::outline::Outline;

#[derive(Debug)]
pub(super) struct Structure(pub(super) Limits);

// A group under this part of a chunk says too little to be found alone.
const SMALL_DIVISOR: usize = 4;

impl Chunker for Structure {
    fn fingerprint(&self) -> String {
        self.0.fingerprint(ChunkerKind::Structure, 1)
    }

    fn chunk(&self, document: &Document, count: CountTokens<'_>) -> Vec<Chunk> {
        let splitter = Splitter::new(document, count, self.0.max);
        let outline = Outline::new(&document.sections);
        let mut packer = Packer::new(&splitter, self.0);
        let mut merged: Vec<Group> = Vec::new();
        for group in groups(document, &splitter, &outline, self.0.max) {
            match merged.last_mut() {
                Some(last) if self.belong_together(&outline, last, &group) => last.append(group),
                _ => merged.push(group),
            }
        }
        for group in merged {
            self.pack(group, &mut packer);
        }
        with_headings(document, packer.finish())
    }
}

impl Structure {
    /// Tells whether two neighbouring groups share a chunk: they fit, one of them is small, and the second belongs to
    /// the same parent as the first or is its subsection.
    fn belong_together(&self, outline: &Outline<'_>, first: &Group, second: &Group) -> bool {
        let small = self.0.max / SMALL_DIVISOR;
        let parent = second.section.and_then(|section| outline.parent(section));
        let is_sibling = parent == first.section.and_then(|section| outline.parent(section));
        let is_near = is_sibling || parent == first.section;
        first.size + second.size <= self.0.max && first.size.min(second.size) < small && is_near
    }

    fn pack(&self, group: Group, packer: &mut Packer<'_>) {
        let chunks = group.size.div_ceil(self.0.max).max(1);
        let target = if chunks == 1 { self.0.max } else { group.size.div_ceil(chunks) };
        for piece in group.pieces {
            packer.push(piece, target);
        }
        packer.end_chunk();
    }
}

/// The pieces of a section's own blocks.
#[derive(Debug, Default)]
struct Group {
    section: Option<usize>,
    pieces: Vec<Piece>,
    size: usize,
    headings_size: usize, // of the headings at its end, which must not lose what follows them
    only_headings: bool,
}

impl Group {
    fn append(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
        self.size += other.size;
    }

    /// Adds a block, cut where it does not fit below the headings before it.
    fn add(&mut self, document: &Document, block: &Block, splitter: &Splitter<'_>, max: usize) {
        let is_heading = block.kind == BlockKind::Heading;
        // Headings that fill half of a chunk are no headings: leave them alone.
        let headings = if self.headings_size <= max / 2 { self.headings_size } else { 0 };
        let (levels, inner) = cuts(&block.kind);
        let mut joint = match headings {
            _ if stands_alone(document, block) => Joint::Apart,
            0 => Joint::Beside,
            _ => Joint::Under,
        };
        let mut added = 0;
        splitter.split(block.range.clone(), levels, max - headings, &mut |range, size| {
            added += size;
            self.pieces.push(Piece { range, size, joint });
            joint = inner;
        });
        self.size += added;
        self.headings_size = if is_heading { self.headings_size + added } else { 0 };
        self.only_headings &= is_heading;
    }
}

/// Returns where a block may be cut, and how its pieces hang together then.
fn cuts(kind: &BlockKind) -> (&'static [Level], Joint) {
    match kind {
        BlockKind::Heading | BlockKind::Paragraph | BlockKind::ListItem => {
            (&[Level::Sentence, Level::Word], Joint::Within)
        }
        BlockKind::Listing | BlockKind::CodeItem => (&[Level::Stanza, Level::Line, Level::Word], Joint::Within),
        // Rows and fields mean something alone; a repeated one would only be found twice.
        BlockKind::Table | BlockKind::Record => (&[Level::Line, Level::Word], Joint::Beside),
    }
}

/// Puts the blocks of each section into a group. A section without text of its own joins its first subsection.
fn groups(document: &Document, splitter: &Splitter<'_>, outline: &Outline<'_>, max: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for block in &document.blocks {
        let section = outline.innermost(block.range.start);
        match groups.last_mut() {
            Some(group) if group.section == section => {}
            Some(group) if group.only_headings && is_below(outline, section, group.section) => group.section = section,
            _ => groups.push(Group { section, only_headings: true, ..Group::default() }),
        }
        let group = groups.last_mut().expect("a group was pushed if there was none");
        group.add(document, block, splitter, max);
    }
    groups
}

fn is_below(outline: &Outline<'_>, section: Option<usize>, ancestor: Option<usize>) -> bool {
    matches!((section, ancestor), (Some(section), Some(ancestor)) if outline.is_within(section, ancestor))
}
