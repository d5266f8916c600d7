//! Pieces of requests that both formats write alike.

use serde_json::{Map, Value, json};

use super::super::body::merge;
pub(super) use super::super::body::number;
use super::super::wire::Header;
use crate::media::Media;
use crate::message::{Part, ToolResult};
use crate::request::{OutputSchema, Request, ToolChoice};
use crate::secret::Secret;

pub(super) fn headers(key: Option<&Secret>) -> Vec<Header> {
    key.map(|key| Header::secret("authorization", format!("Bearer {}", key.reveal()))).into_iter().collect()
}

/// Puts the caller's own fields over those made here.
pub(super) fn merged(mut body: Map<String, Value>, request: &Request) -> Value {
    merge(&mut body, &request.extra, &[]);
    Value::Object(body)
}

/// Whether there is a tool to choose; a choice without one is refused.
pub(super) fn has_tools(request: &Request) -> bool {
    !request.tools.is_empty() || request.extra.contains_key("tools")
}

/// The choices that are one word.
pub(super) fn choice_word(choice: &ToolChoice) -> Option<&'static str> {
    match choice {
        ToolChoice::Auto => Some("auto"),
        ToolChoice::None => Some("none"),
        ToolChoice::Required => Some("required"),
        ToolChoice::Tool(_) => None,
    }
}

/// Returns the bytes as an address that holds them.
pub(super) fn data_url(media: &Media) -> Option<String> {
    media.base64().map(|base64| format!("data:{};base64,{base64}", media.media_type))
}

/// Returns the name of a file; the formats want one.
pub(super) fn file_name(media: &Media) -> String {
    let ending = media.media_type.rsplit('/').next().unwrap_or("bin");
    let ending = if ending == "plain" { "txt" } else { ending };
    media.name.clone().unwrap_or_else(|| format!("file.{ending}"))
}

/// Returns the words of an answer of a tool. The formats have no field for a failure, so the words say it.
pub(super) fn result_text(result: &ToolResult) -> String {
    match result.is_error {
        true => format!("error: {}", result.text()),
        false => result.text(),
    }
}

/// Tells whether an answer of a tool is more than words.
pub(super) fn has_media(result: &ToolResult) -> bool {
    result.parts.iter().any(|part| matches!(part, Part::Image(_) | Part::File(_)))
}

/// Wraps the arguments of a call that has none.
pub(super) fn arguments(json: &str) -> Value {
    json!(if json.trim().is_empty() { "{}" } else { json })
}

/// Says the schema where the format cannot; servers that only know "JSON" also want to read that word.
pub(super) fn schema_in_words(output: &OutputSchema) -> String {
    format!("Answer with one JSON object that fits this JSON schema, and nothing else:\n{}", output.schema)
}
