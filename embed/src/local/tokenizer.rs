//! Text to token ids. BERT's own WordPiece is ours, because it must open in a moment and count fast; every other
//! `tokenizer.json` runs on the tokenizers crate. In both, special tokens that a text spells out are plain text: a
//! document cannot smuggle in a `[SEP]`.

use std::path::Path;

use lorewell_model::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::normalizers::BertNormalizer;

use super::describe::read_json;
use super::wordpiece::WordPiece;
use lorewell_model::local::Bytes;

/// A tokenizer of either kind.
#[derive(Debug)]
pub(super) enum Tokenizer {
    WordPiece(WordPiece),
    General(Box<General>),
}

/// A tokenizer of the tokenizers crate, and the special tokens it puts around a text.
#[derive(Debug)]
pub(super) struct General {
    tokenizer: tokenizers::Tokenizer,
    before: Vec<u32>,
    after: Vec<u32>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, or `vocab.txt` where there is none.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        if let Some(json) = read_json(dir, "tokenizer.json")? {
            return match WordPiece::from_json(&json)? {
                Some(wordpiece) => Ok(Self::WordPiece(wordpiece)),
                None => General::open(&dir.join("tokenizer.json")).map(|general| Self::General(Box::new(general))),
            };
        }
        if !dir.join("vocab.txt").exists() {
            let message = format!("`{}` has neither `tokenizer.json` nor `vocab.txt`", dir.display());
            return Err(Error::new(Kind::NotFound, message));
        }
        let config = read_json(dir, "tokenizer_config.json")?.unwrap_or_default();
        let lowercase = config.get("do_lower_case").and_then(Value::as_bool).unwrap_or(true);
        let normalizer = BertNormalizer::new(true, true, None, lowercase);
        WordPiece::new(Bytes::open(&dir.join("vocab.txt"))?, normalizer).map(Self::WordPiece)
    }

    /// Turns a text into at most `tokens_max` ids, special ones included.
    pub(super) fn encode(&self, text: &str, tokens_max: usize) -> Result<Vec<u32>> {
        match self {
            Self::WordPiece(wordpiece) => Ok(wordpiece.encode(text, tokens_max)),
            Self::General(general) => general.encode(text, tokens_max),
        }
    }

    /// Counts the tokens of a text, without special ones.
    pub(super) fn count(&self, text: &str) -> usize {
        match self {
            Self::WordPiece(wordpiece) => wordpiece.count(text),
            // No text has more tokens than bytes. That embedding it will fail is said there.
            Self::General(general) => general.plain(text).map_or(text.len(), |ids| ids.len()),
        }
    }

    /// Returns one more than the highest id.
    pub(super) fn vocabulary_len(&self) -> usize {
        match self {
            Self::WordPiece(wordpiece) => wordpiece.vocabulary().len(),
            Self::General(general) => {
                let highest = general.tokenizer.get_vocab(true).into_values().max();
                highest.map_or(0, |id| usize::try_from(id).unwrap_or(usize::MAX).saturating_add(1))
            }
        }
    }
}

/// Reads the files that the ids of a text depend on.
pub(super) fn files(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let names: &[&str] =
        if dir.join("tokenizer.json").exists() { &["tokenizer.json"] } else { &["vocab.txt", "tokenizer_config.json"] };
    let mut files = Vec::new();
    for name in names {
        match std::fs::read(dir.join(name)) {
            Ok(bytes) => files.push(bytes),
            // Absence is a setting too.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => files.push(Vec::new()),
            Err(error) => return Err(Error::from(error).context(format!("reading `{name}`"))),
        }
    }
    Ok(files)
}

impl General {
    fn open(path: &Path) -> Result<Self> {
        let tokenizer = tokenizers::Tokenizer::from_file(path).map_err(|error| {
            Error::new(Kind::BadInput, format!("`{}` is not a tokenizer", path.display())).caused_by(error)
        })?;
        Self::new(tokenizer)
    }

    fn new(mut tokenizer: tokenizers::Tokenizer) -> Result<Self> {
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.set_encode_special_tokens(true);
        let sample = tokenizer.encode("a", true).map_err(failed)?;
        let special = |mask: &&u32| **mask == 1;
        let before = sample.get_special_tokens_mask().iter().take_while(special).count();
        let after = sample.get_special_tokens_mask().iter().rev().take_while(special).count();
        let ids = sample.get_ids();
        let (before, after) = (ids[..before].to_vec(), ids[ids.len() - after..].to_vec());
        Ok(Self { tokenizer, before, after })
    }

    fn plain(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer.encode_fast(text, false).map_err(failed)?.get_ids().to_vec())
    }

    fn encode(&self, text: &str, tokens_max: usize) -> Result<Vec<u32>> {
        let mut ids = self.before.clone();
        ids.extend(self.plain(text)?);
        ids.truncate(tokens_max.saturating_sub(self.after.len()));
        ids.extend(&self.after);
        Ok(ids)
    }
}

fn failed(error: tokenizers::Error) -> Error {
    Error::new(Kind::BadInput, "the tokenizer cannot read this text").caused_by(error)
}

/// The parts of `tokenizer.json` that tell BERT's WordPiece from anything else.
#[derive(Deserialize)]
struct BertJson<'a> {
    normalizer: BertNormalizer,
    pre_tokenizer: Tagged<'a>,
    post_processor: Value,
    added_tokens: Vec<Added>,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct Tagged<'a> {
    r#type: &'a str,
}

#[derive(Deserialize)]
struct Added {
    special: bool,
}

#[derive(Deserialize)]
struct Model<'a> {
    r#type: &'a str,
    unk_token: &'a str,
    continuing_subword_prefix: &'a str,
    max_input_chars_per_word: usize,
    #[serde(borrow)]
    vocab: std::collections::HashMap<std::borrow::Cow<'a, str>, usize>,
}

impl BertJson<'_> {
    fn is_plain_bert(&self) -> bool {
        self.pre_tokenizer.r#type == "BertPreTokenizer"
            && self.model.r#type == "WordPiece"
            && self.model.unk_token == super::wordpiece::UNKNOWN
            && self.model.continuing_subword_prefix == super::wordpiece::CONTINUED
            && self.model.max_input_chars_per_word == super::wordpiece::WORD_CHARS_MAX
            && self.added_tokens.iter().all(|token| token.special)
            && self.surrounds()
    }

    /// Tells whether a single text becomes `[CLS] text [SEP]`.
    fn surrounds(&self) -> bool {
        let single = self.post_processor.get("single").and_then(Value::as_array);
        match (self.post_processor.get("type").and_then(Value::as_str), single.map(Vec::as_slice)) {
            (Some("BertProcessing"), _) => true,
            (Some("TemplateProcessing"), Some([before, text, after])) => {
                before["SpecialToken"]["id"] == "[CLS]"
                    && text["Sequence"]["id"] == "A"
                    && after["SpecialToken"]["id"] == "[SEP]"
            }
            _ => false,
        }
    }
}

impl WordPiece {
    /// Takes over a `tokenizer.json` that is BERT's WordPiece; for any other there is nothing.
    fn from_json(json: &Value) -> Result<Option<Self>> {
        let Ok(bert) = BertJson::deserialize(json) else { return Ok(None) };
        if !bert.is_plain_bert() {
            return Ok(None);
        }
        let mut tokens: Vec<_> = bert.model.vocab.iter().map(|(token, id)| (*id, token.as_ref())).collect();
        tokens.sort_unstable();
        if tokens.iter().enumerate().any(|(index, (id, token))| index != *id || token.contains('\n')) {
            return Ok(None);
        }
        let lines: Vec<&str> = tokens.into_iter().map(|(_, token)| token).collect();
        Self::new(Bytes::from(lines.join("\n").into_bytes()), bert.normalizer).map(Some)
    }
}
