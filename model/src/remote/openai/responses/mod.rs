//! OpenAI's Responses: a conversation is a list of items, and so is an answer. Nothing is stored at the provider: what it
//! must get back, such as sealed thoughts, goes with every request.

mod decode;
mod encode;
mod items;
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
const NAME: &str = "openai";

/// OpenAI's Responses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Responses;

impl Wire for Responses {
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn path(&self, _: &str) -> String {
        "/responses".to_owned()
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<Header> {
        shared::headers(key)
    }

    fn body(&self, model: &str, request: &Request, quirks: &Quirks) -> Result<Value> {
        encode::body(model, request, quirks)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::<decode::ResponsesDecoder>::default()
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
