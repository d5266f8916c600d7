//! Requests, as OpenAI and other servers want them.

use expect_test::{Expect, expect};
use serde_json::json;

use super::super::super::super::quirks::Quirks;
use super::super::super::super::wire::Wire as _;
use super::super::super::testing::ordered;
use super::super::Chat;
use crate::message::{Opaque, Reasoning, ToolResult};
use crate::{
    Cache, Effort, Kind, Media, Message, OutputSchema, Part, Request, Role, Secret, Source, ToolCall, ToolChoice,
    ToolSpec,
};

#[expect(clippy::needless_pass_by_value, reason = "as it is written")]
fn check(request: Request, quirks: Quirks, expected: Expect) {
    let body = Chat.body("m", &request, &quirks).unwrap();
    expected.assert_eq(&format!("{:#}", ordered(&body)));
}

fn tool() -> ToolSpec {
    ToolSpec::new(
        "weather",
        "Tells the weather.",
        json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    )
}

fn output() -> OutputSchema {
    // In alphabetical order, as the text that it becomes is in no other one either way.
    OutputSchema::new("peak", json!({"properties": {"name": {"type": "string"}}, "type": "object"}))
}

/// A conversation with everything in it.
fn conversation() -> Request {
    let call = |id: &str, city: &str| ToolCall::new(id, "weather", &json!({"city": city}));
    let signed =
        ToolCall { opaque: Opaque::boxed("openai-chat", json!({"extra_content": {"s": 1}})), ..call("b", "Rome") };
    let reasoning = Reasoning {
        text: "Hm".into(),
        opaque: Opaque::boxed("openai-chat", json!({"reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]})),
    };
    let foreign = Opaque::new("anthropic", json!({"type": "secret"}));
    let answer =
        Message::new(Role::Assistant, [Part::Reasoning(reasoning), Part::text("Let me look"), Part::Opaque(foreign)]);
    let picture = Part::Image(Media::bytes("image/png", *b"png"));
    let mut seen = ToolResult::new(&call("a", ""), "It rains");
    seen.parts.push(picture.clone());
    Request::new([
        Message::system("Be brief."),
        Message::user("Look").part(picture).part(Part::Image(Media::url("image/png", "https://a.example/b.png"))),
        answer.part(Part::ToolCall(call("a", "Paris"))).part(Part::ToolCall(signed)),
        Message::results([seen, ToolResult::failed(&call("b", ""), "no such city")]),
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
          "messages": [
            {
              "content": "Be brief.",
              "role": "developer"
            },
            {
              "content": [
                {
                  "text": "Look",
                  "type": "text"
                },
                {
                  "image_url": {
                    "url": "data:image/png;base64,cG5n"
                  },
                  "type": "image_url"
                },
                {
                  "image_url": {
                    "url": "https://a.example/b.png"
                  },
                  "type": "image_url"
                }
              ],
              "role": "user"
            },
            {
              "content": "Let me look",
              "role": "assistant",
              "tool_calls": [
                {
                  "function": {
                    "arguments": "{\"city\":\"Paris\"}",
                    "name": "weather"
                  },
                  "id": "a",
                  "type": "function"
                },
                {
                  "extra_content": {
                    "s": 1
                  },
                  "function": {
                    "arguments": "{\"city\":\"Rome\"}",
                    "name": "weather"
                  },
                  "id": "b",
                  "type": "function"
                }
              ]
            },
            {
              "content": "It rains",
              "role": "tool",
              "tool_call_id": "a"
            },
            {
              "content": "error: no such city",
              "role": "tool",
              "tool_call_id": "b"
            },
            {
              "content": [
                {
                  "text": "Answer of the tool `weather` to the call `a`:",
                  "type": "text"
                },
                {
                  "image_url": {
                    "url": "data:image/png;base64,cG5n"
                  },
                  "type": "image_url"
                }
              ],
              "role": "user"
            },
            {
              "content": "Go on",
              "role": "user"
            }
          ],
          "model": "m",
          "stream": true,
          "stream_options": {
            "include_usage": true
          }
        }"#]],
    );
}

#[test]
fn all_settings() {
    let request = Request::from("Hi")
        .tool(ToolSpec { strict: true, ..tool() })
        .tool(tool())
        .tool_choice(ToolChoice::Tool("weather".into()))
        .parallel_tool_calls(false)
        .output(output())
        .output_tokens_max(100)
        .temperature(0.2)
        .top_p(0.9)
        .top_k(40)
        .seed(7)
        .stop("END")
        .effort(Effort::Max)
        .cache(Cache::long().key("k"))
        .extra("user", "u")
        .extra("seed", 8);
    check(
        request.clone(),
        Quirks::default(),
        expect![[r#"
        {
          "max_completion_tokens": 100,
          "messages": [
            {
              "content": "Hi",
              "role": "user"
            }
          ],
          "model": "m",
          "parallel_tool_calls": false,
          "prompt_cache_key": "k",
          "prompt_cache_retention": "24h",
          "reasoning_effort": "xhigh",
          "response_format": {
            "json_schema": {
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
              "strict": true
            },
            "type": "json_schema"
          },
          "seed": 8,
          "stop": [
            "END"
          ],
          "stream": true,
          "stream_options": {
            "include_usage": true
          },
          "temperature": 0.2,
          "tool_choice": {
            "function": {
              "name": "weather"
            },
            "type": "function"
          },
          "tools": [
            {
              "function": {
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
                "strict": true
              },
              "type": "function"
            },
            {
              "function": {
                "description": "Tells the weather.",
                "name": "weather",
                "parameters": {
                  "properties": {
                    "city": {
                      "type": "string"
                    }
                  },
                  "type": "object"
                }
              },
              "type": "function"
            }
          ],
          "top_p": 0.9,
          "user": "u"
        }"#]],
    );
    let quirks = Quirks {
        old_max_tokens: true,
        system_role: true,
        no_stream_options: true,
        reasoning_object: true,
        json_object_only: true,
        any_tool: true,
        random_seed: true,
        no_strict: true,
        top_k: true,
        no_cache_key: true,
        ..Quirks::default()
    };
    check(
        request.tool_choice(ToolChoice::Required),
        quirks,
        expect![[r#"
        {
          "max_tokens": 100,
          "messages": [
            {
              "content": "Answer with one JSON object that fits this JSON schema, and nothing else:\n{\"properties\":{\"name\":{\"type\":\"string\"}},\"type\":\"object\"}",
              "role": "system"
            },
            {
              "content": "Hi",
              "role": "user"
            }
          ],
          "model": "m",
          "parallel_tool_calls": false,
          "random_seed": 7,
          "reasoning": {
            "effort": "xhigh"
          },
          "response_format": {
            "type": "json_object"
          },
          "seed": 8,
          "stop": [
            "END"
          ],
          "stream": true,
          "temperature": 0.2,
          "tool_choice": "any",
          "tools": [
            {
              "function": {
                "description": "Tells the weather.",
                "name": "weather",
                "parameters": {
                  "properties": {
                    "city": {
                      "type": "string"
                    }
                  },
                  "type": "object"
                }
              },
              "type": "function"
            },
            {
              "function": {
                "description": "Tells the weather.",
                "name": "weather",
                "parameters": {
                  "properties": {
                    "city": {
                      "type": "string"
                    }
                  },
                  "type": "object"
                }
              },
              "type": "function"
            }
          ],
          "top_k": 40,
          "top_p": 0.9,
          "user": "u"
        }"#]],
    );
}

#[test]
fn thoughts_go_back_to_those_who_want_them() {
    let assistant = |quirks: &Quirks| {
        let body = Chat.body("m", &conversation(), quirks).unwrap();
        let assistant =
            body["messages"].as_array().unwrap().iter().find(|message| message["role"] == "assistant").cloned();
        let mut assistant = assistant.unwrap();
        assistant.as_object_mut().unwrap().remove("tool_calls");
        ordered(&assistant).to_string()
    };
    expect![[r#"{"content":"Let me look","reasoning_content":"Hm","role":"assistant"}"#]]
        .assert_eq(&assistant(&Quirks { echo_reasoning: true, ..Quirks::default() }));
    expect![[
        r#"{"content":"Let me look","reasoning_details":[{"text":"Hm","type":"reasoning.text"}],"role":"assistant"}"#
    ]]
    .assert_eq(&assistant(&Quirks { echo_details: true, ..Quirks::default() }));
}

#[test]
fn files_of_all_kinds() {
    let pdf = Media::bytes("application/pdf", *b"%PDF-").name("a.pdf");
    let held = Media { source: Source::FileId("file-1".into()), ..pdf.clone() };
    let message = Message::new(Role::User, [])
        .part(Part::File(pdf))
        .part(Part::File(held))
        .part(Part::File(Media::bytes("audio/mpeg", *b"ID3")))
        .part(Part::File(Media::bytes("text/plain", *b"words")))
        .part(Part::File(Media::bytes("image/png", *b"png")));
    check(
        Request::from(message),
        Quirks::default(),
        expect![[r#"
        {
          "messages": [
            {
              "content": [
                {
                  "file": {
                    "file_data": "data:application/pdf;base64,JVBERi0=",
                    "filename": "a.pdf"
                  },
                  "type": "file"
                },
                {
                  "file": {
                    "file_id": "file-1"
                  },
                  "type": "file"
                },
                {
                  "input_audio": {
                    "data": "SUQz",
                    "format": "mp3"
                  },
                  "type": "input_audio"
                },
                {
                  "text": "file.txt:\n\nwords",
                  "type": "text"
                },
                {
                  "image_url": {
                    "url": "data:image/png;base64,cG5n"
                  },
                  "type": "image_url"
                }
              ],
              "role": "user"
            }
          ],
          "model": "m",
          "stream": true,
          "stream_options": {
            "include_usage": true
          }
        }"#]],
    );
    let id = Source::FileId("file-1".into());
    let refused = [
        Part::File(Media::url("application/pdf", "https://a.example/a.pdf")),
        Part::File(Media::url("audio/wav", "https://a.example/a.wav")),
        Part::Image(Media { media_type: "image/png".into(), name: None, source: id }),
    ];
    for part in refused {
        let request = Request::from(Message::new(Role::User, [part.clone()]));
        let error = Chat.body("m", &request, &Quirks::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput, "{part:?}");
    }
}

#[test]
fn choices_without_tools_are_left_out() {
    let request = Request::from("Hi").tool_choice(ToolChoice::Auto).parallel_tool_calls(true);
    let body = Chat.body("m", &request, &Quirks::default()).unwrap();
    assert_eq!((body.get("tool_choice"), body.get("parallel_tool_calls")), (None, None));
    let body = Chat.body("m", &request.extra("tools", json!([{}])), &Quirks::default()).unwrap();
    assert_eq!(body["tool_choice"], "auto");
}

#[test]
fn a_key_is_a_secret_header() {
    let headers = Chat.headers(Some(&Secret::new("sk-1")));
    let headers: Vec<_> = headers.iter().map(|header| (header.name, header.value.reveal(), header.is_secret)).collect();
    assert_eq!(headers, [("authorization", "Bearer sk-1", true)]);
    assert!(Chat.headers(None).is_empty());
    assert_eq!((Chat.path("m").as_str(), Chat.models_path()), ("/chat/completions", "/models"));
}

#[test]
fn ids_are_as_the_server_takes_them() {
    let (foreign, own) = (ToolCall::new("toolu_01", "f", &json!({})), ToolCall::new("aB3456789", "f", &json!({})));
    let results = [ToolResult::new(&foreign, "1"), ToolResult::new(&own, "2")];
    let request = Request::new([
        Message::new(Role::Assistant, [Part::ToolCall(foreign), Part::ToolCall(own)]),
        Message::results(results),
    ]);
    let ids = |quirks: Quirks| {
        let body = Chat.body("m", &request, &quirks).unwrap();
        let (calls, results) = (&body["messages"][0]["tool_calls"], &body["messages"]);
        let ids = [&calls[0]["id"], &calls[1]["id"], &results[1]["tool_call_id"], &results[2]["tool_call_id"]];
        ids.map(|id| id.as_str().unwrap().to_owned())
    };
    assert_eq!(ids(Quirks::default()), ["toolu_01", "aB3456789", "toolu_01", "aB3456789"]);
    let [call, own_call, result, own_result] = ids(Quirks { nine_letter_ids: true, ..Quirks::default() });
    assert_eq!((call.len(), &call, &*own_call, &*own_result), (9, &result, "aB3456789", "aB3456789"));
}
