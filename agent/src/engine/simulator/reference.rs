//! The reference: what a run must do, one event at a time, in the plainest way there is. It takes the same events as the
//! engine and says which commands must come of them; nothing of the engine's is used to find that out.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use lorewell_model::Kind;
use serde_json::{Value, json};

use super::attempt::{Ending, Journal};
use super::expected::{self, Expected, written};
use super::graph::{COUNT, Fields, Spec};
use super::past::{Checkpoint, Next, Past};
use super::ready::{Ready, Round};
use super::rules::{self, Write};
use super::script::{self, Returned, Target};
use crate::checkpoint::{EntryKey, EntryKind};
use crate::engine::{Limits, Persist, TaskKey};
use crate::graph::{END, START};
use crate::scope::{Scope, id_within};
use crate::state::Rule;

/// A run of a graph, as it must be.
pub(super) struct Reference {
    pub(super) spec: Rc<Spec>,
    pub(super) scope: Arc<Scope>,
    pub(super) limits: Limits,
    pub(super) past: Rc<RefCell<Past>>,
    pub(super) head: Option<u64>,
    pub(super) first: u64,
    pub(super) state: Rc<Fields>,
    pub(super) look: OnceCell<Value>,
    /// Everything since the run began.
    pub(super) history: Vec<Round>,
    pub(super) tasks: Vec<Task>,
    /// Nodes that have just run and have a gate after them.
    pub(super) after: BTreeSet<String>,
    pub(super) gate_passed: bool,
    pub(super) stopped: bool,
    pub(super) is_torn: bool,
    /// Whether a run that stores at its end only has gone on from here and was lost.
    pub(super) is_behind: bool,
    pub(super) over: bool,
    pub(super) fresh: bool,
    attempts: u32,
    pub(super) ahead: BTreeMap<(u64, EntryKey), Vec<u8>>,
    pub(super) now: u64,
    /// How long the run has run.
    pub(super) ran: u64,
    pub(super) expected: Vec<Expected>,
}

pub(super) struct Task {
    pub(super) node: String,
    pub(super) input: Option<Value>,
    pub(super) key: Option<TaskKey>,
    pub(super) status: Status,
    pub(super) attempt: u32,
    pub(super) tries: u32,
    pub(super) failure: Option<Failed>,
    pub(super) journal: BTreeMap<String, Vec<u8>>,
    pub(super) unsaved: Vec<(String, Vec<u8>)>,
    pub(super) asked: Option<Value>,
}

pub(super) enum Status {
    Ready,
    Running,
    Finished(Done),
    Paused(Value),
    Failed(Kind),
}

#[derive(Clone)]
pub(super) struct Done {
    pub(super) updates: Vec<Value>,
    pub(super) targets: Vec<Target>,
    pub(super) is_stored: bool,
    pub(super) is_told: bool,
}

/// Why the error handler runs in the place of a node.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) handler: String,
    pub(super) record: Value,
}

/// What a run begins with.
#[derive(Debug, Clone)]
pub(super) enum Start {
    State(Fields),
    Update(Value),
}

impl Task {
    pub(super) fn new((node, input, key): Next) -> Self {
        Self {
            node,
            input,
            key,
            status: Status::Ready,
            attempt: 0,
            tries: 0,
            failure: None,
            journal: BTreeMap::new(),
            unsaved: Vec::new(),
            asked: None,
        }
    }

    pub(super) fn runs(&self) -> &str {
        self.failure.as_ref().map_or(&self.node, |failed| &failed.handler)
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.status, Status::Finished(_))
    }
}

impl Reference {
    pub(super) fn seq(&self) -> u64 {
        self.head.map_or(0, |head| head + 1)
    }

    pub(super) fn key(&self, index: usize) -> TaskKey {
        self.tasks[index].key.unwrap_or(TaskKey { seq: self.seq(), index: as_u32(index) })
    }

    pub(super) fn begin(&mut self, start: &Start) {
        if self.limits.persist != Persist::Nothing {
            // What is stored of a run that was lost belongs to supersteps that are not to come again.
            let last = std::mem::take(&mut self.ahead).into_keys().map(|(seq, _)| seq).max();
            self.head = self.head.max(last);
        }
        let seq = self.seq();
        let mut records = Vec::new();
        match start {
            Start::State(fields) => {
                self.state = Rc::new(fields.clone());
                records.push(self.snapshot(seq));
            }
            Start::Update(update) => {
                let mut update = [update.clone()];
                self.identify(&mut update, TaskKey { seq, index: 0 }, "");
                let [update] = update;
                let stored = json!({"u": [rules::tracked(&self.spec, &update)]});
                rules::apply(&self.spec, Rc::make_mut(&mut self.state), &[(0, update)])
                    .expect("an input conflicts with nothing");
                // What the tasks that are given up have stored must not count.
                let is_alone = self.tasks.is_empty();
                records.push(if is_alone { self.result(seq, 0, stored) } else { self.snapshot(seq) });
            }
        }
        self.tasks.clear();
        (self.first, self.ran) = (seq, 0);
        let chosen = self.choices(START, &self.state);
        self.history = vec![Round { ran: vec![(START.to_owned(), chosen)], others_wait: false }];
        self.checkpoint("input", records);
        self.open();
    }

    /// Goes on where it was left.
    pub(super) fn open(&mut self) {
        if self.tasks.is_empty() {
            return self.end("done", Vec::new());
        }
        let gates = self.gates();
        if !self.gate_passed && !gates.is_empty() {
            return self.stop_at(&gates);
        }
        if self.seq() - self.first > self.limits.steps_max {
            return self.fail_run(Kind::Limit);
        }
        self.start_tasks();
        if self.running() == 0 {
            self.settle();
        }
    }

    fn gates(&self) -> BTreeSet<(String, &'static str)> {
        let has_gate = |node: &String| self.spec.gates_before.contains(node) || self.limits.gates_before.contains(node);
        let before = self.tasks.iter().map(|task| task.node.clone()).filter(has_gate);
        // Whoever goes on after a crash may not know of the gates that the run was given.
        let after = self.after.iter().map(|node| (node.clone(), "after"));
        before.map(|node| (node, "before")).chain(after).collect()
    }

    /// Those of some nodes that have a gate after them.
    pub(super) fn gates_after(&self, nodes: impl Iterator<Item = String>) -> BTreeSet<String> {
        nodes.filter(|node| self.spec.gates_after.contains(node) || self.limits.gates_after.contains(node)).collect()
    }

    fn stop_at(&mut self, gates: &BTreeSet<(String, &'static str)>) {
        if self.limits.persist != Persist::Nothing {
            let record = self.entry(self.seq(), 0, EntryKind::Gate, "", &json!({}));
            self.write(&[record], true);
        }
        self.stopped = true;
        let gates = gates.iter().map(|(node, side)| json!({"path": "", "node": node, "side": side})).collect();
        self.pause_run(&[], gates);
    }

    pub(super) fn running(&self) -> usize {
        self.tasks.iter().filter(|task| matches!(task.status, Status::Running)).count()
    }

    fn start_tasks(&mut self) {
        for index in 0..self.tasks.len() {
            let is_ready = matches!(self.tasks[index].status, Status::Ready);
            if is_ready && self.running() < self.limits.parallel_max {
                self.launch(index, false);
            }
        }
    }

    fn launch(&mut self, index: usize, waits: bool) {
        self.attempts += 1;
        let attempt = self.attempts;
        let task = &mut self.tasks[index];
        task.attempt = attempt;
        task.tries += 1;
        task.status = Status::Running;
        let tries = task.tries;
        self.emit_task(index, json!({"event": "started", "attempt": tries}));
        let start = self.start_of(index, waits);
        self.expected.push(start.into());
    }

    /// Stops where it stands.
    pub(super) fn cancel(&mut self) {
        self.fail_run(Kind::Cancelled);
    }

    /// An attempt has ended.
    pub(super) fn ended(&mut self, task: u32, attempt: u32, ending: &Ending) {
        let index = task as usize;
        let is_awaited = |task: &Task| matches!(task.status, Status::Running) && task.attempt == attempt;
        if self.over || !self.tasks.get(index).is_some_and(is_awaited) {
            return;
        }
        // Ready would let it start again.
        self.tasks[index].status = Status::Failed(Kind::Internal);
        match ending {
            Ending::Done { returned, journal } => self.finish(index, returned, journal),
            Ending::Asked { pause, journal } => {
                let mut records = self.journal(index, journal);
                let mut asked = json!({"questions": pause.questions, "ids": pause.ids});
                if !pause.seen.is_empty() {
                    asked["seen"] = json!(pause.seen);
                }
                if self.tasks[index].failure.is_some() {
                    asked["by_handler"] = json!(true);
                }
                let pause = asked;
                records.push(self.entry(self.seq(), index, EntryKind::Pause, "", &pause));
                self.tasks[index].status = Status::Paused(pause);
                self.write(&records, false);
            }
            Ending::Failed { kind, message, journal } => {
                let records = self.journal(index, journal);
                self.fail(index, *kind, message, records);
            }
        }
        self.start_tasks();
        if self.running() == 0 {
            self.settle();
        }
    }

    fn finish(&mut self, index: usize, Returned { updates, targets }: &Returned, journal: &Journal) {
        let node = self.tasks[index].runs().to_owned();
        let declared = &self.spec.node(&node).goto;
        let wrong = targets.iter().find(|target| target.node() != END && !declared.iter().any(|d| d == target.node()));
        if let Some(wrong) = wrong {
            let message = format!(
                "a command of `{node}` goes to `{}`, which was not declared; add it to `.goto([..])` of the node",
                wrong.node()
            );
            let records = self.journal(index, journal);
            return self.fail(index, Kind::BadOutput, &message, records);
        }
        let mut updates = updates.clone();
        self.identify(&mut updates, self.key(index), &node);
        let mut own = Fields::clone(&self.state);
        let writes: Vec<Write> = updates.iter().map(|update| (index, update.clone())).collect();
        rules::apply(&self.spec, &mut own, &writes).expect("a task does not conflict with itself");
        let mut targets: Vec<Target> = targets.iter().filter(|target| target.node() != END).cloned().collect();
        targets.extend(self.choices(&node, &own));
        let done = Done { updates, targets, is_stored: false, is_told: false };
        let place = (self.scope.branch(), self.seq(), as_u32(index));
        self.past.borrow_mut().produced.insert(place, done.clone());
        self.tasks[index].status = Status::Finished(done);
        if self.tasks.iter().all(Task::is_finished) {
            return;
        }
        if self.limits.persist == Persist::Each {
            let record = self.whole_result(index);
            self.write(&[record], false);
            self.done_mut(index).is_stored = true;
        }
        self.show(index);
    }

    fn fail(&mut self, index: usize, kind: Kind, message: &str, mut records: Vec<Value>) {
        let (runs, tries) = (self.tasks[index].runs().to_owned(), self.tasks[index].tries);
        let node = self.spec.clone();
        let node = node.node(&runs);
        let is_retryable = matches!(kind, Kind::RateLimited | Kind::Timeout | Kind::Unavailable);
        if is_retryable && tries < node.attempts_max {
            self.emit_task(index, json!({"event": "retrying", "attempt": tries, "error": message}));
            self.write(&records, false);
            return self.launch(index, true);
        }
        let handler = node.on_error.clone().filter(|_| self.tasks[index].failure.is_none());
        let mut event = json!({"event": "failed", "error": message});
        if let Some(handler) = &handler {
            event["handler"] = json!(handler);
        }
        self.emit_task(index, event);
        let Some(handler) = handler else {
            self.tasks[index].status = Status::Failed(kind);
            return self.write(&records, false);
        };
        let record = json!({"node": runs, "kind": kind, "message": message});
        records.push(self.entry(self.seq(), index, EntryKind::Failure, "", &record));
        self.write(&records, false);
        (self.tasks[index].failure, self.tasks[index].tries) = (Some(Failed { handler, record }), 0);
        self.tasks[index].asked = None;
        self.launch(index, false);
    }

    fn settle(&mut self) {
        if self.tasks.iter().all(Task::is_finished) {
            return self.commit();
        }
        let failed = self.tasks.iter().find_map(|task| match &task.status {
            Status::Failed(kind) => Some(*kind),
            _ => None,
        });
        if self.limits.persist == Persist::Each {
            self.expected.push(written(&[], true).into());
        }
        if let Some(kind) = failed {
            return self.fail_run(kind);
        }
        let questions: Vec<Value> = self.tasks.iter().flat_map(questions_of).collect();
        self.pause_run(&questions, Vec::new());
    }

    fn commit(&mut self) {
        let (seq, mut records) = (self.seq(), Vec::new());
        let (mut writes, mut ran) = (Vec::<Write>::new(), Vec::new());
        for index in 0..self.tasks.len() {
            let runs = self.tasks[index].runs().to_owned();
            let done = self.done_mut(index).clone();
            if !done.is_stored && !done.updates.is_empty() {
                let updates: Vec<_> = done.updates.iter().map(|update| rules::tracked(&self.spec, update)).collect();
                records.push(self.result(seq, index, json!({ "u": updates })));
            }
            writes.extend(done.updates.into_iter().map(|update| (index, update)));
            ran.push((runs, done.targets));
        }
        let mut state = Fields::clone(&self.state);
        if let Err(kind) = rules::apply(&self.spec, &mut state, &writes) {
            // Nobody knows how much of the next state is there.
            self.is_torn = true;
            return self.fail_run(kind);
        }
        self.state = Rc::new(state);
        self.history.push(Round { ran, others_wait: false });
        self.checkpoint("loop", records);
        self.open();
    }

    fn checkpoint(&mut self, source: &str, mut records: Vec<Value>) {
        let (seq, ready) = (self.seq(), Ready::after(&self.spec, &self.history));
        let next: Vec<Next> = ready.next.iter().map(|(node, input)| (node.clone(), input.clone(), None)).collect();
        let after = self.gates_after(self.tasks.iter().map(|task| task.node.clone()));
        let at_once = self.limits.persist == Persist::AtEnd && source == "input";
        if self.limits.persist == Persist::Each || at_once {
            records.push(self.step(seq, source, &next, &ready, &after, at_once));
            let mut value = written(&records, true);
            value["at_once"] = json!(at_once);
            self.expected.push(Expected::with_state(value, self.stored_state()));
        }
        for index in 0..self.tasks.len() {
            if matches!(&self.tasks[index].status, Status::Finished(done) if !done.is_told) {
                self.show(index);
            }
        }
        let names: Vec<&String> = next.iter().map(|(node, ..)| node).collect();
        let event = json!({"event": "checkpoint", "next": names});
        self.after = after.clone();
        self.keep(
            seq,
            Checkpoint { state: self.state.clone(), first: self.first, history: self.history.clone(), next, after },
        );
        self.fresh = self.limits.persist != Persist::AtEnd && !self.is_behind;
        self.emit_at(seq, event);
        if self.limits.states {
            self.emit_at(seq, json!({"event": "state", "state": self.stored_state()}));
        }
    }

    pub(super) fn choices(&self, from: &str, state: &Fields) -> Vec<Target> {
        let branches = self.spec.branches.iter().enumerate().filter(|(_, branch)| branch.from == from);
        let seen = self.spec.view(state.iter());
        let chosen = branches
            .flat_map(|(index, branch)| script::choose(self.spec.seed, index, &branch.targets, seen, state.get(COUNT)));
        chosen.filter(|target| target.node() != END).collect()
    }

    /// Gives messages their ids.
    pub(super) fn identify(&self, updates: &mut [Value], key: TaskKey, node: &str) {
        let mut n = 0;
        for update in updates {
            for name in self.spec.fields_of(&[Rule::Messages]) {
                let edits = update.get_mut(name).and_then(Value::as_array_mut);
                for edit in edits.into_iter().flatten() {
                    let is_put = edit.get("$remove").is_none() && edit.get("$clear").is_none();
                    if is_put && edit.get("id").is_none() {
                        edit["id"] = json!(id_within(self.scope.task_id(key, node), "message", "", n));
                        n += 1;
                    }
                }
            }
        }
    }

    pub(super) fn done_mut(&mut self, index: usize) -> &mut Done {
        match &mut self.tasks[index].status {
            Status::Finished(done) => done,
            _ => panic!("task {index} has not finished"),
        }
    }

    /// Keeps what an attempt has journalled; returns records of what is not stored.
    fn journal(&mut self, index: usize, (entries, stored): &Journal) -> Vec<Value> {
        let unsaved = &entries[*stored..];
        self.tasks[index].journal.extend(entries.iter().cloned());
        if self.limits.persist == Persist::AtEnd {
            self.tasks[index].unsaved.extend_from_slice(unsaved);
            return Vec::new();
        }
        let record = |(name, value): &(String, Vec<u8>)| {
            self.entry(self.seq(), index, EntryKind::Effect, name, &expected::parse(value))
        };
        unsaved.iter().map(record).collect()
    }

    pub(super) fn fresh(spec: Rc<Spec>, scope: Arc<Scope>, limits: Limits, past: Rc<RefCell<Past>>) -> Self {
        Self {
            state: Rc::new(spec.blank()),
            look: OnceCell::new(),
            spec,
            scope,
            limits,
            past,
            head: None,
            first: 0,
            history: Vec::new(),
            tasks: Vec::new(),
            after: BTreeSet::new(),
            gate_passed: false,
            stopped: false,
            is_torn: false,
            is_behind: false,
            over: false,
            fresh: true,
            attempts: 0,
            ahead: BTreeMap::new(),
            now: 0,
            ran: 0,
            expected: Vec::new(),
        }
    }
}

fn questions_of(task: &Task) -> Vec<Value> {
    match &task.status {
        Status::Paused(pause) => pause["questions"].as_array().cloned().unwrap_or_default(),
        _ => Vec::new(),
    }
}

pub(super) fn as_u32(index: usize) -> u32 {
    u32::try_from(index).expect("there are few tasks")
}
