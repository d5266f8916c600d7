//! The tools that come along, each called as an agent calls it.

use lorewell_model::{Part, Tool, ToolCall, ToolCx};
use serde_json::{Value, json};

use super::*;

/// What a tool says, or what the model is told instead.
pub(super) async fn call(tool: &dyn Tool, arguments: Value) -> Result<String, String> {
    let name = tool.spec().name.clone();
    let cx = ToolCx::new(ToolCall::new("1", &name, &arguments), "key");
    let output = tool.call(cx, arguments).await.map_err(|error| error.for_model(&name))?;
    Ok(output.parts.iter().map(|part| if let Part::Text(text) = part { &*text.text } else { "" }).collect())
}

#[tokio::test]
async fn sums_are_right() {
    let sum = async |expression: &str| call(&*calculator(), json!({"expression": expression})).await;
    for (expression, expected) in [
        ("2 + 3 * 4", "14"),
        ("0.1 + 0.2", "0.3"),
        ("(1 + 1)^10 / 4", "256"),
        ("-7.5", "-7.5"),
        ("sqrt(2)", "1.414213562373"),
        ("log10(100) + ln(E) + floor(2.7) + ceil(0.1) + round(2.4)", "8"),
        ("7 - 4 + abs(-2)", "5"),
        ("cos(PI) + sin(0) + tan(0) + exp(0)", "0"),
    ] {
        assert_eq!(sum(expression).await.as_deref(), Ok(expected), "{expression}");
    }
    for wrong in ["2 +", "import os", "", "((((", "x + 1"] {
        let told = sum(wrong).await.unwrap_err();
        assert!(told.contains("Call `calculator` again"), "{wrong}: {told}");
    }
    assert_eq!(sum("1 / 0").await, Err("`1 / 0` has no finite value".to_owned()));
    assert!(sum(&"1+".repeat(1000)).await.unwrap_err().contains("more than 1000 characters"));
    assert!(sum(&"(".repeat(999)).await.is_err());
}

#[tokio::test]
async fn the_time_is_told() {
    let told = call(&*clock(), json!({"zone": "UTC"})).await.unwrap();
    assert!(told.ends_with("+00:00") && told.contains("day, 2"), "{told}");
    assert!(call(&*clock(), json!({})).await.is_ok());
    assert!(call(&*clock(), json!({"zone": "Mars"})).await.unwrap_err().contains("`Mars` is no time zone"));
}

/// Names of tables are the words of whoever made them, and an agent has read them before it does anything.
#[cfg(all(feature = "fetch", feature = "sqlite"))]
#[tokio::test]
async fn an_agent_with_a_database_asks_before_it_fetches() {
    use lorewell_model::mock::Script;
    use lorewell_model::{Message, Model, Role};

    use crate::checkpoint::Memory;
    use crate::{Agent, Chat, Outcome};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute("CREATE TABLE orders (id)", ()).unwrap();
    let tools = [Sql::open(&path).unwrap().tool(), Fetch::new().tool().unwrap()];
    let call = ToolCall::new("1", "fetch_url", &json!({"url": "https://example.com/"}));
    let script = Script::new([Message::new(Role::Assistant, [Part::ToolCall(call)])]);
    let agent = Agent::new(Model::new("mock:script".parse().unwrap(), script)).tools(tools);
    let thread = agent.thread("t", Memory::new()).unwrap();
    let Outcome::Paused(paused) = thread.run(Chat::say("Look it up.")).await.unwrap() else { panic!("it asks") };
    assert_eq!(paused.questions[0].prompt["has_read"], json!(["document"]));
}
