//! Reads an answer. The stream has no event for its end, and the reason may come before the last part, so the answer is
//! over when the stream is.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::NAME;
use super::fault::{Status, said};
use super::partial::{Arguments, Piece};
use crate::event::{Event, Finish};
use crate::message::{Citation, Opaque};
use crate::remote::body::CallIds;
use crate::remote::frames::Frame;
use crate::remote::wire::{Decode, broke_off};
use crate::remote::words::Words;
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// Sources that are kept of one answer: far above what a search gives, and each is compared with those before it.
const CITATIONS_MAX: usize = 1_000;

/// Pairs of a source and the words that it bears out, in one piece of an answer; an answer has some dozens.
const SEGMENTS_MAX: usize = 10_000;

/// Sources that bear out the same words; each has a copy of them.
const SOURCES_OF_SEGMENT_MAX: usize = 16;

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    open: Open,
    calls: u32,
    ids: CallIds,
    /// A call whose arguments come in pieces.
    partial: Option<Partial>,
    usage: Option<Usage>,
    citations: Vec<Citation>,
    finish: Option<Finish>,
}

/// What more words would go into.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thoughts,
}

#[derive(Debug)]
struct Partial {
    index: u32,
    arguments: Arguments,
    opaque: Option<Box<Opaque>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    prompt_feedback: Option<Feedback<'a>>,
    usage_metadata: Option<Counts>,
    #[serde(borrow, default)]
    model_version: Words<'a>,
    #[serde(borrow, default)]
    response_id: Words<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Words<'a>,
    #[serde(borrow)]
    grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    citation_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Words<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Words<'a>>,
    #[serde(default)]
    thought: bool,
    #[serde(borrow, default)]
    thought_signature: Words<'a>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Words<'a>,
    #[serde(borrow, default)]
    name: Words<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    partial_args: Option<Vec<Piece>>,
    #[serde(default)]
    will_continue: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    #[serde(default)]
    grounding_chunks: Vec<Value>,
    #[serde(default)]
    grounding_supports: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recited {
    #[serde(default, alias = "citations")]
    citation_sources: Vec<Value>,
}

impl Decode for Decoder {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()> {
        if frame.data.trim() == "[DONE]" {
            return Ok(());
        }
        if frame.event == "error" {
            let held = serde_json::from_str::<Chunk<'_>>(frame.data).ok().and_then(|chunk| chunk.error);
            let bare = || serde_json::from_str::<&RawValue>(frame.data).ok();
            return Err(held.or_else(bare).map_or_else(broke_off, error));
        }
        self.ids.see(frame.data);
        // Some gateways put several chunks into one event, a line for each.
        for chunk in serde_json::Deserializer::from_str(frame.data).into_iter::<Chunk<'_>>() {
            self.chunk(chunk.map_err(unreadable)?, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let Some(finish) = self.finish.take() else { return Err(broke_off()) };
        self.end_partial(events);
        self.open(Open::Nothing, events);
        events.extend(std::mem::take(&mut self.citations).into_iter().map(|citation| Event::Citation { citation }));
        let asks = finish == Finish::Stop && self.calls > 0;
        events.push(Event::Finish { finish: if asks { Finish::ToolCalls } else { finish } });
        Ok(())
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(Kind::BadOutput, format!("a piece of the answer cannot be read: {error}")).caused_by(error)
}

impl Decoder {
    fn chunk(&mut self, chunk: Chunk<'_>, events: &mut Vec<Event>) -> Result<()> {
        if let Some(raw) = chunk.error {
            return Err(error(raw));
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            events.push(Event::Start { id: chunk.response_id.some(), model: chunk.model_version.some() });
        }
        // More than one answer comes only where `candidateCount` asks for it; the first is read.
        for candidate in chunk.candidates.unwrap_or_default().into_iter().filter(|candidate| candidate.index == 0) {
            self.candidate(candidate, events)?;
        }
        if chunk.prompt_feedback.is_some_and(|feedback| !feedback.block_reason.is_empty()) {
            self.finish = Some(Finish::Refused);
        }
        if let Some(usage) = chunk.usage_metadata.map(Counts::usage).filter(|usage| self.usage != Some(*usage)) {
            self.usage = Some(usage);
            events.push(Event::Usage { usage });
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate<'_>, events: &mut Vec<Event>) -> Result<()> {
        for raw in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.part(raw, events)?;
        }
        self.ground(candidate.grounding_metadata, candidate.citation_metadata);
        if !candidate.finish_reason.is_empty() {
            self.finish = Some(finish(&candidate.finish_reason));
        }
        Ok(())
    }

    fn part(&mut self, raw: &RawValue, events: &mut Vec<Event>) -> Result<()> {
        let part: Part<'_> = serde_json::from_str(raw.get()).map_err(unreadable)?;
        let opaque = signed(&part.thought_signature);
        match (part.function_call, part.text) {
            (Some(call), _) => self.call(call, opaque, events)?,
            (None, Some(text)) => self.text(text, part.thought, opaque, events),
            (None, None) => {
                let value: Value = serde_json::from_str(raw.get()).map_err(unreadable)?;
                let known = ["thought", "thoughtSignature"];
                let is_more = |fields: &Map<String, Value>| fields.keys().any(|name| !known.contains(&name.as_str()));
                if value.as_object().is_some_and(is_more) {
                    self.end_partial(events);
                    self.open(Open::Nothing, events);
                    events.push(Event::Opaque { opaque: Opaque::new(NAME, value) });
                } else if opaque.is_some() {
                    self.text(Words::default(), part.thought, opaque, events);
                }
            }
        }
        Ok(())
    }

    /// Takes words. Those with a signature are a part of their own, neither longer nor shorter.
    fn text(&mut self, text: Words<'_>, is_thought: bool, opaque: Option<Box<Opaque>>, events: &mut Vec<Event>) {
        self.end_partial(events);
        let kind = if is_thought { Open::Thoughts } else { Open::Text };
        if opaque.is_some() {
            self.open(Open::Nothing, events);
        }
        if let Some(text) = text.some() {
            self.open(kind, events);
            events.push(if is_thought { Event::Reasoning { text } } else { Event::Text { text } });
        }
        if opaque.is_some() {
            self.open = Open::Nothing;
            events.push(if is_thought { Event::ReasoningEnd { opaque } } else { Event::TextEnd { opaque } });
        }
    }

    fn open(&mut self, next: Open, events: &mut Vec<Event>) {
        match std::mem::replace(&mut self.open, next) {
            last if last == next => {}
            Open::Nothing => {}
            Open::Text => events.push(Event::TextEnd { opaque: None }),
            Open::Thoughts => events.push(Event::ReasoningEnd { opaque: None }),
        }
    }

    fn call(&mut self, call: Call<'_>, opaque: Option<Box<Opaque>>, events: &mut Vec<Event>) -> Result<()> {
        self.open(Open::Nothing, events);
        if let (Some(partial), true) = (&mut self.partial, call.name.is_empty()) {
            partial.arguments.put(call.partial_args)?;
            partial.opaque = partial.opaque.take().or(opaque);
            if !call.will_continue {
                self.end_partial(events);
            }
            return Ok(());
        }
        self.end_partial(events);
        let index = self.calls;
        self.calls += 1;
        let id = call.id.some().unwrap_or_else(|| self.ids.make(index));
        events.push(Event::ToolCallStart { index, id, name: call.name.into_owned() });
        if call.will_continue || call.partial_args.is_some() {
            let mut arguments = Arguments::default();
            arguments.put(call.partial_args)?;
            self.partial = Some(Partial { index, arguments, opaque });
            if !call.will_continue {
                self.end_partial(events);
            }
            return Ok(());
        }
        let arguments = call.args.map(|args| args.get().to_owned()).filter(|args| args != "null");
        events.extend(arguments.map(|text| Event::ToolCallArguments { index, text }));
        events.push(Event::ToolCallEnd { index, opaque });
        Ok(())
    }

    /// The pieces of a call's arguments can be written only when all are there.
    fn end_partial(&mut self, events: &mut Vec<Event>) {
        let Some(Partial { index, arguments, opaque }) = self.partial.take() else { return };
        events.push(Event::ToolCallArguments { index, text: arguments.into_json() });
        events.push(Event::ToolCallEnd { index, opaque });
    }

    /// Keeps where the words come from until the end; it comes again and again.
    fn ground(&mut self, grounding: Option<&RawValue>, recited: Option<&RawValue>) {
        let grounding = grounding.and_then(|raw| serde_json::from_str::<Grounding>(raw.get()).ok());
        let recited = recited.and_then(|raw| serde_json::from_str::<Recited>(raw.get()).ok());
        let grounded = grounding.into_iter().flat_map(Grounding::citations);
        let recited = recited.into_iter().flat_map(|recited| recited.citation_sources).map(citation);
        for citation in grounded.chain(recited) {
            let is_same =
                |old: &Citation| old.url == citation.url && old.title == citation.title && old.quote == citation.quote;
            if self.citations.len() < CITATIONS_MAX && !self.citations.iter().any(is_same) {
                self.citations.push(citation);
            }
        }
    }
}

impl Counts {
    fn usage(self) -> Usage {
        let sum = |a: Option<u64>, b: Option<u64>| a.unwrap_or_default().saturating_add(b.unwrap_or_default());
        Usage {
            input_tokens: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            cache_read_tokens: self.cached_content_token_count.unwrap_or_default(),
            cache_write_tokens: 0,
            output_tokens: sum(self.candidates_token_count, self.thoughts_token_count),
            reasoning_tokens: self.thoughts_token_count.unwrap_or_default(),
        }
    }
}

impl Grounding {
    /// Returns the sources, each with the words of the answer that it bears out.
    fn citations(self) -> Vec<Citation> {
        let mut segments = vec![Vec::new(); self.grounding_chunks.len().min(CITATIONS_MAX)];
        let pairs = self.grounding_supports.iter().flat_map(|support| {
            let places = support["groundingChunkIndices"].as_array().into_iter().flatten().filter_map(Value::as_u64);
            places.take(SOURCES_OF_SEGMENT_MAX).map(|place| (place, &support["segment"]))
        });
        for (place, segment) in pairs.take(SEGMENTS_MAX) {
            if let Some(segments) = usize::try_from(place).ok().and_then(|place| segments.get_mut(place)) {
                segments.push(segment.clone());
            }
        }
        let cited = self.grounding_chunks.into_iter().zip(segments).filter_map(|(chunk, segments)| match chunk {
            Value::Object(fields) => fields.into_iter().next().map(|(_, source)| (source, segments)),
            _ => None,
        });
        cited
            .map(|(source, segments)| {
                let mut citation = citation(source);
                if let Some(opaque) = &mut citation.opaque {
                    opaque.value = json!({ "source": opaque.value.take(), "segments": segments });
                }
                citation
            })
            .collect()
    }
}

fn citation(source: Value) -> Citation {
    let field = |name: &str| source[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (title, url, quote) = (field("title"), field("uri"), field("text"));
    Citation { title, url, quote, opaque: Opaque::boxed(NAME, source) }
}

fn signed(signature: &str) -> Option<Box<Opaque>> {
    match signature {
        "" => None,
        signature => Opaque::boxed(NAME, json!({ "thoughtSignature": signature })),
    }
}

fn error(raw: &RawValue) -> Error {
    match serde_json::from_str::<Status>(raw.get()) {
        Ok(status) => said(&status, None).error(),
        Err(_) => Error::new(Kind::Unavailable, format!("the provider broke the answer off: {}", raw.get())),
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => Finish::Refused,
        "IMAGE_PROHIBITED_CONTENT" | "IMAGE_RECITATION" | "MODEL_ARMOR" | "JAILBREAK" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}
