//! Local models as those who use them see them, with the tiny model of `tests/tiny`, which tells stories and adds by a tool.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::local::Local;
use crate::message::{Message, ToolResult};
use crate::request::{ToolChoice, ToolSpec};
use crate::{Event, Finish, Kind, Model, OutputSchema, Request, conformance, model};

/// Where the tiny model is.
fn tiny() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny"))
}

/// The tiny model, opened for a test of its own: those of the same window share what they read.
fn story(window: usize) -> Local {
    Local::open(tiny().join("tiny-Q8_0.gguf"), window).expect("the model can be opened")
}

fn handle(local: &Local) -> Model {
    Model::new("gguf:tiny".parse().expect("it is a name"), local.clone())
}

/// Tokens of a block of the cache.
const BLOCK: u64 = super::BLOCK_TOKENS as u64;

const FOX: &str = "Tell me a story about a fox and a kite.";

/// A prompt of many tokens, nearly as many as words.
fn long(words: usize) -> String {
    let words = ["the", "little", "dog", "ran", "home", "and", "saw", "a", "red", "ball"].iter().cycle().take(words);
    words.copied().collect::<Vec<_>>().join(" ")
}

/// What transformers says to a prompt.
fn golden(case: usize) -> String {
    let text = fs::read_to_string(tiny().join("golden.json")).expect("it can be read");
    let cases: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let said = cases[case]["said"].as_str().expect("it has what was said");
    said.trim_end_matches("<|im_end|>").to_owned()
}

#[tokio::test]
async fn a_story_is_told_and_told_again_the_same() {
    let local = story(400);
    let model = handle(&local);
    let reply = model.chat(Request::from(FOX).temperature(0.0)).await.unwrap();
    let story = reply.text();
    // Many names are as likely as others, so that eight bits may choose another one.
    assert!(story.starts_with("Once upon a time there was a fox named ") && story.contains(" kite."), "{story}");
    assert_eq!(reply.finish, Finish::Stop);
    let cut = model.chat(Request::from(FOX).temperature(0.0).output_tokens_max(9)).await.unwrap();
    assert!(story.starts_with(&cut.text()), "{}", cut.text());
    assert_eq!((cut.usage.output_tokens, cut.finish), (9, Finish::Length));
    let drawn = |seed| Request::from(FOX).seed(seed).output_tokens_max(60);
    let first = model.chat(drawn(7)).await.unwrap().text();
    assert_eq!(model.chat(drawn(7)).await.unwrap().text(), first);
    assert_ne!(model.chat(drawn(8)).await.unwrap().text(), first);
}

#[tokio::test]
async fn a_folder_is_a_model_too() {
    let model = model(format!("safetensors:{}", tiny().display())).await.unwrap();
    assert_eq!(model.chat(Request::from(FOX).temperature(0.0)).await.unwrap().text(), golden(0));
    // Its own way to draw counts where the request says nothing: what transformers would do.
    let drawn = model.chat(Request::from(FOX).seed(1)).await.unwrap().text();
    let said = Request::from(FOX).seed(1).temperature(0.7).top_p(0.9);
    assert_eq!(model.chat(said).await.unwrap().text(), drawn);
}

/// What the model may ask for.
fn add() -> ToolSpec {
    let number = json!({"type": "integer", "minimum": 0, "maximum": 999});
    let parameters = json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"],
        "additionalProperties": false});
    ToolSpec::new("add", "adds two numbers", parameters)
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_is_told() {
    let local = story(403);
    let model = handle(&local);
    let asked = Message::user("What is 37 plus 48?");
    let request = Request::from(vec![asked.clone()]).tool(add()).temperature(0.0);
    let reply = model.chat(request.clone()).await.unwrap();
    let calls: Vec<_> = reply.message.tool_calls().cloned().collect();
    assert_eq!((calls.len(), reply.finish.clone(), reply.text()), (1, Finish::ToolCalls, String::new()));
    let arguments: serde_json::Value = calls[0].arguments().unwrap();
    assert_eq!((calls[0].name.as_str(), arguments), ("add", json!({"a": 37, "b": 48})));
    let results = Message::results([ToolResult::new(&calls[0], "85")]);
    let told = Request::from(vec![asked, reply.message, results]).tool(add()).temperature(0.0);
    assert_eq!(model.chat(told).await.unwrap().text(), "37 plus 48 is 85.");
    // Held to a call, it makes one whatever it was asked, and even if the likeliest token is another.
    let held = Request::from(FOX).tool(add()).tool_choice(ToolChoice::Required).seed(3).temperature(1.5);
    let reply = model.chat(held).await.unwrap();
    let call = reply.message.tool_calls().next().expect("there is a call");
    let arguments: serde_json::Value = call.arguments().unwrap();
    assert!(arguments["a"].as_u64().is_some_and(|a| a < 1000) && call.name == "add", "{arguments}");
}

#[tokio::test]
async fn it_is_a_model_as_others_are() {
    let local = story(401);
    conformance::check(&local).await.unwrap();
}

#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let local = story(512);
    let model = handle(&local);
    let request = |end: &str| Request::from(format!("{} {end}", long(150))).temperature(0.0).output_tokens_max(4);
    let first = model.chat(request("one")).await.unwrap();
    assert_eq!(first.usage.cache_read_tokens, 0);
    let second = model.chat(request("two")).await.unwrap();
    let shared = first.usage.input_tokens / BLOCK * BLOCK;
    assert!(second.usage.cache_read_tokens + 2 * BLOCK >= shared, "{:?} {:?}", first.usage, second.usage);
    // The same answer as without.
    let alone = story(510);
    let expected = handle(&alone).chat(request("two")).await.unwrap().text();
    assert_eq!(second.text(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_who_share_a_prompt_of_1500_tokens_read_it_once() {
    let local = story(2000);
    let model = handle(&local);
    let request = |end: &str| Request::from(end).system(long(1100)).temperature(0.0).output_tokens_max(20);
    let ends = ["Tell me a story about a fox.", "Tell me a story about a dog.", "Add 3 and 4."];
    let ask = |end: &'static str| {
        let model = model.clone();
        tokio::spawn(async move { model.chat(request(end)).await })
    };
    let mut replies = Vec::new();
    for answer in ends.map(ask) {
        replies.push(answer.await.unwrap().unwrap());
    }
    let counters = local.counters();
    let tokens: Vec<u64> = replies.iter().map(|reply| reply.usage.input_tokens).collect();
    let (all, longest) = (tokens.iter().sum::<u64>(), tokens.iter().max().expect("there are three"));
    assert!(tokens.iter().all(|tokens| *tokens > 1500), "{tokens:?}");
    assert_eq!(counters.read_tokens + counters.reused_tokens, all);
    // One of them reads the prompt, and each reads its own end and the block that this begins in.
    assert!(counters.read_tokens < longest + 2 * 2 * BLOCK, "{counters:?} {tokens:?}");
    assert!(counters.passes < longest / 512 + 1 + 3 * 20 + 3, "{counters:?}");
    let alone = story(2001);
    for (reply, end) in replies.iter().zip(ends) {
        assert_eq!(reply.text(), handle(&alone).chat(request(end)).await.unwrap().text());
    }
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused() {
    let local = story(64);
    let error = handle(&local).chat(long(200).as_str()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.to_string().contains("and the model takes 64 with its answer"), "{error}");
    let cut = handle(&local).chat(Request::from(long(20)).temperature(0.0)).await.unwrap();
    assert!(cut.usage.total_tokens() <= 64 && cut.finish == Finish::Length, "{cut:?}");
}

#[tokio::test]
async fn answers_end_at_words_and_keep_to_forms() {
    let local = story(402);
    let model = handle(&local);
    let greedy = Request::from(FOX).temperature(0.0);
    let whole = model.chat(greedy.clone()).await.unwrap().text();
    let reply = model.chat(greedy.stop("near the")).await.unwrap();
    assert_eq!((Some(reply.text().as_str()), reply.finish), (whole.split("near the").next(), Finish::Stop));
    assert!(whole.contains("near the"), "{whole}");
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["name", "age"], "additionalProperties": false});
    let request = Request::from(FOX).seed(1).output(OutputSchema::new("child", schema));
    let value: serde_json::Value = serde_json::from_str(&model.chat(request).await.unwrap().text()).unwrap();
    assert!(value["age"].as_u64().is_some_and(|age| age < 10), "{value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_holds_up_nobody() {
    let local = story(1800);
    let model = handle(&local);
    let mut idle = model.stream(Request::from(FOX).temperature(0.0));
    while !matches!(idle.next().await.unwrap().unwrap(), Event::Text { .. }) {}
    let other = Request::from("The little dog").temperature(0.0).output_tokens_max(50);
    assert!(model.chat(other).await.unwrap().usage.output_tokens > 10);
    drop(idle);
    let before = local.counters().written_tokens;
    model.chat(Request::from("One day").temperature(0.0).output_tokens_max(5)).await.unwrap();
    assert!(local.counters().written_tokens < before + 300);
}

#[tokio::test]
async fn what_is_no_model_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.gguf");
    fs::write(&file, "hello").unwrap();
    let error = model(format!("gguf:{}", file.display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.to_string().ends_with("it is no GGUF file"), "{error}");
    let error = model(format!("gguf:{}", folder.path().join("y.gguf").display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let whole = fs::read(tiny().join("tiny-Q8_0.gguf")).unwrap();
    for len in [10, 1000, whole.len() / 2, whole.len() - 64] {
        fs::write(&file, &whole[..len]).unwrap();
        let error = model(format!("gguf:{}", file.display())).await.unwrap_err();
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("ends too early"), "{len}: {error}");
    }
    let error = model("safetensors:nowhere").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

/// Copies the folder of the tiny model.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        fs::copy(tiny().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[tokio::test]
async fn scores_that_are_no_numbers_are_an_error() {
    let folder = copied();
    let file = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    // The last tensor is the last norm; the upper half of a float that is no number is 7fc0.
    let len = bytes.len();
    bytes[len - 2..].copy_from_slice(&[0xc0, 0x7f]);
    fs::write(&file, bytes).unwrap();
    let model = model(format!("safetensors:{}", folder.path().display())).await.unwrap();
    let error = model.chat(FOX).await.unwrap_err();
    assert!(error.to_string().contains("no number"), "{error}");
    // The model goes on living, and says the same to the next one.
    assert_eq!(model.chat(FOX).await.unwrap_err().to_string(), error.to_string());
}

#[tokio::test]
async fn a_template_that_loops_or_raises_is_an_error() {
    let folder = copied();
    let name = format!("safetensors:{}", folder.path().display());
    let mut said = Vec::new();
    for (window, template) in [
        (300, "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
        (301, "{{ raise_exception('only one system message') }}"),
        (302, "{% for"),
    ] {
        fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
        let error = match model(&name).window_tokens(window).await {
            Ok(model) => model.chat(FOX).await.unwrap_err(),
            Err(error) => error,
        };
        said.push(error.to_string());
    }
    for (text, expected) in
        said.iter().zip(["the chat template takes more than", "only one system message", "chat template"])
    {
        assert!(text.contains(expected), "{said:#?}");
    }
}

#[tokio::test]
async fn a_model_that_memory_is_short_of_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let header = json!({"model.embed_tokens.weight":
        {"dtype": "F32", "shape": [1_u64 << 20, 1_u64 << 20], "data_offsets": [0, 1_u64 << 42]}});
    let header = header.to_string();
    let file = fs::File::create(folder.path().join("model.safetensors")).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    std::io::Write::write_all(&mut &file, &bytes).unwrap();
    // A hole of 4 TiB, which takes no room.
    if file.set_len(bytes.len() as u64 + (1 << 42)).is_err() {
        println!("skipped: files of this system have no holes");
        return;
    }
    fs::copy(tiny().join("config.json"), folder.path().join("config.json")).unwrap();
    let error = model(format!("safetensors:{}", folder.path().display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.to_string().contains("needs 4194304 MiB of memory"), "{error}");
}
