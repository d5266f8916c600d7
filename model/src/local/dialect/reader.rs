//! Reads an answer as it comes. Each step looks at the text that was held back and goes on only if more text could not
//! change what it sees, so that the events say the same however the text was cut.

use super::Dialect;
use super::json::Json;
use super::literal;
use super::named::Named;
use super::parameters::InParameters;
use super::say::Say;
use super::syntax::{Body, Syntax, syntax};
use crate::Result;
use crate::event::Event;
use crate::request::{Request, ToolSpec};
use crate::think::{THOUGHTS, find, may_become};

/// What may be held back until it is clear whether it is a call; then it is text.
const HELD_BYTES_MAX: usize = 1 << 16;
/// A header of a message is a few words long.
const HEADER_BYTES_MAX: usize = 1024;

/// Reads one answer of a model.
#[derive(Debug)]
pub struct Reader {
    syntax: Syntax,
    feed: Feed,
    state: State,
    cx: Cx,
}

/// What the readers of the forms of calls share.
#[derive(Debug)]
pub(super) struct Cx {
    pub(super) say: Say,
    pub(super) tools: Vec<ToolSpec>,
    /// The text is over.
    pub(super) is_end: bool,
}

impl Cx {
    pub(super) fn knows(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }
}

/// Text that was not understood yet, and what was of it since the last mark: should that turn out to be no call, it is
/// text again.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) held: String,
    taken: String,
}

impl Feed {
    /// Takes bytes off the beginning.
    pub(super) fn take(&mut self, bytes: usize) -> String {
        let rest = self.held.split_off(bytes);
        let taken = std::mem::replace(&mut self.held, rest);
        self.taken.push_str(&taken);
        taken
    }

    /// Takes white space off the beginning, and tells whether anything is left.
    pub(super) fn skip_space(&mut self) -> bool {
        let space = self.held.len() - self.held.trim_start().len();
        self.take(space);
        !self.held.is_empty()
    }

    /// Forgets what was taken: it has become a call.
    pub(super) fn keep(&mut self) {
        self.taken.clear();
    }
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has to wait for more text.
    Wait,
    /// It can go on.
    On,
    /// The calls are over.
    Done,
    /// It was no call.
    NoCall,
}

#[derive(Debug)]
enum State {
    Text(Start),
    Thinking {
        ends: Vec<&'static str>,
        is_fresh: bool,
    },
    Json(Json),
    Named(Named),
    Parameters(InParameters),
    /// All up to a mark is needed at once.
    Whole,
    Header,
    /// Arguments up to one of the marks.
    Raw,
}

/// What stands before text that may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Answer,
    Mark,
    Call,
    /// Text has begun.
    Not,
}

impl Reader {
    pub(super) fn new(dialect: Dialect, request: &Request, starts_thinking: bool) -> Self {
        let state = match starts_thinking {
            true => State::Thinking { ends: THOUGHTS.iter().map(|(_, end)| *end).collect(), is_fresh: true },
            false => State::Text(Start::Answer),
        };
        let cx = Cx { say: Say::new(request), tools: request.tools.clone(), is_end: false };
        let mut syntax = syntax(dialect);
        if request.tools.is_empty() && !matches!(syntax.body, Body::Header) {
            // Nobody could run a call, and a person would see nothing of it: it is text.
            syntax.opens = &[];
        }
        Self { syntax, feed: Feed::default(), state, cx }
    }

    /// Takes a piece of the answer.
    pub fn push(&mut self, text: &str, events: &mut Vec<Event>) {
        self.feed.held.push_str(text);
        while self.step(events) {}
    }

    /// Ends. What is open is closed.
    ///
    /// # Errors
    /// None that is known.
    pub fn end(&mut self, events: &mut Vec<Event>) -> Result<()> {
        self.cx.is_end = true;
        while self.step(events) {}
        let left = std::mem::take(&mut self.feed.held);
        match self.state {
            State::Thinking { .. } => self.cx.say.think(&left, events),
            // White space behind a mark is no answer.
            State::Text(Start::Mark | Start::Call) if left.trim().is_empty() => {}
            State::Text(_) => self.cx.say.text(&left, events),
            _ => {}
        }
        self.cx.say.end_call(events);
        self.cx.say.close(events);
        Ok(())
    }

    /// Tells whether tools were asked for.
    #[must_use]
    pub fn has_called(&self) -> bool {
        self.cx.say.has_called()
    }

    fn step(&mut self, events: &mut Vec<Event>) -> bool {
        let progress = match &mut self.state {
            State::Text(Start::Not) => return self.text(events),
            State::Text(start) => {
                let start = *start;
                return self.begin(start);
            }
            State::Thinking { .. } => return self.think(events),
            State::Header => return self.header(events),
            State::Raw => return self.raw(events),
            State::Whole => self.whole(events),
            State::Json(json) => json.step(&mut self.feed, &mut self.cx, events),
            State::Named(named) => named.step(&mut self.feed, &mut self.cx, &self.syntax, events),
            State::Parameters(parameters) => parameters.step(&mut self.feed, &mut self.cx, events),
        };
        match progress {
            Progress::Wait => false,
            Progress::On => true,
            Progress::Done => self.set(State::Text(Start::Call)),
            Progress::NoCall => self.no_call(events),
        }
    }

    fn set(&mut self, state: State) -> bool {
        self.feed.keep();
        self.state = state;
        true
    }

    /// Gives back as text what was taken for a call.
    fn no_call(&mut self, events: &mut Vec<Event>) -> bool {
        // Named calls may turn out to be a list.
        if let (State::Named(named), true) = (&self.state, self.feed.held.starts_with(['[', '{']))
            && named.may_be_json()
        {
            self.state = State::Json(Json::default());
            return true;
        }
        let taken = std::mem::take(&mut self.feed.taken);
        self.cx.say.text(&taken, events);
        self.set(State::Text(Start::Not))
    }

    /// Looks for what may stand before text.
    fn begin(&mut self, start: Start) -> bool {
        let words = self.feed.held.trim_start();
        let space = self.feed.held.len() - words.len();
        if words.is_empty() {
            return false;
        }
        let mut waits = false;
        let mut starts = |mark: &str| {
            waits |= may_become(words, mark);
            words.starts_with(mark)
        };
        if let Some((open, end)) = THOUGHTS.iter().find(|(open, _)| starts(open)) {
            self.feed.take(space + open.len());
            return self.set(State::Thinking { ends: vec![end], is_fresh: false });
        }
        let after = if start == Start::Call { self.syntax.after } else { &[] };
        if let Some(mark) = self.syntax.ignored.iter().chain(after).find(|mark| starts(mark)) {
            self.feed.take(space + mark.len());
            return self.set(State::Text(if start == Start::Answer { Start::Mark } else { start }));
        }
        if let Some(mark) = self.syntax.opens.iter().find(|mark| starts(mark)) {
            return self.open(space, mark.len());
        }
        if matches!(self.syntax.body, Body::Header) && start == Start::Answer && starts("to=") {
            return self.set(State::Header);
        }
        if self.syntax.is_bare && !self.cx.tools.is_empty() {
            match bare(words) {
                Progress::On => {
                    let length = space + words.find(['{', '[']).unwrap_or(0);
                    self.feed.take(length);
                    self.state = State::Json(Json::bare());
                    return true;
                }
                Progress::Wait => waits = true,
                Progress::Done | Progress::NoCall => {}
            }
        }
        if waits && !self.cx.is_end {
            return false;
        }
        if start != Start::Answer {
            self.feed.skip_space();
        }
        self.set(State::Text(Start::Not))
    }

    fn text(&mut self, events: &mut Vec<Event>) -> bool {
        let marks: Vec<_> = self.syntax.opens.iter().chain(self.syntax.ignored).copied().collect();
        let (at, which) = find(&self.feed.held, &marks);
        let text = self.feed.take(at);
        self.cx.say.text(&text, events);
        self.feed.keep();
        match which {
            None => false,
            Some(which) if which < self.syntax.opens.len() => self.open(0, marks[which].len()),
            Some(which) => {
                self.feed.take(marks[which].len());
                self.set(State::Text(Start::Mark))
            }
        }
    }

    /// Begins what stands behind a mark.
    fn open(&mut self, space: usize, mark: usize) -> bool {
        self.feed.take(space);
        self.feed.keep();
        if matches!(self.syntax.body, Body::Header) {
            return self.set(State::Header); // the mark is part of it
        }
        // The bracket of a list may be part of the mark.
        let mark = if self.feed.held[..mark].ends_with('[') && self.feed.held[..mark].starts_with("functools") {
            mark - 1
        } else {
            mark
        };
        self.feed.take(mark);
        self.state = match self.syntax.body {
            Body::Json | Body::Header => State::Json(Json::default()),
            Body::NameIsField => State::Json(Json::of_fields()),
            Body::Named(ends) => State::Named(Named::new(ends)),
            Body::Parameters(marks) => State::Parameters(InParameters::new(marks, self.syntax.opens)),
            Body::Gemma(_) | Body::Python(_) => State::Whole,
        };
        true
    }

    fn think(&mut self, events: &mut Vec<Event>) -> bool {
        let State::Thinking { ends, is_fresh } = &mut self.state else { return false };
        if *is_fresh {
            // A model that was put into thoughts may say so again.
            let words = self.feed.held.trim_start();
            let space = self.feed.held.len() - words.len();
            let open = THOUGHTS.iter().map(|(open, _)| *open).find(|open| words.starts_with(open));
            let waits = words.is_empty() || THOUGHTS.iter().any(|(open, _)| may_become(words, open));
            if waits && !self.cx.is_end {
                return false;
            }
            *is_fresh = false;
            self.feed.take(open.map_or(0, |open| space + open.len()));
        }
        let (at, which) = find(&self.feed.held, ends);
        let which = which.map(|which| ends[which]);
        let words = self.feed.take(at);
        self.cx.say.think(&words, events);
        self.feed.keep();
        let Some(end) = which else { return false };
        self.cx.say.close(events);
        if !self.syntax.opens.contains(&end) {
            self.feed.take(end.len());
        }
        self.set(State::Text(Start::Mark))
    }

    /// Reads who a message is for.
    fn header(&mut self, events: &mut Vec<Event>) -> bool {
        const MESSAGE: &str = "<|message|>";
        let Some(at) = self.feed.held.find(MESSAGE) else {
            if self.cx.is_end || self.feed.held.len() > HEADER_BYTES_MAX {
                let length = self.feed.held.len();
                let header = self.feed.take(length);
                // Marks alone are no words.
                self.cx.say.text(if header.contains("<|") { "" } else { &header }, events);
                return self.set(State::Text(Start::Not));
            }
            return false;
        };
        let header = self.feed.take(at);
        self.feed.take(MESSAGE.len());
        let recipient = header.split("to=").nth(1).map(|rest| rest.split([' ', '<']).next().unwrap_or(rest));
        let recipient = recipient.filter(|to| !to.is_empty() && *to != "assistant" && *to != "user");
        if let Some(name) = recipient {
            self.cx.say.call(name.strip_prefix("functions.").unwrap_or(name), events);
            return self.set(State::Raw);
        }
        match header.rsplit("<|channel|>").next().is_some_and(|channel| channel.starts_with("analysis")) {
            true => {
                let ends = self.syntax.ignored.iter().chain(self.syntax.opens).copied().collect();
                self.set(State::Thinking { ends, is_fresh: false })
            }
            false => self.set(State::Text(Start::Mark)),
        }
    }

    fn raw(&mut self, events: &mut Vec<Event>) -> bool {
        let marks: Vec<_> = self.syntax.opens.iter().chain(self.syntax.ignored).copied().collect();
        let (at, which) = find(&self.feed.held, &marks);
        let at = if self.cx.is_end && which.is_none() { self.feed.held.len() } else { at };
        let words = self.feed.take(at);
        self.cx.say.arguments(&words, events);
        self.feed.keep();
        if which.is_none() {
            return false;
        }
        self.cx.say.end_call(events);
        self.set(State::Text(Start::Call))
    }

    /// Reads calls that make sense as a whole only.
    fn whole(&mut self, events: &mut Vec<Event>) -> Progress {
        let (Body::Gemma(end) | Body::Python(end)) = self.syntax.body else { return Progress::NoCall };
        let at = match self.feed.held.find(end) {
            Some(at) => at,
            None if self.cx.is_end || self.feed.held.len() > HELD_BYTES_MAX => self.feed.held.len(),
            None => return Progress::Wait,
        };
        let whole = self.feed.take(at);
        let calls = match self.syntax.body {
            Body::Gemma(_) => literal::gemma(&whole),
            _ => literal::python(&whole),
        };
        for (name, arguments) in &calls {
            self.cx.say.call(name, events);
            self.cx.say.arguments(arguments, events);
            self.cx.say.end_call(events);
        }
        if calls.is_empty() { Progress::NoCall } else { Progress::Done }
    }
}

/// Whether a text may be a call without a mark: `On` if it looks like one, `Wait` if it cannot be seen yet.
fn bare(words: &str) -> Progress {
    let inside = match words.strip_prefix("```") {
        None if "```".starts_with(words) => return Progress::Wait,
        None => words,
        Some(fenced) => match fenced.split_once('\n') {
            None if fenced.chars().all(char::is_alphanumeric) => return Progress::Wait,
            None => return Progress::NoCall,
            Some((_, inside)) if inside.trim_start().is_empty() => return Progress::Wait,
            Some((_, inside)) => inside.trim_start(),
        },
    };
    if inside.starts_with(['{', '[']) { Progress::On } else { Progress::NoCall }
}
