//! Messages in the JSON that the conventions of spans prescribe. It is for people who look at traces, not for models: pictures and
//! what only a provider can read are named and left out, and of a long conversation the newest part is told.

use serde_json::{Value, json};

use crate::message::{Message, Part, Role};
use crate::messages::Messages;
use crate::secret::Secret;
use crate::span::CONTENT_BYTES_MAX;

/// Bytes of one text; a long document need not be told whole to be recognised.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// What the model is told to be.
pub(super) fn instructions(messages: &Messages) -> String {
    let system = messages.iter().filter(|message| message.role == Role::System);
    Value::from_iter(system.flat_map(|message| &message.parts).map(part)).to_string()
}

/// The rest of the conversation: its newest messages, as many as fit.
pub(super) fn conversation(messages: &Messages) -> String {
    let others: Vec<&Message> = messages.iter().filter(|message| message.role != Role::System).collect();
    let mut told: Vec<String> = Vec::new();
    let mut bytes = "[]".len();
    for message in others.into_iter().rev() {
        let message = json!({"role": role(message.role), "parts": parts(&message.parts)}).to_string();
        bytes += message.len() + 1;
        if bytes > CONTENT_BYTES_MAX {
            break;
        }
        told.push(message);
    }
    told.reverse();
    format!("[{}]", told.join(","))
}

/// What the model said.
pub(super) fn answer(message: &Message, finish: &str) -> String {
    json!([{"role": role(message.role), "parts": parts(&message.parts), "finish_reason": finish}]).to_string()
}

fn parts(parts: &[Part]) -> Vec<Value> {
    parts.iter().map(part).collect()
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "content": cut(&text.text)}),
        Part::Reasoning(reasoning) => json!({"type": "reasoning", "content": cut(&reasoning.text)}),
        Part::ToolCall(call) => {
            let arguments = serde_json::from_str::<Value>(&call.arguments_json);
            let arguments = arguments.unwrap_or_else(|_| Value::from(cut(&call.arguments_json)));
            json!({"type": "tool_call", "id": call.id, "name": call.name, "arguments": arguments})
        }
        Part::ToolResult(result) => {
            json!({"type": "tool_call_response", "id": result.id, "response": cut(&result.text())})
        }
        Part::Image(_) => json!({"type": "image"}),
        Part::File(_) => json!({"type": "file"}),
        Part::Citation(citation) => json!({"type": "citation", "title": citation.title, "url": citation.url}),
        Part::Opaque(opaque) => json!({"type": "opaque", "provider": opaque.provider}),
    }
}

/// The beginning of a text. Half a key is a key too: it is taken out first.
fn cut(text: &str) -> String {
    let mut text = Secret::redact_all(text).into_owned();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}
