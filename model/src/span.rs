//! What all spans have in common: where they go, how they fail, and whether they tell what was said. A span with content is an
//! exception that somebody asked for, and no span tells a secret.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Span;

use crate::secret::Secret;
use crate::semconv;
use crate::{Error, Kind};

/// The target of all spans, by which a subscriber can tell them from others.
pub const TARGET: &str = "lorewell::span";
/// Bytes of one piece of content that a span takes; the rest is cut off.
pub const CONTENT_BYTES_MAX: usize = 128 << 10;

static TAKES_CONTENT: AtomicBool = AtomicBool::new(false);

/// Sets whether spans tell what was said: messages, arguments and results of tools, questions. They do not unless said, as whoever
/// reads a trace would read all that. Holds for this process.
///
/// ```
/// use lorewell_model::span;
///
/// assert!(!span::takes_content());
/// span::take_content(true);
/// assert!(span::takes_content());
/// ```
pub fn take_content(takes: bool) {
    TAKES_CONTENT.store(takes, Ordering::Relaxed);
}

/// Tells whether spans tell what was said.
#[must_use]
pub fn takes_content() -> bool {
    TAKES_CONTENT.load(Ordering::Relaxed)
}

/// Puts content into a span that has a field for it, if that is wanted: without secrets, and no longer than
/// [`CONTENT_BYTES_MAX`]. The closure runs only then.
pub fn content<T: AsRef<str>>(span: &Span, field: &'static str, text: impl FnOnce() -> T) {
    if takes_content() && !span.is_disabled() {
        let text = text();
        let text = Secret::redact_all(text.as_ref());
        span.record(field, &text[..text.floor_char_boundary(CONTENT_BYTES_MAX)]);
    }
}

/// Notes that what a span stands for has failed.
pub fn failed(span: &Span, error: &Error) {
    failed_as(span, kind(error.kind()), error);
}

/// Notes that what a span stands for has failed, with a class of error that is no [`Kind`].
pub fn failed_as(span: &Span, class: &str, message: impl Display) {
    if span.is_disabled() {
        return;
    }
    span.record(semconv::ERROR_TYPE, class);
    span.record(semconv::SPAN_STATUS, "ERROR");
    span.record(semconv::SPAN_STATUS_DESCRIPTION, &*Secret::redact_all(&message.to_string()));
}

/// Returns the name of a kind, as `error.type` has it.
#[must_use]
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Config => "config",
        Kind::Auth => "auth",
        Kind::RateLimited => "rate_limited",
        Kind::Timeout => "timeout",
        Kind::Unavailable => "unavailable",
        Kind::Refused => "refused",
        Kind::BadInput => "bad_input",
        Kind::BadOutput => "bad_output",
        Kind::NotFound => "not_found",
        Kind::Conflict => "conflict",
        Kind::Limit => "limit",
        Kind::Cancelled => "cancelled",
        Kind::Io => "io",
        Kind::Corrupt => "corrupt",
        Kind::Internal => "internal",
    }
}
