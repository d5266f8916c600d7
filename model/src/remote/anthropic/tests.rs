//! Anthropic's Messages: whole bodies, whole streams however they are cut, and what goes wrong.

use expect_test::{Expect, expect};
use serde_json::json;

use super::Anthropic;
use crate::event::Finish;
use crate::media::{Media, Source};
use crate::message::{Message, Opaque, Part, Reasoning, Role, ToolCall, ToolResult};
use crate::remote::check;
use crate::remote::format::Format;
use crate::remote::wire::Wire;
use crate::request::{Cache, Effort, OutputSchema, Request, ToolChoice, ToolSpec};
use crate::secret::Secret;
use crate::usage::Usage;

const FORMAT: Format = Format::Anthropic;

/// Frames lines of JSON as the provider does.
fn stream(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("event: x\ndata: {line}\n\n")).collect()
}

fn check(lines: &[&str], expected: &Expect) {
    expected.assert_eq(&check::shown(FORMAT, &stream(lines)));
}

fn check_body(model: &str, request: &Request, expected: &Expect) {
    expected.assert_eq(&check::body(FORMAT, model, request));
}

/// Shows one field of the body of a request.
fn field(model: &str, request: &Request, names: &[&str]) -> String {
    let body = FORMAT.body(model, request).unwrap();
    names.iter().map(|name| format!("{name}: {}\n", check::pretty(&body[*name]))).collect()
}

fn weather() -> ToolSpec {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    ToolSpec::new("weather", "Tells the weather.", parameters)
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}}"#;

/// Thoughts, sealed thoughts, words, two calls.
const TURN: &[&str] = &[
    START,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""} }"#,
    r#"{"type": "ping"}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Paris "}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"it is."}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"c2VhbA=="}}"#,
    r#"{"type":"content_block_stop","index":1}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"I look\n"}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"up 🌤."}}"#,
    r#"{"type":"content_block_stop","index":2}"#,
    r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Pa"}}"#,
    r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"ris\"}"}}"#,
    r#"{"type":"content_block_stop","index":3}"#,
    r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{},"caller":{"type":"code_execution_20260120","tool_id":"srvtoolu_1"}}}"#,
    r#"{"type":"content_block_stop","index":4}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":50,"output_tokens_details":{"thinking_tokens":20}}}"#,
    r#"{"type":"message_stop"}"#,
];

#[test]
fn a_turn_is_read() {
    check(
        TURN,
        &expect![[r#"
        {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "ping"}
        {"event": "reasoning", "text": "Paris "}
        {"event": "reasoning", "text": "it is."}
        {"event": "reasoning_end", "opaque": {"provider": "anthropic", "value": {"signature": "c2ln"}}}
        {"event": "opaque", "opaque": {"provider": "anthropic", "value": {"data": "c2VhbA==", "type": "redacted_thinking"}}}
        {"event": "text", "text": "I look\n"}
        {"event": "text", "text": "up 🌤."}
        {"event": "text_end"}
        {"event": "tool_call_start", "id": "toolu_1", "index": 0, "name": "weather"}
        {"event": "tool_call_arguments", "index": 0, "text": "{\"city\": \"Pa"}
        {"event": "tool_call_arguments", "index": 0, "text": "ris\"}"}
        {"event": "tool_call_end", "index": 0}
        {"event": "tool_call_start", "id": "toolu_2", "index": 1, "name": "now"}
        {"event": "tool_call_end", "index": 1, "opaque": {"provider": "anthropic", "value": {"caller": {"tool_id": "srvtoolu_1", "type": "code_execution_20260120"}}}}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 50, "reasoning_tokens": 20}}
        {"event": "finish", "finish": "tool_calls"}
    "#]],
    );
}

#[test]
fn what_was_read_goes_back_unchanged_wherever_it_was_cut() {
    let reply = check::reply(FORMAT, &stream(TURN));
    assert_eq!(reply.finish, Finish::ToolCalls);
    let usage = Usage {
        input_tokens: 17,
        cache_read_tokens: 4,
        cache_write_tokens: 3,
        output_tokens: 50,
        reasoning_tokens: 20,
    };
    assert_eq!(reply.usage, usage);
    let result = ToolResult::new(&ToolCall::new("toolu_1", "weather", &json!({})), "sunny");
    let request = Request::new([Message::user("?"), reply.message, Message::results([result])]);
    check_body(
        "claude-sonnet-4-6",
        &request,
        &expect![[r#"
        {
          "max_tokens": 32000,
          "messages": [
            {"content": [{"text": "?", "type": "text"}], "role": "user"},
            {
              "content": [
                {"signature": "c2ln", "thinking": "Paris it is.", "type": "thinking"},
                {"data": "c2VhbA==", "type": "redacted_thinking"},
                {"text": "I look\nup 🌤.", "type": "text"},
                {"id": "toolu_1", "input": {"city": "Paris"}, "name": "weather", "type": "tool_use"},
                {
                  "caller": {"tool_id": "srvtoolu_1", "type": "code_execution_20260120"},
                  "id": "toolu_2",
                  "input": {},
                  "name": "now",
                  "type": "tool_use"
                }
              ],
              "role": "assistant"
            },
            {
              "content": [{"content": [{"text": "sunny", "type": "text"}], "tool_use_id": "toolu_1", "type": "tool_result"}],
              "role": "user"
            }
          ],
          "model": "claude-sonnet-4-6",
          "stream": true
        }"#]],
    );
}

#[test]
fn tools_of_the_provider_are_kept_whole() {
    let lines = [
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":" \"a\"}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"eA=="}]}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"","citations":[]}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"It is A.","url":"https://a.example","title":"A","encrypted_index":"aQ=="}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"A."}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"compaction","content":null}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"compaction_delta","content":"So far"}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"pause_turn"},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    check(
        &lines,
        &expect![[r#"
        {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "opaque", "opaque": {"provider": "anthropic", "value": {"id": "srvtoolu_1", "input": {"query": "a"}, "name": "web_search", "type": "server_tool_use"}}}
        {"event": "opaque", "opaque": {"provider": "anthropic", "value": {"content": [{"encrypted_content": "eA==", "title": "A", "type": "web_search_result", "url": "https://a.example"}], "tool_use_id": "srvtoolu_1", "type": "web_search_tool_result"}}}
        {"event": "text", "text": "A."}
        {"event": "text_end"}
        {"citation": {"opaque": {"provider": "anthropic", "value": {"cited_text": "It is A.", "encrypted_index": "aQ==", "title": "A", "type": "web_search_result_location", "url": "https://a.example"}}, "quote": "It is A.", "title": "A", "url": "https://a.example"}, "event": "citation"}
        {"event": "opaque", "opaque": {"provider": "anthropic", "value": {"content": "So far", "type": "compaction"}}}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 9, "reasoning_tokens": 0}}
        {"event": "finish", "finish": "paused"}
    "#]],
    );
    let reply = check::reply(FORMAT, &stream(&lines));
    expect![[r#"
        messages: [
          {
            "content": [
              {"id": "srvtoolu_1", "input": {"query": "a"}, "name": "web_search", "type": "server_tool_use"},
              {
                "content": [
                  {"encrypted_content": "eA==", "title": "A", "type": "web_search_result", "url": "https://a.example"}
                ],
                "tool_use_id": "srvtoolu_1",
                "type": "web_search_tool_result"
              },
              {
                "citations": [
                  {
                    "cited_text": "It is A.",
                    "encrypted_index": "aQ==",
                    "title": "A",
                    "type": "web_search_result_location",
                    "url": "https://a.example"
                  }
                ],
                "text": "A.",
                "type": "text"
              },
              {"content": "So far", "type": "compaction"}
            ],
            "role": "assistant"
          }
        ]
    "#]]
    .assert_eq(&field("claude-opus-4-8", &Request::from(reply.message), &["messages"]));
}

#[test]
fn unknown_events_and_fields_are_passed_over() {
    check(
        &[
            r#"{"type":"news","delta":"of another shape","usage":3}"#,
            START,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a","new":{}},"new":[1]}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","text":{"of":"another shape"}}}"#,
            r#"{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"of no block"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"new_reason"},"usage":{"output_tokens":0,"input_tokens":null}}"#,
            r#"{"type":"message_stop"}"#,
            "[DONE]",
        ],
        &expect![[r#"
            {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
            {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
            {"event": "text", "text": "a"}
            {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
            {"event": "text_end"}
            {"event": "finish", "finish": {"other": "new_reason"}}
        "#]],
    );
}

#[test]
fn answers_end_in_different_ways() {
    let ended = |reason: &str| {
        let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{}}}}"#);
        check::reply(FORMAT, &stream(&[START, &delta, r#"{"type":"message_stop"}"#])).finish
    };
    assert_eq!(ended("end_turn"), Finish::Stop);
    assert_eq!(ended("stop_sequence"), Finish::Stop);
    assert_eq!(ended("max_tokens"), Finish::Length);
    assert_eq!(ended("model_context_window_exceeded"), Finish::Length);
    assert_eq!(ended("tool_use"), Finish::ToolCalls);
    assert_eq!(ended("pause_turn"), Finish::Paused);
    assert_eq!(ended("refusal"), Finish::Refused);
    assert_eq!(ended("new"), Finish::Other("new".to_owned()));
}

#[test]
fn answers_that_fail_say_so() {
    let text = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#;
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
    check(
        &[START, text, overloaded],
        &expect![[r#"
        {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "text", "text": "a"}
        Unavailable: Overloaded
    "#]],
    );
    check(
        &[START, text],
        &expect![[r#"
        {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "text", "text": "a"}
        Unavailable: the answer broke off before its end; ask again
    "#]],
    );
    check(
        &[r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":3}}"#],
        &expect![[r#"
        BadOutput: an event of the answer cannot be read: invalid type: integer `3`, expected a string or null at line 1 column 77 (caused by Error("invalid type: integer `3`, expected a string or null", line: 1, column: 77))
    "#]],
    );
    check(
        &["<html>"],
        &expect![[r#"
        BadOutput: an event of the answer cannot be read: expected value at line 1 column 1 (caused by Error("expected value", line: 1, column: 1))
    "#]],
    );
    // The last event is forgotten, but the reason is known.
    check(
        &[START, r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#],
        &expect![[r#"
        {"event": "start", "id": "msg_1", "model": "claude-sonnet-4-6"}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 3, "input_tokens": 17, "output_tokens": 1, "reasoning_tokens": 0}}
        {"event": "finish", "finish": "stop"}
    "#]],
    );
}

/// Gateways have been seen to begin an answer twice, in the middle of a call.
#[test]
fn a_second_beginning_starts_afresh() {
    let call = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#;
    let half =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"x\""}}"#;
    let whole = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#;
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    let end = [START, call, whole, r#"{"type":"message_stop"}"#];
    let reply = check::reply(FORMAT, &stream(&[&[START, call, whole, stop][..], &end].concat()));
    let calls: Vec<_> = reply.message.tool_calls().map(|call| &*call.arguments_json).collect();
    assert_eq!(calls, ["{}", "{}"]);
    // What a half call would do is not known.
    let shown = check::shown(FORMAT, &stream(&[&[START, call, half][..], &end].concat()));
    assert!(shown.ends_with("\nBadOutput: the answer began anew in the middle of a call\n"), "{shown}");
}

#[test]
fn blocks_may_be_there_from_the_beginning() {
    check(
        &[
            r#"{"type":"message_start","message":{"id":"m","model":"c","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":1},"caller":{"type":"direct"}}],"stop_reason":"tool_use","usage":{"input_tokens":1}}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        &expect![[r#"
            {"event": "start", "id": "m", "model": "c"}
            {"event": "usage", "usage": {"cache_read_tokens": 0, "cache_write_tokens": 0, "input_tokens": 1, "output_tokens": 0, "reasoning_tokens": 0}}
            {"event": "tool_call_start", "id": "t", "index": 0, "name": "f"}
            {"event": "tool_call_arguments", "index": 0, "text": "{\"a\":1}"}
            {"event": "tool_call_end", "index": 0}
            {"event": "finish", "finish": "tool_calls"}
        "#]],
    );
}

#[test]
fn ten_thousand_pieces_cost_linear_time() {
    let piece =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1234567890"}}"#;
    let call = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#;
    let mut lines = vec![START, call];
    lines.extend(std::iter::repeat_n(piece, 10_000));
    lines.push(r#"{"type":"message_stop"}"#);
    let (events, error) = check::play(FORMAT, &[stream(&lines).as_bytes()]);
    assert!(error.is_none());
    // As many bytes come out as went in: nothing is sent again.
    assert_eq!(events.len(), 10_000 + 5);
}

#[test]
fn an_error_without_its_wrapping_is_understood() {
    let stream = "error: {\"type\":\"invalid_request_error\",\"message\":\"no such field\"}\n\n";
    expect!["BadInput: no such field\n"].assert_eq(&check::shown(FORMAT, stream));
}

#[test]
fn a_request_says_all_it_can() {
    let mut strict = weather();
    strict.strict = true;
    let request = Request::from("How is it in Paris?")
        .system("Be brief.")
        .tool(strict)
        .tool_choice(ToolChoice::Auto)
        .parallel_tool_calls(false)
        .output(OutputSchema::new("answer", json!({"type": "object", "properties": {"n": {"type": "integer"}}})))
        .output_tokens_max(500)
        .temperature(0.2)
        .top_p(0.9)
        .top_k(40)
        .seed(7)
        .stop("###")
        .extra("metadata", json!({"user_id": "u"}))
        .extra("output_config", json!({"task_budget": {"type": "tokens", "total": 20_000}}));
    check_body(
        "claude-sonnet-4-5",
        &request,
        &expect![[r####"
        {
          "max_tokens": 500,
          "messages": [{"content": [{"text": "How is it in Paris?", "type": "text"}], "role": "user"}],
          "metadata": {"user_id": "u"},
          "model": "claude-sonnet-4-5",
          "output_config": {
            "format": {
              "schema": {"additionalProperties": false, "properties": {"n": {"type": "integer"}}, "type": "object"},
              "type": "json_schema"
            },
            "task_budget": {"total": 20000, "type": "tokens"}
          },
          "stop_sequences": ["###"],
          "stream": true,
          "system": [{"text": "Be brief.", "type": "text"}],
          "temperature": 0.2,
          "tool_choice": {"disable_parallel_tool_use": true, "type": "auto"},
          "tools": [
            {
              "description": "Tells the weather.",
              "input_schema": {
                "additionalProperties": false,
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "type": "object"
              },
              "name": "weather",
              "strict": true
            }
          ],
          "top_k": 40
        }"####]],
    );
}

#[test]
fn turns_are_merged_and_results_stand_first() {
    let call = |id: &str| ToolCall::new(id, "draw", &json!({"of": "a"}));
    let picture = Part::Image(Media::bytes("image/png", *b"png"));
    let mut drawn = ToolResult::new(&call("1"), "here");
    drawn.parts.push(picture);
    let mut spoilt = call("2");
    spoilt.arguments_json = "{\"of\":".to_owned();
    let foreign =
        Reasoning { text: "hm".to_owned(), opaque: Opaque::boxed("gemini", json!({"thoughtSignature": "x"})) };
    let request = Request::new([
        Message::user("Draw"),
        Message::user("it."),
        Message::new(Role::Assistant, [Part::Reasoning(foreign), Part::text(" "), Part::ToolCall(call("1"))]),
        Message::new(Role::Assistant, [Part::ToolCall(spoilt)]),
        Message::user("Hurry."),
        Message::results([drawn, ToolResult::failed(&call("2"), "no such thing")]),
        Message::assistant("Well. \n"),
    ]);
    expect![[r#"
        messages: [
          {"content": [{"text": "Draw", "type": "text"}, {"text": "it.", "type": "text"}], "role": "user"},
          {
            "content": [
              {"id": "1", "input": {"of": "a"}, "name": "draw", "type": "tool_use"},
              {"id": "2", "input": {"INVALID_JSON": "{\"of\":"}, "name": "draw", "type": "tool_use"}
            ],
            "role": "assistant"
          },
          {
            "content": [
              {
                "content": [
                  {"text": "here", "type": "text"},
                  {"source": {"data": "cG5n", "media_type": "image/png", "type": "base64"}, "type": "image"}
                ],
                "tool_use_id": "1",
                "type": "tool_result"
              },
              {
                "content": [{"text": "no such thing", "type": "text"}],
                "is_error": true,
                "tool_use_id": "2",
                "type": "tool_result"
              },
              {"text": "Hurry.", "type": "text"}
            ],
            "role": "user"
          },
          {"content": [{"text": "Well.", "type": "text"}], "role": "assistant"}
        ]
    "#]]
    .assert_eq(&field("claude-sonnet-4-6", &request, &["messages"]));
}

#[test]
fn ids_of_others_are_made_to_fit() {
    let calls = ["functions.get:0", "functions.get:1", "call_1"].map(|id| ToolCall::new(id, "get", &json!({})));
    let results = calls.each_ref().map(|call| ToolResult::new(call, "1"));
    let request = Request::new([Message::new(Role::Assistant, calls.map(Part::ToolCall)), Message::results(results)]);
    let body = FORMAT.body("claude-sonnet-4-6", &request).unwrap();
    let id = |turn: usize, block: usize, name: &str| body["messages"][turn]["content"][block][name].to_string();
    let [first, second, third] = [0, 1, 2].map(|block| id(0, block, "id"));
    assert_eq!([0, 1, 2].map(|block| id(1, block, "tool_use_id")), [&*first, &*second, &*third]);
    assert!(first != second && !first.contains('.') && !second.contains(':'), "{first} {second}");
    assert_eq!(third, "\"call_1\"");
}

#[test]
fn files_are_pictures_or_documents() {
    let file_id = |media_type: &str| Media {
        media_type: media_type.to_owned(),
        name: None,
        source: Source::FileId("file_1".to_owned()),
    };
    let parts = [
        Part::Image(Media::bytes("image/png", *b"png")),
        Part::Image(Media::url("image/png", "https://a.example/a.png")),
        Part::Image(file_id("image/png")),
        Part::File(Media::bytes("application/pdf", *b"%PDF-").name("a.pdf")),
        Part::File(Media::bytes("text/csv", *b"a,b")),
        Part::File(Media::url("application/pdf", "https://a.example/a.pdf")),
        Part::File(file_id("application/pdf")),
    ];
    let request = Request::from(Message::new(Role::User, parts));
    expect![[r#"
        messages: [
          {
            "content": [
              {"source": {"data": "cG5n", "media_type": "image/png", "type": "base64"}, "type": "image"},
              {"source": {"type": "url", "url": "https://a.example/a.png"}, "type": "image"},
              {"source": {"file_id": "file_1", "type": "file"}, "type": "image"},
              {
                "source": {"data": "JVBERi0=", "media_type": "application/pdf", "type": "base64"},
                "title": "a.pdf",
                "type": "document"
              },
              {"source": {"data": "a,b", "media_type": "text/plain", "type": "text"}, "type": "document"},
              {"source": {"type": "url", "url": "https://a.example/a.pdf"}, "type": "document"},
              {"source": {"file_id": "file_1", "type": "file"}, "type": "document"}
            ],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("claude-sonnet-4-6", &request, &["messages"]));
    let refused =
        |media| check::body(FORMAT, "claude-sonnet-4-6", &Message::new(Role::User, [Part::File(media)]).into());
    expect!["BadInput: Anthropic takes no `audio/mpeg`; give it images, PDF or text"]
        .assert_eq(&refused(Media::bytes("audio/mpeg", *b"ID3")));
    expect!["BadInput: a file of `text/plain` is not in UTF-8: invalid utf-8 sequence of 1 bytes from index 0"]
        .assert_eq(&refused(Media::bytes("text/plain", *b"\xff")));
}

#[test]
fn instructions_within_the_conversation_stay_there_where_they_may() {
    let request = Request::new([Message::system("a"), Message::user("b"), Message::system("c"), Message::user("d")]);
    expect![[r#"
        system: [{"text": "a", "type": "text"}]
        messages: [
          {"content": [{"text": "b", "type": "text"}], "role": "user"},
          {"content": [{"text": "c", "type": "text"}], "role": "system"},
          {"content": [{"text": "d", "type": "text"}], "role": "user"}
        ]
    "#]]
    .assert_eq(&field("claude-opus-4-8", &request, &["system", "messages"]));
    expect![[r#"
        system: [{"text": "a", "type": "text"}, {"text": "c", "type": "text"}]
        messages: [{"content": [{"text": "b", "type": "text"}, {"text": "d", "type": "text"}], "role": "user"}]
    "#]]
    .assert_eq(&field("claude-opus-4-6", &request, &["system", "messages"]));
}

#[test]
fn marks_stand_where_they_are_wanted() {
    let request = Request::from("q").system("s").tool(weather()).cache(Cache::long());
    expect![[r#"
        tools: [
          {
            "cache_control": {"ttl": "1h", "type": "ephemeral"},
            "description": "Tells the weather.",
            "input_schema": {"properties": {"city": {"type": "string"}}, "required": ["city"], "type": "object"},
            "name": "weather"
          }
        ]
        system: [{"cache_control": {"ttl": "1h", "type": "ephemeral"}, "text": "s", "type": "text"}]
        messages: [
          {
            "content": [{"cache_control": {"ttl": "1h", "type": "ephemeral"}, "text": "q", "type": "text"}],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("claude-opus-4-8", &request, &["tools", "system", "messages"]));
    let marked = (0..6).flat_map(|i| {
        let question = Message { cache_here: true, ..Message::user(format!("q{i}")) };
        [question, Message::assistant("a")]
    });
    let mut request = Request::new(marked).system("s").tool(weather());
    request.messages.pop();
    expect![[r#"
        tools: [
          {
            "description": "Tells the weather.",
            "input_schema": {"properties": {"city": {"type": "string"}}, "required": ["city"], "type": "object"},
            "name": "weather"
          }
        ]
        system: [{"text": "s", "type": "text"}]
        messages: [
          {"content": [{"text": "q0", "type": "text"}], "role": "user"},
          {"content": [{"text": "a", "type": "text"}], "role": "assistant"},
          {"content": [{"text": "q1", "type": "text"}], "role": "user"},
          {"content": [{"text": "a", "type": "text"}], "role": "assistant"},
          {
            "content": [{"cache_control": {"type": "ephemeral"}, "text": "q2", "type": "text"}],
            "role": "user"
          },
          {"content": [{"text": "a", "type": "text"}], "role": "assistant"},
          {
            "content": [{"cache_control": {"type": "ephemeral"}, "text": "q3", "type": "text"}],
            "role": "user"
          },
          {"content": [{"text": "a", "type": "text"}], "role": "assistant"},
          {
            "content": [{"cache_control": {"type": "ephemeral"}, "text": "q4", "type": "text"}],
            "role": "user"
          },
          {"content": [{"text": "a", "type": "text"}], "role": "assistant"},
          {
            "content": [{"cache_control": {"type": "ephemeral"}, "text": "q5", "type": "text"}],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("claude-opus-4-8", &request, &["tools", "system", "messages"]));
}

#[test]
fn effort_is_said_as_the_model_wants_it() {
    let said = |model: &str, effort: Effort| {
        let request = Request::from("q").effort(effort).temperature(1.0).output_tokens_max(10_000);
        let body = FORMAT.body(model, &request).unwrap();
        check::pretty(&json!([body["thinking"], body["output_config"], body["temperature"]]))
    };
    let none = json!(null).to_string();
    assert_eq!(said("claude-3-5-haiku-20241022", Effort::High), format!("[{none}, {none}, 1.0]"));
    expect![[r#"[{"budget_tokens": 5000, "type": "enabled"}, null, null]"#]]
        .assert_eq(&said("claude-sonnet-4-5", Effort::Medium));
    expect![[r#"[{"type": "disabled"}, null, 1.0]"#]].assert_eq(&said("claude-sonnet-4-5", Effort::None));
    expect![[r#"[{"display": "summarized", "type": "adaptive"}, {"effort": "max"}, null]"#]]
        .assert_eq(&said("claude-opus-4-6", Effort::Max));
    expect![[r#"[{"display": "summarized", "type": "adaptive"}, {"effort": "low"}, null]"#]]
        .assert_eq(&said("claude-opus-4-8", Effort::Minimal));
    expect![[r#"[{"type": "disabled"}, null, null]"#]].assert_eq(&said("claude-opus-4-8", Effort::None));
    let forced =
        Request::from("q").tool(weather()).tool_choice(ToolChoice::Tool("weather".into())).effort(Effort::High);
    let names = ["thinking", "output_config", "tool_choice", "max_tokens"];
    expect![[r#"
        thinking: null
        output_config: {"effort": "high"}
        tool_choice: {"name": "weather", "type": "tool"}
        max_tokens: 32000
    "#]]
    .assert_eq(&field("claude-opus-4-6", &forced, &names));
    expect![[r#"
        thinking: null
        output_config: null
        tool_choice: {"name": "weather", "type": "tool"}
        max_tokens: 32000
    "#]]
    .assert_eq(&field("claude-opus-4-5", &forced, &names));
}

#[test]
fn faults_have_kinds() {
    let said = |status: u16, kind: &str, message: &str| {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": null});
        check::fault(FORMAT, status, &body.to_string()) + "\n"
    };
    let all = [
        said(400, "invalid_request_error", "temperature: range: 0..1"),
        said(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        said(400, "invalid_request_error", "Your credit balance is too low to access the API"),
        said(400, "invalid_request_error", "Output blocked by content filtering policy"),
        said(401, "authentication_error", "invalid x-api-key"),
        said(402, "billing_error", "pay"),
        said(403, "permission_error", "not yours"),
        said(404, "not_found_error", "model: claude-0"),
        said(413, "request_too_large", "too large"),
        said(429, "rate_limit_error", "slow down"),
        said(500, "api_error", "oh"),
        said(504, "timeout_error", "too slow"),
        said(529, "overloaded_error", "Overloaded"),
        said(418, "new_error", ""),
        check::fault(FORMAT, 502, "<html>") + "\n",
        check::fault(FORMAT, 503, "") + "\n",
    ];
    expect![[r#"
        BadInput: temperature: range: 0..1
        Limit: prompt is too long: 210000 tokens > 200000 maximum
        Limit: Your credit balance is too low to access the API
        Refused: Output blocked by content filtering policy
        Auth: invalid x-api-key
        Limit: pay
        Auth: not yours
        NotFound: model: claude-0
        Limit: too large
        RateLimited: slow down
        Unavailable: oh
        Timeout: too slow
        Unavailable: Overloaded
        BadInput: new_error
        Unavailable: status 502 with a web page instead of an answer; is the address right?
        Unavailable: status 503 without a word
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn models_come_in_pages() {
    let page = json!({
        "data": [{"type": "model", "id": "claude-a", "max_input_tokens": 200_000, "max_tokens": 64_000}, {"id": "b"}],
        "has_more": true,
        "last_id": "b",
    });
    let (models, next) = Anthropic.models(&page.to_string()).unwrap();
    assert_eq!(next.as_deref(), Some("models?limit=1000&after_id=b"));
    let told: Vec<_> = models.iter().map(|m| (&*m.id, m.context_tokens_max, m.output_tokens_max)).collect();
    assert_eq!(told, [("claude-a", Some(200_000), Some(64_000)), ("b", None, None)]);
    assert_eq!(Anthropic.models(r#"{"data":[],"has_more":false,"last_id":null}"#).unwrap().1, None);
    assert!(Anthropic.models("[]").is_err());
}

#[test]
fn keys_travel_in_a_secret_header() {
    let headers = Anthropic.headers(Some(&Secret::new("k")));
    let shown: Vec<_> = headers.iter().map(|h| (h.name, h.value.reveal(), h.is_secret)).collect();
    assert_eq!(shown, [("anthropic-version", "2023-06-01", false), ("x-api-key", "k", true)]);
    assert_eq!((Anthropic.path("m"), Anthropic.models_path()), ("messages".into(), "models?limit=1000"));
}
