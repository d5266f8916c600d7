//! Hubs that break off, stall, refuse, lie, or lead astray.

use std::time::{Duration, Instant};

use lorewell_model::Kind;
use lorewell_model::hub::{Files, Progress};

use crate::server::{Access, COMMIT, Manner, SIGNATURE, Server, Setup, TOKEN, content, sha256};
use crate::{blobs, failure, hub, pull, pull_best};

const BYTES: usize = 400_000;

fn model() -> Setup {
    Setup::new(&[("m.gguf", content(BYTES))])
}

/// Pulls from a server that behaves in these ways, one after the other; it must come to a good end. Returns what was said,
/// and where each attempt began.
fn survives(manners: &[Manner]) -> (Vec<Progress>, Vec<Option<usize>>, usize) {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model().manners(manners)));
    let (pulled, said) = pull(&hub(&server, cache.path()), &Files::Best);
    assert_eq!(std::fs::read(pulled.unwrap().gguf().unwrap()).unwrap(), content(BYTES), "{manners:?}");
    assert_eq!(blobs(cache.path()), [sha256(&content(BYTES))]);
    let asked = server.asked();
    (said, asked.iter().filter(|asked| asked.store).map(|asked| asked.from).collect(), server.sent())
}

fn restarts(said: &[Progress]) -> Vec<&str> {
    said.iter()
        .filter_map(|said| if let Progress::Restarted { reason, .. } = said { Some(&**reason) } else { None })
        .collect()
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    // More cuts than attempts: each of them gained something.
    let (said, from, sent) = survives(&[
        Manner::Cut(70_000),
        Manner::Cut(70_000),
        Manner::Cut(70_000),
        Manner::Cut(70_000),
        Manner::Cut(70_000),
        Manner::Well,
    ]);
    assert_eq!(from, [None, Some(70_000), Some(140_000), Some(210_000), Some(280_000), Some(350_000)]);
    assert_eq!(sent, BYTES);
    assert!(restarts(&said).is_empty());
    let again = said.iter().filter(|said| matches!(said, Progress::Again { .. })).count();
    assert_eq!(again, 5);
    let fetched = said.iter().filter_map(|said| match said {
        Progress::Fetched { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert!(fetched.is_sorted(), "progress does not go back: {said:?}");
}

#[test]
fn a_download_that_stalls_is_asked_for_again() {
    let began = Instant::now();
    let (said, from, _) = survives(&[Manner::Stall(100_000), Manner::Well]);
    assert_eq!(from, [None, Some(100_000)]);
    assert!(said.iter().any(|said| matches!(said, Progress::Again { reason, .. } if reason == "nothing came for 1s")));
    assert!(began.elapsed() < Duration::from_secs(10));
    // Slow as a whole is not stalled: there is no limit on all of it.
    let (said, from, _) = survives(&[Manner::Slow(Duration::from_millis(80))]);
    assert!(from == [None] && said.iter().all(|said| !matches!(said, Progress::Again { .. })));
}

#[test]
fn ranges_that_are_not_honoured_begin_anew() {
    let (said, from, _) = survives(&[Manner::Cut(100_000), Manner::IgnoreRange]);
    assert_eq!((from, restarts(&said)), (vec![None, Some(100_000)], vec!["the server begins from the start"]));
    let (said, from, _) = survives(&[Manner::Cut(100_000), Manner::OtherRange, Manner::Well]);
    assert_eq!(from, [None, Some(100_000), None]);
    assert_eq!(restarts(&said), ["the server sent another range than was asked for"]);
    let (said, from, _) = survives(&[Manner::Cut(100_000), Manner::Status(416, ""), Manner::Well]);
    assert_eq!((from, restarts(&said)), (vec![None, Some(100_000), None], vec!["the server has no such range"]));
    let (_, from, _) = survives(&[Manner::Page, Manner::Well]);
    assert_eq!(from, [None, None]);
}

#[test]
fn a_wrong_sum_is_never_kept() {
    let (said, from, _) = survives(&[Manner::Wrong, Manner::Well]);
    assert_eq!((from, restarts(&said)), (vec![None, None], vec!["its sum is wrong"]));
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model().manners(&[Manner::Wrong])));
    let error = failure(&hub(&server, cache.path()));
    assert_eq!(error.kind(), Kind::BadOutput);
    assert!(error.message().contains("`m.gguf` of `acme/tiny` came with a wrong sum 3 times"), "{error}");
    assert!(blobs(cache.path()).is_empty());
    assert_eq!(server.sent(), 3 * BYTES);
    assert!(hub(&server, cache.path()).find(&"acme/tiny".parse().unwrap(), &Files::Best).unwrap().is_none());
}

#[test]
fn what_was_damaged_on_disk_is_fetched_anew() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    let folder = cache.path().join("models--acme--tiny/blobs");
    std::fs::create_dir_all(&folder).unwrap();
    let partial = folder.join(format!("{}.incomplete", sha256(&content(BYTES))));
    for damaged in [vec![0; 1000], vec![0; BYTES], vec![0; BYTES + 1]] {
        std::fs::write(&partial, damaged).unwrap();
        let pulled = pull_best(&hub(&server, cache.path())).unwrap();
        assert_eq!(std::fs::read(pulled.gguf().unwrap()).unwrap(), content(BYTES));
        hub(&server, cache.path()).remove(&"acme/tiny".parse().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
    }
}

#[test]
fn no_more_is_taken_than_was_promised() {
    let (_, from, sent) = survives(&[Manner::Endless]);
    assert_eq!(from, [None]);
    // What waits in sockets is sent; it is neither waited for nor written.
    assert!(sent < BYTES + (32 << 20), "{sent}");
}

#[test]
fn a_server_that_is_ill_is_asked_again() {
    survives(&[Manner::Status(500, ""), Manner::Status(503, ""), Manner::Well]);
    survives(&[Manner::Status(403, ""), Manner::Well]); // the signature has run out
    let began = Instant::now();
    survives(&[Manner::Status(429, "Retry-After: 1\r\n"), Manner::Well]);
    assert!(began.elapsed() >= Duration::from_secs(1));

    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    server.change(|setup| setup.lists = [(500, ""), (502, "")].into());
    pull_best(&hub(&server, cache.path())).unwrap();
    for (status, header, kind) in
        [(500, "", Kind::Unavailable), (429, "", Kind::RateLimited), (429, "Retry-After: 900\r\n", Kind::RateLimited)]
    {
        server.change(|setup| setup.lists = [(status, header); 3].into());
        assert_eq!(failure(&hub(&server, cache.path())).kind(), kind);
        server.change(|setup| setup.lists.clear());
    }
}

#[test]
fn what_is_given_up_is_kept_for_the_next_time() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    server.change(|setup| setup.manners = [Manner::Cut(100_000), Manner::Status(500, "")].into());
    let error = failure(&hub(&server, cache.path()));
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("the 100000 bytes that came are kept"), "{error}");
    server.change(|setup| setup.manners = [Manner::Well].into());
    server.sent();
    pull_best(&hub(&server, cache.path())).unwrap();
    assert_eq!(server.sent(), BYTES - 100_000);
}

#[test]
fn what_is_closed_says_how_to_open_it() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    let hub = hub(&server, cache.path());
    server.change(|setup| setup.access = Access::Gated);
    let error = failure(&hub);
    assert_eq!(error.kind(), Kind::Auth);
    let page = format!("accept its terms at `{}/acme/tiny`, then set `HF_TOKEN`", server.address);
    assert!(error.message().contains(&page), "{error}");
    let error = failure(&hub.clone().token("hf_notthis"));
    assert!(error.kind() == Kind::Auth && error.message().contains("not to the token that is set"));
    pull_best(&hub.clone().token(TOKEN)).unwrap();

    server.change(|setup| setup.access = Access::Private);
    let error = failure(&hub);
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains("there is no `acme/tiny`; check the spelling"), "{error}");
    assert!(error.message().contains("if it is private, set `HF_TOKEN`"), "{error}");
    pull_best(&hub.clone().token(TOKEN)).unwrap();
    server.change(|setup| (setup.access, setup.lists) = (Access::Open, [(403, "")].into()));
    assert_eq!(failure(&hub).kind(), Kind::Auth);
}

#[test]
fn what_is_not_there_is_named() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    let hub = hub(&server, cache.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (repo, files, expected) in [
        ("acme/tony", Files::Best, "there is no `acme/tony`; check the spelling, or look at"),
        ("acme/tiny@v9", Files::Best, "`acme/tiny` has no revision `v9`"),
        (
            "acme/tiny",
            Files::One("n.gguf".into()),
            "no file and no quantisation is called `n.gguf`; did you mean `m.gguf`?",
        ),
        ("acme/tiny", Files::Safetensors, "no model in GGUF or safetensors; there is `m.gguf`"),
    ] {
        let error = runtime.block_on(hub.pull(&repo.parse().unwrap(), &files, |_| ())).unwrap_err();
        assert!(error.kind() == Kind::NotFound && error.message().contains(expected), "{error}");
    }
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let (root, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    for name in ["../../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "a\\..\\evil.gguf", "evil\n.gguf"] {
        server.change(|setup| setup.listed_too = vec![name.to_owned()]);
        let error = failure(&hub(&server, &root.path().join("cache")));
        assert_eq!(error.kind(), Kind::Refused, "{name}");
        assert!(error.message().contains("leads out of the folder; nothing was fetched"), "{error}");
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn sums_lengths_and_addresses_must_be_some() {
    let (root, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    let hub = hub(&server, &root.path().join("cache"));
    server.change(|setup| setup.etag = Some("../../../evil"));
    let error = failure(&hub);
    assert_eq!(error.kind(), Kind::BadOutput);
    assert!(error.message().contains("no sum of `m.gguf`"), "{error}");
    server.change(|setup| (setup.etag, setup.length) = (None, Some(1 << 59)));
    let error = failure(&hub);
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains("needs 576460752303423488 bytes"), "{error}");
    server.change(|setup| (setup.length, setup.location) = (None, Some("file:///etc/passwd")));
    assert_eq!(failure(&hub).kind(), Kind::Refused);
    let to_itself: &'static str = format!("/acme/tiny/resolve/{COMMIT}/m.gguf").leak();
    server.change(|setup| setup.location = Some(to_itself));
    assert!(failure(&hub).message().contains("from address to address"));
    assert!(blobs(&root.path().join("cache")).iter().all(|name| name.ends_with(".incomplete")));
}

#[test]
fn a_list_without_end_is_refused() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    server.change(|setup| setup.listed_too = (0..100_001).map(|number| number.to_string()).collect());
    assert!(failure(&hub(&server, cache.path())).message().contains("more than 100000 files"));
    server.change(|setup| setup.listed_too = vec!["x".repeat(40 << 20)]);
    assert_eq!(failure(&hub(&server, cache.path())).kind(), Kind::Limit);
}

#[test]
fn nobody_hears_of_secrets() {
    let (cache, server) = (tempfile::tempdir().unwrap(), Server::start(model()));
    let hub = hub(&server, cache.path()).token("hf_mine");
    let mut heard = format!("{hub:?}");
    for manners in
        [vec![Manner::Status(500, "")], vec![Manner::Status(404, "")], vec![Manner::Stall(10)], vec![Manner::Cut(5)]]
    {
        server.change(|setup| setup.manners = manners.into());
        let (pulled, said) = pull(&hub, &Files::Best);
        heard = format!("{heard}{said:?}{:?}", pulled.unwrap_err());
    }
    server.change(|setup| setup.location = Some("http://127.0.0.1:9/x?X-Amz-Signature=Signature-of-the-store"));
    let (pulled, said) = pull(&hub, &Files::Best);
    heard = format!("{heard}{said:?}{:?}", pulled.unwrap_err());
    server.change(|setup| setup.access = Access::Gated);
    heard = format!("{heard}{:?}", failure(&hub));
    assert!(!heard.contains("hf_mine") && !heard.contains(SIGNATURE), "{heard}");
    assert!(server.asked().iter().any(|asked| asked.authorization.as_deref() == Some("Bearer hf_mine")));
}
