//! What the provider says went wrong: Google's `Status`, alone or in a list, in an answer of its own or in a stream.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::Kind;
use crate::remote::wire::{Fault, kind_of_status, plain_fault};

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    /// A stream that was not asked for as server-sent events is a list. It stands first, because serde would take a list
    /// for the fields of one error too.
    List(Vec<Held>),
    One(Held),
}

#[derive(Deserialize)]
struct Held {
    error: Status,
}

#[derive(Deserialize)]
pub(super) struct Status {
    code: Option<u16>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Value>,
}

/// Reads an answer that is none.
pub(super) fn fault(status: u16, body: &str) -> Fault {
    let held = match serde_json::from_str(body) {
        Ok(Body::One(held)) => Some(held),
        Ok(Body::List(list)) => list.into_iter().next(),
        Err(_) => None,
    };
    held.map_or_else(|| plain_fault(status, body), |held| said(&held.error, Some(status)))
}

/// Reads an error; in the middle of a stream only its own code tells the status.
pub(super) fn said(error: &Status, status: Option<u16>) -> Fault {
    let status = status.or(error.code).unwrap_or(500);
    let kind = by_details(&error.details).or_else(|| by_message(&error.message));
    let kind = kind.unwrap_or(match error.status.as_str() {
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Kind::Auth,
        "RESOURCE_EXHAUSTED" => Kind::RateLimited,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => Kind::BadInput,
        "NOT_FOUND" => Kind::NotFound,
        "DEADLINE_EXCEEDED" => Kind::Timeout,
        "UNAVAILABLE" | "INTERNAL" | "ABORTED" | "CANCELLED" | "UNKNOWN" => Kind::Unavailable,
        _ => kind_of_status(status),
    });
    let message = if error.message.is_empty() { &error.status } else { &error.message };
    Fault { retry_after: retry_after(&error.details), ..Fault::new(kind, message.as_str()) }
}

/// A wrong key comes as a wrong request, and a quota of the day as a request too many.
fn by_details(details: &[Value]) -> Option<Kind> {
    let is_key = |detail: &Value| detail["reason"].as_str().is_some_and(|reason| reason.starts_with("API_KEY_"));
    let is_day = |violation: &Value| violation["quotaId"].as_str().is_some_and(|quota| quota.contains("PerDay"));
    let is_spent = |detail: &Value| detail["violations"].as_array().is_some_and(|all| all.iter().any(is_day));
    if details.iter().any(is_key) {
        return Some(Kind::Auth);
    }
    details.iter().any(is_spent).then_some(Kind::Limit)
}

fn by_message(message: &str) -> Option<Kind> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["exceeds the maximum number of tokens", "limit: 0,", "billing to be enabled", "prepayment credits"]) {
        return Some(Kind::Limit);
    }
    if says(&["location is not supported"]) {
        return Some(Kind::Refused);
    }
    says(&["CachedContent not found"]).then_some(Kind::NotFound)
}

/// Waits longer than this are a mistake.
const WAIT_SECONDS_MAX: f64 = 86_400.0;

/// Reads `48.9s`, the form that protobuf's JSON gives durations.
fn retry_after(details: &[Value]) -> Option<Duration> {
    let wait = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = wait.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds.min(WAIT_SECONDS_MAX)).ok()
}
