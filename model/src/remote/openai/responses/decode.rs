//! Reads the events of a streamed answer, or an answer in one piece. Words, thoughts and arguments come in pieces; all
//! other items are taken whole when they are done.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::super::body::CallIds;
use super::super::super::frames::Frame;
use super::super::super::wire::{Decode, broke_off};
use super::super::lenient::{Count, List, Object, Words};
use super::super::{fault, usage};
use super::NAME;
use crate::event::{Event, Finish};
use crate::message::{Citation, Opaque};
use crate::{Error, Kind, Result};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    #[serde(borrow)]
    object: Words<'a>,
    output_index: Count,
    summary_index: Count,
    #[serde(borrow)]
    item_id: Words<'a>,
    #[serde(borrow)]
    delta: Words<'a>,
    #[serde(borrow)]
    arguments: Words<'a>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    model: Words<'a>,
    #[serde(borrow)]
    status: Words<'a>,
    #[serde(borrow)]
    output: List<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Object<Incomplete<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Words<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    call_id: Words<'a>,
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    content: List<Object<Piece<'a>>>,
    #[serde(borrow)]
    summary: List<Object<Piece<'a>>>,
    #[serde(borrow)]
    phase: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    caller: Option<&'a RawValue>,
}

/// A piece of a message or of thoughts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Piece<'a> {
    #[serde(borrow)]
    text: Words<'a>,
    #[serde(borrow)]
    refusal: Words<'a>,
    #[serde(borrow)]
    annotations: List<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    title: Words<'a>,
    #[serde(borrow)]
    filename: Words<'a>,
    #[serde(borrow)]
    url: Words<'a>,
}

/// What has been told of an item so far.
#[derive(Debug, Default)]
struct Told {
    /// Which call it is, if it is one.
    call: Option<u32>,
    /// Whether its words, thoughts or arguments came in pieces.
    has_words: bool,
    has_sources: bool,
    /// Thoughts come as a summary or as they are, and sometimes as both; the first kind stays.
    is_summary: bool,
    summary_index: u64,
    is_done: bool,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct ResponsesDecoder {
    has_started: bool,
    is_over: bool,
    is_refused: bool,
    /// The items, by their place in the output.
    items: HashMap<u64, Told>,
    /// The newest item, for servers that do not say which.
    newest: u64,
    calls: u32,
    ids: CallIds,
}

impl Decode for ResponsesDecoder {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()> {
        let data = frame.data.trim();
        if self.is_over || data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        if frame.event == "error" {
            return Err(fault::in_stream(data));
        }
        self.ids.see(data);
        match serde_json::from_str::<Message<'_>>(data) {
            Ok(message) => self.message(&message, frame.event, data, events),
            // Events that we do not know may hold anything.
            Err(_) if !frame.event.is_empty() && !frame.event.starts_with("response.") => Ok(()),
            Err(error) => {
                let message = format!("a piece of the answer cannot be read: {error}");
                Err(Error::new(Kind::BadOutput, message).caused_by(error))
            }
        }
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<()> {
        if self.is_over { Ok(()) } else { Err(broke_off()) }
    }
}

impl ResponsesDecoder {
    fn message(&mut self, message: &Message<'_>, event: &str, data: &str, events: &mut Vec<Event>) -> Result<()> {
        let place = message.output_index.0.unwrap_or(self.newest);
        match message.kind.full().unwrap_or(event) {
            "response.output_text.delta" => self.say(place, message.delta.as_str(), events),
            "response.refusal.delta" => {
                self.is_refused = true;
                self.say(place, message.delta.as_str(), events);
            }
            "response.function_call_arguments.delta" => self.arguments(place, message.delta.as_str(), events),
            "response.reasoning_summary_text.delta" => self.think(place, message, true, events),
            "response.reasoning_text.delta" | "response.reasoning.delta" => self.think(place, message, false, events),
            "response.function_call_arguments.done" => self.all_arguments(place, message.arguments.as_str(), events),
            "response.output_text.annotation.added" => self.source(place, message.annotation, events),
            "response.output_item.added" => self.added(message, events),
            "response.output_item.done" => self.done(message.output_index.0, message.item, events),
            "response.created" | "response.in_progress" | "response.queued" => self.start(message.response, events),
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                return self.finish(message.response, data, events);
            }
            "error" => return Err(fault::in_stream(data)),
            "keepalive" | "ping" | "response.keepalive" => events.push(Event::Ping),
            "" if message.object.as_str() == "response" => {
                let whole = serde_json::from_str::<&RawValue>(data).ok();
                return self.finish(whole, data, events);
            }
            "" if message.error.is_some() => return Err(fault::in_stream(data)),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, response: Option<&RawValue>, events: &mut Vec<Event>) {
        if !self.has_started {
            let response = response.map(self::response).unwrap_or_default();
            self.begin(&response, events);
        }
    }

    fn begin(&mut self, response: &Response<'_>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_started, true) {
            events.push(Event::Start { id: response.id.owned(), model: response.model.owned() });
        }
    }

    fn told(&mut self, place: u64) -> &mut Told {
        self.newest = place;
        self.items.entry(place).or_default()
    }

    fn say(&mut self, place: u64, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.told(place).has_words = true;
            events.push(Event::Text { text: text.to_owned() });
        }
    }

    fn think(&mut self, place: u64, message: &Message<'_>, is_summary: bool, events: &mut Vec<Event>) {
        let (text, index) = (message.delta.as_str(), message.summary_index.or_zero());
        let told = self.told(place);
        let is_other = told.has_words && told.is_summary != is_summary;
        if text.is_empty() || is_other {
            return;
        }
        // Each piece of a summary has a heading of its own.
        let begins = told.has_words && told.summary_index != index;
        told.has_words = true;
        told.is_summary = is_summary;
        told.summary_index = index;
        let text = if begins { format!("\n\n{text}") } else { text.to_owned() };
        events.push(Event::Reasoning { text });
    }

    fn arguments(&mut self, place: u64, text: &str, events: &mut Vec<Event>) {
        let told = self.told(place);
        if let Some(index) = told.call.filter(|_| !text.is_empty()) {
            told.has_words = true;
            events.push(Event::ToolCallArguments { index, text: text.to_owned() });
        }
    }

    /// Takes arguments that did not come in pieces.
    fn all_arguments(&mut self, place: u64, text: &str, events: &mut Vec<Event>) {
        if !self.told(place).has_words {
            self.arguments(place, text, events);
        }
    }

    fn source(&mut self, place: u64, annotation: Option<&RawValue>, events: &mut Vec<Event>) {
        self.told(place).has_sources = true;
        events.extend(annotation.and_then(citation).map(|citation| Event::Citation { citation }));
    }

    fn added(&mut self, message: &Message<'_>, events: &mut Vec<Event>) {
        let Some(item) = message.item.and_then(item) else { return };
        let place = message.output_index.0.unwrap_or_else(|| self.next_place());
        self.told(place);
        if item.kind.as_str() == "function_call" {
            self.call(place, &item, &message.item_id, events);
        }
    }

    /// Returns a place for an item of which the server does not say it.
    fn next_place(&self) -> u64 {
        u64::try_from(self.items.len()).unwrap_or(u64::MAX)
    }

    fn call(&mut self, place: u64, item: &Item<'_>, id: &Words<'_>, events: &mut Vec<Event>) -> u32 {
        if let Some(index) = self.told(place).call {
            return index;
        }
        let index = self.calls;
        self.calls += 1;
        self.told(place).call = Some(index);
        let id = item.call_id.owned().or(item.id.owned()).or(id.owned()).unwrap_or_else(|| self.ids.make(index));
        events.push(Event::ToolCallStart { index, id, name: item.name.as_str().to_owned() });
        index
    }

    fn done(&mut self, place: Option<u64>, raw: Option<&RawValue>, events: &mut Vec<Event>) {
        let Some((raw, item)) = raw.and_then(|raw| Some((raw, item(raw)?))) else { return };
        let is_known = |told: &Told| !told.is_done;
        let newest = Some(self.newest).filter(|newest| self.items.get(newest).is_some_and(is_known));
        let place = place.or(newest).unwrap_or_else(|| self.next_place());
        if std::mem::replace(&mut self.told(place).is_done, true) {
            return;
        }
        match item.kind.as_str() {
            "message" => self.message_done(place, &item, events),
            "reasoning" => self.reasoning_done(place, raw, &item, events),
            "function_call" => {
                let index = self.call(place, &item, &Words::default(), events);
                match item.arguments {
                    Some(raw) if raw.get().starts_with('{') => self.all_arguments(place, raw.get(), events),
                    Some(raw) => self.all_arguments(place, Words::of(raw).as_str(), events),
                    None => {}
                }
                let opaque = kept(&[("namespace", item.namespace), ("caller", item.caller)]);
                events.push(Event::ToolCallEnd { index, opaque });
            }
            _ => events.extend(value(raw).map(|value| Event::Opaque { opaque: Opaque::new(NAME, value) })),
        }
    }

    fn message_done(&mut self, place: u64, item: &Item<'_>, events: &mut Vec<Event>) {
        let (has_words, has_sources) = (self.told(place).has_words, self.told(place).has_sources);
        for piece in item.content.0.iter().filter_map(|piece| piece.0.as_ref()) {
            if !has_words {
                self.is_refused |= piece.refusal.full().is_some();
                self.say(place, piece.text.as_str(), events);
                self.say(place, piece.refusal.as_str(), events);
            }
            if !has_sources {
                piece.annotations.0.iter().for_each(|raw| self.source(place, Some(raw), events));
            }
        }
        events.push(Event::TextEnd { opaque: kept(&[("phase", item.phase)]) });
    }

    fn reasoning_done(&mut self, place: u64, raw: &RawValue, item: &Item<'_>, events: &mut Vec<Event>) {
        if !self.told(place).has_words {
            let pieces = if item.summary.0.is_empty() { &item.content.0 } else { &item.summary.0 };
            let texts: Vec<_> = pieces.iter().filter_map(|piece| piece.0.as_ref()?.text.full()).collect();
            if !texts.is_empty() {
                events.push(Event::Reasoning { text: texts.join("\n\n") });
            }
        }
        events.push(Event::ReasoningEnd { opaque: value(raw).and_then(|value| Opaque::boxed(NAME, value)) });
    }

    fn finish(&mut self, raw: Option<&RawValue>, data: &str, events: &mut Vec<Event>) -> Result<()> {
        let response = raw.map(self::response).unwrap_or_default();
        let is_fault = response.error.is_some_and(|error| error.get() != "null" && error.get() != "{}");
        if is_fault || matches!(response.status.as_str(), "failed" | "cancelled") {
            let said = response.error.filter(|_| is_fault).map_or(data, RawValue::get);
            return Err(match is_fault {
                true => fault::in_stream(said),
                false => Error::new(Kind::Unavailable, "the provider gave the answer up; ask again"),
            });
        }
        self.begin(&response, events);
        // Some servers send the items only here, and some send here none.
        if !self.items.values().any(|told| told.is_done || told.has_words) {
            for (place, item) in (0..).zip(&response.output.0) {
                self.done(Some(place), Some(item), events);
            }
        }
        self.end_calls(&response, events);
        events.extend(response.usage.and_then(usage::usage).map(|usage| Event::Usage { usage }));
        events.push(Event::Finish { finish: self.reason(&response) });
        self.is_over = true;
        Ok(())
    }

    /// Ends the calls of which the server did not say that they are done. They may stand whole among all items.
    fn end_calls(&mut self, response: &Response<'_>, events: &mut Vec<Event>) {
        let open =
            self.items.iter().filter(|(_, told)| !told.is_done).filter_map(|(place, told)| Some((told.call?, *place)));
        let mut open: Vec<_> = open.collect();
        open.sort_unstable();
        for (index, place) in open {
            let raw = usize::try_from(place).ok().and_then(|place| response.output.0.get(place)).copied();
            let whole = raw.filter(|raw| item(raw).is_some_and(|item| item.kind.as_str() == "function_call"));
            match whole {
                Some(_) => self.done(Some(place), whole, events),
                None => events.push(Event::ToolCallEnd { index, opaque: None }),
            }
        }
    }

    fn reason(&self, response: &Response<'_>) -> Finish {
        let reason = response.incomplete_details.0.as_ref().map(|details| details.reason.as_str()).unwrap_or_default();
        match reason {
            "max_output_tokens" | "max_tokens" => Finish::Length,
            "content_filter" => Finish::Refused,
            "" if response.status.as_str() == "incomplete" => Finish::Other("incomplete".to_owned()),
            "" if self.is_refused => Finish::Refused,
            "" if self.calls > 0 => Finish::ToolCalls,
            "" => Finish::Stop,
            other => Finish::Other(other.to_owned()),
        }
    }
}

fn response(raw: &RawValue) -> Response<'_> {
    serde_json::from_str::<Object<Response<'_>>>(raw.get()).ok().and_then(|object| object.0).unwrap_or_default()
}

fn item(raw: &RawValue) -> Option<Item<'_>> {
    serde_json::from_str::<Object<Item<'_>>>(raw.get()).ok()?.0
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

/// Keeps fields that must go back with an item that is made anew.
fn kept(fields: &[(&str, Option<&RawValue>)]) -> Option<Box<Opaque>> {
    let fields = fields.iter().filter_map(|(name, raw)| Some(((*name).to_owned(), value((*raw)?)?)));
    let kept: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
    if kept.is_empty() { None } else { Opaque::boxed(NAME, Value::Object(kept)) }
}

fn citation(raw: &RawValue) -> Option<Citation> {
    let source = serde_json::from_str::<Object<Source<'_>>>(raw.get()).ok()?.0?;
    let opaque = value(raw).and_then(|value| Opaque::boxed(NAME, value));
    Some(Citation {
        title: source.title.owned().or(source.filename.owned()),
        url: source.url.owned(),
        quote: None,
        opaque,
    })
}
