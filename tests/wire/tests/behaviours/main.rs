//! Every behaviour in every format, seen from the outside.

mod http;
mod rules;

use std::time::Duration;

use http::{FORMATS, Format, ask, send};
use lorewell_wire::{BEHAVIOURS, REFUSAL, Server, Settings, TEXT, THOUGHT};
use serde_json::{Value, json};

/// A server that is in a hurry.
async fn server() -> Server {
    let settings = Settings {
        slow: Duration::from_millis(1),
        trickle: Duration::ZERO,
        huge_bytes: 1_000_000,
        pieces: 500,
        ..Settings::default()
    };
    Server::with(settings).await
}

/// What the events of a stream say, put together.
fn said(format: Format, events: &[Value]) -> String {
    let text = |event: &Value| match format {
        Format::Responses if event["type"] == "response.output_text.delta" => event["delta"].clone(),
        Format::Responses => Value::Null,
        Format::Chat => event["choices"][0]["delta"]["content"].clone(),
        Format::Anthropic => event["delta"]["text"].clone(),
        Format::Gemini => event["candidates"][0]["content"]["parts"][0]["text"].clone(),
        Format::Ollama => event["message"]["content"].clone(),
    };
    events.iter().filter_map(|event| text(event).as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn texts_stream_and_come_whole() {
    let server = server().await;
    for format in FORMATS {
        for (model, expected) in
            [("text", TEXT), ("echo", "grüß dich"), ("unknown-events", "Füchse über Bücher für später")]
        {
            let streamed = ask(&server, format, model, true, json!({})).await;
            assert!(streamed.ended, "{format:?} {model}");
            assert_eq!(said(format, &streamed.events()), expected, "{format:?} {model}");
            let whole = ask(&server, format, model, false, json!({})).await;
            let quoted = json!(expected).to_string();
            assert!(whole.text().contains(quoted.trim_matches('"')), "{format:?} {model}: {}", whole.text());
        }
        let slow = ask(&server, format, "slow", true, json!({})).await;
        assert!(slow.events().len() >= 200, "{format:?}");
        let trickle = ask(&server, format, "trickle", true, json!({})).await;
        assert!(trickle.events().len() >= 100, "{format:?}");
        let huge = ask(&server, format, "huge", true, json!({})).await;
        assert!(said(format, &huge.events()).len() >= 1_000_000, "{format:?}");
    }
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer test-key"));
    assert_eq!(server.requests()[0].body["model"], "text");
}

#[tokio::test]
async fn tools_are_called_in_every_format() {
    let server = server().await;
    for format in FORMATS {
        let mut more = json!({});
        format.tools(&mut more);
        for (model, calls) in [("tool", 1), ("tools", 2), ("reasoning", 1)] {
            for is_streamed in [true, false] {
                let text = ask(&server, format, model, is_streamed, more.clone()).await.text();
                assert!(text.contains("first"), "{format:?} {model}: {text}");
                assert_eq!(text.contains("second"), calls == 2, "{format:?} {model}");
            }
        }
        let many = ask(&server, format, "ten-thousand", true, more.clone()).await;
        let is_split = matches!(format, Format::Responses | Format::Chat | Format::Anthropic);
        assert_eq!(many.events().len() >= 500, is_split, "{format:?}");
        let broken = ask(&server, format, "broken-tool", true, more.clone()).await;
        assert_eq!(broken.text().contains("unexpected"), !is_split, "{format:?}");
        assert_eq!(ask(&server, format, "tool", true, json!({})).await.status, 400, "{format:?} without tools");
    }
}

#[tokio::test]
async fn a_tool_that_is_told_of_broken_arguments_does_better() {
    let server = server().await;
    let call = |arguments: &str| {
        json!([{"role": "user", "content": "x"},
               {"role": "assistant", "content": null, "tool_calls": [
                   {"id": "c", "type": "function", "function": {"name": "first", "arguments": arguments}}]},
               {"role": "tool", "tool_call_id": "c", "content": "that is no JSON"}])
    };
    let mut more = json!({"messages": call("{\"value\": ")});
    Format::Chat.tools(&mut more);
    let answer = ask(&server, Format::Chat, "broken-tool", false, more).await.json();
    let arguments = answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(arguments).unwrap()["city"].is_string());
}

#[tokio::test]
async fn thoughts_refusals_limits_and_sources_have_their_shapes() {
    let server = server().await;
    let thought = json!(THOUGHT).to_string();
    let wanted = [
        (Format::Responses, json!({"reasoning": {"summary": "auto"}})),
        (Format::Anthropic, json!({"thinking": {"type": "enabled", "budget_tokens": 1024}})),
        (Format::Gemini, json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}}})),
        (Format::Ollama, json!({"think": true})),
    ];
    for (format, more) in wanted {
        let text = ask(&server, format, "reasoning", false, more).await.text();
        assert!(text.contains(thought.trim_matches('"')), "{format:?}: {text}");
    }
    let ends = [
        (Format::Responses, "max_output_tokens", "\"refusal\""),
        (Format::Chat, "\"length\"", "\"refusal\":\"I"),
        (Format::Anthropic, "max_tokens", "\"refusal\""),
        (Format::Gemini, "MAX_TOKENS", "SAFETY"),
        (Format::Ollama, "\"length\"", REFUSAL),
    ];
    for (format, length, refusal) in ends {
        let text = ask(&server, format, "length", false, json!({})).await.text();
        assert!(text.contains(length), "{format:?}: {text}");
        let text = ask(&server, format, "refusal", false, json!({})).await.text();
        assert!(text.contains(refusal), "{format:?}: {text}");
        let text = ask(&server, format, "cited", true, json!({})).await.text();
        assert_eq!(text.contains("https://example.org/fuechse"), format != Format::Ollama, "{format:?}");
    }
    let prompt = json!({"input": "Why?\n\n[1] Foxes run.\n[2] Bears sleep."});
    let answer = ask(&server, Format::Responses, "cited", false, prompt).await.text();
    assert!(answer.contains("“Foxes run.” [1]"), "{answer}");
}

#[tokio::test]
async fn errors_have_a_status_in_every_format() {
    let server = server().await;
    for format in FORMATS {
        let overloaded = if format == Format::Anthropic { 529 } else { 503 };
        let quota = if format == Format::Anthropic { 400 } else { 429 };
        let missing = if format == Format::Responses { 400 } else { 404 };
        let expected = [
            ("error-429", 429),
            ("error-429-bare", 429),
            ("quota", quota),
            ("error-500", 500),
            ("html", 502),
            ("overloaded", overloaded),
            ("context-too-long", 400),
            ("not-found", missing),
            ("json", 400),
        ];
        for (model, status) in expected {
            let answer = ask(&server, format, model, true, json!({})).await;
            assert_eq!(answer.status, status, "{format:?} {model}");
            assert_eq!(answer.head.contains("retry-after: 1"), model == "error-429", "{format:?} {model}");
        }
        for (model, status) in [("error-429-once", 429), ("error-500-once", 500)] {
            let mut seen = Vec::new();
            for _ in 0..2 {
                seen.push(ask(&server, format, model, true, json!({})).await.status);
            }
            assert_eq!(seen, [status, 200], "{format:?} {model}");
        }
    }
}

#[tokio::test]
async fn faults_break_streams_where_they_say() {
    let server = server().await;
    for format in FORMATS {
        let half = ask(&server, format, "half-frame", true, json!({})).await;
        assert!(!half.ended && half.closed && !half.text().ends_with('\n'), "{format:?}");
        let early = ask(&server, format, "early-end", true, json!({})).await;
        assert!(early.ended && said(format, &early.events()) == "Füchse über ", "{format:?}");
        let error = ask(&server, format, "mid-error", true, json!({})).await;
        assert!(error.events().last().unwrap().get("error").is_some(), "{format:?}");
        let invalid = ask(&server, format, "invalid-utf8", true, json!({})).await;
        assert!(std::str::from_utf8(&invalid.body).is_err(), "{format:?}");
        let empty = ask(&server, format, "empty", true, json!({})).await;
        assert!(empty.status == 200 && empty.body.is_empty(), "{format:?}");
        let whole = ask(&server, format, "half-frame", false, json!({})).await;
        assert!(!whole.ended && whole.closed, "{format:?}");
    }
}

#[tokio::test]
async fn what_hangs_says_as_much_as_it_should() {
    let server = server().await;
    for format in FORMATS {
        let connect = ask(&server, format, "hang-connect", true, json!({})).await;
        assert!(!connect.closed && connect.head.is_empty(), "{format:?}");
        let headers = ask(&server, format, "hang-headers", true, json!({})).await;
        assert!(!headers.closed && headers.head.len() == 40, "{format:?}: {}", headers.head);
        let body = ask(&server, format, "hang-body", true, json!({})).await;
        assert!(!body.closed && body.status == 200 && body.body.is_empty(), "{format:?}");
        let middle = ask(&server, format, "hang-middle", true, json!({})).await;
        assert!(!middle.closed && said(format, &middle.events()) == "Füchse über ", "{format:?}");
    }
    let silent = send(server.silent_url(), "GET / HTTP/1.1\r\n\r\n").await;
    assert!(!silent.closed && silent.head.is_empty());
}

#[tokio::test]
async fn every_behaviour_answers_in_every_format() {
    let server = server().await;
    for format in FORMATS {
        for (model, _) in BEHAVIOURS.iter().filter(|(model, _)| !model.starts_with("hang")) {
            let mut more = json!({});
            format.tools(&mut more);
            for is_streamed in [true, false] {
                let answer = ask(&server, format, model, is_streamed, more.clone()).await;
                assert!(answer.closed && answer.status != 0, "{format:?} {model} {is_streamed}");
            }
        }
    }
}
