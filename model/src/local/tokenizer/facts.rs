//! What a GGUF file says of its tokens, checked before anything is built of it.

use std::collections::HashMap;

use super::super::gguf::Gguf;
use super::super::vocabulary::TokenKind;
use super::cut::SPACE;
use crate::{Error, Kind, Result};

/// Tokens that a vocabulary may have; the largest known ones have some 262 000.
const TOKENS_MAX: usize = 1 << 21;
/// Merges that a vocabulary may have; the largest known ones have some 515 000.
const MERGES_MAX: usize = 1 << 22;

/// Tokens that end an answer, by their names, for files do not tell all of them; from llama.cpp's `llama-vocab.cpp`.
const STOPS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<reponame>",
    "<|file_sep|>",
];
/// Keys of the tokens that end an answer.
const STOP_KEYS: &[&str] = &["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

/// What a token is, by the numbers that the format gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a text.
    Normal,
    /// What stands for what the vocabulary lacks.
    Unknown,
    /// A mark that no text holds.
    Control,
    /// Part of a text that is found before anything is merged.
    Added,
    /// Nothing.
    Unused,
    /// One byte, written `<0x0A>`.
    Byte,
}

/// The tokens of a file.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) gguf: &'a Gguf,
    pub(super) texts: Vec<&'a str>,
    pub(super) classes: Vec<Class>,
    pub(super) ids: HashMap<&'a str, u32>,
}

impl<'a> Facts<'a> {
    /// Reads and checks.
    pub(super) fn read(gguf: &'a Gguf) -> Result<Self> {
        let tokens = gguf.array(&key("tokens"))?;
        let tokens = tokens.ok_or_else(|| {
            Error::new(Kind::BadInput, "it has no `tokenizer.ggml.tokens`; take a file with a tokenizer, or a folder")
        })?;
        at_most(&key("tokens"), tokens.len(), TOKENS_MAX)?;
        let texts: Vec<&str> = tokens.texts().collect();
        same_length(&key("tokens"), texts.len(), tokens.len())?;
        if texts.is_empty() {
            return Err(corrupt("`tokenizer.ggml.tokens` is empty"));
        }
        let mut ids = HashMap::with_capacity(texts.len());
        for (id, text) in (0_u32..).zip(&texts) {
            if !text.is_empty() {
                ids.entry(*text).or_insert(id);
            }
        }
        let classes = match gguf.array(&key("token_type"))? {
            None => vec![Class::Normal; texts.len()],
            Some(types) => {
                let classes: Vec<Class> = types.numbers().map(Class::of).collect();
                same_length(&key("token_type"), classes.len(), texts.len())?;
                classes
            }
        };
        let mut facts = Self { gguf, texts, classes, ids };
        facts.mend_classes()?;
        Ok(facts)
    }

    /// Makes marks of what files mistake for text, so that no text can forge a mark.
    fn mend_classes(&mut self) -> Result<()> {
        for (id, text) in self.texts.iter().enumerate() {
            let is_mark = match self.classes[id] {
                Class::Added => looks_like_a_mark(text) || self.is_stop(text),
                Class::Normal => self.is_stop(text) && *text != "</s>",
                Class::Unknown | Class::Control | Class::Unused | Class::Byte => false,
            };
            if is_mark {
                self.classes[id] = Class::Control;
            }
        }
        for name in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            if let Some(id) = self.id(name)? {
                self.classes[id as usize] = Class::Control;
            }
        }
        Ok(())
    }

    fn is_stop(&self, text: &str) -> bool {
        is_stop(text, |name| self.ids.contains_key(name))
    }

    /// Returns the ids of tokens that end an answer.
    pub(super) fn stops(&self) -> Result<Vec<u32>> {
        let mut stops = Vec::new();
        for name in STOP_KEYS {
            stops.extend(self.id(&format!("{name}_token_id"))?);
        }
        let named = STOPS.iter().filter(|name| self.is_stop(name)).filter_map(|name| self.ids.get(*name));
        stops.extend(named.filter(|id| self.class(**id) == Class::Control));
        stops.sort_unstable();
        stops.dedup();
        Ok(stops)
    }

    /// Returns the id that is given under a key.
    pub(super) fn id(&self, name: &str) -> Result<Option<u32>> {
        let Some(id) = self.gguf.number(&key(name))? else { return Ok(None) };
        let fits = u32::try_from(id).ok().filter(|id| (*id as usize) < self.texts.len());
        let error = || corrupt(format!("`{}` is {id}, and there are {} tokens", key(name), self.texts.len()));
        fits.map(Some).ok_or_else(error)
    }

    /// Returns the id under a key, or the one that such vocabularies have, if that is a mark.
    pub(super) fn id_or(&self, name: &str, usual: Option<u32>) -> Result<Option<u32>> {
        let usual = usual.filter(|id| {
            let class = self.classes.get(*id as usize);
            matches!(class, Some(Class::Control | Class::Unknown))
        });
        Ok(self.id(name)?.or(usual))
    }

    /// Returns the scores of all tokens.
    pub(super) fn scores(&self) -> Result<Vec<f32>> {
        let scores = self.gguf.array(&key("scores"))?.ok_or_else(|| corrupt("it has no `tokenizer.ggml.scores`"))?;
        // Adding 0 makes the two zeros one.
        #[expect(clippy::cast_possible_truncation, reason = "the file holds 32-bit floats")]
        let scores: Vec<f32> = scores.floats().map(|score| score as f32 + 0.0).collect();
        same_length(&key("scores"), scores.len(), self.texts.len())?;
        match scores.iter().position(|score| score.is_nan()) {
            Some(id) => Err(corrupt(format!("the score of token {id} is no number"))),
            None => Ok(scores),
        }
    }

    /// Returns the merges, the most frequent first.
    pub(super) fn merges(&self) -> Result<impl Iterator<Item = &'a str>> {
        let merges = self.gguf.array(&key("merges"))?.ok_or_else(|| corrupt("it has no `tokenizer.ggml.merges`"))?;
        at_most(&key("merges"), merges.len(), MERGES_MAX)?;
        same_length(&key("merges"), merges.texts().count(), merges.len())?;
        Ok(merges.texts())
    }

    pub(super) fn class(&self, id: u32) -> Class {
        self.classes.get(id as usize).copied().unwrap_or(Class::Unused)
    }

    /// Returns what a token is to those who read what a model says.
    pub(super) fn kind(&self, id: usize) -> TokenKind {
        match self.classes[id] {
            _ if self.texts[id].is_empty() => TokenKind::Unused,
            Class::Control if self.texts[id].contains("unused") => TokenKind::Unused,
            Class::Control | Class::Unknown => TokenKind::Control,
            Class::Unused => TokenKind::Unused,
            Class::Normal | Class::Added | Class::Byte => TokenKind::Text,
        }
    }

    /// Returns the tokens that stand for single bytes.
    pub(super) fn bytes(&self) -> [Option<u32>; 256] {
        std::array::from_fn(|byte| self.ids.get(format!("<0x{byte:02X}>").as_str()).copied())
    }

    /// Tells whether tokens of text can be merged into a token.
    pub(super) fn is_mergeable(&self, id: u32) -> bool {
        matches!(self.class(id), Class::Normal | Class::Added | Class::Unused)
    }

    /// Tells whether `▁` begins every token that it is in, so that merging never crosses from a word to the next.
    pub(super) fn spaces_begin_words(&self) -> bool {
        let mut mergeable = (0_u32..).zip(&self.texts).filter(|(id, _)| self.is_mergeable(*id));
        mergeable.all(|(_, text)| !text.trim_start_matches(SPACE).contains(SPACE))
    }
}

impl Class {
    fn of(code: i64) -> Self {
        match code {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::Added,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// Tells whether a token is written as marks are.
pub(super) fn looks_like_a_mark(text: &str) -> bool {
    let between = |start: &str, end: &str| text.starts_with(start) && text.ends_with(end);
    between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">")
}

/// Returns the byte that a token such as `<0x0A>` stands for.
pub(super) fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}

/// Tells whether a token ends an answer, in a vocabulary that `has` others.
pub(super) fn is_stop(text: &str, has: impl Fn(&str) -> bool) -> bool {
    match text {
        // In harmony, what `<|end|>` ends is a message and not the answer.
        "<|end|>" => !(has("<|return|>") && has("<|call|>") || has("<|flush|>") && has("<|calls|>")),
        // In Gemma, it is the end of struck text.
        "</s>" => !(has("<end_of_turn>") || has("<|tool_response>") || has("<|plamo:eos|>")),
        other => STOPS.contains(&other),
    }
}

pub(super) fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}

pub(super) fn corrupt(message: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, message)
}

fn at_most(name: &str, len: usize, max: usize) -> Result<()> {
    let error = || Error::new(Kind::Limit, format!("`{name}` has {len} entries, more than the {max} that can be"));
    (len <= max).then_some(()).ok_or_else(error)
}

fn same_length(name: &str, len: usize, expected: usize) -> Result<()> {
    let error = || corrupt(format!("`{name}` has {len} entries and should have {expected} of their kind"));
    (len == expected).then_some(()).ok_or_else(error)
}
