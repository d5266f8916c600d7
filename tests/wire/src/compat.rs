//! Servers that are like OpenAI's Chat Completions but not quite: a table of their oddities, as seen in recordings of
//! each, and two that are odder than any (`bare`, `objects`).

use serde_json::{Value, json};

use crate::failure::{Failure, Invalid, Reply};

/// The servers that are pretended under `/compat/{name}`.
pub const SERVERS: &[&str] = &[
    "vllm",
    "deepseek",
    "openrouter",
    "groq",
    "mistral",
    "llamacpp",
    "xai",
    "together",
    "lmstudio",
    "bare",
    "objects",
];

/// How a server differs from OpenAI's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quirks {
    pub server: &'static str,
    /// Refuses fields that it does not know.
    pub strict: bool,
    /// Refuses these fields although OpenAI knows them.
    pub refuses: &'static [&'static str],
    pub takes_developer: bool,
    pub thoughts: Thoughts,
    pub ids: CallIds,
    /// A call comes in one chunk.
    pub whole_calls: bool,
    /// Arguments are an object, not a text.
    pub object_arguments: bool,
    /// The stream ends with `[DONE]`.
    pub done: bool,
    pub usage: UsagePlace,
    /// What `finish_reason` says for stop, length and calls.
    pub finish: [&'static str; 3],
    /// A comment before the first event.
    pub comment: Option<&'static str>,
    /// Chunks have `id`, `object`, `created` and `model`.
    pub has_envelope: bool,
    pub errors: Errors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoughts {
    Never,
    /// `reasoning_content`.
    Content,
    /// `reasoning`.
    Reasoning,
    /// `reasoning` and `reasoning_details`.
    Details,
    /// Parts of type `thinking` in a list as `content`.
    Parts,
    /// `<think>` in the text.
    Tags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallIds {
    Usual,
    /// Nine letters, and nothing else is taken back.
    Nine,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsagePlace {
    /// In a chunk of its own, if asked for.
    IfAsked,
    /// In the chunk that says how the answer ended.
    LastChunk,
    /// The same, in `x_groq`.
    Groq,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errors {
    OpenAi,
    /// `code` is the status.
    NumberCode,
    /// No `error` around it.
    Mistral,
    /// No `param`.
    Groq,
    Text,
}

/// OpenAI itself.
pub(crate) const OPENAI: Quirks = Quirks {
    server: "openai",
    strict: true,
    refuses: &[],
    takes_developer: true,
    thoughts: Thoughts::Never,
    ids: CallIds::Usual,
    whole_calls: false,
    object_arguments: false,
    done: true,
    usage: UsagePlace::IfAsked,
    finish: ["stop", "length", "tool_calls"],
    comment: None,
    has_envelope: true,
    errors: Errors::OpenAi,
};

impl Default for Quirks {
    fn default() -> Self {
        OPENAI
    }
}

/// Returns the oddities of a server.
pub(crate) fn quirks(server: &str) -> Option<Quirks> {
    let server = SERVERS.iter().find(|known| **known == server)?;
    let usual = Quirks { server, strict: false, ..OPENAI };
    let quirks = match *server {
        "vllm" => Quirks { thoughts: Thoughts::Content, errors: Errors::NumberCode, ..usual },
        "deepseek" => Quirks {
            takes_developer: false,
            thoughts: Thoughts::Content,
            usage: UsagePlace::LastChunk,
            comment: Some(": keep-alive\n\n"),
            ..usual
        },
        "openrouter" => Quirks {
            thoughts: Thoughts::Details,
            usage: UsagePlace::LastChunk,
            comment: Some(": OPENROUTER PROCESSING\n\n"),
            errors: Errors::NumberCode,
            ..usual
        },
        "groq" => Quirks {
            thoughts: Thoughts::Reasoning,
            whole_calls: true,
            usage: UsagePlace::Groq,
            errors: Errors::Groq,
            ..usual
        },
        "mistral" => Quirks {
            strict: true,
            refuses: &["stream_options", "max_completion_tokens", "seed", "logprobs", "store"],
            takes_developer: false,
            thoughts: Thoughts::Parts,
            ids: CallIds::Nine,
            whole_calls: true,
            usage: UsagePlace::LastChunk,
            finish: ["stop", "model_length", "tool_calls"],
            errors: Errors::Mistral,
            ..usual
        },
        "llamacpp" => Quirks { thoughts: Thoughts::Content, errors: Errors::NumberCode, ..usual },
        "xai" => Quirks { thoughts: Thoughts::Content, whole_calls: true, usage: UsagePlace::LastChunk, ..usual },
        "together" => Quirks {
            thoughts: Thoughts::Reasoning,
            usage: UsagePlace::LastChunk,
            finish: ["eos", "length", "tool_calls"],
            ..usual
        },
        "lmstudio" => Quirks { thoughts: Thoughts::Tags, takes_developer: false, errors: Errors::Text, ..usual },
        "bare" => Quirks {
            refuses: &["stream_options", "max_completion_tokens", "parallel_tool_calls"],
            takes_developer: false,
            thoughts: Thoughts::Tags,
            ids: CallIds::Missing,
            done: false,
            usage: UsagePlace::Never,
            finish: ["", "", ""],
            has_envelope: false,
            errors: Errors::Text,
            ..usual
        },
        _ => Quirks { object_arguments: true, whole_calls: true, finish: ["stop", "length", "stop"], ..usual },
    };
    Some(quirks)
}

/// Says an error as the server does; `reply` is what OpenAI would say.
pub(crate) fn reply(quirks: &Quirks, failure: &Failure, reply: Reply) -> Reply {
    let error = &reply.body["error"];
    let body = match quirks.errors {
        Errors::OpenAi => return reply,
        Errors::NumberCode => json!({"error": {"code": reply.status, "message": error["message"],
                                               "type": error["type"]}}),
        Errors::Groq => json!({"error": {"code": error["code"], "message": error["message"], "type": error["type"]}}),
        Errors::Text => json!({"error": error["message"]}),
        Errors::Mistral => return mistral(failure, &reply),
    };
    Reply { body, ..reply }
}

fn mistral(failure: &Failure, reply: &Reply) -> Reply {
    let message = &reply.body["error"]["message"];
    let body = |code: &str, kind: &str, message: Value| {
        json!({"object": "error", "message": message, "type": kind, "param": null, "code": code,
               "raw_status_code": reply.status})
    };
    let (status, body) = match failure {
        Failure::NoKey | Failure::WrongKey(_) | Failure::ExpiredKey => (401, json!({"detail": "Unauthorized"})),
        Failure::RateLimited { .. } => (429, body("1300", "rate_limited", json!("Rate limit exceeded"))),
        Failure::UnknownModel(model) => (400, body("1500", "invalid_model", json!(format!("Invalid model: {model}")))),
        Failure::Invalid(Invalid { param: Some(name), code: Some("extra_forbidden"), .. }) => {
            let fault = json!({"type": "extra_forbidden", "loc": ["body", name],
                               "msg": "Extra inputs are not permitted"});
            (422, body("0", "invalid_request_error", json!({"detail": [fault]})))
        }
        _ => (reply.status, body("3051", "invalid_request_invalid_args", message.clone())),
    };
    Reply { status, body, headers: reply.headers.clone() }
}
