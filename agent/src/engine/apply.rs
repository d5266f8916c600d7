//! The end of a superstep: what its tasks wrote becomes the next state, where they lead becomes the next tasks, and both
//! become a checkpoint.

use std::collections::VecDeque;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result, Spent};

use super::frontier::{Seed, Source, Step, TASKS_MAX};
use super::records::{Saving, encode};
use super::task::{Status, Task};
use super::weight::Weight;
use super::{Begin, Engine, Output, Persist};
use crate::checkpoint::{Batch, Body, Record};
use crate::event::{EventKind, StateView};
use crate::graph::{Exits, Target, Upward};
use crate::run::Input;
use crate::state::{State, Write, Writes};

/// Applies updates, each with the node and the task that wrote it, in the order of the tasks.
pub(super) fn apply<'a, S: State>(
    state: &mut S,
    updates: impl IntoIterator<Item = (&'a str, usize, S::Update)>,
) -> Result<()> {
    let mut writes: Vec<_> = updates.into_iter().map(|(node, task, update)| Write { node, task, update }).collect();
    state.apply(&mut Writes::new(&mut writes))
}

impl<S: State> Engine<S> {
    /// Begins a run with an input, which is a checkpoint of its own.
    pub(super) fn begin(&mut self, input: Begin<S>, out: &mut VecDeque<Output<S>>) -> Result<()> {
        self.leave_behind();
        self.spent = Spent::default();
        let seq = self.seq();
        let mut records = Vec::new();
        self.is_torn = true;
        match input {
            Begin::Shared(state) => self.collect(state),
            Begin::Input(Input::State(state)) => {
                self.state = Arc::new(state);
                self.read.clear();
                if self.limits.persist == Persist::Each || self.begins_at_once() {
                    records.push(self.snapshot(seq)?);
                }
            }
            Begin::Input(Input::Update(mut update)) => {
                let key = super::TaskKey { seq, index: 0 };
                let mut n = 0;
                self.state.identify(&mut update, &mut || {
                    n += 1;
                    crate::scope::id_within(self.scope.task_id(key, ""), "message", "", n - 1)
                });
                let is_stored = self.limits.persist == Persist::Each || self.begins_at_once();
                // What tasks that are given up have stored is not to be read behind a snapshot.
                let is_whole = !self.tasks.is_empty();
                if is_stored && !is_whole {
                    let (record, bytes) = self.update_record(seq, 0, std::slice::from_ref(&update))?;
                    self.weight.add(bytes);
                    records.push(record);
                }
                apply(Arc::make_mut(&mut self.state), [("the input", 0, update)])?;
                if is_stored && is_whole {
                    records.push(self.snapshot(seq)?);
                }
            }
        }
        self.tasks.clear();
        self.first = seq;
        self.frontier.clear();
        let mut targets = Vec::new();
        self.plan.branched("the start", &self.plan.start, &self.state, &mut targets)?;
        let plan = self.plan.clone();
        let seeds = self.frontier.next(&plan, [(&plan.start, &targets[..])], false);
        self.checkpoint(Source::Input, seeds, records, out)?;
        self.open(out)
    }

    /// What an earlier run has stored of supersteps that it never committed must not be taken for this one's.
    fn leave_behind(&mut self) {
        if self.limits.persist == Persist::Nothing {
            return;
        }
        let last = self.ahead.keys().map(|(seq, _)| *seq).max();
        self.head = self.head.max(last);
        self.ahead.clear();
    }

    /// Whether the checkpoint of the input is stored when it is made, even if the rest is stored at the end: so that a
    /// crash leaves a run that can be resumed, and effects that are known to be its own. The path of a graph inside says
    /// whose it is, unless it keeps its state.
    fn begins_at_once(&self) -> bool {
        self.limits.persist == Persist::AtEnd && (self.scope.is_root() || self.occasion.is_some())
    }

    /// All tasks have finished: commits the superstep.
    pub(super) fn commit(&mut self, out: &mut VecDeque<Output<S>>) -> Result<()> {
        let seq = self.seq();
        let records = self.result_records(seq)?;
        self.is_torn = true;
        (self.spent, self.read) = (self.spent(), self.read());
        self.apply_tasks()?;
        self.parent = self.upward();
        let seeds = match self.parent {
            Some(_) => Vec::new(),
            None => self.follow()?,
        };
        self.checkpoint(Source::Loop, seeds, records, out)?;
        self.open(out)
    }

    /// What the tasks command the graph around, as one command.
    fn upward(&mut self) -> Option<Box<Upward>> {
        let commands = self.tasks.iter_mut().filter_map(|task| match &mut task.status {
            Status::Finished(done) => done.parent.take(),
            _ => None,
        });
        commands.reduce(|mut all, next| {
            all.updates.extend(next.updates);
            all.goto.extend(next.goto);
            all
        })
    }

    /// The results that no record holds yet: those of the task that finished last, as a rule.
    fn result_records(&mut self, seq: u64) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        if self.limits.persist != Persist::Each {
            return Ok(records);
        }
        for index in 0..self.tasks.len() {
            let Status::Finished(done) = &self.tasks[index].status else { continue };
            match done.stored {
                Some(bytes) if !done.updates.is_empty() => self.weight.add(bytes as u64),
                None if !done.updates.is_empty() => {
                    let index = u32::try_from(index).expect("`frontier` counts the tasks");
                    let (record, bytes) = self.update_record(seq, index, &done.updates)?;
                    self.weight.add(bytes);
                    records.push(record);
                }
                Some(_) | None => {}
            }
        }
        Ok(records)
    }

    fn apply_tasks(&mut self) -> Result<()> {
        let is_written = |task: &Task<S>| matches!(&task.status, Status::Finished(done) if !done.updates.is_empty());
        if !self.plan.ephemeral && !self.tasks.iter().any(is_written) {
            return Ok(());
        }
        let (plan, state) = (&self.plan, Arc::make_mut(&mut self.state));
        let writes = self.tasks.iter_mut().enumerate().flat_map(|(index, task)| {
            let node = &*plan.node(task.runs()).name;
            let updates = match &mut task.status {
                Status::Finished(done) => std::mem::take(&mut done.updates),
                _ => Vec::new(),
            };
            updates.into_iter().map(move |update| (node, index, update))
        });
        match &mut self.collected {
            None => apply(state, writes),
            Some(collected) => {
                let writes: Vec<_> = writes.collect();
                collected.extend(writes.iter().map(|(_, _, update)| update.clone()));
                apply(state, writes)
            }
        }
    }

    /// Finds out what runs next.
    fn follow(&mut self) -> Result<Vec<Seed>> {
        let plan = self.plan.clone();
        for task in &mut self.tasks {
            let node = plan.node(task.runs());
            let Status::Finished(done) = &mut task.status else { continue };
            if !done.branched {
                plan.branched(&node.name, &node.exits, &self.state, &mut done.targets)?;
            }
        }
        let ran = self.tasks.iter().map(|task| {
            let targets: &[Target] = match &task.status {
                Status::Finished(done) => &done.targets,
                _ => &[],
            };
            (&plan.node(task.runs()).exits, targets)
        });
        Ok(self.frontier.next(&plan, ran, false))
    }

    /// Makes a checkpoint of the state as it is now, and opens the superstep after it.
    fn checkpoint(
        &mut self,
        source: Source,
        seeds: Vec<Seed>,
        mut records: Vec<Record>,
        out: &mut VecDeque<Output<S>>,
    ) -> Result<()> {
        let seq = self.seq();
        if seeds.len() > TASKS_MAX {
            let message = format!("{} tasks in one superstep; {TASKS_MAX} is the limit", seeds.len());
            return Err(Error::new(Kind::Limit, message));
        }
        self.after = self.gates_after();
        let at_once = source == Source::Input && self.begins_at_once();
        if self.limits.persist == Persist::Each || at_once {
            if self.weight.is_due() && self.collected.is_none() {
                records.extend(self.snapshot_if_worth(seq)?);
            }
            let step = Step { deferred: at_once, ..self.step(source, &seeds)? };
            let value = encode(&step)?;
            records.push(Record { place: self.place(seq), body: Body::Step { root: self.scope.root_seq(seq), value } });
            out.push_back(Output::Write { batch: Batch { records, durable: true, ..Batch::default() }, at_once });
        }
        if self.limits.listening {
            self.show_last(out);
        }
        self.advance(seq, seeds)?;
        if self.limits.listening {
            let next = self.next();
            out.push_back(Output::Emit(self.told(seq, EventKind::Checkpoint { next })));
            if self.limits.states {
                out.push_back(Output::Emit(
                    self.told(seq, EventKind::State { state: StateView::new(self.state.clone()) }),
                ));
            }
        }
        Ok(())
    }

    /// Takes the tasks of the next superstep.
    pub(super) fn advance(&mut self, seq: u64, seeds: Vec<Seed>) -> Result<()> {
        self.head = Some(seq);
        self.is_torn = false;
        self.tasks.clear();
        self.tasks.extend(seeds.into_iter().map(|seed| Task::new(seed.node, seed.input)));
        (self.next_start, self.gate_passed) = (0, false);
        // What runs store at their end may be behind what their effects have stored.
        self.fresh = self.limits.persist != Persist::AtEnd && !self.is_behind && !self.limits.loads;
        match self.ahead.is_empty() {
            true => Ok(()),
            false => self.take_ahead(),
        }
    }

    /// Tells of the task that completed the superstep, which had to wait for the commit.
    fn show_last(&mut self, out: &mut VecDeque<Output<S>>) {
        for index in 0..self.tasks.len() {
            let waits = matches!(&self.tasks[index].status, Status::Finished(done) if !done.told);
            if waits {
                self.show_finished(u32::try_from(index).expect("`frontier` counts the tasks"), out);
            }
        }
    }

    fn told(&self, seq: u64, kind: EventKind) -> crate::event::Event {
        crate::event::Event::new(&self.scope, seq, None, kind)
    }

    /// A snapshot of the state, after which reading begins anew.
    pub(crate) fn snapshot(&mut self, seq: u64) -> Result<Record> {
        let value = encode(&Saving::new(&*self.state, self.plan.version())?)?;
        Ok(self.snapshot_record(seq, value))
    }

    fn snapshot_if_worth(&mut self, seq: u64) -> Result<Option<Record>> {
        let value = encode(&Saving::new(&*self.state, self.plan.version())?)?;
        Ok(self.weight.takes(value.len() as u64).then(|| self.snapshot_record(seq, value)))
    }

    fn snapshot_record(&mut self, seq: u64, value: Vec<u8>) -> Record {
        self.weight = Weight::after(value.len() as u64);
        Record { place: self.place(seq), body: Body::Snapshot(value) }
    }

    pub(super) fn step(&self, source: Source, seeds: &[Seed]) -> Result<Step> {
        Ok(Step {
            shared: self.collected.is_some(),
            parent: self.parent.clone(),
            born: if self.scope.is_root() { self.scope.born() } else { 0 },
            spent: self.spent.time_ms(0),
            read: self.read.clone(),
            ran: if self.scope.is_root() { self.spent.time_ms } else { 0 },
            after: self.after.iter().map(|node| self.plan.node(*node).name.to_string()).collect(),
            ..Step::new(&self.plan, source, self.now, self.first, self.occasion.clone(), seeds, &self.frontier)?
        })
    }
}

/// What follows a node, and where its task leads besides.
pub(super) type Ran<'a, S> = (&'a Exits<S>, &'a [Target]);
