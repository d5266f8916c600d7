//! Mock models, and what every model can do: repair, read JSON, follow the rules of events.

use serde_json::json;

use super::*;
use crate::conformance;
use crate::message::ToolCall;
use crate::request::ToolSpec;

fn script(answers: impl IntoIterator<Item = Message>) -> (Script, Model) {
    let script = Script::new(answers);
    (script.clone(), Model::new("mock:test".parse().unwrap(), script))
}

fn broken(arguments: &str) -> Message {
    let call = ToolCall { arguments_json: arguments.to_owned(), ..ToolCall::new("1", "weather", &json!({})) };
    Message::new(Role::Assistant, [Part::ToolCall(call)])
}

#[tokio::test]
async fn mocks_follow_the_rules_of_events() {
    conformance::check(&crate::model("mock:echo").await.unwrap()).await.unwrap();
    conformance::check(&crate::model("mock:cite").await.unwrap()).await.unwrap();
    let parts = [
        Part::Reasoning(crate::Reasoning { text: "hm hm".into(), opaque: None }),
        Part::text("a b"),
        Part::ToolCall(ToolCall::new("1", "weather", &json!({"city": "Paris"}))),
    ];
    let message = Message::new(Role::Assistant, parts);
    let (_, model) = script([message.clone(), message.clone(), message.clone()]);
    conformance::check(&model).await.unwrap();
    assert_eq!(model.chat("x").await.unwrap().message, message);
}

#[tokio::test]
async fn broken_arguments_go_back_once() {
    let right =
        Message::new(Role::Assistant, [Part::ToolCall(ToolCall::new("2", "weather", &json!({"city": "Paris"})))]);
    let request = || Request::from("weather?").tool(ToolSpec::new("weather", "Weather.", json!({"type": "object"})));
    let (asked, model) = script([broken("{\"city\": "), right.clone()]);
    let reply = model.chat(request()).await.unwrap();
    assert_eq!(reply.message, right);
    let second = &asked.asked()[1];
    assert_eq!(second.messages.len(), 3);
    // What goes back is JSON again, so that no provider refuses it.
    assert_eq!(second.messages[1].tool_calls().next().unwrap().arguments_json, "{}");
    let Part::ToolResult(result) = &second.messages[2].parts[0] else { panic!("{second:?}") };
    assert!(result.is_error && result.text().starts_with("the arguments of `weather` cannot be read"), "{result:?}");

    let (asked, model) = script([broken("{"), broken("{"), right]);
    let error = model.chat(request()).await.unwrap_err();
    assert_eq!((error.kind(), asked.asked().len()), (Kind::BadOutput, 2));
}

#[derive(Debug, PartialEq, serde::Deserialize, schemars::JsonSchema)]
struct Mountain {
    name: String,
    metres: u32,
}

#[tokio::test]
async fn a_value_is_read_or_asked_for_again() {
    let (asked, model) =
        script([Message::assistant("Mont Blanc"), Message::assistant("{\"name\":\"K2\",\"metres\":8611}")]);
    let mountain: Mountain = model.chat_as("a mountain").await.unwrap();
    assert_eq!(mountain, Mountain { name: "K2".into(), metres: 8611 });
    assert_eq!(asked.asked()[0].output.as_ref().unwrap().name, "Mountain");
    assert!(asked.asked()[1].messages[2].text().starts_with("the answer is not the JSON that was asked for"));

    let (_, model) = script([Message::assistant("a"), Message::assistant("b")]);
    assert_eq!(model.chat_as::<Mountain>("a mountain").await.unwrap_err().kind(), Kind::BadOutput);
}

#[tokio::test]
async fn a_script_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.jsonl");
    let line = serde_json::to_string(&Message::assistant("read")).unwrap();
    std::fs::write(&path, format!("{line}\n\n{line}\n")).unwrap();
    let model = crate::model(format!("mock:script={}", path.display())).await.unwrap();
    assert_eq!(model.chat("x").await.unwrap().text(), "read");
    std::fs::write(&path, "oops").unwrap();
    let error = crate::model(format!("mock:script={}", path.display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
}

#[tokio::test]
async fn names_that_are_none_get_help() {
    let cases = [
        ("gpt-5", "`gpt-5` does not name a provider and its model; write `openai:gpt-5`"),
        ("qwen3", "`qwen3` does not name a provider and its model; write `ollama:qwen3`"),
        ("openai:", "`openai:` does not name a provider and its model; write `openai:MODEL`"),
        ("mock:ech", "`mock:ech` is no mock model; there are `mock:echo`, `mock:cite` and `mock:script=FILE`"),
    ];
    for (name, message) in cases {
        assert_eq!(crate::model(name).await.unwrap_err().message(), message);
    }
}
