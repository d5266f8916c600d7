//! BERT's WordPiece: split at white space and punctuation, fold case and accents, then take the longest piece of the
//! vocabulary again and again. Runs of plain ASCII, which is nearly all of most texts, never leave this file; anything
//! else is normalised by the tokenizers crate, so that both give the same ids.

use std::fmt;
use std::ops::ControlFlow;

use lorewell_model::{Error, Kind, Result};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use lorewell_model::local::Bytes;

/// What a word becomes that no pieces cover.
pub(super) const UNKNOWN: &str = "[UNK]";
/// What a piece begins with that continues a word.
pub(super) const CONTINUED: &str = "##";
/// Longer words are unknown, as in the tokenizer of BERT.
pub(super) const WORD_CHARS_MAX: usize = 100;

/// A WordPiece tokenizer.
#[derive(Debug)]
pub(super) struct WordPiece {
    vocabulary: Vocabulary,
    normalizer: BertNormalizer,
    unknown: u32,
    before: u32,
    after: u32,
}

/// Says whether to go on.
type Flow = ControlFlow<()>;

impl WordPiece {
    /// Makes a tokenizer from the lines of `vocab.txt`.
    pub(super) fn new(lines: Bytes, normalizer: BertNormalizer) -> Result<Self> {
        let vocabulary = Vocabulary::new(lines)?;
        let special = |token: &str| {
            let id = vocabulary.find(Hash::START.over(token.as_bytes()), "", token);
            id.ok_or_else(|| Error::new(Kind::BadInput, format!("the vocabulary lacks `{token}`; it is not BERT's")))
        };
        let (unknown, before, after) = (special(UNKNOWN)?, special("[CLS]")?, special("[SEP]")?);
        Ok(Self { vocabulary, normalizer, unknown, before, after })
    }

    pub(super) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(super) fn normalizer(&self) -> BertNormalizer {
        self.normalizer
    }

    /// Turns a text into at most `tokens_max` ids, the first and last of which are special. It reads no further than
    /// it must.
    pub(super) fn encode(&self, text: &str, tokens_max: usize) -> Vec<u32> {
        let mut ids = vec![self.before];
        let room = tokens_max.saturating_sub(1);
        // That the limit stopped it is no news to the caller.
        let _: Flow = self.words(text, |pieces| {
            ids.extend(&pieces[..pieces.len().min(room.saturating_sub(ids.len()))]);
            if ids.len() < room { Flow::Continue(()) } else { Flow::Break(()) }
        });
        ids.push(self.after);
        ids
    }

    /// Counts the tokens of a text.
    pub(super) fn count(&self, text: &str) -> usize {
        let mut count = 0;
        let _: Flow = self.words(text, |pieces| {
            count += pieces.len();
            Flow::Continue(())
        });
        count
    }

    /// Gives the pieces of each word in turn to `sink`.
    fn words(&self, text: &str, mut sink: impl FnMut(&[u32]) -> Flow) -> Flow {
        let mut work = Work::default();
        for run in text.split([' ', '\n', '\t', '\r']) {
            if run.bytes().all(|byte| byte.is_ascii_graphic()) {
                self.ascii(run, &mut work, &mut sink)?;
            } else {
                self.unicode(run, &mut work, &mut sink)?;
            }
        }
        Flow::Continue(())
    }

    fn ascii(&self, run: &str, work: &mut Work, sink: &mut impl FnMut(&[u32]) -> Flow) -> Flow {
        work.folded.clear();
        work.folded.push_str(run);
        if self.normalizer.lowercase {
            work.folded.make_ascii_lowercase();
        }
        let Work { folded, pieces, hashes } = work;
        let mut rest = folded.as_str();
        while let Some(first) = rest.bytes().next() {
            let len = if first.is_ascii_punctuation() {
                1
            } else {
                rest.bytes().position(|byte| byte.is_ascii_punctuation()).unwrap_or(rest.len())
            };
            self.word(&rest[..len], hashes, pieces);
            sink(pieces)?;
            rest = &rest[len..];
        }
        Flow::Continue(())
    }

    fn unicode(&self, run: &str, work: &mut Work, sink: &mut impl FnMut(&[u32]) -> Flow) -> Flow {
        let mut normalized = NormalizedString::from(run);
        self.normalizer.normalize(&mut normalized).expect("the normaliser of BERT takes any text");
        let mut words = PreTokenizedString::from(normalized);
        BertPreTokenizer.pre_tokenize(&mut words).expect("the splitter of BERT takes any text");
        for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            self.word(word, &mut work.hashes, &mut work.pieces);
            sink(&work.pieces)?;
        }
        Flow::Continue(())
    }

    /// Cuts one word into the longest pieces there are, from left to right.
    fn word(&self, word: &str, hashes: &mut Vec<Hash>, pieces: &mut Vec<u32>) {
        pieces.clear();
        if word.len() > WORD_CHARS_MAX && word.chars().count() > WORD_CHARS_MAX {
            pieces.push(self.unknown);
            return;
        }
        let mut rest = word;
        while !rest.is_empty() {
            let prefix = if pieces.is_empty() { "" } else { CONTINUED };
            match self.longest(prefix, rest, hashes) {
                Some((id, len)) => {
                    pieces.push(id);
                    rest = &rest[len..];
                }
                None => {
                    pieces.clear();
                    pieces.push(self.unknown);
                    return;
                }
            }
        }
    }

    /// Finds the longest piece that `text` begins with, and its length. One pass hashes all its beginnings.
    fn longest(&self, prefix: &str, text: &str, hashes: &mut Vec<Hash>) -> Option<(u32, usize)> {
        let text = &text[..text.floor_char_boundary(self.vocabulary.piece_len_max)];
        let mut hash = Hash::START.over(prefix.as_bytes());
        hashes.clear();
        hashes.extend(text.bytes().map(|byte| {
            hash = hash.and(byte);
            hash
        }));
        let beginnings = (1..=text.len()).rev().filter(|len| text.is_char_boundary(*len));
        beginnings.into_iter().find_map(|len| Some((self.vocabulary.find(hashes[len - 1], prefix, &text[..len])?, len)))
    }
}

/// Buffers for one text.
#[derive(Default)]
struct Work {
    folded: String,
    pieces: Vec<u32>,
    hashes: Vec<Hash>,
}

/// The FNV-1a hash (Fowler, Noll, Vo) of a beginning: it grows by a byte at a time, which is why it is used here.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Hash(u64);

impl Hash {
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    fn and(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn over(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |hash, byte| hash.and(*byte))
    }
}

/// Tokens by their text: an open hash table over the lines of `vocab.txt`, where they lie.
pub(super) struct Vocabulary {
    lines: Bytes,
    /// Where each line begins and ends.
    spans: Vec<(u32, u32)>,
    /// Ids, at the hash of their token or after it. At most half are taken.
    slots: Vec<u32>,
    piece_len_max: usize,
}

/// Marks a free slot.
const FREE: u32 = u32::MAX;

impl Vocabulary {
    fn new(lines: Bytes) -> Result<Self> {
        let bad = || Error::new(Kind::BadInput, "the vocabulary is empty, too large, or not UTF-8");
        let text = std::str::from_utf8(&lines).map_err(|_| bad())?;
        let mut spans = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let len = line.trim_end_matches(['\n', '\r']).len();
            let span = (u32::try_from(start), u32::try_from(start + len));
            spans.push((span.0.map_err(|_| bad())?, span.1.map_err(|_| bad())?));
            start += line.len();
        }
        if spans.is_empty() {
            return Err(bad());
        }
        let slots = vec![FREE; (spans.len() * 2).next_power_of_two()];
        let mut vocabulary = Self { lines, spans, slots, piece_len_max: 0 };
        vocabulary.fill(bad)?;
        Ok(vocabulary)
    }

    fn fill(&mut self, bad: impl Fn() -> Error) -> Result<()> {
        for index in 0..self.spans.len() {
            let id = u32::try_from(index).map_err(|_| bad())?;
            let token = self.token(id);
            self.piece_len_max = self.piece_len_max.max(token.len());
            let mut slot = self.slot(Hash::START.over(self.token(id)));
            while self.slots[slot] != FREE {
                slot = (slot + 1) % self.slots.len();
            }
            self.slots[slot] = id;
        }
        Ok(())
    }

    /// Returns the number of tokens.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns the lines of `vocab.txt`.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    fn token(&self, id: u32) -> &[u8] {
        let (start, end) = self.spans[to_usize(id)];
        &self.lines[to_usize(start)..to_usize(end)]
    }

    fn slot(&self, hash: Hash) -> usize {
        // The upper half of FNV-1a is the better mixed one.
        to_usize(u32::try_from(hash.0 >> 32).expect("32 bits are left")) & (self.slots.len() - 1)
    }

    /// Finds the token `prefix` + `piece`, whose hash is given.
    fn find(&self, hash: Hash, prefix: &str, piece: &str) -> Option<u32> {
        let mut slot = self.slot(hash);
        loop {
            let id = self.slots[slot];
            if id == FREE {
                return None;
            }
            if self.token(id).strip_prefix(prefix.as_bytes()) == Some(piece.as_bytes()) {
                return Some(id);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.len())
    }
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).expect("a `usize` has 32 bits or more")
}
