//! OpenAI's Chat Completions, which most other servers speak.

use serde_json::Value;

use super::super::frames::Framing;
use super::super::quirks::Quirks;
use super::super::wire::{Decode, Fault, Header, ModelInfo, Wire};
use crate::Result;
use crate::request::Request;
use crate::secret::Secret;

/// OpenAI's Chat Completions, which most other servers speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chat;

impl Wire for Chat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }
    fn framing(&self) -> Framing {
        Framing::Sse
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
        super::super::wire::plain_fault(status, body)
    }
    fn models_path(&self) -> &'static str {
        ""
    }
    fn models(&self, _: &str) -> Result<(Vec<ModelInfo>, Option<String>)> {
        Ok((Vec::new(), None))
    }
}
