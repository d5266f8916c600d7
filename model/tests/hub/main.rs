//! Downloads from a hub over real sockets: what comes in the end, what was asked for on the way, and what remains of a
//! download that fails, hangs, is killed, or meets another one.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[cfg(feature = "candle")]
mod chats;
mod failures;
mod processes;
mod pulls;
mod server;

use std::path::Path;
use std::time::Duration;

use lorewell_model::hub::{Files, Hub, Progress, Pulled};
use lorewell_model::remote::Timeouts;
use lorewell_model::{Error, Result, Retry};
use server::{REPO, Server};

/// A hub at a server of a test, which is patient with a busy machine, and with nothing else.
fn hub(server: &Server, cache: &Path) -> Hub {
    let retry = Retry::default().attempts_max(4).first(Duration::from_millis(10)).longest(Duration::from_secs(2));
    let mut timeouts = Timeouts::each(Duration::from_secs(20));
    timeouts.idle = Duration::from_secs(1);
    Hub::new(cache).endpoint(&server.address).retry(retry).timeouts(timeouts)
}

/// Pulls, and returns what was said on the way.
fn pull(hub: &Hub, files: &Files) -> (Result<Pulled>, Vec<Progress>) {
    let mut said = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pulled = runtime.block_on(hub.pull(&REPO.parse().unwrap(), files, |progress| said.push(progress)));
    (pulled, said)
}

fn pull_best(hub: &Hub) -> Result<Pulled> {
    pull(hub, &Files::Best).0
}

fn failure(hub: &Hub) -> Error {
    pull_best(hub).unwrap_err()
}

/// Returns the names of what lies among the blobs.
fn blobs(cache: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(cache.join("models--acme--tiny/blobs")) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
