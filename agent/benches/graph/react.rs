//! W3: an agent of a model and a tool that take turns; the messages only grow.

use std::sync::Arc;

use lorewell_agent::state::Identified;
use lorewell_agent::{Cx, END, Graph, Result, State};
use serde::{Deserialize, Serialize};

use crate::inputs::Letters;
use crate::lorewell::{self, Store};
use crate::measure::Workload;
use crate::variant::Variant;

/// Ids in the argument of a call, 3600 characters.
const QUERY_UUIDS: usize = 100;
/// Characters of what the tool answers to that.
const RESULT_CHARS: usize = 36_180;

#[derive(Clone, Default, State)]
struct Chat {
    #[reduce(messages)]
    messages: Vec<Message>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    id: Option<String>,
    role: Role,
    content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
    Assistant,
    Tool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Call {
    id: String,
    name: String,
    query: String,
}

impl Identified for Message {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn identify(&mut self, id: String) {
        self.id = Some(id);
    }
}

impl Message {
    fn new(role: Role, content: String) -> Self {
        Self { id: None, role, content, calls: Vec::new(), answers: None }
    }
}

/// Makes the workload with a number of calls.
pub(crate) fn workload(calls: usize, variant: Variant) -> Result<impl Workload<Store = Store>> {
    let script = Arc::new(script(calls));
    let model = move |cx: Cx<Chat>| {
        let turn = cx.state().messages.iter().filter(|message| message.role == Role::Assistant).count();
        let says = script[turn].clone();
        async move { Ok(Chat::update().messages([says])) }
    };
    let flow = Graph::<Chat>::new()
        .node("model", model)
        .node("tools", tools)
        .start("model")
        .branch("model", ["tools", END], |chat: &Chat| match chat.messages.last() {
            Some(last) if !last.calls.is_empty() => "tools",
            _ => END,
        })
        .edge("tools", "model")
        .build()?;
    let input = Chat { messages: vec![Message::new(Role::User, "hi?".to_owned())] };
    let supersteps = 2 * u64::try_from(calls).expect("a few") + 1;
    Ok(lorewell::Graph {
        flow,
        input: input.into(),
        supersteps,
        graphs: 1,
        check: Box::new(move |chat| check(chat, calls)),
        variant,
    })
}

/// What the model says, turn by turn.
fn script(calls: usize) -> Vec<Message> {
    let mut letters = Letters::new(3);
    let call = |_| {
        let query = letters.uuid().repeat(QUERY_UUIDS);
        let calls = vec![Call { id: letters.uuid(), name: "f".to_owned(), query }];
        Message { calls, ..Message::new(Role::Assistant, String::new()) }
    };
    let mut script: Vec<Message> = (0..calls).map(call).collect();
    script.push(Message::new(Role::Assistant, "answer".repeat(100)));
    script
}

async fn tools(cx: Cx<Chat>) -> Result<ChatUpdate> {
    let calls = cx.state().messages.last().map(|message| message.calls.as_slice()).unwrap_or_default();
    let answer = |call: &Call| Message {
        answers: Some(call.id.clone()),
        ..Message::new(Role::Tool, format!("result for query: {}", call.query).repeat(10))
    };
    Ok(Chat::update().messages(calls.iter().map(answer)))
}

fn check(chat: &Chat, calls: usize) -> Result<(), String> {
    let tools: Vec<_> = chat.messages.iter().filter(|message| message.role == Role::Tool).collect();
    let answered = chat.messages.last().is_some_and(|last| last.content.len() == 600);
    let sized = tools.iter().all(|message| message.content.len() == RESULT_CHARS);
    match chat.messages.len() == 2 * calls + 2 && tools.len() == calls && sized && answered {
        true => Ok(()),
        false => Err(format!("{} messages, {} of the tool", chat.messages.len(), tools.len())),
    }
}
