//! What is told of a simulation: the last things that happened, how often each kind of thing did, and a hash of it all.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use super::dice::Hash;

/// Enough to see what led to a fault.
const LINES_MAX: usize = 40;
/// What is longer says no more to a reader.
const LINE_MAX: usize = 500;

/// What happened, in words.
#[derive(Debug)]
pub(super) struct Trace {
    lines: VecDeque<String>,
    pub(super) hash: Hash,
    pub(super) counts: Counts,
}

/// How often each kind of thing happened.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts(BTreeMap<&'static str, usize>);

impl Trace {
    pub(super) fn new() -> Self {
        Self { lines: VecDeque::new(), hash: Hash::new(), counts: Counts::default() }
    }

    pub(super) fn say(&mut self, mut line: String) {
        self.hash.text(&line);
        if line.len() > LINE_MAX {
            let end = (0..=LINE_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            line.truncate(end);
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
