//! Makes the body of a request. What carries a signature goes back exactly as it stood: a signature on another part, or on
//! two joined, is refused or forgets what the model thought.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{NAME, thinking};
use crate::Result;
use crate::media::{Media, Source};
use crate::message::{Part, Role, ToolCall, ToolResult};
use crate::remote::body::{arguments_object, is_made_up, merge, number, object_schema, version};
use crate::request::{Request, ToolChoice, ToolSpec};

/// Where files that the provider holds are found.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// What Google's documentation gives as the signature of a call that another model made; Gemini 3 refuses a call of the
/// turn at hand without one.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Makes the body of a request.
pub(super) fn body(model: &str, request: &Request) -> Result<Value> {
    let mut body = Map::new();
    let (system, contents) = conversation(model, request);
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    body.insert("contents".to_owned(), contents.into_iter().map(Content::value).collect());
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body.insert("tools".to_owned(), json!([{ "functionDeclarations": declarations }]));
        if let Some(config) = calling(request) {
            body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": config }));
        }
    }
    let config = generation(model, request);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    merge(&mut body, &request.extra, &["generationConfig", "toolConfig"]);
    Ok(Value::Object(body))
}

/// What one side says until the other answers.
struct Content {
    role: &'static str,
    parts: Vec<Value>,
}

impl Content {
    fn value(mut self) -> Value {
        // What tools answered stands first; the order is kept otherwise.
        self.parts.sort_by_key(|part| part.get("functionResponse").is_none());
        json!({ "role": self.role, "parts": self.parts })
    }
}

/// Makes the instructions and the turns. Results of all calls of a turn must stand in one.
fn conversation(model: &str, request: &Request) -> (Vec<Value>, Vec<Content>) {
    let (mut system, mut contents) = (Vec::new(), Vec::<Content>::new());
    let is_new = is_new(model);
    for message in &request.messages {
        let mut parts: Vec<Value> = message.parts.iter().flat_map(|part| parts(part, is_new)).collect();
        let role = match message.role {
            // The format knows instructions only before the conversation.
            Role::System => {
                system.extend(parts);
                continue;
            }
            Role::User | Role::Tool => "user",
            Role::Assistant => "model",
        };
        if role == "model" && is_new {
            sign_first_call(&mut parts);
        }
        match contents.last_mut() {
            // A turn without parts is refused.
            _ if parts.is_empty() => {}
            Some(content) if content.role == role => content.parts.extend(parts),
            _ => contents.push(Content { role, parts }),
        }
    }
    (system, contents)
}

/// Tells whether a model is of Gemini 3 or later.
fn is_new(model: &str) -> bool {
    model.contains("gemini") && version(model).is_none_or(|version| version >= (3, 0))
}

/// Only the first call of a turn carries a signature, so that a turn without one is another model's.
fn sign_first_call(parts: &mut [Value]) {
    let first = parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let Some(Value::Object(part)) = first {
        part.entry("thoughtSignature").or_insert_with(|| STANDARD.encode(NO_SIGNATURE).into());
    }
}

fn parts(part: &Part, is_new: bool) -> Vec<Value> {
    let opaque = part.opaque(NAME);
    let value = match part {
        Part::Text(text) if text.text.is_empty() && opaque.is_none() => return Vec::new(),
        Part::Text(text) => json!({ "text": text.text }),
        // Thoughts without a signature need not come back, and nobody can tell whose they are.
        Part::Reasoning(_) if opaque.is_none() => return Vec::new(),
        Part::Reasoning(reasoning) => json!({ "text": reasoning.text, "thought": true }),
        Part::ToolCall(call) => json!({ "functionCall": function_call(call) }),
        Part::ToolResult(result) => return function_response(result, is_new),
        Part::Image(media) | Part::File(media) => self::media(media),
        Part::Opaque(_) => return opaque.cloned().into_iter().collect(),
        Part::Citation(_) => return Vec::new(),
    };
    vec![with(value, opaque)]
}

/// Adds what came with a part.
fn with(mut value: Value, opaque: Option<&Value>) -> Value {
    if let (Value::Object(value), Some(Value::Object(more))) = (&mut value, opaque) {
        value.extend(more.clone());
    }
    value
}

fn function_call(call: &ToolCall) -> Value {
    let mut value = json!({ "name": call.name, "args": arguments_object(call) });
    // What was made up here means nothing there.
    if !is_made_up(&call.id) {
        value["id"] = call.id.as_str().into();
    }
    value
}

/// Makes the answer of a tool. Its pictures belong to it from Gemini 3 on; before, they stand behind it.
fn function_response(result: &ToolResult, is_new: bool) -> Vec<Value> {
    let name = if result.is_error { "error" } else { "output" };
    let mut response = json!({ "name": result.name, "response": { name: result.text() } });
    if !is_made_up(&result.id) {
        response["id"] = result.id.as_str().into();
    }
    let media = result.parts.iter().filter_map(|part| match part {
        Part::Image(media) | Part::File(media) => Some(self::media(media)),
        _ => None,
    });
    let mut media: Vec<Value> = media.collect();
    if is_new && !media.is_empty() {
        response["parts"] = std::mem::take(&mut media).into();
    }
    std::iter::once(json!({ "functionResponse": response })).chain(media).collect()
}

fn media(media: &Media) -> Value {
    let uri = match &media.source {
        Source::Bytes(_) => {
            return json!({ "inlineData": { "mimeType": media.media_type, "data": media.base64() } });
        }
        Source::Url(url) => url.clone(),
        Source::FileId(id) if id.contains("://") => id.clone(),
        Source::FileId(id) if id.starts_with("files/") => format!("{FILES}{id}"),
        Source::FileId(id) => format!("{FILES}files/{id}"),
    };
    json!({ "fileData": { "mimeType": media.media_type, "fileUri": uri } })
}

fn declaration(tool: &ToolSpec) -> Value {
    let parameters = object_schema(&tool.parameters);
    json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": parameters })
}

/// Says whether the model must ask for a tool. Whether it may ask for several cannot be said, so it is left out. Arguments
/// are held to their schemas in all calls or in none.
fn calling(request: &Request) -> Option<Value> {
    let strict = request.tools.iter().any(|tool| tool.strict);
    match &request.tool_choice {
        Some(ToolChoice::None) => Some(json!({ "mode": "NONE" })),
        Some(ToolChoice::Required) => Some(json!({ "mode": "ANY" })),
        Some(ToolChoice::Tool(name)) => Some(json!({ "mode": "ANY", "allowedFunctionNames": [name] })),
        Some(ToolChoice::Auto) | None if strict => Some(json!({ "mode": "VALIDATED" })),
        Some(ToolChoice::Auto) => Some(json!({ "mode": "AUTO" })),
        None => None,
    }
}

/// The provider reads the seed into 32 bits with a sign, and refuses a larger one.
const SEED_MAX: u64 = 0x7fff_ffff;

fn generation(model: &str, request: &Request) -> Map<String, Value> {
    let stop = Some(&request.stop).filter(|stop| !stop.is_empty());
    let output = request.output.as_ref();
    let thinking = request.effort.and_then(|effort| thinking::config(model, effort, request.output_tokens_max));
    let fields = [
        ("maxOutputTokens", request.output_tokens_max.map(Value::from)),
        ("temperature", request.temperature.map(number)),
        ("topP", request.top_p.map(number)),
        ("topK", request.top_k.map(Value::from)),
        ("seed", request.seed.map(|seed| (seed & SEED_MAX).into())),
        ("stopSequences", stop.map(|stop| json!(stop))),
        ("responseMimeType", output.map(|_| "application/json".into())),
        ("responseJsonSchema", output.map(|output| output.schema.clone())),
        ("thinkingConfig", thinking),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
