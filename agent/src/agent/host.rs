//! The agent as the host of its tools: what they report becomes events of the run, what they ask questions of its thread.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Origin, Result, Spent, ToolCall, ToolHost};
use serde_json::{Value, json};

use super::approval::digest;
use crate::cx::{Ended, Inner, TaskScope, run_call};
use crate::engine::Begin;
use crate::event::{EventKind, Gate};
use crate::flow::Flow;
use crate::payload::Payload;
use crate::question::{Question, without_secrets};
use crate::run::Input;
use crate::scope::Call;
use crate::state::State;

/// One call and those beside it.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) task: Arc<TaskScope>,
    pub(super) asking: Arc<Asking>,
    /// Which answer of the model it belongs to.
    pub(super) step: u32,
    /// Which call of the answer it is.
    pub(super) index: usize,
    /// Whose texts the run has read that nobody vouches for.
    pub(super) has_read: Arc<BTreeSet<Origin>>,
    /// What graphs inside the call have read.
    pub(super) read: Arc<Mutex<BTreeSet<Origin>>>,
    /// What graphs inside the call have spent.
    pub(super) spent: Arc<Mutex<Spent>>,
}

/// The questions of calls that run side by side. They are asked when nothing else is left to do, and in the order of the
/// calls: so nothing that runs is cut off by a pause, and a question has the same id whoever was first.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// How many questions each call has asked.
    counts: HashMap<usize, u32>,
    open: Vec<Open>,
    /// Questions about calls that are not being made.
    later: Vec<Open>,
}

/// A call that waits for an answer.
#[derive(Debug)]
struct Open {
    index: usize,
    asked: Waits,
}

/// What it waits for.
#[derive(Debug)]
enum Waits {
    /// A question of its own.
    Own { name: String, prompt: Value, schema: Value },
    /// Those of the graph that it runs.
    Inside { questions: Vec<Question>, gates: Vec<Gate> },
}

impl Asking {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a question that is to be asked about a call before it is made.
    pub(super) fn later(&self, index: usize, name: String, prompt: Value, schema: Value) {
        self.asked().later.push(Open { index, asked: Waits::Own { name, prompt, schema } });
    }

    /// How many calls wait for an answer in the middle.
    pub(super) fn waiting(&self) -> usize {
        self.asked().open.len()
    }

    /// Asks all that there is to ask. Returns whether there was anything.
    pub(super) fn ask(&self, task: &TaskScope) -> bool {
        let mut open: Vec<Open> = {
            let mut asked = self.asked();
            let later = std::mem::take(&mut asked.later);
            asked.open.drain(..).chain(later).collect()
        };
        open.sort_by_key(|open| open.index);
        let is_any = !open.is_empty();
        for Open { asked, .. } in open {
            match asked {
                Waits::Own { name, prompt, schema } => task.ask_named(&name, prompt, schema),
                Waits::Inside { questions, gates } => task.pause_with(questions, gates),
            }
        }
        is_any
    }
}

impl Host {
    /// Begins an attempt, which asks what the one before it has asked.
    pub(super) fn begin(&self) {
        self.asking.asked().counts.remove(&self.index);
    }

    /// Waits for a person, in the place of the call.
    async fn wait<T>(&self, asked: Waits) -> T {
        self.asking.asked().open.push(Open { index: self.index, asked });
        std::future::pending().await
    }

    /// Notes what a graph inside the call has read.
    fn note_read(&self, origins: &BTreeSet<Origin>) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).extend(origins);
    }

    /// Runs a graph within the call, with checkpoints of its own: when the call is made again, it goes on where it was. Its
    /// questions are asked as questions of the thread, together with those of the calls beside it. What the agent has read that
    /// calls, the agents of the graph count as read.
    pub(super) async fn run<S: State>(&self, tool: &str, flow: &Flow<S>, input: Input<S>) -> Result<Arc<S>> {
        // One that keeps its state is the same in all calls of its tool.
        let call = format!("call-{}-{}", self.step, self.index);
        let place = if flow.keeps() { format!("tool-{tool}") } else { call.clone() };
        match run_call(&self.task, flow, Begin::Input(input), Call::Named(place), &call, &self.has_read).await? {
            Inner::Ended(Ended { parent: Some(_), .. }) => {
                let message = "the graph gave a command to the graph around it, and there is none: a tool runs it";
                Err(Error::new(Kind::BadOutput, message))
            }
            Inner::Ended(Ended { state, spent, read, .. }) => {
                self.note_read(&read);
                *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += spent;
                Ok(state)
            }
            Inner::Paused { questions, gates } => self.wait(Waits::Inside { questions, gates }).await,
            Inner::Failed { error, read } => {
                self.note_read(&read);
                Err(error)
            }
        }
    }

    /// Returns when the call has taken so long, unless it waits for a person.
    pub(super) async fn too_long(&self, limit: Duration) {
        tokio::time::sleep(limit).await;
        let is_waiting = self.asking.asked().open.iter().any(|open| open.index == self.index);
        if is_waiting {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl ToolHost for Host {
    async fn progress(&self, call: &ToolCall, value: Value) {
        self.task.alive();
        if self.task.is_heard() {
            let value = json!({"call": call.id, "tool": call.name, "progress": without_secrets(value)});
            let kind = EventKind::Custom { name: "tool_progress".to_owned(), value: Payload::new(value) };
            self.task.emit(kind).await;
        }
    }

    async fn emit(&self, _: &ToolCall, name: &str, value: Value) {
        self.task.alive();
        if self.task.is_heard() {
            let value = without_secrets(value);
            let kind = EventKind::Custom { name: name.to_owned(), value: Payload::new(value) };
            self.task.emit(kind).await;
        }
    }

    async fn ask(&self, call: &ToolCall, prompt: &str, schema: Value) -> Result<Value> {
        let nth = {
            let mut asked = self.asking.asked();
            let count = asked.counts.entry(self.index).or_default();
            *count += 1;
            *count - 1
        };
        let mut shown = json!({"kind": "question", "tool": call.name, "text": prompt});
        if !self.has_read.is_empty() {
            shown["has_read"] = json!(*self.has_read);
        }
        // The id of a call is the model's choice, so it names nothing here; and a text that has changed is another question.
        let digest = digest(&[&shown.to_string(), &schema.to_string(), &call.arguments_json]);
        let name = format!("ask {}.{} {nth} {digest}", self.step, self.index);
        if let Some(answer) = self.task.answer_named(&name) {
            return Ok(answer);
        }
        self.wait(Waits::Own { name, prompt: shown, schema }).await
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("index", &self.index).finish_non_exhaustive()
    }
}
