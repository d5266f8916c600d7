//! Edits by hand, as the reference makes them.

use std::collections::BTreeSet;
use std::rc::Rc;

use lorewell_model::Kind;
use serde_json::{Value, json};

use super::expected::parse;
use super::graph::Fields;
use super::past::{Checkpoint, Next};
use super::ready::{Ready, Round};
use super::reference::{Reference, Status, as_u32};
use super::rules::{self, Write};
use crate::checkpoint::EntryKind;
use crate::engine::TaskKey;

impl Reference {
    /// Writes an update, as `node` if one is named; returns the records that must be stored, or why it cannot be.
    pub(super) fn edit(&mut self, update: &Value, node: Option<&str>) -> Result<Vec<Value>, Kind> {
        let (seq, last) = (self.seq(), self.tasks.len());
        let mut update = [update.clone()];
        self.identify(&mut update, TaskKey { seq, index: as_u32(last) }, "edit");
        let [update] = update;
        let mut records = vec![self.result(seq, last, json!({"u": [rules::tracked(&self.spec, &update)]}))];
        let is_done = |index: &usize| self.tasks[*index].is_finished();
        let stands_for = |index: &usize| node.is_some_and(|node| self.tasks[*index].node == node);
        let waiting: Vec<usize> =
            (0..last).filter(|index| !is_done(index)).filter(|index| !stands_for(index)).collect();
        let finished: Vec<usize> = (0..last).filter(is_done).collect();
        let (mut writes, mut ran) = (Vec::<Write>::new(), Vec::new());
        for index in finished {
            let runs = self.tasks[index].runs().to_owned();
            let done = self.done_mut(index).clone();
            writes.extend(done.updates.into_iter().map(|update| (index, update)));
            ran.push((runs, done.targets));
        }
        writes.push((last, update));
        let mut state = Fields::clone(&self.state);
        rules::apply(&self.spec, &mut state, &writes)?;
        self.state = Rc::new(state);
        if let Some(node) = node {
            ran.push((node.to_owned(), self.choices(node, &self.state)));
        }
        self.history.push(Round { ran, others_wait: !waiting.is_empty() });
        let ready = Ready::after(&self.spec, &self.history);
        let waits = |node: &str| {
            waiting.iter().any(|index| self.tasks[*index].node == node && self.tasks[*index].input.is_none())
        };
        let new = ready.next.iter().filter(|(node, input)| input.is_some() || !waits(node));
        let mut next: Vec<Next> = new.map(|(node, input)| (node.clone(), input.clone(), None)).collect();
        let carried = next.len();
        for index in &waiting {
            let task = &self.tasks[*index];
            next.push((task.node.clone(), task.input.clone(), Some(self.key(*index))));
        }
        let after = BTreeSet::new();
        records.push(self.step(seq, "edit", &next, &ready, &after, self.is_behind));
        for (offset, index) in waiting.iter().enumerate() {
            records.extend(self.carried(*index, carried + offset));
        }
        if self.gate_passed && carried == 0 && !waiting.is_empty() {
            records.push(self.entry(seq + 1, 0, EntryKind::Gate, "", &json!({})));
        }
        let (state, history) = (self.state.clone(), self.history.clone());
        self.keep(seq, Checkpoint { state, first: self.first, history, next, after });
        Ok(records)
    }

    /// What is known of a task that goes on waiting, for the superstep in which it waits now.
    fn carried(&self, index: usize, place: usize) -> Vec<Value> {
        let task = &self.tasks[index];
        assert!(!matches!(task.status, Status::Running), "edits are made between runs");
        let entry = |kind, name: &str, value: &Value| self.entry(self.seq() + 1, place, kind, name, value);
        let mut records: Vec<Value> =
            task.journal.iter().map(|(name, value)| entry(EntryKind::Effect, name, &parse(value))).collect();
        records.extend(task.failure.iter().map(|failed| entry(EntryKind::Failure, "", &failed.record)));
        records.extend(task.asked.iter().map(|asked| entry(EntryKind::Pause, "", asked)));
        records
    }
}
