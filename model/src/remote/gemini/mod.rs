//! Google's generateContent. `encode` makes requests, `thinking` says how much a model thinks, `decode` reads answers,
//! `partial` puts together arguments that come in pieces, `fault` reads errors.

mod decode;
mod encode;
mod fault;
mod partial;
#[cfg(test)]
mod tests;
mod thinking;

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
const NAME: &str = "gemini";

const MODELS_PATH: &str = "models?pageSize=1000";

/// Google's generateContent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gemini;

impl Wire for Gemini {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn path(&self, model: &str) -> String {
        // A name may say where it stands: `tunedModels/mine`.
        let folder = if model.contains('/') { "" } else { "models/" };
        format!("{folder}{model}:streamGenerateContent?alt=sse")
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<Header> {
        key.map(|key| Header::secret("x-goog-api-key", key.reveal().to_owned())).into_iter().collect()
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
        let next = page.next_page_token.filter(|token| !token.is_empty());
        let next = next.map(|token| format!("{MODELS_PATH}&pageToken={}", escaped(&token)));
        // Models that only embed or draw are listed too.
        let chats = |model: &Listed| {
            let methods = &model.supported_generation_methods;
            methods.is_empty() || methods.iter().any(|method| method == "generateContent")
        };
        let models = page.models.into_iter().filter(chats).map(|model| ModelInfo {
            id: model.name.strip_prefix("models/").unwrap_or(&model.name).to_owned(),
            context_tokens_max: model.input_token_limit,
            output_tokens_max: model.output_token_limit,
        });
        Ok((models.collect(), next))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    models: Vec<Listed>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    input_token_limit: Option<u64>,
    output_token_limit: Option<u64>,
    #[serde(default)]
    supported_generation_methods: Vec<String>,
}
