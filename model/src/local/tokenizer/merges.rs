//! Merges neighbouring tokens until no merge is left, the best one first: by rank, as byte-pair encoding learned it, or by
//! the score of what comes out, as SentencePiece has it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use super::byte_level;
use super::cut::{Cut, SPACE};
use super::facts::{Facts, corrupt};
use super::pre::{Pre, Whole};
use crate::Result;

/// The id of what no token begins with.
const NO_ID: u32 = u32::MAX;

/// A vocabulary of tokens that are merged.
#[derive(Debug)]
pub(super) struct Merges {
    cut: Cut,
    /// What two neighbours become, and how early. Ids past those of tokens are characters that are none.
    pairs: Pairs,
    letters: Letters,
    /// How many tokens there are.
    tokens_n: u32,
    /// Words that are not merged.
    whole: HashMap<Box<[u8]>, u32>,
    /// Tokens of single bytes, for what is no token.
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    /// Whether a text gets a space.
    pub(super) prefix: bool,
}

type Pairs = HashMap<u64, Merge, BuildHasherDefault<Mix>>;

/// What two neighbours become.
#[derive(Debug, Clone, Copy)]
struct Merge {
    rank: u32,
    id: u32,
}

/// What merging begins with.
#[derive(Debug)]
enum Letters {
    Bytes(Box<[u32; 256]>),
    Characters(HashMap<char, u32>),
}

impl Merges {
    /// Reads a vocabulary whose merges have a rank.
    pub(super) fn by_rank(facts: &Facts<'_>, family: Pre) -> Result<Self> {
        let Pre { rules, whole, characters, .. } = family;
        let mut pairs = Pairs::default();
        for (rank, text) in (0_u32..).zip(facts.merges()?) {
            let [left, right, id] = merge(facts, rank, text)?;
            // A mark is never made of text.
            if [left, right, id].iter().all(|id| facts.is_mergeable(*id)) {
                pairs.entry(pair(left, right)).or_insert(Merge { rank, id });
            }
        }
        let letters = if characters { characters_of(facts) } else { bytes_of(facts) };
        let mut merges = Self::new(facts, Cut::new(rules, characters && facts.spaces_begin_words())?, pairs, letters);
        merges.whole = whole_words(facts, whole, characters);
        if !characters {
            merges.bytes = [None; 256];
        }
        Ok(merges)
    }

    /// Reads a vocabulary whose tokens have a score.
    pub(super) fn by_score(facts: &Facts<'_>, unknown: Option<u32>, prefix: bool) -> Result<Self> {
        let mut ranks = facts.scores()?;
        let scores = ranks.clone();
        ranks.sort_unstable_by(|left, right| right.total_cmp(left));
        ranks.dedup();
        let (mut letters, mut next) = (HashMap::new(), facts.tokens_n()?);
        let mut pairs = Pairs::default();
        for (id, text) in (0_u32..).zip(&facts.texts).filter(|(id, _)| facts.is_mergeable(*id)) {
            let score = scores[id as usize];
            let rank = ranks.partition_point(|other| other.total_cmp(&score).is_gt());
            let rank = u32::try_from(rank).unwrap_or(u32::MAX);
            for (at, _) in text.char_indices().skip(1) {
                let (left, right) = text.split_at(at);
                let parts =
                    (letter(facts, &mut letters, &mut next, left), letter(facts, &mut letters, &mut next, right));
                if let (Some(left), Some(right)) = parts {
                    pairs.insert(pair(left, right), Merge { rank, id });
                }
            }
            if let Some(character) = only(text) {
                letters.insert(character, id);
            }
        }
        let cut = Cut::new(&[], facts.spaces_begin_words())?;
        let mut merges = Self::new(facts, cut, pairs, Letters::Characters(letters));
        (merges.unknown, merges.prefix) = (unknown, prefix);
        Ok(merges)
    }

    fn new(facts: &Facts<'_>, cut: Cut, pairs: Pairs, letters: Letters) -> Self {
        let tokens_n = u32::try_from(facts.texts.len()).unwrap_or(NO_ID);
        let whole = HashMap::new();
        Self { cut, pairs, letters, tokens_n, whole, bytes: facts.bytes(), unknown: None, prefix: false }
    }

    /// Makes tokens of a text that follows a mark, or nothing.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let escaped;
        let text = if matches!(self.letters, Letters::Characters(_)) {
            let prefix = if self.prefix { " " } else { "" };
            escaped = format!("{prefix}{text}").replace(' ', SPACE.encode_utf8(&mut [0; 4]));
            &escaped
        } else {
            text
        };
        let mut scratch = Scratch::default();
        self.cut.encode(text, tokens, |word, tokens| self.encode_word(word, &mut scratch, tokens));
    }

    fn encode_word(&self, word: &str, scratch: &mut Scratch, tokens: &mut Vec<u32>) {
        if let Some(id) = self.whole.get(word.as_bytes()) {
            tokens.push(*id);
            return;
        }
        scratch.start(word, &self.letters);
        scratch.merge(&self.pairs);
        let (mut at, mut unknown_before) = (0, false);
        for (id, length) in scratch.merged() {
            let bytes = &word.as_bytes()[at..at + length];
            at += length;
            if id < self.tokens_n {
                tokens.push(id);
            } else if bytes.iter().all(|byte| self.bytes[usize::from(*byte)].is_some()) {
                tokens.extend(bytes.iter().filter_map(|byte| self.bytes[usize::from(*byte)]));
            } else {
                // Neighbours that are unknown are one unknown.
                tokens.extend(self.unknown.filter(|_| !unknown_before));
                unknown_before = true;
                continue;
            }
            unknown_before = false;
        }
    }
}

impl Facts<'_> {
    fn tokens_n(&self) -> Result<u32> {
        u32::try_from(self.texts.len()).map_err(|_| corrupt("it has too many tokens"))
    }
}

/// Reads a merge, of the form `left right`.
fn merge(facts: &Facts<'_>, rank: u32, text: &str) -> Result<[u32; 3]> {
    let find = |token: &str| {
        let error = || corrupt(format!("merge {rank}, `{text}`, needs `{token}`, which is no token"));
        facts.ids.get(token).copied().ok_or_else(error)
    };
    // A space may be the first character of a token, but not a later one.
    let second = text.chars().next().map_or(0, char::len_utf8);
    let parted = text[second..].split_once(' ').map(|(left, right)| (&text[..second + left.len()], right));
    let (left, right) = parted.ok_or_else(|| corrupt(format!("merge {rank}, `{text}`, is not of two tokens")))?;
    Ok([find(left)?, find(right)?, find(&format!("{left}{right}"))?])
}

/// Returns the id of a part of a token: a token, or a character that is none, which gets an id of its own.
fn letter(facts: &Facts<'_>, letters: &mut HashMap<char, u32>, next: &mut u32, text: &str) -> Option<u32> {
    if let Some(id) = facts.ids.get(text).filter(|id| facts.is_mergeable(**id)) {
        return Some(*id);
    }
    let character = only(text)?;
    Some(*letters.entry(character).or_insert_with(|| {
        let id = *next;
        *next += 1;
        id
    }))
}

/// Returns the character of a text that has one.
fn only(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.as_str().is_empty())
}

fn bytes_of(facts: &Facts<'_>) -> Letters {
    Letters::Bytes(Box::new(std::array::from_fn(|byte| {
        let id = u8::try_from(byte).ok().and_then(|byte| {
            let name = byte_level::name(byte);
            facts.ids.get(&*name.encode_utf8(&mut [0; 4])).copied()
        });
        id.filter(|id| facts.is_mergeable(*id)).unwrap_or(NO_ID)
    })))
}

fn characters_of(facts: &Facts<'_>) -> Letters {
    let tokens = (0_u32..).zip(&facts.texts).filter(|(id, _)| facts.is_mergeable(*id));
    Letters::Characters(tokens.filter_map(|(id, text)| Some((only(text)?, id))).collect())
}

fn whole_words(facts: &Facts<'_>, whole: Whole, characters: bool) -> HashMap<Box<[u8]>, u32> {
    let tokens = (0_u32..).zip(&facts.texts).filter(|(id, text)| {
        let is_whole = match whole {
            Whole::Nothing => false,
            Whole::Words => true,
            Whole::Breaks => text.bytes().all(|byte| byte == b'\n'),
        };
        is_whole && facts.is_mergeable(*id)
    });
    let bytes = |text: &str| if characters { Some(text.as_bytes().to_vec()) } else { byte_level::bytes(text) };
    tokens.filter_map(|(id, text)| Some((bytes(text)?.into(), id))).collect()
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Where a word is merged; kept from word to word to save allocations.
#[derive(Debug, Default)]
struct Scratch {
    symbols: Vec<Symbol>,
    candidates: BinaryHeap<Reverse<Candidate>>,
}

/// A token in a word, linked to its neighbours. Its place is that of its first character.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    /// Bytes; 0 if it went into the one before.
    length: u32,
    before: u32,
    after: u32,
}

/// A merge that can be done: the lowest rank first, and the leftmost among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    left: u32,
    /// What comes out.
    id: u32,
    /// The bytes of what comes out. If the neighbours have another sum by now, the candidate is out of date.
    length: u32,
}

impl Scratch {
    fn start(&mut self, word: &str, letters: &Letters) {
        self.symbols.clear();
        self.candidates.clear();
        let mut push = |id: u32, length: usize| {
            let at = u32::try_from(self.symbols.len()).unwrap_or(NO_ID);
            let length = u32::try_from(length).unwrap_or(NO_ID);
            self.symbols.push(Symbol { id, length, before: at.wrapping_sub(1), after: at.saturating_add(1) });
        };
        match letters {
            Letters::Bytes(ids) => word.bytes().for_each(|byte| push(ids[usize::from(byte)], 1)),
            Letters::Characters(ids) => {
                word.chars().for_each(|one| push(ids.get(&one).copied().unwrap_or(NO_ID), one.len_utf8()));
            }
        }
    }

    fn merge(&mut self, pairs: &Pairs) {
        for left in 1..self.symbols.len() {
            self.consider(pairs, left - 1, left);
        }
        while let Some(Reverse(Candidate { left, id, length, .. })) = self.candidates.pop() {
            let left = left as usize;
            let symbol = self.symbols[left];
            let Some(right) = self.symbols.get(symbol.after as usize).copied() else { continue };
            if symbol.length == 0 || symbol.length + right.length != length {
                continue;
            }
            self.symbols[symbol.after as usize].length = 0;
            self.symbols[left] = Symbol { id, length, after: right.after, ..symbol };
            if let Some(after) = self.symbols.get_mut(right.after as usize) {
                after.before = u32::try_from(left).unwrap_or(NO_ID);
            }
            self.consider(pairs, symbol.before as usize, left);
            self.consider(pairs, left, right.after as usize);
        }
    }

    /// Notes a merge of two neighbours, if there is one.
    fn consider(&mut self, pairs: &Pairs, left: usize, right: usize) {
        let (Some(first), Some(second)) = (self.symbols.get(left), self.symbols.get(right)) else { return };
        if let Some(merge) = pairs.get(&pair(first.id, second.id)) {
            let left = u32::try_from(left).unwrap_or(NO_ID);
            let length = first.length + second.length;
            self.candidates.push(Reverse(Candidate { rank: merge.rank, left, id: merge.id, length }));
        }
    }

    /// Returns the ids and lengths of what is left.
    fn merged(&self) -> impl Iterator<Item = (u32, usize)> {
        self.symbols.iter().filter(|symbol| symbol.length > 0).map(|symbol| (symbol.id, symbol.length as usize))
    }
}

/// Hashes pairs of ids, which come from the file of a model and need no protection from each other.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        // The multiplier of Fibonacci hashing, Knuth 6.4; the fold brings the high bits down, which tables look at too.
        let mixed = (mem::take(&mut self.0) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
