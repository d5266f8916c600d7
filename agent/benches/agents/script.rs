//! The scripted model and its tools: a turn of so many calls and then an answer. What comes next it reads from the newest
//! message alone, so it costs the same however long the conversation is. The peers' models are the same, line by line.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use lorewell_agent::{Agent, Result, ToolError};
use lorewell_model::{
    ChatModel, Error, Event, Events, Finish, Kind, Message, Model, Part, Request, ToolCall, ToolResult, Usage,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::inputs::Letters;

/// Ids in the argument of a call of W3, 3600 characters.
pub(crate) const LARGE: usize = 100;
/// Ids in the argument of a call where only the frame around it counts.
pub(crate) const SMALL: usize = 1;
/// What the model says at last.
pub(crate) const ANSWER: &str = "answer";
/// How often it says it.
pub(crate) const ANSWERS: usize = 100;
/// What the agents are told to be.
const INSTRUCTIONS: &str = "You answer questions. Use the tools where they help, and say what you have found.";

/// A model that makes so many calls of the tool `f`, one after the other, and then answers.
#[derive(Debug)]
struct Scripted {
    calls: Vec<ToolCall>,
    /// Length of the result of a call.
    result_bytes: usize,
    /// Whether it lets others go first, as a model that is far away does.
    yields: bool,
}

/// Makes the model.
pub(crate) fn model(calls: usize, ids: usize, yields: bool) -> Result<Model> {
    let mut letters = Letters::new(3);
    let call = |n| ToolCall::new(format!("call-{n}"), "f", &json!({ "query": letters.uuid().repeat(ids) }));
    let calls: Vec<ToolCall> = (0..calls).map(call).collect();
    let result_bytes = result(&letters.uuid().repeat(ids)).len();
    Ok(Model::new("mock:scripted".parse()?, Scripted { calls, result_bytes, yields }))
}

impl Scripted {
    /// Finds out how many calls were made, and fails if the newest did not come back as it must.
    fn made(&self, request: &Request) -> Result<usize> {
        let Some(Part::ToolResult(result)) = request.messages.last().and_then(|message| message.parts.first()) else {
            return Ok(0);
        };
        let call = result.id.strip_prefix("call-").and_then(|n| n.parse::<usize>().ok());
        let is_whole = result_text(result).len() == self.result_bytes;
        call.filter(|_| is_whole).map(|call| call + 1).ok_or_else(|| {
            Error::new(Kind::BadInput, format!("`{}` came back with {} bytes", result.id, result.text().len()))
        })
    }

    fn says(&self, made: usize) -> Vec<Event> {
        let usage = Event::Usage { usage: Usage::default() };
        let Some(call) = self.calls.get(made) else {
            let text = Event::Text { text: ANSWER.repeat(ANSWERS) };
            return vec![text, usage, Event::Finish { finish: Finish::Stop }];
        };
        vec![
            Event::ToolCallStart { index: 0, id: call.id.clone(), name: call.name.clone() },
            Event::ToolCallArguments { index: 0, text: call.arguments_json.clone() },
            Event::ToolCallEnd { index: 0, opaque: None },
            usage,
            Event::Finish { finish: Finish::ToolCalls },
        ]
    }
}

/// The text of a result that has one part, without a copy of it.
fn result_text(result: &ToolResult) -> &str {
    match result.parts.as_slice() {
        [Part::Text(text)] => &text.text,
        _ => "",
    }
}

impl ChatModel for Scripted {
    fn stream(&self, request: Request) -> Events {
        let events = match self.made(&request) {
            Ok(made) => self.says(made),
            Err(error) => return Events::failed(error),
        };
        match self.yields {
            true => Events::new(
                stream::once(tokio::task::yield_now()).flat_map(move |()| stream::iter(events.clone()).map(Ok)),
            ),
            false => Events::of(events),
        }
    }
}

/// Answers a query.
#[derive(Deserialize, JsonSchema)]
struct Query {
    /// What is asked.
    query: String,
}

fn result(query: &str) -> String {
    format!("result for query: {query}").repeat(10)
}

async fn answer(query: Query) -> Result<String, ToolError> {
    Ok(result(&query.query))
}

/// Makes an agent with one tool.
pub(crate) fn agent(model: &Model, calls: usize) -> Agent {
    let steps = u32::try_from(calls + 1).expect("a few");
    Agent::new(model.clone()).instructions(INSTRUCTIONS).steps_max(steps).tool("f", answer)
}

/// Makes an agent with three tools and instructions of its own.
pub(crate) fn agent_of_three(model: &Model, n: usize) -> Agent {
    let agent = Agent::new(model.clone()).name(format!("agent-{n}")).instructions(format!("{INSTRUCTIONS} ({n})"));
    agent.tool("f", answer).tool("g", answer).tool("h", answer)
}

/// A conversation of so many messages, which end with an answer; the turn's question comes after it.
pub(crate) fn conversation(messages: usize) -> Vec<Message> {
    let text: Arc<str> = "what was said before ".repeat(10).into();
    let message = |n: usize| match n % 2 {
        0 => Message::user(&*text),
        _ => Message::assistant(&*text),
    };
    (0..messages).map(message).collect()
}
