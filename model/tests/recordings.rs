//! Plays recorded answers of real providers through the decoders. The recordings are not part of this repository: set
//! `LOREWELL_RECORDINGS` to a folder with one folder for each provider, in which an answer is a file that ends in
//! `.response.sse`, `.response.ndjson` or `.response.json`, beside a `.status`. `LOREWELL_RECORDINGS_ONLY` may name some
//! of the formats and folders, such as `Chat,xai-responses`. What was read is put into a request, too, and held against the
//! types that the providers publish.

mod schemas;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lorewell_model::remote::Format;
use lorewell_model::{Error, Event, Fold, Message, Request, ToolResult};

use crate::schemas::Bodies;

/// Which format each folder speaks.
const FORMATS: &[(Format, &[&str])] = &[
    (
        Format::Responses,
        &[
            "azure-responses",
            "chatgpt-responses",
            "copilot-responses",
            "deepseek-responses",
            "llamacpp-responses",
            "lmstudio-responses",
            "mistralrs-responses",
            "openai-responses",
            "openrouter-responses",
            "xai-responses",
        ],
    ),
    (
        Format::Chat,
        &[
            "alibaba",
            "azure-chat",
            "cerebras",
            "copilot-chat",
            "crusoe",
            "deepseek",
            "doubleword",
            "groq",
            "heroku",
            "huggingface",
            "llamacpp",
            "mistral",
            "mistralrs",
            "moonshot",
            "openai-chat",
            "openrouter",
            "perplexity",
            "snowflake",
            "venice",
            "xai",
            "zai",
        ],
    ),
    (Format::Anthropic, &["anthropic", "anthropic-sdk"]),
    (Format::Gemini, &["gemini", "vertex"]),
    (Format::Ollama, &["ollama"]),
];

/// Recordings of errors within a stream.
const ERRORS: &[&str] = &[
    "openai-responses/prism__stream-rate-limited-1",
    "openai-responses/prism__stream-unknown-error-responses-1",
    "openai-responses/vercel__openai-error.1",
    "groq/pai__test_groq__test_tool_use_failed_error_streaming__01",
    "groq/pai__test_groq__test_tool_use_failed_error_streaming_with_text__01",
    "openrouter/pai__test_openrouter__test_openrouter_stream_error__01",
    "anthropic/vercel__spliced-message-start",
];

/// Recordings with items that a provider made itself and gets back as they were, for which its client has no type, or one
/// of a beta only.
const UNTYPED: &[&str] = &[
    "_file_search_tool_with_results__04",
    "_model_web_search_tool_stream__",
    "__anthropic-compaction",
    "__anthropic-fallback",
    "__anthropic-mcp",
    "__anthropic-web-fetch-tool-20260209",
    "__openai-custom-tool",
    "__xai-",
    "_anthropic_compaction_",
    "_anthropic_mcp_",
    "_advisor_tool_",
    "-advisor-",
    "-unknown-finish-reason-",
];

/// Recordings that are no answers to a request for one, though they look like it.
const OTHERS: &[&str] = &["_batch_with_"];

/// What is in the file of an answer tells whether it is one of the format.
fn is_answer(format: Format, path: &Path, body: &str) -> bool {
    let is_stream = path.extension().is_some_and(|extension| extension != "json");
    let has = |word: &str| body.contains(word);
    match format {
        Format::Responses => is_stream || has("\"output\"") && has("\"response\""),
        Format::Chat => is_stream && has("\"choices\"") || has("\"chat.completion\"") && has("\"choices\""),
        Format::Anthropic => is_stream && (has("message_start") || has("\"error\"")),
        Format::Gemini => is_stream && has("\"candidates\""),
        // Its other streams are OpenAI's.
        Format::Ollama => path.extension().is_some_and(|extension| extension == "ndjson"),
        _ => false,
    }
}

/// Decodes bytes that come in pieces of some size.
fn decode(format: Format, bytes: &[u8], size: usize) -> (Vec<Event>, Result<(), Error>) {
    let mut decoder = format.decoder();
    let mut events = Vec::new();
    let mut result = bytes.chunks(size).try_for_each(|piece| decoder.push(piece, &mut events));
    if result.is_ok() {
        result = decoder.end(&mut events);
    }
    (events, result)
}

/// Checks an answer; returns it with how many events it has, or what is wrong.
fn check(format: Format, bytes: &[u8]) -> Result<(Message, usize), String> {
    let (events, result) = decode(format, bytes, bytes.len().max(1));
    result.map_err(|error| format!("{error:?}"))?;
    let mut fold = Fold::new();
    events.iter().try_for_each(|event| fold.push(event)).map_err(|error| format!("{error:?}"))?;
    let reply = fold.reply().map_err(|error| format!("{error:?}"))?;
    let finishes = events.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
    if finishes != 1 || !matches!(events.last(), Some(Event::Finish { .. })) {
        return Err(format!("{finishes} ends, and the last event is {:?}", events.last()));
    }
    for size in [1, 7, 61, 1021] {
        if decode(format, bytes, size).0 != events {
            return Err(format!("other events in pieces of {size} bytes"));
        }
    }
    Ok((reply.message, events.len()))
}

/// Goes on after an answer.
fn next(message: Message) -> Request {
    let results: Vec<_> = message.tool_calls().map(|call| ToolResult::new(call, "done")).collect();
    let request = Request::from("Go on.").message(message);
    let request = if results.is_empty() { request } else { request.message(Message::results(results)) };
    request.message(Message::user("Thanks."))
}

/// A model that a request may name.
fn model(format: Format) -> &'static str {
    match format {
        Format::Anthropic => "claude-sonnet-4-20250514",
        Format::Gemini => "gemini-3-pro",
        _ => "gpt-5.5",
    }
}

fn answers(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_answer = |path: &PathBuf| {
        let name = path.to_string_lossy();
        [".response.sse", ".response.ndjson", ".response.json"].iter().any(|end| name.ends_with(end))
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_answer).collect();
    paths.sort();
    paths
}

fn status(path: &Path) -> u16 {
    let name = path.to_string_lossy();
    let stem = name.split(".response.").next().unwrap_or_default();
    let text = fs::read_to_string(format!("{stem}.status")).unwrap_or_default();
    text.trim().parse().unwrap_or(200)
}

#[test]
fn recorded_answers_can_be_read() {
    let Ok(folder) = std::env::var("LOREWELL_RECORDINGS") else {
        println!("skipped: LOREWELL_RECORDINGS names no folder of recordings");
        return;
    };
    let only = std::env::var("LOREWELL_RECORDINGS_ONLY").unwrap_or_default();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut bodies = Bodies::new();
    let is_error = |name: &str| ERRORS.iter().any(|error| name.starts_with(error));
    let is_wanted = |name: &str| only.is_empty() || only.split(',').any(|wanted| wanted == name);
    for (format, providers) in FORMATS {
        let is_wanted = |provider: &&&str| is_wanted(&format!("{format:?}")) || is_wanted(provider);
        for provider in providers.iter().filter(is_wanted) {
            let (answers_n, events_n): &mut (usize, usize) = counts.entry(*provider).or_default();
            for path in answers(&Path::new(&folder).join(provider)) {
                let body = fs::read(&path).unwrap();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let name = format!("{provider}/{name}");
                let is_good = (200..300).contains(&status(&path)) && !OTHERS.iter().any(|other| name.contains(other));
                if !is_good || !is_answer(*format, &path, &String::from_utf8_lossy(&body)) {
                    continue;
                }
                match check(*format, &body) {
                    Err(_) if is_error(&name) => {}
                    Ok(_) if is_error(&name) => wrong.push(format!("{name}: its error was not seen")),
                    Ok((message, events)) => {
                        (*answers_n, *events_n) = (*answers_n + 1, *events_n + events);
                        let is_untyped = UNTYPED.iter().any(|untyped| name.contains(untyped));
                        if let Some(bodies) = bodies.as_mut().filter(|_| !is_untyped) {
                            bodies.push(*format, model(*format), &name, &next(message));
                        }
                    }
                    Err(error) => wrong.push(format!("{name}: {error}")),
                }
            }
        }
    }
    for (provider, (answers, events)) in &counts {
        println!("{provider}: {answers} answers, {events} events");
    }
    if let Some(bodies) = bodies {
        bodies.check();
    }
    assert!(wrong.is_empty(), "{} of them cannot be read:\n{}", wrong.len(), wrong.join("\n"));
}
