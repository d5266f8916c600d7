//! Anthropic's Messages. `abilities` tells from a model's name what it takes, `encode` makes requests, `schema` fits
//! schemas to what the provider compiles, `decode` reads answers, `fault` reads errors.

mod abilities;
mod decode;
mod encode;
mod fault;
mod schema;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value;

use super::body::escaped;
use super::frames::Framing;
use super::quirks::Quirks;
use super::wire::{Decode, Fault, Header, ModelInfo, Wire};
use crate::request::Request;
use crate::secret::Secret;
use crate::{Kind, OrKind, Result};

/// The name under which opaque items travel.
const NAME: &str = "anthropic";

/// The version of the format; there has been no later one.
const VERSION: &str = "2023-06-01";

const MODELS_PATH: &str = "models?limit=1000";

/// Anthropic's Messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn path(&self, _: &str) -> String {
        "messages".to_owned()
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<Header> {
        let key = key.map(|key| Header::secret("x-api-key", key.reveal().to_owned()));
        [Header::open("anthropic-version", VERSION)].into_iter().chain(key).collect()
    }

    fn body(&self, model: &str, request: &Request, _: &Quirks) -> Result<Value> {
        encode::body(model, request)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::<decode::Decoder>::default()
    }

    fn fault(&self, status: u16, body: &str) -> Fault {
        fault::fault(status, body)
    }

    fn models_path(&self) -> &'static str {
        MODELS_PATH
    }

    fn models(&self, body: &str) -> Result<(Vec<ModelInfo>, Option<String>)> {
        let page: Page = serde_json::from_str(body).or_kind(Kind::BadOutput)?;
        let next = page.last_id.filter(|_| page.has_more);
        let next = next.map(|last| format!("{MODELS_PATH}&after_id={}", escaped(&last)));
        let models = page.data.into_iter().map(|model| ModelInfo {
            id: model.id,
            context_tokens_max: model.max_input_tokens,
            output_tokens_max: model.max_tokens,
        });
        Ok((models.collect(), next))
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Listed>,
    #[serde(default)]
    has_more: bool,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
}
