//! Servers that are like OpenAI's but not quite.

use lorewell_model::{Effort, Kind, Message, Model, Request, ToolResult, ToolSpec, model};
use lorewell_wire::{KEY, SERVERS, Server, TEXT};
use serde_json::json;

/// The oddest server never says that an answer is whole, which is not told apart from one that broke off.
const NEVER_DONE: &str = "bare";

/// Opens a model of a pretended server, under the provider that is meant for it.
async fn open(server: &Server, name: &str, behaviour: &str) -> Model {
    let provider = match name {
        "together" | "bare" | "objects" => "compatible",
        name => name,
    };
    let place = format!("{}/compat/{name}", server.url());
    model(format!("{provider}:{behaviour}")).base_url(place).key(KEY).await.expect("the name is right")
}

#[tokio::test]
async fn their_words_are_read() {
    let server = Server::start().await;
    for name in SERVERS.iter().filter(|name| **name != NEVER_DONE) {
        let request = Request::new([Message::system("Be brief."), Message::user("hi")]).output_tokens_max(100).seed(1);
        let reply = open(&server, name, "text").await.chat(request).await;
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(reply.text(), TEXT, "{name}");
    }
}

#[tokio::test]
async fn their_calls_are_answered() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    for name in SERVERS.iter().filter(|name| **name != NEVER_DONE) {
        for behaviour in ["tool", "tools", "reasoning"] {
            let model = open(&server, name, behaviour).await;
            let tool = ToolSpec::new("get_weather", "The weather.", schema.clone());
            let request = Request::from("Weather in Paris?").tool(tool).effort(Effort::Low);
            let reply = model.chat(request.clone()).await;
            let reply = reply.unwrap_or_else(|error| panic!("{name}:{behaviour}: {error:?}"));
            let results: Vec<_> = reply.message.tool_calls().map(|call| ToolResult::new(call, "3 °C")).collect();
            assert!(!results.is_empty(), "{name}:{behaviour}: {reply:?}");
            let request = request.message(reply.message).message(Message::results(results));
            let reply = model.chat(request).await.unwrap_or_else(|error| panic!("{name}:{behaviour}: {error:?}"));
            assert!(!reply.text().is_empty(), "{name}:{behaviour}");
        }
    }
}

#[tokio::test]
async fn a_field_that_a_server_does_not_know_is_taken_out() {
    let server = Server::start().await;
    let model = open(&server, NEVER_DONE, "text").await;
    let error = model.chat("hi").await.unwrap_err();
    assert!(error.kind() == Kind::BadInput && error.to_string().contains("stream_options"), "{error:?}");
    let request = Request::from("hi").extra("stream_options", serde_json::Value::Null);
    assert_eq!(model.chat(request).await.unwrap_err().kind(), Kind::Unavailable);
}
