//! The spans of an agent: one for each turn, and one for each call that it really makes. What is known from before a crash is not
//! done again, and has no span.

use lorewell_model::semconv as name;
use lorewell_model::{Error, Result, Tool, ToolCall, ToolResult, Usage, span};
use serde_json::Value;
use tracing::Span;
use tracing::field::Empty;

use super::{Chat, Inner};
use crate::cx::Cx;

/// The span of a turn.
pub(super) fn of_turn(agent: &Inner, cx: &Cx<Chat>) -> Span {
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
        { name::ERROR_TYPE } = Empty,
    );
    let session = &cx.task().session;
    if !span.is_disabled() && session.link.is_some() {
        span.record(name::CONVERSATION_ID, &**session.thread.get());
    }
    span
}

/// Notes in the span of the turn, which is the current one, what its models have used.
pub(super) fn used(usage: Usage) {
    let span = Span::current();
    span.record(name::USAGE_INPUT_TOKENS, usage.input_tokens);
    span.record(name::USAGE_OUTPUT_TOKENS, usage.output_tokens);
}

/// The span of a call.
pub(super) fn of_call(call: &ToolCall, tool: &dyn Tool, arguments: &Value) -> Span {
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
        { name::ERROR_TYPE } = Empty,
    );
    span::content(&span, name::TOOL_CALL_ARGUMENTS, || arguments.to_string());
    span
}

/// Notes how a call ended. What the model is told of an error is content, so the status only says that there was one.
pub(super) fn called(span: &Span, made: Result<&ToolResult, &Error>) {
    match made {
        Ok(result) => {
            span::content(span, name::TOOL_CALL_RESULT, || result.text());
            if result.is_error {
                span::failed_as(span, "tool_error", "the tool gave no answer");
            }
        }
        Err(error) => span::failed(span, error),
    }
}
