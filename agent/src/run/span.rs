//! The spans of runs and their tasks. A task may be spawned, so it carries its span, whose parent is the span of its run, and is
//! inside of it whenever it is polled.

use lorewell_model::semconv as name;
use lorewell_model::{Result, span};
use tracing::Span;
use tracing::field::Empty;

use super::{Outcome, Session};
use crate::cx::TaskScope;
use crate::engine::TaskEnd;
use crate::state::State;

/// The span of a run, inside of whatever is going on where the run is awaited.
pub(super) fn of_run() -> Span {
    tracing::info_span!(
        target: span::TARGET,
        "invoke_workflow",
        { name::SPAN_NAME } = name::operation::INVOKE_WORKFLOW,
        { name::SPAN_KIND } = "internal",
        { name::SPAN_STATUS } = Empty,
        { name::SPAN_STATUS_DESCRIPTION } = Empty,
        { name::OPERATION_NAME } = name::operation::INVOKE_WORKFLOW,
        { name::CONVERSATION_ID } = Empty,
        { name::OUTCOME } = Empty,
        { name::ERROR_TYPE } = Empty,
    )
}

/// Notes which thread a run goes on. A run that is not stored has no thread that anybody could find again.
pub(super) fn opened(span: &Span, session: &Session) {
    if !span.is_disabled() && session.link.is_some() {
        span.record(name::CONVERSATION_ID, &**session.thread.get());
    }
}

/// Notes how a run ended.
pub(super) fn ended<S>(span: &Span, outcome: &Result<Outcome<S>>) {
    match outcome {
        Ok(Outcome::Done(_)) => drop(span.record(name::OUTCOME, "done")),
        Ok(Outcome::Paused(_)) => drop(span.record(name::OUTCOME, "paused")),
        Err(error) => span::failed(span, error),
    }
}

/// The span of one attempt of a task. Dropped before the attempt ends, it says so.
pub(super) struct TaskSpan(Span);

impl TaskSpan {
    pub(super) fn new(task: &TaskScope) -> Self {
        let span = tracing::info_span!(
            target: span::TARGET,
            "node",
            { name::SPAN_NAME } = %format_args!("node {}", task.node),
            { name::SPAN_KIND } = "internal",
            { name::SPAN_STATUS } = Empty,
            { name::SPAN_STATUS_DESCRIPTION } = Empty,
            { name::GRAPH_NODE_ID } = Empty,
            { name::GRAPH_NODE_NAME } = &*task.node,
            { name::GRAPH_NODE_PARENT_ID } = Empty,
            { name::SUPERSTEP } = task.seq,
            { name::ATTEMPT } = task.tries + 1,
            { name::OUTCOME } = Empty,
            { name::ERROR_TYPE } = Empty,
        );
        if !span.is_disabled() {
            let path = task.scope.path();
            match path.is_empty() {
                true => span.record(name::GRAPH_NODE_ID, &*task.node),
                false => {
                    span.record(name::GRAPH_NODE_PARENT_ID, &**path);
                    span.record(name::GRAPH_NODE_ID, format_args!("{path}/{}", task.node).to_string())
                }
            };
        }
        Self(span)
    }

    pub(super) fn enter(&self) -> tracing::span::Entered<'_> {
        self.0.enter()
    }

    /// Notes how the attempt ended, and lets the span end.
    pub(super) fn end<S: State>(&mut self, end: &TaskEnd<S>) {
        let span = std::mem::replace(&mut self.0, Span::none());
        match end {
            TaskEnd::Done { .. } => drop(span.record(name::OUTCOME, "done")),
            TaskEnd::Asked { .. } => drop(span.record(name::OUTCOME, "paused")),
            TaskEnd::Failed { error, .. } => span::failed(&span, error),
        }
    }
}

impl Drop for TaskSpan {
    fn drop(&mut self) {
        span::failed_as(&self.0, "cancelled", "the run was stopped");
    }
}
