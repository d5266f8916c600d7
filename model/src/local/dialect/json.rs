//! Calls as JSON objects, alone, one after the other or in a list, read as they come: the name when it is whole, the
//! arguments bit by bit as the model writes them.

use super::reader::{Cx, Feed, Progress};
use crate::event::Event;

/// Under which names models give the name of a tool.
const NAMES: &[&str] = &["name", "tool_name", "function"];
/// Under which names they give its arguments.
const ARGUMENTS: &[&str] = &["arguments", "parameters", "args", "input"];
/// Under which they do where no mark says that it is a call, and the others may be part of an answer in JSON.
const BARE_ARGUMENTS: &[&str] = &["arguments", "parameters"];
/// What else stands in a call.
const OTHERS: &[&str] = &["id", "type", "tool_call_id"];
/// What may be read before it is clear that it is a call.
const UNCLEAR_BYTES_MAX: usize = 1 << 16;

/// Reads calls.
#[derive(Debug, Default)]
pub(super) struct Json {
    /// No mark stood before it, so it may be anything.
    is_bare: bool,
    name_is_field: bool,
    is_list: bool,
    /// Within the field `function`.
    is_nested: bool,
    stage: Stage,
    key: String,
    /// The call has a name.
    has_begun: bool,
    /// Any call had.
    has_any: bool,
    /// Arguments that came before the name.
    early: String,
    unclear_bytes: usize,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Begin,
    Key,
    Colon,
    Value,
    Arguments(Scan),
    Skipped(Scan),
}

impl Json {
    pub(super) fn bare() -> Self {
        Self { is_bare: true, ..Self::default() }
    }

    pub(super) fn of_fields() -> Self {
        Self { name_is_field: true, ..Self::default() }
    }

    pub(super) fn step(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let is_wordy = matches!(self.stage, Stage::Arguments(_) | Stage::Skipped(_));
        if !is_wordy && !feed.skip_space() {
            return self.wait(cx);
        }
        if feed.held.is_empty() {
            return self.wait(cx);
        }
        match &mut self.stage {
            Stage::Begin => self.begin(feed, cx, events),
            Stage::Key => self.key(feed, cx, events),
            Stage::Colon => {
                if !feed.held.starts_with(':') {
                    return self.broken(cx, events);
                }
                feed.take(1);
                self.stage = Stage::Value;
                Progress::On
            }
            Stage::Value => self.value(feed, cx, events),
            Stage::Arguments(scan) => {
                let (length, is_over) = scan.feed(&feed.held);
                let words = feed.take(length);
                if is_over {
                    self.stage = Stage::Key;
                }
                self.arguments(&words, feed, cx, events);
                if !self.has_begun && self.unclear_bytes > UNCLEAR_BYTES_MAX {
                    return Progress::NoCall;
                }
                if is_over { Progress::On } else { self.wait(cx) }
            }
            Stage::Skipped(scan) => {
                let (length, is_over) = scan.feed(&feed.held);
                self.unclear_bytes += length;
                feed.take(length);
                if is_over {
                    self.stage = Stage::Key;
                }
                if !self.has_begun && self.unclear_bytes > UNCLEAR_BYTES_MAX {
                    return Progress::NoCall;
                }
                if is_over { Progress::On } else { self.wait(cx) }
            }
        }
    }

    /// There is not enough text to go on.
    fn wait(&self, cx: &Cx) -> Progress {
        match cx.is_end && !self.has_begun && !self.has_any {
            true => Progress::NoCall,
            false => Progress::Wait,
        }
    }

    /// Something stands where it cannot.
    fn broken(&mut self, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        if self.has_begun {
            self.end(cx, events);
            return Progress::Done;
        }
        Progress::NoCall
    }

    fn begin(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        match feed.held.as_bytes()[0] {
            b'{' => self.stage = Stage::Key,
            b'[' if !self.is_list && !self.has_any => self.is_list = true,
            b',' if self.is_list && self.has_any => {}
            b']' if self.is_list && self.has_any => {
                feed.take(1);
                feed.keep();
                return Progress::Done;
            }
            // More calls follow each other without a list only behind a mark.
            _ if self.has_any => return Progress::Done,
            _ => return self.broken(cx, events),
        }
        feed.take(1);
        Progress::On
    }

    fn key(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        match feed.held.as_bytes()[0] {
            b',' => {
                feed.take(1);
                Progress::On
            }
            b'}' => {
                feed.take(1);
                if self.is_nested {
                    self.is_nested = false;
                    return Progress::On;
                }
                if !self.has_begun {
                    return Progress::NoCall;
                }
                self.end(cx, events);
                feed.keep();
                // A bare object is followed by another only if the text goes on with one.
                if self.is_bare && !self.is_list { Progress::Done } else { Progress::On }
            }
            b'"' | b'\'' => {
                let Some((key, length)) = text(&feed.held) else { return self.wait_for_text(feed, cx, events) };
                let arguments = if self.is_bare { BARE_ARGUMENTS } else { ARGUMENTS };
                let is_known = [NAMES, arguments, OTHERS].iter().any(|known| known.contains(&key.as_str()));
                if self.is_bare && !is_known {
                    return self.broken(cx, events);
                }
                feed.take(length);
                self.key = key;
                self.stage = Stage::Colon;
                Progress::On
            }
            _ => self.broken(cx, events),
        }
    }

    fn value(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let first = feed.held.as_bytes()[0];
        if self.name_is_field && !self.has_begun {
            let name = std::mem::take(&mut self.key);
            self.call(&name, feed, cx, events);
            self.stage = Stage::Arguments(Scan::default());
            return Progress::On;
        }
        let is_name = NAMES.contains(&self.key.as_str()) && !self.has_begun;
        if is_name && first == b'{' && self.key == "function" {
            feed.take(1);
            self.is_nested = true;
            self.stage = Stage::Key;
            return Progress::On;
        }
        let is_arguments = ARGUMENTS.contains(&self.key.as_str());
        if matches!(first, b'"' | b'\'') && (is_name || is_arguments) {
            let Some((words, length)) = text(&feed.held) else { return self.wait_for_text(feed, cx, events) };
            if is_name && self.is_bare && !cx.knows(&words) {
                return Progress::NoCall;
            }
            feed.take(length);
            self.stage = Stage::Key;
            match is_name {
                true => self.call(&words, feed, cx, events),
                false => self.arguments(&words, feed, cx, events),
            }
            return Progress::On;
        }
        let scan = Scan::default();
        self.stage = if is_arguments { Stage::Arguments(scan) } else { Stage::Skipped(scan) };
        Progress::On
    }

    /// A text is not over yet. At the end of the answer, what there is of arguments is given.
    fn wait_for_text(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        if !self.has_begun && feed.held.len() > UNCLEAR_BYTES_MAX {
            return Progress::NoCall;
        }
        if cx.is_end && self.has_begun && matches!(self.stage, Stage::Value) {
            let length = feed.held.len();
            let words = feed.take(length);
            self.arguments(&words[1..], feed, cx, events);
        }
        if cx.is_end && !self.has_begun { Progress::NoCall } else { Progress::Wait }
    }

    fn call(&mut self, name: &str, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) {
        cx.say.call(name, events);
        feed.keep();
        self.has_begun = true;
        self.has_any = true;
        cx.say.arguments(&std::mem::take(&mut self.early), events);
    }

    fn arguments(&mut self, words: &str, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) {
        if self.has_begun {
            cx.say.arguments(words, events);
            feed.keep();
        } else {
            self.unclear_bytes += words.len();
            self.early.push_str(words);
        }
    }

    fn end(&mut self, cx: &mut Cx, events: &mut Vec<Event>) {
        cx.say.end_call(events);
        self.has_begun = false;
        self.is_nested = false;
        self.unclear_bytes = 0;
        self.stage = Stage::Begin;
    }
}

/// Reads a text in quotes from the beginning, if it is whole: what it says, and how long it is.
fn text(held: &str) -> Option<(String, usize)> {
    let quote = held.chars().next()?;
    let mut is_escaped = false;
    let end = held.char_indices().skip(1).find(|(_, letter)| {
        let is_end = *letter == quote && !is_escaped;
        is_escaped = *letter == '\\' && !is_escaped;
        is_end
    });
    let (end, _) = end?;
    let inside = &held[1..end];
    let words = serde_json::from_str(&format!("\"{inside}\"")).unwrap_or_else(|_| inside.to_owned());
    Some((words, end + 1))
}

/// Finds the end of a JSON value without understanding it, so that a broken one has an end too.
#[derive(Debug, Default)]
pub(super) struct Scan {
    has_begun: bool,
    depth: u32,
    quote: Option<u8>,
    is_escaped: bool,
}

impl Scan {
    /// Takes text; returns how much of it belongs to the value, and whether that is over.
    pub(super) fn feed(&mut self, text: &str) -> (usize, bool) {
        for (at, byte) in text.bytes().enumerate() {
            if let Some(quote) = self.quote {
                let is_end = byte == quote && !self.is_escaped;
                self.is_escaped = byte == b'\\' && !self.is_escaped;
                if is_end {
                    self.quote = None;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                continue;
            }
            match byte {
                b'"' | b'\'' => self.quote = Some(byte),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return (at, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                b',' | b' ' | b'\n' | b'\t' | b'\r' if self.depth == 0 && self.has_begun => return (at, true),
                // No JSON has this outside of a text: it is the mark behind a value that was not closed.
                b'<' => return (at, true),
                _ => {}
            }
            self.has_begun = true;
        }
        (text.len(), false)
    }
}
