//! Google's generateContent: whole bodies, whole streams however they are cut, and what goes wrong.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::Gemini;
use crate::event::Finish;
use crate::media::{Media, Source};
use crate::message::{Message, Opaque, Part, Reasoning, Role, ToolCall, ToolResult};
use crate::remote::check;
use crate::remote::format::Format;
use crate::remote::wire::Wire;
use crate::request::{Effort, OutputSchema, Request, ToolChoice, ToolSpec};
use crate::secret::Secret;
use crate::usage::Usage;

const FORMAT: Format = Format::Gemini;

/// Frames chunks as the provider does.
fn stream(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

/// Makes a chunk of parts.
#[expect(clippy::needless_pass_by_value, reason = "every caller makes it on the spot")]
fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "modelVersion": "gemini-3-pro", "responseId": "r"})
}

/// Makes the last chunk.
fn last(reason: &str) -> Value {
    let usage = json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "cachedContentTokenCount": 4, "totalTokenCount": 22, "serviceTier": "standard"});
    json!({"candidates": [{"finishReason": reason, "index": 0}], "usageMetadata": usage})
}

fn check(chunks: &[Value], expected: &Expect) {
    let shown = check::shown(FORMAT, &stream(chunks));
    // The hash in ids that are made up depends on the order of the fields, and that on features of other crates.
    let mut pieces = shown.split("\"made_");
    let first = pieces.next().unwrap_or_default().to_owned();
    expected.assert_eq(&pieces.fold(first, |shown, piece| shown + "\"made_HASH" + &piece[16..]));
}

/// Shows one field of the body of a request.
fn field(model: &str, request: &Request, names: &[&str]) -> String {
    let body = FORMAT.body(model, request).unwrap();
    names.iter().map(|name| format!("{name}: {}\n", check::pretty(&body[*name]))).collect()
}

fn weather() -> ToolSpec {
    ToolSpec::new(
        "weather",
        "Tells the weather.",
        json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    )
}

/// Thoughts, words with a signature of their own, two calls in one chunk, a signature alone.
fn turn() -> [Value; 6] {
    [
        parts(json!([{"text": "Paris ", "thought": true}])),
        parts(json!([{"text": "it is.", "thought": true}])),
        parts(json!([{"text": "I look"}, {"text": " up 🌤\n", "thoughtSignature": "czE="}])),
        parts(json!([
            {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "czI="},
            {"functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "abc"}},
        ])),
        parts(json!([{"text": "", "thoughtSignature": "czM="}])),
        last("STOP"),
    ]
}

#[test]
fn a_turn_is_read() {
    check(
        &turn(),
        &expect![[r#"
            {"event": "start", "id": "r", "model": "gemini-3-pro"}
            {"event": "reasoning", "text": "Paris "}
            {"event": "reasoning", "text": "it is."}
            {"event": "reasoning_end"}
            {"event": "text", "text": "I look"}
            {"event": "text_end"}
            {"event": "text", "text": " up 🌤\n"}
            {"event": "text_end", "opaque": {"provider": "gemini", "value": {"thoughtSignature": "czE="}}}
            {"event": "tool_call_start", "id": "made_HASH_0", "index": 0, "name": "weather"}
            {"event": "tool_call_arguments", "index": 0, "text": "{\"city\":\"Paris\"}"}
            {"event": "tool_call_end", "index": 0, "opaque": {"provider": "gemini", "value": {"thoughtSignature": "czI="}}}
            {"event": "tool_call_start", "id": "abc", "index": 1, "name": "weather"}
            {"event": "tool_call_arguments", "index": 1, "text": "{\"city\":\"Rome\"}"}
            {"event": "tool_call_end", "index": 1}
            {"event": "text_end", "opaque": {"provider": "gemini", "value": {"thoughtSignature": "czM="}}}
            {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 0, "input_tokens": 10, "output_tokens": 12, "reasoning_tokens": 7}}
            {"event": "finish", "finish": "tool_calls"}
        "#]],
    );
}

#[test]
fn signatures_go_back_on_the_parts_where_they_stood() {
    let reply = check::reply(FORMAT, &stream(&turn()));
    let usage =
        Usage { input_tokens: 10, cache_read_tokens: 4, cache_write_tokens: 0, output_tokens: 12, reasoning_tokens: 7 };
    assert_eq!((reply.usage, reply.finish), (usage, Finish::ToolCalls));
    let results: Vec<_> = reply.message.tool_calls().map(|call| ToolResult::new(call, "sunny")).collect();
    let request = Request::new([Message::user("?"), reply.message, Message::results(results)]);
    expect![[r#"
        contents: [
          {"parts": [{"text": "?"}], "role": "user"},
          {
            "parts": [
              {"text": "I look"},
              {"text": " up 🌤\n", "thoughtSignature": "czE="},
              {"functionCall": {"args": {"city": "Paris"}, "name": "weather"}, "thoughtSignature": "czI="},
              {"functionCall": {"args": {"city": "Rome"}, "id": "abc", "name": "weather"}},
              {"text": "", "thoughtSignature": "czM="}
            ],
            "role": "model"
          },
          {
            "parts": [
              {"functionResponse": {"name": "weather", "response": {"output": "sunny"}}},
              {"functionResponse": {"id": "abc", "name": "weather", "response": {"output": "sunny"}}}
            ],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("gemini-3-pro-preview", &request, &["contents"]));
}

#[test]
fn what_nobody_here_understands_goes_back_whole() {
    let chunks = [
        parts(json!([{"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "cw=="}])),
        parts(json!([{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}}, {"text": "2"}])),
        parts(json!([{"inlineData": {"mimeType": "image/png", "data": "cG5n"}}, {}, {"thought": true}])),
        parts(json!([{"text": "hm", "thought": true, "thoughtSignature": "dA=="}])),
        last("STOP"),
    ];
    check(
        &chunks,
        &expect![[r#"
        {"event": "start", "id": "r", "model": "gemini-3-pro"}
        {"event": "opaque", "opaque": {"provider": "gemini", "value": {"executableCode": {"code": "1+1", "language": "PYTHON"}, "thoughtSignature": "cw=="}}}
        {"event": "opaque", "opaque": {"provider": "gemini", "value": {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}}}}
        {"event": "text", "text": "2"}
        {"event": "text_end"}
        {"event": "opaque", "opaque": {"provider": "gemini", "value": {"inlineData": {"data": "cG5n", "mimeType": "image/png"}}}}
        {"event": "reasoning", "text": "hm"}
        {"event": "reasoning_end", "opaque": {"provider": "gemini", "value": {"thoughtSignature": "dA=="}}}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 0, "input_tokens": 10, "output_tokens": 12, "reasoning_tokens": 7}}
        {"event": "finish", "finish": "stop"}
    "#]],
    );
    let reply = check::reply(FORMAT, &stream(&chunks));
    expect![[r#"
        contents: [
          {
            "parts": [
              {"executableCode": {"code": "1+1", "language": "PYTHON"}, "thoughtSignature": "cw=="},
              {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}},
              {"text": "2"},
              {"inlineData": {"data": "cG5n", "mimeType": "image/png"}},
              {"text": "hm", "thought": true, "thoughtSignature": "dA=="}
            ],
            "role": "model"
          }
        ]
    "#]]
    .assert_eq(&field("gemini-3-pro-preview", &reply.message.into(), &["contents"]));
}

#[test]
fn sources_are_told_once() {
    let grounding = json!({
        "webSearchQueries": ["a"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"uri": "b", "text": "B is."}}],
        "groundingSupports": [{"segment": {"endIndex": 2, "text": "A."}, "groundingChunkIndices": [0]}],
    });
    let mut first = parts(json!([{"text": "A."}]));
    first["candidates"][0]["groundingMetadata"] = grounding.clone();
    let mut end = last("STOP");
    end["candidates"][0]["groundingMetadata"] = grounding;
    end["candidates"][0]["citationMetadata"] =
        json!({"citationSources": [{"uri": "https://c.example", "startIndex": 0}]});
    check(
        &[first, end],
        &expect![[r#"
        {"event": "start", "id": "r", "model": "gemini-3-pro"}
        {"event": "text", "text": "A."}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 0, "input_tokens": 10, "output_tokens": 12, "reasoning_tokens": 7}}
        {"event": "text_end"}
        {"citation": {"opaque": {"provider": "gemini", "value": {"segments": [{"endIndex": 2, "text": "A."}], "source": {"title": "A", "uri": "https://a.example"}}}, "title": "A", "url": "https://a.example"}, "event": "citation"}
        {"citation": {"opaque": {"provider": "gemini", "value": {"segments": [], "source": {"text": "B is.", "uri": "b"}}}, "quote": "B is.", "url": "b"}, "event": "citation"}
        {"citation": {"opaque": {"provider": "gemini", "value": {"startIndex": 0, "uri": "https://c.example"}}, "url": "https://c.example"}, "event": "citation"}
        {"event": "finish", "finish": "stop"}
    "#]],
    );
}

#[test]
fn arguments_in_pieces_are_put_together() {
    let piece = |piece: Value| parts(json!([{"functionCall": {"partialArgs": [piece], "willContinue": true}}]));
    let chunks = [
        parts(json!([{"functionCall": {"name": "add", "willContinue": true}, "thoughtSignature": "cw=="}])),
        piece(json!({"jsonPath": "$.items[0].name", "stringValue": "ap", "willContinue": true})),
        piece(json!({"jsonPath": "$.items[0].name", "stringValue": "ple"})),
        piece(json!({"jsonPath": "$.items[1].price", "numberValue": 0.5})),
        piece(json!({"jsonPath": "$.now", "boolValue": true})),
        parts(json!([{"functionCall": {}}])),
        last("STOP"),
    ];
    check(
        &chunks,
        &expect![[r#"
            {"event": "start", "id": "r", "model": "gemini-3-pro"}
            {"event": "tool_call_start", "id": "made_HASH_0", "index": 0, "name": "add"}
            {"event": "tool_call_arguments", "index": 0, "text": "{\"items\":[{\"name\":\"apple\"},{\"price\":0.5}],\"now\":true}"}
            {"event": "tool_call_end", "index": 0, "opaque": {"provider": "gemini", "value": {"thoughtSignature": "cw=="}}}
            {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 0, "input_tokens": 10, "output_tokens": 12, "reasoning_tokens": 7}}
            {"event": "finish", "finish": "tool_calls"}
        "#]],
    );
    check::reply(FORMAT, &stream(&chunks));
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut odd = parts(json!([{"text": "a", "new": {"x": 1}}, {"new": true}]));
    odd["new"] = json!([1]);
    odd["candidates"][0]["safetyRatings"] = json!([{"category": "x"}]);
    let stream = stream(&[odd, json!({"new": 1}), json!({"candidates": []}), last("STOP")]) + "data: [DONE]\n\n";
    expect![[r#"
        {"event": "start", "id": "r", "model": "gemini-3-pro"}
        {"event": "text", "text": "a"}
        {"event": "text_end"}
        {"event": "opaque", "opaque": {"provider": "gemini", "value": {"new": true}}}
        {"event": "usage", "usage": {"cache_read_tokens": 4, "cache_write_tokens": 0, "input_tokens": 10, "output_tokens": 12, "reasoning_tokens": 7}}
        {"event": "finish", "finish": "stop"}
    "#]].assert_eq(&check::shown(FORMAT, &stream));
    // Some gateways put several chunks into one event.
    let joined = format!("data: {}\ndata: {}\n\n", parts(json!([{"text": "a"}])), last("STOP"));
    assert_eq!(check::reply(FORMAT, &joined).text(), "a");
}

#[test]
fn answers_end_in_different_ways() {
    let ended = |reason: &str| check::reply(FORMAT, &stream(&[last(reason)])).finish;
    assert_eq!(ended("STOP"), Finish::Stop);
    assert_eq!(ended("MAX_TOKENS"), Finish::Length);
    for refused in ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"] {
        assert_eq!(ended(refused), Finish::Refused, "{refused}");
    }
    for other in ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "LANGUAGE", "OTHER"] {
        assert_eq!(ended(other), Finish::Other(other.to_owned()));
    }
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    assert_eq!(check::reply(FORMAT, &stream(&[blocked])).finish, Finish::Refused);
}

#[test]
fn answers_that_fail_say_so() {
    let overloaded = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    check(
        &[parts(json!([{"text": "a"}])), overloaded],
        &expect![[r#"
        {"event": "start", "id": "r", "model": "gemini-3-pro"}
        {"event": "text", "text": "a"}
        Unavailable: The model is overloaded.
    "#]],
    );
    check(
        &[parts(json!([{"text": "a"}]))],
        &expect![[r#"
        {"event": "start", "id": "r", "model": "gemini-3-pro"}
        {"event": "text", "text": "a"}
        Unavailable: the answer broke off before its end; ask again
    "#]],
    );
    check(
        &[json!({"candidates": "none"})],
        &expect![[r#"
        BadOutput: a piece of the answer cannot be read: invalid type: string "none", expected a sequence at line 1 column 20 (caused by Error("invalid type: string \"none\", expected a sequence", line: 1, column: 20))
    "#]],
    );
}

#[test]
fn an_error_without_its_wrapping_is_understood() {
    for stream in [
        "error: {\"code\":503,\"message\":\"oh\"}\n\n",
        "event: error\ndata: {\"error\":{\"code\":503,\"message\":\"oh\"}}\n\n",
    ] {
        expect!["Unavailable: oh\n"].assert_eq(&check::shown(FORMAT, stream));
    }
}

#[test]
fn sources_and_what_they_bear_out_have_bounds() {
    let sources: Vec<_> = (0..20_000).map(|i| json!({"web": {"uri": format!("https://{i}.example")}})).collect();
    let places: Vec<_> = (0..20_000).collect();
    let supports: Vec<_> =
        (0..20_000).map(|i| json!({"segment": {"text": "a"}, "groundingChunkIndices": if i == 0 { places.clone() } else { vec![0, i] }})).collect();
    let grounding = json!({"groundingChunks": sources, "groundingSupports": supports});
    let chunk = json!({"candidates": [{"groundingMetadata": grounding, "finishReason": "STOP"}]});
    let started = std::time::Instant::now();
    let reply = check::play(FORMAT, &[stream(&[chunk]).as_bytes()]);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    let cited = reply.0.iter().filter(|event| matches!(event, crate::Event::Citation { .. })).count();
    assert_eq!((cited, reply.1.is_none()), (1_000, true));
}

#[test]
fn a_request_says_all_it_can() {
    let mut strict = weather();
    strict.strict = true;
    let request = Request::from("How is it in Paris?")
        .system("Be brief.")
        .tool(strict)
        .parallel_tool_calls(false)
        .output(OutputSchema::new("answer", json!({"type": "object"})))
        .output_tokens_max(500)
        .temperature(0.2)
        .top_p(0.9)
        .top_k(40)
        .seed(u64::MAX)
        .stop("###")
        .effort(Effort::Low)
        .extra("cachedContent", "cachedContents/1")
        .extra("generationConfig", json!({"responseModalities": ["TEXT"]}));
    expect![[r####"
        {
          "cachedContent": "cachedContents/1",
          "contents": [{"parts": [{"text": "How is it in Paris?"}], "role": "user"}],
          "generationConfig": {
            "maxOutputTokens": 500,
            "responseJsonSchema": {"type": "object"},
            "responseMimeType": "application/json",
            "responseModalities": ["TEXT"],
            "seed": 2147483647,
            "stopSequences": ["###"],
            "temperature": 0.2,
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 100},
            "topK": 40,
            "topP": 0.9
          },
          "systemInstruction": {"parts": [{"text": "Be brief."}]},
          "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
          "tools": [
            {
              "functionDeclarations": [
                {
                  "description": "Tells the weather.",
                  "name": "weather",
                  "parametersJsonSchema": {"properties": {"city": {"type": "string"}}, "type": "object"}
                }
              ]
            }
          ]
        }"####]]
    .assert_eq(&check::body(FORMAT, "gemini-2.5-flash", &request));
}

#[test]
fn tools_are_chosen() {
    let chosen =
        |choice| field("gemini-2.5-flash", &Request::from("q").tool(weather()).tool_choice(choice), &["toolConfig"]);
    let choices = [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Tool("weather".into())];
    expect![[r#"
        toolConfig: {"functionCallingConfig": {"mode": "AUTO"}}
        toolConfig: {"functionCallingConfig": {"mode": "NONE"}}
        toolConfig: {"functionCallingConfig": {"mode": "ANY"}}
        toolConfig: {"functionCallingConfig": {"allowedFunctionNames": ["weather"], "mode": "ANY"}}
    "#]]
    .assert_eq(&choices.map(chosen).concat());
}

#[test]
fn calls_and_results_of_others_are_understood() {
    let call = ToolCall::new("toolu_1", "draw", &json!({"of": "a"}));
    let second = ToolCall::new("call_883098", "draw", &json!({}));
    let mut drawn = ToolResult::new(&call, "here");
    drawn.parts.push(Part::Image(Media::bytes("image/png", *b"png")));
    let foreign = Reasoning { text: "hm".to_owned(), opaque: Opaque::boxed("anthropic", json!({"signature": "x"})) };
    let request = Request::new([
        Message::user("Draw"),
        Message::new(Role::Assistant, [Part::Reasoning(foreign), Part::ToolCall(call), Part::ToolCall(second.clone())]),
        Message::results([drawn]),
        Message::results([ToolResult::failed(&second, "no")]),
        Message::user("Well?"),
    ]);
    expect![[r#"
        contents: [
          {"parts": [{"text": "Draw"}], "role": "user"},
          {
            "parts": [
              {
                "functionCall": {"args": {"of": "a"}, "id": "toolu_1", "name": "draw"},
                "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
              },
              {"functionCall": {"args": {}, "id": "call_883098", "name": "draw"}}
            ],
            "role": "model"
          },
          {
            "parts": [
              {
                "functionResponse": {
                  "id": "toolu_1",
                  "name": "draw",
                  "parts": [{"inlineData": {"data": "cG5n", "mimeType": "image/png"}}],
                  "response": {"output": "here"}
                }
              },
              {"functionResponse": {"id": "call_883098", "name": "draw", "response": {"error": "no"}}},
              {"text": "Well?"}
            ],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("gemini-3-flash-preview", &request, &["contents"]));
    expect![[r#"
        contents: [
          {"parts": [{"text": "Draw"}], "role": "user"},
          {
            "parts": [
              {"functionCall": {"args": {"of": "a"}, "id": "toolu_1", "name": "draw"}},
              {"functionCall": {"args": {}, "id": "call_883098", "name": "draw"}}
            ],
            "role": "model"
          },
          {
            "parts": [
              {"functionResponse": {"id": "toolu_1", "name": "draw", "response": {"output": "here"}}},
              {"functionResponse": {"id": "call_883098", "name": "draw", "response": {"error": "no"}}},
              {"inlineData": {"data": "cG5n", "mimeType": "image/png"}},
              {"text": "Well?"}
            ],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("gemini-2.5-flash", &request, &["contents"]));
}

#[test]
fn files_are_given_or_pointed_to() {
    let file = |source| Part::File(Media { media_type: "application/pdf".to_owned(), name: None, source });
    let parts = [
        Part::Image(Media::bytes("image/png", *b"png")),
        file(Source::Url("https://a.example/a.pdf".to_owned())),
        file(Source::FileId("files/1".to_owned())),
        file(Source::FileId("https://a.example/files/1".to_owned())),
    ];
    let request = Request::from(Message::new(Role::User, parts));
    expect![[r#"
        contents: [
          {
            "parts": [
              {"inlineData": {"data": "cG5n", "mimeType": "image/png"}},
              {"fileData": {"fileUri": "https://a.example/a.pdf", "mimeType": "application/pdf"}},
              {
                "fileData": {
                  "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1",
                  "mimeType": "application/pdf"
                }
              },
              {"fileData": {"fileUri": "https://a.example/files/1", "mimeType": "application/pdf"}}
            ],
            "role": "user"
          }
        ]
    "#]]
    .assert_eq(&field("gemini-2.5-flash", &request, &["contents"]));
}

#[test]
fn effort_is_said_as_the_model_wants_it() {
    let efforts = [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Max];
    let said = |model: &str| -> String {
        let config = |effort| {
            FORMAT.body(model, &Request::from("q").effort(effort)).unwrap()["generationConfig"]["thinkingConfig"]
                .clone()
        };
        let shown = |config: Value| match &config["thinkingLevel"] {
            Value::Null => config["thinkingBudget"].to_string(),
            level => level.to_string(),
        };
        format!("{model}: {}\n", efforts.map(|effort| shown(config(effort))).join(" "))
    };
    let models = [
        "gemini-2.0-flash",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-3-pro-preview",
        "gemini-3.1-pro-preview",
        "gemini-3-flash-preview",
        "gemini-flash-latest",
        "gemma-3-27b-it",
    ];
    expect![[r#"
        gemini-2.0-flash: null null null null null null
        gemini-2.5-flash: 0 2457 4915 12288 19660 23347
        gemini-2.5-flash-lite: 0 2457 4915 12288 19660 23347
        gemini-2.5-pro: 128 3276 6553 16384 26214 31129
        gemini-3-pro-preview: "low" "low" "low" "high" "high" "high"
        gemini-3.1-pro-preview: "low" "low" "low" "medium" "high" "high"
        gemini-3-flash-preview: "minimal" "minimal" "low" "medium" "high" "high"
        gemini-flash-latest: "minimal" "minimal" "low" "medium" "high" "high"
        gemma-3-27b-it: null null null null null null
    "#]]
    .assert_eq(&models.map(said).concat());
}

#[test]
fn faults_have_kinds() {
    let said = |code: u16, status: &str, message: &str, details: Value| {
        let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
        check::fault(FORMAT, code, &body.to_string()) + "\n"
    };
    let key = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let wait = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"});
    let quota = |id: &str| json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]}, wait]);
    let none = json!([]);
    let all = [
        said(400, "INVALID_ARGUMENT", "API key not valid.", key),
        said(400, "INVALID_ARGUMENT", "no such field", none.clone()),
        said(
            400,
            "INVALID_ARGUMENT",
            "The input token count (2) exceeds the maximum number of tokens allowed (1).",
            none.clone(),
        ),
        said(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", none.clone()),
        said(401, "UNAUTHENTICATED", "who are you", none.clone()),
        said(403, "PERMISSION_DENIED", "not yours", none.clone()),
        said(404, "NOT_FOUND", "models/x is not found", none.clone()),
        said(429, "RESOURCE_EXHAUSTED", "slow down", quota("GenerateRequestsPerMinutePerProjectPerModel")),
        said(429, "RESOURCE_EXHAUSTED", "no more today", quota("GenerateRequestsPerDayPerProjectPerModel")),
        said(500, "INTERNAL", "oh", none.clone()),
        said(503, "UNAVAILABLE", "overloaded", none.clone()),
        said(504, "DEADLINE_EXCEEDED", "too slow", none),
        check::fault(FORMAT, 429, r#"[{"error":{"code":429,"message":"in a list","status":"RESOURCE_EXHAUSTED"}}]"#)
            + "\n",
        check::fault(FORMAT, 404, "<html>") + "\n",
        check::fault(FORMAT, 500, "") + "\n",
    ];
    expect![[r#"
        Auth: API key not valid.
        BadInput: no such field
        Limit: The input token count (2) exceeds the maximum number of tokens allowed (1).
        Refused: User location is not supported for the API use.
        Auth: who are you
        Auth: not yours
        NotFound: models/x is not found
        RateLimited: slow down after 48.5s
        Limit: no more today after 48.5s
        Unavailable: oh
        Unavailable: overloaded
        Timeout: too slow
        RateLimited: in a list
        NotFound: status 404 with a web page instead of an answer; is the address right?
        Unavailable: status 500 without a word
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn models_come_in_pages() {
    let page = json!({
        "models": [
            {"name": "models/gemini-a", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent"]},
            {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "a/b=",
    });
    let (models, next) = Gemini.models(&page.to_string()).unwrap();
    assert_eq!(next.as_deref(), Some("models?pageSize=1000&pageToken=a%2Fb%3D"));
    let told: Vec<_> = models.iter().map(|m| (&*m.id, m.context_tokens_max, m.output_tokens_max)).collect();
    assert_eq!(told, [("gemini-a", Some(1_048_576), Some(65_536))]);
    assert_eq!(Gemini.models("{}").unwrap(), (Vec::new(), None));
    assert!(Gemini.models("<html>").is_err());
}

#[test]
fn models_are_named_in_the_path_and_keys_in_a_secret_header() {
    assert_eq!(Gemini.path("gemini-a"), "models/gemini-a:streamGenerateContent?alt=sse");
    assert_eq!(Gemini.path("tunedModels/mine"), "tunedModels/mine:streamGenerateContent?alt=sse");
    let headers = Gemini.headers(Some(&Secret::new("k")));
    let shown: Vec<_> = headers.iter().map(|h| (h.name, h.value.reveal(), h.is_secret)).collect();
    assert_eq!(shown, [("x-goog-api-key", "k", true)]);
    assert_eq!(Gemini.models_path(), "models?pageSize=1000");
}
