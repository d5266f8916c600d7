//! A task: one run of a node in one superstep. What it waits for, what it wrote, why it failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lorewell_model::{Error, Kind, Origin, Result, Spent};
use serde::{Deserialize, Serialize};

use super::records::StoredResult;
use super::{Engine, Output};
use crate::checkpoint::{Body, EntryKey, EntryKind, Record};
use crate::event::{Event, EventKind};
use crate::graph::{Command, Target, Upward};
use crate::payload::Payload;
use crate::question::Pause;
use crate::scope;
use crate::state::State;

/// Which task it is, whatever superstep it has been carried into: the checkpoint that its first superstep leads to, and
/// its place among the tasks there. Ids, keys and paths are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct TaskKey {
    pub(crate) seq: u64,
    pub(crate) index: u32,
}

/// What is known of the effects of a task: their results by name.
pub(crate) type Journal = BTreeMap<String, Vec<u8>>;

/// What a task leaves besides what it writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// What it has spent.
    pub(crate) spent: Spent,
    /// Whose texts it has read that nobody vouches for.
    pub(crate) read: BTreeSet<Origin>,
}

/// There is none of most tasks.
pub(crate) type Tallied = Option<Box<Tally>>;

/// Adds to what a task has spent.
pub(crate) fn pay(tally: &mut Tallied, spent: Spent) {
    if !spent.is_nothing() {
        tally.get_or_insert_default().spent += spent;
    }
}

/// Adds to what a task has read.
pub(crate) fn note_read(tally: &mut Tallied, read: impl IntoIterator<Item = Origin>) {
    let mut foreign = read.into_iter().filter(|origin| !origin.is_trusted()).peekable();
    if foreign.peek().is_some() {
        tally.get_or_insert_default().read.extend(foreign);
    }
}

/// What an attempt has added to the journal of its task; the first `stored` entries are in the store.
#[derive(Debug, Default)]
pub(crate) struct Journaled {
    pub(crate) entries: Vec<(String, Vec<u8>)>,
    pub(crate) stored: usize,
    /// With what it found in the journal.
    pub(crate) tally: Tallied,
}

/// One run of a node in the open superstep.
pub(crate) struct Task<S: State> {
    pub(crate) node: u32,
    pub(crate) input: Option<Payload>,
    /// Where it comes from, if an edit has carried it into this superstep.
    pub(crate) key: Option<TaskKey>,
    pub(crate) status: Status<S>,
    /// The number of its last launch.
    pub(crate) attempt: u32,
    /// Counts the attempts of the node, or of its error handler.
    pub(crate) tries: u32,
    pub(crate) failure: Option<Failure>,
    pub(crate) journal: Option<Arc<Journal>>,
    /// The pause that it was in when it was last run.
    pub(crate) asked: Option<Arc<Pause>>,
    /// Journal entries that nothing has stored yet.
    pub(crate) unsaved: Vec<(String, Vec<u8>)>,
    /// What a node has left that failed.
    pub(crate) lost: Tallied,
}

pub(crate) enum Status<S: State> {
    Ready,
    Running,
    Finished(Done<S>),
    Paused(Pause),
    /// The error goes to the end of the run.
    Failed(Option<Error>),
}

/// What a finished task wrote and where it leads.
pub(crate) struct Done<S: State> {
    pub(crate) updates: Vec<S::Update>,
    pub(crate) targets: Vec<Target>,
    pub(crate) parent: Option<Box<Upward>>,
    /// Whether its branches were asked.
    pub(crate) branched: bool,
    /// The bytes of its result record, once it is stored.
    pub(crate) stored: Option<usize>,
    /// Whether those who listen know of it.
    pub(crate) told: bool,
    /// Copies of the updates for those who listen.
    pub(crate) shown: Vec<Payload>,
    pub(crate) tally: Tallied,
}

/// Why a task failed for good; its error handler runs in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The node that failed.
    pub node: String,
    /// What kind of error it was.
    pub kind: Kind,
    /// What it said, with its context.
    pub message: String,
    #[serde(skip)]
    pub(crate) handler: u32,
}

/// An attempt to be started.
pub(crate) struct Launch<S> {
    pub(crate) task: u32,
    pub(crate) attempt: u32,
    /// Which attempt of the node, or of its error handler, from 1.
    pub(crate) tries: u32,
    pub(crate) node: u32,
    pub(crate) delay: Duration,
    pub(crate) state: Arc<S>,
    pub(crate) input: Option<Payload>,
    pub(crate) failure: Option<Failure>,
    pub(crate) key: TaskKey,
    /// The checkpoint that the superstep leads to; entries are stored there.
    pub(crate) seq: u64,
    pub(crate) journal: Option<Arc<Journal>>,
    /// The pause that it was in when it was last run.
    pub(crate) asked: Option<Arc<Pause>>,
    /// Whose texts the run has read before, which the state may hold.
    pub(crate) read: BTreeSet<Origin>,
    /// Whether nothing of it can have been stored.
    pub(crate) fresh: bool,
    /// Whether it is the only task of its superstep.
    pub(crate) alone: bool,
}

/// How an attempt has ended.
pub(crate) enum TaskEnd<S: State> {
    Done { command: Command<S>, journal: Journaled },
    Asked { pause: Pause, journal: Journaled },
    Failed { error: Error, journal: Journaled },
}

impl<S: State> fmt::Debug for TaskEnd<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { command, .. } => command.fmt(f),
            Self::Asked { pause, .. } => pause.fmt(f),
            Self::Failed { error, .. } => error.fmt(f),
        }
    }
}

impl<S: State> Task<S> {
    pub(crate) fn new(node: u32, input: Option<Payload>) -> Self {
        Self {
            node,
            input,
            key: None,
            status: Status::Ready,
            attempt: 0,
            tries: 0,
            failure: None,
            journal: None,
            asked: None,
            unsaved: Vec::new(),
            lost: None,
        }
    }

    /// What it waits for.
    pub(crate) fn paused(&self) -> Option<&Pause> {
        match &self.status {
            Status::Paused(pause) => Some(pause),
            _ => None,
        }
    }

    /// The node that is to run: its own, or its error handler.
    pub(crate) fn runs(&self) -> u32 {
        self.failure.as_ref().map_or(self.node, |failure| failure.handler)
    }
}

impl<S: State> Engine<S> {
    /// A task has finished: takes its updates, finds out where it leads, stores both unless the superstep is complete
    /// with it.
    pub(super) fn finish(
        &mut self,
        index: u32,
        mut command: Command<S>,
        mut tally: Tallied,
        out: &mut VecDeque<Output<S>>,
    ) -> Result<()> {
        let alone = self.tasks.len() == 1;
        let task = &self.tasks[index as usize];
        let node = task.runs();
        self.prepare_updates(self.key(index), node, &mut command.updates)?;
        let mut targets = Vec::new();
        self.plan.commanded(node, command.goto, &mut targets)?;
        if !alone {
            self.branch_on_own_view(node, &command.updates, &mut targets)?;
        }
        let shown = match self.limits.listening {
            true => command.updates.iter().cloned().map(Payload::new).collect(),
            false => Vec::new(),
        };
        if let Some(lost) = &task.lost {
            pay(&mut tally, lost.spent);
            note_read(&mut tally, lost.read.iter().copied());
        }
        let Command { updates, parent, .. } = command;
        let done = Done { updates, targets, parent, branched: !alone, stored: None, told: false, shown, tally };
        self.tasks[index as usize].status = Status::Finished(done);
        let is_last = self.tasks.iter().all(|task| matches!(task.status, Status::Finished(_)));
        if !is_last {
            self.store_result(index, out)?;
            self.show_finished(index, out);
        }
        Ok(())
    }

    /// Gives messages their ids and holds the updates against what the node declared.
    fn prepare_updates(&self, key: super::TaskKey, node: u32, updates: &mut [S::Update]) -> Result<()> {
        let node = self.plan.node(node);
        let mut n = 0;
        for update in updates {
            let mut next = || {
                n += 1;
                scope::id_within(self.scope.task_id(key, &node.name), "message", "", n - 1)
            };
            self.state.identify(update, &mut next);
            let Some(declared) = &node.settings.writes else { continue };
            if let Some(field) = self.state.written(update).into_iter().find(|field| !declared.contains(&**field)) {
                let message = format!("it wrote `{field}`, which is not among its declared `.writes([..])`");
                return Err(Error::new(Kind::BadOutput, message));
            }
        }
        Ok(())
    }

    /// Branches of a task that is not alone see the state with what this task wrote, and nothing of the others.
    fn branch_on_own_view(&self, node: u32, updates: &[S::Update], targets: &mut Vec<Target>) -> Result<()> {
        let node = self.plan.node(node);
        if node.exits.branches.is_empty() {
            return Ok(());
        }
        if updates.is_empty() && !self.plan.ephemeral {
            return self.plan.branched(&node.name, &node.exits, &self.state, targets);
        }
        let mut own = S::clone(&self.state);
        super::apply::apply(&mut own, updates.iter().map(|update| (&*node.name, 0, update.clone())))?;
        self.plan.branched(&node.name, &node.exits, &own, targets)
    }

    fn store_result(&mut self, index: u32, out: &mut VecDeque<Output<S>>) -> Result<()> {
        if self.limits.persist != super::Persist::Each {
            return Ok(());
        }
        let value = self.result_record(index)?;
        if let Status::Finished(done) = &mut self.tasks[index as usize].status {
            done.stored = Some(value.len());
        }
        let record = Record { place: self.place(self.seq()), body: Body::Result { task: index, value } };
        self.write(vec![record], false, out);
        Ok(())
    }

    /// The whole result of a finished task, as it is stored while others still run.
    pub(super) fn result_record(&self, index: u32) -> Result<Vec<u8>> {
        let Status::Finished(done) = &self.tasks[index as usize].status else { return Ok(Vec::new()) };
        StoredResult::new(&self.plan, &self.state, done)?.encode()
    }

    pub(super) fn show_finished(&mut self, index: u32, out: &mut VecDeque<Output<S>>) {
        if !self.limits.listening {
            return;
        }
        let (seq, task) = (self.seq(), &mut self.tasks[index as usize]);
        let node = task.runs();
        let Status::Finished(done) = &mut task.status else { return };
        done.told = true;
        let kind = EventKind::Finished { updates: std::mem::take(&mut done.shown) };
        out.push_back(Output::Emit(Event::new(&self.scope, seq, Some((&self.plan.node(node).name, index)), kind)));
    }

    pub(super) fn pause(
        &mut self,
        index: u32,
        mut pause: Pause,
        journal: Journaled,
        out: &mut VecDeque<Output<S>>,
    ) -> Result<()> {
        pause.by_handler = self.tasks[index as usize].failure.is_some();
        let mut records = self.journal_records(index, journal);
        records.push(self.task_entry(index, EntryKind::Pause, String::new(), super::records::encode(&pause)?));
        self.tasks[index as usize].status = Status::Paused(pause);
        self.write(records, false, out);
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        index: u32,
        error: Error,
        journal: Journaled,
        out: &mut VecDeque<Output<S>>,
    ) -> Result<()> {
        let key = self.key(index);
        let task = &mut self.tasks[index as usize];
        let node = self.plan.node(task.runs());
        let chance = scope::chance(self.scope.task_id(key, &node.name), task.tries);
        let wait = node.settings.retry.and_then(|retry| retry.wait(task.tries, &error, chance));
        let name = node.name.clone();
        let mut journal = journal;
        let lost = journal.tally.take();
        let mut records = self.journal_records(index, journal);
        if let Some(wait) = wait {
            let (attempt, wait_ms) =
                (self.tasks[index as usize].tries, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            self.emit(Some((&name, index)), || EventKind::Retrying { attempt, error: error.to_string(), wait_ms }, out);
            self.write(records, false, out);
            self.launch(index as usize, wait, out);
            return Ok(());
        }
        let handler = node_handler(&self.plan, &self.tasks[index as usize]);
        let handler_name = handler.map(|handler| self.plan.node(handler).name.clone());
        self.emit(Some((&name, index)), || EventKind::Failed { error: error.to_string(), handler: handler_name }, out);
        match handler {
            Some(handler) => {
                let failure =
                    Failure { node: name.to_string(), kind: error.kind(), message: error.to_string(), handler };
                let task = &mut self.tasks[index as usize];
                (task.failure, task.tries, task.asked, task.lost) = (Some(failure), 0, None, lost);
                records.extend(self.failure_record(index)?);
                self.write(records, false, out);
                self.launch(index as usize, Duration::ZERO, out);
            }
            None => {
                self.write(records, false, out);
                let task = &mut self.tasks[index as usize];
                (task.status, task.lost) = (Status::Failed(Some(error.context(format!("node `{name}`")))), lost);
            }
        }
        Ok(())
    }

    pub(super) fn key(&self, index: u32) -> TaskKey {
        self.tasks[index as usize].key.unwrap_or(TaskKey { seq: self.seq(), index })
    }

    /// Keeps what an attempt has journalled for the next one; returns records of what is not stored.
    fn journal_records(&mut self, index: u32, journaled: Journaled) -> Vec<Record> {
        let Journaled { entries, stored, .. } = journaled;
        if entries.is_empty() {
            return Vec::new();
        }
        let task = &mut self.tasks[index as usize];
        let journal = Arc::make_mut(task.journal.get_or_insert_default());
        journal.extend(entries.iter().cloned());
        let unsaved = entries.into_iter().skip(stored);
        if self.limits.persist == super::Persist::AtEnd {
            task.unsaved.extend(unsaved);
            return Vec::new();
        }
        unsaved.map(|(name, value)| self.task_entry(index, EntryKind::Effect, name, value)).collect()
    }

    pub(super) fn task_entry(&self, index: u32, kind: EntryKind, name: String, value: Vec<u8>) -> Record {
        self.entry(EntryKey { task: index, kind, name }, value)
    }
}

fn node_handler<S: State>(plan: &crate::graph::Plan<S>, task: &Task<S>) -> Option<u32> {
    match task.failure {
        None => plan.node(task.node).on_error,
        Some(_) => None,
    }
}
