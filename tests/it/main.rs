//! Integration tests: the rules of the repository, and what only shows when the crates work together.
//! One binary for all of them, one module per subject, so that they link once.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its input has nothing to say")]

mod examples;
mod layering;
mod library;
#[cfg(feature = "candle")]
mod local_agent;
mod projects;
mod readme;
mod scan;
mod tidy;
