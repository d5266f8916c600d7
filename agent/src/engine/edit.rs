//! An edit by hand: something is written to the state as if a node had written it, between two supersteps. Tasks that
//! are not finished keep their identity, so that their questions, effects and subgraphs stay theirs.

use std::sync::Arc;

use lorewell_model::Result;

use super::frontier::{Seed, Source, Step};
use super::records::{StoredFailure, encode};
use super::task::{Status, Task};
use super::{Engine, TaskKey};
use crate::checkpoint::{Batch, Body, EntryKey, EntryKind, Record};
use crate::state::State;

/// Where a task is to be carried on.
pub(super) fn seed<S: State>(task: &Task<S>) -> Seed {
    Seed { node: task.node, input: task.input.clone(), key: task.key }
}

impl<S: State> Engine<S> {
    /// Makes a checkpoint in which `update` was written, by `node` if one is named: then what follows that node comes
    /// next, and a task of it that waits is taken for done. What finished tasks wrote is applied with it.
    pub(crate) fn edit(&mut self, mut update: S::Update, node: Option<&str>, now: u64) -> Result<Batch> {
        let find = |name| self.plan.find(name).ok_or_else(|| self.plan.unknown(name, "to edit the state as"));
        let node = node.map(find).transpose()?;
        let seq = self.seq();
        let last = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let key = TaskKey { seq, index: last };
        let mut n = 0;
        let scope = self.scope.clone();
        self.state.identify(&mut update, &mut || {
            n += 1;
            crate::scope::id_within(scope.task_id(key, "edit"), "message", "", n - 1)
        });
        let (record, _) = self.update_record(seq, last, std::slice::from_ref(&update))?;
        let mut records = vec![record];
        let waiting: Vec<usize> = (0..self.tasks.len())
            .filter(|index| !matches!(self.tasks[*index].status, Status::Finished(_)))
            .filter(|index| node.is_none_or(|node| self.tasks[*index].node != node))
            .collect();
        let mut writes = self.finished_writes();
        let name = node.map_or_else(|| Arc::from("the edit"), |node| self.plan.node(node).name.clone());
        writes.push((name, last as usize, update));
        super::apply::apply(
            Arc::make_mut(&mut self.state),
            writes.iter().map(|(name, task, update)| (&**name, *task, update.clone())),
        )?;
        let mut seeds = self.follow_edit(node, &waiting)?;
        let carried = seeds.len();
        for index in &waiting {
            let place = u32::try_from(*index).unwrap_or(u32::MAX);
            seeds.push(Seed { key: Some(self.key(place)), ..seed(&self.tasks[*index]) });
        }
        (self.spent, self.read) = (self.spent(), self.read());
        (self.now, self.parent) = (now, None);
        self.after.clear();
        let step = Step { deferred: self.is_behind, ..self.step(Source::Edit, &seeds)? };
        let body = Body::Step { root: self.scope.root_seq(seq), value: encode(&step)? };
        records.push(Record { place: self.place(seq), body });
        self.carry(seq, carried, &waiting, &mut records)?;
        // A run that has stopped before these tasks has not to stop there again.
        if self.gate_passed && carried == 0 && !waiting.is_empty() {
            let key = EntryKey { task: 0, kind: EntryKind::Gate, name: String::new() };
            records.push(Record { place: self.place(seq + 1), body: Body::Entry { key, value: b"{}".to_vec() } });
        }
        Ok(Batch { records, durable: true, ..Batch::default() })
    }

    fn finished_writes(&self) -> Vec<(Arc<str>, usize, S::Update)> {
        let finished = self.tasks.iter().enumerate().filter_map(|(index, task)| match &task.status {
            Status::Finished(done) => Some((index, task, done)),
            _ => None,
        });
        let writes = finished.flat_map(|(index, task, done)| {
            let name = self.plan.node(task.runs()).name.clone();
            done.updates.iter().map(move |update| (name.clone(), index, update.clone()))
        });
        writes.collect()
    }

    /// What follows the tasks that have finished and the node that the edit stands for.
    fn follow_edit(&mut self, node: Option<u32>, waiting: &[usize]) -> Result<Vec<Seed>> {
        let plan = self.plan.clone();
        let mut targets = Vec::new();
        if let Some(node) = node {
            let node = plan.node(node);
            plan.branched(&node.name, &node.exits, &self.state, &mut targets)?;
        }
        let finished = self.tasks.iter().filter_map(|task| match &task.status {
            Status::Finished(done) => Some((&plan.node(task.runs()).exits, &done.targets[..])),
            _ => None,
        });
        let edited = node.map(|node| (&plan.node(node).exits, &targets[..]));
        let mut seeds = self.frontier.next(&plan, finished.chain(edited), !waiting.is_empty());
        // A node that waits already is not reached twice.
        let waits =
            |node| waiting.iter().any(|index| self.tasks[*index].node == node && self.tasks[*index].input.is_none());
        seeds.retain(|seed| seed.input.is_some() || !waits(seed.node));
        Ok(seeds)
    }

    /// Writes what is known of the tasks that go on waiting to the superstep that they wait in now.
    fn carry(&mut self, seq: u64, from: usize, waiting: &[usize], records: &mut Vec<Record>) -> Result<()> {
        for (offset, index) in waiting.iter().enumerate() {
            let task = &self.tasks[*index];
            let place = u32::try_from(from + offset).unwrap_or(u32::MAX);
            let mut entry = |kind, name: &str, value: Vec<u8>| {
                let key = EntryKey { task: place, kind, name: name.to_owned() };
                records.push(Record { place: self.place(seq + 1), body: Body::Entry { key, value } });
            };
            for (name, value) in task.journal.iter().flat_map(|journal| journal.iter()) {
                entry(EntryKind::Effect, name, value.clone());
            }
            if let Some(failure) = task.failure.clone() {
                entry(EntryKind::Failure, "", encode(&StoredFailure::new(failure, &task.lost))?);
            }
            if let Some(asked) = &task.asked {
                entry(EntryKind::Pause, "", encode(&**asked)?);
            }
        }
        Ok(())
    }
}
