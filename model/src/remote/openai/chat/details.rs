//! Thoughts as OpenRouter streams them: pieces of a list of `reasoning_details`, which it wants back whole.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::lenient::{Count, Words};
use crate::fold::REPLY_BYTES_MAX;
use crate::{Error, Kind, Result};

/// The list so far.
#[derive(Debug, Default)]
pub(super) struct Details {
    all: Vec<Map<String, Value>>,
    /// What the last one is, while more of it may come.
    last: Option<(String, Option<u64>)>,
    bytes: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    index: Count,
    #[serde(borrow)]
    text: Words<'a>,
    #[serde(borrow)]
    summary: Words<'a>,
    #[serde(borrow)]
    signature: Words<'a>,
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    format: Words<'a>,
}

impl Details {
    /// Takes a piece, and adds the words in it.
    ///
    /// # Errors
    /// `Limit` if there are too many.
    pub(super) fn push(&mut self, raw: &RawValue, words: &mut String) -> Result<()> {
        self.bytes += raw.get().len();
        if self.bytes > REPLY_BYTES_MAX {
            return Err(Error::new(Kind::Limit, format!("thoughts of more than {REPLY_BYTES_MAX} bytes")));
        }
        let Ok(piece) = serde_json::from_str::<Piece<'_>>(raw.get()) else {
            return Ok(());
        };
        let (kind, index) = (piece.kind.as_str(), piece.index.0);
        words.push_str(piece.text.as_str());
        words.push_str(piece.summary.as_str());
        let grows = matches!(kind, "reasoning.text" | "reasoning.summary");
        let is_more = self.last.as_ref().is_some_and(|(last, at)| last == kind && *at == index);
        match self.all.last_mut() {
            Some(last) if grows && is_more => {
                append(last, "text", &piece.text);
                append(last, "summary", &piece.summary);
                set(last, "signature", &piece.signature);
                set(last, "id", &piece.id);
                set(last, "format", &piece.format);
            }
            _ => {
                self.last = grows.then(|| (kind.to_owned(), index));
                self.all.extend(serde_json::from_str::<Map<_, _>>(raw.get()).ok());
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the list so far, and begins another.
    pub(super) fn take(&mut self) -> Option<Value> {
        self.last = None;
        let all = std::mem::take(&mut self.all);
        (!all.is_empty()).then(|| json!({ "reasoning_details": all }))
    }
}

fn append(detail: &mut Map<String, Value>, name: &str, words: &Words<'_>) {
    let Some(words) = words.full() else { return };
    match detail.get_mut(name) {
        Some(Value::String(text)) => text.push_str(words),
        _ => drop(detail.insert(name.to_owned(), words.into())),
    }
}

fn set(detail: &mut Map<String, Value>, name: &str, words: &Words<'_>) {
    if let Some(words) = words.full() {
        detail.insert(name.to_owned(), words.into());
    }
}
