//! OpenAI Chat Completions: answers, whole and in chunks.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Block, Call, Citation, Finish, Pieces, Usage};
use crate::ask::Ask;
use crate::compat::{CallIds, Quirks, Thoughts, UsagePlace};
use crate::state::State;
use crate::stream::{Event, Frame};

const CREATED: u64 = 1_760_000_000;

/// What is the same in all chunks.
#[derive(Clone)]
struct Envelope {
    fields: Value,
    is_openai: bool,
}

impl Envelope {
    fn new(quirks: &Quirks, ask: &Ask, object: &str, state: &State) -> Self {
        let fields = if quirks.has_envelope {
            json!({"id": state.id("chatcmpl-"), "object": object, "created": CREATED, "model": ask.model})
        } else {
            json!({})
        };
        let is_openai = quirks.server == "openai";
        let mut envelope = Self { fields, is_openai };
        if is_openai {
            envelope.fields["service_tier"] = json!("default");
            envelope.fields["system_fingerprint"] = json!("fp_0123456789");
        }
        if quirks.server == "openrouter" {
            envelope.fields["provider"] = json!("Example");
        }
        envelope
    }

    fn chunk(&self, delta: &Value, finish: &Value) -> Event {
        let mut data = self.fields.clone();
        data["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}]);
        if self.is_openai {
            data["usage"] = Value::Null;
            data["obfuscation"] = json!("Xq3");
        }
        Event { name: None, data }
    }
}

/// Writes an answer as chunks.
pub(super) fn frames(quirks: &Quirks, ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
    let envelope = Envelope::new(quirks, ask, "chat.completion.chunk", state);
    let mut frames = VecDeque::new();
    frames.extend(quirks.comment.map(Frame::Raw));
    frames.push_back(Frame::One(envelope.chunk(&json!({"role": "assistant", "content": ""}), &Value::Null)));
    let mut calls = 0;
    for block in &answer.blocks {
        match block {
            Block::Thought(pieces) => thought(quirks, &envelope, pieces, &mut frames),
            Block::Text { pieces, citations } => {
                many(&envelope, pieces, |piece| json!({"content": piece}), &mut frames);
                if !citations.is_empty() {
                    let delta = json!({"annotations": annotations(citations)});
                    frames.push_back(Frame::One(envelope.chunk(&delta, &Value::Null)));
                }
            }
            Block::Refusal(pieces) => many(&envelope, pieces, |piece| json!({"refusal": piece}), &mut frames),
            Block::Call(call) => {
                call_frames(quirks, &envelope, calls, call, state, &mut frames);
                calls += 1;
            }
            Block::Server(_) => {}
        }
    }
    ending(quirks, ask, answer, &envelope, &mut frames);
    frames
}

fn many(envelope: &Envelope, pieces: &Pieces, delta: fn(&str) -> Value, frames: &mut VecDeque<Frame>) {
    let envelope = envelope.clone();
    let make = move |piece: &str| envelope.chunk(&delta(piece), &Value::Null);
    frames.push_back(Frame::Many(pieces.clone(), Box::new(make)));
}

fn thought(quirks: &Quirks, envelope: &Envelope, pieces: &Pieces, frames: &mut VecDeque<Frame>) {
    let delta: fn(&str) -> Value = match quirks.thoughts {
        Thoughts::Never => return,
        Thoughts::Content => |piece| json!({"content": null, "reasoning_content": piece}),
        Thoughts::Reasoning => |piece| json!({"reasoning": piece}),
        Thoughts::Details => |piece| {
            json!({"content": "", "reasoning": piece, "reasoning_details": [
                {"type": "reasoning.text", "text": piece, "format": "unknown", "index": 0}]})
        },
        Thoughts::Parts => {
            |piece| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]})
        }
        Thoughts::Tags => |piece| json!({"content": piece}),
    };
    let tag = |tag: &str| Frame::One(envelope.chunk(&json!({"content": tag}), &Value::Null));
    if quirks.thoughts == Thoughts::Tags {
        frames.push_back(tag("<think>"));
        many(envelope, pieces, delta, frames);
        frames.push_back(tag("</think>\n\n"));
    } else {
        many(envelope, pieces, delta, frames);
    }
    if quirks.thoughts == Thoughts::Details {
        let sealed = json!({"content": "", "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "c2VhbGVk", "format": "unknown", "id": "rs_1", "index": 1}]});
        frames.push_back(Frame::One(envelope.chunk(&sealed, &Value::Null)));
    }
}

fn call_id(quirks: &Quirks, state: &State) -> Option<String> {
    match quirks.ids {
        CallIds::Usual => Some(state.id("call_")),
        CallIds::Nine => Some(state.letters(9)),
        CallIds::Missing => None,
    }
}

/// The call itself, without its place.
fn call_value(quirks: &Quirks, call: &Call, arguments: &Value, state: &State) -> Value {
    let mut value = json!({"type": "function", "function": {"name": call.name, "arguments": arguments}});
    if let Some(id) = call_id(quirks, state) {
        value["id"] = json!(id);
    }
    if quirks.server == "mistral" {
        value.as_object_mut().map(|value| value.remove("type"));
    }
    value
}

fn arguments(quirks: &Quirks, call: &Call) -> Value {
    let text = call.arguments.whole();
    match serde_json::from_str(&text) {
        Ok(object) if quirks.object_arguments => object,
        _ => Value::String(text),
    }
}

fn call_frames(
    quirks: &Quirks,
    envelope: &Envelope,
    index: usize,
    call: &Call,
    state: &State,
    frames: &mut VecDeque<Frame>,
) {
    let first = if quirks.whole_calls { arguments(quirks, call) } else { json!("") };
    let mut value = call_value(quirks, call, &first, state);
    value["index"] = json!(index);
    frames.push_back(Frame::One(envelope.chunk(&json!({"tool_calls": [value]}), &Value::Null)));
    if !quirks.whole_calls {
        let envelope = envelope.clone();
        let make = move |piece: &str| {
            let call = json!({"index": index, "function": {"arguments": piece}});
            envelope.chunk(&json!({"tool_calls": [call]}), &Value::Null)
        };
        frames.push_back(Frame::Many(call.arguments.clone(), Box::new(make)));
    }
}

fn ending(quirks: &Quirks, ask: &Ask, answer: &Answer, envelope: &Envelope, frames: &mut VecDeque<Frame>) {
    let mut last = envelope.chunk(&json!({}), &finish(quirks, answer.finish));
    let usage = usage(quirks, &answer.usage);
    match quirks.usage {
        UsagePlace::LastChunk => last.data["usage"] = usage.clone(),
        UsagePlace::Groq => last.data["x_groq"] = json!({"id": "req_1", "usage": usage}),
        UsagePlace::IfAsked | UsagePlace::Never => {}
    }
    if quirks.server == "openrouter" {
        last.data["choices"][0]["native_finish_reason"] = json!("completed");
    }
    frames.push_back(Frame::One(last));
    if ask.wants_usage && matches!(quirks.usage, UsagePlace::IfAsked | UsagePlace::Groq) {
        let mut data = envelope.fields.clone();
        data["choices"] = json!([]);
        data["usage"] = usage;
        frames.push_back(Frame::data(data));
    }
    if quirks.done {
        frames.push_back(Frame::Raw("data: [DONE]\n\n"));
    }
}

fn finish(quirks: &Quirks, finish: Finish) -> Value {
    let word = match finish {
        Finish::Stop | Finish::Refusal | Finish::Pause => quirks.finish[0],
        Finish::Length => quirks.finish[1],
        Finish::Calls => quirks.finish[2],
    };
    if word.is_empty() { Value::Null } else { json!(word) }
}

fn usage(quirks: &Quirks, usage: &Usage) -> Value {
    let (input, output) = (usage.input, usage.output);
    let mut value = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    match quirks.server {
        "mistral" => {}
        "deepseek" => {
            value["prompt_cache_hit_tokens"] = json!(usage.cache_read);
            value["prompt_cache_miss_tokens"] = json!(input - usage.cache_read);
            value["completion_tokens_details"] = json!({"reasoning_tokens": usage.thoughts});
        }
        server => {
            value["prompt_tokens_details"] = json!({"cached_tokens": usage.cache_read, "audio_tokens": 0,
                                                    "cache_write_tokens": usage.cache_write});
            value["completion_tokens_details"] = json!({"reasoning_tokens": usage.thoughts, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0});
            if server == "openrouter" {
                value["cost"] = json!(0.000_12);
            }
        }
    }
    value
}

/// Writes an answer in one piece.
pub(super) fn whole(quirks: &Quirks, ask: &Ask, answer: &Answer, state: &State) -> Value {
    let mut value = Envelope::new(quirks, ask, "chat.completion", state).fields;
    let choice = json!({"index": 0, "message": message(quirks, answer, state), "logprobs": null,
                        "finish_reason": finish(quirks, answer.finish)});
    value["choices"] = json!([choice]);
    if quirks.usage != UsagePlace::Never {
        value["usage"] = usage(quirks, &answer.usage);
    }
    value
}

fn message(quirks: &Quirks, answer: &Answer, state: &State) -> Value {
    let mut message = Map::new();
    let mut content = String::new();
    let mut calls = Vec::new();
    message.insert("role".to_owned(), json!("assistant"));
    if quirks.server == "openai" {
        message.insert("refusal".to_owned(), Value::Null);
        message.insert("annotations".to_owned(), json!([]));
    }
    for block in &answer.blocks {
        match block {
            Block::Text { pieces, citations } => {
                content.push_str(&pieces.whole());
                if !citations.is_empty() {
                    message.insert("annotations".to_owned(), annotations(citations));
                }
            }
            Block::Thought(pieces) => whole_thought(quirks, &pieces.whole(), &mut content, &mut message),
            Block::Refusal(pieces) => {
                message.insert("refusal".to_owned(), json!(pieces.whole()));
            }
            Block::Call(call) => calls.push(call_value(quirks, call, &arguments(quirks, call), state)),
            Block::Server(_) => {}
        }
    }
    let text = if content.is_empty() { Value::Null } else { json!(content) };
    match message.get_mut("content") {
        Some(Value::Array(parts)) => parts.push(json!({"type": "text", "text": content})),
        _ => {
            message.insert("content".to_owned(), text);
        }
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(calls));
    }
    Value::Object(message)
}

fn whole_thought(quirks: &Quirks, text: &str, content: &mut String, message: &mut Map<String, Value>) {
    match quirks.thoughts {
        Thoughts::Never => {}
        Thoughts::Content => {
            message.insert("reasoning_content".to_owned(), json!(text));
        }
        Thoughts::Reasoning => {
            message.insert("reasoning".to_owned(), json!(text));
        }
        Thoughts::Details => {
            message.insert("reasoning".to_owned(), json!(text));
            let details = json!([{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}]);
            message.insert("reasoning_details".to_owned(), details);
        }
        Thoughts::Parts => {
            let part = json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]});
            message.insert("content".to_owned(), json!([part]));
        }
        Thoughts::Tags => content.push_str(&format!("<think>{text}</think>\n\n")),
    }
}

fn annotations(citations: &[Citation]) -> Value {
    let each = citations.iter().map(|citation| {
        json!({"type": "url_citation", "url_citation": {"start_index": citation.start, "end_index": citation.end,
               "title": citation.title, "url": citation.url}})
    });
    Value::Array(each.collect())
}
