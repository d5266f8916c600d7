//! The scripted model and its tools, as in the bench: what comes next the model reads from the newest message alone. It speaks
//! through rig's own scripted wire, which reads the arguments of a call from text as those of the providers do.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream;
use rig_agent::tool::{Tool, ToolContext};
use rig_agent::{Agent, AgentBuilder};
use rig_core::completion::{CompletionRequest, Message, Usage};
use rig_core::driver::{Exchange, Model, Opened, Opening, Transport};
use rig_core::error::ProviderError;
use rig_core::message::{ToolResult, UserContent};
use rig_core::test_utils::{MockFrame, MockScript, MockStreamEvent};
use serde::Deserialize;
use serde_json::json;

use crate::inputs::Letters;

/// Ids in the argument of a call of W3, 3600 characters.
pub(crate) const LARGE: usize = 100;
/// Ids in the argument of a call where only the frame around it counts.
pub(crate) const SMALL: usize = 1;
/// What the model says at last, and how often.
pub(crate) const ANSWER: &str = "answer";
pub(crate) const ANSWERS: usize = 100;
/// What the agents are told to be.
const INSTRUCTIONS: &str = "You answer questions. Use the tools where they help, and say what you have found.";

/// A model that makes so many calls of the tool `f`, one after the other, and then answers.
#[derive(Clone)]
pub(crate) struct Scripted(Arc<Script>);

struct Script {
    /// Arguments of the calls.
    calls: Vec<String>,
    /// Length of the result of a call.
    result_bytes: usize,
    /// Whether it lets others go first, as a model that is far away does.
    yields: bool,
}

/// Makes the model.
pub(crate) fn model(calls: usize, ids: usize, yields: bool) -> Model<MockScript, Scripted> {
    let mut letters = Letters::new(3);
    let call = |_| json!({ "query": letters.uuid().repeat(ids) }).to_string();
    let calls: Vec<String> = (0..calls).map(call).collect();
    let result_bytes = result(&letters.uuid().repeat(ids)).len();
    Model::new(MockScript::default(), Scripted(Arc::new(Script { calls, result_bytes, yields })))
}

impl Script {
    /// Finds out how many calls were made, and fails if the newest did not come back as it must.
    fn made(&self, request: &CompletionRequest) -> Result<usize, ProviderError> {
        let Some(result) = request.chat_history.last().and_then(newest) else { return Ok(0) };
        let id = result.call.wire();
        let call = id.strip_prefix("call-").and_then(|n| n.parse::<usize>().ok());
        let length = result.content.first().and_then(|content| content.as_text()).map_or(0, str::len);
        let whole = call.filter(|_| length == self.result_bytes).map(|call| call + 1);
        whole.ok_or_else(|| ProviderError::Provider(format!("`{id}` came back with {length} bytes")))
    }

    fn says(&self, made: usize) -> Vec<MockStreamEvent> {
        let end = MockStreamEvent::final_response(Usage::default());
        let Some(arguments) = self.calls.get(made) else {
            return vec![MockStreamEvent::text(ANSWER.repeat(ANSWERS)), end];
        };
        let id = format!("call-{made}");
        vec![
            MockStreamEvent::tool_call_name_delta(id.clone(), "f"),
            MockStreamEvent::tool_call_arguments_delta(id.clone(), arguments.clone()),
            MockStreamEvent::tool_call_end(id),
            end,
        ]
    }
}

/// The result of a tool that a message begins with.
fn newest(message: &Message) -> Option<&ToolResult> {
    match message {
        Message::User { content } => match content.first() {
            Some(UserContent::ToolResult(result)) => Some(result),
            _ => None,
        },
        _ => None,
    }
}

impl Transport<MockScript> for Scripted {
    fn send(&self, request: CompletionRequest, _: Exchange) -> Opening<MockFrame> {
        let script = self.0.clone();
        let events = match script.made(&request) {
            Ok(made) => script.says(made),
            Err(error) => return Opening::failed(error),
        };
        let opened = Opened::new(stream::iter(events.into_iter().map(|event| Ok(MockFrame::Event(event)))));
        match script.yields {
            true => Opening::new(async move {
                tokio::task::yield_now().await;
                Ok(opened)
            }),
            false => Opening::ready(opened),
        }
    }
}

/// What a tool is asked.
#[derive(Deserialize)]
pub(crate) struct Query {
    query: String,
}

fn result(query: &str) -> String {
    format!("result for query: {query}").repeat(10)
}

/// A tool with a name of one letter.
struct Answer<const NAME: char>;

impl<const NAME: char> Tool for Answer<NAME> {
    const NAME: &'static str = match NAME {
        'f' => "f",
        'g' => "g",
        _ => "h",
    };
    type Error = Infallible;
    type Args = Query;
    type Output = String;

    fn description(&self) -> String {
        "Answers a query.".to_owned()
    }

    fn parameters(&self) -> serde_json::Value {
        json!({
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What is asked."}},
            "required": ["query"],
        })
    }

    async fn call(&self, _: &mut ToolContext, asked: Query) -> Result<String, Infallible> {
        Ok(result(&asked.query))
    }
}

/// Makes an agent with one tool.
pub(crate) fn agent(model: &Model<MockScript, Scripted>, calls: usize) -> Agent {
    let agent = AgentBuilder::new(model.clone()).preamble(INSTRUCTIONS).default_max_turns(calls + 1);
    agent.tool(Answer::<'f'>).build()
}

/// Makes an agent with three tools and instructions of its own.
pub(crate) fn agent_of_three(model: &Model<MockScript, Scripted>, n: usize) -> Agent {
    let agent = AgentBuilder::new(model.clone()).name(format!("agent-{n}"));
    let agent = agent.preamble(format!("{INSTRUCTIONS} ({n})"));
    agent.tool(Answer::<'f'>).tool(Answer::<'g'>).tool(Answer::<'h'>).build()
}

/// A conversation of so many messages, which end with an answer.
pub(crate) fn conversation(messages: usize) -> Vec<Message> {
    let text = "what was said before ".repeat(10);
    let message = |n: usize| match n % 2 {
        0 => Message::user(text.as_str()),
        _ => Message::assistant(text.as_str()),
    };
    (0..messages).map(message).collect()
}
