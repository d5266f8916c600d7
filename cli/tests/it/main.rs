//! The whole command, as a person or a script meets it: what it prints where, and how it ends. Snapshots show standard
//! output as it is, lines of standard error behind `2>`, and the exit code. `SNAPSHOTS=overwrite cargo test` updates
//! them; read the diff. Every test has folders of its own: nothing of the account that runs it is read or written.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[expect(dead_code, reason = "the tests of the library need more of it")]
#[path = "../../../model/tests/hub/server.rs"]
mod hub;
mod place;
mod server;

mod asks;
mod brains;
mod chats;
mod downloads;
mod first_steps;
mod hostile;
mod ingest;
mod keys;
mod models;
mod new;
mod offline;
mod questions;
mod readme;
mod running;
mod settings;
mod sources;
#[cfg(target_os = "linux")] // `script` takes other arguments elsewhere
mod terminal;
mod traces;
mod upkeep;
