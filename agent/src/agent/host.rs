//! The agent as the host of its tools: what they report becomes events of the run, what they ask questions of its thread.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lorewell_model::{Result, ToolCall, ToolHost};
use serde_json::{Value, json};

use crate::cx::TaskScope;
use crate::event::EventKind;
use crate::payload::Payload;

/// One call and those beside it.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) task: Arc<TaskScope>,
    pub(super) asking: Arc<Asking>,
    /// Which call of the answer it is.
    pub(super) index: usize,
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
}

/// A question that waits for an answer.
#[derive(Debug)]
struct Open {
    index: usize,
    name: String,
    prompt: Value,
    schema: Value,
}

impl Asking {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.asked().open.len()
    }

    /// Asks all that waits.
    pub(super) fn ask(&self, task: &TaskScope) {
        let mut open = std::mem::take(&mut self.asked().open);
        open.sort_by_key(|open| open.index);
        for Open { name, prompt, schema, .. } in open {
            task.ask_named(&name, prompt, schema);
        }
    }
}

impl Host {
    /// Begins an attempt, which asks what the one before it has asked.
    pub(super) fn begin(&self) {
        self.asking.asked().counts.remove(&self.index);
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
            let value = json!({"call": call.id, "tool": call.name, "progress": value});
            let kind = EventKind::Custom { name: "tool_progress".to_owned(), value: Payload::new(value) };
            self.task.emit(kind).await;
        }
    }

    async fn ask(&self, call: &ToolCall, prompt: &str, schema: Value) -> Result<Value> {
        let name = {
            let mut asked = self.asking.asked();
            let count = asked.counts.entry(self.index).or_default();
            *count += 1;
            format!("ask {} {}", call.id, *count - 1)
        };
        if let Some(answer) = self.task.answer_named(&name) {
            return Ok(answer);
        }
        let prompt = json!({"kind": "question", "tool": call.name, "text": prompt});
        self.asking.asked().open.push(Open { index: self.index, name, prompt, schema });
        std::future::pending().await
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("index", &self.index).finish_non_exhaustive()
    }
}
