//! Conversations in the shape that narrow templates take: one call at a time.

use crate::message::{Message, Part, Role, ToolResult};
use crate::request::Request;

/// Tells whether a message asks for several tools.
pub(super) fn has_parallel(request: &Request) -> bool {
    request.messages.iter().any(|message| message.tool_calls().nth(1).is_some())
}

/// Returns the request with calls that were made together made one after the other, each with its result.
pub(super) fn one_by_one(request: &Request) -> Request {
    let mut made = Vec::new();
    let mut messages = request.messages.iter().peekable();
    while let Some(message) = messages.next() {
        if message.role != Role::Assistant || message.tool_calls().nth(1).is_none() {
            made.push(message.clone());
            continue;
        }
        let mut results = Vec::new();
        while let Some(answers) = messages.next_if(|message| message.role == Role::Tool) {
            results.extend(answers.parts.iter().cloned());
        }
        split(message, results, &mut made);
    }
    Request { messages: made.into(), ..request.clone() }
}

fn split(message: &Message, mut results: Vec<Part>, made: &mut Vec<Message>) {
    let (calls, words): (Vec<_>, Vec<_>) =
        message.parts.iter().cloned().partition(|part| matches!(part, Part::ToolCall(_)));
    let mut words = Some(words);
    for call in calls {
        let is_of = |part: &Part| match (part, &call) {
            (Part::ToolResult(ToolResult { id, .. }), Part::ToolCall(call)) => *id == call.id,
            _ => false,
        };
        let result = results.iter().position(is_of).map(|place| results.remove(place));
        made.push(Message::new(Role::Assistant, words.take().into_iter().flatten().chain([call])));
        made.extend(result.map(|result| Message::new(Role::Tool, [result])));
    }
    if !results.is_empty() {
        made.push(Message::new(Role::Tool, results));
    }
}
