//! Packs whole words, blind to everything else.
//! It is the baseline that the other kinds are measured against.

use crate::chunk::pack::{Joint, Packer, Piece};
use crate::chunk::split::{Level, Splitter, stands_alone};
use crate::chunk::{Chunk, Chunker, ChunkerKind, CountTokens, Limits, with_headings};
use crate::document::Document;

#[derive(Debug)]
pub(super) struct Fixed(pub(super) Limits);

impl Chunker for Fixed {
    fn fingerprint(&self) -> String {
        self.0.fingerprint(ChunkerKind::Fixed, 1)
    }

    fn chunk(&self, document: &Document, count: CountTokens<'_>) -> Vec<Chunk> {
        let splitter = Splitter::new(document, count, self.0.max);
        let mut packer = Packer::new(&splitter, self.0);
        for block in &document.blocks {
            let mut joint = if stands_alone(document, block) { Joint::Apart } else { Joint::Within };
            splitter.split_all(block.range.clone(), Level::Word, &[], &mut |range, size| {
                packer.push(Piece { range, size, joint }, self.0.max);
                joint = Joint::Within;
            });
        }
        with_headings(document, packer.finish())
    }
}
