//! OpenAI Responses: what a request must look like, and what it asks.

mod items;
pub(crate) mod words;
mod write;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ask::{Ask, Thinks, Tool};
use crate::chat::{EFFORTS, TIERS};
use crate::failure::{Failure, Invalid, Reply};
use crate::format::{Context, Format};
use crate::shape::{Field, Kind, Object, Problem, Wrong, check, may, need, not_strict};
use crate::state::State;
use crate::stream::{Event, Frame, Framing};

const FIELDS: &[Field] = &[
    need("model", Kind::Text),
    need("input", Kind::TextOrList),
    may("background", Kind::Flag),
    may("context_management", Kind::List),
    may("conversation", Kind::TextOrMap),
    may("include", Kind::List),
    may("instructions", Kind::Text),
    may("max_output_tokens", Kind::Whole(16)),
    may("max_tool_calls", Kind::Whole(1)),
    may("metadata", Kind::Map),
    may("moderation", Kind::Map),
    may("parallel_tool_calls", Kind::Flag),
    may("previous_response_id", Kind::Text),
    may("prompt", Kind::Map),
    may("prompt_cache_key", Kind::Text),
    may("prompt_cache_options", Kind::Map),
    may("prompt_cache_retention", Kind::OneOf(&["in_memory", "24h"])),
    may("reasoning", Kind::Map),
    may("safety_identifier", Kind::Text),
    may("service_tier", Kind::OneOf(TIERS)),
    may("store", Kind::Flag),
    may("stream", Kind::Flag),
    may("stream_options", Kind::Map),
    may("temperature", Kind::Number(0.0, 2.0)),
    may("text", Kind::Map),
    may("tool_choice", Kind::TextOrMap),
    may("tools", Kind::List),
    may("top_logprobs", Kind::Whole(0)),
    may("top_p", Kind::Number(0.0, 1.0)),
    may("truncation", Kind::OneOf(&["auto", "disabled"])),
    may("user", Kind::Text),
];

const REASONING: &[Field] = &[
    may("effort", Kind::OneOf(EFFORTS)),
    may("summary", Kind::OneOf(&["auto", "concise", "detailed"])),
    may("generate_summary", Kind::OneOf(&["auto", "concise", "detailed"])),
    may("context", Kind::OneOf(&["auto", "current_turn", "all_turns"])),
    may("mode", Kind::OneOf(&["standard", "pro"])),
];

const SEALED: &str = "reasoning.encrypted_content";

const INCLUDES: &[&str] = &[
    SEALED,
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "message.output_text.logprobs",
];

/// Tools that the provider runs itself.
const SERVER_TOOLS: &[&str] = &[
    "web_search",
    "web_search_preview",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "custom",
    "namespace",
    "tool_search",
    "shell",
    "local_shell",
    "apply_patch",
    "computer_use_preview",
];

/// The format.
#[derive(Debug)]
pub(crate) struct Responses;

impl Format for Responses {
    fn read(&self, body: &Object, cx: &Context) -> Result<Ask, Failure> {
        check(body, "", FIELDS)?;
        let mut ask = Ask {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body.get("stream") == Some(&json!(true)),
            parallel: body.get("parallel_tool_calls") != Some(&json!(false)),
            thinks: thinks(body)?,
            cache: cache_hint(body),
            ..Ask::default()
        };
        for (index, include) in body.get("include").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let include = include.as_str().unwrap_or_default();
            if !INCLUDES.contains(&include) {
                let what = Wrong::Value { found: include.to_owned(), supported: INCLUDES.to_vec() };
                return Err(Problem { path: format!("include[{index}]"), what }.into());
            }
            ask.sealed |= include == SEALED;
        }
        tools(body, &mut ask)?;
        text_format(body, &mut ask)?;
        items::read(&conversation(body, cx)?, &mut ask, &cx.state)?;
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value {
        write::whole(ask, answer, state)
    }

    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
        write::frames(ask, answer, state)
    }

    fn failure(&self, failure: &Failure, state: &State) -> Reply {
        match failure {
            Failure::UnknownModel(model) => {
                let message = format!("The requested model '{model}' does not exist.");
                let code = Some("model_not_found");
                Reply::new(400, words::error(&message, "invalid_request_error", Some("model"), code))
            }
            other => words::failure(other, state),
        }
    }

    fn framing(&self) -> Framing {
        Framing::NumberedEvents
    }

    fn error_event(&self) -> Event {
        let message = "The server had an error while processing your request. Sorry about that!";
        Event::typed("error", words::error(message, "server_error", None, Some("server_error")))
    }

    fn unknown_event(&self) -> Event {
        Event::typed("response.future_thing.delta", json!({"item_id": "ft_1", "output_index": 99, "delta": {"a": [1]}}))
    }
}

/// Returns all items of the conversation, those of stored responses first.
fn conversation(body: &Object, cx: &Context) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    if let Some(id) = body.get("previous_response_id").and_then(Value::as_str) {
        items = cx.state.stored(id).ok_or_else(|| {
            let message = format!("Previous response with id '{id}' not found.");
            Failure::coded(message, "previous_response_id", "previous_response_not_found")
        })?;
    }
    match &body["input"] {
        Value::String(text) => items.push(json!({"role": "user", "content": text})),
        input => items.extend(input.as_array().into_iter().flatten().cloned()),
    }
    Ok(items)
}

fn thinks(body: &Object) -> Result<Thinks, Failure> {
    let Some(reasoning) = body.get("reasoning").and_then(Value::as_object) else { return Ok(Thinks::Hidden) };
    check(reasoning, "reasoning", REASONING)?;
    if reasoning.get("effort") == Some(&json!("none")) {
        return Ok(Thinks::No);
    }
    let is_shown = reasoning.get("summary").is_some_and(|summary| !summary.is_null());
    Ok(if is_shown { Thinks::Shown } else { Thinks::Hidden })
}

fn cache_hint(body: &Object) -> Option<String> {
    let key = body.get("prompt_cache_key").and_then(Value::as_str);
    key.map(str::to_owned).or_else(|| body.get("prompt_cache_options").map(|_| "options".to_owned()))
}

fn tools(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let fields = [
        need("type", Kind::Text),
        need("name", Kind::Text),
        may("description", Kind::Text),
        may("parameters", Kind::Map),
        may("strict", Kind::Flag),
        may("defer_loading", Kind::Flag),
        may("allowed_callers", Kind::List),
        may("output_schema", Kind::Map),
    ];
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools[{index}]");
        match tool["type"].as_str() {
            None => return Err(words::missing(&format!("{at}.type"))),
            Some("function") => {}
            Some(kind) if SERVER_TOOLS.contains(&kind) => continue,
            Some(other) => return Err(words::bad_part(other, &["function", "web_search", "custom"], &at)),
        }
        let object = tool.as_object().ok_or_else(|| words::missing(&at))?;
        check(object, &at, &fields)?;
        let name = tool["name"].as_str().unwrap_or_default();
        words::tool_name(name, &format!("{at}.name"))?;
        let schema = object.get("parameters").filter(|schema| !schema.is_null()).cloned();
        let schema = schema.unwrap_or(json!({"type": "object", "properties": {}}));
        if tool["strict"] == true {
            words::strict_function(name, &schema, &format!("{at}.parameters"))?;
        }
        ask.tools.push(Tool { name: name.to_owned(), schema });
    }
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    words::choose(choice, choice["name"].as_str(), ask)
}

fn text_format(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    let Some(text) = body.get("text").and_then(Value::as_object) else { return Ok(()) };
    let verbosity = may("verbosity", Kind::OneOf(&["low", "medium", "high"]));
    check(text, "text", &[may("format", Kind::Map), verbosity])?;
    let Some(format) = text.get("format").and_then(Value::as_object) else { return Ok(()) };
    let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
    let fields = [
        need("type", Kind::Text),
        need("name", Kind::Text),
        need("schema", Kind::Map),
        may("strict", Kind::Flag),
        may("description", Kind::Text),
    ];
    match kind {
        "text" => {}
        "json_object" => {
            words::says_json(&body["input"], "input", "text.format")?;
            ask.schema = Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}));
        }
        "json_schema" => {
            check(format, "text.format", &fields)?;
            let schema = format["schema"].clone();
            // Strict unless said otherwise.
            let strict = format.get("strict") != Some(&json!(false));
            if let Some(fault) = not_strict(&schema).filter(|_| strict) {
                let name = format["name"].as_str().unwrap_or_default();
                let message = format!("Invalid schema for response_format '{name}': {fault}");
                let param = Some("text.format.schema".to_owned());
                return Err(Failure::Invalid(Invalid { message, param, code: Some("invalid_json_schema") }));
            }
            ask.schema = Some(schema);
        }
        other => return Err(words::bad_part(other, &["text", "json_object", "json_schema"], "text.format")),
    }
    Ok(())
}
