//! Requests fit what the providers publish: everything that a request can hold, in every format, with what the server
//! sealed sent back to it and to the others.

use lorewell_model::remote::Format;
use lorewell_model::{
    Cache, Effort, Media, Message, OutputSchema, Part, Request, Role, ToolCall, ToolChoice, ToolResult, ToolSpec,
};
use lorewell_wire::Server;
use serde_json::{Value, json};

use crate::requests::{PIXEL, weather};
use crate::schemas_of_clients::Bodies;
use crate::{PROVIDERS, open};

/// Models that are asked in different words.
const MODELS: [(Format, &[&str]); 5] = [
    (Format::Responses, &["gpt-4.1", "gpt-5.5"]),
    (Format::Chat, &["gpt-4.1", "gpt-5.5", "qwen3"]),
    (
        Format::Anthropic,
        &["claude-3-5-haiku-20241022", "claude-sonnet-4-20250514", "claude-opus-4-7", "claude-sonnet-5"],
    ),
    (Format::Gemini, &["gemini-2.5-flash", "gemini-3-pro"]),
    (Format::Ollama, &["qwen3", "gpt-oss"]),
];

/// A schema with what makes providers differ: optional and nullable fields, enums, limits, references, recursion, maps.
fn booking() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "title": "Booking",
        "properties": {
            "guest": {"$ref": "#/$defs/Guest"},
            "nights": {"type": "integer", "minimum": 1, "maximum": 30, "description": "How long."},
            "room": {"type": "string", "enum": ["single", "double"], "default": "single"},
            "note": {"type": ["string", "null"]},
            "extras": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}, "maxItems": 3},
            "kind": {"const": "booking"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}
        },
        "required": ["guest", "nights"],
        "$defs": {
            "Guest": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": "^.+$", "minLength": 1},
                    "with": {"type": "array", "items": {"$ref": "#/$defs/Guest"}}
                },
                "required": ["name"]
            }
        }
    })
}

fn tools() -> [ToolSpec; 3] {
    let strict = ToolSpec { strict: true, ..ToolSpec::new("book", "Books a room.", booking()) };
    [weather(), strict, ToolSpec::new("now", "", json!({"type": "object", "properties": {}}))]
}

/// Everything that the person and the tools can say, in all formats.
fn conversation(format: Format) -> Vec<Message> {
    let calls = [
        ToolCall::new("call_1", "get_weather", &json!({"city": "Köln", "days": 3})),
        ToolCall { arguments_json: String::new(), ..ToolCall::new("call_2", "now", &json!({})) },
    ];
    let picture = || Part::Image(Media::bytes("image/png", PIXEL));
    let mut shown = ToolResult::new(&calls[0], "see the map");
    shown.parts.push(picture());
    let failed = ToolResult::failed(&calls[1], "the clock is broken");
    let mut asked = Message::user("What is it?").part(picture());
    if format != Format::Ollama {
        asked = asked
            .part(Part::Image(Media::url("image/png", "https://example.com/a.png")))
            .part(Part::File(Media::bytes("application/pdf", *b"%PDF-1.4 x").name("a.pdf")));
    }
    vec![
        Message::system("Be brief."),
        Message { cache_here: true, ..Message::system("Be kind.") },
        asked,
        Message::new(Role::Assistant, [Part::text("I look.")].into_iter().chain(calls.map(Part::ToolCall))),
        Message::results([shown, failed]),
        Message { cache_here: true, ..Message::user("And now?") },
        Message::user("Please."),
    ]
}

/// Requests with every setting.
fn requests(messages: &[Message]) -> Vec<(String, Request)> {
    let with_tools = || tools().into_iter().fold(Request::new(messages.to_vec()), Request::tool);
    let mut requests = vec![
        ("plain".to_owned(), Request::new(messages.to_vec())),
        ("tools".to_owned(), with_tools().parallel_tool_calls(false).cache(Cache::short())),
        ("form".to_owned(), Request::new(messages.to_vec()).output(OutputSchema::new("booking", booking()))),
        ("sampling".to_owned(), with_tools().temperature(0.5).top_p(0.9).top_k(40).seed(7).output_tokens_max(4000)),
        ("cache".to_owned(), with_tools().cache(Cache::long().key("desk"))),
    ];
    for choice in [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Tool("book".to_owned())] {
        requests.push((format!("choice {choice:?}"), with_tools().tool_choice(choice)));
    }
    for effort in [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Max] {
        let request = with_tools().effort(effort).output_tokens_max(8000);
        requests.push((format!("effort {}", effort.name()), request));
    }
    requests
}

/// What the server answers when it thinks, calls tools and cites, with results for the calls.
async fn answers(server: &Server, provider: &str) -> Vec<Message> {
    let mut answers = Vec::new();
    for behaviour in ["reasoning", "tools", "server-tool", "text"] {
        if behaviour == "server-tool" && ["openai-chat", "ollama"].contains(&provider) {
            continue;
        }
        let request = Request::from("Weather?").tool(weather()).effort(Effort::High).output_tokens_max(4000);
        let reply = open(server, provider, behaviour).await.chat(request).await;
        let message = reply.unwrap_or_else(|error| panic!("{provider}:{behaviour}: {error:?}")).message;
        let results: Vec<_> = message.tool_calls().map(|call| ToolResult::new(call, "3 °C")).collect();
        answers.extend([Message::user("Weather?"), message]);
        if !results.is_empty() {
            answers.push(Message::results(results));
        }
    }
    answers
}

#[tokio::test]
async fn requests_fit_the_published_types() {
    let Some(mut bodies) = Bodies::new() else { return };
    let server = Server::start().await;
    let mut answered = Vec::new();
    for (provider, _) in PROVIDERS {
        answered.extend(answers(&server, provider).await);
    }
    answered.push(Message::user("Thanks."));
    for (format, model) in MODELS.iter().flat_map(|(format, models)| models.iter().map(|model| (*format, *model))) {
        for (name, request) in requests(&conversation(format)) {
            bodies.push(format, model, &name, &request);
        }
        for (name, request) in requests(&answered) {
            bodies.push(format, model, &format!("{name}, after answers"), &request);
        }
        // Responses has no stop words, and says so.
        if format != Format::Responses {
            bodies.push(format, model, "stop", &Request::from("Count.").stop("END").stop("\n\n"));
        }
    }
    tokio::task::spawn_blocking(move || bodies.check()).await.expect("the bodies fit");
}
