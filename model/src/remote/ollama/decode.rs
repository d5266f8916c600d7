//! Reads an answer, line by line, and what a server says went wrong.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{Event, Finish};
use crate::remote::body::CallIds;
use crate::remote::frames::Frame;
use crate::remote::wire::{Decode, Fault, broke_off, kind_of_status, plain_fault};
use crate::remote::words::Words;
use crate::usage::Usage;
use crate::{Error, Kind, Result};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    open: Open,
    calls: u32,
    ids: CallIds,
    is_over: bool,
}

/// What more words would go into.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thoughts,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    model: Words<'a>,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    #[serde(default)]
    done: bool,
    #[serde(borrow, default)]
    done_reason: Words<'a>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    content: Words<'a>,
    #[serde(borrow, default)]
    thinking: Words<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Words<'a>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Words<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Decode for Decoder {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<Event>) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        self.ids.see(frame.data);
        let line: Line<'_> = serde_json::from_str(frame.data).map_err(|error| {
            let message = format!("a line of the answer cannot be read: {error}");
            Error::new(Kind::BadOutput, message).caused_by(error)
        })?;
        if let Some(error) = line.error {
            return Err(said(&words(error), None).error());
        }
        if !self.has_begun {
            self.has_begun = true;
            events.push(Event::Start { id: None, model: line.model.some() });
        }
        if let Some(message) = line.message {
            self.say(message, events);
        }
        if line.done {
            let (input_tokens, output_tokens) = (line.prompt_eval_count, line.eval_count);
            self.finish(&line.done_reason, [input_tokens, output_tokens].map(Option::unwrap_or_default), events);
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<()> {
        if self.is_over { Ok(()) } else { Err(broke_off()) }
    }
}

impl Decoder {
    fn say(&mut self, said: Said<'_>, events: &mut Vec<Event>) {
        if let Some(text) = said.thinking.some() {
            self.open(Open::Thoughts, events);
            events.push(Event::Reasoning { text });
        }
        if let Some(text) = said.content.some() {
            self.open(Open::Text, events);
            events.push(Event::Text { text });
        }
        for call in said.tool_calls.unwrap_or_default() {
            self.open(Open::Nothing, events);
            self.call(call, events);
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

    fn call(&mut self, call: Call<'_>, events: &mut Vec<Event>) {
        let index = self.calls;
        self.calls += 1;
        // Older servers give calls no names.
        let id = call.id.some().unwrap_or_else(|| self.ids.make(index));
        events.push(Event::ToolCallStart { index, id, name: call.function.name.into_owned() });
        let arguments = call.function.arguments.map(words).filter(|text| text != "null");
        events.extend(arguments.map(|text| Event::ToolCallArguments { index, text }));
        events.push(Event::ToolCallEnd { index, opaque: None });
    }

    fn finish(&mut self, reason: &str, tokens: [u64; 2], events: &mut Vec<Event>) {
        self.open(Open::Nothing, events);
        self.is_over = true;
        let [input_tokens, output_tokens] = tokens;
        events.push(Event::Usage { usage: Usage { input_tokens, output_tokens, ..Usage::default() } });
        let finish = match reason {
            "stop" | "" if self.calls > 0 => Finish::ToolCalls,
            "stop" | "" => Finish::Stop,
            "tool_calls" => Finish::ToolCalls,
            "length" => Finish::Length,
            other => Finish::Other(other.to_owned()),
        };
        events.push(Event::Finish { finish });
    }
}

/// Returns a string without its quotes, and anything else as it stands.
fn words(raw: &RawValue) -> String {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
}

/// Reads an answer that is none.
pub(super) fn fault(status: u16, body: &str) -> Fault {
    match serde_json::from_str::<Body<'_>>(body) {
        Ok(Body { error }) => said(&words(error), Some(status)),
        Err(_) => plain_fault(status, body),
    }
}

/// Reads an error; in the middle of an answer it has no status. Some servers put the words into an object.
fn said(error: &str, status: Option<u16>) -> Fault {
    let inner = serde_json::from_str::<Inner>(error).map(|inner| inner.message);
    let message = inner.unwrap_or_else(|_| error.to_owned());
    let by_status = status.map_or(Kind::Unavailable, kind_of_status);
    Fault::new(by_message(&message).unwrap_or(by_status), message)
}

/// What a status does not tell: everything that fails within the server is a 500, or comes without a status.
fn by_message(message: &str) -> Option<Kind> {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    if says(&["context length", "prompt too long", "more system memory", "usage limit", "subscription"]) {
        return Some(Kind::Limit);
    }
    if says(&["does not support", "invalid format", "failed to parse grammar"]) {
        return Some(Kind::BadInput);
    }
    if lower.starts_with("model ") && lower.contains("not found") {
        return Some(Kind::NotFound);
    }
    says(&["unauthorized"]).then_some(Kind::Auth)
}
