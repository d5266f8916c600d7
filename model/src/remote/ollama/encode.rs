//! Makes the body of a request.

use serde_json::{Map, Value, json};

use super::{NAME, schema};
use crate::media::Media;
use crate::message::{Message, Part, Reasoning, Role, ToolResult};
use crate::remote::body::{arguments_object, merge, number};
use crate::request::{Effort, Request, ToolChoice, ToolSpec};
use crate::{Error, Kind, Result};

/// Makes the body of a request.
pub(super) fn body(model: &str, request: &Request) -> Result<Value> {
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        say(message, &mut messages)?;
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("stream".to_owned(), true.into());
    body.insert("messages".to_owned(), messages.into());
    let tools = tools(request)?;
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    if let Some(output) = &request.output {
        body.insert("format".to_owned(), output.schema.clone());
    }
    if let Some(effort) = request.effort {
        body.insert("think".to_owned(), think(model, effort));
    }
    let mut options = options(request);
    options.insert("num_ctx".to_owned(), context_tokens(&body, request).into());
    body.insert("options".to_owned(), options.into());
    merge(&mut body, &request.extra, &["options"]);
    Ok(Value::Object(body))
}

/// The window that is asked for at least: what the server takes by itself, too.
const CONTEXT_TOKENS_MIN: u64 = 4_096;

/// The window that is asked for at most, for the sake of memory. The server takes no more than the model was made for.
const CONTEXT_TOKENS_MAX: u64 = 131_072;

/// Bytes of text that become one token, at least; in English four or more do.
const BYTES_PER_TOKEN: u64 = 3;

/// Tokens of an image: more than most models here make of one.
const IMAGE_TOKENS: u64 = 1_024;

/// Tokens that an answer gets where nothing is said.
const OUTPUT_TOKENS_DEFAULT: u32 = 1_024;

/// Returns the window to ask for. Without one the server takes a small window and cuts the beginning of a longer
/// conversation off without a word. It holds what is estimated of the request and its answer, and is a power of two,
/// because the server loads the model anew whenever the window changes. The caller's own `options.num_ctx` wins.
fn context_tokens(body: &Map<String, Value>, request: &Request) -> u64 {
    let all = ["messages", "tools", "format"].iter().filter_map(|name| body.get(*name));
    let output_tokens = u64::from(request.output_tokens_max.unwrap_or(OUTPUT_TOKENS_DEFAULT));
    let tokens = all.map(text_bytes).sum::<u64>().div_ceil(BYTES_PER_TOKEN) + output_tokens;
    let images = body["messages"].as_array().into_iter().flatten().filter_map(|message| message["images"].as_array());
    let tokens = tokens + images.map(|images| images.len() as u64 * IMAGE_TOKENS).sum::<u64>();
    tokens.clamp(CONTEXT_TOKENS_MIN, CONTEXT_TOKENS_MAX).next_power_of_two()
}

/// Counts the bytes of all words of a value but for images; the names of fields are words too.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "images");
            fields.map(|(name, value)| name.len() as u64 + text_bytes(value)).sum()
        }
        // As long as the longest of these, and mostly longer than a number.
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    }
}

/// Adds a message: one for all its words, and one for each result of a tool.
fn say(message: &Message, messages: &mut Vec<Value>) -> Result<()> {
    let (mut images, mut calls, mut thinking) = (Vec::new(), Vec::new(), String::new());
    for part in &message.parts {
        match part {
            Part::Image(media) | Part::File(media) => images.push(image(media)?),
            Part::ToolCall(call) => {
                let function = json!({ "index": calls.len(), "name": call.name, "arguments": arguments_object(call) });
                calls.push(json!({ "id": call.id, "type": "function", "function": function }));
            }
            Part::ToolResult(result) => messages.push(tool(result)?),
            Part::Reasoning(Reasoning { text, opaque }) => {
                // What carries another provider's seal is for that provider.
                if opaque.as_ref().is_none_or(|opaque| opaque.provider == NAME) {
                    thinking.push_str(text);
                }
            }
            Part::Text(_) | Part::Citation(_) | Part::Opaque(_) => {}
        }
    }
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let text = message.text();
    if text.is_empty() && images.is_empty() && calls.is_empty() && thinking.is_empty() {
        return Ok(());
    }
    let mut said = json!({ "role": role, "content": text });
    let fields = [("images", images.into()), ("tool_calls", calls.into()), ("thinking", Value::String(thinking))];
    for (name, value) in fields {
        if value != json!([]) && value != "" {
            said[name] = value;
        }
    }
    messages.push(said);
    Ok(())
}

fn tool(result: &ToolResult) -> Result<Value> {
    // The format has no field for a failure, so the words say it.
    let text = if result.is_error { format!("error: {}", result.text()) } else { result.text() };
    let mut said = json!({ "role": "tool", "tool_name": result.name, "tool_call_id": result.id, "content": text });
    let images = result.parts.iter().filter_map(|part| match part {
        Part::Image(media) | Part::File(media) => Some(image(media)),
        _ => None,
    });
    let images: Vec<Value> = images.collect::<Result<_>>()?;
    if !images.is_empty() {
        said["images"] = images.into();
    }
    Ok(said)
}

fn image(media: &Media) -> Result<Value> {
    if !media.is_image() {
        let message =
            format!("Ollama takes images only, no `{}`; put the text of the file into the message", media.media_type);
        return Err(Error::new(Kind::BadInput, message));
    }
    media
        .base64()
        .map(Value::from)
        .ok_or_else(|| Error::new(Kind::BadInput, "Ollama reads no addresses; give it the bytes of the image"))
}

/// The format has no choice of tools. A tool that must not be asked for is not shown; that one must be asked for is left
/// out, because nothing here could make the model.
fn tools(request: &Request) -> Result<Vec<Value>> {
    match &request.tool_choice {
        Some(ToolChoice::None) => Ok(Vec::new()),
        Some(ToolChoice::Tool(name)) => match request.tools.iter().find(|tool| tool.name == *name) {
            Some(tool) => Ok(vec![function(tool)]),
            None => Err(Error::new(
                Kind::BadInput,
                format!("the model must ask for `{name}`, which is not among the tools"),
            )),
        },
        Some(ToolChoice::Auto | ToolChoice::Required) | None => Ok(request.tools.iter().map(function).collect()),
    }
}

fn function(tool: &ToolSpec) -> Value {
    let parameters = schema::kept(&tool.parameters);
    let function = json!({ "name": tool.name, "description": tool.description, "parameters": parameters });
    json!({ "type": "function", "function": function })
}

/// Says how much the model thinks. Only gpt-oss knows levels on every server, and it cannot be kept from thinking;
/// servers before 2026 refuse levels for other models.
fn think(model: &str, effort: Effort) -> Value {
    if !model.contains("gpt-oss") {
        return (effort != Effort::None).into();
    }
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low".into(),
        Effort::Medium => "medium".into(),
        Effort::High | Effort::Max => "high".into(),
    }
}

fn options(request: &Request) -> Map<String, Value> {
    let stop = Some(&request.stop).filter(|stop| !stop.is_empty());
    let options = [
        ("temperature", request.temperature.map(number)),
        ("top_p", request.top_p.map(number)),
        ("top_k", request.top_k.map(Value::from)),
        ("seed", request.seed.map(|seed| (seed & SEED_MAX).into())),
        ("stop", stop.map(|stop| json!(stop))),
        ("num_predict", request.output_tokens_max.map(Value::from)),
    ];
    options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The server reads the seed into 32 bits with a sign; a larger one would become another, or none.
const SEED_MAX: u64 = 0x7fff_ffff;
