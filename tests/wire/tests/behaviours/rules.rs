//! What the server refuses, and in whose words; and how the servers that are only like OpenAI's differ.

use lorewell_wire::{SERVERS, Server};
use serde_json::{Value, json};

use crate::http::{FORMATS, Format, ask, get, post};

async fn refused(server: &Server, format: Format, more: Value) -> String {
    let answer = ask(server, format, "text", false, more).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let body = answer.json();
    let message = if format == Format::Ollama { &body["error"] } else { &body["error"]["message"] };
    message.as_str().expect("an error has a message").to_owned()
}

#[tokio::test]
async fn keys_are_compared() {
    let server = Server::start().await;
    for format in FORMATS {
        for key in ["", "wrong", "expired-key"] {
            let answer = post(&server, &format.path("text", false), key, &format.body("text", false)).await;
            let expected = match (format, key) {
                (Format::Ollama, "") => 200,
                (Format::Gemini, "") => 403,
                (Format::Gemini, _) => 400,
                _ => 401,
            };
            assert_eq!(answer.status, expected, "{format:?} `{key}`");
            assert!(!answer.text().contains("wrong"), "a key is not repeated");
        }
    }
}

#[tokio::test]
async fn mistakes_are_refused_in_the_words_of_the_provider() {
    let server = Server::start().await;
    let unknown = json!({"nonsense": 1});
    let cases = [
        (Format::Responses, unknown.clone(), "Unknown parameter: 'nonsense'."),
        (Format::Chat, unknown.clone(), "Unknown parameter: 'nonsense'."),
        (Format::Anthropic, unknown.clone(), "nonsense: Extra inputs are not permitted"),
        (
            Format::Gemini,
            unknown.clone(),
            "Invalid JSON payload received. Unknown name \"nonsense\": Cannot find field.",
        ),
        (Format::Ollama, unknown, "json: unknown field \"nonsense\""),
        (Format::Responses, json!({"input": null}), "Missing required parameter: 'input'."),
        (Format::Anthropic, json!({"max_tokens": null}), "max_tokens: Field required"),
        (
            Format::Responses,
            json!({"temperature": -1}),
            "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.",
        ),
        (Format::Anthropic, json!({"temperature": 2}), "temperature: range: 0..1"),
        (
            Format::Responses,
            json!({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}),
            "Invalid value: 'input_text'. Supported values are: 'output_text', and 'refusal'.",
        ),
        (
            Format::Responses,
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}),
            "No tool call found for function call output with call_id c.",
        ),
        (
            Format::Responses,
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}),
            "No tool output found for function call c.",
        ),
    ];
    for (format, more, expected) in cases {
        assert_eq!(refused(&server, format, more).await, expected);
    }
}

#[tokio::test]
async fn calls_must_be_answered() {
    let server = Server::start().await;
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]});
    let user = json!({"role": "user", "content": "x"});
    let more = json!({"messages": [user, call, user]});
    assert!(refused(&server, Format::Anthropic, more).await.contains("`tool_use` ids were found without"));
    let call = json!({"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let more = json!({"messages": [user, call, user]});
    assert!(refused(&server, Format::Chat, more).await.contains("did not have response messages: c"));
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]});
    let text = json!({"role": "user", "parts": [{"text": "x"}]});
    let more = json!({"contents": [text, call, text]});
    assert!(refused(&server, Format::Gemini, more).await.contains("number of function response parts"));
}

#[tokio::test]
async fn strict_schemas_must_be_closed_and_complete() {
    let server = Server::start().await;
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let partial = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": [],
                         "additionalProperties": false});
    for (schema, expected) in [(open, "additionalProperties"), (partial, "Missing 'a'")] {
        let tool = json!({"type": "function", "name": "f", "parameters": schema, "strict": true});
        let message = refused(&server, Format::Responses, json!({"tools": [tool]})).await;
        assert!(message.contains(expected), "{message}");
        let format = json!({"type": "json_schema", "name": "n", "schema": schema, "strict": true});
        let message = refused(&server, Format::Responses, json!({"text": {"format": format}})).await;
        assert!(message.contains(expected), "{message}");
        let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}});
        let message = refused(&server, Format::Chat, json!({"response_format": format})).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn models_are_listed_in_each_shape() {
    let server = Server::start().await;
    let openai = get(&server, "/v1/models", "Authorization: Bearer test-key\r\n").await.json();
    assert_eq!(openai["data"][0]["id"], "text");
    let headers = "x-api-key: test-key\r\nanthropic-version: 2023-06-01\r\n";
    let anthropic = get(&server, "/v1/models?limit=3", headers).await.json();
    assert!(anthropic["has_more"] == true && anthropic["data"].as_array().unwrap().len() == 3);
    let gemini = get(&server, "/v1beta/models?pageSize=10&pageToken=10&key=test-key", "").await.json();
    assert_eq!(gemini["nextPageToken"], "20");
    let ollama = get(&server, "/api/tags", "").await.json();
    assert_eq!(ollama["models"][0]["name"], "text:latest");
    assert_eq!(get(&server, "/v1/models", "").await.status, 401);
}

#[tokio::test]
async fn gemini_streams_an_array_unless_asked_for_events() {
    let server = Server::start().await;
    let body = Format::Gemini.body("text", true);
    let answer = post(&server, "/v1beta/models/text:streamGenerateContent", "test-key", &body).await.json();
    assert!(answer.as_array().expect("the answer is an array").len() > 5);
}

#[tokio::test]
async fn servers_like_openai_have_their_oddities() {
    let server = Server::start().await;
    for name in SERVERS {
        let path = format!("/compat/{name}/chat/completions");
        let mut body = Format::Chat.body("tools", true);
        Format::Chat.tools(&mut body);
        let answer = post(&server, &path, "test-key", &body).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.text().contains("[DONE]"), *name != "bare", "{name}");
    }
    let streamed = async |name: &str, model: &str, more: Value| {
        let mut body = Format::Chat.body(model, true);
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        post(&server, &format!("/compat/{name}/chat/completions"), "test-key", &body).await
    };
    let marks = [
        ("deepseek", "reasoning_content"),
        ("openrouter", ": OPENROUTER PROCESSING"),
        ("openrouter", "reasoning_details"),
        ("groq", "x_groq"),
        ("mistral", "\"thinking\""),
        ("together", "\"eos\""),
        ("lmstudio", "<think>"),
    ];
    for (name, mark) in marks {
        let text = streamed(name, "reasoning", json!({})).await.text();
        assert!(text.contains(mark), "{name}: {text}");
    }
    let options = json!({"stream_options": {"include_usage": true}});
    assert_eq!(streamed("mistral", "text", options.clone()).await.status, 422);
    assert_eq!(streamed("bare", "text", options).await.status, 400);
    let developer = json!({"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "x"}]});
    assert_eq!(streamed("deepseek", "text", developer.clone()).await.status, 400);
    assert_eq!(streamed("vllm", "text", developer).await.status, 200);
}
