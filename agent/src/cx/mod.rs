//! What a node is given: the state, its input, and the ways to do things that must not happen twice.

mod inner;
mod task;
mod within;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lorewell_model::{Error, Kind, Origin, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use inner::{Ended, Held, Inner, already_held, run_call};
pub(crate) use task::{Parts, TaskScope};

use crate::engine::Failure;
use crate::event::EventKind;
use crate::flow::Flow;
use crate::graph::Upward;
use crate::payload::Payload;
use crate::run::Input;
use crate::state::State;
use within::Within;

/// What a node is given when it runs.
///
/// A node may run more than once: after a failure, a crash, an answer. What it gets from here is the same each time: the
/// state, its input, the results of its effects, the time, random numbers, ids and answers.
pub struct Cx<S: State> {
    state: Arc<S>,
    task: Arc<TaskScope>,
}

impl<S: State> Cx<S> {
    pub(crate) fn new(state: Arc<S>, task: Arc<TaskScope>) -> Self {
        Self { state, task }
    }

    /// What the task knows besides the state.
    pub(crate) fn task(&self) -> &Arc<TaskScope> {
        &self.task
    }

    /// Returns the state as the superstep began with it. No task sees what others write in the same superstep.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state, to be held longer than the task.
    pub(crate) fn shared_state(&self) -> &Arc<S> {
        &self.state
    }

    /// Returns the name of the node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.task.node
    }

    /// Returns the name of the thread; a random one if the run is not stored.
    #[must_use]
    pub fn thread(&self) -> &str {
        self.task.scope.thread()
    }

    /// Returns which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.task.tries
    }

    /// Reads the input that was sent to this task.
    ///
    /// # Errors
    /// `BadInput` if nothing was sent, or something else.
    pub fn input<T: Clone + DeserializeOwned + 'static>(&self) -> Result<T> {
        let input = self.task.input.as_ref().ok_or_else(|| {
            Error::new(Kind::BadInput, "the task has no input: an edge led here; use `send` to give it one")
        })?;
        input.read().map_err(|error| error.context("the input of the task"))
    }

    /// Tells whether the task was sent an input.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.task.input.is_some()
    }

    /// Returns what went wrong, in a node that handles the errors of another.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.task.failure.as_ref()
    }

    /// Asks a person, and waits for the answer as long as it takes: the task pauses, and runs again from its start when
    /// there is an answer, with which this call then returns. The answer is checked against the schema of `T` before
    /// it is stored.
    ///
    /// Nothing behind a question that is open runs, so what comes before it may run more than once: wrap what must not
    /// in [`effect`](Self::effect).
    ///
    /// # Errors
    /// The stored answer is no `T`, because the type has changed since it was given.
    pub async fn ask<T: DeserializeOwned + JsonSchema>(&self, prompt: impl Into<Value>) -> Result<T> {
        let schema = schemars::schema_for!(T).to_value();
        let (id, answer) = self.task.ask(prompt.into(), schema)?;
        let answer = match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        };
        serde_json::from_value(answer).map_err(|error| {
            let message =
                format!("the stored answer to question `{id}` is no `{}`: {error}", std::any::type_name::<T>());
            Error::new(Kind::BadInput, message).caused_by(error)
        })
    }

    /// Does something that must not happen twice. The result is stored before the task sees it; when the task runs again
    /// it gets the stored result. `act` is given a key that is the same whenever the effect is tried again: hand it to
    /// the other side, which knows by it what it has done already.
    ///
    /// Effects of one task are told apart by name, and those of one name by their order.
    ///
    /// # Errors
    /// Those of `act`, which are not stored; those of the store.
    pub async fn effect<T, F>(&self, name: &str, act: impl FnOnce(String) -> F) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T>>,
    {
        let (entry, known) = self.task.effect(name).await?;
        if let Some(known) = known {
            return serde_json::from_slice(&known).map_err(|error| {
                let message =
                    format!("the stored result of effect `{name}` is no `{}`: {error}", std::any::type_name::<T>());
                Error::new(Kind::Corrupt, message).caused_by(error)
            });
        }
        self.task.before_effect().await?;
        let value =
            Within::new(act(self.task.key(&entry))).await.map_err(|error| error.context(format!("effect `{name}`")))?;
        match self.task.keeps_results {
            true => self.task.store_effect(entry, crate::engine::encode(&value)?).await?,
            false => self.task.alive(),
        }
        Ok(value)
    }

    /// Returns the time; the same when the task runs again.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let since = self.task.drawn("now", || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
        });
        UNIX_EPOCH + Duration::from_micros(since)
    }

    /// Returns a random number; the same when the task runs again. Fit for keys and tokens.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.task.drawn("random", entropy)
    }

    /// Returns an id that nothing else has; the same when the task runs again.
    #[must_use]
    pub fn id(&self) -> String {
        self.task.id()
    }

    /// Tells those who listen. Waits while they are behind.
    pub async fn emit<T: Serialize + Send + Sync + 'static>(&self, name: &str, value: T) {
        if self.task.is_heard() {
            self.task.emit(EventKind::Custom { name: name.to_owned(), value: Payload::new(value) }).await;
        }
    }

    /// Tells those who listen what a language model says.
    pub async fn token(&self, text: &str) {
        if self.task.is_heard() {
            self.task.emit(EventKind::Token { text: text.to_owned() }).await;
        }
    }

    /// Tells those who listen what a language model thinks.
    pub async fn reasoning(&self, text: &str) {
        if self.task.is_heard() {
            self.task.emit(EventKind::Reasoning { text: text.to_owned() }).await;
        }
    }

    /// Tells those who listen of a call of a tool.
    pub async fn tool_call(&self, id: &str, name: &str, arguments: &Value) {
        if self.task.is_heard() {
            let arguments = arguments.clone();
            self.task.emit(EventKind::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments }).await;
        }
    }

    /// Tells those who listen what a tool answered.
    pub async fn tool_result(&self, id: &str, content: &Value) {
        if self.task.is_heard() {
            self.task.emit(EventKind::ToolResult { id: id.to_owned(), content: content.clone() }).await;
        }
    }

    /// Returns whose texts were read before, by this node, by those whose results the state may hold, and by whoever has called
    /// the graph; only those that nobody vouches for.
    ///
    /// An agent that is to write or send asks a person first if there are any.
    #[must_use]
    pub fn has_read(&self) -> BTreeSet<Origin> {
        self.task.has_read()
    }

    /// Notes that the node has read a text of this origin. From then on all that runs later counts as having read it, in the
    /// runs after this one too, until one begins with a new state. Agents, and graphs inside, note by themselves what they read.
    pub fn note_read(&self, origin: Origin) {
        self.task.note_read([origin]);
    }

    /// Shows that the task is alive, for its idle timeout.
    pub fn alive(&self) {
        self.task.alive();
    }

    /// Runs another graph inside this task, with checkpoints of its own, and returns its last state. When this task runs
    /// again, the graph goes on where it was. Its questions are asked as questions of this thread.
    ///
    /// # Errors
    /// Those of its nodes.
    pub async fn run<C: State>(&self, flow: &Flow<C>, input: impl Into<Input<C>> + Send) -> Result<C> {
        let (state, parent) = self.run_within(flow, input.into()).await?;
        match parent {
            None => Ok(Arc::unwrap_or_clone(state)),
            Some(_) => {
                let message = "the graph gave a command to the graph around it, which only a node made of it can take; \
                               use `Flow::within`";
                Err(Error::new(Kind::BadInput, message))
            }
        }
    }

    pub(crate) async fn run_within<C: State>(
        &self,
        flow: &Flow<C>,
        input: Input<C>,
    ) -> Result<(Arc<C>, Option<Box<Upward>>)> {
        let ended = Box::pin(inner::run(&self.task, flow, crate::engine::Begin::Input(input))).await?;
        Ok((ended.state, ended.parent))
    }

    /// Runs another graph on the same state; what its nodes wrote is returned, to be written by this task.
    pub(crate) async fn run_shared(&self, flow: &Flow<S>) -> Result<(Vec<S::Update>, Option<Box<Upward>>)> {
        let ended = Box::pin(inner::run(&self.task, flow, crate::engine::Begin::Shared(self.state.clone()))).await?;
        Ok((ended.updates, ended.parent))
    }
}

impl<S: State> fmt::Debug for Cx<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("node", &self.task.node).finish_non_exhaustive()
    }
}

/// Draws a random number from the operating system.
pub(crate) fn entropy() -> u64 {
    // It fails only where there is no source of randomness at all; a hash of the time is then the best there is.
    getrandom::u64().unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let hash = blake3::hash(&now.to_le_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    })
}
