//! The behaviours that call tools, and what they say once a tool has answered.

use serde_json::{Value, json};

use crate::Settings;
use crate::answer::{Answer, Block, Call, Finish, Pieces};
use crate::ask::{Ask, Tool};
use crate::behaviour::said;
use crate::example::example;
use crate::failure::Failure;

/// Arguments stop being JSON here.
const BROKEN: &str = "{\"value\": \"für";

/// Tells whether the model has a tool to call and nothing to answer with yet.
pub(crate) fn wanted(ask: &Ask) -> bool {
    !ask.tools.is_empty() && ask.results.is_empty()
}

/// Answers as one of the behaviours with tools.
pub(crate) fn answer(ask: &Ask, settings: &Settings) -> Result<Answer, Failure> {
    let Some(tool) = ask.tools.first() else {
        return Err(Failure::invalid(format!("the model `{}` needs a tool it may call", ask.model)));
    };
    let answer = match (ask.model.as_str(), ask.results.as_slice()) {
        ("broken-tool", []) => called(vec![Call { name: tool.name.clone(), arguments: Pieces::cut(BROKEN, 5) }]),
        ("broken-tool", [_]) => one(ask),
        (_, [_, ..]) => said(&format!("The tool said: {}", ask.results.join("; "))),
        ("tools", []) if ask.parallel => {
            let second = ask.tools.get(1).unwrap_or(tool);
            called(vec![call(ask, tool), call(ask, second)])
        }
        ("ten-thousand", []) => called(vec![many(tool, settings.pieces)]),
        _ => one(ask),
    };
    Ok(answer)
}

/// Calls the first tool.
pub(crate) fn one(ask: &Ask) -> Answer {
    called(ask.tools.first().map(|tool| call(ask, tool)).into_iter().collect())
}

fn called(calls: Vec<Call>) -> Answer {
    Answer { blocks: calls.into_iter().map(Block::Call).collect(), finish: Finish::Calls, ..Answer::default() }
}

fn call(ask: &Ask, tool: &Tool) -> Call {
    let arguments = in_prompt(&ask.prompt).unwrap_or_else(|| example(&tool.schema));
    Call { name: tool.name.clone(), arguments: Pieces::cut(&arguments.to_string(), 4) }
}

/// Finds the JSON object in a prompt, with which a test says what the arguments shall be.
fn in_prompt(prompt: &str) -> Option<Value> {
    let (from, to) = (prompt.find('{')?, prompt.rfind('}')?);
    serde_json::from_str::<Value>(prompt.get(from..=to)?).ok()
}

/// Arguments in so many pieces: two that open and close, and a long string in between.
fn many(tool: &Tool, pieces: usize) -> Call {
    let name = tool.schema["properties"].as_object().and_then(|properties| properties.keys().next().cloned());
    let open = format!("{{{}:\"", json!(name.unwrap_or_else(|| "value".to_owned())));
    let inner = (2..pieces).map(|at| format!("{} ", at % 10));
    let parts = std::iter::once(open).chain(inner).chain(std::iter::once("\"}".to_owned()));
    Call { name: tool.name.clone(), arguments: Pieces::new(parts.collect()) }
}
