//! What models are asked: tools and their results, forms, pictures, hints for the cache; and that what a provider seals
//! comes back as it was. The server refuses what the real ones refuse.

use std::collections::HashSet;

use lorewell_model::{
    Cache, Cassette, Effort, Event, Media, Message, Model, Part, Reply, Request, Role, ToolChoice, ToolResult, ToolSpec,
};
use lorewell_wire::Server;
use serde_json::json;

use crate::{PROVIDERS, open, opened};

pub(crate) const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

pub(crate) fn weather() -> ToolSpec {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": false
    });
    ToolSpec::new("get_weather", "The weather in a city.", schema)
}

/// Answers every call until the model has no more, and returns the last answer with how many calls there were.
async fn answered(model: &Model, mut request: Request) -> (Reply, usize) {
    let mut calls = 0;
    for _ in 0..5 {
        let reply = model.chat(request.clone()).await.unwrap_or_else(|error| panic!("{}: {error:?}", model.name()));
        let results: Vec<_> = reply.message.tool_calls().map(|call| ToolResult::new(call, "3 °C, snow")).collect();
        if results.is_empty() {
            return (reply, calls);
        }
        let ids: HashSet<_> = reply.message.tool_calls().map(|call| call.id.clone()).collect();
        assert_eq!(ids.len(), results.len(), "calls have ids of their own");
        calls += results.len();
        request = request.message(reply.message).message(Message::results(results));
    }
    panic!("{} asks for tools without end", model.name());
}

#[tokio::test]
async fn tools_are_called_and_answered() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        for (behaviour, expected) in [("tool", 1), ("tools", 2)] {
            let model = open(&server, provider, behaviour).await;
            let request = || Request::from("Weather in Paris?").tool(weather());
            let (reply, calls) = answered(&model, request()).await;
            assert_eq!(calls, expected, "{provider}:{behaviour}");
            assert!(reply.text().contains("3 °C"), "{provider}:{behaviour}: {}", reply.text());
            let strict = ToolSpec { strict: true, ..weather() };
            let must = Request::from("Weather?").tool(strict).tool_choice(ToolChoice::Required);
            assert_eq!(answered(&model, must).await.1, expected, "{provider}:{behaviour}");
        }
    }
}

#[tokio::test]
async fn one_call_is_enough_where_it_is_said() {
    let server = Server::start().await;
    for provider in ["openai", "openai-chat", "anthropic"] {
        let request = Request::from("Weather?").tool(weather()).parallel_tool_calls(false);
        let reply = open(&server, provider, "tools").await.chat(request).await.unwrap();
        assert_eq!(reply.message.tool_calls().count(), 1, "{provider}");
    }
}

#[tokio::test]
async fn what_is_sealed_comes_back_unchanged() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let model = open(&server, provider, "reasoning").await;
        let request = Request::from("Weather in Paris?").tool(weather()).effort(Effort::High).output_tokens_max(4000);
        // The server refuses the second request if thoughts, signatures or sealed items are missing or changed. What is
        // stored in between is stored as JSON.
        let first = model.chat(request.clone()).await.unwrap();
        let stored: Message = serde_json::from_str(&serde_json::to_string(&first.message).unwrap()).unwrap();
        assert_eq!(stored, first.message);
        let results = stored.tool_calls().map(|call| ToolResult::new(call, "3 °C")).collect::<Vec<_>>();
        assert!(!results.is_empty(), "{provider}");
        let request = request.message(stored).message(Message::results(results));
        let second = model.chat(request).await.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
        assert!(!second.text().is_empty(), "{provider}");
    }
}

#[tokio::test]
async fn what_the_provider_did_itself_comes_back_unchanged() {
    let server = Server::start().await;
    for provider in ["openai", "anthropic", "gemini"] {
        let model = open(&server, provider, "server-tool").await;
        let first = model.chat("search").await.unwrap();
        assert!(first.message.parts.iter().any(|part| matches!(part, Part::Opaque(_))), "{provider}: {first:?}");
        let request = Request::from("search").message(first.message).message(Message::user("and now?"));
        model.chat(request).await.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
    }
}

#[tokio::test]
async fn a_conversation_goes_on_with_another_provider() {
    let server = Server::start().await;
    for (from, _) in PROVIDERS {
        let elsewhere = Server::start().await;
        let request = Request::from("Weather in Paris?").tool(weather()).effort(Effort::High).output_tokens_max(4000);
        let reply = open(&server, from, "reasoning").await.chat(request.clone()).await.unwrap();
        let results = reply.message.tool_calls().map(|call| ToolResult::new(call, "3 °C")).collect::<Vec<_>>();
        let request = request.message(reply.message).message(Message::results(results));
        for (to, _) in PROVIDERS.into_iter().filter(|(to, _)| *to != from) {
            let echo = open(&elsewhere, to, "echo").await;
            echo.chat(request.clone()).await.unwrap_or_else(|error| panic!("{from} to {to}: {error:?}"));
        }
    }
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "it is only read")]
struct Mountain {
    name: String,
    metres: u32,
    first_climbed: Option<u32>,
}

#[tokio::test]
async fn answers_have_the_form_that_was_asked_for() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let model = open(&server, provider, "json").await;
        let _: Mountain = model.chat_as("a mountain").await.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
    }
}

#[tokio::test]
async fn broken_arguments_are_mended() {
    let server = Server::start().await;
    for provider in ["openai", "openai-chat", "anthropic"] {
        let model = open(&server, provider, "broken-tool").await;
        let reply = model.chat(Request::from("Weather?").tool(weather())).await;
        let reply = reply.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
        assert_eq!(reply.message.tool_calls().count(), 1, "{provider}");
    }
}

#[tokio::test]
async fn pictures_are_seen() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let parts = [Part::text("What is it?"), Part::Image(Media::bytes("image/png", PIXEL))];
        let text = open(&server, provider, "vision").await.chat(Message::new(Role::User, parts)).await.unwrap().text();
        // Ollama has no place for the type.
        let is_seen = provider == "ollama" || text.contains("image/png");
        assert!(is_seen && text.contains(&PIXEL.len().to_string()), "{provider}: {text}");
    }
    for provider in ["openai", "openai-chat", "anthropic", "gemini"] {
        let file = Media::bytes("application/pdf", *b"%PDF-1.4 x").name("a.pdf");
        let parts = [Part::text("What is it?"), Part::File(file)];
        let text = open(&server, provider, "vision").await.chat(Message::new(Role::User, parts)).await.unwrap().text();
        assert!(text.contains("application/pdf"), "{provider}: {text}");
    }
}

#[tokio::test]
async fn results_may_be_pictures() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let model = open(&server, provider, "tool").await;
        let request = Request::from("Weather?").tool(weather());
        let reply = model.chat(request.clone()).await.unwrap();
        let call = reply.message.tool_calls().next().unwrap();
        let mut result = ToolResult::new(call, "see the map");
        result.parts.push(Part::Image(Media::bytes("image/png", PIXEL)));
        let request = request.message(reply.message.clone()).message(Message::results([result]));
        model.chat(request).await.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
    }
}

#[tokio::test]
async fn the_cache_is_hinted_at_and_counted() {
    let server = Server::start().await;
    for provider in ["openai", "openai-chat", "anthropic"] {
        let model = open(&server, provider, "cached").await;
        let request = Request::from("hi").system("Be brief. ".repeat(600)).cache(Cache::long().key("desk"));
        let first = model.chat(request.clone()).await.unwrap();
        let second = model.chat(request.message(first.message).message(Message::user("more"))).await.unwrap();
        assert!(second.usage.cache_read_tokens > 0, "{provider}: {:?}", second.usage);
        assert!(second.usage.cache_read_tokens <= second.usage.input_tokens, "{provider}: {:?}", second.usage);
        if provider == "anthropic" {
            assert!(first.usage.cache_write_tokens > 0, "{:?}", first.usage);
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_request_arrives() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let request = Request::new([Message::system("Be brief."), Message::user("one"), Message::assistant("1")])
            .message(Message::user("two"))
            .output_tokens_max(77)
            .temperature(0.5)
            .top_p(0.9)
            .seed(7);
        open(&server, provider, "echo")
            .await
            .chat(request)
            .await
            .unwrap_or_else(|error| panic!("{provider}: {error:?}"));
        let seen = server.requests().pop().unwrap();
        let body = seen.body.to_string();
        assert!(body.contains("77") && body.contains("0.5") && body.contains("Be brief."), "{provider}: {body}");
        assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("lorewell/")), "{provider}");
    }
    let request = Request::from("hi").extra("user", "ada");
    open(&server, "openai-chat", "echo").await.chat(request).await.unwrap();
    assert_eq!(server.requests().pop().unwrap().body["user"], "ada");
    let odd = opened(&server, "openai", "echo").header("X-Team", "desk").await.unwrap();
    odd.chat("hi").await.unwrap();
    assert_eq!(server.requests().pop().unwrap().header("x-team"), Some("desk"));
}

#[tokio::test]
async fn models_are_listed() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let models =
            opened(&server, provider, "list").list().await.unwrap_or_else(|error| panic!("{provider}: {error:?}"));
        // Ollama's have a tag.
        let ids: HashSet<_> = models.iter().map(|model| model.id.trim_end_matches(":latest")).collect();
        assert!(ids.contains("text") && ids.contains("tools") && ids.len() == models.len(), "{provider}: {ids:?}");
    }
}

#[tokio::test]
async fn a_recorded_run_plays_without_the_server() {
    let folder = tempfile::tempdir().unwrap();
    for (provider, _) in PROVIDERS {
        let path = folder.path().join(provider);
        let server = Server::start().await;
        let recorded = open(&server, provider, "tools").await.record(&Cassette::create(&path).unwrap());
        let request = || Request::from("Weather in Paris?").tool(weather());
        let (reply, _) = answered(&recorded, request()).await;
        let name = recorded.name().to_string();
        drop((server, recorded));
        let cassette = Cassette::open(&path).unwrap();
        let (played, _) = answered(&cassette.model(&name).unwrap(), request()).await;
        assert_eq!(played, reply, "{provider}");
        assert_eq!(cassette.unplayed(), 0);
        let tape = std::fs::read_to_string(&path).unwrap();
        assert!(!tape.contains(lorewell_wire::KEY), "a key is on the cassette");
    }
}

#[tokio::test]
async fn a_call_of_ten_thousand_pieces_arrives_whole() {
    let server = Server::start().await;
    for provider in ["openai", "openai-chat", "anthropic"] {
        let mut events = open(&server, provider, "ten-thousand").await.stream(Request::from("go").tool(weather()));
        let (mut pieces, mut text) = (0, String::new());
        while let Some(event) = events.next().await {
            if let Event::ToolCallArguments { text: piece, .. } = event.unwrap() {
                pieces += 1;
                text.push_str(&piece);
            }
        }
        assert!(pieces >= 10_000, "{provider}: {pieces}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{provider}: {error}"));
    }
}
