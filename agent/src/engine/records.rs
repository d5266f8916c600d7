//! The forms in which results, states and failures are stored: JSON, readable by a person with a database shell.

use std::collections::BTreeSet;

use lorewell_model::{Error, Kind, Origin, Result, Spent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Engine;
use super::frontier::{Seed, Source};
use super::task::{Done, Failure, Status, Tallied, Tally};
use crate::checkpoint::{Batch, Body, EntryKey, EntryKind, Record};
use crate::graph::{Command, Goto, Migration, Plan, Stored, StoredGoto, Target, Upward};
use crate::state::{Saved, State};

/// Writes a record as JSON.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::new(Kind::BadInput, format!("it has no form in JSON: {error}")).caused_by(error))
}

/// Reads a record.
pub(crate) fn decode<'a, T: Deserialize<'a>>(what: &str, seq: u64, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message =
            format!("{what} of checkpoint {seq} is damaged: {error}; fork the thread from an earlier checkpoint");
        Error::new(Kind::Corrupt, message).caused_by(error)
    })
}

/// What a task wrote. Of a task that finished while others still ran also where it leads; of others the step record says
/// that.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredResult {
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) updates: Vec<Box<RawValue>>,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) goto: Vec<StoredGoto>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Box<Upward>>,
    /// The version of the graph's state.
    #[serde(rename = "v", default, skip_serializing_if = "is_zero")]
    pub(crate) version: u32,
    #[serde(rename = "x", default, skip_serializing_if = "Spent::is_nothing")]
    pub(crate) spent: Spent,
    /// Whose texts the task has read that nobody vouches for.
    #[serde(rename = "r", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) read: BTreeSet<Origin>,
}

/// A failure, with what the node has spent and read before it failed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredFailure {
    #[serde(flatten)]
    pub(super) failure: Failure,
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub(super) spent: Spent,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) read: BTreeSet<Origin>,
}

impl StoredFailure {
    pub(super) fn new(failure: Failure, lost: &Tallied) -> Self {
        let Tally { spent, read } = lost.as_deref().cloned().unwrap_or_default();
        Self { failure, spent, read }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(version: &u32) -> bool {
    *version == 0
}

impl StoredResult {
    pub(super) fn new<S: State>(plan: &Plan<S>, state: &S, done: &Done<S>) -> Result<Self> {
        let goto = done.targets.iter().map(|target| {
            Ok(match target {
                Target::Pull(node) => StoredGoto { node: plan.node(*node).name.to_string(), input: None },
                Target::Send(node, input) => {
                    StoredGoto { node: plan.node(*node).name.to_string(), input: Some(input.to_raw()?) }
                }
            })
        });
        let goto = goto.collect::<Result<_>>()?;
        let Tally { spent, read } = done.tally.as_deref().cloned().unwrap_or_default();
        Ok(Self { goto, parent: done.parent.clone(), spent, read, ..Self::updates(plan, state, &done.updates)? })
    }

    pub(super) fn updates<S: State>(plan: &Plan<S>, state: &S, updates: &[S::Update]) -> Result<Self> {
        let updates = updates.iter().map(|update| {
            RawValue::from_string(state.encode(update)?).map_err(|error| Error::new(Kind::Internal, error.to_string()))
        });
        Ok(Self { updates: updates.collect::<Result<_>>()?, version: plan.version(), ..Self::default() })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    /// Reads the updates, brought up to date if an older graph wrote them.
    pub(super) fn read<S: State>(self, plan: &Plan<S>, seq: u64) -> Result<Vec<S::Update>> {
        let old = migration(plan, self.version, seq)?;
        let updates = self.updates.iter().map(|update| match old {
            None => decode("an update", seq, update.get().as_bytes()),
            Some(migration) => {
                let mut fields: Map<String, Value> = decode("an update", seq, update.get().as_bytes())?;
                (migration.migrate)(self.version, Stored::Update(&mut fields))?;
                serde_json::from_value(Value::Object(fields)).map_err(|error| not_migrated(self.version, seq, error))
            }
        });
        updates.collect()
    }
}

/// A snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saving {
    #[serde(rename = "s")]
    pub(crate) state: Saved,
    #[serde(rename = "v", default, skip_serializing_if = "is_zero")]
    pub(super) version: u32,
}

impl Saving {
    pub(super) fn new<S: State>(state: &S, version: u32) -> Result<Self> {
        let mut saved = Saved::default();
        state.save(&mut saved)?;
        Ok(Self { state: saved, version })
    }

    /// Reads the state, brought up to date if an older graph wrote it.
    pub(super) fn read<S: State>(mut self, plan: &Plan<S>, seq: u64) -> Result<S> {
        if let Some(migration) = migration(plan, self.version, seq)? {
            let mut fields: Map<String, Value> = decode("the state", seq, &encode(&self.state)?)?;
            (migration.migrate)(self.version, Stored::State(&mut fields))?;
            self.state = serde_json::from_value(Value::Object(fields))
                .map_err(|error| not_migrated(self.version, seq, error))?;
        }
        plan.blank
            .load(&mut self.state)
            .map_err(|error| error.context(format!("reading the state at checkpoint {seq}")))
    }
}

fn migration<S: State>(plan: &Plan<S>, version: u32, seq: u64) -> Result<Option<&Migration>> {
    if version > plan.version() {
        let message = format!(
            "checkpoint {seq} was stored by version {version} of the graph's state, and this graph has version {}; run it \
             with the newer program",
            plan.version()
        );
        return Err(Error::new(Kind::Config, message));
    }
    Ok(plan.migration.as_ref().filter(|migration| version < migration.version))
}

fn not_migrated(version: u32, seq: u64, error: serde_json::Error) -> Error {
    let message = format!("what the migration made of checkpoint {seq}, version {version}, does not fit: {error}");
    Error::new(Kind::Corrupt, message).caused_by(error)
}

impl<S: State> Engine<S> {
    /// The updates of a task as a record, and its bytes.
    pub(super) fn update_record(&self, seq: u64, task: u32, updates: &[S::Update]) -> Result<(Record, u64)> {
        let value = StoredResult::updates(&self.plan, &*self.state, updates)?.encode()?;
        let bytes = value.len() as u64;
        Ok((Record { place: self.place(seq), body: Body::Result { task, value } }, bytes))
    }

    pub(super) fn entry(&self, key: EntryKey, value: Vec<u8>) -> Record {
        Record { place: self.place(self.seq()), body: Body::Entry { key, value } }
    }

    /// Everything that is known at the end of a run of which nothing was stored on the way.
    pub(super) fn at_end(&mut self) -> Result<Batch> {
        let mut batch = Batch { durable: true, ..Batch::default() };
        let is_needed = self.scope.is_root() || self.occasion.is_some() || self.is_unfinished();
        let Some(head) = self.head.filter(|_| is_needed) else { return Ok(batch) };
        batch.records.push(self.snapshot(head)?);
        let seeds: Vec<Seed> = self.tasks.iter().map(super::edit::seed).collect();
        let step = self.step(Source::Loop, &seeds)?;
        let body = Body::Step { root: self.scope.root_seq(head), value: encode(&step)? };
        batch.records.push(Record { place: self.place(head), body });
        if self.stopped {
            let key = EntryKey { task: 0, kind: EntryKind::Gate, name: String::new() };
            batch.records.push(self.entry(key, b"{}".to_vec()));
        }
        for index in 0..u32::try_from(self.tasks.len()).unwrap_or(u32::MAX) {
            self.unfinished_records(index, &mut batch.records)?;
        }
        Ok(batch)
    }

    /// Why a task has failed whose error handler runs.
    pub(super) fn failure_record(&self, index: u32) -> Result<Option<Record>> {
        let task = &self.tasks[index as usize];
        let Some(failure) = task.failure.clone() else { return Ok(None) };
        let value = encode(&StoredFailure::new(failure, &task.lost))?;
        Ok(Some(self.task_entry(index, EntryKind::Failure, String::new(), value)))
    }

    /// What is known of a task of the open superstep.
    pub(super) fn unfinished_records(&self, index: u32, records: &mut Vec<Record>) -> Result<()> {
        let task = &self.tasks[index as usize];
        for (name, value) in &task.unsaved {
            records.push(self.task_entry(index, EntryKind::Effect, name.clone(), value.clone()));
        }
        records.extend(self.failure_record(index)?);
        match &task.status {
            Status::Finished(_) => {
                let value = self.result_record(index)?;
                records.push(Record { place: self.place(self.seq()), body: Body::Result { task: index, value } });
            }
            Status::Paused(pause) => {
                records.push(self.task_entry(index, EntryKind::Pause, String::new(), encode(pause)?));
            }
            Status::Ready | Status::Running | Status::Failed(_) => {}
        }
        Ok(())
    }
}

/// A command as a cache keeps it, with whose texts were read for it.
pub(crate) fn encode_command<S: State>(state: &S, command: &Command<S>, read: BTreeSet<Origin>) -> Result<String> {
    let updates = command.updates.iter().map(|update| {
        RawValue::from_string(state.encode(update)?).map_err(|error| Error::new(Kind::Internal, error.to_string()))
    });
    let goto = command.goto.iter().map(Goto::stored).collect::<Result<_>>()?;
    let (updates, parent) = (updates.collect::<Result<_>>()?, command.parent.clone());
    let stored = StoredResult { updates, goto, parent, read, ..StoredResult::default() };
    serde_json::to_string(&stored).map_err(|error| Error::new(Kind::BadInput, error.to_string()))
}

/// Reads a command that a cache has kept.
pub(crate) fn decode_command<S: State>(value: &str) -> Result<(Command<S>, BTreeSet<Origin>)> {
    let stored: StoredResult = decode("a cached result", 0, value.as_bytes())?;
    let updates = stored.updates.iter().map(|update| decode("a cached update", 0, update.get().as_bytes()));
    let goto = stored.goto.into_iter().map(Goto::from).collect();
    Ok((Command { updates: updates.collect::<Result<_>>()?, goto, parent: stored.parent }, stored.read))
}
