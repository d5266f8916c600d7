//! Several processes and one cache: two that pull the same model, one that is killed, one that serves.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lorewell_model::hub::Progress;

use crate::server::{Manner, Server, Setup, content, sha256};
use crate::{blobs, hub, pull_best};

const BYTES: usize = 2_000_000;
const CACHE: &str = "LOREWELL_TEST_HUB_CACHE";
const ADDRESS: &str = "LOREWELL_TEST_HUB_ADDRESS";

/// What another process does: it pulls, and prints what happens.
#[test]
fn pulling_process() {
    let (Some(cache), Ok(address)) = (std::env::var_os(CACHE), std::env::var(ADDRESS)) else { return };
    let hub = lorewell_model::hub::Hub::new(cache).endpoint(address);
    let (pulled, said) = crate::pull(&hub, &lorewell_model::hub::Files::Best);
    let has_waited = said.iter().any(|said| matches!(said, Progress::Waiting { .. }));
    println!("\nwaited {has_waited}, read {}", std::fs::read(pulled.unwrap().gguf().unwrap()).unwrap().len());
}

fn start(server: &Server, cache: &std::path::Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::pulling_process", "--nocapture"]).stdout(Stdio::piped());
    command.env(CACHE, cache).env(ADDRESS, &server.address).spawn().unwrap()
}

fn finish(child: &mut Child) -> String {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    said.lines().find(|line| line.starts_with("waited ")).unwrap_or_default().to_owned()
}

#[test]
fn two_processes_fetch_it_once() {
    let cache = tempfile::tempdir().unwrap();
    let slow = Manner::Slow(Duration::from_millis(5));
    let server = Server::start(Setup::new(&[("m.gguf", content(BYTES))]).manners(&[slow]));
    let mut first = start(&server, cache.path());
    server.wait_for_bytes(100_000);
    let mut second = start(&server, cache.path());
    let expected = [format!("waited false, read {BYTES}"), format!("waited true, read {BYTES}")];
    assert_eq!([finish(&mut first), finish(&mut second)], expected);
    assert_eq!(server.sent(), BYTES);
    assert_eq!(blobs(cache.path()), [sha256(&content(BYTES))]);
}

#[test]
fn a_killed_process_leaves_what_it_has_to_the_one_that_waits() {
    let cache = tempfile::tempdir().unwrap();
    let slow = Manner::Slow(Duration::from_millis(5));
    let server = Server::start(Setup::new(&[("m.gguf", content(BYTES))]).manners(&[slow]));
    let mut first = start(&server, cache.path());
    server.wait_for_bytes(300_000);
    let mut second = start(&server, cache.path());
    server.wait_for_bytes(BYTES / 2);
    first.kill().unwrap(); // SIGKILL
    first.wait().unwrap();
    assert_eq!(finish(&mut second), format!("waited true, read {BYTES}"));
    let from = server.asked().into_iter().filter(|asked| asked.store).map(|asked| asked.from).collect::<Vec<_>>();
    let [None, Some(from)] = from[..] else { panic!("{from:?}") };
    assert!((300_000..BYTES).contains(&from), "{from}");
    // The dead had been sent some that it did not write any more; nothing else was sent twice.
    assert!(server.sent() < BYTES + BYTES / 2);
}

#[test]
fn after_a_kill_only_what_is_missing_is_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let slow = Manner::Slow(Duration::from_millis(5));
    let server = Server::start(Setup::new(&[("m.gguf", content(BYTES))]).manners(&[slow]));
    let mut first = start(&server, cache.path());
    server.wait_for_bytes(BYTES / 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let partial = cache.path().join("models--acme--tiny/blobs").join(&blobs(cache.path())[0]);
    assert!(partial.to_str().unwrap().ends_with(".incomplete"));
    let there = std::fs::metadata(partial).unwrap().len();
    std::thread::sleep(Duration::from_millis(50)); // until the server has noticed
    server.sent();
    let pulled = pull_best(&hub(&server, cache.path())).unwrap();
    assert_eq!(std::fs::read(pulled.gguf().unwrap()).unwrap(), content(BYTES));
    assert_eq!(server.sent() as u64, BYTES as u64 - there);
    assert!(there > 300_000);
}

/// For trying other programs by hand: `LOREWELL_TEST_HUB_ADDRESS=127.0.0.1:8099 cargo test --features hub --test hub
/// serving_process -- --ignored`, and `HF_ENDPOINT=http://127.0.0.1:8099` for the other.
#[test]
#[ignore = "it serves until it is ended"]
fn serving_process() {
    let config = b"{\"architectures\": []}".to_vec();
    let files = [("m-Q4_K_M.gguf", content(BYTES)), ("config.json", config), ("a/b.json", b"{}".to_vec())];
    let _server = Server::start_at(&std::env::var(ADDRESS).unwrap(), Setup::new(&files));
    loop {
        std::thread::park();
    }
}
