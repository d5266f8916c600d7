//! Calls that give the name of the tool, a mark and the arguments in JSON.

use super::json::Scan;
use super::reader::{Cx, Feed, Progress};
use super::syntax::Syntax;
use crate::event::Event;
use crate::think::{find, may_become};

/// What may stand before the arguments; a name is short.
const NAME_BYTES_MAX: usize = 1024;

/// Reads one call.
#[derive(Debug)]
pub(super) struct Named {
    ends: &'static [&'static str],
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Name,
    /// An id stands between name and arguments.
    Id {
        name: String,
    },
    /// The name stands behind the word `function`, up to the end of the line.
    Line,
    Fence,
    Arguments(Scan),
    /// Arguments that are no JSON, up to a mark.
    Raw,
}

impl Named {
    pub(super) fn new(ends: &'static [&'static str]) -> Self {
        Self { ends, stage: Stage::Name }
    }

    /// Whether a list of calls may stand in place of a name.
    pub(super) fn may_be_json(&self) -> bool {
        matches!(self.stage, Stage::Name) && self.ends.contains(&"[ARGS]")
    }

    pub(super) fn step(&mut self, feed: &mut Feed, cx: &mut Cx, syntax: &Syntax, events: &mut Vec<Event>) -> Progress {
        match &mut self.stage {
            Stage::Name => {
                if self.may_be_json() {
                    if !feed.skip_space() {
                        return wait(cx);
                    }
                    if feed.held.starts_with(['[', '{']) {
                        return Progress::NoCall; // which is a list then
                    }
                }
                self.name(feed, cx, events)
            }
            Stage::Id { name } => {
                let Some(at) = feed.held.find("[ARGS]") else { return limited(feed, cx) };
                let name = std::mem::take(name);
                feed.take(at + "[ARGS]".len());
                self.call(&name, feed, cx, events)
            }
            Stage::Line => {
                let Some(at) = feed.held.find('\n') else { return limited(feed, cx) };
                let name = feed.take(at + 1);
                self.call(name.trim(), feed, cx, events)
            }
            Stage::Fence => self.fence(feed, cx),
            Stage::Arguments(scan) => {
                let (length, is_over) = scan.feed(&feed.held);
                let words = feed.take(length);
                cx.say.arguments(&words, events);
                feed.keep();
                if is_over { done(cx, events) } else { Progress::Wait }
            }
            Stage::Raw => {
                let marks: Vec<_> = syntax.opens.iter().chain(syntax.ignored).copied().collect();
                let (at, which) = find(&feed.held, &marks);
                let at = if cx.is_end && which.is_none() { feed.held.len() } else { at };
                let words = feed.take(at);
                cx.say.arguments(&words, events);
                feed.keep();
                if which.is_some() { done(cx, events) } else { Progress::Wait }
            }
        }
    }

    fn name(&mut self, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        let (at, which) = find(&feed.held, self.ends);
        let Some(which) = which else { return limited(feed, cx) };
        let name = feed.take(at);
        feed.take(self.ends[which].len());
        let name = clean(&name).to_owned();
        match self.ends[which] {
            "[CALL_ID]" => self.stage = Stage::Id { name },
            "<｜tool▁sep｜>" if name == "function" => self.stage = Stage::Line,
            _ => return self.call(&name, feed, cx, events),
        }
        Progress::On
    }

    fn call(&mut self, name: &str, feed: &mut Feed, cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
        cx.say.call(name, events);
        feed.keep();
        self.stage = Stage::Fence;
        Progress::On
    }

    /// Passes over a fence before the arguments.
    fn fence(&mut self, feed: &mut Feed, cx: &Cx) -> Progress {
        const FENCE: &str = "```";
        if !feed.skip_space() || (may_become(&feed.held, FENCE) && !cx.is_end) {
            return Progress::Wait;
        }
        if feed.held.starts_with(FENCE) {
            let Some(at) = feed.held.find('\n') else { return Progress::Wait };
            feed.take(at + 1);
            return Progress::On;
        }
        self.stage = match feed.held.starts_with(['{', '[', '"']) {
            true => Stage::Arguments(Scan::default()),
            false => Stage::Raw,
        };
        Progress::On
    }
}

fn done(cx: &mut Cx, events: &mut Vec<Event>) -> Progress {
    cx.say.end_call(events);
    Progress::Done
}

fn wait(cx: &Cx) -> Progress {
    if cx.is_end { Progress::NoCall } else { Progress::Wait }
}

fn limited(feed: &mut Feed, cx: &Cx) -> Progress {
    if feed.held.len() > NAME_BYTES_MAX || cx.is_end {
        let length = feed.held.len();
        feed.take(length);
        return Progress::NoCall;
    }
    Progress::Wait
}

/// Takes off what stands around the name: an id before it, a number behind it.
fn clean(name: &str) -> &str {
    let name = name.rsplit("<|tool_call:name|>").next().unwrap_or(name).trim();
    let name = name.strip_prefix("functions.").unwrap_or(name);
    match name.rsplit_once(':') {
        Some((before, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => name,
    }
}
