//! What each model name makes the server do. The table is the documentation; the match below it is the same in code.

use std::time::Duration;

use serde_json::Value;

use crate::answer::{Answer, Block, Fault, Finish, Pieces, Search, Usage};
use crate::ask::{Ask, Media, Thinks};
use crate::failure::Failure;
use crate::state::State;
use crate::{calls, cite, example};

/// Every model name, the same in all formats, and what it does.
pub const BEHAVIOURS: &[(&str, &str)] = &[
    ("text", "streams `TEXT`, Markdown beyond ASCII, in pieces"),
    ("echo", "streams the last text of the user back"),
    ("slow", "an event every `Settings::slow`, 200 of them"),
    ("trickle", "100 small events, `Settings::trickle` apart"),
    ("reasoning", "thoughts if asked for, sealed; a call if there are tools, which needs the thoughts back; then text"),
    ("tool", "calls the first tool, arguments in pieces: the JSON object in the prompt, or one made from the schema"),
    ("tools", "two calls at once, unless parallel calls are off"),
    ("broken-tool", "arguments that are no JSON (no fit where the format has only objects); right after one result"),
    ("ten-thousand", "a call whose arguments stream in 10,000 pieces, or as many as there are in `Settings::pieces`"),
    ("json", "an answer that fits the schema of the request; an error if it has none"),
    ("cited", "text with citations; if the prompt has numbered passages, text with `[1]` and words of the first"),
    ("vision", "says media types and sizes of the pictures and files it was given"),
    ("cached", "usage with tokens written to the cache, then read from it, when the request has cache hints"),
    ("server-tool", "a tool run by the provider, whose blocks must come back unchanged"),
    ("length", "text cut off by the limit of tokens"),
    ("refusal", "a refusal in the shape of the provider"),
    ("paused", "Anthropic: a turn that is paused and goes on when it comes back; elsewhere `text`"),
    ("unknown-events", "`text` with event types and fields in between that no documentation knows"),
    ("error-429", "too many requests, with a header that says when to come back (`Settings::retry_after`)"),
    ("error-429-bare", "the same without that header"),
    ("error-429-once", "each first of two equal requests is refused so, the second gets `text`"),
    ("quota", "the quota is used up; no use in trying again"),
    ("error-500", "an error of the server"),
    ("error-500-once", "each first of two equal requests fails so, the second gets `text`"),
    ("overloaded", "the provider is overloaded: 503 or 529"),
    ("context-too-long", "the request is longer than the context"),
    ("not-found", "no such model; any name that is not in this table does the same"),
    ("html", "502 with a page"),
    ("empty", "200 with an empty body"),
    ("half-frame", "the connection closes in the middle of a frame"),
    ("early-end", "the stream ends in good order, but before its last events"),
    ("mid-error", "an error event after some text; an error status if not streamed"),
    ("invalid-utf8", "a byte inside a string that is not UTF-8"),
    ("huge", "`Settings::huge_bytes` of text in large pieces (100 MB)"),
    ("hang-connect", "not one byte comes back; see also `Server::silent_url`"),
    ("hang-headers", "half of the headers, then silence"),
    ("hang-body", "headers, then silence"),
    ("hang-middle", "some text, then silence"),
];

/// What `text` says.
pub const TEXT: &str = "# Bücher über Füchse\n\nZwei Gründe: **für** Ärger, *größer* 日本語 🦀.\n\n\
                        1. früh\n2. später\n\n```rust\nlet ß = \"é\";\n```\n";
/// What `reasoning` thinks.
pub const THOUGHT: &str = "Die Frage ist kürzer als üblich.\n\nI look at it from two sides.";
/// What `refusal` says.
pub const REFUSAL: &str = "I can’t help with that.";
/// Pieces of `huge` are so large.
const HUGE_PIECE_BYTES: usize = 100_000;

/// What is done with a request.
pub(crate) enum Act {
    Answer(Answer),
    Fail(Failure),
    Page,
    /// 200 and not one byte.
    Empty,
    HangConnect,
    HangHeaders,
}

/// Decides what is done with a request that its format found to be right.
pub(crate) fn act(ask: &Ask, state: &State) -> Result<Act, Failure> {
    let known = BEHAVIOURS.iter().any(|(name, _)| *name == ask.model);
    if !known || ask.model == "not-found" {
        return Err(Failure::UnknownModel(ask.model.clone()));
    }
    if let Some(refused) = refused(ask, state) {
        return Ok(refused);
    }
    let mut answer = answer(ask, state)?;
    answer.usage = usage(ask, &answer, state);
    Ok(Act::Answer(answer))
}

/// The behaviours that answer with something other than a model's words.
fn refused(ask: &Ask, state: &State) -> Option<Act> {
    let first = || state.is_first(ask.likeness);
    let act = match ask.model.as_str() {
        "error-429" => Act::Fail(Failure::RateLimited { says_when: true }),
        "error-429-bare" => Act::Fail(Failure::RateLimited { says_when: false }),
        "error-429-once" if first() => Act::Fail(Failure::RateLimited { says_when: true }),
        "quota" => Act::Fail(Failure::Quota),
        "error-500" => Act::Fail(Failure::Internal),
        "error-500-once" if first() => Act::Fail(Failure::Internal),
        "mid-error" if !ask.stream => Act::Fail(Failure::Internal),
        "overloaded" => Act::Fail(Failure::Overloaded),
        "context-too-long" => Act::Fail(Failure::TooLong { tokens: 210_000, limit: 200_000 }),
        "html" => Act::Page,
        "empty" => Act::Empty,
        "hang-connect" => Act::HangConnect,
        "hang-headers" => Act::HangHeaders,
        _ => return None,
    };
    Some(act)
}

fn answer(ask: &Ask, state: &State) -> Result<Answer, Failure> {
    let settings = &state.settings;
    let answer = match ask.model.as_str() {
        "echo" => said(&ask.prompt),
        "slow" => paced((0..200).map(|at| format!("für {at} ")).collect(), settings.slow),
        "trickle" => paced((0..100).map(|at| format!("{at} ")).collect(), settings.trickle),
        "reasoning" => reasoning(ask),
        "tool" | "tools" | "broken-tool" | "ten-thousand" => calls::answer(ask, settings)?,
        "json" => said(&schema(ask)?.to_string()),
        "cited" => cite::answer(ask),
        "vision" => said(&media(ask)),
        "server-tool" => searched(ask)?,
        "length" => Answer { finish: Finish::Length, ..said("Das hört mitten im") },
        "refusal" => refusal(),
        "paused" if !ask.continued => Answer { finish: Finish::Pause, ..search() },
        "unknown-events" => faulty(Fault::Unknown),
        "half-frame" => faulty(Fault::HalfFrame),
        "early-end" => faulty(Fault::EarlyEnd),
        "mid-error" => faulty(Fault::Error),
        "invalid-utf8" => faulty(Fault::InvalidUtf8),
        "hang-body" => faulty(Fault::HangBody),
        "hang-middle" => faulty(Fault::HangMiddle),
        "huge" => huge(settings.huge_bytes),
        _ => said(TEXT),
    };
    Ok(answer)
}

/// An answer of one text, in pieces of a few characters.
pub(crate) fn said(text: &str) -> Answer {
    let blocks = vec![Block::Text { pieces: Pieces::cut(text, 7), citations: Vec::new() }];
    Answer { blocks, ..Answer::default() }
}

fn paced(parts: Vec<String>, pace: Duration) -> Answer {
    let blocks = vec![Block::Text { pieces: Pieces::new(parts), citations: Vec::new() }];
    Answer { blocks, pace, ..Answer::default() }
}

fn faulty(fault: Fault) -> Answer {
    // Every piece has a letter beyond ASCII, so that each can be spoilt.
    let parts = ["Füchse ", "über ", "Bücher ", "für ", "später"].map(str::to_owned).to_vec();
    Answer { fault, ..paced(parts, Duration::ZERO) }
}

fn huge(bytes: usize) -> Answer {
    let part = "Füchse über Bücher. ".repeat(HUGE_PIECE_BYTES / 20);
    let times = bytes.div_ceil(part.len());
    let blocks = vec![Block::Text { pieces: Pieces::repeated(part, times), citations: Vec::new() }];
    Answer { blocks, ..Answer::default() }
}

fn reasoning(ask: &Ask) -> Answer {
    let mut answer = if calls::wanted(ask) { calls::one(ask) } else { said("Die Antwort ist 42.") };
    if ask.thinks != Thinks::No {
        answer.blocks.insert(0, Block::Thought(Pieces::cut(THOUGHT, 9)));
    }
    answer
}

fn schema(ask: &Ask) -> Result<Value, Failure> {
    let missing = || Failure::invalid("no schema for the answer was requested, and the model `json` needs one");
    ask.schema.as_ref().map(example::example).ok_or_else(missing)
}

fn media(ask: &Ask) -> String {
    let each = ask.media.iter().map(|media| match media {
        Media::Bytes { media_type, length } => format!("{media_type}, {length} bytes"),
        Media::Url(url) => format!("at {url}"),
    });
    let list: Vec<_> = each.collect();
    if list.is_empty() { "nothing to look at".to_owned() } else { format!("I see: {}.", list.join("; ")) }
}

fn searched(ask: &Ask) -> Result<Answer, Failure> {
    if !ask.answered {
        let mut answer = search();
        answer.blocks.extend(cite::searched().blocks);
        return Ok(answer);
    }
    if ask.echoed == 0 {
        return Err(Failure::invalid("the blocks of the server-side tool did not come back"));
    }
    Ok(said("The blocks came back unchanged."))
}

fn search() -> Answer {
    let (title, url) = (cite::TITLE.to_owned(), cite::URL.to_owned());
    let blocks = vec![Block::Server(Search { query: "Füchse".to_owned(), title, url })];
    Answer { blocks, ..Answer::default() }
}

fn refusal() -> Answer {
    Answer { blocks: vec![Block::Refusal(Pieces::cut(REFUSAL, 7))], finish: Finish::Refusal, ..Answer::default() }
}

fn usage(ask: &Ask, answer: &Answer, state: &State) -> Usage {
    let input = 10 + ask.chars / 4;
    let length = |block: &Block| match block {
        Block::Thought(pieces) | Block::Refusal(pieces) | Block::Text { pieces, .. } => pieces.len(),
        Block::Call(call) => call.arguments.len(),
        Block::Server(_) => 5,
    };
    let thoughts = answer.blocks.iter().filter(|block| matches!(block, Block::Thought(_))).map(length).sum();
    let output = answer.blocks.iter().map(length).sum();
    let cached = ask.cache.as_ref().filter(|_| ask.model == "cached").map(|key| state.was_cached(key));
    let part = |is: bool| if is { input / 2 } else { 0 };
    Usage { input, output, thoughts, cache_read: part(cached == Some(true)), cache_write: part(cached == Some(false)) }
}
