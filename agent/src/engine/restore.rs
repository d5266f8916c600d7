//! An engine made of what a store holds: the state read back, the tasks of the open superstep as they were left.

use std::collections::BTreeMap;
use std::sync::Arc;

use lorewell_model::Result;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::frontier::Frontier;
use super::records::{Saving, StoredFailure, StoredResult, decode};
use super::task::{Done, Failure, Journal, Status, note_read, pay};
use super::weight::Weight;
use super::{Engine, Limits, Persist, Step};
use crate::checkpoint::{EntryKind, Loaded, ResultRow};
use crate::graph::{Goto, Plan, Target};
use crate::question::Pause;
use crate::scope::Scope;
use crate::state::State;

/// What else is needed to go on: the answers that people gave.
pub(crate) type Answers = std::collections::HashMap<String, Value>;

/// The state, where it is known without being read.
pub(crate) enum Known<S> {
    /// That of the graph around.
    Shared(Arc<S>),
    /// The one that the last run came to.
    Left(Left<S>),
}

/// What a run leaves that came to its end, for the next one.
pub(crate) struct Left<S> {
    state: Arc<S>,
    weight: Weight,
}

impl<S: State> Engine<S> {
    /// Returns what the run leaves, if it came to its end and reading it back would bring the same.
    pub(crate) fn left(&self) -> Option<Left<S>> {
        let is_end = self.tasks.is_empty() && self.ahead.is_empty() && !self.is_torn && !self.is_behind;
        let is_stored = self.limits.persist == Persist::Each && self.head.is_some() && !self.plan.untracked;
        (is_end && is_stored).then(|| Left { state: self.state.clone(), weight: self.weight })
    }

    /// Takes up where the newest checkpoint left off.
    pub(crate) fn restore(
        plan: Arc<Plan<S>>,
        scope: Arc<Scope>,
        limits: Arc<Limits>,
        loaded: Loaded,
        answers: &Answers,
        known: Option<Known<S>>,
    ) -> Result<Self> {
        let mut engine = Self::fresh(plan, scope, limits);
        engine.fresh = false;
        let mut left = None;
        match known {
            Some(Known::Shared(state)) => engine.collect(state),
            Some(Known::Left(it)) => left = Some(it),
            None => {}
        }
        for row in loaded.entries {
            engine.ahead.entry((row.seq, row.key.task)).or_default().push((row.key, row.value));
        }
        let Some(row) = loaded.step else { return Ok(engine) };
        let head = row.place.seq;
        let step: Step = decode("the step record", head, &row.value)?;
        let (mut committed, open): (Vec<_>, Vec<_>) = loaded.results.into_iter().partition(|row| row.seq <= head);
        if engine.collected.is_some() {
            // What earlier runs wrote, the state of the graph around has.
            committed.retain(|row| row.seq > step.first);
        }
        match left {
            Some(Left { state, weight }) => (engine.state, engine.weight) = (state, weight),
            None => engine.state = Arc::new(engine.read_state(head, loaded.snapshot, committed)?),
        }
        engine.frontier = Frontier::stored(&engine.plan, &step)?;
        let seeds = step.seeds(&engine.plan)?;
        let keys: Vec<_> = seeds.iter().map(|seed| seed.key).collect();
        (engine.first, engine.occasion) = (step.first, step.occasion);
        (engine.parent, engine.is_behind) = (step.parent, step.deferred);
        (engine.spent, engine.read) = (step.spent.time_ms(step.ran), step.read);
        engine.after = step.after.iter().filter_map(|node| engine.plan.find(node)).collect();
        engine.advance(head, seeds)?;
        engine.fresh = false;
        for (task, key) in engine.tasks.iter_mut().zip(keys) {
            task.key = key;
        }
        for row in open.iter().filter(|row| row.seq == head + 1) {
            engine.restore_result(row)?;
        }
        engine.restore_pauses(answers);
        Ok(engine)
    }

    /// Reads the state at a checkpoint: the last snapshot, and what was written since.
    fn read_state(&mut self, head: u64, snapshot: Option<(u64, Vec<u8>)>, results: Vec<ResultRow>) -> Result<S> {
        let mut at = 0;
        let mut state = S::clone(&self.state);
        if let Some((seq, bytes)) = snapshot {
            at = seq;
            self.weight = Weight::after(bytes.len() as u64);
            let saving: Saving = decode("the snapshot", seq, &bytes)?;
            if saving.version < self.plan.version() {
                // The next checkpoint stores the state as it is now, so that the old one is not needed again.
                self.weight.force();
            }
            state = saving.read(&self.plan, seq)?;
        }
        let mut supersteps: BTreeMap<u64, Vec<ResultRow>> = BTreeMap::new();
        for row in results {
            self.weight.add(row.value.len() as u64);
            supersteps.entry(row.seq).or_default().push(row);
        }
        for (seq, rows) in supersteps {
            self.blank_between(&mut state, at, seq.saturating_sub(1))?;
            let mut writes = Vec::new();
            for row in rows {
                let updates = decode::<StoredResult>("a result", seq, &row.value)?.read(&self.plan, seq)?;
                writes.extend(updates.into_iter().map(|update| ("", row.task as usize, update)));
            }
            if let Some(collected) = &mut self.collected {
                collected.extend(writes.iter().map(|(_, _, update)| update.clone()));
            }
            super::apply::apply(&mut state, writes)?;
            at = seq;
        }
        self.blank_between(&mut state, at, head)?;
        Ok(state)
    }

    /// Supersteps without writes leave nothing to read, but they blank the fields that live for one superstep.
    fn blank_between(&self, state: &mut S, written: u64, next: u64) -> Result<()> {
        if self.plan.ephemeral && written < next {
            super::apply::apply(state, [])?;
        }
        Ok(())
    }

    fn restore_result(&mut self, row: &ResultRow) -> Result<()> {
        let stored: StoredResult = decode("a result", row.seq, &row.value)?;
        if row.task as usize >= self.tasks.len() {
            return Ok(());
        }
        let mut targets = Vec::new();
        for stored in &stored.goto {
            let id = self.plan.stored(&stored.node)?;
            targets.push(match Goto::from(stored.clone()) {
                Goto::To(_) => Target::Pull(id),
                Goto::Send { input, .. } => Target::Send(id, input),
            });
        }
        let (parent, mut tally) = (stored.parent.clone(), None);
        pay(&mut tally, stored.spent);
        note_read(&mut tally, stored.read.iter().copied());
        let updates = stored.read(&self.plan, row.seq)?;
        let stored = Some(row.value.len());
        let done = Done { updates, targets, parent, branched: true, stored, told: true, shown: Vec::new(), tally };
        self.tasks[row.task as usize].status = Status::Finished(done);
        Ok(())
    }

    /// Gives the tasks of the open superstep the entries that were stored of them.
    pub(super) fn take_ahead(&mut self) -> Result<()> {
        let seq = self.seq();
        self.ahead.retain(|(at, _), _| *at >= seq);
        for index in 0..self.tasks.len() {
            let Ok(place) = u32::try_from(index) else { break };
            let Some(entries) = self.ahead.remove(&(seq, place)) else { continue };
            let mut journal = Journal::new();
            for (key, value) in entries {
                match key.kind {
                    EntryKind::Effect => {
                        decode::<IgnoredAny>("the result of an effect", seq, &value)?;
                        journal.insert(key.name, value);
                    }
                    EntryKind::Failure => {
                        let StoredFailure { failure, spent, read } = decode("a failure", seq, &value)?;
                        pay(&mut self.tasks[index].lost, spent);
                        note_read(&mut self.tasks[index].lost, read);
                        self.restore_failure(index, failure);
                    }
                    EntryKind::Pause => {
                        self.tasks[index].asked = Some(Arc::new(decode("a pause", seq, &value)?));
                    }
                    EntryKind::Gate => self.gate_passed = true,
                    EntryKind::Answer => {}
                }
            }
            // What the node asked is not what its error handler asks.
            let by_handler = self.tasks[index].failure.is_some();
            self.tasks[index].asked.take_if(|asked| asked.by_handler != by_handler);
            self.tasks[index].journal = (!journal.is_empty()).then(|| Arc::new(journal));
        }
        Ok(())
    }

    fn restore_failure(&mut self, index: usize, failure: Failure) {
        // Without its handler the node runs again.
        let handler = self.plan.node(self.tasks[index].node).on_error;
        self.tasks[index].failure = handler.map(|handler| Failure { handler, ..failure });
    }

    /// A task runs again when one of its questions has an answer that it has not seen.
    fn restore_pauses(&mut self, answers: &Answers) {
        for task in &mut self.tasks {
            let Some(asked) = task.asked.clone() else { continue };
            let is_new = |id: &String| answers.contains_key(id) && !asked.seen.contains(id);
            let wakes = !asked.gates.is_empty() || asked.questions.iter().any(|question| is_new(&question.id));
            if matches!(task.status, Status::Ready) && !wakes {
                task.status = Status::Paused(Pause::clone(&asked));
            }
        }
    }
}
