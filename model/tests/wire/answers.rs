//! What models say: words, thoughts, calls, forms, citations, and how they stop.

use lorewell_model::{Event, Finish, Part, Reply, Request, Result, conformance};
use lorewell_wire::{REFUSAL, Server, TEXT};

use crate::{PROVIDERS, open};

async fn reply(server: &Server, provider: &str, behaviour: &str, request: impl Into<Request>) -> Result<Reply> {
    open(server, provider, behaviour).await.chat(request).await
}

#[tokio::test]
async fn words_come_in_pieces_and_whole() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let mut events = open(&server, provider, "text").await.stream("hi");
        let mut pieces = Vec::new();
        while let Some(event) = events.next().await {
            if let Event::Text { text } = event.unwrap() {
                pieces.push(text);
            }
        }
        assert!(pieces.len() > 3 && pieces.concat() == TEXT, "{provider}: {pieces:?}");
        let reply = reply(&server, provider, "text", "hi").await.unwrap();
        assert_eq!((reply.text().as_str(), &reply.finish), (TEXT, &Finish::Stop), "{provider}");
        assert!(reply.usage.input_tokens > 0 && reply.usage.output_tokens > 0, "{provider}: {:?}", reply.usage);
    }
}

#[tokio::test]
async fn every_model_follows_the_rules_of_events() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        for behaviour in ["text", "echo", "unknown-events", "length", "refusal", "cited"] {
            conformance::check(&open(&server, provider, behaviour).await).await.unwrap_or_else(|error| {
                panic!("{provider}:{behaviour}: {error}");
            });
        }
    }
}

#[tokio::test]
async fn what_is_not_known_is_passed_over() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let text = reply(&server, provider, "unknown-events", "hi").await.unwrap().text();
        assert_eq!(text, "Füchse über Bücher für später", "{provider}");
    }
}

#[tokio::test]
async fn a_byte_that_is_no_text_is_replaced() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let text = reply(&server, provider, "invalid-utf8", "hi").await.unwrap().text();
        assert!(text.contains('\u{fffd}'), "{provider}: {text}");
    }
}

#[tokio::test]
async fn thoughts_are_kept_from_the_answer() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let request = Request::from("hi").effort(lorewell_model::Effort::High).output_tokens_max(4000);
        let reply = reply(&server, provider, "reasoning", request).await.unwrap();
        let thoughts = reply.message.parts.iter().any(|part| matches!(part, Part::Reasoning(_)));
        assert!(!reply.text().is_empty(), "{provider}");
        // OpenAI's Chat Completions only counts them.
        assert!(thoughts || (provider == "openai-chat" && reply.usage.reasoning_tokens > 0), "{provider}: {reply:?}");
    }
}

#[tokio::test]
async fn answers_stop_for_their_reasons() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let finish = async |behaviour| reply(&server, provider, behaviour, "hi").await.unwrap().finish;
        assert_eq!(finish("length").await, Finish::Length, "{provider}");
        if provider != "ollama" {
            assert_eq!(finish("refusal").await, Finish::Refused, "{provider}");
        }
    }
    let paused = reply(&server, "anthropic", "paused", "hi").await.unwrap();
    assert_eq!(paused.finish, Finish::Paused);
    let again = Request::from("hi").message(paused.message);
    assert_eq!(reply(&server, "anthropic", "paused", again).await.unwrap().finish, Finish::Stop);
    let refused = reply(&server, "openai", "refusal", "hi").await.unwrap();
    assert_eq!(refused.text(), REFUSAL);
}

#[tokio::test]
async fn sources_are_cited() {
    let server = Server::start().await;
    for provider in ["openai", "openai-chat", "anthropic", "gemini"] {
        let reply = reply(&server, provider, "cited", "hi").await.unwrap();
        let cited = reply.message.parts.iter().filter(|part| matches!(part, Part::Citation(_))).count();
        assert!(cited > 0, "{provider}: {reply:?}");
    }
}
