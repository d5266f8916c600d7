//! Reads the chunks of a streamed answer, or an answer in one piece. The end is told by a reason, but usage may come after
//! it, so the end is held back until nothing more can come.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::frames::Frame;
use super::super::super::wire::{Decode, broke_off};
use super::super::lenient::{Count, List, Object, Words};
use super::super::{fault, usage};
use super::NAME;
use super::calls::{Calls, Function, Piece};
use super::details::Details;
use crate::event::{Event, Finish};
use crate::message::{Citation, Opaque};
use crate::think::{Piece as Said, Split};
use crate::usage::Usage;
use crate::{Error, Kind, Result};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    model: Words<'a>,
    #[serde(borrow)]
    object: Words<'a>,
    #[serde(borrow)]
    choices: List<Object<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Object<Groq<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// Perplexity: where the whole answer comes from.
    #[serde(borrow)]
    search_results: Option<&'a RawValue>,
    /// The same without titles, at xAI too.
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    index: Count,
    #[serde(borrow)]
    delta: Object<Delta<'a>>,
    /// The whole message, where no delta is.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Words<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    /// Text, or a list of pieces at Mistral.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Words<'a>,
    #[serde(borrow)]
    reasoning_content: Words<'a>,
    #[serde(borrow)]
    reasoning: Words<'a>,
    #[serde(borrow)]
    reasoning_details: List<&'a RawValue>,
    #[serde(borrow)]
    annotations: List<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: List<Object<Piece<'a>>>,
    #[serde(borrow)]
    function_call: Object<Function<'a>>,
}

/// A piece of content at Mistral.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentPiece<'a> {
    #[serde(borrow)]
    text: Words<'a>,
    /// A list of such pieces, or text.
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    title: Words<'a>,
    #[serde(borrow)]
    url: Words<'a>,
    #[serde(borrow)]
    content: Words<'a>,
    #[serde(borrow)]
    snippet: Words<'a>,
    /// OpenAI wraps the fields once more.
    #[serde(borrow)]
    url_citation: Option<&'a RawValue>,
}

/// The part to which more is added.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Reasoning,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct ChatDecoder {
    has_started: bool,
    has_spoken: bool,
    is_over: bool,
    is_refused: bool,
    open: Open,
    /// Takes thoughts off the text of servers that do not.
    split: Split,
    details: Details,
    calls: Calls,
    sources: Vec<Citation>,
    sources_bytes: usize,
    usage: Option<Usage>,
    reason: Option<String>,
}

impl Decode for ChatDecoder {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()> {
        let data = frame.data.trim();
        if self.is_over || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            // Some servers never give a reason; but one that has said nothing has not answered.
            return match self.has_started || self.has_spoken {
                true => self.finish(events),
                false => Err(broke_off()),
            };
        }
        if frame.event == "error" {
            return Err(fault::in_stream(data));
        }
        self.calls.ids.see(data);
        match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) => self.chunk(&chunk, data, events),
            // Events of other names are not for us.
            Err(_) if !matches!(frame.event, "" | "message") => Ok(()),
            Err(error) => {
                let message = format!("a piece of the answer cannot be read: {error}");
                Err(Error::new(Kind::BadOutput, message).caused_by(error))
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<()> {
        match self.reason {
            _ if self.is_over => Ok(()),
            Some(_) => self.finish(events),
            None => Err(broke_off()),
        }
    }
}

impl ChatDecoder {
    fn chunk(&mut self, chunk: &Chunk<'_>, data: &str, events: &mut Vec<Event>) -> Result<()> {
        let choices = chunk.choices.0.iter().filter_map(|choice| choice.0.as_ref());
        let groq = chunk.x_groq.0.as_ref();
        let errors = [chunk.error, groq.and_then(|groq| groq.error)];
        let is_fault = errors.into_iter().chain(choices.clone().map(|choice| choice.error)).any(says_something);
        if is_fault || chunk.object.as_str() == "error" {
            return Err(self.fault(chunk, data));
        }
        self.start(chunk, events);
        for choice in choices.filter(|choice| choice.index.or_zero() == 0) {
            self.choice(choice, events)?;
        }
        let usages = [chunk.usage, groq.and_then(|groq| groq.usage)];
        self.usage = usages.into_iter().flatten().find_map(usage::usage).or(self.usage);
        if let Some(raw) = chunk.search_results.or(chunk.citations) {
            self.sources(raw);
        }
        // The last chunk of OpenAI has usage and no choice. Others go on after theirs, so wait for their end.
        let is_last = chunk.choices.0.is_empty() && chunk.usage.is_some() && self.reason.is_some();
        let is_whole = chunk.object.as_str() == "chat.completion" && self.reason.is_some() && self.is_whole(chunk);
        if is_last || is_whole { self.finish(events) } else { Ok(()) }
    }

    /// Whether an answer that came in one piece is meant, not a chunk under that name.
    fn is_whole(&self, chunk: &Chunk<'_>) -> bool {
        let mut choices = chunk.choices.0.iter().filter_map(|choice| choice.0.as_ref());
        chunk.usage.is_some() && choices.any(|choice| choice.message.is_some() && choice.delta.0.is_none())
    }

    fn fault(&self, chunk: &Chunk<'_>, data: &str) -> Error {
        let of_choice = chunk.choices.0.iter().filter_map(|choice| choice.0.as_ref()?.error).next();
        let of_groq = chunk.x_groq.0.as_ref().and_then(|groq| groq.error);
        let inner = chunk.error.or(of_choice).or(of_groq).filter(|raw| says_something(Some(raw)));
        // The whole chunk is read where the error stands at its top: the code may stand beside it.
        let whole = chunk.error.is_some() || inner.is_none();
        fault::in_stream(inner.filter(|_| !whole).map_or(data, RawValue::get))
    }

    fn start(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        let (id, model) = (chunk.id.owned(), chunk.model.owned());
        // Azure begins with a chunk that has no names yet.
        if !self.has_started && (id.is_some() || model.is_some()) {
            self.has_started = true;
            events.push(Event::Start { id, model });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, events: &mut Vec<Event>) -> Result<()> {
        // Perplexity repeats the message so far beside each delta.
        let message = choice.message.filter(|_| choice.delta.0.is_none() && !self.has_spoken);
        if let Some(delta) = &choice.delta.0 {
            self.delta(delta, events)?;
        } else if let Some(Object(Some(whole))) = message.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            self.delta(&whole, events)?;
        }
        let reason = choice.finish_reason.full().filter(|reason| *reason != "null");
        match reason {
            Some(reason) => self.reason = Some(reason.to_owned()),
            // An answer in one piece is over, whatever it says.
            None if message.is_some() => self.reason = Some("stop".to_owned()),
            None => {}
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>, events: &mut Vec<Event>) -> Result<()> {
        let mut detailed = String::new();
        for raw in &delta.reasoning_details.0 {
            self.details.push(raw, &mut detailed)?;
        }
        let thoughts = delta.reasoning_content.full().or(delta.reasoning.full());
        let thoughts = thoughts.unwrap_or(&detailed);
        if !thoughts.is_empty() {
            self.split.is_text(); // a server that knows thoughts leaves none in the text
        }
        self.think(thoughts, events);
        match delta.content {
            Some(raw) if raw.get().starts_with(['[', '{']) => self.pieces(raw, events),
            Some(raw) => self.content(Words::of(raw).as_str(), events),
            None => {}
        }
        if let Some(refusal) = delta.refusal.full() {
            self.is_refused = true;
            self.flush(events);
            self.say(refusal, events);
        }
        for raw in &delta.annotations.0 {
            events.extend(citation(raw).map(|citation| Event::Citation { citation }));
        }
        let function = delta.function_call.0.as_ref().filter(|function| !function.is_empty());
        let function = function.cloned().map(Piece::of);
        let calls = delta.tool_calls.0.iter().filter_map(|piece| piece.0.as_ref()).chain(&function);
        for piece in calls {
            self.flush(events);
            self.close(events);
            self.has_spoken = true;
            self.calls.push(piece, events);
        }
        Ok(())
    }

    /// Content in pieces, some of which are thoughts.
    fn pieces(&mut self, raw: &RawValue, events: &mut Vec<Event>) {
        let List(pieces) = serde_json::from_str::<List<Object<ContentPiece<'_>>>>(raw.get()).unwrap_or_default();
        for piece in pieces.iter().filter_map(|piece| piece.0.as_ref()) {
            match piece.thinking {
                Some(raw) if raw.get().starts_with('[') => {
                    let List(thoughts) =
                        serde_json::from_str::<List<Object<ContentPiece<'_>>>>(raw.get()).unwrap_or_default();
                    for thought in thoughts.iter().filter_map(|piece| piece.0.as_ref()) {
                        self.think(thought.text.as_str(), events);
                    }
                }
                Some(raw) => self.think(Words::of(raw).as_str(), events),
                None => self.say(piece.text.as_str(), events),
            }
        }
    }

    /// Takes text that may begin with thoughts.
    fn content(&mut self, text: &str, events: &mut Vec<Event>) {
        let mut said = Vec::new();
        self.split.push(text, &mut said);
        self.has_spoken |= !text.is_empty();
        self.said(said, events);
    }

    /// Gives what was held back of the text.
    fn flush(&mut self, events: &mut Vec<Event>) {
        let mut said = Vec::new();
        self.split.flush(&mut said);
        self.said(said, events);
    }

    fn said(&mut self, said: Vec<Said>, events: &mut Vec<Event>) {
        for said in said {
            match said {
                Said::Thought(words) => self.think(&words, events),
                Said::Text(words) => self.say(&words, events),
            }
        }
    }

    fn say(&mut self, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.open(Open::Text, events);
            events.push(Event::Text { text: text.to_owned() });
        }
    }

    fn think(&mut self, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.open(Open::Reasoning, events);
            events.push(Event::Reasoning { text: text.to_owned() });
        }
    }

    fn open(&mut self, open: Open, events: &mut Vec<Event>) {
        if self.open != open {
            self.close(events);
        }
        self.open = open;
        self.has_spoken = true;
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Text => events.push(Event::TextEnd { opaque: None }),
            Open::Reasoning => self.end_reasoning(events),
        }
    }

    fn end_reasoning(&mut self, events: &mut Vec<Event>) {
        let opaque = self.details.take().and_then(|details| Opaque::boxed(NAME, details));
        events.push(Event::ReasoningEnd { opaque });
    }

    /// Keeps the sources of the whole answer, which some servers repeat in each chunk.
    fn sources(&mut self, raw: &RawValue) {
        if raw.get().len() != self.sources_bytes {
            self.sources_bytes = raw.get().len();
            let List(all) = serde_json::from_str::<List<&RawValue>>(raw.get()).unwrap_or_default();
            self.sources = all.into_iter().filter_map(citation).collect();
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let finish = self.reason()?;
        self.flush(events);
        self.close(events);
        if !self.details.is_empty() {
            self.end_reasoning(events);
        }
        self.calls.end(events);
        events.extend(self.sources.drain(..).map(|citation| Event::Citation { citation }));
        events.extend(self.usage.map(|usage| Event::Usage { usage }));
        events.push(Event::Finish { finish });
        self.is_over = true;
        Ok(())
    }

    fn reason(&self) -> Result<Finish> {
        let reason = self.reason.as_deref().unwrap_or("stop");
        let finish = match reason.to_ascii_lowercase().as_str() {
            "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "end" | "complete" | "completed" => {
                match (self.is_refused, self.calls.is_empty()) {
                    (true, _) => Finish::Refused,
                    (false, true) => Finish::Stop,
                    (false, false) => Finish::ToolCalls,
                }
            }
            "length" | "max_tokens" | "model_length" | "max_output_tokens" => Finish::Length,
            "tool_calls" | "tool_call" | "tool_use" | "function_call" => Finish::ToolCalls,
            "content_filter" | "refusal" | "safety" => Finish::Refused,
            "error" | "insufficient_system_resource" | "network_error" => {
                let message = format!("the provider gave up in the middle of the answer ({reason}); ask again");
                return Err(Error::new(Kind::Unavailable, message));
            }
            _ => Finish::Other(reason.to_owned()),
        };
        Ok(finish)
    }
}

/// Whether an error is more than an empty field.
fn says_something(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "{}" | "\"\"" | "false" | "[]"))
}

fn citation(raw: &RawValue) -> Option<Citation> {
    if raw.get().starts_with('"') {
        return Some(Citation { url: Words::of(raw).owned(), ..Citation::default() });
    }
    let Object(outer) = serde_json::from_str::<Object<Source<'_>>>(raw.get()).ok()?;
    let outer = outer?;
    let inner = outer.url_citation.and_then(|raw| serde_json::from_str::<Object<Source<'_>>>(raw.get()).ok()?.0);
    let source = inner.unwrap_or(outer);
    let (title, url) = (source.title.owned(), source.url.owned());
    let quote = source.content.owned().or(source.snippet.owned());
    let opaque = serde_json::from_str::<Value>(raw.get()).ok().and_then(|value| Opaque::boxed(NAME, value));
    (title.is_some() || url.is_some()).then_some(Citation { title, url, quote, opaque })
}
