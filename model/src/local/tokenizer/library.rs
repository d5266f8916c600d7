//! Tokenizers that come as `tokenizer.json`, and WordPiece, which the `tokenizers` crate does as its models expect.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::super::vocabulary::{TokenKind, Vocabulary};
use super::facts::{Class, Facts, byte_of, is_stop, key, looks_like_a_mark};
use super::{Markers, byte_level};
use crate::{Error, Kind, Result};

/// Characters of a word that WordPiece still looks at; BERT's `max_input_chars_per_word`.
const WORDPIECE_CHARACTERS_MAX: u32 = 100;
const CONTINUES: &str = "##";

/// A tokenizer of the `tokenizers` crate.
#[derive(Debug)]
pub(super) struct Library {
    /// Finds marks by their names.
    parse: Tokenizer,
    /// Does not.
    text: Tokenizer,
    /// Ids of marks, but for the one that stands for what is unknown.
    marks: HashSet<u32>,
    spelling: Spelling,
    /// Whether decoding drops the space before the first word.
    pub(super) drops_space: bool,
}

/// How tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// A character for each byte.
    Bytes,
    /// `▁` for a space, `<0x0A>` for a byte.
    Spaces,
    /// `##` before what continues a word.
    Continued,
    /// As they are.
    Plain,
}

impl Library {
    /// Reads `tokenizer.json`; `unknown` is the name of the token for what is unknown.
    pub(super) fn read(json: &[u8], unknown: Option<&str>) -> Result<Self> {
        let mut parse = Tokenizer::from_bytes(json).map_err(|error| Error::from_source(Kind::BadInput, error))?;
        parse.with_padding(None);
        parse.with_truncation(None).map_err(internal)?;
        let added = parse.get_added_tokens_decoder();
        let names: HashSet<&str> = added.values().map(|token| token.content.as_str()).collect();
        let is_mark = |name: &str| looks_like_a_mark(name) || is_stop(name, |name| names.contains(name));
        let mistaken = added.values().filter(|token| !token.special && is_mark(&token.content));
        let mistaken: Vec<_> = mistaken.map(|token| token.clone().special(true)).collect();
        parse.add_special_tokens(mistaken).map_err(internal)?;
        let (mut text, added) = (parse.clone(), parse.get_added_tokens_decoder());
        text.set_encode_special_tokens(true);
        let marks = added.iter().filter(|(_, token)| token.special && Some(token.content.as_str()) != unknown);
        let marks = marks.map(|(id, _)| *id).collect();
        let decoder = serde_json::to_value(parse.get_decoder()).unwrap_or_default();
        let before = serde_json::to_value(parse.get_pre_tokenizer()).unwrap_or_default();
        let (spelling, drops_space) = (Spelling::of(&decoder, &before), drops_space(&decoder));
        Ok(Self { parse, text, marks, spelling, drops_space })
    }

    /// Builds the WordPiece tokenizer of a GGUF file, in which `▁` begins words and nothing what continues them.
    pub(super) fn wordpiece(facts: &Facts<'_>, unknown: u32) -> Result<Self> {
        let flag = |name: &str| facts.gguf.flag(&key(name));
        let lowercase = flag("normalizer.lowercase")?.unwrap_or(true);
        let strip_accents = flag("normalizer.strip_accents")?.unwrap_or(lowercase);
        let name = |text: &str| match text.strip_prefix('▁') {
            Some(word) => word.to_owned(),
            None if text.starts_with('[') && text.ends_with(']') && text.len() > 2 => text.to_owned(),
            None => format!("{CONTINUES}{text}"),
        };
        let ids = (0_u32..).zip(&facts.texts);
        let vocabulary: serde_json::Map<_, _> = ids.clone().map(|(id, text)| (name(text), id.into())).collect();
        let marks = ids.filter(|(id, _)| matches!(facts.class(*id), Class::Control | Class::Unknown));
        let added = marks.map(|(id, text)| {
            json!({"id": id, "content": name(text), "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false})
        });
        let unknown = name(facts.texts.get(unknown as usize).copied().unwrap_or_default());
        let json = json!({
            "version": "1.0",
            "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": strip_accents, "lowercase": lowercase},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "decoder": {"type": "WordPiece", "prefix": CONTINUES, "cleanup": false},
            "model": {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": CONTINUES,
                "max_input_chars_per_word": WORDPIECE_CHARACTERS_MAX, "vocab": vocabulary},
        });
        Self::read(json.to_string().as_bytes(), Some(&unknown))
    }

    /// Makes tokens of a text.
    pub(super) fn encode(&self, text: &str, markers: Markers) -> Result<Vec<u32>> {
        let tokenizer = match markers {
            Markers::Parse => &self.parse,
            Markers::Text => &self.text,
        };
        let encoded = tokenizer.encode_fast(text, false).map_err(internal)?;
        let mut tokens = encoded.get_ids().to_vec();
        if markers == Markers::Text {
            // Some models know the names of marks as words; a mark that was not meant says nothing.
            tokens.retain(|id| !self.marks.contains(id));
        }
        Ok(tokens)
    }

    /// Returns what goes before and after a text by itself.
    pub(super) fn around(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let encode =
            |marks: bool| Ok::<_, Error>(self.parse.encode_fast("a", marks).map_err(internal)?.get_ids().to_vec());
        let (inner, outer): (Vec<u32>, Vec<u32>) = (encode(false)?, encode(true)?);
        let at = outer.windows(inner.len().max(1)).position(|window| window == inner);
        let Some(at) = at else { return Ok((Vec::new(), Vec::new())) };
        Ok((outer[..at].to_vec(), outer[at + inner.len()..].to_vec()))
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.parse.token_to_id(token)
    }

    /// Returns the ids of tokens that end an answer: those of names and ids that are given, and marks that always do.
    pub(super) fn stops<'a>(&self, names: impl Iterator<Item = &'a str>, ids: impl Iterator<Item = u32>) -> Vec<u32> {
        let known = self.parse.get_added_tokens_decoder();
        let names_all: HashSet<&str> = known.values().map(|token| token.content.as_str()).collect();
        let marks =
            known.iter().filter(|(_, token)| token.special && is_stop(&token.content, |name| names_all.contains(name)));
        let mut stops: Vec<u32> = names.filter_map(|name| self.id(name)).chain(ids).collect();
        stops.extend(marks.map(|(id, _)| *id));
        stops.sort_unstable();
        stops.dedup();
        stops
    }

    /// Returns what the tokens stand for.
    pub(super) fn vocabulary(&self, stops: Vec<u32>) -> Vocabulary {
        let added = self.parse.get_added_tokens_decoder();
        let names = self.parse.get_vocab(true);
        let len = names.values().max().map_or(0, |last| *last as usize + 1);
        let mut tokens = vec![(Vec::new(), TokenKind::Unused); len];
        for (name, id) in names {
            tokens[id as usize] = match added.get(&id) {
                Some(token) if token.special => (name.into_bytes(), TokenKind::Control),
                Some(_) => (name.into_bytes(), TokenKind::Text),
                None => (self.spelling.bytes(&name), TokenKind::Text),
            };
        }
        Vocabulary::new(tokens, stops)
    }
}

impl Spelling {
    fn of(decoder: &Value, before: &Value) -> Self {
        let is = |kind: &str| parts(decoder).iter().any(|part| part["type"] == kind);
        let replaces = parts(decoder).iter().any(|part| part["type"] == "Replace" && part["pattern"]["String"] == "▁");
        if is("ByteLevel") {
            Self::Bytes
        } else if is("Metaspace") || is("ByteFallback") || replaces {
            Self::Spaces
        } else if is("WordPiece") {
            Self::Continued
        } else if decoder.is_null() && parts(before).iter().any(|part| part["type"] == "ByteLevel") {
            Self::Bytes
        } else {
            Self::Plain
        }
    }

    fn bytes(self, name: &str) -> Vec<u8> {
        match self {
            Self::Bytes => byte_level::bytes(name).unwrap_or_else(|| name.as_bytes().to_vec()),
            Self::Spaces => match byte_of(name) {
                Some(byte) => vec![byte],
                None => name.replace('▁', " ").into_bytes(),
            },
            Self::Continued => match name.strip_prefix(CONTINUES) {
                Some(rest) => rest.as_bytes().to_vec(),
                None => format!(" {name}").into_bytes(),
            },
            Self::Plain => name.as_bytes().to_vec(),
        }
    }
}

/// Tells whether a decoder drops the space before the first word.
fn drops_space(decoder: &Value) -> bool {
    parts(decoder).iter().any(|part| match part["type"].as_str() {
        Some("Strip") => part["content"] == " " && part["start"] == 1,
        Some("Metaspace") => part["prepend_scheme"] != "never",
        Some("WordPiece") => true,
        _ => false,
    })
}

/// Returns the parts of a decoder or a pre-tokenizer that is made of several, or the one.
fn parts(value: &Value) -> Vec<&Value> {
    let several = value.get("decoders").or_else(|| value.get("pretokenizers")).and_then(Value::as_array);
    several.map_or_else(|| vec![value], |parts| parts.iter().collect())
}

fn internal(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::from_source(Kind::BadInput, error)
}
