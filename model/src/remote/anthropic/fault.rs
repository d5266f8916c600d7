//! What the provider says went wrong, in an answer of its own or in the middle of a stream.

use serde::Deserialize;

use crate::Kind;
use crate::remote::wire::{Fault, kind_of_status, plain_fault};

#[derive(Deserialize)]
struct Body {
    error: Said,
}

#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer that is none.
pub(super) fn fault(status: u16, body: &str) -> Fault {
    match serde_json::from_str::<Body>(body) {
        Ok(Body { error }) => said(&error, Some(status)),
        Err(_) => plain_fault(status, body),
    }
}

/// Reads an error; in the middle of a stream it has no status.
pub(super) fn said(error: &Said, status: Option<u16>) -> Fault {
    let by_status = status.map_or(Kind::Unavailable, kind_of_status);
    let kind = by_message(&error.message).unwrap_or(match error.kind.as_str() {
        "authentication_error" | "permission_error" => Kind::Auth,
        "rate_limit_error" => Kind::RateLimited,
        "billing_error" | "request_too_large" => Kind::Limit,
        "not_found_error" => Kind::NotFound,
        "invalid_request_error" => Kind::BadInput,
        "timeout_error" => Kind::Timeout,
        "overloaded_error" | "api_error" => Kind::Unavailable,
        _ => by_status,
    });
    let message = if error.message.is_empty() { &error.kind } else { &error.message };
    Fault::new(kind, message.as_str())
}

/// What the kind of an error does not tell: limits and refusals are sent as requests that are wrong.
fn by_message(message: &str) -> Option<Kind> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["prompt is too long", "exceed context limit", "exceeds the maximum", "credit balance"]) {
        return Some(Kind::Limit);
    }
    says(&["content filtering policy"]).then_some(Kind::Refused)
}
