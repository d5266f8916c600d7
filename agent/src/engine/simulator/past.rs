//! What was reached before, and how the reference takes it up again from what is stored.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::expected;
use super::graph::Fields;
use super::ready::Round;
use super::reference::{Done, Failed, Reference, Status, Task};
use super::rules;
use super::store::Rows;
use crate::checkpoint::{EntryKey, EntryKind};
use crate::engine::TaskKey;

/// All that was ever reached, by branch and number, whether or not it was stored.
#[derive(Default)]
pub(super) struct Past {
    pub(super) checkpoints: BTreeMap<(u32, u64), Checkpoint>,
    pub(super) produced: BTreeMap<(u32, u64, u32), Done>,
}

#[derive(Clone)]
pub(super) struct Checkpoint {
    pub(super) state: Rc<Fields>,
    pub(super) first: u64,
    pub(super) history: Vec<Round>,
    pub(super) next: Vec<Next>,
    pub(super) after: BTreeSet<String>,
}

pub(super) type Next = (String, Option<Value>, Option<TaskKey>);

impl Past {
    /// The greatest number of a branch.
    pub(super) fn branches(&self) -> u32 {
        self.checkpoints.last_key_value().map_or(0, |((branch, _), _)| *branch)
    }

    pub(super) fn fork(&mut self, from: (u32, u64), to: (u32, u64)) {
        let checkpoint = self.checkpoints[&from].clone();
        self.checkpoints.insert(to, checkpoint);
    }
}

impl Reference {
    /// Takes a checkpoint as the newest, with its tasks and what was stored of them ahead of it.
    pub(super) fn keep(&mut self, seq: u64, checkpoint: Checkpoint) {
        self.head = Some(seq);
        self.look = OnceCell::new();
        self.gate_passed = false;
        self.tasks = checkpoint.next.iter().cloned().map(Task::new).collect();
        self.past.borrow_mut().checkpoints.insert((self.scope.branch(), seq), checkpoint);
        self.take_ahead();
    }

    /// Takes up where what is stored leaves off.
    pub(super) fn restore(mut self, rows: Rows, answers: &BTreeMap<String, Value>) -> Self {
        self.fresh = false;
        self.ahead = rows.entries;
        (self.is_behind, self.ran) = (rows.is_behind, rows.ran);
        let Some(newest) = rows.newest else { return self };
        let checkpoint = self.past.borrow().checkpoints[&newest].clone();
        self.state = checkpoint.state.clone();
        rules::forget(&self.spec, Rc::make_mut(&mut self.state));
        (self.first, self.history) = (checkpoint.first, checkpoint.history.clone());
        self.after = checkpoint.after.clone();
        let state = self.state.clone();
        self.keep(newest.1, Checkpoint { state, ..checkpoint });
        for place in rows.results {
            let mut done = self.past.borrow().produced[&(self.scope.branch(), self.seq(), place)].clone();
            done.updates = done.updates.iter().map(|update| rules::tracked(&self.spec, update)).collect();
            (done.is_stored, done.is_told) = (true, true);
            self.tasks[place as usize].status = Status::Finished(done);
        }
        for task in &mut self.tasks {
            let Some(asked) = task.asked.clone() else { continue };
            let seen = |id: &Value| asked["seen"].as_array().is_some_and(|seen| seen.contains(id));
            let has_news = asked["questions"].as_array().into_iter().flatten().any(|question| {
                question["id"].as_str().is_some_and(|id| answers.contains_key(id)) && !seen(&question["id"])
            });
            if !task.is_finished() && !has_news {
                task.status = Status::Paused(asked);
            }
        }
        self
    }

    fn take_ahead(&mut self) {
        let seq = self.seq();
        let later =
            self.ahead.split_off(&(seq + 1, EntryKey { task: 0, kind: EntryKind::Effect, name: String::new() }));
        let now = std::mem::replace(&mut self.ahead, later);
        for ((at, key), value) in now.into_iter().filter(|((at, _), _)| *at == seq) {
            let Some(task) = self.tasks.get_mut(key.task as usize) else {
                self.ahead.insert((at, key), value);
                continue;
            };
            match key.kind {
                EntryKind::Effect => drop(task.journal.insert(key.name, value)),
                EntryKind::Failure => {
                    let handler = self.spec.node(&task.node).on_error.clone();
                    let record = expected::parse(&value);
                    task.failure = handler.map(|handler| Failed { handler, record });
                }
                EntryKind::Pause => task.asked = Some(expected::parse(&value)),
                EntryKind::Gate => self.gate_passed = true,
                EntryKind::Answer => {}
            }
        }
        for task in &mut self.tasks {
            // What a node asked is not what its error handler asks.
            task.asked.take_if(|asked| asked["by_handler"].as_bool().unwrap_or(false) != task.failure.is_some());
        }
    }

    /// The ids of the questions that are open, answered or not.
    pub(super) fn asked(&self) -> Vec<String> {
        let tasks = self.tasks.iter().filter(|task| !task.is_finished());
        let asked = tasks.filter_map(|task| task.asked.as_ref()).filter_map(|asked| asked["questions"].as_array());
        asked.flatten().filter_map(|question| question["id"].as_str().map(str::to_owned)).collect()
    }
}
