//! Layers around scripted models. Time is tokio's, stopped, so waits cost nothing and are exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::chat::{ChatModel, Events};
use crate::event::{Event, Finish};
use crate::mock::Script;
use crate::model::Model;
use crate::request::Request;
use crate::retry::Retry;
use crate::usage::Usage;
use crate::{Error, Kind, Message, Price, Prices};

fn named(chat: impl ChatModel + 'static) -> Model {
    Model::new("mock:test".parse().unwrap(), chat)
}

/// Fails some times, waiting as asked, then answers.
#[derive(Debug, Clone)]
struct Flaky {
    failures: usize,
    kind: Kind,
    retry_after: Option<Duration>,
    /// Whether it says something before it fails.
    speaks: bool,
    asked: Arc<AtomicUsize>,
}

impl Flaky {
    fn new(failures: usize, kind: Kind) -> Self {
        Self { failures, kind, retry_after: None, speaks: false, asked: Arc::default() }
    }
}

impl ChatModel for Flaky {
    fn stream(&self, _: Request) -> Events {
        let this = self.clone();
        Events::new(async_stream::stream! {
            yield Ok(Event::Start { id: None, model: None });
            if this.asked.fetch_add(1, Ordering::Relaxed) < this.failures {
                if this.speaks {
                    yield Ok(Event::Text { text: "half".to_owned() });
                }
                let error = Error::new(this.kind, "it failed");
                yield Err(match this.retry_after {
                    Some(wait) => error.after(wait),
                    None => error,
                });
                return;
            }
            yield Ok(Event::Text { text: "whole".to_owned() });
            yield Ok(Event::Usage { usage: Usage { input_tokens: 60, output_tokens: 40, ..Usage::default() } });
            yield Ok(Event::Finish { finish: Finish::Stop });
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_asked_again() {
    let began = Instant::now();
    let reply = named(Flaky::new(2, Kind::Unavailable)).retry(Retry::default()).chat("x").await.unwrap();
    assert_eq!(reply.text(), "whole");
    // Half a second and one second, each shortened by up to half.
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(750) && waited <= Duration::from_millis(1500), "{waited:?}");

    let error = named(Flaky::new(9, Kind::Unavailable)).retry(Retry::default()).chat("x").await.unwrap_err();
    assert_eq!(error.to_string(), "asking `mock:test`: after 3 attempts: it failed");
}

#[tokio::test(start_paused = true)]
async fn the_other_side_says_how_long_to_wait() {
    let began = Instant::now();
    let flaky = Flaky { retry_after: Some(Duration::from_secs(7)), ..Flaky::new(1, Kind::RateLimited) };
    named(flaky).retry(Retry::default()).chat("x").await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 7);

    let flaky = Flaky { retry_after: Some(Duration::from_secs(3600)), ..Flaky::new(1, Kind::RateLimited) };
    let error = named(flaky).retry(Retry::default()).chat("x").await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (Kind::RateLimited, Some(Duration::from_secs(3600))));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_not_said_twice() {
    let speaking = || Flaky { speaks: true, ..Flaky::new(1, Kind::Unavailable) };
    let asked = speaking();
    let other = named(Flaky::new(0, Kind::Unavailable));
    let model = named(asked.clone()).retry(Retry::default()).fallback(&other);
    assert_eq!(model.chat("x").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(asked.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_asked_again() {
    for kind in [Kind::Auth, Kind::BadInput, Kind::Refused, Kind::Limit, Kind::NotFound, Kind::BadOutput] {
        let flaky = Flaky::new(1, kind);
        let error = named(flaky.clone()).retry(Retry::default()).chat("x").await.unwrap_err();
        assert_eq!((error.kind(), flaky.asked.load(Ordering::Relaxed)), (kind, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn another_model_stands_in() {
    let other = named(Script::new([Message::assistant("from the other")]));
    let reply = named(Flaky::new(1, Kind::Auth)).fallback(&other).chat("x").await.unwrap();
    assert_eq!(reply.text(), "from the other");

    // A wrong request is wrong everywhere.
    let error = named(Flaky::new(1, Kind::BadInput)).fallback(&other).chat("x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);

    let error = named(Flaky::new(1, Kind::Timeout)).fallback(&other).chat("x").await.unwrap_err();
    let expected =
        "asking `mock:test`: asking `mock:test`, as `mock:test` failed (it failed): the script has no further answer";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_kept() {
    let ten = Price { input: 10.0, output: 10.0, cache_read: None, cache_write: None };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.json");
    std::fs::write(&path, serde_json::json!({"mock:test": ten}).to_string()).unwrap();
    let prices = Prices::read(&path).unwrap();

    let budget = Budget::new().tokens_max(150);
    let model = named(Flaky::new(0, Kind::Auth)).prices(&prices).budget(&budget);
    model.chat("x").await.unwrap();
    model.chat("x").await.unwrap();
    let error = model.chat("x").await.unwrap_err();
    assert_eq!(error.to_string(), "asking `mock:test`: the budget is spent: 150 tokens");
    let spent = budget.spent();
    assert_eq!((spent.requests, spent.usage.total_tokens()), (2, 200));
    assert!((spent.cost_usd - 0.002).abs() < 1e-12, "{spent:?}");

    let budget = Budget::new().cost_usd_max(0.0005);
    let model = named(Flaky::new(0, Kind::Auth)).prices(&prices).budget(&budget);
    model.chat("x").await.unwrap();
    assert_eq!(model.chat("x").await.unwrap_err().kind(), Kind::Limit);

    let unpriced = Model::new("acme:test".parse().unwrap(), Flaky::new(0, Kind::Auth)).budget(&budget);
    assert_eq!(unpriced.chat("x").await.unwrap_err().kind(), Kind::Config);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let limit = RateLimit::new().requests_per_minute(60);
    let model = named(Flaky::new(0, Kind::Auth)).rate_limit(&limit);
    let began = Instant::now();
    for _ in 0..60 {
        model.chat("x").await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    model.chat("x").await.unwrap();
    assert_eq!(began.elapsed().as_millis() / 100, 10);

    // What an answer has really used counts.
    let limit = RateLimit::new().tokens_per_minute(100);
    let model = named(Flaky::new(0, Kind::Auth)).rate_limit(&limit);
    let began = Instant::now();
    model.chat("x").await.unwrap();
    model.chat("x").await.unwrap();
    model.chat("x").await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(55), "{:?}", began.elapsed());
}

/// Counts how many of its answers are read at the same time.
#[derive(Debug, Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl ChatModel for Crowd {
    fn stream(&self, _: Request) -> Events {
        let this = self.clone();
        Events::new(async_stream::stream! {
            let now = this.now.fetch_add(1, Ordering::Relaxed) + 1;
            this.most.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            this.now.fetch_sub(1, Ordering::Relaxed);
            yield Ok(Event::Finish { finish: Finish::Stop });
        })
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_are_answered_at_once() {
    let crowd = Crowd::default();
    let model = named(crowd.clone()).rate_limit(&RateLimit::new().at_once(3));
    let answers = (0..10).map(|_| model.chat("x"));
    for answer in futures_util::future::join_all(answers).await {
        answer.unwrap();
    }
    assert_eq!(crowd.most.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_cassette_gives_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let script = Script::new([Message::assistant("one"), Message::assistant("two")]).then_fail(Kind::Refused, "no");
    let recorded = named(script).record(&Cassette::create(&path).unwrap());
    let mut events = Vec::new();
    for text in ["a", "b", "c"] {
        let mut stream = recorded.stream(text);
        let mut all = Vec::new();
        while let Some(event) = stream.next().await {
            all.push(event.map_err(|error| (error.kind(), error.to_string())));
        }
        events.push(all);
    }
    let cassette = Cassette::open(&path).unwrap();
    let played = cassette.model("mock:test").unwrap();
    // Requests that are made side by side may come in another order.
    for (text, expected) in [("b", &events[1]), ("a", &events[0]), ("c", &events[2])] {
        let mut stream = played.stream(text);
        let mut all = Vec::new();
        while let Some(event) = stream.next().await {
            all.push(event.map_err(|error| (error.kind(), error.to_string())));
        }
        assert_eq!(all, *expected);
    }
    assert_eq!(cassette.unplayed(), 0);
    assert_eq!(played.chat("a").await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_request_that_drifted_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let recorded = named(Script::new([Message::assistant("one")])).record(&Cassette::create(&path).unwrap());
    recorded.chat(Request::from("hello").temperature(0.5)).await.unwrap();
    let played = Cassette::open(&path).unwrap().model("mock:test").unwrap();
    let error = played.chat(Request::from("hello").temperature(0.7)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("-  \"temperature\": 0.5\n+  \"temperature\": 0.7"), "{error}");
}

#[tokio::test]
async fn what_is_dropped_is_recorded_as_far_as_it_was_heard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dropped.jsonl");
    let script = Script::new([Message::assistant("one two three")]).then_fail(Kind::RateLimited, "slower");
    let recorded = named(script).record(&Cassette::create(&path).unwrap());
    let mut events = recorded.stream("count");
    let heard = [events.next().await.unwrap().unwrap(), events.next().await.unwrap().unwrap()];
    drop(events);
    recorded.chat("again").await.unwrap_err();
    let cassette = Cassette::open(&path).unwrap();
    let played = cassette.model("mock:test").unwrap();
    let mut events = played.stream("count");
    for event in heard {
        assert_eq!(events.next().await.unwrap().unwrap(), event);
    }
    let error = events.next().await.unwrap().unwrap_err();
    assert!(error.kind() == Kind::Cancelled && error.to_string().contains("stopped listening"), "{error}");
    assert_eq!(played.chat("again").await.unwrap_err().kind(), Kind::RateLimited);
    assert_eq!(cassette.unplayed(), 0);
}

#[tokio::test]
async fn a_cassette_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    assert_eq!(Cassette::open(&path).unwrap_err().kind(), Kind::NotFound);
    std::fs::write(&path, "{\"model\": 3}\n").unwrap();
    let error = Cassette::open(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("line 1"), "{error}");
}
