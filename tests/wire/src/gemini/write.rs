//! Gemini `generateContent`: answers, whole and in chunks, which have the same shape.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::answer::{Answer, Block, Call, Citation, Finish, Pieces, Search, Usage};
use crate::ask::{Ask, Thinks};
use crate::state::State;
use crate::stream::{Event, Frame};

/// What a block becomes: parts, and for a text the pieces in which it streams.
enum Part {
    Pieces { pieces: Pieces, is_thought: bool },
    Whole(Value),
}

/// Writes an answer in one piece.
pub(super) fn whole(ask: &Ask, answer: &Answer, state: &State) -> Value {
    let base = base(ask, state);
    let parts: Vec<Value> = parts(ask, answer, state)
        .into_iter()
        .map(|part| match part {
            Part::Pieces { pieces, is_thought } => text(&pieces.whole(), is_thought),
            Part::Whole(part) => part,
        })
        .collect();
    last(&base, &parts, answer)
}

/// Writes an answer as chunks.
pub(super) fn frames(ask: &Ask, answer: &Answer, state: &State) -> VecDeque<Frame> {
    let base = base(ask, state);
    let mut frames = VecDeque::new();
    let mut calls = Vec::new();
    for part in parts(ask, answer, state) {
        match part {
            Part::Pieces { pieces, is_thought } => {
                let base = base.clone();
                let make = move |piece: &str| Event { name: None, data: chunk(&base, &[text(piece, is_thought)]) };
                frames.push_back(Frame::Many(pieces, Box::new(make)));
            }
            // Calls come together, in one chunk.
            Part::Whole(part) if part.get("functionCall").is_some() => calls.push(part),
            Part::Whole(part) => frames.push_back(Frame::data(chunk(&base, &[part]))),
        }
    }
    if !calls.is_empty() {
        frames.push_back(Frame::data(chunk(&base, &calls)));
    }
    frames.push_back(Frame::data(last(&base, &[], answer)));
    frames
}

fn base(ask: &Ask, state: &State) -> Value {
    json!({"modelVersion": ask.model, "responseId": state.id("r")})
}

fn text(text: &str, is_thought: bool) -> Value {
    if is_thought { json!({"text": text, "thought": true}) } else { json!({"text": text}) }
}

fn chunk(base: &Value, parts: &[Value]) -> Value {
    let mut chunk = base.clone();
    chunk["candidates"] = json!([{"content": {"parts": parts, "role": "model"}, "index": 0}]);
    chunk["usageMetadata"] = json!({"promptTokenCount": 10, "totalTokenCount": 10});
    chunk
}

/// The last chunk, or the only one.
fn last(base: &Value, parts: &[Value], answer: &Answer) -> Value {
    let parts = if parts.is_empty() { vec![text("", false)] } else { parts.to_vec() };
    let mut chunk = chunk(base, &parts);
    let candidate = &mut chunk["candidates"][0];
    candidate["finishReason"] = json!(match answer.finish {
        Finish::Stop | Finish::Calls | Finish::Pause => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    });
    if answer.finish == Finish::Refusal {
        candidate["safetyRatings"] =
            json!([{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true}]);
    }
    let citations = answer.blocks.iter().find_map(|block| match block {
        Block::Text { citations, .. } if !citations.is_empty() => Some(citations),
        _ => None,
    });
    if let Some(citations) = citations {
        candidate["groundingMetadata"] = grounding(answer, citations);
    }
    chunk["usageMetadata"] = usage(&answer.usage);
    chunk
}

/// Spans are counted in bytes here.
fn grounding(answer: &Answer, citations: &[Citation]) -> Value {
    let all: String = answer
        .blocks
        .iter()
        .map(|block| if let Block::Text { pieces, .. } = block { pieces.whole() } else { String::new() })
        .collect();
    let byte = |at: usize| all.char_indices().nth(at).map_or(all.len(), |(byte, _)| byte);
    let chunks: Vec<_> =
        citations.iter().map(|citation| json!({"web": {"uri": citation.url, "title": citation.title}})).collect();
    let supports: Vec<_> = citations
        .iter()
        .enumerate()
        .map(|(index, citation)| {
            let (start, end) = (byte(citation.start), byte(citation.end));
            json!({"segment": {"startIndex": start, "endIndex": end, "text": &all[start..end]},
                   "groundingChunkIndices": [index]})
        })
        .collect();
    json!({"webSearchQueries": ["Füchse"], "groundingChunks": chunks, "groundingSupports": supports})
}

fn usage(usage: &Usage) -> Value {
    let mut value = json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.thoughts,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    });
    if usage.thoughts > 0 {
        value["thoughtsTokenCount"] = json!(usage.thoughts);
    }
    if usage.cache_read + usage.cache_write > 0 {
        // What is cached was written before, by another request.
        value["cachedContentTokenCount"] = json!(usage.cache_read + usage.cache_write);
    }
    value
}

fn parts(ask: &Ask, answer: &Answer, state: &State) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut thinks = false;
    for block in &answer.blocks {
        match block {
            Block::Thought(pieces) => {
                thinks = true;
                if ask.thinks == Thinks::Shown {
                    parts.push(Part::Pieces { pieces: pieces.clone(), is_thought: true });
                }
            }
            Block::Text { pieces, .. } => {
                parts.push(Part::Pieces { pieces: pieces.clone(), is_thought: false });
                if thinks {
                    // The seal of thoughts before a text comes on an empty part after it.
                    let seal = state.seal("EpsM", json!({}));
                    parts.push(Part::Whole(json!({"text": "", "thoughtSignature": seal})));
                }
            }
            // Nothing is said; the reason to finish says it all.
            Block::Refusal(_) => {}
            Block::Call(call) => {
                parts.push(Part::Whole(self::call(call, thinks, state)));
                // Only the first of several calls is sealed.
                thinks = false;
            }
            Block::Server(search) => code(search, state, &mut parts),
        }
    }
    parts
}

/// Sealed calls have ids; others have none, as with older models.
fn call(call: &Call, is_sealed: bool, state: &State) -> Value {
    let text = call.arguments.whole();
    let arguments = serde_json::from_str(&text).unwrap_or_else(|_| json!({"unexpected": text}));
    let mut part = json!({"functionCall": {"name": call.name, "args": arguments}});
    if is_sealed {
        let id = state.letters(8);
        part["functionCall"]["id"] = json!(id);
        let seal = state.seal("EqAD", part.clone());
        state.require(&id, &seal);
        part["thoughtSignature"] = json!(seal);
    }
    part
}

fn code(search: &Search, state: &State, parts: &mut Vec<Part>) {
    let id = state.letters(8);
    let code =
        json!({"executableCode": {"language": "PYTHON", "code": format!("print({:?})", search.query), "id": id}});
    let seal = state.seal("EqAD", code.clone());
    let mut code = code;
    code["thoughtSignature"] = json!(seal);
    let output = format!("{}\n", search.query);
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": output, "id": id}});
    parts.extend([Part::Whole(code), Part::Whole(result)]);
}
