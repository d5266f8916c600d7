//! One attempt of a task, as a node would make it: operation by operation, so that the world can do something between any
//! two of them. It follows what `cx` does, without waiting for anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lorewell_model::{Error, Kind};
use serde_json::{Value, json};

use super::dice::Dice;
use super::graph::{DRAWN, Spec};
use super::script::{Actor, Op, Part, Returned, Target};
use crate::checkpoint::{Body, EntryKey, EntryKind, Place, Record};
use crate::engine::{Journaled, TaskEnd, TaskKey};
use crate::graph::Command;
use crate::question::{Pause, Question};
use crate::scope::{Scope, id_within};
use crate::state::{Json, JsonUpdate};

/// What there is outside of the program: chance, and services that act once for each key.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) dice: Dice,
    done: BTreeMap<String, (Value, String)>,
    /// Keys of what was done and is not stored.
    unstored: BTreeSet<String>,
    pub(super) repeated: usize,
}

impl Outside {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice::of(seed, &["outside"]), done: BTreeMap::new(), unstored: BTreeSet::new(), repeated: 0 }
    }

    /// Acts, unless that was done before under this key; then it must have been for the same purpose.
    fn act(&mut self, key: &str, purpose: String) -> Value {
        if let Some((value, before)) = self.done.get(key) {
            assert_eq!(*before, purpose, "one idempotency key for two purposes: {key}");
            self.repeated += 1;
            return value.clone();
        }
        let value = json!(format!("receipt {}", self.done.len()));
        self.done.insert(key.to_owned(), (value.clone(), purpose));
        self.unstored.insert(key.to_owned());
        value
    }

    /// Forgets what was done and never stored. When a run that stores at its end only is lost and given up, nobody knows
    /// how far it came, and its keys may come again.
    pub(super) fn forget(&mut self) {
        for key in std::mem::take(&mut self.unstored) {
            self.done.remove(&key);
        }
    }
}

/// What an attempt is made of.
pub(super) struct Task {
    pub(super) task: u32,
    pub(super) attempt: u32,
    pub(super) key: TaskKey,
    pub(super) seq: u64,
    pub(super) actor: Actor,
    pub(super) journal: BTreeMap<String, Vec<u8>>,
    /// The ids of the questions that it had asked when it paused.
    pub(super) asked: Vec<String>,
    pub(super) state: Arc<Json>,
    pub(super) part: Part,
    /// Whether it fails where it may.
    pub(super) is_failing: bool,
}

/// An attempt on its way.
pub(super) struct Attempt {
    pub(super) of: Task,
    scope: Arc<Scope>,
    at: usize,
    counts: BTreeMap<String, u32>,
    new: Vec<(String, Vec<u8>)>,
    stored: usize,
    /// The ids of the questions that were asked.
    ids: Vec<String>,
    open: Vec<Question>,
    seen: Vec<String>,
    given: Vec<Value>,
    drawn: Vec<Value>,
    /// The key of what was just done.
    acting: Option<String>,
    /// What led to this task is stored: nothing may happen outside before.
    is_led: bool,
}

/// How far an attempt has come.
pub(super) enum Progress {
    On,
    /// Something must be stored before it goes on.
    Store,
    Ended(Ending),
}

/// How it has ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Done { returned: Returned, journal: Journal },
    Asked { pause: Pause, journal: Journal },
    Failed { kind: Kind, message: String, journal: Journal },
}

/// What an attempt has journalled, and how much of that is stored.
pub(super) type Journal = (Vec<(String, Vec<u8>)>, usize);

impl Attempt {
    pub(super) fn new(of: Task, scope: Arc<Scope>) -> Self {
        Self {
            of,
            scope,
            at: 0,
            counts: BTreeMap::new(),
            new: Vec::new(),
            stored: 0,
            ids: Vec::new(),
            open: Vec::new(),
            seen: Vec::new(),
            given: Vec::new(),
            drawn: Vec::new(),
            acting: None,
            is_led: false,
        }
    }

    /// Does the next thing.
    pub(super) fn step(&mut self, spec: &Spec, outside: &mut Outside, answers: &BTreeMap<String, Value>) -> Progress {
        if let Some(fault) = self.of.part.fault.filter(|fault| self.of.is_failing && fault.after == self.at) {
            let kind = if fault.retryable { Kind::Unavailable } else { Kind::Refused };
            let message = format!("`{}` failed", self.of.actor.node);
            return Progress::Ended(Ending::Failed { kind, message, journal: self.journal() });
        }
        match self.of.part.ops.get(self.at).cloned() {
            None => Progress::Ended(Ending::Done { returned: self.returned(spec), journal: self.journal() }),
            Some(Op::Draw) => self.draw(outside),
            Some(Op::Effect(name)) => self.effect(name, outside),
            Some(Op::Ask(n)) => self.ask(n, answers),
        }
    }

    fn draw(&mut self, outside: &mut Outside) -> Progress {
        let entry = self.entry("random");
        let known = self.known(&entry);
        let value = known.clone().unwrap_or_else(|| json!(outside.dice.next() % 1_000_000));
        if known.is_none() {
            self.new.push((entry, value.to_string().into_bytes()));
        }
        self.drawn.push(value);
        self.done("random");
        Progress::On
    }

    fn effect(&mut self, name: &str, outside: &mut Outside) -> Progress {
        let name = format!("effect {name}");
        let entry = self.entry(&name);
        if let Some(value) = self.known(&entry) {
            self.given.push(value);
            self.done(&name);
            return Progress::On;
        }
        if !self.is_led || self.stored < self.new.len() {
            return Progress::Store;
        }
        let key = id_within(self.task_id(), "effect", &entry, 0);
        self.acting = Some(key.clone());
        let value = outside.act(&key, self.purpose());
        self.new.push((entry, value.to_string().into_bytes()));
        self.given.push(value);
        self.done(&name);
        Progress::Store
    }

    fn ask(&mut self, n: usize, answers: &BTreeMap<String, Value>) -> Progress {
        for _ in 0..n {
            let number = u32::try_from(self.ids.len()).expect("scripts ask little");
            let stored = self.of.asked.get(self.ids.len()).cloned();
            let id = stored.unwrap_or_else(|| id_within(self.task_id(), "question", "", number));
            self.ids.push(id.clone());
            match answers.get(&id) {
                Some(answer) => {
                    self.seen.push(id);
                    self.given.push(answer.clone());
                }
                None => {
                    let prompt = json!(format!("question {number}"));
                    self.open.push(Question::new(id, "", &self.of.actor.node, prompt, json!({})));
                }
            }
        }
        self.at += 1;
        if self.open.is_empty() {
            return Progress::On;
        }
        let pause = Pause {
            questions: std::mem::take(&mut self.open),
            ids: self.ids.clone(),
            seen: self.seen.clone(),
            ..Pause::default()
        };
        Progress::Ended(Ending::Asked { pause, journal: self.journal() })
    }

    fn returned(&self, spec: &Spec) -> Returned {
        let mut returned = self.of.actor.returns(spec, &self.of.state, &self.given);
        if let Some(first) = returned.updates.first_mut().filter(|_| !self.drawn.is_empty()) {
            first[DRAWN] = json!(self.drawn);
        }
        returned
    }

    /// The name of the next entry called `name`.
    fn entry(&self, name: &str) -> String {
        let n = self.counts.get(name).copied().unwrap_or(0);
        format!("{} {name}#{n}", self.of.actor.node)
    }

    fn done(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
        self.at += 1;
    }

    fn known(&self, entry: &str) -> Option<Value> {
        let known = self.of.journal.get(entry)?;
        Some(serde_json::from_slice(known).expect("the journal holds JSON"))
    }

    fn task_id(&self) -> [u8; 16] {
        self.scope.task_id(self.of.key, &self.of.actor.node)
    }

    /// What an effect is for. What the task sees of the state is no part of it: an edit may change that, and the task
    /// stays the same.
    fn purpose(&self) -> String {
        let Actor { node, input, failed, seen: _ } = &self.of.actor;
        format!("{node} {input:?} {failed:?}")
    }

    fn journal(&self) -> Journal {
        (self.new.clone(), self.stored)
    }

    /// What is to be stored before it goes on.
    pub(super) fn unstored(&self) -> Vec<Record> {
        let place = Place { path: "".into(), branch: self.scope.branch(), seq: self.of.seq };
        let record = |(name, value): &(String, Vec<u8>)| {
            let key = EntryKey { task: self.of.task, kind: EntryKind::Effect, name: name.clone() };
            Record { place: place.clone(), body: Body::Entry { key, value: value.clone() } }
        };
        self.new[self.stored..].iter().map(record).collect()
    }

    pub(super) fn is_stored(&mut self, outside: &mut Outside) {
        if let Some(key) = self.acting.take() {
            outside.unstored.remove(&key);
        }
        self.stored = self.new.len();
        self.is_led = true;
    }
}

impl Ending {
    /// As the engine is told.
    pub(super) fn tell(&self) -> TaskEnd<Json> {
        match self {
            Self::Done { returned, journal } => {
                let updates = returned.updates.iter().map(|update| JsonUpdate::try_from(update.clone()));
                let updates = updates.collect::<Result<_, _>>().expect("updates are objects");
                let goto = returned.targets.iter().cloned().map(Target::goto).collect();
                let command = Command { updates, goto, parent: None };
                TaskEnd::Done { command, journal: journaled(journal) }
            }
            Self::Asked { pause, journal } => TaskEnd::Asked { pause: pause.clone(), journal: journaled(journal) },
            Self::Failed { kind, message, journal } => {
                TaskEnd::Failed { error: Error::new(*kind, message.clone()), journal: journaled(journal) }
            }
        }
    }
}

fn journaled((entries, stored): &Journal) -> Journaled {
    Journaled { entries: entries.clone(), stored: *stored, tally: None }
}
