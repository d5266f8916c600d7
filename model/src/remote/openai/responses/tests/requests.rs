//! Requests, as OpenAI wants them.

use expect_test::{Expect, expect};
use serde_json::json;

use super::super::super::super::quirks::Quirks;
use super::super::super::super::wire::Wire as _;
use super::super::super::testing::{ordered, play, reply};
use super::super::Responses;
use crate::message::{Opaque, Reasoning, Text, ToolResult};
use crate::remote::Format;
use crate::{
    Cache, Effort, Kind, Media, Message, OutputSchema, Part, Request, Role, Source, ToolCall, ToolChoice, ToolSpec,
};

#[expect(clippy::needless_pass_by_value, reason = "as it is written")]
fn check(request: Request, quirks: Quirks, expected: Expect) {
    let body = Responses.body("o3", &request, &quirks).unwrap();
    expected.assert_eq(&format!("{:#}", ordered(&body)));
}

/// A conversation with everything in it.
fn conversation() -> Request {
    let call = ToolCall::new("a", "weather", &json!({"city": "Paris"}));
    let other = ToolCall { id: "b".into(), arguments_json: String::new(), ..call.clone() };
    let sealed = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"});
    let reasoning = |opaque| Part::Reasoning(Reasoning { text: "Hm".into(), opaque });
    let phase = Text { text: " now".into(), opaque: Opaque::boxed("openai", json!({"phase": "commentary"})) };
    let action = json!({"type": "search", "query": "rain"});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action});
    let picture = Part::Image(Media::bytes("image/png", *b"png"));
    let mut seen = ToolResult::new(&call, "It rains");
    seen.parts.push(picture.clone());
    let answer = [
        reasoning(Opaque::boxed("openai", sealed)),
        reasoning(Opaque::boxed("anthropic", json!({"signature": "s"}))),
        Part::Opaque(Opaque::new("openai", search)),
        Part::Opaque(Opaque::new("gemini", json!({}))),
        Part::text("Look"),
        Part::Text(phase),
        Part::ToolCall(call.clone()),
        Part::ToolCall(other.clone()),
    ];
    Request::new([
        Message::system("Be brief."),
        Message::user("Look").part(picture),
        Message::new(Role::Assistant, answer),
        Message::results([seen, ToolResult::failed(&other, "no such city")]),
        Message::assistant("It rains."),
        Message::user("Go on"),
    ])
}

#[test]
fn a_conversation() {
    check(
        conversation(),
        Quirks::default(),
        expect![[r#"
            {
              "include": [
                "reasoning.encrypted_content"
              ],
              "input": [
                {
                  "content": "Be brief.",
                  "role": "developer"
                },
                {
                  "content": [
                    {
                      "text": "Look",
                      "type": "input_text"
                    },
                    {
                      "detail": "auto",
                      "image_url": "data:image/png;base64,cG5n",
                      "type": "input_image"
                    }
                  ],
                  "role": "user"
                },
                {
                  "encrypted_content": "sealed",
                  "id": "rs_1",
                  "summary": [],
                  "type": "reasoning"
                },
                {
                  "action": {
                    "query": "rain",
                    "type": "search"
                  },
                  "id": "ws_1",
                  "status": "completed",
                  "type": "web_search_call"
                },
                {
                  "content": "Look now",
                  "phase": "commentary",
                  "role": "assistant",
                  "type": "message"
                },
                {
                  "arguments": "{\"city\":\"Paris\"}",
                  "call_id": "a",
                  "name": "weather",
                  "type": "function_call"
                },
                {
                  "arguments": "{}",
                  "call_id": "b",
                  "name": "weather",
                  "type": "function_call"
                },
                {
                  "call_id": "a",
                  "output": [
                    {
                      "text": "It rains",
                      "type": "input_text"
                    },
                    {
                      "detail": "auto",
                      "image_url": "data:image/png;base64,cG5n",
                      "type": "input_image"
                    }
                  ],
                  "type": "function_call_output"
                },
                {
                  "call_id": "b",
                  "output": "error: no such city",
                  "type": "function_call_output"
                },
                {
                  "content": "It rains.",
                  "role": "assistant",
                  "type": "message"
                },
                {
                  "content": "Go on",
                  "role": "user"
                }
              ],
              "model": "o3",
              "store": false,
              "stream": true
            }"#]],
    );
}

#[test]
fn all_settings() {
    let tool = ToolSpec::new(
        "weather",
        "Tells the weather.",
        json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    );
    let output = OutputSchema::new("peak", json!({"type": "object", "properties": {"name": {"type": "string"}}}));
    let request = Request::from("Hi")
        .tool(ToolSpec { strict: true, ..tool.clone() })
        .tool(tool)
        .tool_choice(ToolChoice::Tool("weather".into()))
        .parallel_tool_calls(false)
        .output(output)
        .output_tokens_max(100)
        .temperature(0.2)
        .top_p(0.9)
        .top_k(40)
        .seed(7)
        .effort(Effort::Low)
        .cache(Cache::long().key("k"))
        .extra("store", true)
        .extra("service_tier", "flex");
    check(
        request,
        Quirks::default(),
        expect![[r#"
            {
              "include": [
                "reasoning.encrypted_content"
              ],
              "input": [
                {
                  "content": "Hi",
                  "role": "user"
                }
              ],
              "max_output_tokens": 100,
              "model": "o3",
              "parallel_tool_calls": false,
              "prompt_cache_key": "k",
              "prompt_cache_retention": "24h",
              "reasoning": {
                "effort": "low",
                "summary": "auto"
              },
              "service_tier": "flex",
              "store": true,
              "stream": true,
              "temperature": 0.2,
              "text": {
                "format": {
                  "name": "peak",
                  "schema": {
                    "additionalProperties": false,
                    "properties": {
                      "name": {
                        "type": "string"
                      }
                    },
                    "required": [
                      "name"
                    ],
                    "type": "object"
                  },
                  "strict": true,
                  "type": "json_schema"
                }
              },
              "tool_choice": {
                "name": "weather",
                "type": "function"
              },
              "tools": [
                {
                  "description": "Tells the weather.",
                  "name": "weather",
                  "parameters": {
                    "additionalProperties": false,
                    "properties": {
                      "city": {
                        "type": "string"
                      }
                    },
                    "required": [
                      "city"
                    ],
                    "type": "object"
                  },
                  "strict": true,
                  "type": "function"
                },
                {
                  "description": "Tells the weather.",
                  "name": "weather",
                  "parameters": {
                    "properties": {
                      "city": {
                        "type": "string"
                      }
                    },
                    "type": "object"
                  },
                  "strict": false,
                  "type": "function"
                }
              ],
              "top_p": 0.9
            }"#]],
    );
    let none = Responses.body("m", &Request::from("Hi").effort(Effort::None), &Quirks::default()).unwrap();
    assert_eq!(none["reasoning"], json!({"effort": "none"}));
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let reasoning = r#"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"sealed"}"#;
    let search = r#"{"id":"ws_1","type":"web_search_call","status":"completed"}"#;
    let message = r#"{"id":"msg_1","type":"message","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"Look","annotations":[{"type":"url_citation","url":"https://a.example"}]}]}"#;
    let call = r#"{"id":"fc_1","type":"function_call","call_id":"a","name":"f","arguments":"{}","namespace":"n"}"#;
    let whole =
        format!(r#"{{"type":"response.completed","response":{{"output":[{reasoning},{search},{message},{call}]}}}}"#);
    let reply = reply(play(Format::Responses, &[&whole]));
    let body = Responses.body("m", &Request::from(reply.message), &Quirks::default()).unwrap();
    let expected = json!([
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "sealed"},
        {"id": "ws_1", "type": "web_search_call", "status": "completed"},
        {"type": "message", "role": "assistant", "phase": "commentary", "content": "Look"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}", "namespace": "n"},
    ]);
    assert_eq!(body["input"], expected);
}

#[test]
fn thoughts_that_led_to_nothing_are_left_out() {
    let sealed = Opaque::boxed("openai", json!({"type": "reasoning", "id": "rs_1", "summary": []}));
    let cut = Message::new(Role::Assistant, [Part::Reasoning(Reasoning { text: String::new(), opaque: sealed })]);
    let request = Request::new([Message::user("Hi"), cut, Message::user("Go on")]);
    let body = Responses.body("m", &request, &Quirks::default()).unwrap();
    assert_eq!(body["input"], json!([{"role": "user", "content": "Hi"}, {"role": "user", "content": "Go on"}]));
}

#[test]
fn files_of_all_kinds() {
    let pdf = Media::bytes("application/pdf", *b"%PDF-").name("a.pdf");
    let held = Media { source: Source::FileId("file-1".into()), ..pdf.clone() };
    let far = Media::url("application/pdf", "https://a.example/a.pdf");
    let parts = [Part::File(pdf), Part::File(held.clone()), Part::File(far), Part::Image(held)];
    check(
        Request::from(Message::new(Role::User, parts)),
        Quirks::default(),
        expect![[r#"
        {
          "include": [
            "reasoning.encrypted_content"
          ],
          "input": [
            {
              "content": [
                {
                  "file_data": "data:application/pdf;base64,JVBERi0=",
                  "filename": "a.pdf",
                  "type": "input_file"
                },
                {
                  "file_id": "file-1",
                  "type": "input_file"
                },
                {
                  "file_url": "https://a.example/a.pdf",
                  "type": "input_file"
                },
                {
                  "detail": "auto",
                  "file_id": "file-1",
                  "type": "input_image"
                }
              ],
              "role": "user"
            }
          ],
          "model": "o3",
          "store": false,
          "stream": true
        }"#]],
    );
}

#[test]
fn what_the_format_has_no_words_for() {
    let sound = Message::new(Role::User, [Part::File(Media::bytes("audio/wav", *b"RIFF"))]);
    for request in [Request::from("Hi").stop("END"), Request::from(sound)] {
        let error = Responses.body("m", &request, &Quirks::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
    }
}
