//! What goes wrong, and that it is told as what it is: of the right kind, without a key, without a hang.

use std::time::{Duration, Instant};

use lorewell_model::remote::Timeouts;
use lorewell_model::{Error, Event, Kind, Message, Request, Retry, model};
use lorewell_wire::{EXPIRED_KEY, Server, Settings};

use crate::{PROVIDERS, open, opened};

async fn failure(server: &Server, provider: &str, behaviour: &str) -> Error {
    match open(server, provider, behaviour).await.chat("hi").await {
        Ok(reply) => panic!("{provider}:{behaviour} answered {reply:?}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn each_failure_has_its_kind() {
    let server = Server::start().await;
    let kinds = [
        ("error-429", Kind::RateLimited),
        ("error-429-bare", Kind::RateLimited),
        ("quota", Kind::Limit),
        ("error-500", Kind::Unavailable),
        ("overloaded", Kind::Unavailable),
        ("context-too-long", Kind::Limit),
        ("not-found", Kind::NotFound),
        ("html", Kind::Unavailable),
        ("empty", Kind::Unavailable),
        ("half-frame", Kind::Unavailable),
        ("early-end", Kind::Unavailable),
    ];
    for (provider, _) in PROVIDERS {
        for (behaviour, kind) in kinds {
            if provider == "ollama" && matches!(behaviour, "quota" | "context-too-long") {
                continue; // it runs on one's own machine, and cuts what is too long
            }
            let error = failure(&server, provider, behaviour).await;
            // OpenAI says `slow_down` when it is overloaded.
            let is_slowed = behaviour == "overloaded" && error.kind() == Kind::RateLimited;
            assert!(error.kind() == kind || is_slowed, "{provider}:{behaviour}: {error:?}");
            assert!(!error.to_string().contains("<html"), "{provider}:{behaviour}: {error}");
        }
        let error = failure(&server, provider, "mid-error").await;
        assert!(error.is_retryable(), "{provider}: {error:?}");
    }
    let wait = failure(&server, "openai", "error-429").await.retry_after();
    assert_eq!(wait, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn what_came_before_a_failure_is_handed_on() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let mut events = open(&server, provider, "mid-error").await.stream("hi");
        let mut texts = 0;
        let error = loop {
            match events.next().await {
                Some(Ok(event)) => texts += usize::from(matches!(event, Event::Text { .. })),
                Some(Err(error)) => break error,
                None => panic!("{provider}: it ended well"),
            }
        };
        assert!(texts > 0, "{provider}: {error:?}");
        assert!(events.next().await.is_none(), "{provider}: something comes after the error");
    }
}

#[tokio::test]
async fn keys_that_do_not_fit_are_told_and_not_shown() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS.into_iter().filter(|(provider, _)| *provider != "ollama") {
        for key in ["sk-wrong-0123456789", EXPIRED_KEY] {
            let model = opened(&server, provider, "text").key(key).await.unwrap();
            let error = model.chat("hi").await.unwrap_err();
            assert_eq!(error.kind(), Kind::Auth, "{provider}: {error:?}");
            let shown = format!("{error:?} {error} {model:?}");
            assert!(!shown.contains(key), "{provider}: {shown}");
        }
    }
    let error = model("openai:text").key("a\nb").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(!format!("{error:?}").contains("a\nb"));
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        for behaviour in ["error-429-once", "error-500-once"] {
            let retry = Retry::default().first(Duration::from_millis(5));
            let model = opened(&server, provider, behaviour).retry(retry).await.unwrap();
            let text = format!("hi from {provider} {behaviour}");
            let reply =
                model.chat(text.as_str()).await.unwrap_or_else(|error| panic!("{provider}:{behaviour}: {error:?}"));
            assert!(!reply.text().is_empty());
        }
    }
}

#[tokio::test]
async fn whoever_hangs_is_given_up() {
    let server = Server::start().await;
    let timeouts = Timeouts::each(Duration::from_millis(300));
    for (provider, _) in PROVIDERS {
        for behaviour in ["hang-connect", "hang-headers", "hang-body", "hang-middle"] {
            let began = Instant::now();
            let model = opened(&server, provider, behaviour).timeouts(timeouts).await.unwrap();
            let error = model.chat("hi").await.unwrap_err();
            assert_eq!(error.kind(), Kind::Timeout, "{provider}:{behaviour}: {error:?}");
            assert!(began.elapsed() < Duration::from_secs(10), "{provider}:{behaviour}");
        }
        let model =
            opened(&server, provider, "slow").timeouts(timeouts.total(Duration::from_millis(400))).await.unwrap();
        assert_eq!(model.chat("hi").await.unwrap_err().kind(), Kind::Timeout, "{provider}");
    }
    let silent = model("openai:text").base_url(server.silent_url()).key("k").retry(Retry::never()).timeouts(timeouts);
    assert_eq!(silent.await.unwrap().chat("hi").await.unwrap_err().kind(), Kind::Timeout);
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let model = model("ollama:qwen3").base_url("http://127.0.0.1:9").retry(Retry::never()).await.unwrap();
    let error = model.chat("hi").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("no connection to `http://127.0.0.1:9`"), "{error}");
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let server = Server::with(Settings { huge_bytes: 80_000_000, ..Settings::default() }).await;
    let error = failure(&server, "openai-chat", "huge").await;
    assert_eq!(error.kind(), Kind::Limit, "{error:?}");
}

#[tokio::test]
async fn dropping_the_events_stops_the_model() {
    let server = Server::start().await;
    for (provider, _) in PROVIDERS {
        let mut events = open(&server, provider, "slow").await.stream("hi");
        let began = Instant::now();
        while let Some(event) = events.next().await {
            if matches!(event.unwrap(), Event::Text { .. }) {
                break;
            }
        }
        drop(events);
        assert!(began.elapsed() < Duration::from_secs(5), "{provider}");
    }
}

#[tokio::test]
async fn what_a_format_cannot_say_is_told() {
    let server = Server::start().await;
    let error = open(&server, "openai", "text").await.chat(Request::from("hi").stop("END")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput, "{error:?}");
    let file = lorewell_model::Media::bytes("application/pdf", *b"%PDF-");
    let message = Message::new(lorewell_model::Role::User, [lorewell_model::Part::File(file)]);
    let error = open(&server, "ollama", "text").await.chat(message).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput, "{error:?}");
}

#[tokio::test]
async fn addresses_that_are_none_are_told() {
    let urls = [
        "nowhere",
        "ftp://example.org",
        "http://",
        "http://ada:hunter2@example.org/v1",
        "http://example.org?key=hunter2",
    ];
    for url in urls {
        let open = model("openai:text").base_url(url).key("k");
        let shown = format!("{open:?}");
        let error = open.await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{url}: {error}");
        assert!(!format!("{shown} {error:?}").contains("hunter2"), "{error:?}");
    }
}
