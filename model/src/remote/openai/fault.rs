//! What went wrong, in the words of OpenAI and of the servers that speak like it. Their errors have many shapes and
//! statuses; the code says more than the status, and the words help where neither does.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::wire::{Fault, kind_of_status, plain_fault};
use super::lenient::{Count, List, Object, Words};
use crate::{Error, Kind};

/// The most that is shown of what stands behind a router.
const RAW_CHARS_MAX: usize = 300;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    msg: Words<'a>,
    #[serde(borrow)]
    code: Words<'a>,
    #[serde(borrow, rename = "type")]
    kind: Words<'a>,
    #[serde(borrow)]
    error_type: Words<'a>,
    status_code: Count,
    #[serde(borrow)]
    metadata: Object<Metadata<'a>>,
}

/// What OpenRouter tells of the server behind it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    raw: Words<'a>,
}

/// What an error says, whatever its shape.
#[derive(Debug, Default)]
struct Said {
    message: String,
    code: Option<String>,
    kind: Option<String>,
    status: Option<u16>,
}

/// Makes a fault of a body that is no answer.
pub(super) fn fault(status: u16, body: &str) -> Fault {
    match said(body, 0).filter(|said| !said.message.is_empty() || said.code.is_some()) {
        Some(said) => said.fault(status),
        None => plain_fault(status, body),
    }
}

/// Makes an error of one that came within a stream, after a status of 200.
pub(super) fn in_stream(body: &str) -> Error {
    let said = said(body, 0).unwrap_or_else(|| Said { message: plain_fault(200, body).message, ..Said::default() });
    let status = said.status.filter(|status| *status >= 400).unwrap_or(0);
    said.fault(status).error()
}

/// How deep errors are looked for within errors.
const DEPTH_MAX: u8 = 4; // `[{"error": {"message": …}}]` is three

/// Errors that are told of a list.
const LIST_MAX: usize = 16; // a server finds a few fields wrong

fn said(json: &str, depth: u8) -> Option<Said> {
    let json = json.trim();
    match json.as_bytes().first()? {
        _ if depth == DEPTH_MAX => None,
        b'"' => {
            let words: Words<'_> = serde_json::from_str(json).ok()?;
            Some(Said { message: words.full()?.to_owned(), ..Said::default() })
        }
        b'[' => {
            let List(all) = serde_json::from_str::<List<&RawValue>>(json).ok()?;
            let mut all = all.into_iter().take(LIST_MAX).filter_map(|raw| said(raw.get(), depth + 1));
            let first = all.next()?;
            let messages: Vec<_> = std::iter::once(first.message).chain(all.map(|said| said.message)).collect();
            Some(Said { message: messages.join("; "), code: first.code, kind: first.kind, status: first.status })
        }
        b'{' => said_by(&serde_json::from_str(json).ok()?, depth),
        _ => None,
    }
}

fn said_by(wire: &Wire<'_>, depth: u8) -> Option<Said> {
    let inner = [wire.error, wire.message, wire.detail];
    let inner = inner.into_iter().flatten().find_map(|raw| said(raw.get(), depth + 1));
    let mut said = inner.unwrap_or_else(|| Said { message: wire.msg.as_str().to_owned(), ..Said::default() });
    if let Some(raw) = wire.metadata.0.as_ref().and_then(|metadata| metadata.raw.full()) {
        let raw: String = raw.chars().take(RAW_CHARS_MAX).collect();
        said.message = format!("{}: {raw}", said.message);
    }
    let number = wire.code.full().and_then(|code| code.parse::<u16>().ok()).filter(|code| (400..600).contains(code));
    let status = wire.status_code.0.and_then(|status| u16::try_from(status).ok());
    said.status = said.status.or(status).or(number);
    // Mistral's codes are numbers that say nothing to a person.
    let is_word = |code: &&str| code.parse::<i64>().is_err();
    said.code = said.code.or_else(|| wire.code.full().filter(is_word).map(str::to_owned));
    said.kind = said.kind.or_else(|| wire.kind.owned()).or_else(|| wire.error_type.owned());
    let is_empty = said.message.is_empty() && said.code.is_none() && said.kind.is_none();
    (!is_empty).then_some(said)
}

impl Said {
    fn fault(self, status: u16) -> Fault {
        let kind = self.kind(status);
        let name = self.code.or(self.kind);
        let message = match (self.message.trim().trim_end_matches('.'), name) {
            ("", Some(name)) => name,
            ("", None) => format!("status {status} without a word"),
            (words, Some(name)) => format!("{words} ({name})"),
            (words, None) => words.to_owned(),
        };
        Fault::new(kind, message)
    }

    fn kind(&self, status: u16) -> Kind {
        let names = [self.code.as_deref(), self.kind.as_deref()];
        let by_name = names.into_iter().flatten().find_map(|name| kind_of_name(&name.to_ascii_lowercase()));
        // A request that is too large for the minute's share stays too large, whatever the code says.
        let is_too_large = status == 413 || self.message.to_ascii_lowercase().starts_with("request too large");
        let by_name = if is_too_large { Some(Kind::Limit) } else { by_name };
        let is_vague = matches!(status, 0 | 400 | 403 | 404 | 422 | 429 | 500);
        let by_words = || is_vague.then(|| kind_of_words(&self.message.to_ascii_lowercase(), status)).flatten();
        by_name.or_else(by_words).unwrap_or_else(|| match status {
            // What breaks an answer off without a word of blame is the server's affair.
            0 if self.kind.as_deref().is_some_and(|kind| kind.starts_with("invalid_request")) => Kind::BadInput,
            0 => Kind::Unavailable,
            _ => kind_of_status(status),
        })
    }
}

/// Tells the kind by a code or type, where it is sure.
fn kind_of_name(name: &str) -> Option<Kind> {
    Some(match name {
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "quota_exceeded"
        | "insufficient_balance"
        | "billing_error"
        | "exceeded_current_quota_error"
        | "context_length_exceeded"
        | "exceed_context_size_error"
        | "string_above_max_length"
        | "too_many_tokens"
        | "request_too_large"
        | "max_tokens_exceeded" => Kind::Limit,
        "content_policy_violation"
        | "content_filter"
        | "invalid_prompt"
        | "bio_policy"
        | "cyber_policy"
        | "moderation_blocked"
        | "responsibleaipolicyviolation"
        | "image_content_policy_violation" => Kind::Refused,
        "model_not_found" | "invalid_model" | "not_found_error" | "previous_response_not_found" | "not_found" => {
            Kind::NotFound
        }
        "invalid_api_key"
        | "authentication_error"
        | "permission_error"
        | "account_deactivated"
        | "unauthorized"
        | "forbidden" => Kind::Auth,
        "rate_limit_exceeded" | "rate_limit_error" | "slow_down" | "rate_limited" | "too_many_requests" => {
            Kind::RateLimited
        }
        // The model called a tool in a way that the server does not let pass.
        "tool_use_failed" => Kind::BadOutput,
        "not_supported_error" => Kind::BadInput,
        "timeout" | "timeout_error" | "request_timeout" => Kind::Timeout,
        "overloaded" | "overloaded_error" | "service_unavailable" | "engine_overloaded_error" => Kind::Unavailable,
        _ => return None,
    })
}

/// Tells the kind by the words, where codes and status say little.
fn kind_of_words(words: &str, status: u16) -> Option<Kind> {
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    let is_blame = matches!(status, 0 | 400 | 422 | 500);
    if is_blame && says(&["context length", "context window", "context size", "too many tokens", "prompt is too long"])
    {
        return Some(Kind::Limit);
    }
    if matches!(status, 400 | 403)
        && says(&["content policy", "usage policy", "usage policies", "moderation", "flagged"])
    {
        return Some(Kind::Refused);
    }
    if status == 429 && says(&["insufficient", "balance", "credit"]) {
        return Some(Kind::Limit);
    }
    if status == 400 && says(&["incorrect api key", "invalid api key", "api key not valid"]) {
        return Some(Kind::Auth);
    }
    let is_unknown = says(&["not found", "does not exist", "is not a valid model", "invalid model"]);
    if status == 400 && words.contains("model") && is_unknown {
        return Some(Kind::NotFound);
    }
    (status == 0 && words.contains("rate limit")).then_some(Kind::RateLimited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let fault = fault(status, body);
        assert_eq!((fault.kind, &*fault.message), (kind, message), "{body}");
    }

    #[test]
    fn errors_of_openai() {
        let body = |kind: &str, code: &str| {
            format!(r#"{{"error":{{"message":"Some words.","type":"{kind}","param":null,"code":{code}}}}}"#)
        };
        let cases = [
            (401, "invalid_request_error", "invalid_api_key", Kind::Auth),
            (403, "invalid_request_error", "unsupported_country", Kind::Auth),
            (404, "invalid_request_error", "model_not_found", Kind::NotFound),
            (400, "invalid_request_error", "model_not_found", Kind::NotFound),
            (429, "insufficient_quota", "insufficient_quota", Kind::Limit),
            (429, "billing_not_active", "billing_not_active", Kind::Limit),
            (429, "tokens", "rate_limit_exceeded", Kind::RateLimited),
            (413, "tokens", "rate_limit_exceeded", Kind::Limit),
            (400, "invalid_request_error", "context_length_exceeded", Kind::Limit),
            (400, "invalid_request_error", "content_policy_violation", Kind::Refused),
            (400, "invalid_request_error", "unsupported_value", Kind::BadInput),
            (500, "server_error", "internal", Kind::Unavailable),
            (503, "server_error", "slow_down", Kind::RateLimited),
            (400, "invalid_request_error", "tool_use_failed", Kind::BadOutput),
        ];
        for (status, name, code, kind) in cases {
            check(status, &body(name, &format!("{code:?}")), kind, &format!("Some words ({code})"));
        }
        check(400, &body("invalid_request_error", "null"), Kind::BadInput, "Some words (invalid_request_error)");
    }

    #[test]
    fn errors_of_other_servers() {
        check(401, r#"{"detail":"Invalid API Key"}"#, Kind::Auth, "Invalid API Key");
        let list = r#"{"detail":[{"loc":["body","x"],"msg":"Field required"},{"msg":"Too short"}]}"#;
        check(422, list, Kind::BadInput, "Field required; Too short");
        let long = format!(r#"{{"detail":[{}{{}}]}}"#, r#"{"msg":"no"},"#.repeat(200_000));
        check(422, &long, Kind::BadInput, &["no"; LIST_MAX].join("; "));
        let mistral =
            r#"{"object":"error","message":"Invalid model: m","type":"invalid_model","param":null,"code":"1500"}"#;
        check(400, mistral, Kind::NotFound, "Invalid model: m (invalid_model)");
        let nested = r#"{"object":"error","message":{"detail":[{"msg":"Input should be less"}]},"type":"invalid"}"#;
        check(422, nested, Kind::BadInput, "Input should be less (invalid)");
        check(404, r#"{"error":"no such model"}"#, Kind::NotFound, "no such model");
        let xai = r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#;
        check(400, xai, Kind::Auth, "Incorrect API key provided (invalid-argument)");
        let xai = r#"{"code":"invalid-argument","error":"Model not found: m"}"#;
        check(400, xai, Kind::NotFound, "Model not found: m (invalid-argument)");
        let router = r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"busy"}}}"#;
        check(429, router, Kind::RateLimited, "Provider returned error: busy");
        let router = r#"{"error":{"message":"m is not a valid model ID","code":400},"user_id":"u"}"#;
        check(400, router, Kind::NotFound, "m is not a valid model ID");
        let router = r#"{"error":{"message":"Input was flagged","code":403,"metadata":{"reasons":["x"]}}}"#;
        check(403, router, Kind::Refused, "Input was flagged");
        let local = r#"{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_ctx":512}}"#;
        check(400, local, Kind::Limit, "too long (exceed_context_size_error)");
        check(400, r#"[{"error":{"code":400,"message":"API key not valid."}}]"#, Kind::Auth, "API key not valid");
        check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Kind::Limit, "Insufficient Balance");
        check(429, r#"{"message":"your balance is low"}"#, Kind::Limit, "your balance is low");
        let vllm = r#"{"error":{"message":"This model's maximum context length is 10 tokens","code":400}}"#;
        check(400, vllm, Kind::Limit, "This model's maximum context length is 10 tokens");
    }

    #[test]
    fn bodies_that_say_nothing() {
        check(500, "", Kind::Unavailable, "status 500 without a word");
        check(502, "<html>Bad Gateway</html>", Kind::Unavailable, &plain_fault(502, "<html>").message);
        check(503, "upstream gone", Kind::Unavailable, "status 503: upstream gone");
        check(500, "{}", Kind::Unavailable, "status 500: {}");
        check(500, r#"{"error":null}"#, Kind::Unavailable, r#"status 500: {"error":null}"#);
        check(400, "[[[[[[1]]]]]]", Kind::BadInput, "status 400: [[[[[[1]]]]]]");
    }

    #[test]
    fn errors_within_a_stream() {
        let kind = |body: &str| in_stream(body).kind();
        assert_eq!(kind(r#"{"error":{"message":"x","type":"server_error","code":null}}"#), Kind::Unavailable);
        assert_eq!(kind(r#"{"error":{"message":"x","code":"insufficient_quota"}}"#), Kind::Limit);
        assert_eq!(kind(r#"{"error":{"message":"x","code":429}}"#), Kind::RateLimited);
        assert_eq!(kind(r#"{"error":{"message":"Token limit reached","code":400}}"#), Kind::BadInput);
        assert_eq!(kind(r#"{"message":"x","type":"invalid_request_error"}"#), Kind::BadInput);
        assert_eq!(kind(r#"{"type":"error","code":"rate_limit_exceeded","message":"x"}"#), Kind::RateLimited);
        let large = r#"{"code":"rate_limit_exceeded","message":"Request too large for m on tokens per min"}"#;
        assert_eq!(kind(large), Kind::Limit);
        assert_eq!(kind("what"), Kind::Unavailable);
    }
}
