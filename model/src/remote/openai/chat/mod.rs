//! OpenAI's Chat Completions, which most other servers speak, each a little differently: what they want otherwise is told
//! by [`Quirks`], what they send otherwise is understood from all.

mod calls;
mod decode;
mod details;
mod encode;
mod messages;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::super::frames::Framing;
use super::super::quirks::Quirks;
use super::super::wire::{Decode, Fault, Header, ModelInfo, Wire};
use super::{fault, models, shared};
use crate::Result;
use crate::request::Request;
use crate::secret::Secret;

/// The name under which its opaque items travel.
const NAME: &str = "openai-chat";

/// OpenAI's Chat Completions, which most other servers speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chat;

impl Wire for Chat {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn path(&self, _: &str) -> String {
        "/chat/completions".to_owned()
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<Header> {
        shared::headers(key)
    }

    fn body(&self, model: &str, request: &Request, quirks: &Quirks) -> Result<Value> {
        encode::body(model, request, quirks)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::<decode::ChatDecoder>::default()
    }

    fn fault(&self, status: u16, body: &str) -> Fault {
        fault::fault(status, body)
    }

    fn models_path(&self) -> &'static str {
        "/models"
    }

    fn models(&self, body: &str) -> Result<(Vec<ModelInfo>, Option<String>)> {
        models::models(body).map(|models| (models, None))
    }
}
