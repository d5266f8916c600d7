//! Cuts each block at the coarsest level that fits, blind to sections and to what a block is.
//! The usual splitter of other tools, for those who want its cuts.

use crate::chunk::pack::{Joint, Packer, Piece};
use crate::chunk::split::{Level, Splitter, stands_alone};
use crate::chunk::{Chunk, Chunker, ChunkerKind, CountTokens, Limits, with_headings};
use crate::document::Document;

#[derive(Debug)]
pub(super) struct Recursive(pub(super) Limits);

const LEVELS: &[Level] = &[Level::Stanza, Level::Line, Level::Sentence, Level::Word];

impl Chunker for Recursive {
    fn fingerprint(&self) -> String {
        self.0.fingerprint(ChunkerKind::Recursive, 1)
    }

    fn chunk(&self, document: &Document, count: CountTokens<'_>) -> Vec<Chunk> {
        let splitter = Splitter::new(document, count, self.0.max);
        let mut packer = Packer::new(&splitter, self.0);
        for block in &document.blocks {
            let mut joint = if stands_alone(document, block) { Joint::Apart } else { Joint::Within };
            splitter.split(block.range.clone(), LEVELS, self.0.max, &mut |range, size| {
                packer.push(Piece { range, size, joint }, self.0.max);
                joint = Joint::Within;
            });
        }
        with_headings(document, packer.finish())
    }
}
