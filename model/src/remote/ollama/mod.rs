//! Ollama's own chat: lines of JSON, calls that come whole, and options that only a server of one's own has. `encode` makes
//! requests, `schema` fits the schemas
//! of tools, `decode` reads answers and errors. Every request says how large the model's window must be (`num_ctx`), because
//! the server would otherwise cut long conversations off.

mod decode;
mod encode;
mod schema;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value;

use super::frames::Framing;
use super::quirks::Quirks;
use super::wire::{Decode, Fault, Header, ModelInfo, Wire};
use crate::request::Request;
use crate::secret::Secret;
use crate::{Kind, OrKind, Result};

/// The name under which opaque items travel.
const NAME: &str = "ollama";

/// Ollama's own chat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ollama;

impl Wire for Ollama {
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn path(&self, _: &str) -> String {
        "api/chat".to_owned()
    }

    /// A server of one's own wants no key; its maker's does.
    fn headers(&self, key: Option<&Secret>) -> Vec<Header> {
        key.map(|key| Header::secret("authorization", format!("Bearer {}", key.reveal()))).into_iter().collect()
    }

    fn body(&self, model: &str, request: &Request, _: &Quirks) -> Result<Value> {
        encode::body(model, request)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::<decode::Decoder>::default()
    }

    fn fault(&self, status: u16, body: &str) -> Fault {
        decode::fault(status, body)
    }

    fn models_path(&self) -> &'static str {
        "api/tags"
    }

    fn models(&self, body: &str) -> Result<(Vec<ModelInfo>, Option<String>)> {
        let tags: Tags = serde_json::from_str(body).or_kind(Kind::BadOutput)?;
        let models = tags.models.unwrap_or_default();
        Ok((models.into_iter().map(|model| ModelInfo::new(model.name)).collect(), None))
    }
}

#[derive(Deserialize)]
struct Tags {
    models: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}
