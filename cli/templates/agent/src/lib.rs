//! An agent that keeps the stock of a bicycle workshop: it looks by itself, and orders what a
//! person approves.

use lorewell::model::mock::Rules;
use lorewell::model::{Part, Role, ToolCall};
use lorewell::{Access, Agent, Message, Model, Request, Result, ToolCx, ToolError, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Makes the agent.
pub fn agent(model: Model) -> Agent {
    Agent::new(model)
        .instructions("You keep the stock of a bicycle workshop. Look before you order.")
        .tool("stock", tool(stock).access(Access::READ))
        .tool("order", tool(order).access(Access::WRITE)) // a person approves what writes
}

/// Tells how many pieces of a part are in stock.
#[derive(Deserialize, JsonSchema)]
struct Stock {
    /// The part: `bell` or `chain`.
    part: String,
}

async fn stock(asked: Stock) -> Result<u32, ToolError> {
    match asked.part.as_str() {
        "bell" => Ok(12),
        "chain" => Ok(0),
        part => Err(ToolError::retry(format!(
            "there is no `{part}`; give `bell` or `chain`"
        ))),
    }
}

/// Orders pieces of a part.
#[derive(Deserialize, JsonSchema)]
struct Order {
    /// The part.
    part: String,
    /// How many, from 1 to 50.
    pieces: u32,
}

async fn order(cx: ToolCx, asked: Order) -> Result<String, ToolError> {
    if !(1..=50).contains(&asked.pieces) {
        return Err(ToolError::retry("`pieces` is out of range; give 1 to 50"));
    }
    Ok(send(&asked, cx.key()))
}

/// Stands for the supplier, who knows by the key what was sent already: a call that is tried again
/// has the same one.
fn send(order: &Order, _key: &str) -> String {
    format!("ordered {} of `{}`", order.pieces, order.part)
}

/// Makes a model that needs no key: it looks for chains, orders four, and repeats what it is told
/// then.
pub fn offline() -> Result<Model> {
    Ok(Model::new(
        "mock:offline".parse()?,
        Rules::new().otherwise(next),
    ))
}

fn next(request: &Request) -> Message {
    let newest = request.messages.iter().rev();
    let parts = newest
        .take_while(|message| message.role != Role::User)
        .flat_map(|message| &message.parts);
    let results = parts.filter_map(|part| match part {
        Part::ToolResult(result) => Some(result.text()),
        _ => None,
    });
    match results.collect::<Vec<_>>().as_slice() {
        [] => call("stock", &json!({"part": "chain"})),
        [_] => call("order", &json!({"part": "chain", "pieces": 4})),
        [newest, ..] => Message::assistant(newest),
    }
}

/// Makes a message in which a model calls a tool.
pub fn call(tool: &str, arguments: &Value) -> Message {
    Message::new(
        Role::Assistant,
        [Part::ToolCall(ToolCall::new(tool, tool, arguments))],
    )
}
