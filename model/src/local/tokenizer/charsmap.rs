//! The table by which SentencePiece folds characters: a trie in an array, in which a child's place is its parent's base XOR
//! the byte (Kanda 2018, XCDA), and the texts that its leaves point to.

use super::super::gguf::Array;
use super::facts::corrupt;
use crate::Result;

/// Bytes that a table may have; that of NFKC has some 240 000.
const BYTES_MAX: usize = 1 << 24;

/// What texts are replaced by others.
#[derive(Debug, Default)]
pub(super) struct Charsmap {
    nodes: Vec<u32>,
    /// Ended by NUL.
    replacements: String,
}

impl Charsmap {
    pub(super) fn read(bytes: Array<'_>) -> Result<Self> {
        let error = || corrupt("`tokenizer.ggml.precompiled_charsmap` is damaged");
        if bytes.len() > BYTES_MAX {
            return Err(error());
        }
        // Signed in some files.
        let bytes: Vec<u8> = bytes.numbers().map(|byte| byte.to_le_bytes()[0]).collect();
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or_else(error)?;
        let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| error())?;
        let (nodes, replacements) = rest.split_at_checked(size).ok_or_else(error)?;
        let nodes =
            nodes.chunks_exact(4).map(|node| u32::from_le_bytes([node[0], node[1], node[2], node[3]])).collect();
        let replacements = String::from_utf8(replacements.to_vec()).map_err(|_| error())?;
        Ok(Self { nodes, replacements })
    }

    /// Returns the length of the longest beginning of a text that is replaced, and by what.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let base = |node: u32| (node >> 10) << ((node & (1 << 9)) >> 6);
        let (mut at, mut found) = (base(*self.nodes.first()?), None);
        for (index, byte) in text.iter().take_while(|byte| **byte != 0).enumerate() {
            at ^= u32::from(*byte);
            let Some(node) = self.nodes.get(at as usize) else { break };
            if node & (1 << 31 | 0xff) != u32::from(*byte) {
                break;
            }
            at ^= base(*node);
            let is_leaf = node >> 8 & 1 == 1;
            if let Some(value) = self.nodes.get(at as usize).filter(|_| is_leaf) {
                found = Some((index + 1, value & !(1 << 31)));
            }
        }
        let (length, start) = found?;
        let replacement = self.replacements.get(start as usize..)?;
        // What is cut within a character would leave half of one.
        let is_whole = text.get(length).is_none_or(|next| next & 0xC0 != 0x80);
        replacement.split_once('\0').filter(|_| is_whole).map(|(replacement, _)| (length, replacement))
    }
}
