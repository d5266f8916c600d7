//! A conversation as a list of items. Calls, their results and thoughts are items of their own, in the order in which they
//! came; words between them are messages.

use serde_json::{Map, Value, json};

use super::super::super::body::IdRule;
use super::super::super::quirks::Quirks;
use super::super::shared;
use super::NAME;
use crate::media::{Media, Source};
use crate::message::{Message, Opaque, Part, Role, Text, ToolCall, ToolResult};
use crate::request::Request;
use crate::{Error, Kind, Result};

/// Makes the items.
pub(super) fn items(request: &Request, quirks: &Quirks) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    if let Some(output) = request.output.as_ref().filter(|_| quirks.json_object_only) {
        items.push(json!({"role": system(quirks), "content": shared::schema_in_words(output)}));
    }
    for message in &request.messages {
        match message.role {
            Role::Assistant => assistant(message, &mut items),
            Role::System => said(message, system(quirks), &mut items)?,
            Role::User | Role::Tool => said(message, "user", &mut items)?,
        }
    }
    Ok(items)
}

fn system(quirks: &Quirks) -> &'static str {
    if quirks.system_role { "system" } else { "developer" }
}

/// A message to the model.
fn said(message: &Message, role: &str, items: &mut Vec<Value>) -> Result<()> {
    let mut content = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => items.push(output(result)?),
            Part::Opaque(opaque) => items.extend(own(opaque)),
            _ => content.extend(input(part)?),
        }
    }
    let content = match content.as_mut_slice() {
        [] => return Ok(()),
        [only] if only["type"] == "input_text" => only["text"].take(),
        _ => Value::Array(content),
    };
    items.push(json!({"role": role, "content": content}));
    Ok(())
}

/// A message of the model: each run of words is a message, all else is an item of its own.
fn assistant(message: &Message, items: &mut Vec<Value>) {
    let before = items.len();
    let mut words = String::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => {
                words.push_str(&text.text);
                if text.opaque.is_some() {
                    say(&mut words, Some(text), items);
                }
            }
            // Where words come from is not part of the conversation.
            Part::Citation(_) => {}
            Part::ToolCall(call) => {
                say(&mut words, None, items);
                items.push(self::call(call));
            }
            Part::Reasoning(_) | Part::Opaque(_) => {
                if let Some(item) = part.opaque(NAME) {
                    say(&mut words, None, items);
                    items.push(item.clone());
                }
            }
            // The model cannot be told that it drew a picture; the item that it drew in goes back instead.
            Part::Image(_) | Part::File(_) | Part::ToolResult(_) => {}
        }
    }
    say(&mut words, None, items);
    // Thoughts that led to nothing, as when the limit of tokens cut them off, are refused.
    while items.len() > before && items.last().is_some_and(|item| item["type"] == "reasoning") {
        items.pop();
    }
}

fn say(words: &mut String, last: Option<&Text>, items: &mut Vec<Value>) {
    if words.is_empty() {
        return;
    }
    let mut item = Map::new();
    item.insert("type".into(), "message".into());
    item.insert("role".into(), "assistant".into());
    item.insert("content".into(), std::mem::take(words).into());
    extend(&mut item, last.and_then(|text| text.opaque.as_deref()));
    items.push(Value::Object(item));
}

fn call(call: &ToolCall) -> Value {
    let mut item = Map::new();
    item.insert("type".into(), "function_call".into());
    item.insert("call_id".into(), IdRule::Short.fit(&call.id).into());
    item.insert("name".into(), call.name.as_str().into());
    item.insert("arguments".into(), shared::arguments(&call.arguments_json));
    extend(&mut item, call.opaque.as_deref());
    Value::Object(item)
}

/// Puts fields back that the provider gave.
fn extend(item: &mut Map<String, Value>, opaque: Option<&Opaque>) {
    let fields = opaque.and_then(own).and_then(|value| value.as_object().cloned());
    item.extend(fields.into_iter().flatten());
}

fn own(opaque: &Opaque) -> Option<Value> {
    (opaque.provider == NAME).then(|| opaque.value.clone())
}

fn output(result: &ToolResult) -> Result<Value> {
    let output = match shared::has_media(result) {
        false => shared::result_text(result).into(),
        true => {
            let failed = result.is_error.then(|| Ok(json!({"type": "input_text", "text": "error:"})));
            let parts = result.parts.iter().filter_map(|part| input(part).transpose());
            Value::Array(failed.into_iter().chain(parts).collect::<Result<_>>()?)
        }
    };
    Ok(json!({"type": "function_call_output", "call_id": IdRule::Short.fit(&result.id), "output": output}))
}

fn input(part: &Part) -> Result<Option<Value>> {
    Ok(match part {
        Part::Text(text) if text.text.is_empty() => None,
        Part::Text(text) => Some(json!({"type": "input_text", "text": text.text})),
        Part::Image(media) => Some(image(media)),
        Part::File(media) if media.is_image() => Some(image(media)),
        Part::File(media) if media.media_type.starts_with("audio/") => {
            let message = "OpenAI's Responses takes no recordings; use Chat Completions with a model that listens";
            return Err(Error::new(Kind::BadInput, message));
        }
        Part::File(media) => Some(file(media)),
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => None,
    })
}

fn image(media: &Media) -> Value {
    let (name, value) = match &media.source {
        Source::Url(url) => ("image_url", url.clone()),
        Source::FileId(id) => ("file_id", id.clone()),
        Source::Bytes(_) => ("image_url", shared::data_url(media).unwrap_or_default()),
    };
    json!({"type": "input_image", name: value, "detail": "auto"})
}

fn file(media: &Media) -> Value {
    match &media.source {
        Source::Url(url) => json!({"type": "input_file", "file_url": url}),
        Source::FileId(id) => json!({"type": "input_file", "file_id": id}),
        Source::Bytes(_) => {
            let (name, data) = (shared::file_name(media), shared::data_url(media));
            json!({"type": "input_file", "filename": name, "file_data": data})
        }
    }
}
