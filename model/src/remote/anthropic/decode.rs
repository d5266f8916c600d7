//! Reads an answer: blocks that begin, grow and end. Deltas are read into structs that borrow from the frame; only blocks
//! that nobody here understands become values, once each.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::NAME;
use super::fault::{Said, said};
use crate::event::{Event, Finish};
use crate::message::{Citation, Opaque};
use crate::remote::frames::Frame;
use crate::remote::wire::{Decode, broke_off};
use crate::remote::words::Words;
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    blocks: HashMap<u32, Block>,
    calls: u32,
    usage: Usage,
    /// Tokens of the request that came neither from the cache nor went into it.
    plain_tokens: u64,
    finish: Option<Finish>,
    is_over: bool,
}

/// A block that has begun.
#[derive(Debug)]
enum Block {
    /// Words; where they come from is told before them, and passed on after them.
    Text(Vec<Citation>),
    Thinking {
        signature: String,
    },
    Call {
        index: u32,
        input: String,
        opaque: Option<Box<Opaque>>,
    },
    /// What only the provider understands, with the JSON text of its input and the words that came for it.
    Whole {
        block: Value,
        input: String,
        content: String,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Words<'a>,
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    delta: Delta<'a>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<Start<'a>>,
    usage: Option<Counts>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Delta<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Words<'a>,
    #[serde(borrow, default)]
    text: Words<'a>,
    #[serde(borrow, default)]
    thinking: Words<'a>,
    #[serde(borrow, default)]
    signature: Words<'a>,
    #[serde(borrow, default)]
    partial_json: Words<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Words<'a>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow, default)]
    id: Words<'a>,
    #[serde(borrow, default)]
    model: Words<'a>,
    /// Blocks that are there from the beginning, as when code that runs at the provider calls a tool.
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    stop_reason: Words<'a>,
    usage: Option<Counts>,
}

/// What was used; every field may be missing, and what is missing has not changed.
#[derive(Deserialize, Default)]
struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Begun<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Words<'a>,
    #[serde(borrow, default)]
    text: Words<'a>,
    #[serde(borrow, default)]
    thinking: Words<'a>,
    #[serde(borrow, default)]
    signature: Words<'a>,
    #[serde(borrow, default)]
    id: Words<'a>,
    #[serde(borrow, default)]
    name: Words<'a>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    caller: Option<Value>,
    citations: Option<Vec<Value>>,
}

/// Only as much of an event as tells whether it is known.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Words<'a>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
}

impl Decode for Decoder {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()> {
        if self.is_over || frame.data.trim() == "[DONE]" {
            return Ok(());
        }
        if frame.event == "error" {
            return Err(said_error(frame.data));
        }
        let line: Line<'_> = match serde_json::from_str(frame.data) {
            Ok(line) => line,
            Err(error) if is_known(frame.data) => return Err(unreadable(error)),
            Err(_) => return Ok(()),
        };
        let kind = match &*line.kind {
            "" if line.error.is_some() => "error",
            "" => frame.event,
            kind => kind,
        };
        match kind {
            "content_block_delta" => self.delta(line.index, line.delta, events)?,
            "content_block_start" => {
                if let Some(block) = line.content_block {
                    self.begin(line.index, block, events)?;
                }
            }
            "content_block_stop" => self.stop(line.index, events),
            "message_start" => {
                if let Some(start) = line.message {
                    self.start(start, events)?;
                }
            }
            "message_delta" => {
                self.reason(&line.delta.stop_reason);
                self.count(line.usage.unwrap_or_default(), events);
            }
            "message_stop" => self.finish(events),
            "ping" => events.push(Event::Ping),
            "error" => return Err(error(line.error)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<()> {
        match self.finish {
            // Some gateways forget the last event.
            Some(_) => self.finish(events),
            None if self.is_over => {}
            None => return Err(broke_off()),
        }
        Ok(())
    }
}

/// Tells whether an event that cannot be read is one of those that must be.
fn is_known(data: &str) -> bool {
    let Ok(named) = serde_json::from_str::<Named<'_>>(data) else { return true };
    match &*named.kind {
        "content_block_delta" => {
            let inner = named.delta.and_then(|delta| serde_json::from_str::<Named<'_>>(delta.get()).ok());
            inner.is_none_or(|inner| {
                let known = ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"];
                known.contains(&&*inner.kind)
            })
        }
        "content_block_start" | "content_block_stop" | "message_start" | "message_delta" | "message_stop" | "error" => {
            true
        }
        _ => false,
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(Kind::BadOutput, format!("an event of the answer cannot be read: {error}")).caused_by(error)
}

fn error(raw: Option<&RawValue>) -> Error {
    match raw.and_then(|raw| serde_json::from_str::<Said>(raw.get()).ok()) {
        Some(error) => said(&error, None).error(),
        None => Error::new(Kind::Unavailable, "the provider broke the answer off and did not say why"),
    }
}

/// Reads an error, which servers that imitate the provider do not wrap.
fn said_error(data: &str) -> Error {
    #[derive(Deserialize)]
    struct Held<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let held = serde_json::from_str::<Held<'_>>(data).map(|held| held.error);
    error(held.or_else(|_| serde_json::from_str(data)).ok())
}

fn value(raw: &RawValue) -> Result<Value> {
    serde_json::from_str(raw.get()).map_err(unreadable)
}

impl Decoder {
    fn start(&mut self, start: Start<'_>, events: &mut Vec<Event>) -> Result<()> {
        // Some gateways begin twice. What a call that is half there would do is not known.
        if self.blocks.values().any(|block| matches!(block, Block::Call { .. })) {
            return Err(Error::new(Kind::BadOutput, "the answer began anew in the middle of a call"));
        }
        self.stop_all(events);
        events.push(Event::Start { id: start.id.some(), model: start.model.some() });
        self.count(start.usage.unwrap_or_default(), events);
        for (i, block) in (0..).zip(start.content.unwrap_or_default()) {
            self.begin(i, block, events)?;
            self.stop(i, events);
        }
        self.reason(&start.stop_reason);
        Ok(())
    }

    fn begin(&mut self, index: u32, raw: &RawValue, events: &mut Vec<Event>) -> Result<()> {
        self.stop(index, events);
        let block = match serde_json::from_str::<Begun<'_>>(raw.get()) {
            Ok(begun) if &*begun.kind == "text" => {
                text(begun.text, events);
                Block::Text(begun.citations.unwrap_or_default().into_iter().map(citation).collect())
            }
            Ok(begun) if &*begun.kind == "thinking" => {
                thought(begun.thinking, events);
                Block::Thinking { signature: begun.signature.into_owned() }
            }
            Ok(begun) if &*begun.kind == "tool_use" => self.call(begun, events),
            _ => match value(raw)? {
                block @ Value::Object(_) => Block::Whole { block, input: String::new(), content: String::new() },
                _ => return Ok(()),
            },
        };
        self.blocks.insert(index, block);
        Ok(())
    }

    fn call(&mut self, begun: Begun<'_>, events: &mut Vec<Event>) -> Block {
        let index = self.calls;
        self.calls += 1;
        events.push(Event::ToolCallStart { index, id: begun.id.into_owned(), name: begun.name.into_owned() });
        let input = begun.input.map(|input| input.get().trim()).filter(|input| !matches!(*input, "{}" | "null"));
        // Who calls is said only where it is not the model itself.
        let caller = begun.caller.filter(|caller| !caller.is_null() && caller["type"] != "direct");
        let opaque = caller.and_then(|caller| Opaque::boxed(NAME, serde_json::json!({ "caller": caller })));
        Block::Call { index, input: input.unwrap_or_default().to_owned(), opaque }
    }

    fn delta(&mut self, index: u32, delta: Delta<'_>, events: &mut Vec<Event>) -> Result<()> {
        match (&*delta.kind, self.blocks.get_mut(&index)) {
            ("text_delta", Some(Block::Text(_))) => text(delta.text, events),
            ("thinking_delta", Some(Block::Thinking { .. })) => thought(delta.thinking, events),
            ("signature_delta", Some(Block::Thinking { signature })) => signature.push_str(&delta.signature),
            ("citations_delta", Some(Block::Text(citations))) => {
                if let Some(raw) = delta.citation {
                    citations.push(citation(value(raw)?));
                }
            }
            ("input_json_delta", Some(Block::Call { index, input, .. })) if !delta.partial_json.is_empty() => {
                // What stood in the beginning was only a place for what comes now.
                input.clear();
                events.push(Event::ToolCallArguments { index: *index, text: delta.partial_json.into_owned() });
            }
            ("input_json_delta", Some(Block::Whole { input, .. })) => input.push_str(&delta.partial_json),
            (_, Some(Block::Whole { block, content, .. })) => {
                if let Some(raw) = delta.encrypted_content {
                    block["encrypted_content"] = value(raw)?;
                }
                match delta.content.map(value).transpose()? {
                    Some(Value::String(more)) => content.push_str(&more),
                    Some(whole) if !whole.is_null() => block["content"] = whole,
                    _ => content.push_str(&delta.text),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, index: u32, events: &mut Vec<Event>) {
        match self.blocks.remove(&index) {
            Some(Block::Text(citations)) => {
                events.push(Event::TextEnd { opaque: None });
                events.extend(citations.into_iter().map(|citation| Event::Citation { citation }));
            }
            Some(Block::Thinking { signature }) => {
                let sealed = (!signature.is_empty()).then(|| serde_json::json!({ "signature": signature }));
                events.push(Event::ReasoningEnd { opaque: sealed.and_then(|sealed| Opaque::boxed(NAME, sealed)) });
            }
            Some(Block::Call { index, input, opaque }) => {
                if !input.is_empty() {
                    events.push(Event::ToolCallArguments { index, text: input });
                }
                events.push(Event::ToolCallEnd { index, opaque });
            }
            Some(Block::Whole { block, input, content }) => {
                events.push(Event::Opaque { opaque: Opaque::new(NAME, assembled(block, &input, content)) });
            }
            None => {}
        }
    }

    fn reason(&mut self, reason: &str) {
        self.finish = match reason {
            "" => return,
            "end_turn" | "stop_sequence" => Some(Finish::Stop),
            "max_tokens" | "model_context_window_exceeded" => Some(Finish::Length),
            "tool_use" => Some(Finish::ToolCalls),
            "refusal" => Some(Finish::Refused),
            "pause_turn" => Some(Finish::Paused),
            other => Some(Finish::Other(other.to_owned())),
        };
    }

    fn count(&mut self, counts: Counts, events: &mut Vec<Event>) {
        // Counts are sums so far. Gateways put zeros where the provider leaves a field out.
        let take = |count: &mut u64, new: Option<u64>| *count = new.filter(|new| *new > 0).unwrap_or(*count);
        let usage = &mut self.usage;
        take(&mut self.plain_tokens, counts.input_tokens);
        take(&mut usage.cache_read_tokens, counts.cache_read_input_tokens);
        take(&mut usage.cache_write_tokens, counts.cache_creation_input_tokens);
        take(&mut usage.output_tokens, counts.output_tokens);
        take(&mut usage.reasoning_tokens, counts.output_tokens_details.and_then(|details| details.thinking_tokens));
        let cached_tokens = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
        usage.input_tokens = self.plain_tokens.saturating_add(cached_tokens);
        events.push(Event::Usage { usage: *usage });
    }

    fn stop_all(&mut self, events: &mut Vec<Event>) {
        let mut open: Vec<u32> = self.blocks.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().for_each(|index| self.stop(index, events));
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.stop_all(events);
        self.is_over = true;
        let unsaid = if self.calls > 0 { Finish::ToolCalls } else { Finish::Stop };
        events.push(Event::Finish { finish: self.finish.take().unwrap_or(unsaid) });
    }
}

fn text(words: Words<'_>, events: &mut Vec<Event>) {
    events.extend(words.some().map(|text| Event::Text { text }));
}

fn thought(words: Words<'_>, events: &mut Vec<Event>) {
    events.extend(words.some().map(|text| Event::Reasoning { text }));
}

/// Puts what came in pieces into the block that it came for.
fn assembled(mut block: Value, input: &str, content: String) -> Value {
    if !input.trim().is_empty() {
        block["input"] = serde_json::from_str(input).unwrap_or_else(|_| input.into());
    }
    if !content.is_empty() {
        block["content"] = content.into();
    }
    block
}

fn citation(value: Value) -> Citation {
    let field = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| value[*name].as_str());
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Citation {
        title: field(["title", "document_title"]),
        url: field(["url", "source"]),
        quote: field(["cited_text", "quote"]),
        opaque: Opaque::boxed(NAME, value),
    }
}
