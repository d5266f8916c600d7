//! Ollama's chat: whole bodies, whole streams however they are cut, and what goes wrong.

use expect_test::{Expect, expect};
use serde_json::json;

use super::Ollama;
use crate::event::Finish;
use crate::media::Media;
use crate::message::{Message, Opaque, Part, Reasoning, Role, ToolCall, ToolResult};
use crate::remote::check;
use crate::remote::format::Format;
use crate::remote::wire::Wire;
use crate::request::{Effort, OutputSchema, Request, ToolChoice, ToolSpec};
use crate::secret::Secret;
use crate::usage::Usage;

const FORMAT: Format = Format::Ollama;

fn check(lines: &[&str], expected: &Expect) {
    expected.assert_eq(&check::shown(FORMAT, &lines.join("\n")));
}

fn check_body(model: &str, request: &Request, expected: &Expect) {
    expected.assert_eq(&check::body(FORMAT, model, request));
}

fn weather() -> ToolSpec {
    ToolSpec::new(
        "weather",
        "Tells the weather.",
        json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    )
}

/// Thoughts, words, and two calls.
const TURN: &[&str] = &[
    r#"{"model":"qwen3:4b","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"","thinking":"Paris "},"done":false}"#,
    r#"{"model":"qwen3:4b","message":{"role":"assistant","content":"","thinking":"it is."},"done":false}"#,
    r#"{"model":"qwen3:4b","message":{"role":"assistant","content":"I look\n"},"done":false}"#,
    r#"{"model":"qwen3:4b","message":{"role":"assistant","content":"up 🌤."},"done":false}"#,
    r#"{"model":"qwen3:4b","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"city":"Paris"}}},{"id":"call_x","function":{"index":1,"name":"now","arguments":{}}}]},"done":false}"#,
    r#"{"model":"qwen3:4b","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5,"prompt_eval_count":11,"eval_count":22}"#,
];

#[test]
fn a_turn_is_read() {
    check(
        TURN,
        &expect![[r#"
            {"event": "start", "model": "qwen3:4b"}
            {"event": "reasoning", "text": "Paris "}
            {"event": "reasoning", "text": "it is."}
            {"event": "reasoning_end"}
            {"event": "text", "text": "I look\n"}
            {"event": "text", "text": "up 🌤."}
            {"event": "text_end"}
            {"event": "tool_call_start", "id": "made_8756b879d11f84ee_0", "index": 0, "name": "weather"}
            {"event": "tool_call_arguments", "index": 0, "text": "{\"city\":\"Paris\"}"}
            {"event": "tool_call_end", "index": 0}
            {"event": "tool_call_start", "id": "call_x", "index": 1, "name": "now"}
            {"event": "tool_call_arguments", "index": 1, "text": "{}"}
            {"event": "tool_call_end", "index": 1}
            {"event": "usage", "usage": {"cache_read_tokens": 0, "cache_write_tokens": 0, "input_tokens": 11, "output_tokens": 22, "reasoning_tokens": 0}}
            {"event": "finish", "finish": "tool_calls"}
        "#]],
    );
}

#[test]
fn what_was_read_goes_back_wherever_it_was_cut() {
    let reply = check::reply(FORMAT, &TURN.join("\n"));
    assert_eq!(reply.usage, Usage { input_tokens: 11, output_tokens: 22, ..Usage::default() });
    let results: Vec<_> = reply.message.tool_calls().map(|call| ToolResult::new(call, "sunny")).collect();
    let request = Request::new([Message::user("?"), reply.message, Message::results(results)]);
    check_body(
        "qwen3:4b",
        &request,
        &expect![[r#"
            {
              "messages": [
                {"content": "?", "role": "user"},
                {
                  "content": "I look\nup 🌤.",
                  "role": "assistant",
                  "thinking": "Paris it is.",
                  "tool_calls": [
                    {
                      "function": {"arguments": {"city": "Paris"}, "index": 0, "name": "weather"},
                      "id": "made_8756b879d11f84ee_0",
                      "type": "function"
                    },
                    {"function": {"arguments": {}, "index": 1, "name": "now"}, "id": "call_x", "type": "function"}
                  ]
                },
                {
                  "content": "sunny",
                  "role": "tool",
                  "tool_call_id": "made_8756b879d11f84ee_0",
                  "tool_name": "weather"
                },
                {"content": "sunny", "role": "tool", "tool_call_id": "call_x", "tool_name": "now"}
              ],
              "model": "qwen3:4b",
              "options": {"num_ctx": 4096},
              "stream": true
            }"#]],
    );
}

#[test]
fn answers_end_in_different_ways() {
    let ended = |reason: &str| check::reply(FORMAT, &format!(r#"{{"done":true,"done_reason":"{reason}"}}"#)).finish;
    assert_eq!(ended("stop"), Finish::Stop);
    assert_eq!(ended(""), Finish::Stop);
    assert_eq!(ended("length"), Finish::Length);
    assert_eq!(ended("load"), Finish::Other("load".to_owned()));
}

#[test]
fn answers_that_fail_say_so() {
    let begun = r#"{"model":"m","message":{"content":"a","new":1},"new":[],"done":false}"#;
    check(
        &[begun, r#"{"error":"an error was encountered while running the model"}"#],
        &expect![[r#"
        {"event": "start", "model": "m"}
        {"event": "text", "text": "a"}
        Unavailable: an error was encountered while running the model
    "#]],
    );
    check(
        &[r#"{"error":{"message":"in an object"}}"#],
        &expect![[r#"
        Unavailable: in an object
    "#]],
    );
    check(
        &[begun],
        &expect![[r#"
        {"event": "start", "model": "m"}
        {"event": "text", "text": "a"}
        Unavailable: the answer broke off before its end; ask again
    "#]],
    );
    check(
        &["<html>"],
        &expect![[r#"
        BadOutput: a line of the answer cannot be read: expected value at line 1 column 1 (caused by Error("expected value", line: 1, column: 1))
    "#]],
    );
}

#[test]
fn a_request_says_all_it_can() {
    let request = Request::new([Message::new(
        Role::User,
        [Part::text("What is this?"), Part::Image(Media::bytes("image/png", *b"png"))],
    )])
    .system("Be brief.")
    .tool(weather())
    .output(OutputSchema::new("answer", json!({"type": "object"})))
    .output_tokens_max(500)
    .temperature(0.2)
    .top_p(0.9)
    .top_k(40)
    .seed(7)
    .stop("###")
    .effort(Effort::High)
    .extra("keep_alive", "5m")
    .extra("options", json!({"num_ctx": 8_192, "top_k": 1}));
    check_body(
        "qwen3:4b",
        &request,
        &expect![[r####"
        {
          "format": {"type": "object"},
          "keep_alive": "5m",
          "messages": [
            {"content": "Be brief.", "role": "system"},
            {"content": "What is this?", "images": ["cG5n"], "role": "user"}
          ],
          "model": "qwen3:4b",
          "options": {
            "num_ctx": 8192,
            "num_predict": 500,
            "seed": 7,
            "stop": ["###"],
            "temperature": 0.2,
            "top_k": 1,
            "top_p": 0.9
          },
          "stream": true,
          "think": true,
          "tools": [
            {
              "function": {
                "description": "Tells the weather.",
                "name": "weather",
                "parameters": {"properties": {"city": {"type": "string"}}, "type": "object"}
              },
              "type": "function"
            }
          ]
        }"####]],
    );
}

#[test]
fn results_carry_pictures_and_thoughts_of_others_stay_away() {
    let call = ToolCall::new("1", "draw", &json!({}));
    let mut drawn = ToolResult::new(&call, "here");
    drawn.parts.push(Part::Image(Media::bytes("image/png", *b"png")));
    let foreign = Reasoning { text: "hm".to_owned(), opaque: Opaque::boxed("anthropic", json!({"signature": "x"})) };
    let request = Request::new([
        Message::new(Role::Assistant, [Part::Reasoning(foreign), Part::ToolCall(call)]),
        Message::results([drawn]),
    ]);
    check_body(
        "qwen3:4b",
        &request,
        &expect![[r#"
        {
          "messages": [
            {
              "content": "",
              "role": "assistant",
              "tool_calls": [{"function": {"arguments": {}, "index": 0, "name": "draw"}, "id": "1", "type": "function"}]
            },
            {"content": "here", "images": ["cG5n"], "role": "tool", "tool_call_id": "1", "tool_name": "draw"}
          ],
          "model": "qwen3:4b",
          "options": {"num_ctx": 4096},
          "stream": true
        }"#]],
    );
}

#[test]
fn only_the_bytes_of_pictures_are_taken() {
    let refused = |media| check::body(FORMAT, "m", &Message::new(Role::User, [Part::File(media)]).into()) + "\n";
    let all = [
        refused(Media::bytes("application/pdf", *b"%PDF-")),
        refused(Media::url("image/png", "https://a.example/a.png")),
    ];
    expect![[r#"
        BadInput: Ollama takes images only, no `application/pdf`; put the text of the file into the message
        BadInput: Ollama reads no addresses; give it the bytes of the image
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn tools_are_shown_or_not() {
    let shown = |choice| {
        let other = ToolSpec::new("now", "Tells the time.", json!({}));
        let request = Request::from("q").tool(weather()).tool(other).tool_choice(choice);
        let body = FORMAT.body("m", &request)?;
        let names = body["tools"].as_array().into_iter().flatten().map(|tool| tool["function"]["name"].to_string());
        Ok::<_, crate::Error>(names.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(shown(ToolChoice::Auto).unwrap(), "\"weather\" \"now\"");
    assert_eq!(shown(ToolChoice::Required).unwrap(), "\"weather\" \"now\"");
    assert_eq!(shown(ToolChoice::None).unwrap(), "");
    assert_eq!(shown(ToolChoice::Tool("now".into())).unwrap(), "\"now\"");
    assert!(shown(ToolChoice::Tool("new".into())).is_err());
}

#[test]
fn effort_is_a_flag_or_a_level() {
    let said = |model, effort| FORMAT.body(model, &Request::from("q").effort(effort)).unwrap()["think"].clone();
    assert_eq!(said("qwen3:4b", Effort::None), json!(false));
    assert_eq!(said("qwen3:4b", Effort::Low), json!(true));
    assert_eq!(said("gpt-oss:20b", Effort::None), json!("low"));
    assert_eq!(said("gpt-oss:20b", Effort::Medium), json!("medium"));
    assert_eq!(said("gpt-oss:20b", Effort::Max), json!("high"));
}

#[test]
fn faults_have_kinds() {
    let said = |status, message: &str| check::fault(FORMAT, status, &json!({ "error": message }).to_string()) + "\n";
    let all = [
        said(400, "\"llama3\" does not support thinking"),
        said(400, "prompt too long; exceeded max context length by 7 tokens"),
        said(401, "unauthorized"),
        said(404, "model 'x' not found"),
        said(429, "slow down"),
        said(500, "model requires more system memory (9.0 GiB) than is available (3.0 GiB)"),
        said(500, "llama runner process has terminated"),
        said(503, "server busy, please try again"),
        check::fault(FORMAT, 400, r#"{"error":{"message":"in an object","type":"api_error"}}"#) + "\n",
        check::fault(FORMAT, 502, "<html>") + "\n",
        check::fault(FORMAT, 404, "404 page not found") + "\n",
    ];
    expect![[r#"
        BadInput: "llama3" does not support thinking
        Limit: prompt too long; exceeded max context length by 7 tokens
        Auth: unauthorized
        NotFound: model 'x' not found
        RateLimited: slow down
        Limit: model requires more system memory (9.0 GiB) than is available (3.0 GiB)
        Unavailable: llama runner process has terminated
        Unavailable: server busy, please try again
        BadInput: in an object
        Unavailable: status 502 with a web page instead of an answer; is the address right?
        NotFound: status 404: 404 page not found
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn models_are_listed() {
    let (models, next) = Ollama.models(r#"{"models":[{"name":"qwen3:4b","size":1}]}"#).unwrap();
    assert_eq!((models[0].id.as_str(), models.len(), next), ("qwen3:4b", 1, None));
    assert_eq!(Ollama.models(r#"{"models":null}"#).unwrap().0, []);
    assert!(Ollama.models("[").is_err());
    assert_eq!((Ollama.path("m"), Ollama.models_path()), ("api/chat".into(), "api/tags"));
    assert_eq!(Ollama.headers(None).len(), 0);
    let headers = Ollama.headers(Some(&Secret::new("k")));
    assert_eq!((headers[0].value.reveal(), headers[0].is_secret), ("Bearer k", true));
}

#[test]
fn the_window_holds_the_request_and_its_answer() {
    let window = |request: Request| FORMAT.body("m", &request).unwrap()["options"]["num_ctx"].as_u64().unwrap();
    assert_eq!(window(Request::from("q")), 4_096);
    assert_eq!(window(Request::from("a".repeat(3 * 3_000).as_str())), 4_096);
    assert_eq!(window(Request::from("a".repeat(3 * 3_072).as_str())), 8_192);
    assert_eq!(window(Request::from("q").output_tokens_max(20_000)), 32_768);
    assert_eq!(window(Request::from("a".repeat(10_000_000).as_str())), 131_072);
    let tool = ToolSpec::new("f", &*"a".repeat(30_000), json!({}));
    assert_eq!(window(Request::from("q").tool(tool)), 16_384);
    let images = [(); 4].map(|()| Part::Image(Media::bytes("image/png", vec![0; 100_000])));
    assert_eq!(window(Message::new(Role::User, images).into()), 8_192);
    assert_eq!(window(Request::from("q").extra("options", json!({"num_ctx": 1_000}))), 1_000);
}

#[test]
fn failures_of_tools_are_said_in_words() {
    let call = ToolCall::new("1", "f", &json!({}));
    let results = [ToolResult::failed(&call, "no such city"), ToolResult::new(&call, "3 °C")];
    let body = FORMAT.body("m", &Request::from(Message::results(results))).unwrap();
    let said = [0, 1].map(|i| body["messages"][i]["content"].as_str().unwrap().to_owned());
    assert_eq!(said, ["error: no such city", "3 °C"]);
}
