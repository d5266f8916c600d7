//! Local models as those who use them see them, with the trained model of the test data.

use std::path::PathBuf;

use serde_json::json;

use crate::local::Local;
use crate::{Event, Finish, Kind, Model, OutputSchema, Request, conformance, model};

/// The trained model of the test data, opened for a test of its own.
fn story(window: usize) -> Option<Local> {
    let Some(data) = std::env::var_os("LOREWELL_DATA") else {
        println!("skipped: LOREWELL_DATA names no folder with models");
        return None;
    };
    let path = PathBuf::from(data).join("models/stories260K/stories260K.gguf");
    Some(Local::open(path, window).expect("the model can be opened"))
}

fn handle(local: &Local) -> Model {
    Model::new("gguf:stories".parse().expect("it is a name"), local.clone())
}

/// Tokens of a block of the cache.
const BLOCK: u64 = super::BLOCK_TOKENS as u64;

/// A prompt of many tokens.
fn long(words: usize) -> String {
    let words = ["the", "little", "dog", "ran", "home", "and", "saw", "a", "red", "ball"].iter().cycle().take(words);
    words.copied().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_story_is_told_and_told_again_the_same() {
    let Some(local) = story(400) else { return };
    let model = handle(&local);
    let greedy = Request::from("Once upon a time").temperature(0.0).output_tokens_max(40);
    let text = model.chat(greedy).await.unwrap();
    assert!(text.text().contains("there was a little girl named Lily"), "{}", text.text());
    assert_eq!(text.finish, Finish::Length);
    assert_eq!((text.usage.input_tokens, text.usage.output_tokens), (5, 40));
    let drawn = |seed| Request::from("Once upon a time").seed(seed).output_tokens_max(60);
    let first = model.chat(drawn(7)).await.unwrap().text();
    assert_eq!(model.chat(drawn(7)).await.unwrap().text(), first);
    assert_ne!(model.chat(drawn(8)).await.unwrap().text(), first);
}

#[tokio::test]
async fn it_is_a_model_as_others_are() {
    let Some(local) = story(401) else { return };
    conformance::check(&local).await.unwrap();
}

#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let Some(local) = story(512) else { return };
    let model = handle(&local);
    let request = |end: &str| Request::from(format!("{} {end}", long(200))).temperature(0.0).output_tokens_max(4);
    let first = model.chat(request("one")).await.unwrap();
    assert_eq!(first.usage.cache_read_tokens, 0);
    let second = model.chat(request("two")).await.unwrap();
    let shared = first.usage.input_tokens / BLOCK * BLOCK;
    assert!(second.usage.cache_read_tokens + 2 * BLOCK >= shared, "{:?} {:?}", first.usage, second.usage);
    // The same answer as without.
    let alone = story(510).expect("it was there");
    let expected = handle(&alone).chat(request("two")).await.unwrap().text();
    assert_eq!(second.text(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_at_once_share_what_they_have_in_common() {
    let Some(local) = story(511) else { return };
    let model = handle(&local);
    let before = local.counters();
    let ask = |end: &'static str| {
        let request = Request::from(format!("{} {end}", long(150))).temperature(0.0).output_tokens_max(20);
        let model = model.clone();
        tokio::spawn(async move { model.chat(request).await.map(|reply| (reply.text(), reply.usage.input_tokens)) })
    };
    let all = [ask("Tim"), ask("Lily"), ask("Sam")];
    let mut answers = Vec::new();
    for answer in all {
        answers.push(answer.await.unwrap().unwrap());
    }
    let after = local.counters();
    let (read, reused) = (after.read_tokens - before.read_tokens, after.reused_tokens - before.reused_tokens);
    let tokens: u64 = answers.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(read + reused, tokens);
    assert!(read < tokens / 3 + 3 * 2 * BLOCK, "{read} of {tokens} tokens were read");
    for ((answer, _), end) in answers.iter().zip(["Tim", "Lily", "Sam"]) {
        let alone = story(509).expect("it was there");
        let request = Request::from(format!("{} {end}", long(150))).temperature(0.0).output_tokens_max(20);
        assert_eq!(*answer, handle(&alone).chat(request).await.unwrap().text());
    }
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused() {
    let Some(local) = story(64) else { return };
    let error = handle(&local).chat(long(200).as_str()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.to_string().contains("and the model takes 64 with its answer"), "{error}");
    let cut = handle(&local).chat(Request::from(long(20)).temperature(0.0)).await.unwrap();
    assert!(cut.usage.total_tokens() <= 64 && cut.finish == Finish::Length, "{cut:?}");
}

#[tokio::test]
async fn answers_end_at_words_and_keep_to_forms() {
    let Some(local) = story(402) else { return };
    let model = handle(&local);
    let request = Request::from("Once upon a time").temperature(0.0).output_tokens_max(80).stop("Lily");
    let reply = model.chat(request).await.unwrap();
    assert!(reply.text().ends_with("girl named ") && reply.finish == Finish::Stop, "{}", reply.text());
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["name", "age"], "additionalProperties": false});
    let request = Request::from("Once upon a time").seed(1).output(OutputSchema::new("child", schema));
    let value: serde_json::Value = serde_json::from_str(&model.chat(request).await.unwrap().text()).unwrap();
    assert!(value["age"].as_u64().is_some_and(|age| age < 10), "{value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_holds_up_nobody() {
    let Some(local) = story(403) else { return };
    let model = handle(&local);
    let mut idle = model.stream(Request::from("Once upon a time").temperature(0.0));
    while !matches!(idle.next().await.unwrap().unwrap(), Event::Text { .. }) {}
    let other = Request::from("The little dog").temperature(0.0).output_tokens_max(50);
    assert_eq!(model.chat(other).await.unwrap().usage.output_tokens, 50);
    drop(idle);
    let before = local.counters().written_tokens;
    model.chat(Request::from("One day").temperature(0.0).output_tokens_max(5)).await.unwrap();
    assert!(local.counters().written_tokens < before + 300);
}

#[tokio::test]
async fn what_is_no_model_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.gguf");
    std::fs::write(&file, "hello").unwrap();
    let error = model(format!("gguf:{}", file.display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.to_string().ends_with("it is no GGUF file"), "{error}");
    let error = model(format!("gguf:{}", folder.path().join("y.gguf").display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let Some(data) = std::env::var_os("LOREWELL_DATA") else { return };
    let whole = std::fs::read(PathBuf::from(data).join("models/stories260K/stories260K-Q8_0.gguf")).unwrap();
    for len in [10, 1000, whole.len() / 2, whole.len() - 64] {
        std::fs::write(&file, &whole[..len]).unwrap();
        let error = model(format!("gguf:{}", file.display())).await.unwrap_err();
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("ends too early"), "{len}: {error}");
    }
}
