//! Calls that give one parameter after the other, each between marks. The arguments become JSON as they come: a text of the
//! schema is passed on bit by bit, anything else when it is whole.

use serde_json::Value;

use super::literal;
use super::reader::{Cx, Feed, Progress};
use super::syntax::Parameters;
use crate::event::Event;
use crate::think::{find, may_become};

/// Reads one call.
#[derive(Debug)]
pub(super) struct InParameters {
    marks: Parameters,
    opens: &'static [&'static str],
    stage: Stage,
    tool: String,
    has_any: bool,
    is_text: bool,
}

#[derive(Debug)]
enum Stage {
    Name,
    Between,
    Key,
    /// The mark before a value.
    Value,
    /// The space before it.
    Space,
    /// The value, and whether a line was ended before it.
    Words {
        has_line: bool,
    },
    /// Arguments in JSON in place of parameters.
    Raw,
}

impl InParameters {
    pub(super) fn new(marks: Parameters, opens: &'static [&'static str]) -> Self {
        Self { marks, opens, stage: Stage::Name, tool: String::new(), has_any: false, is_text: false }
    }

    pub(super) fn step(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let progress = match self.stage {
            Stage::Name => self.name(feed, cx, events),
            Stage::Between => self.between(feed, cx, events),
            Stage::Key => self.key(feed, cx, events),
            Stage::Value => self.value(feed),
            Stage::Space => self.space(feed),
            Stage::Words { has_line } => self.words(has_line, feed, cx, events),
            Stage::Raw => self.raw(feed, cx, events),
        };
        match progress {
            Progress::Wait if cx.is_end => self.broke_off(feed, cx, events),
            progress => progress,
        }
    }

    fn name(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let Parameters { name_end, key, end, .. } = self.marks;
        let (at, which) = find(&feed.held, &[name_end, key, end]);
        let Some(which) = which else { return Progress::Wait };
        let name = feed.take(at);
        if which == 0 {
            feed.take(name_end.len());
        }
        name.trim().clone_into(&mut self.tool);
        cx.say.call(&self.tool, events);
        feed.keep();
        self.stage = Stage::Between;
        Progress::On
    }

    fn between(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let Parameters { key, end, .. } = self.marks;
        if !feed.skip_space() {
            return Progress::Wait;
        }
        if feed.held.starts_with(key) {
            feed.take(key.len());
            self.stage = Stage::Key;
            return Progress::On;
        }
        if feed.held.starts_with(end) {
            feed.take(end.len());
            return self.done(feed, cx, events);
        }
        let waits = [key, end].iter().chain(self.opens).any(|mark| may_become(&feed.held, mark));
        if waits && !cx.is_end {
            return Progress::Wait;
        }
        if self.has_any || feed.held.starts_with('<') {
            // The end of the call was forgotten.
            return self.done(feed, cx, events);
        }
        self.stage = Stage::Raw;
        Progress::On
    }

    fn key(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let end = self.marks.key_end;
        let Some(at) = feed.held.find(end) else { return Progress::Wait };
        let written = feed.take(at);
        feed.take(end.len());
        // Attributes may follow the name.
        let (key, attributes) = written.split_once('"').unwrap_or((&written, ""));
        self.is_text = match attributes.contains("string=") {
            true => attributes.contains("\"true\""),
            false => is_text(self.schema(key.trim(), cx)),
        };
        let before = if self.has_any { ", " } else { "{" };
        let quote = if self.is_text { "\"" } else { "" };
        cx.say.arguments(&format!("{before}{}: {quote}", Value::from(key.trim())), events);
        self.has_any = true;
        self.stage = Stage::Value;
        Progress::On
    }

    fn schema<'a>(&self, key: &str, cx: &'a Cx) -> Option<&'a Value> {
        let tool = cx.tools.iter().find(|tool| tool.name == self.tool)?;
        tool.parameters.get("properties")?.get(key)
    }

    fn value(&mut self, feed: &mut Feed) -> Progress {
        let mark = self.marks.value;
        if !mark.is_empty() {
            if !feed.skip_space() || may_become(&feed.held, mark) {
                return Progress::Wait;
            }
            if feed.held.starts_with(mark) {
                feed.take(mark.len());
            }
        }
        self.stage = Stage::Space;
        Progress::On
    }

    fn space(&mut self, feed: &mut Feed) -> Progress {
        if feed.held.is_empty() {
            return Progress::Wait;
        }
        let has_line = self.marks.space == "\n" && feed.held.starts_with('\n');
        feed.take(usize::from(has_line));
        self.stage = Stage::Words { has_line };
        Progress::On
    }

    fn words(&mut self, has_line: bool, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let end = self.marks.value_end;
        let (at, which) = find(&feed.held, &[end]);
        let words = match which {
            Some(_) => {
                let words = feed.take(at);
                feed.take(end.len());
                if has_line { words.strip_suffix('\n').unwrap_or(&words).to_owned() } else { words }
            }
            None if self.is_text => {
                // The last line end belongs to the mark, if that comes.
                let is_line = has_line && feed.held[..at].ends_with('\n');
                feed.take(at - usize::from(is_line))
            }
            None => return Progress::Wait,
        };
        let written = if self.is_text { escaped(&words) } else { json(&words) };
        cx.say.arguments(&written, events);
        feed.keep();
        if which.is_none() {
            return Progress::Wait;
        }
        self.end_value(cx, events);
        Progress::On
    }

    fn end_value(&mut self, cx: &mut Cx, events: &mut Vec<Event>) {
        if self.is_text {
            cx.say.arguments("\"", events);
        }
        self.stage = Stage::Between;
    }

    fn raw(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let (at, which) = find(&feed.held, &[self.marks.end]);
        let words = feed.take(at);
        cx.say.arguments(&words, events);
        feed.keep();
        if which.is_none() {
            return Progress::Wait;
        }
        feed.take(self.marks.end.len());
        feed.keep();
        cx.say.end_call(events);
        Progress::Done
    }

    fn done(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        cx.say.arguments(if self.has_any { "}" } else { "{}" }, events);
        cx.say.end_call(events);
        feed.keep();
        Progress::Done
    }

    /// Gives what there is of a call that has no end.
    fn broke_off(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let length = feed.held.len();
        let left = feed.take(length);
        match self.stage {
            Stage::Name => return Progress::NoCall,
            Stage::Words { .. } if self.is_text => cx.say.arguments(&escaped(&left), events),
            Stage::Words { .. } | Stage::Raw => cx.say.arguments(&left, events),
            // A mark that broke off.
            _ => {}
        }
        cx.say.end_call(events);
        feed.keep();
        Progress::Done
    }
}

/// Whether a schema asks for text and nothing else.
fn is_text(schema: Option<&Value>) -> bool {
    let Some(schema) = schema else { return false };
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(_) => false,
        None => {
            let choices = schema.get("enum").and_then(Value::as_array);
            choices.is_some_and(|choices| choices.iter().all(Value::is_string))
                || schema.get("const").is_some_and(Value::is_string)
        }
    }
}

/// Writes text as the inside of a JSON string.
fn escaped(words: &str) -> String {
    let quoted = Value::from(words).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Writes a value of which only the words are known.
fn json(words: &str) -> String {
    let trimmed = words.trim();
    if serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok() {
        return trimmed.to_owned();
    }
    match literal::value(trimmed) {
        Some(value) => value.to_string(),
        None => Value::from(words).to_string(),
    }
}
