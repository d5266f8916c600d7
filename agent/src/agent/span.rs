//! The spans of an agent: one for each turn, and one for each call that it really makes. What is known from before a crash is not
//! done again, and has no span.

use std::sync::Arc;

use lorewell_model::semconv as name;
use lorewell_model::{Error, Tool, ToolCall, ToolResult, Usage, span};
use serde_json::Value;
use tracing::Span;
use tracing::field::Empty;

use super::{Chat, Inner};
use crate::cx::{Cx, TaskScope};

/// A span whose work goes on. Dropped before that ends, it says whether a person is waited for, or the run was stopped.
pub(super) struct Open {
    span: Span,
    task: Arc<TaskScope>,
}

impl Open {
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Lets the span end, with what went wrong.
    pub(super) fn end(mut self, error: Option<&Error>) {
        let span = std::mem::replace(&mut self.span, Span::none());
        if let Some(error) = error {
            span::failed(&span, error);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        match self.task.has_paused() {
            true => drop(self.span.record(name::OUTCOME, "paused")),
            false => span::failed_as(&self.span, "cancelled", "the run was stopped"),
        }
    }
}

/// The span of a turn.
pub(super) fn of_turn(agent: &Inner, cx: &Cx<Chat>) -> Open {
    let model = agent.model.name();
    let span = tracing::info_span!(
        target: span::TARGET,
        "invoke_agent",
        { name::SPAN_NAME } = %format_args!("invoke_agent {}", agent.name),
        { name::SPAN_KIND } = "internal",
        { name::SPAN_STATUS } = Empty,
        { name::SPAN_STATUS_DESCRIPTION } = Empty,
        { name::OPERATION_NAME } = name::operation::INVOKE_AGENT,
        { name::AGENT_NAME } = agent.name,
        { name::PROVIDER_NAME } = name::provider(model.provider()),
        { name::REQUEST_MODEL } = model.model(),
        { name::CONVERSATION_ID } = Empty,
        { name::USAGE_INPUT_TOKENS } = Empty,
        { name::USAGE_OUTPUT_TOKENS } = Empty,
        { name::OUTCOME } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    let session = &cx.task().session;
    if !span.is_disabled() && session.link.is_some() {
        span.record(name::CONVERSATION_ID, &**session.thread.get());
    }
    Open { span, task: cx.task().clone() }
}

/// Notes in the span of the turn, which is the current one, what its models have used.
pub(super) fn used(usage: Usage) {
    let span = Span::current();
    span.record(name::USAGE_INPUT_TOKENS, usage.input_tokens);
    span.record(name::USAGE_OUTPUT_TOKENS, usage.output_tokens);
}

/// The span of a call.
pub(super) fn of_call(task: &Arc<TaskScope>, call: &ToolCall, tool: &dyn Tool, arguments: &Value) -> Open {
    let span = tracing::info_span!(
        target: span::TARGET,
        "execute_tool",
        { name::SPAN_NAME } = %format_args!("execute_tool {}", call.name),
        { name::SPAN_KIND } = "internal",
        { name::SPAN_STATUS } = Empty,
        { name::SPAN_STATUS_DESCRIPTION } = Empty,
        { name::OPERATION_NAME } = name::operation::EXECUTE_TOOL,
        { name::TOOL_NAME } = call.name,
        { name::TOOL_TYPE } = "function",
        { name::TOOL_DESCRIPTION } = tool.spec().description,
        { name::TOOL_CALL_ID } = call.id,
        { name::TOOL_CALL_ARGUMENTS } = Empty,
        { name::TOOL_CALL_RESULT } = Empty,
        { name::OUTCOME } = Empty,
        { name::ERROR_TYPE } = Empty,
    );
    span::content(&span, name::TOOL_CALL_ARGUMENTS, || arguments.to_string());
    Open { span, task: task.clone() }
}

/// Notes what a call has given. What the model is told of an error is content, so the status only says that there was one.
pub(super) fn answered(span: &Span, result: &ToolResult) {
    span::content(span, name::TOOL_CALL_RESULT, || result.text());
    if result.is_error {
        span::failed_as(span, "tool_error", "the tool gave no answer");
    }
}
