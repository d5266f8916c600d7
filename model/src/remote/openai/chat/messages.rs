//! The messages of a request. A tool can answer with words only, so what else it gave follows in a message of the user,
//! after the answers of all tools that were asked together.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::super::body::IdRule;
use super::super::super::quirks::Quirks;
use super::super::shared;
use super::NAME;
use crate::media::{Media, Source};
use crate::message::{Message, Part, Role, ToolCall, ToolResult};
use crate::request::Request;
use crate::{Error, Kind, Result};

/// Makes the messages.
pub(super) fn messages(request: &Request, quirks: &Quirks) -> Result<Vec<Value>> {
    let mut messages = Messages { quirks, all: Vec::new(), media: Vec::new() };
    if let Some(output) = request.output.as_ref().filter(|_| quirks.json_object_only) {
        messages.all.push(messages.system(&shared::schema_in_words(output)));
    }
    for message in &request.messages {
        messages.add(message)?;
    }
    messages.flush();
    Ok(messages.all)
}

struct Messages<'a> {
    quirks: &'a Quirks,
    all: Vec<Value>,
    /// What tools gave besides words.
    media: Vec<Value>,
}

impl Messages<'_> {
    fn add(&mut self, message: &Message) -> Result<()> {
        if message.role == Role::Assistant {
            self.flush();
            self.all.extend(self.assistant(message));
            return Ok(());
        }
        for part in &message.parts {
            if let Part::ToolResult(result) = part {
                self.result(result)?;
            }
        }
        match message.role {
            Role::System => {
                let texts: Vec<_> = message.parts.iter().filter_map(text).collect();
                self.flush();
                self.all.push(self.system(&texts.join("\n\n")));
            }
            _ => self.user(&message.parts)?,
        }
        Ok(())
    }

    fn system(&self, text: &str) -> Value {
        let role = if self.quirks.system_role { "system" } else { "developer" };
        json!({"role": role, "content": text})
    }

    fn user(&mut self, parts: &[Part]) -> Result<()> {
        let mut content = content(parts)?;
        if content.is_empty() {
            return Ok(());
        }
        self.flush();
        // Words alone go as text: some servers take nothing else.
        let content = match content.as_mut_slice() {
            [only] if only["type"] == "text" => only["text"].take(),
            _ => Value::Array(content),
        };
        self.all.push(json!({"role": "user", "content": content}));
        Ok(())
    }

    fn result(&mut self, result: &ToolResult) -> Result<()> {
        let (id, mut text) = (self.id(&result.id), shared::result_text(result));
        if shared::has_media(result) {
            if text.is_empty() {
                "the answer is in the next message of the user".clone_into(&mut text);
            }
            let media = result.parts.iter().filter(|part| matches!(part, Part::Image(_) | Part::File(_))).cloned();
            let words = format!("Answer of the tool `{}` to the call `{id}`:", result.name);
            self.media.push(json!({"type": "text", "text": words}));
            self.media.extend(content(&media.collect::<Vec<_>>())?);
        }
        self.all.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
        Ok(())
    }

    fn assistant(&self, message: &Message) -> Option<Value> {
        let text = message.text();
        let calls: Vec<_> = message.tool_calls().map(|call| self.call(call)).collect();
        let mut wire = Map::new();
        wire.insert("role".into(), "assistant".into());
        wire.insert("content".into(), if text.is_empty() { Value::Null } else { text.as_ref().into() });
        let has_calls = !calls.is_empty();
        if has_calls {
            wire.insert("tool_calls".into(), calls.into());
        }
        let thoughts = self.thoughts(message, has_calls);
        let is_empty = text.is_empty() && !has_calls && thoughts.is_none();
        wire.extend(thoughts.map(|(name, thoughts)| (name.to_owned(), thoughts)));
        (!is_empty).then_some(Value::Object(wire))
    }

    fn call(&self, call: &ToolCall) -> Value {
        let arguments = shared::arguments(&call.arguments_json);
        let mut wire = Map::new();
        wire.insert("id".into(), self.id(&call.id).into());
        wire.insert("type".into(), "function".into());
        wire.insert("function".into(), json!({"name": call.name, "arguments": arguments}));
        let opaque = call.opaque.as_deref().filter(|opaque| opaque.provider == NAME).and_then(|o| o.value.as_object());
        wire.extend(opaque.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(wire)
    }

    /// The id of a call as the server takes it.
    fn id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        if self.quirks.nine_letter_ids { IdRule::Nine.fit(id) } else { id.into() }
    }

    /// What the model thought, for servers that want it back.
    fn thoughts(&self, message: &Message, has_calls: bool) -> Option<(&'static str, Value)> {
        if self.quirks.echo_details {
            let details =
                message.parts.iter().filter_map(|part| part.opaque(NAME)?.get("reasoning_details")?.as_array());
            let details: Vec<_> = details.flatten().cloned().collect();
            return (!details.is_empty()).then(|| ("reasoning_details", details.into()));
        }
        if !self.quirks.echo_reasoning || !has_calls {
            return None;
        }
        let thoughts = message.parts.iter().filter_map(|part| match part {
            Part::Reasoning(reasoning) => Some(reasoning.text.as_str()),
            _ => None,
        });
        Some(("reasoning_content", thoughts.collect::<String>().into()))
    }

    /// Hands on what tools gave besides words.
    fn flush(&mut self) {
        if !self.media.is_empty() {
            let media = std::mem::take(&mut self.media);
            self.all.push(json!({"role": "user", "content": media}));
        }
    }
}

fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) => Some(text.text.as_str()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

fn content(parts: &[Part]) -> Result<Vec<Value>> {
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::Text(_) => content.extend(text(part).map(|text| json!({"type": "text", "text": text}))),
            Part::Image(media) => content.push(image(media)?),
            Part::File(media) if media.is_image() => content.push(image(media)?),
            Part::File(media) if media.media_type.starts_with("audio/") => content.push(audio(media)?),
            Part::File(media) => content.push(file(media)?),
            // Results went before; the rest belongs to others.
            Part::ToolResult(_) | Part::ToolCall(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => {}
        }
    }
    Ok(content)
}

fn image(media: &Media) -> Result<Value> {
    let url = match &media.source {
        Source::Url(url) => url.clone(),
        Source::Bytes(_) => shared::data_url(media).unwrap_or_default(),
        Source::FileId(id) => {
            return Err(refused(&format!("a picture by its id, `{id}`; give its bytes or its address")));
        }
    };
    Ok(json!({"type": "image_url", "image_url": {"url": url}}))
}

fn audio(media: &Media) -> Result<Value> {
    let Some(data) = media.base64() else {
        return Err(refused("a recording by its id or address; give its bytes"));
    };
    let format = match media.media_type.trim_start_matches("audio/") {
        "mpeg" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        format => format,
    };
    Ok(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
}

fn file(media: &Media) -> Result<Value> {
    match &media.source {
        Source::FileId(id) => Ok(json!({"type": "file", "file": {"file_id": id}})),
        Source::Url(url) => Err(refused(&format!("a file by its address, `{url}`; give its bytes"))),
        // Text is understood by every server, a file by few.
        Source::Bytes(bytes) if media.media_type.starts_with("text/") => {
            let words = format!("{}:\n\n{}", shared::file_name(media), String::from_utf8_lossy(bytes));
            Ok(json!({"type": "text", "text": words}))
        }
        Source::Bytes(_) => {
            let file = json!({"filename": shared::file_name(media), "file_data": shared::data_url(media)});
            Ok(json!({"type": "file", "file": file}))
        }
    }
}

fn refused(what: &str) -> Error {
    Error::new(Kind::BadInput, format!("Chat Completions does not take {what}"))
}
