//! What is told of a simulation: the last things that happened, how often each kind of thing did, and a hash of it all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

use super::attempt::Ending;
use super::dice::Hash;

/// Enough to see what led to a fault.
const LINES_MAX: usize = 40;
/// What is longer says no more to a reader.
const LINE_MAX: usize = 500;

/// What happened, in words.
#[derive(Debug)]
pub(super) struct Trace {
    lines: VecDeque<Line>,
    /// Of a world that is played twice: all that was said.
    pub(super) said: Option<Hash>,
    pub(super) counts: Counts,
}

/// Something that happened, which becomes a text when somebody asks.
#[derive(Debug)]
pub(super) enum Line {
    Text(String),
    Given(Value),
    Ended(u32, u32, Ending),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Given(value) => write!(f, "→ {value}"),
            Self::Ended(task, attempt, ending) => write!(f, "task {task}, attempt {attempt} ends: {ending:?}"),
        }
    }
}

/// How often each kind of thing happened.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts(BTreeMap<&'static str, usize>);

impl Trace {
    pub(super) fn new(is_played_twice: bool) -> Self {
        let said = is_played_twice.then(Hash::default);
        Self { lines: VecDeque::new(), said, counts: Counts::default() }
    }

    pub(super) fn say(&mut self, line: String) {
        self.note(Line::Text(line));
    }

    pub(super) fn note(&mut self, line: Line) {
        if let Some(said) = &mut self.said {
            said.text(&line.to_string());
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn count(&mut self, what: &'static str) {
        self.counts.add(what, 1);
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            let line: String = line.to_string().chars().take(LINE_MAX).collect();
            let _ = writeln!(text, "  {line}");
            text
        })
    }
}

impl Counts {
    pub(super) fn add(&mut self, what: &'static str, n: usize) {
        *self.0.entry(what).or_default() += n;
    }

    pub(super) fn take_in(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, n)| self.add(what, *n));
    }

    pub(super) fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub(super) fn text(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(what, n)| format!("{what} {n}")).collect();
        parts.join(", ")
    }
}
