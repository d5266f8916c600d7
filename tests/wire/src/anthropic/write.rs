//! Anthropic Messages: answers, whole and in events. Both are made of the same blocks.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::{Answer, Block, Call, Citation, Finish, Pieces, Search, Usage};
use crate::ask::{Ask, Thinks};
use crate::state::State;
use crate::stream::{Event, Frame};

/// Writes an answer in one piece.
pub(super) fn whole(ask: &Ask, answer: &Answer, state: &State) -> Value {
    let content: Vec<Value> = parts(ask, answer, state).into_iter().map(|part| part.block(true)).collect();
    let mut message = envelope(ask, state);
    message["content"] = json!(content);
    message["stop_reason"] = stop_reason(answer.finish);
    message["stop_details"] = stop_details(answer.finish);
    message["usage"] = usage(&answer.usage);
    message
}

/// Writes an answer as events.
pub(super) fn frames(ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
    let mut message = envelope(ask, state);
    message["usage"] = usage(&answer.usage);
    message["usage"]["output_tokens"] = json!(1);
    let mut frames = VecDeque::new();
    frames.push_back(Frame::typed("message_start", json!({"message": message})));
    for (index, part) in parts(ask, answer, state).into_iter().enumerate() {
        let block = part.block(false);
        frames.push_back(Frame::typed("content_block_start", json!({"index": index, "content_block": block})));
        if index == 0 {
            frames.push_back(Frame::typed("ping", json!({})));
        }
        part.deltas(index, &mut frames);
        frames.push_back(Frame::typed("content_block_stop", json!({"index": index})));
    }
    let delta = json!({"stop_reason": stop_reason(answer.finish), "stop_sequence": null,
                       "stop_details": stop_details(answer.finish)});
    frames.push_back(Frame::typed("message_delta", json!({"delta": delta, "usage": usage(&answer.usage)})));
    frames.push_back(Frame::typed("message_stop", json!({})));
    frames
}

fn envelope(ask: &Ask, state: &State) -> Value {
    json!({"id": state.id("msg_"), "type": "message", "role": "assistant", "model": ask.model, "content": [],
           "stop_reason": null, "stop_sequence": null, "stop_details": null})
}

fn stop_reason(finish: Finish) -> Value {
    json!(match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Refusal => "refusal",
        Finish::Pause => "pause_turn",
    })
}

fn stop_details(finish: Finish) -> Value {
    if finish != Finish::Refusal {
        return Value::Null;
    }
    json!({"type": "refusal", "category": "general_harms", "explanation": "This request was declined."})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thoughts},
        "service_tier": "standard",
    })
}

/// A content block: what stands in it, and the deltas that fill it.
struct Part {
    /// As it is in the end, but without its text.
    end: Value,
    /// As it begins, where that is something else.
    start: Option<Value>,
    /// The field that the pieces fill, and the delta that brings them.
    filled: Option<(&'static str, &'static str, &'static str, Pieces)>,
    /// Deltas after the pieces.
    after: Vec<Value>,
}

impl Part {
    fn block(&self, is_whole: bool) -> Value {
        let mut block = if is_whole { self.end.clone() } else { self.start.clone().unwrap_or(self.end.clone()) };
        let Some((field, delta, _, pieces)) = self.filled.as_ref().filter(|_| is_whole) else { return block };
        block[*field] = match *delta {
            "input_json_delta" => input(&pieces.whole()),
            _ => json!(pieces.whole()),
        };
        block
    }

    fn deltas(&self, index: usize, frames: &mut VecDeque<Frame>) {
        if let Some((_, kind, field, pieces)) = self.filled.clone() {
            let make = move |piece: &str| {
                let mut delta = json!({"type": kind});
                delta[field] = json!(piece);
                Event::typed("content_block_delta", json!({"index": index, "delta": delta}))
            };
            if kind == "input_json_delta" {
                frames.push_back(Frame::One(make("")));
            }
            frames.push_back(Frame::Many(pieces, Box::new(make)));
        }
        for delta in &self.after {
            frames.push_back(Frame::typed("content_block_delta", json!({"index": index, "delta": delta})));
        }
    }
}

/// Arguments that are no JSON cannot be written whole; an object that fits nothing takes their place.
fn input(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({"unexpected": text}))
}

fn parts(ask: &Ask, answer: &Answer, state: &State) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut sealed = None;
    for block in &answer.blocks {
        match block {
            Block::Thought(pieces) => {
                sealed = Some(thought(ask, pieces, state, &mut parts));
            }
            Block::Text { pieces, citations } => parts.push(text(pieces, citations)),
            Block::Refusal(pieces) => parts.push(text(pieces, &[])),
            Block::Call(call) => parts.push(self::call(call, sealed.as_deref(), state)),
            Block::Server(search) => searched(search, state, answer.finish == Finish::Pause, &mut parts),
        }
    }
    parts
}

/// Writes thoughts twice: with their text, and as a block that nobody can read.
fn thought(ask: &Ask, pieces: &Pieces, state: &State, parts: &mut Vec<Part>) -> String {
    let text = if ask.thinks == Thinks::Shown { pieces.whole() } else { String::new() };
    let signature = state.seal("EqQB", Value::Null);
    let end = json!({"type": "thinking", "thinking": text, "signature": signature});
    state.keep(&signature, end.clone());
    let pieces = (ask.thinks == Thinks::Shown).then(|| pieces.clone());
    parts.push(Part {
        start: Some(json!({"type": "thinking", "thinking": "", "signature": ""})),
        filled: pieces.map(|pieces| ("thinking", "thinking_delta", "thinking", pieces)),
        after: vec![json!({"type": "signature_delta", "signature": signature})],
        end,
    });
    let data = state.seal("EmwK", Value::Null);
    let redacted = json!({"type": "redacted_thinking", "data": data});
    state.keep(&data, redacted.clone());
    parts.push(Part { start: None, filled: None, after: Vec::new(), end: redacted });
    signature
}

fn text(pieces: &Pieces, citations: &[Citation]) -> Part {
    let all: Vec<Value> = citations.iter().map(citation).collect();
    let mut end = json!({"type": "text", "text": ""});
    let start = end.clone();
    if !all.is_empty() {
        end["citations"] = json!(all);
    }
    let after = all.into_iter().map(|citation| json!({"type": "citations_delta", "citation": citation})).collect();
    Part { end, start: Some(start), filled: Some(("text", "text_delta", "text", pieces.clone())), after }
}

fn citation(citation: &Citation) -> Value {
    match citation.document {
        Some((index, start, end)) => json!({
            "type": "char_location", "cited_text": citation.quote, "document_index": index,
            "document_title": citation.title, "start_char_index": start, "end_char_index": end, "file_id": null,
        }),
        None => json!({
            "type": "web_search_result_location", "cited_text": citation.quote, "url": citation.url,
            "title": citation.title, "encrypted_index": "Eo8BCioIAxgC",
        }),
    }
}

fn call(call: &Call, sealed: Option<&str>, state: &State) -> Part {
    let id = state.id("toolu_");
    if let Some(sealed) = sealed {
        state.require(&id, sealed);
    }
    let end = json!({"type": "tool_use", "id": id, "name": call.name, "input": {}});
    let filled = Some(("input", "input_json_delta", "partial_json", call.arguments.clone()));
    Part { end, start: None, filled, after: Vec::new() }
}

/// A search and what it found; a turn that is paused has not found anything yet.
fn searched(search: &Search, state: &State, is_paused: bool, parts: &mut Vec<Part>) {
    let id = state.id("srvtoolu_");
    let input = json!({"query": search.query});
    let used = json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": input});
    state.keep(&format!("id:{id}"), used.clone());
    let mut start = used.clone();
    start["input"] = json!({});
    let pieces = Pieces::cut(&input.to_string(), 6);
    let filled = Some(("input", "input_json_delta", "partial_json", pieces));
    parts.push(Part { end: used, start: Some(start), filled, after: Vec::new() });
    if is_paused {
        return;
    }
    let found = json!({"type": "web_search_result", "title": search.title, "url": search.url,
                       "encrypted_content": state.seal("EqgC", Value::Null), "page_age": null});
    let result = json!({"type": "web_search_tool_result", "tool_use_id": id, "content": [found]});
    state.keep(&format!("tool_use_id:{id}"), result.clone());
    parts.push(Part { end: result, start: None, filled: None, after: Vec::new() });
}
