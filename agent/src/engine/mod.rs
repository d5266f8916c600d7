//! The engine: it decides what runs, what is stored and what comes next, and does none of it. Events go in, commands
//! come out, and nothing here waits, reads a clock or draws a number; so every history of a run, crashes included, can
//! be played through in a test. `run` performs its commands.

mod apply;
mod edit;
mod frontier;
mod gate;
mod records;
mod restore;
#[cfg(test)]
mod simulator;
mod task;
mod weight;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use lorewell_model::{Error, Kind, Origin, Result, Spent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use frontier::Frontier;
pub use frontier::Source;
pub(crate) use frontier::Step;
pub(crate) use records::{decode, decode_command, encode, encode_command};
pub(crate) use restore::{Answers, Known, Left};
pub use task::Failure;
pub(crate) use task::{Journal, Journaled, Launch, Tallied, TaskEnd, TaskKey, note_read, pay};
use task::{Status, Tally, Task};
use weight::Weight;

use crate::checkpoint::{Batch, EntryKey, Place, Record};
use crate::event::{Event, EventKind, Gate};
use crate::graph::{Plan, Upward};
use crate::question::Question;
use crate::scope::{Call, Scope};
use crate::state::State;

/// A loop that goes wrong is noticed before it costs much; a graph that needs more says so.
pub(crate) const STEPS_MAX: u64 = 100;
/// Enough to keep any number of cores busy with nodes that wait for others, few enough to hold all they hold.
pub(crate) const PARALLEL_MAX: usize = 64;

/// How a run is limited and watched.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) steps_max: u64,
    pub(crate) parallel_max: usize,
    pub(crate) gates_before: Vec<String>,
    pub(crate) gates_after: Vec<String>,
    pub(crate) persist: Persist,
    /// Whether something of graphs inside may be stored already, even of tasks that are new to this run.
    pub(crate) loads: bool,
    /// Whether anybody reads the events.
    pub(crate) listening: bool,
    /// Whether the whole state goes into the events too.
    pub(crate) states: bool,
    /// What an agent has read that nobody vouches for, where a call of it runs the graph.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) has_read: BTreeSet<Origin>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps_max: STEPS_MAX,
            parallel_max: PARALLEL_MAX,
            gates_before: Vec::new(),
            gates_after: Vec::new(),
            persist: Persist::Nothing,
            loads: false,
            listening: false,
            states: false,
            has_read: BTreeSet::new(),
        }
    }
}

/// What is stored, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Persist {
    Nothing,
    /// Each superstep as it is committed.
    Each,
    /// Where the run stands when it ends, however it ends.
    AtEnd,
}

/// What the engine is told.
pub(crate) enum Input<S: State> {
    /// Begin with an input. Only when nothing is unfinished.
    Begin { input: Begin<S>, now: u64 },
    /// Go on from where the checkpoint stands.
    Resume { now: u64 },
    /// Stop where the run stands, for this reason.
    Stop(Error),
    /// An attempt of a task has ended. Ignored if the task does not wait for that attempt.
    Ended { task: u32, attempt: u32, end: TaskEnd<S>, now: u64 },
}

/// What a run begins with.
pub(crate) enum Begin<S: State> {
    Input(crate::run::Input<S>),
    /// The state of the graph around, which that graph stores.
    Shared(Arc<S>),
}

/// What the engine wants done. Commands are carried out in order; if one fails the engine is thrown away, and what was
/// stored says how to go on.
pub(crate) enum Output<S: State> {
    /// Run an attempt of a task.
    Start(Launch<S>),
    /// Store a batch, before anything that follows. At once, even where the rest is stored when the run ends.
    Write { batch: Batch, at_once: bool },
    /// Tell those who listen.
    Emit(Event),
    /// The run is over; no task is running.
    End(End<S>),
}

/// How a run ended.
pub(crate) enum End<S: State> {
    Done { state: Arc<S>, parent: Option<Box<Upward>> },
    Paused { questions: Vec<Question>, gates: Vec<Gate>, state: Arc<S> },
    Failed(Error),
}

/// One graph that runs.
pub(crate) struct Engine<S: State> {
    plan: Arc<Plan<S>>,
    scope: Arc<Scope>,
    limits: Arc<Limits>,
    state: Arc<S>,
    /// The number of the newest checkpoint; `None` before the first.
    head: Option<u64>,
    /// The checkpoint of the input of this run: the limit of supersteps counts from there.
    first: u64,
    /// Which run of a subgraph that keeps its state this is.
    occasion: Option<String>,
    frontier: Frontier,
    /// The tasks of the superstep that is not committed, in the order in which their writes are applied.
    tasks: Vec<Task<S>>,
    /// Counts all launches, so that the end of one that was over long ago is known as such.
    attempts: u32,
    running: usize,
    /// Tasks from here on have not been looked at for a start.
    next_start: usize,
    /// Nodes that ran in the superstep just committed and have a gate after them.
    after: Vec<u32>,
    gate_passed: bool,
    weight: Weight,
    /// Entries of supersteps to come, which were stored before the checkpoint that led to them.
    ahead: Ahead,
    /// Whether the tasks of this superstep were made in this run, so that nothing of them can be stored.
    fresh: bool,
    /// Whether an earlier process ran on from here without storing how far it came.
    is_behind: bool,
    /// What the last event said the time is.
    now: u64,
    /// What the run has spent in the supersteps that are committed, and how long it has run.
    spent: Spent,
    /// Whose texts were read for what stands in the state, and nobody vouches for.
    read: BTreeSet<Origin>,
    /// All updates that were applied, for a graph on the state of another.
    collected: Option<Vec<S::Update>>,
    /// The command with which this graph has ended, for the graph around it.
    parent: Option<Box<Upward>>,
    /// Stopped at a gate.
    stopped: bool,
    /// The state may be that of the newest checkpoint no more, and not yet that of the next.
    is_torn: bool,
    over: bool,
}

/// Entries by the superstep and the task that they belong to.
type Ahead = HashMap<(u64, u32), Vec<(EntryKey, Vec<u8>)>>;

impl<S: State> Engine<S> {
    /// Begins where nothing is stored.
    pub(crate) fn fresh(plan: Arc<Plan<S>>, scope: Arc<Scope>, limits: Arc<Limits>) -> Self {
        let state = Arc::new(plan.blank.clone());
        Self {
            plan,
            scope,
            limits,
            state,
            head: None,
            first: 0,
            occasion: None,
            frontier: Frontier::default(),
            tasks: Vec::new(),
            attempts: 0,
            running: 0,
            next_start: 0,
            after: Vec::new(),
            gate_passed: false,
            weight: Weight::default(),
            ahead: HashMap::new(),
            fresh: true,
            is_behind: false,
            now: 0,
            spent: Spent::default(),
            read: BTreeSet::new(),
            collected: None,
            parent: None,
            stopped: false,
            is_torn: false,
            over: false,
        }
    }

    /// Says which run of a subgraph that keeps its state this is.
    pub(crate) fn set_occasion(&mut self, occasion: String) {
        self.occasion = Some(occasion);
    }

    /// Returns which run of a subgraph that keeps its state made the newest checkpoint.
    pub(crate) fn occasion(&self) -> Option<&str> {
        self.occasion.as_deref()
    }

    /// Runs on the state of the graph around: all updates are collected, so that they can be that graph's too.
    pub(crate) fn collect(&mut self, state: Arc<S>) {
        self.state = state;
        self.collected = Some(Vec::new());
    }

    /// Takes the updates that were collected.
    pub(crate) fn collected(&mut self) -> Vec<S::Update> {
        self.collected.take().unwrap_or_default()
    }

    /// Returns where it runs.
    pub(crate) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// The paths of the graphs that the tasks of the open superstep may run.
    pub(crate) fn open_paths(&self) -> Vec<Arc<str>> {
        let keys = (0u32..).zip(&self.tasks).map(|(index, task)| (self.key(index), self.plan.node(task.runs())));
        keys.map(|(key, node)| self.scope.inside(&node.name, key, key.seq, Call::Nth(0), false).path().clone())
            .collect()
    }

    /// The node that a task runs.
    pub(crate) fn running_node(&self, task: u32) -> Option<u32> {
        self.tasks.get(task as usize).map(Task::runs)
    }

    /// Returns the number of the newest checkpoint.
    pub(crate) fn head(&self) -> Option<u64> {
        self.head
    }

    /// Returns the state at the newest checkpoint.
    pub(crate) fn state(&self) -> &Arc<S> {
        &self.state
    }

    /// Tells whether there is something left to run.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Returns what the run has spent, with what finished tasks of the open superstep have.
    pub(crate) fn spent(&self) -> Spent {
        let mut spent = self.spent;
        self.tallies().for_each(|tally| spent += tally.spent);
        spent
    }

    /// Returns whose texts were read for the state, for what finished tasks wrote, and for what those say that have failed.
    pub(crate) fn read(&self) -> BTreeSet<Origin> {
        self.tallies().fold(self.read.clone(), |read, tally| &read | &tally.read)
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.tasks.iter().filter_map(|task| match &task.status {
            Status::Finished(done) => done.tally.as_deref(),
            Status::Failed(_) => task.lost.as_deref(),
            _ => None,
        })
    }

    /// Names the nodes that run next.
    pub(crate) fn next(&self) -> Vec<Arc<str>> {
        self.tasks.iter().map(|task| self.plan.node(task.node).name.clone()).collect()
    }

    /// Returns the questions that are open, in the order of their tasks.
    pub(crate) fn questions(&self, answers: &HashMap<String, Value>) -> Vec<Question> {
        let waiting = self.tasks.iter().filter_map(|task| match &task.status {
            Status::Paused(pause) => Some(pause),
            // One of its questions was answered; the others wait on.
            Status::Ready => task.asked.as_deref(),
            Status::Running | Status::Finished(_) | Status::Failed(_) => None,
        });
        waiting
            .flat_map(|pause| &pause.questions)
            .filter(|question| !answers.contains_key(&question.id))
            .cloned()
            .collect()
    }

    /// Takes what happened and says what is to be done, in order.
    pub(crate) fn handle(&mut self, input: Input<S>, out: &mut VecDeque<Output<S>>) {
        if self.over {
            return;
        }
        let result = match input {
            Input::Begin { input, now } => {
                self.now = now;
                self.begin(input, out)
            }
            Input::Resume { now } => {
                self.now = now;
                self.open(out)
            }
            Input::Stop(error) => Err(error),
            Input::Ended { task, attempt, end, now } => {
                self.spent.time_ms += now.saturating_sub(self.now);
                self.now = now;
                self.ended(task, attempt, end, out)
            }
        };
        if let Err(error) = result {
            self.end(End::Failed(error), out);
        }
    }

    /// Opens the superstep after a checkpoint: stops at its gates and its limit, or starts its tasks.
    fn open(&mut self, out: &mut VecDeque<Output<S>>) -> Result<()> {
        if self.tasks.is_empty() {
            let parent = self.parent.take();
            self.end(End::Done { state: self.state.clone(), parent }, out);
            return Ok(());
        }
        if !self.gate_passed {
            let gates = self.gates();
            if !gates.is_empty() {
                self.stop_at(gates, out);
                return Ok(());
            }
        }
        let steps = self.seq() - self.first;
        if steps > self.limits.steps_max {
            return Err(self.out_of_steps());
        }
        self.start_tasks(out);
        if self.running == 0 {
            self.settle(out)?;
        }
        Ok(())
    }

    fn out_of_steps(&self) -> Error {
        let names: Vec<_> = self.next().iter().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "not at the end after {} supersteps, {} would be next; look for a cycle that does not end, or raise `steps_max`",
            self.limits.steps_max,
            names.join(", ")
        );
        Error::new(Kind::Limit, message)
    }

    fn start_tasks(&mut self, out: &mut VecDeque<Output<S>>) {
        while self.running < self.limits.parallel_max && self.next_start < self.tasks.len() {
            let index = self.next_start;
            self.next_start += 1;
            if matches!(self.tasks[index].status, Status::Ready) {
                self.launch(index, std::time::Duration::ZERO, out);
            }
        }
    }

    fn launch(&mut self, index: usize, delay: std::time::Duration, out: &mut VecDeque<Output<S>>) {
        let place = u32::try_from(index).expect("`advance` counts the tasks");
        let seq = self.seq();
        let alone = self.tasks.len() == 1;
        self.attempts = self.attempts.wrapping_add(1);
        let task = &mut self.tasks[index];
        task.attempt = self.attempts;
        task.tries += 1;
        task.status = Status::Running;
        self.running += 1;
        let node = task.runs();
        let launch = Launch {
            task: place,
            attempt: task.attempt,
            tries: task.tries,
            node,
            delay,
            state: self.state.clone(),
            input: task.input.clone(),
            failure: task.failure.clone(),
            key: task.key.unwrap_or(TaskKey { seq, index: place }),
            seq,
            journal: task.journal.clone(),
            asked: task.asked.clone(),
            read: task.lost.iter().fold(self.read.clone(), |read, lost| &read | &lost.read),
            // An earlier attempt may have stored something of a graph that it ran.
            fresh: self.fresh && task.tries == 1 && task.failure.is_none(),
            alone,
        };
        let attempt = task.tries;
        let name = &self.plan.node(node).name;
        if self.limits.listening {
            let kind = EventKind::Started { attempt };
            out.push_back(Output::Emit(Event::new(&self.scope, seq, Some((name, place)), kind)));
        }
        out.push_back(Output::Start(launch));
    }

    /// The number of the checkpoint that the open superstep leads to.
    pub(crate) fn seq(&self) -> u64 {
        self.head.map_or(0, |head| head + 1)
    }

    fn ended(&mut self, index: u32, attempt: u32, end: TaskEnd<S>, out: &mut VecDeque<Output<S>>) -> Result<()> {
        let Some(task) = self.tasks.get(index as usize) else { return Ok(()) };
        if !matches!(task.status, Status::Running) || task.attempt != attempt {
            return Ok(());
        }
        self.running -= 1;
        match end {
            TaskEnd::Done { command, journal } => match self.finish(index, command, journal.tally.clone(), out) {
                Ok(()) => {}
                Err(error) => self.fail(index, error, journal, out)?,
            },
            TaskEnd::Asked { pause, journal } => self.pause(index, pause, journal, out)?,
            TaskEnd::Failed { error, journal } => self.fail(index, error, journal, out)?,
        }
        self.start_tasks(out);
        if self.running == 0 {
            self.settle(out)?;
        }
        Ok(())
    }

    /// Nothing runs any more: the superstep is complete, or something is missing.
    fn settle(&mut self, out: &mut VecDeque<Output<S>>) -> Result<()> {
        if self.tasks.iter().all(|task| matches!(task.status, Status::Finished(_))) {
            return self.commit(out);
        }
        let failed = self.tasks.iter_mut().find_map(|task| match &mut task.status {
            Status::Failed(error) => error.take(),
            _ => None,
        });
        self.sync(out);
        if let Some(error) = failed {
            self.end(End::Failed(error), out);
            return Ok(());
        }
        let paused = || self.tasks.iter().filter_map(Task::paused);
        let questions: Vec<Question> = paused().flat_map(|pause| &pause.questions).cloned().collect();
        let gates: Vec<Gate> = paused().flat_map(|pause| &pause.gates).cloned().collect();
        self.emit(None, || EventKind::Paused { questions: questions.clone(), gates: gates.clone() }, out);
        self.end(End::Paused { questions, gates, state: self.state.clone() }, out);
        Ok(())
    }

    fn end(&mut self, end: End<S>, out: &mut VecDeque<Output<S>>) {
        self.over = true;
        // Half a state is not stored: the run is left as a crash would leave it.
        if self.limits.persist == Persist::AtEnd && !self.is_torn {
            match self.at_end() {
                Ok(batch) => out.push_back(Output::Write { batch, at_once: false }),
                Err(error) => return out.push_back(Output::End(End::Failed(error))),
            }
        }
        out.push_back(Output::End(end));
    }

    fn emit(&self, task: Option<(&Arc<str>, u32)>, kind: impl FnOnce() -> EventKind, out: &mut VecDeque<Output<S>>) {
        if self.limits.listening {
            out.push_back(Output::Emit(Event::new(&self.scope, self.seq(), task, kind())));
        }
    }

    fn place(&self, seq: u64) -> Place {
        Place { path: self.scope.path().clone(), branch: self.scope.branch(), seq }
    }

    fn write(&self, records: Vec<Record>, durable: bool, out: &mut VecDeque<Output<S>>) {
        if self.limits.persist == Persist::Each && !records.is_empty() {
            out.push_back(Output::Write { batch: Batch { records, durable, ..Batch::default() }, at_once: false });
        }
    }

    /// Makes what was written before survive a power cut.
    fn sync(&self, out: &mut VecDeque<Output<S>>) {
        if self.limits.persist == Persist::Each {
            out.push_back(Output::Write { batch: Batch { durable: true, ..Batch::default() }, at_once: false });
        }
    }
}
