//! What Anthropic says when something failed.

use serde_json::{Value, json};

use crate::failure::{Failure, Reply};
use crate::shape::{Problem, Wrong};
use crate::state::State;

pub(super) fn failure(failure: &Failure, state: &State) -> Reply {
    let id = state.id("req_");
    let invalid = |message: &str| (400, "invalid_request_error", message.to_owned());
    let (status, kind, message) = match failure {
        Failure::NoKey => (401, "authentication_error", "x-api-key header is required".to_owned()),
        Failure::WrongKey(_) => (401, "authentication_error", "invalid x-api-key".to_owned()),
        Failure::ExpiredKey => (401, "authentication_error", "API key has expired.".to_owned()),
        Failure::NoJson => invalid("The request body is not valid JSON"),
        Failure::Field(problem) => invalid(&field(problem)),
        Failure::Invalid(fault) => invalid(&fault.message),
        Failure::UnknownModel(model) => (404, "not_found_error", format!("model: {model}")),
        Failure::RateLimited { .. } => {
            let message = "This request would exceed your account's rate limit. Please try again later.";
            (429, "rate_limit_error", message.to_owned())
        }
        Failure::Quota => invalid(
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & \
                                   Billing to upgrade or purchase credits.",
        ),
        Failure::Internal => (500, "api_error", "Internal server error".to_owned()),
        Failure::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
        Failure::TooLong { tokens, limit } => {
            invalid(&format!("prompt is too long: {tokens} tokens > {limit} maximum"))
        }
    };
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    let reply = Reply::new(status, body).header("request-id", id);
    match failure {
        Failure::RateLimited { says_when: true } => reply
            .header("retry-after", &state.settings.retry_after)
            .header("anthropic-ratelimit-requests-remaining", "0"),
        _ => reply,
    }
}

fn field(Problem { path, what }: &Problem) -> String {
    let path = path.replace('[', ".").replace(']', "");
    match what {
        Wrong::Missing => format!("{path}: Field required"),
        Wrong::Unknown => format!("{path}: Extra inputs are not permitted"),
        Wrong::Type { expected, .. } => {
            let expected = match *expected {
                "an integer" => "a valid integer",
                "a decimal" => "a valid number",
                "a string" => "a valid string",
                "an array" => "a valid list",
                "a boolean" => "a valid boolean",
                "an object" => "an object",
                other => other,
            };
            format!("{path}: Input should be {expected}")
        }
        Wrong::Below { least, .. } => format!("{path}: Input should be greater than or equal to {least}"),
        Wrong::Above { .. } => format!("{path}: range: 0..1"),
        Wrong::Value { supported, .. } => format!("{path}: Input should be {}", listed(supported, "or")),
    }
}

fn listed(values: &[&str], word: &str) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
    match quoted.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{} {word} {last}", all.join(", ")),
        _ => quoted.concat(),
    }
}

/// A `type` that is not one of those that may stand there.
pub(super) fn bad_tag(at: &str, found: &str, supported: &[&str]) -> Failure {
    let quoted: Vec<_> = supported.iter().map(|value| format!("'{value}'")).collect();
    Failure::invalid(format!(
        "{at}: Input tag '{found}' found using 'type' does not match any of the expected tags: {}",
        quoted.join(", ")
    ))
}

pub(super) fn required(at: &str) -> Failure {
    Failure::invalid(format!("{at}: Field required"))
}

/// Reads a text that must be there.
pub(super) fn text<'a>(value: &'a Value, name: &str, at: &str) -> Result<&'a str, Failure> {
    match &value[name] {
        Value::String(text) => Ok(text),
        Value::Null => Err(required(&format!("{at}.{name}"))),
        _ => Err(Failure::invalid(format!("{at}.{name}: Input should be a valid string"))),
    }
}
