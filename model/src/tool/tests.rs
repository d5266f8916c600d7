//! Tools by themselves: what the model sees of a function, what becomes of what it returns.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::media::Media;
use crate::message::Part;
use crate::{Error, Kind};

/// Tells the weather.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only the schema is looked at")]
struct Weather {
    /// A city, such as "Paris".
    city: String,
    days: Option<u8>,
}

async fn weather(_: Weather) -> Result<&'static str, ToolError> {
    Ok("rain")
}

#[test]
fn a_function_describes_itself() {
    let tool = weather.into_tool("weather");
    let expected = ToolSpec::new(
        "weather",
        "Tells the weather.",
        json!({
            "type": "object",
            "properties": {
                "city": {"description": "A city, such as \"Paris\".", "type": "string"},
                "days": {"type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255},
            },
            "required": ["city"],
        }),
    );
    assert_eq!(*tool.spec(), expected);
    assert_eq!(super::tool(tool.description("Rain or sun?")).spec().description, "Rain or sun?");
}

#[test]
fn what_a_function_returns_is_text() {
    let text = |output: ToolOutput| match output.parts.as_slice() {
        [Part::Text(text)] => text.text.clone(),
        parts => panic!("{parts:?}"),
    };
    assert_eq!(text(ToolOutput::of("as it is").unwrap()), "as it is");
    assert_eq!(text(ToolOutput::of(json!({"a": [1, null]})).unwrap()), "{\"a\":[1,null]}");
    assert_eq!(text(ToolOutput::of(2.5).unwrap()), "2.5");
    assert_eq!(text(ToolOutput::of(()).unwrap()), "done");
    let parts = [Part::text("a picture"), Part::Image(Media::bytes("image/png", b"png".to_vec()))];
    let output = ToolOutput::parts(parts).origin(Origin::Web);
    assert_eq!(ToolOutput::of(output.clone()).unwrap(), output);
}

#[test]
fn long_texts_are_cut_between_characters() {
    let output = ToolOutput::parts([Part::text("ab"), Part::text("déjà vu")]).cut(4);
    let expected = [Part::text("ab"), Part::text("d\n[cut: 8 bytes were left out; ask for less at once]")];
    assert_eq!(output.parts, expected);
    assert_eq!(ToolOutput::text("déjà").cut(6), ToolOutput::text("déjà"));
}

#[test]
fn only_words_for_the_model_reach_it() {
    assert_eq!(
        ToolError::retry("`city` is empty").for_model("weather"),
        "`city` is empty\nCall `weather` again with other arguments."
    );
    assert_eq!(ToolError::failed("no such city").for_model("weather"), "no such city");
    let hidden = ToolError::from(Error::new(Kind::Io, "cannot read `/home/me/secret`"));
    assert_eq!(hidden.for_model("weather"), "`weather` failed. The reason was logged for the people who run it.");
    assert!(hidden.hidden().unwrap().to_string().contains("/home/me/secret"));
}

#[test]
fn access_is_a_set() {
    let both = Access::READ | Access::NETWORK;
    assert!(both.meets(Access::ALL) && Access::ALL.has(both) && !both.meets(Access::WRITE));
    assert_eq!(both.without(Access::READ), Access::NETWORK);
    assert_eq!(Access::NONE.to_string(), "nothing");
    assert_eq!(format!("{:?}", Access::ALL), "Access(read, write, network, execute)");
}

/// Notes what it is told.
#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl ToolHost for Notes {
    async fn emit(&self, call: &crate::ToolCall, name: &str, value: Value) {
        self.0.lock().unwrap().push(format!("{} {name} {value}", call.id));
    }
}

fn cx() -> ToolCx {
    ToolCx::new(crate::ToolCall::new("1", "weather", &json!({})), "key")
}

#[tokio::test]
async fn a_host_is_told_what_it_wants_to_hear() {
    let notes = Arc::new(Notes::default());
    let told = cx().host(notes.clone());
    told.emit("storm", json!({"wind": 9})).await.unwrap();
    told.progress("half").await.unwrap();
    cx().emit("storm", 9).await.unwrap();
    assert_eq!(*notes.0.lock().unwrap(), ["1 storm {\"wind\":9}"]);
    let no_json = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(told.emit("map", no_json).await.is_err());
}

#[tokio::test]
async fn an_attempt_that_is_over_is_noticed_by_all_who_work_at_it() {
    let first = cx();
    let (second, attempt) = first.attempt();
    let (third, _other) = second.attempt();
    let threads = [0; 3].map(|_| {
        let cx = second.clone();
        tokio::task::spawn_blocking(move || while !cx.is_cancelled() {})
    });
    assert!(!second.is_cancelled());
    drop(attempt);
    second.cancelled().await;
    for thread in threads {
        thread.await.unwrap();
    }
    assert!(second.is_cancelled() && second.clone().is_cancelled());
    assert!(!first.is_cancelled() && !third.is_cancelled(), "each has its own");
    assert!(futures_util::FutureExt::now_or_never(third.cancelled()).is_none());
    assert!(futures_util::FutureExt::now_or_never(first.cancelled()).is_none());
}
