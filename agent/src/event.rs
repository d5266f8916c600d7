//! What a run tells while it runs. Events are plain data of one type for all graphs, so that those of a subgraph come in
//! the same stream; states and updates in them keep their types underneath.

use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::payload::Payload;
use crate::question::Question;
use crate::scope::Scope;
use crate::state::{Saved, State};

/// Something that happened in a run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The graph within the thread; empty for the thread's own.
    pub path: Arc<str>,
    /// The checkpoint that the superstep leads to, or has led to.
    pub seq: u64,
    /// The node and the place of the task among those of its superstep, if a task is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<(Arc<str>, u32)>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Whether an effect told it, which a replay does not do again.
    #[serde(skip)]
    pub(crate) by_effect: bool,
}

/// Events that a task told at once, with its place.
pub(crate) type Burst = (u32, Vec<Event>);

impl Event {
    pub(crate) fn new(scope: &Scope, seq: u64, task: Option<(&Arc<str>, u32)>, kind: EventKind) -> Self {
        let task = task.map(|(node, index)| (node.clone(), index));
        Self { path: scope.path().clone(), seq, task, kind, by_effect: false }
    }

    /// Returns the node, if the event is about a task.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.task.as_ref().map(|(node, _)| &**node)
    }
}

/// An event as a recording has it. All fields of all kinds in one, for a value stays the text that it was only outside of
/// enums and flattened structs.
#[derive(Deserialize)]
struct Read<'a> {
    path: Arc<str>,
    seq: u64,
    #[serde(default)]
    task: Option<(Arc<str>, u32)>,
    event: String,
    #[serde(default)]
    attempt: u32,
    #[serde(default, borrow)]
    updates: Vec<&'a RawValue>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    wait_ms: u64,
    #[serde(default)]
    handler: Option<Arc<str>>,
    #[serde(default)]
    next: Vec<Arc<str>>,
    #[serde(default, borrow)]
    state: Option<&'a RawValue>,
    #[serde(default)]
    questions: Vec<Question>,
    #[serde(default)]
    gates: Vec<Gate>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    content: Value,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
}

impl Event {
    /// Reads an event that was written as JSON.
    pub(crate) fn read(json: &str) -> Result<Self> {
        let no_event = |why: &dyn fmt::Display| Error::new(Kind::BadInput, format!("no event of a recording: {why}"));
        let read: Read<'_> = serde_json::from_str(json).map_err(|error| no_event(&error))?;
        let held = |value: Option<&RawValue>| Payload::from_json(value.unwrap_or(RawValue::NULL).to_owned());
        let kind = match &*read.event {
            "started" => EventKind::Started { attempt: read.attempt },
            "finished" => {
                EventKind::Finished { updates: read.updates.iter().map(|update| held(Some(update))).collect() }
            }
            "retrying" => EventKind::Retrying { attempt: read.attempt, error: read.error, wait_ms: read.wait_ms },
            "failed" => EventKind::Failed { error: read.error, handler: read.handler },
            "checkpoint" => EventKind::Checkpoint { next: read.next },
            "state" => EventKind::State { state: StateView(held(read.state)) },
            "paused" => EventKind::Paused { questions: read.questions, gates: read.gates },
            "token" => EventKind::Token { text: read.text },
            "reasoning" => EventKind::Reasoning { text: read.text },
            "tool_call" => EventKind::ToolCall { id: read.id, name: read.name, arguments: read.arguments },
            "tool_result" => EventKind::ToolResult { id: read.id, content: read.content },
            "custom" => EventKind::Custom { name: read.name, value: held(read.value) },
            other => return Err(no_event(&format!("there is no kind `{other}`"))),
        };
        Ok(Self { path: read.path, seq: read.seq, task: read.task, kind, by_effect: true })
    }
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A task has started.
    Started {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A task has finished. Told after what it wrote is stored.
    Finished {
        /// What it wrote: one update as a rule, several for a subgraph on the same state.
        updates: Vec<Payload>,
    },
    /// A task has failed and will run again.
    Retrying {
        /// Which attempt failed, from 1.
        attempt: u32,
        /// Why.
        error: String,
        /// The wait before the next attempt, in milliseconds.
        wait_ms: u64,
    },
    /// A task has failed for good.
    Failed {
        /// Why.
        error: String,
        /// The node that handles it, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        handler: Option<Arc<str>>,
    },
    /// A checkpoint was made.
    Checkpoint {
        /// The nodes that run next.
        next: Vec<Arc<str>>,
    },
    /// The state at the checkpoint that was just made. Only told to those who ask for it.
    State {
        /// The state.
        state: StateView,
    },
    /// The run waits for a person.
    Paused {
        /// The questions that are open.
        questions: Vec<Question>,
        /// The gates it stopped at.
        gates: Vec<Gate>,
    },
    /// A language model said something.
    Token {
        /// What it said.
        text: String,
    },
    /// A language model thought something, before it says or does what comes of it.
    Reasoning {
        /// What it thought.
        text: String,
    },
    /// A language model asked for a tool.
    ToolCall {
        /// The id of the call.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
    /// A tool answered.
    ToolResult {
        /// The id of the call.
        id: String,
        /// What it answered.
        content: Value,
    },
    /// What a node told with [`Cx::emit`](crate::Cx::emit), or a tool with [`ToolCx::emit`](lorewell_model::ToolCx::emit).
    Custom {
        /// What it is called.
        name: String,
        /// What it holds.
        value: Payload,
    },
}

/// A place where a run was told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The graph within the thread; empty for the thread's own.
    pub path: Arc<str>,
    /// The node.
    pub node: Arc<str>,
    /// On which side of it.
    pub side: Side,
}

/// A side of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before it runs.
    Before,
    /// After it has run.
    After,
}

/// A state inside an event.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct StateView(Payload);

impl StateView {
    pub(crate) fn new<S: State>(state: Arc<S>) -> Self {
        Self(Payload::new(Viewed(state)))
    }

    /// Returns the state, if it is an `S`.
    #[must_use]
    pub fn get<S: State>(&self) -> Option<&S> {
        self.0.downcast_ref::<Viewed<S>>().map(|viewed| &*viewed.0)
    }

    /// Returns its stored fields as JSON.
    ///
    /// # Errors
    /// A field has no form in JSON.
    pub fn json(&self) -> Result<String> {
        self.0.json().map(std::borrow::Cow::into_owned)
    }
}

struct Viewed<S>(Arc<S>);

impl<S: State> Serialize for Viewed<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut saved = Saved::default();
        self.0.save(&mut saved).map_err(serde::ser::Error::custom)?;
        saved.serialize(serializer)
    }
}
