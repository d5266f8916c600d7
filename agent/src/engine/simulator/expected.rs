//! Commands as JSON: those that the reference expects, and those that the engine gave, in one form in which they can be
//! compared and read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lorewell_model::Kind;
use serde_json::{Value, json};

use super::dice::digest;
use super::past::Next;
use super::ready::Ready;
use super::reference::{Reference, Status, Task};
use super::rules;
use super::script::Target;
use super::store::BORN;
use crate::checkpoint::{Batch, Body, EntryKind, Record};
use crate::engine::{End, Launch, Output, Persist};
use crate::event::Event;
use crate::graph::Plan;
use crate::state::{Json, Rule};

/// A command that must come.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) value: Value,
    /// The state at the checkpoint that is written, which a snapshot may go with.
    pub(super) state: Option<Value>,
}

impl Expected {
    pub(super) fn with_state(value: Value, state: Value) -> Self {
        Self { value, state: Some(state) }
    }
}

impl From<Value> for Expected {
    fn from(value: Value) -> Self {
        Self { value, state: None }
    }
}

impl Reference {
    pub(super) fn start_of(&self, index: usize, waits: bool) -> Value {
        let task = &self.tasks[index];
        let key = self.key(index);
        let journal: BTreeMap<&String, String> =
            task.journal.iter().map(|(name, value)| (name, as_text(value))).collect();
        json!({
            "start": index, "attempt": task.attempt, "tries": task.tries, "node": task.runs(), "input": task.input,
            "failed": task.failure.as_ref().map(|failed| &failed.record["message"]),
            "key": [key.seq, key.index], "seq": self.seq(), "journal": journal,
            "fresh": self.fresh && task.tries == 1 && task.failure.is_none(),
            "asked": task.asked.as_ref().map(|asked| &asked["ids"]),
            "state": self.look(), "alone": self.tasks.len() == 1, "waits": waits,
        })
    }

    /// All of the state, shortened.
    pub(super) fn look(&self) -> &Value {
        self.look.get_or_init(|| whole(self.state.iter()))
    }

    pub(super) fn stored_state(&self) -> Value {
        let untracked = self.spec.fields_of(&[Rule::Untracked]);
        let fields = self.state.iter().filter(|(name, _)| !untracked.contains(&name.as_str()));
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    pub(super) fn snapshot(&self, seq: u64) -> Value {
        json!({"snapshot": [self.scope.branch(), seq], "value": {"s": self.stored_state()}})
    }

    pub(super) fn result(&self, seq: u64, task: usize, value: Value) -> Value {
        let is_empty = value["u"].as_array().is_some_and(Vec::is_empty);
        let value = if is_empty { json!({}) } else { value };
        json!({"result": [self.scope.branch(), seq, task], "value": value})
    }

    /// The result of a task that finished while others run: with where it leads.
    pub(super) fn whole_result(&self, index: usize) -> Value {
        let Status::Finished(done) = &self.tasks[index].status else { panic!("task {index} has not finished") };
        let mut value = json!({});
        if !done.updates.is_empty() {
            let updates: Vec<_> = done.updates.iter().map(|update| rules::tracked(&self.spec, update)).collect();
            value["u"] = json!(updates);
        }
        if !done.targets.is_empty() {
            let goto = done.targets.iter().map(|target| match target {
                Target::Pull(node) => json!({"n": node}),
                Target::Send(node, input) => json!({"n": node, "i": input}),
            });
            value["g"] = goto.collect();
        }
        json!({"result": [self.scope.branch(), self.seq(), index], "value": value})
    }

    pub(super) fn entry(&self, seq: u64, task: usize, kind: EntryKind, name: &str, value: &Value) -> Value {
        json!({"entry": [self.scope.branch(), seq, task, kind.name(), name], "value": value})
    }

    pub(super) fn step(
        &self,
        seq: u64,
        source: &str,
        next: &[Next],
        ready: &Ready,
        after: &BTreeSet<String>,
        is_deferred: bool,
    ) -> Value {
        let next: Vec<Value> = next.iter().map(next_task).collect();
        let mut value = json!({"at": self.now, "source": source, "first": self.first, "born": BORN});
        if is_deferred {
            value["deferred"] = json!(true);
        }
        if self.ran > 0 {
            value["ran"] = json!(self.ran);
        }
        let parts = [
            ("next", json!(next)),
            ("joins", ready.joins(&self.spec)),
            ("later", ready.later()),
            ("after", json!(after)),
        ];
        for (name, part) in parts {
            let is_empty =
                part.as_array().is_some_and(Vec::is_empty) || part.as_object().is_some_and(serde_json::Map::is_empty);
            if !is_empty {
                value[name] = part;
            }
        }
        json!({"step": [self.scope.branch(), seq, seq], "value": value})
    }

    pub(super) fn write(&mut self, records: &[Value], durable: bool) {
        if self.limits.persist == Persist::Each && !records.is_empty() {
            self.expected.push(written(records, durable).into());
        }
    }

    pub(super) fn emit_task(&mut self, index: usize, mut event: Value) {
        event["task"] = json!([self.tasks[index].runs(), index]);
        self.emit_at(self.seq(), event);
    }

    pub(super) fn emit_at(&mut self, seq: u64, mut event: Value) {
        if self.limits.listening {
            event["path"] = json!("");
            event["seq"] = json!(seq);
            self.expected.push(json!({ "emit": event }).into());
        }
    }

    /// Tells that a task has finished.
    pub(super) fn show(&mut self, index: usize) {
        self.done_mut(index).is_told = true;
        let updates = self.done_mut(index).updates.clone();
        self.emit_task(index, json!({"event": "finished", "updates": updates}));
    }

    pub(super) fn pause_run(&mut self, questions: &[Value], gates: Vec<Value>) {
        let gates = sorted(gates);
        let seq = self.seq();
        self.emit_at(seq, json!({"event": "paused", "questions": questions, "gates": gates}));
        self.end("paused", vec![("questions", json!(questions)), ("gates", json!(gates))]);
    }

    pub(super) fn fail_run(&mut self, kind: Kind) {
        self.end("failed", vec![("kind", json!(kind))]);
    }

    pub(super) fn end(&mut self, how: &str, more: Vec<(&str, Value)>) {
        self.over = true;
        if self.limits.persist == Persist::AtEnd && !self.is_torn {
            let records = self.at_end();
            self.expected.push(written(&records, true).into());
        }
        let mut end = json!({ "end": how });
        if how != "failed" {
            end["state"] = self.look().clone();
        }
        more.into_iter().for_each(|(name, value)| end[name] = value);
        self.expected.push(end.into());
    }

    /// Everything that is known at the end of a run which has stored nothing on its way.
    fn at_end(&self) -> Vec<Value> {
        let Some(head) = self.head else { return Vec::new() };
        let next: Vec<Next> = self.tasks.iter().map(|task| (task.node.clone(), task.input.clone(), task.key)).collect();
        let ready = Ready::after(&self.spec, &self.history);
        let mut records = vec![self.snapshot(head), self.step(head, "loop", &next, &ready, &self.after, false)];
        if self.stopped {
            records.push(self.entry(self.seq(), 0, EntryKind::Gate, "", &json!({})));
        }
        for (index, task) in self.tasks.iter().enumerate() {
            records.extend(self.left(index, task));
        }
        records
    }

    fn left(&self, index: usize, task: &Task) -> Vec<Value> {
        let entry = |kind, name: &str, value: &Value| self.entry(self.seq(), index, kind, name, value);
        let mut records: Vec<Value> =
            task.unsaved.iter().map(|(name, value)| entry(EntryKind::Effect, name, &parse(value))).collect();
        records.extend(task.failure.iter().map(|failed| entry(EntryKind::Failure, "", &failed.record)));
        match &task.status {
            Status::Finished(_) => records.push(self.whole_result(index)),
            Status::Paused(pause) => records.push(entry(EntryKind::Pause, "", pause)),
            Status::Ready | Status::Running | Status::Failed(_) => {}
        }
        records
    }
}

fn next_task((node, input, key): &Next) -> Value {
    let mut task = json!({ "n": node });
    if let Some(input) = input {
        task["i"] = input.clone();
    }
    if let Some(key) = key {
        task["k"] = json!({"seq": key.seq, "index": key.index});
    }
    task
}

/// What a state looks like, shortened, for as long as it is the same.
#[derive(Default)]
pub(super) struct Looks(Option<(Arc<Json>, Value)>);

impl Looks {
    fn at(&mut self, state: &Arc<Json>) -> Value {
        match &self.0 {
            Some((last, look)) if Arc::ptr_eq(last, state) => look.clone(),
            _ => {
                let look = whole(state.object().iter());
                self.0 = Some((state.clone(), look.clone()));
                look
            }
        }
    }
}

/// What the engine gave, in the form of what is expected.
pub(super) fn given(plan: &Plan<Json>, looks: &mut Looks, output: &Output<Json>) -> Value {
    match output {
        Output::Start(launch) => started(plan, looks, launch),
        Output::Write { batch, at_once } => {
            let mut value = batch_written(batch);
            value["at_once"] = json!(at_once);
            value
        }
        Output::Emit(event) => json!({ "emit": told(event) }),
        Output::End(End::Done { state, parent }) => {
            assert!(parent.is_none(), "no script goes up");
            json!({"end": "done", "state": looks.at(state)})
        }
        Output::End(End::Paused { questions, gates, state }) => {
            let gates = gates.iter().map(|gate| json!(gate)).collect();
            let state = looks.at(state);
            json!({"end": "paused", "questions": questions, "gates": sorted(gates), "state": state})
        }
        Output::End(End::Failed(error)) => json!({"end": "failed", "kind": error.kind()}),
    }
}

fn started(plan: &Plan<Json>, looks: &mut Looks, launch: &Launch<Json>) -> Value {
    let journal: BTreeMap<&String, String> =
        launch.journal.iter().flat_map(|journal| journal.iter()).map(|(name, value)| (name, as_text(value))).collect();
    let input: Option<Value> = launch.input.as_ref().map(|input| input.read().expect("inputs are JSON"));
    json!({
        "start": launch.task, "attempt": launch.attempt, "tries": launch.tries, "node": plan.node(launch.node).name,
        "input": input, "failed": launch.failure.as_ref().map(|failure| &failure.message),
        "key": [launch.key.seq, launch.key.index], "seq": launch.seq, "journal": journal, "fresh": launch.fresh,
        "asked": launch.asked.as_ref().map(|asked| &asked.ids),
        "state": looks.at(&launch.state), "alone": launch.alone, "waits": !launch.delay.is_zero(),
    })
}

/// What is to be stored, as the reference says it.
pub(super) fn written(records: &[Value], durable: bool) -> Value {
    json!({"write": records, "durable": durable, "at_once": false})
}

pub(super) fn batch_written(batch: &Batch) -> Value {
    assert!(batch.forks.is_empty() && batch.head.is_none() && batch.prune.is_none(), "the engine writes only records");
    let records: Vec<Value> = batch.records.iter().map(record).collect();
    written(&records, batch.durable)
}

fn record(Record { place, body }: &Record) -> Value {
    assert_eq!(&*place.path, "");
    let (branch, seq) = (place.branch, place.seq);
    match body {
        Body::Step { root, value } => json!({"step": [branch, seq, root], "value": parse(value)}),
        Body::Snapshot(value) => json!({"snapshot": [branch, seq], "value": parse(value)}),
        Body::Result { task, value } => json!({"result": [branch, seq, task], "value": parse(value)}),
        Body::Entry { key, value } => {
            json!({"entry": [branch, seq, key.task, key.kind.name(), key.name], "value": parse(value)})
        }
    }
}

fn told(event: &Event) -> Value {
    let mut event = serde_json::to_value(event).expect("events have a form in JSON");
    let members = event.as_object_mut().expect("events are objects");
    members.remove("wait_ms");
    if let Some(Value::Array(gates)) = members.get_mut("gates") {
        *gates = sorted(std::mem::take(gates));
    }
    event
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(Value::to_string);
    values
}

/// All of a state, shortened.
pub(super) fn whole<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> Value {
    json!(format!("{:016x}", digest(fields)))
}

pub(super) fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("records are JSON")
}

pub(super) fn as_text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("records are text")
}
