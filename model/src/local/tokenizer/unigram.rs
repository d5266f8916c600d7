//! Cuts a text into the tokens that are likeliest together (Kudo 2018), as SentencePiece's unigram models do: every token
//! has a score, and the path through the text with the highest sum wins.

use super::charsmap::Charsmap;
use super::cut::{Cut, SPACE};
use super::facts::{Class, Facts, corrupt, key};
use super::prefixes::Prefixes;
use crate::{Error, Result};

/// By how much what is no token scores less than the worst token; SentencePiece's `kUnkPenalty`.
const UNKNOWN_PENALTY: f64 = 10.0;

/// A vocabulary of tokens that are likely.
#[derive(Debug)]
pub(super) struct Unigram {
    cut: Cut,
    tokens: Prefixes,
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    charsmap: Charsmap,
    /// Tokens that are not normalized.
    added: Prefixes,
    pub(super) prefix: bool,
    merge_spaces: bool,
}

/// The best way to a place in the text.
#[derive(Debug, Clone, Copy)]
struct Best {
    score: f64,
    token: u32,
    from: usize,
}

impl Unigram {
    pub(super) fn new(facts: &Facts<'_>, unknown: Option<u32>) -> Result<Self> {
        let of = |classes: &[Class]| {
            let ids = (0_u32..).zip(&facts.texts).filter(|(id, _)| classes.contains(&facts.class(*id)));
            Prefixes::new(ids.map(|(id, text)| (*text, id)))
        };
        // A token that is added wins over all paths that are less than certain.
        let score = |(score, class): (f32, &Class)| if *class == Class::Added { 0.0 } else { f64::from(score) };
        let plain = facts.scores()?;
        let worst = plain.iter().zip(&facts.classes).filter(|(_, class)| **class == Class::Normal);
        let worst = worst.map(|(score, _)| f64::from(*score)).fold(f64::MAX, f64::min);
        let flag = |name: &str| Ok::<bool, Error>(facts.gguf.flag(&key(name))?.unwrap_or(false));
        let at_spaces = facts.ids.contains_key("▁") && facts.spaces_begin_words();
        Ok(Self {
            cut: Cut::new(&[], at_spaces)?,
            tokens: of(&[Class::Normal, Class::Added, Class::Unused]),
            scores: plain.into_iter().zip(&facts.classes).map(score).collect(),
            unknown: unknown.ok_or_else(|| corrupt("it has no `tokenizer.ggml.unknown_token_id`"))?,
            unknown_score: worst - UNKNOWN_PENALTY,
            charsmap: match facts.gguf.array(&key("precompiled_charsmap"))? {
                None => Charsmap::default(),
                Some(bytes) => Charsmap::read(bytes)?,
            },
            added: of(&[Class::Added]),
            prefix: flag("add_space_prefix")?,
            merge_spaces: flag("remove_extra_whitespaces")?,
        })
    }

    /// Makes tokens of a text.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut best = Vec::new();
        self.cut.encode(&self.normalized(text), tokens, |word, tokens| self.encode_word(word, &mut best, tokens));
    }

    fn encode_word(&self, text: &str, best: &mut Vec<Best>, tokens: &mut Vec<u32>) {
        best.clear();
        best.resize(text.len() + 1, Best { score: f64::NEG_INFINITY, token: self.unknown, from: 0 });
        best[0].score = 0.0;
        for (at, character) in text.char_indices() {
            let (score, length) = (best[at].score, character.len_utf8());
            let mut reach = |token: u32, length: usize, score: f64| {
                if score > best[at + length].score {
                    best[at + length] = Best { score, token, from: at };
                }
            };
            let mut is_known = false;
            for (token_length, token) in self.tokens.of(&text.as_bytes()[at..]) {
                is_known |= token_length == length;
                reach(token, token_length, score + self.scores[token as usize]);
            }
            if !is_known {
                reach(self.unknown, length, score + self.unknown_score);
            }
        }
        let (start, mut at) = (tokens.len(), text.len());
        while at > 0 {
            let Best { token, from, .. } = best[at];
            // Neighbours that are unknown are one unknown.
            if token != self.unknown || tokens[start..].last() != Some(&self.unknown) {
                tokens.push(token);
            }
            at = from;
        }
        tokens[start..].reverse();
    }

    /// Folds characters, and writes spaces as tokens have them.
    fn normalized(&self, text: &str) -> String {
        let mut normalized = String::with_capacity(text.len() + text.len() / 4);
        let (mut in_word, mut begun) = (false, false);
        let mut put = |character: char| {
            if character != ' ' {
                if !in_word && (self.merge_spaces || self.prefix && !begun) {
                    normalized.push(SPACE);
                    begun = true;
                }
                normalized.push(character);
            } else if !self.merge_spaces {
                normalized.push(SPACE);
            }
            in_word = character != ' ';
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let taken = if let Some((length, _)) = self.added.longest(rest.as_bytes()) {
                rest[..length].chars().for_each(&mut put);
                length
            } else if let Some((length, replacement)) = self.charsmap.longest(rest.as_bytes()) {
                replacement.chars().for_each(&mut put);
                length
            } else {
                put(first);
                first.len_utf8()
            };
            rest = &rest[taken..];
        }
        normalized
    }
}
