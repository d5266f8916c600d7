//! Ollama's own chat.

use serde_json::Value;

use super::frames::Framing;
use super::quirks::Quirks;
use super::wire::{Decode, Fault, Header, ModelInfo, Wire};
use crate::Result;
use crate::request::Request;
use crate::secret::Secret;

/// Ollama's own chat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ollama;

impl Wire for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }
    fn framing(&self) -> Framing {
        Framing::Lines
    }
    fn path(&self, _: &str) -> String {
        String::new()
    }
    fn headers(&self, _: Option<&Secret>) -> Vec<Header> {
        Vec::new()
    }
    fn body(&self, _: &str, _: &Request, _: &Quirks) -> Result<Value> {
        Ok(Value::Null)
    }
    fn decoder(&self) -> Box<dyn Decode> {
        unreachable!()
    }
    fn fault(&self, status: u16, body: &str) -> Fault {
        super::wire::plain_fault(status, body)
    }
    fn models_path(&self) -> &'static str {
        ""
    }
    fn models(&self, _: &str) -> Result<(Vec<ModelInfo>, Option<String>)> {
        Ok((Vec::new(), None))
    }
}
