//! What the edits of a person mean for the store: decided here, on what the file held when it was written, what it holds now and
//! what the store holds. Where both have changed, neither is lost: the store keeps its text, and the line becomes a new memory.

use std::collections::{BTreeMap, BTreeSet};

use super::super::item::MemoryId;
use super::page::{Body, Line, Page};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    pub(super) add: Vec<Body>,
    pub(super) update: Vec<(MemoryId, Body)>,
    pub(super) forget: Vec<MemoryId>,
    pub(super) conflicts: Vec<Conflict>,
}

/// Where the file and the store have both changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conflict {
    /// A line was edited that the store has changed too.
    Edited { id: MemoryId, line: Body },
    /// A line was edited that the store has forgotten.
    Gone { id: MemoryId, line: Body },
    /// A line was taken out that the store has changed.
    Removed { id: MemoryId },
}

/// Compares the three.
pub(super) fn plan(page: &Page, stored: &BTreeMap<MemoryId, Body>) -> Plan {
    let mut plan = Plan::default();
    let mut seen = BTreeSet::new();
    for line in &page.lines {
        let known = line.id.and_then(|id| Some((id, page.base.get(&id)?))).filter(|(id, _)| seen.insert(*id));
        match known {
            Some((id, mark)) => plan.line(id, mark, line, stored.get(&id)),
            None => plan.new_line(line, stored),
        }
    }
    for (id, mark) in page.base.iter().filter(|(id, _)| !seen.contains(id)) {
        match stored.get(id) {
            Some(body) if body.mark() == *mark => plan.forget.push(*id),
            Some(_) => plan.conflicts.push(Conflict::Removed { id: *id }),
            None => {}
        }
    }
    plan
}

impl Plan {
    /// A line that the file held before.
    fn line(&mut self, id: MemoryId, mark: &str, line: &Line, stored: Option<&Body>) {
        let body = &line.body;
        let is_edited = body.mark() != mark;
        match stored {
            _ if !is_edited => {} // what the store says of it now is written
            Some(stored) if stored.says(body) => {}
            Some(stored) if stored.mark() == mark => self.update.push((id, body.clone())),
            Some(_) => self.conflict(Conflict::Edited { id, line: body.clone() }, body),
            None => self.conflict(Conflict::Gone { id, line: body.clone() }, body),
        }
    }

    /// A line that is new, or a copy of one.
    fn new_line(&mut self, line: &Line, stored: &BTreeMap<MemoryId, Body>) {
        let is_copy = line.id.and_then(|id| stored.get(&id)).is_some_and(|stored| stored.says(&line.body));
        if !is_copy {
            self.add.push(line.body.clone());
        }
    }

    fn conflict(&mut self, conflict: Conflict, line: &Body) {
        self.conflicts.push(conflict);
        self.add.push(line.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::item::MemoryKind;
    use super::*;

    fn id(n: u8) -> MemoryId {
        format!("{n:032x}").parse().unwrap()
    }

    fn text(text: &str) -> Body {
        Body::Text(MemoryKind::Semantic, text.to_owned())
    }

    /// The plan for one memory: what the file held, what it holds, what the store holds.
    fn check(base: Option<&str>, line: Option<&str>, stored: Option<&str>, expected: &Plan) {
        let base = base.map(|base| (id(1), text(base).mark()));
        let lines = line.map(|line| Line { id: Some(id(1)), body: text(line) });
        let page = Page { lines: lines.into_iter().collect(), base: base.into_iter().collect() };
        let stored = stored.map(|stored| (id(1), text(stored)));
        assert_eq!(plan(&page, &stored.into_iter().collect()), *expected);
    }

    #[test]
    fn every_case_has_its_end() {
        let nothing = Plan::default;
        check(Some("a"), Some("a"), Some("a"), &nothing());
        check(Some("a"), Some("a"), Some("b"), &nothing());
        check(Some("a"), Some("a"), None, &nothing());
        check(Some("a"), None, None, &nothing());
        check(Some("a"), Some("b"), Some("b"), &nothing());
        check(None, None, Some("a"), &nothing());
        check(Some("a"), Some("b"), Some("a"), &Plan { update: vec![(id(1), text("b"))], ..nothing() });
        check(Some("a"), None, Some("a"), &Plan { forget: vec![id(1)], ..nothing() });
        check(Some("a"), None, Some("b"), &Plan { conflicts: vec![Conflict::Removed { id: id(1) }], ..nothing() });
        let edited = vec![Conflict::Edited { id: id(1), line: text("b") }];
        check(Some("a"), Some("b"), Some("c"), &Plan { add: vec![text("b")], conflicts: edited, ..nothing() });
        let gone = vec![Conflict::Gone { id: id(1), line: text("b") }];
        check(Some("a"), Some("b"), None, &Plan { add: vec![text("b")], conflicts: gone, ..nothing() });
        check(None, Some("a"), Some("a"), &nothing());
        check(None, Some("b"), Some("a"), &Plan { add: vec![text("b")], ..nothing() });
    }

    #[test]
    fn a_line_that_was_copied_is_one_and_a_new_one() {
        let line = |words: &str| Line { id: Some(id(1)), body: text(words) };
        let page = Page { lines: vec![line("a"), line("a"), line("b")], base: [(id(1), text("a").mark())].into() };
        let expected = Plan { add: vec![text("b")], ..Plan::default() };
        assert_eq!(plan(&page, &[(id(1), text("a"))].into()), expected);
    }
}
