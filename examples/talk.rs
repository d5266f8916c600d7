//! A model that streams, answers in a form, and asks for a tool. Offline it is a scripted one; give another name to talk to
//! a real one: `cargo run --example talk -- openai:gpt-5-mini`, with its key in the environment.

use lorewell::model::mock::Script;
use lorewell::model::{Event, OutputSchema, Part, Role, ToolCall, ToolResult, ToolSpec};
use lorewell::{Message, Model, Request, Result, model};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let model = match std::env::args().nth(1) {
        Some(name) => model(name).await?,
        None => Model::new("mock:script".parse()?, script()),
    };

    // Word by word.
    let mut events = model.stream("Name the three highest mountains of the Alps.");
    while let Some(event) = events.next().await {
        if let Event::Text { text } = event? {
            print!("{text}");
        }
    }
    println!();

    // In a form.
    let schema = json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "metres": {"type": "integer"}},
        "required": ["name", "metres"],
        "additionalProperties": false
    });
    let request = Request::from("The highest mountain of the Alps?").output(OutputSchema::new("mountain", schema));
    let mountain: serde_json::Value = model.chat(request).await?.json()?;
    println!("{} is {} m high", mountain["name"].as_str().unwrap_or("?"), mountain["metres"]);

    // With a tool: the model asks, the program answers, the model goes on.
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let mut request = Request::from("What is the weather in Chamonix?");
    request = request.tool(ToolSpec::new("weather", "The weather in a city now.", city));
    loop {
        let reply = model.chat(request.clone()).await?;
        let calls: Vec<ToolCall> = reply.message.tool_calls().cloned().collect();
        if calls.is_empty() {
            println!("{}", reply.text());
            return Ok(());
        }
        calls.iter().for_each(|call| println!("(asked for {} {})", call.name, call.arguments_json));
        let results = calls.iter().map(|call| ToolResult::new(call, "-3 °C, snow"));
        request = request.message(reply.message).message(Message::results(results));
    }
}

fn script() -> Script {
    let call = ToolCall::new("call_1", "weather", &json!({"city": "Chamonix"}));
    Script::new([
        Message::assistant("Mont Blanc, Dufourspitze, Dom."),
        Message::assistant("{\"name\": \"Mont Blanc\", \"metres\": 4807}"),
        Message::new(Role::Assistant, [Part::ToolCall(call)]),
        Message::assistant("It snows in Chamonix, at -3 °C."),
    ])
}
