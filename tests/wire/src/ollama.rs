//! Ollama's own chat format. It has neither seals nor ids that must match; arguments are objects, and lines are the
//! events. Unlike the real server, fields that nobody knows are refused, to find mistakes in what is sent.

use std::collections::VecDeque;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::answer::{Answer, Block, Call, Finish, Usage};
use crate::ask::{Ask, Media, Thinks, Tool};
use crate::failure::{Failure, Reply};
use crate::format::{Context, Format};
use crate::shape::{Field, Kind, Object, Problem, Wrong, check, may, need};
use crate::state::State;
use crate::stream::{Event, Frame, Framing};

const FIELDS: &[Field] = &[
    need("model", Kind::Text),
    may("messages", Kind::List),
    may("stream", Kind::Flag),
    may("format", Kind::TextOrMap),
    may("keep_alive", Kind::Any),
    may("tools", Kind::List),
    may("options", Kind::Map),
    may("think", Kind::Any),
    may("truncate", Kind::Flag),
    may("shift", Kind::Flag),
    may("logprobs", Kind::Flag),
    may("top_logprobs", Kind::Whole(0)),
];

const OPTIONS: &[&str] = &[
    "num_ctx",
    "num_predict",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "seed",
    "stop",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
    "num_keep",
    "typical_p",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "use_mmap",
    "num_thread",
    "tfs_z",
    "penalize_newline",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
];

const MESSAGE: &[Field] = &[
    need("role", Kind::Text),
    may("content", Kind::Text),
    may("thinking", Kind::Text),
    may("images", Kind::List),
    may("tool_calls", Kind::List),
    may("tool_name", Kind::Text),
    may("tool_call_id", Kind::Text),
];

const CREATED: &str = "2026-01-02T03:04:05.678901Z";

/// The format.
#[derive(Debug)]
pub(crate) struct Ollama;

impl Format for Ollama {
    fn read(&self, body: &Object, _cx: &Context) -> Result<Ask, Failure> {
        check(body, "", FIELDS)?;
        let mut ask = Ask {
            model: body["model"].as_str().unwrap_or_default().trim_end_matches(":latest").to_owned(),
            // Streaming is the custom of the house.
            stream: body.get("stream") != Some(&json!(false)),
            parallel: true,
            ..Ask::default()
        };
        ask.thinks = match body.get("think") {
            Some(Value::Bool(true)) => Thinks::Shown,
            Some(Value::String(level)) if ["low", "medium", "high", "max"].contains(&level.as_str()) => Thinks::Shown,
            None | Some(Value::Null | Value::Bool(false)) => Thinks::No,
            Some(other) => {
                let message =
                    format!("invalid think value: {other} (must be \"high\", \"medium\", \"low\", true, or false)");
                return Err(Failure::invalid(message));
            }
        };
        ask.schema = match body.get("format") {
            Some(Value::String(word)) if word == "json" => {
                Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}))
            }
            Some(Value::Object(schema)) => Some(Value::Object(schema.clone())),
            None | Some(Value::Null) => None,
            Some(other) => {
                return Err(Failure::invalid(format!(
                    "invalid format: {other}; expected \"json\" or a valid JSON Schema object"
                )));
            }
        };
        options(body)?;
        tools(body, &mut ask)?;
        for (index, message) in body.get("messages").and_then(Value::as_array).into_iter().flatten().enumerate() {
            self::message(message, &format!("messages[{index}]"), &mut ask)?;
        }
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, answer: &Answer, state: &State) -> Value {
        let mut message = json!({"role": "assistant", "content": ""});
        let mut said = String::new();
        let mut calls = Vec::new();
        for block in &answer.blocks {
            match block {
                Block::Thought(pieces) => message["thinking"] = json!(pieces.whole()),
                Block::Text { pieces, .. } | Block::Refusal(pieces) => said.push_str(&pieces.whole()),
                Block::Call(call) => calls.push(self::call(call, calls.len(), state)),
                Block::Server(_) => {}
            }
        }
        message["content"] = json!(said);
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        last(ask, &message, answer)
    }

    fn frames(&self, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
        let mut frames = VecDeque::new();
        let mut calls = 0;
        for block in &answer.blocks {
            let (field, pieces) = match block {
                Block::Thought(pieces) => ("thinking", pieces),
                Block::Text { pieces, .. } | Block::Refusal(pieces) => ("content", pieces),
                Block::Call(call) => {
                    let call = self::call(call, calls, state);
                    calls += 1;
                    let message = json!({"role": "assistant", "content": "", "tool_calls": [call]});
                    frames.push_back(Frame::data(line(&ask.model, &message)));
                    continue;
                }
                Block::Server(_) => continue,
            };
            let model = ask.model.clone();
            let make = move |piece: &str| {
                let mut message = json!({"role": "assistant", "content": ""});
                message[field] = json!(piece);
                Event { name: None, data: line(&model, &message) }
            };
            frames.push_back(Frame::Many(pieces.clone(), Box::new(make)));
        }
        frames.push_back(Frame::data(last(ask, &json!({"role": "assistant", "content": ""}), answer)));
        frames
    }

    fn failure(&self, failure: &Failure, state: &State) -> Reply {
        let (status, message) = match failure {
            Failure::NoKey | Failure::WrongKey(_) | Failure::ExpiredKey => (401, "unauthorized".to_owned()),
            Failure::NoJson => (400, "invalid character in JSON body".to_owned()),
            Failure::Field(problem) => (400, field(problem)),
            Failure::Invalid(fault) => (400, fault.message.clone()),
            Failure::UnknownModel(model) => (404, format!("model '{model}' not found")),
            Failure::RateLimited { .. } => (429, "too many concurrent requests".to_owned()),
            Failure::Quota => (429, "you've reached your weekly usage limit, please upgrade to continue".to_owned()),
            Failure::Internal => (500, "model runner has unexpectedly stopped".to_owned()),
            Failure::Overloaded => {
                (503, "server busy, please try again.  maximum pending requests exceeded".to_owned())
            }
            Failure::TooLong { .. } => (400, "the input length exceeds the context length".to_owned()),
        };
        let reply = Reply::new(status, json!({"error": message}));
        match failure {
            Failure::RateLimited { says_when: true } => reply.header("retry-after", &state.settings.retry_after),
            _ => reply,
        }
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn error_event(&self) -> Event {
        Event { name: None, data: json!({"error": "an error was encountered while running the model"}) }
    }

    fn unknown_event(&self) -> Event {
        let message = json!({"role": "assistant", "content": "", "future_part": {"a": [1]}});
        Event { name: None, data: line("unknown-events", &message) }
    }
}

fn field(Problem { path, what }: &Problem) -> String {
    match what {
        Wrong::Missing => format!("{path} is required"),
        Wrong::Unknown => format!("json: unknown field \"{path}\""),
        Wrong::Type { found, .. } => {
            format!("json: cannot unmarshal {found} into Go struct field ChatRequest.{path}")
        }
        Wrong::Below { least, .. } => format!("{path} must not be below {least}"),
        Wrong::Above { most, .. } => format!("{path} must not be above {most}"),
        Wrong::Value { found, .. } => format!("invalid {path}: {found}"),
    }
}

fn options(body: &Object) -> Result<(), Failure> {
    let mut names = body.get("options").and_then(Value::as_object).into_iter().flat_map(Object::keys);
    match names.find(|name| !OPTIONS.contains(&name.as_str())) {
        Some(name) => Err(Failure::invalid(format!("invalid option provided: {name}"))),
        None => Ok(()),
    }
}

fn tools(body: &Object, ask: &mut Ask) -> Result<(), Failure> {
    for (index, tool) in body.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let at = format!("tools[{index}].function");
        let missing = || Failure::from(Problem { path: at.clone(), what: Wrong::Missing });
        let function = tool["function"].as_object().filter(|_| tool["type"] == "function").ok_or_else(missing)?;
        check(
            function,
            &at,
            &[need("name", Kind::Text), may("description", Kind::Text), may("parameters", Kind::Map)],
        )?;
        let name = tool["function"]["name"].as_str().unwrap_or_default().to_owned();
        ask.tools.push(Tool { name, schema: tool["function"]["parameters"].clone() });
    }
    Ok(())
}

fn message(message: &Value, at: &str, ask: &mut Ask) -> Result<(), Failure> {
    let wrong = || Problem { path: at.to_owned(), what: Wrong::Type { expected: "an object", found: "a value" } };
    check(message.as_object().ok_or_else(wrong)?, at, MESSAGE)?;
    let said = message["content"].as_str().unwrap_or_default();
    for image in message["images"].as_array().into_iter().flatten() {
        let bytes = image.as_str().and_then(|data| base64::engine::general_purpose::STANDARD.decode(data).ok());
        let bytes = bytes.ok_or_else(|| Failure::invalid("illegal base64 data at input byte 0"))?;
        ask.media.push(Media::Bytes { media_type: sniffed(&bytes).to_owned(), length: bytes.len() });
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        if !call["function"]["arguments"].is_object() {
            let path = format!("{at}.tool_calls[{index}].function.arguments");
            return Err(Problem { path, what: Wrong::Type { expected: "an object", found: "string" } }.into());
        }
    }
    match message["role"].as_str().unwrap_or_default() {
        "system" => {}
        "user" => ask.said(said),
        "assistant" => ask.answered = true,
        "tool" => ask.results.push(said.to_owned()),
        other => return Err(Failure::invalid(format!("invalid role: {other}"))),
    }
    Ok(())
}

/// Pictures come without their type.
fn sniffed(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ => "application/octet-stream",
    }
}

fn call(call: &Call, index: usize, state: &State) -> Value {
    let text = call.arguments.whole();
    let arguments = serde_json::from_str(&text).unwrap_or_else(|_| json!({"unexpected": text}));
    json!({"id": state.id("call_"), "function": {"index": index, "name": call.name, "arguments": arguments}})
}

fn line(model: &str, message: &Value) -> Value {
    json!({"model": model, "created_at": CREATED, "message": message, "done": false})
}

fn last(ask: &Ask, message: &Value, answer: &Answer) -> Value {
    let Usage { input, output, .. } = answer.usage;
    let reason = if answer.finish == Finish::Length { "length" } else { "stop" };
    let mut line = line(&ask.model, message);
    let end = json!({"done": true, "done_reason": reason, "total_duration": 5_000_000, "load_duration": 1_000_000,
                     "prompt_eval_count": input, "prompt_eval_duration": 2_000_000, "eval_count": output,
                     "eval_duration": 2_000_000});
    for (name, value) in end.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    line
}
