//! The index from the outside: what an ingest does to files that come, change and go, what queries see meanwhile, and
//! what is left after faults. Everything runs on a small embedder of words that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod embedder;
mod faults;
mod ingest;
mod kept;
mod readers;
mod rebuild;
mod search;
mod world;
