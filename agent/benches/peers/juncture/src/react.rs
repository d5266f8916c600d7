//! W3: a model and a tool that take turns, as two nodes on juncture's own state of messages.

use juncture_core::node::NodeFnUpdate;
use juncture_core::state::messages::{Content, Message, MessagesState, MessagesStateUpdate, Role, ToolCall};
use juncture_core::{END, PathMap, StateGraph};
use serde_json::json;

use crate::inputs::Letters;
use crate::juncture::{Graph, router};
use crate::measure::{Outcome, Workload};

const QUERY_UUIDS: usize = 100;
const RESULT_CHARS: usize = 36_180;

/// Makes the workload with a number of calls.
pub(crate) fn workload(calls: usize, variant: &str) -> Outcome<impl Workload> {
    let script = script(calls);
    let mut graph = StateGraph::<MessagesState>::new();
    graph.add_node_simple(
        "model",
        NodeFnUpdate(move |chat: &MessagesState| {
            let turn = chat.messages.iter().filter(|message| message.role == Role::Ai).count();
            // Said in this run for the first time, so with an id of its own.
            let mut says = Message::ai_with_tool_calls("", script[turn].tool_calls.clone());
            says.content = script[turn].content.clone();
            async { Ok(MessagesStateUpdate { messages: Some(vec![says]) }) }
        }),
    )?;
    graph.add_node_simple(
        "tools",
        NodeFnUpdate(|chat: &MessagesState| {
            let calls = chat.messages.last().map(|message| message.tool_calls.as_slice()).unwrap_or_default();
            let answer = |call: &ToolCall| {
                let query = call.arguments["query"].as_str().unwrap_or_default();
                Message::tool_result(call.id.clone(), format!("result for query: {query}").repeat(10))
            };
            let answers = calls.iter().map(answer).collect();
            async { Ok(MessagesStateUpdate { messages: Some(answers) }) }
        }),
    )?;
    graph.set_entry_point("model");
    graph.add_edge("tools", "model");
    let route = router(|chat: &MessagesState| match chat.messages.last() {
        Some(last) if last.has_tool_calls() => "tools",
        _ => END,
    });
    graph.add_conditional_edges("model", route, PathMap::from([("tools", "tools"), (END, END)].as_slice()));
    let mut input = MessagesState::default();
    input.messages.push(Message::human("hi?"));
    let supersteps = 2 * u64::try_from(calls)? + 1;
    let check = move |chat: &MessagesState| check(chat, calls);
    Ok(Graph { graph, input, supersteps, check: Box::new(check), variant: variant.to_owned() })
}

fn script(calls: usize) -> Vec<Message> {
    let mut letters = Letters::new(3);
    let call = |_| {
        let arguments = json!({ "query": letters.uuid().repeat(QUERY_UUIDS) });
        Message::ai_with_tool_calls("", vec![ToolCall { id: letters.uuid(), name: "f".to_owned(), arguments }])
    };
    let mut script: Vec<Message> = (0..calls).map(call).collect();
    script.push(Message::ai("answer".repeat(100)));
    script
}

fn check(chat: &MessagesState, calls: usize) -> Result<(), String> {
    let length = |message: &Message| if let Content::Text(text) = &message.content { text.len() } else { 0 };
    let tools: Vec<_> = chat.messages.iter().filter(|message| message.role == Role::Tool).collect();
    let sized = tools.iter().all(|message| length(message) == RESULT_CHARS);
    let answered = chat.messages.last().is_some_and(|last| length(last) == 600);
    match chat.messages.len() == 2 * calls + 2 && tools.len() == calls && sized && answered {
        true => Ok(()),
        false => Err(format!("{} messages, {} of the tool", chat.messages.len(), tools.len())),
    }
}
