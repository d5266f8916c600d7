//! Anthropic Messages: the turns of a conversation, which must fit together, and of which the sealed blocks must come
//! back as they were.

use serde_json::Value;

use super::words::{bad_tag, required, text};
use crate::ask::{Ask, Media, Thinks};
use crate::failure::Failure;
use crate::media;
use crate::shape::Object;
use crate::state::State;

/// Reads all messages in order.
pub(super) fn read(body: &Object, ask: &mut Ask, state: &State) -> Result<(), Failure> {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        return Err(Failure::invalid("messages: at least one message is required"));
    }
    for (index, block) in body.get("system").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if block["type"] != "text" {
            return Err(bad_tag(&format!("system.{index}"), block["type"].as_str().unwrap_or_default(), &["text"]));
        }
    }
    let mut reader = Reader { ask, state, open: Vec::new() };
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages.{index}");
        let is_last = index + 1 == messages.len();
        match message["role"].as_str() {
            Some("user") => reader.user(message, &at, index)?,
            Some("assistant") => reader.assistant(message, &at, index, is_last)?,
            Some("system") if index > 0 => {}
            None => return Err(required(&format!("{at}.role"))),
            Some(_) => return Err(Failure::invalid(format!("{at}.role: Input should be 'user' or 'assistant'"))),
        }
    }
    if messages[0]["role"] == "assistant" {
        return Err(Failure::invalid("messages: first message must use the \"user\" role"));
    }
    if reader.open.is_empty() { Ok(()) } else { Err(unanswered(&reader.open, messages.len() - 1)) }
}

struct Reader<'a> {
    ask: &'a mut Ask,
    state: &'a State,
    /// Calls without a result.
    open: Vec<String>,
}

fn unanswered(open: &[String], index: usize) -> Failure {
    Failure::invalid(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        open.join(", ")
    ))
}

/// The blocks of a message; a text counts as one block.
fn blocks(message: &Value, at: &str) -> Result<Vec<Value>, Failure> {
    match &message["content"] {
        Value::String(text) => Ok(vec![serde_json::json!({"type": "text", "text": text})]),
        Value::Array(blocks) => Ok(blocks.clone()),
        Value::Null => Err(required(&format!("{at}.content"))),
        _ => Err(Failure::invalid(format!("{at}.content: Input should be a valid list"))),
    }
}

impl Reader<'_> {
    fn user(&mut self, message: &Value, at: &str, index: usize) -> Result<(), Failure> {
        let blocks = blocks(message, at)?;
        if blocks.is_empty() {
            return Err(Failure::invalid(format!("{at}: user messages must have non-empty content")));
        }
        self.ask.continued = false;
        let mut said = String::new();
        let mut results = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let at = format!("{at}.content.{number}");
            if block["type"] == "tool_result" {
                results.push(self.result(block, &at)?);
            } else {
                // Results come first; what follows them is an unanswered call.
                if !self.open.is_empty() {
                    return Err(unanswered(&self.open, index - 1));
                }
                self.block(block, &at, &mut said)?;
            }
        }
        if !self.open.is_empty() {
            return Err(unanswered(&self.open, index - 1));
        }
        if results.is_empty() {
            self.ask.said(&said);
        }
        self.ask.results.append(&mut results);
        Ok(())
    }

    /// Reads a block of the user, or one inside the result of a tool.
    fn block(&mut self, block: &Value, at: &str, said: &mut String) -> Result<(), Failure> {
        match block["type"].as_str() {
            None => return Err(required(&format!("{at}.type"))),
            Some("text") => {
                let text = text(block, "text", at)?;
                if text.is_empty() {
                    return Err(Failure::invalid("messages: text content blocks must be non-empty"));
                }
                said.push_str(text);
            }
            Some("image") => self.source(block, &format!("{at}.image.source"), &IMAGES)?,
            Some("document") => {
                self.source(block, &format!("{at}.document.source"), &["application/pdf", "text/plain"])?;
                if block["citations"]["enabled"] == true {
                    let title = block["title"].as_str().unwrap_or("document");
                    let text = block["source"]["data"].as_str().unwrap_or_default();
                    self.ask.documents.push((title.to_owned(), text.to_owned()));
                }
            }
            Some("search_result" | "tool_reference" | "container_upload") => {}
            Some(other) => {
                return Err(bad_tag(at, other, &["text", "image", "document", "search_result", "tool_result"]));
            }
        }
        Ok(())
    }

    fn source(&mut self, block: &Value, at: &str, types: &[&str]) -> Result<(), Failure> {
        let source = &block["source"];
        let media_type = source["media_type"].as_str().unwrap_or_default();
        let media = match source["type"].as_str() {
            Some("url") => Media::Url(text(source, "url", at)?.to_owned()),
            Some("file") => Media::Url(text(source, "file_id", at)?.to_owned()),
            Some("text") => {
                let length = text(source, "data", at)?.len();
                Media::Bytes { media_type: media_type.to_owned(), length }
            }
            Some("base64") if !types.contains(&media_type) => {
                let quoted: Vec<_> = types.iter().map(|one| format!("'{one}'")).collect();
                let message = format!("{at}.base64.media_type: Input should be {}", quoted.join(", "));
                return Err(Failure::invalid(message));
            }
            Some("base64") => media::bytes(media_type, text(source, "data", at)?)
                .ok_or_else(|| Failure::invalid(format!("{at}.base64.data: invalid base64 data")))?,
            other => return Err(bad_tag(at, other.unwrap_or_default(), &["base64", "url", "file", "text"])),
        };
        self.ask.media.push(media);
        Ok(())
    }

    fn result(&mut self, block: &Value, at: &str) -> Result<String, Failure> {
        let id = text(block, "tool_use_id", at)?;
        let Some(place) = self.open.iter().position(|open| open == id) else {
            return Err(Failure::invalid(format!(
                "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must \
                 have a corresponding `tool_use` block in the previous message."
            )));
        };
        self.open.remove(place);
        let mut said = String::new();
        match &block["content"] {
            Value::String(text) => said.push_str(text),
            Value::Array(inner) => {
                for (number, block) in inner.iter().enumerate() {
                    self.block(block, &format!("{at}.content.{number}"), &mut said)?;
                }
            }
            _ => {}
        }
        Ok(said)
    }

    fn assistant(&mut self, message: &Value, at: &str, index: usize, is_last: bool) -> Result<(), Failure> {
        if !self.open.is_empty() {
            return Err(unanswered(&self.open, index - 1));
        }
        self.ask.answered = true;
        self.ask.continued = is_last;
        let blocks = blocks(message, at)?;
        let mut seals: Vec<String> = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let at = format!("{at}.content.{number}");
            match block["type"].as_str().unwrap_or_default() {
                "text" => {
                    let text = text(block, "text", &at)?;
                    let is_final = is_last && number + 1 == blocks.len();
                    if text.is_empty() {
                        return Err(Failure::invalid("messages: text content blocks must be non-empty"));
                    }
                    if is_final && text.ends_with(char::is_whitespace) {
                        let message = "messages: final assistant content cannot end with trailing whitespace";
                        return Err(Failure::invalid(message));
                    }
                }
                "thinking" => seals.push(self.sealed(block, "signature", &at)?),
                "redacted_thinking" => seals.push(self.sealed(block, "data", &at)?),
                "tool_use" => self.call(block, &at, &seals)?,
                "server_tool_use" => self.server(block, "id", &at)?,
                kind if kind.ends_with("_tool_result") => self.server(block, "tool_use_id", &at)?,
                "compaction" | "fallback" | "mcp_tool_use" | "container_upload" => {}
                other => return Err(bad_tag(&at, other, &["text", "thinking", "redacted_thinking", "tool_use"])),
            }
        }
        Ok(())
    }

    /// What was sealed must be as it was.
    fn sealed(&self, block: &Value, name: &str, at: &str) -> Result<String, Failure> {
        let kind = block["type"].as_str().unwrap_or_default();
        let seal = text(block, name, &format!("{at}.{kind}"))?;
        let Some(kept) = self.state.kept(seal) else {
            return Err(Failure::invalid(format!("{at}: Invalid `{name}` in `{kind}` block")));
        };
        if kept != *block {
            return Err(Failure::invalid(format!(
                "{at}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. \
                 These blocks must remain as they were in the original response."
            )));
        }
        Ok(seal.to_owned())
    }

    fn call(&mut self, block: &Value, at: &str, seals: &[String]) -> Result<(), Failure> {
        let id = text(block, "id", &format!("{at}.tool_use"))?;
        text(block, "name", &format!("{at}.tool_use"))?;
        if !block["input"].is_object() {
            return Err(Failure::invalid(format!("{at}.tool_use.input: Input should be an object")));
        }
        let needed = self.state.required(id).filter(|seal| !seals.contains(seal));
        if needed.is_some() && self.ask.thinks != Thinks::No {
            return Err(Failure::invalid(format!(
                "{at}.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is \
                 enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of \
                 `tool_use` and `tool_result` blocks)."
            )));
        }
        self.open.push(id.to_owned());
        Ok(())
    }

    fn server(&mut self, block: &Value, id: &str, at: &str) -> Result<(), Failure> {
        let key = format!("{id}:{}", block[id].as_str().unwrap_or_default());
        if self.state.kept(&key).as_ref() != Some(block) {
            let kind = block["type"].as_str().unwrap_or_default();
            return Err(Failure::invalid(format!("{at}: `{kind}` block is not as it was in the original response")));
        }
        self.ask.echoed += 1;
        Ok(())
    }
}

const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
