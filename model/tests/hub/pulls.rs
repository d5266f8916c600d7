//! Downloads that go well, and what the cache has after them.

use lorewell_model::Kind;
use lorewell_model::hub::{Files, Hub, Progress};

use crate::server::{COMMIT, REPO, Server, Setup, TOKEN, content, git, sha256};
use crate::{blobs, failure, hub, pull, pull_best};

#[test]
fn a_gguf_is_pulled_once() {
    let (cache, model) = (tempfile::tempdir().unwrap(), content(300_000));
    let files = [("README.md", b"hi".to_vec()), ("m-Q4_K_M.gguf", model.clone()), ("m-Q8_0.gguf", content(9))];
    let server = Server::start(Setup::new(&files));
    let hub = hub(&server, cache.path()).token(TOKEN);
    let (pulled, said) = pull(&hub, &Files::Best);
    let pulled = pulled.unwrap();
    assert_eq!((pulled.repo.as_str(), pulled.commit.as_str(), pulled.bytes), (REPO, COMMIT, 300_000));
    let path = pulled.gguf().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), model);
    // The layout is the one of `huggingface_hub`, links, refs and all.
    let folder = cache.path().join("models--acme--tiny");
    assert_eq!(path, folder.join(format!("snapshots/{COMMIT}/m-Q4_K_M.gguf")));
    assert_eq!(std::fs::read_link(&path).unwrap(), std::path::Path::new("../../blobs").join(sha256(&model)));
    assert_eq!(std::fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(blobs(cache.path()), [sha256(&model)]);
    // The token goes to the hub, not to the store.
    let asked = server.asked();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked.iter().all(|asked| asked.store != asked.authorization.is_some()), "{asked:?}");
    assert_eq!(said[0], Progress::Listed { files: 1, bytes: 300_000, have: 0 });
    assert!(said.contains(&Progress::Fetched { bytes: 300_000, of: 300_000 }));
    assert_eq!(said.last(), Some(&Progress::Done { file: "m-Q4_K_M.gguf".into() }));

    assert_eq!(pull_best(&hub).unwrap(), pulled);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn safetensors_come_with_what_they_need() {
    let cache = tempfile::tempdir().unwrap();
    let index =
        br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let files = [
        ("1_Pooling/config.json", b"{\"pooling\": 1}".to_vec()),
        ("config.json", b"{}".to_vec()),
        ("empty.txt", Vec::new()),
        ("model-00001-of-00002.safetensors", content(70_000)),
        ("model-00002-of-00002.safetensors", content(80_000)),
        ("model.safetensors.index.json", index.to_vec()),
        ("tokenizer.json", b"{\"t\": 1}".to_vec()),
        ("vocab.txt", Vec::new()),
    ];
    let server = Server::start(Setup::new(&files));
    let hub = hub(&server, cache.path());
    let pulled = pull_best(&hub).unwrap();
    assert_eq!(pulled.files.len(), 7);
    for path in pulled.paths() {
        let name = path.strip_prefix(&pulled.folder).unwrap().to_str().unwrap();
        let (_, expected) = files.iter().find(|(file, _)| *file == name).unwrap();
        assert_eq!(&std::fs::read(&path).unwrap(), expected, "{name}");
    }
    assert!(blobs(cache.path()).contains(&git(b"{}")));
    assert!(pulled.gguf().is_none());
    // Another file of the same repository is added to what is there.
    let (added, _) = pull(&hub, &Files::One("empty.txt".into()));
    assert_eq!(added.unwrap().folder, pulled.folder);
    assert_eq!(hub.list().unwrap()[0].files.len(), 8);
    // Without one of its parts it is not whole, whatever the rest says.
    std::fs::remove_file(pulled.folder.join("model-00002-of-00002.safetensors")).unwrap();
    assert_eq!(hub.find(&REPO.parse().unwrap(), &Files::Best).unwrap(), None);
    assert_eq!(failure(&hub.clone().offline(true)).kind(), Kind::NotFound);
    server.sent();
    assert_eq!(pull_best(&hub).unwrap(), pulled);
    assert_eq!(server.sent(), 0);
}

#[test]
fn parts_of_a_gguf_come_together() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["q/m-Q4_K_M-00001-of-00002.gguf", "q/m-Q4_K_M-00002-of-00002.gguf"];
    let server = Server::start(Setup::new(&[(names[0], content(1000)), (names[1], content(2000))]));
    let pulled = pull_best(&hub(&server, cache.path())).unwrap();
    assert_eq!(pulled.files, names);
    assert_eq!(pulled.gguf().unwrap(), pulled.folder.join(names[0]));
    assert_eq!(std::fs::read(pulled.folder.join(names[1])).unwrap(), content(2000));
}

#[test]
fn revisions_are_kept_apart() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Setup::new(&[("m.gguf", content(1000))]));
    let hub = hub(&server, cache.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for revision in ["v1", "refs/pr/1", COMMIT] {
        let repo = format!("{REPO}@{revision}").parse().unwrap();
        assert_eq!(hub.find(&repo, &Files::Best).unwrap().is_some(), revision == COMMIT);
        runtime.block_on(hub.pull(&repo, &Files::Best, |_| ())).unwrap();
        assert!(hub.find(&repo, &Files::Best).unwrap().is_some());
    }
    assert_eq!(hub.find(&REPO.parse().unwrap(), &Files::Best).unwrap(), None);
    assert_eq!(server.sent(), 1000);
}

#[test]
fn what_is_in_the_cache_needs_no_hub() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(cache.path()).endpoint("http://127.0.0.1:9").offline(true);
    let error = failure(&hub);
    assert_eq!(error.kind(), Kind::NotFound);
    let message = error.to_string();
    assert!(message.contains("`acme/tiny` is not in the cache"), "{message}");
    assert!(message.contains("`lorewell model pull hf:acme/tiny`"), "{message}");
    write_as_python_does(cache.path());
    let pulled = pull_best(&hub).unwrap();
    assert_eq!(pulled.files, ["m-Q8_0.gguf"]);
    assert_eq!(std::fs::read(pulled.gguf().unwrap()).unwrap(), content(5000));
    let (other, _) = pull(&hub, &Files::One("Q4_K_M".into()));
    let message = other.unwrap_err().to_string();
    assert!(message.contains("no quantisation is called `Q4_K_M`; there are `m-Q8_0.gguf`"), "{message}");
    assert!(message.contains("`lorewell model pull hf:acme/tiny:Q4_K_M`"), "{message}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let resolved = runtime.block_on(hub.clone().offline(false).resolve(&"hf:acme/tiny".parse().unwrap(), |_| ()));
    assert_eq!(resolved.unwrap(), pulled);
}

/// What `hf_hub_download("acme/tiny", "m-Q8_0.gguf")` leaves behind, and a dataset beside it.
fn write_as_python_does(cache: &std::path::Path) {
    let (folder, sum) = (cache.join("models--acme--tiny"), sha256(&content(5000)));
    for below in ["blobs", "refs", &format!("snapshots/{COMMIT}"), ".no_exist"] {
        std::fs::create_dir_all(folder.join(below)).unwrap();
    }
    std::fs::write(folder.join("blobs").join(&sum), content(5000)).unwrap();
    std::fs::write(folder.join("refs/main"), COMMIT).unwrap();
    let entry = folder.join(format!("snapshots/{COMMIT}/m-Q8_0.gguf"));
    std::os::unix::fs::symlink(format!("../../blobs/{sum}"), entry).unwrap();
    std::fs::create_dir_all(cache.join("datasets--acme--words/blobs")).unwrap();
    std::fs::write(cache.join("version.txt"), "1").unwrap();
}

#[test]
fn the_cache_is_listed_and_emptied() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(cache.path().join("none"));
    assert!(hub.list().unwrap().is_empty());
    write_as_python_does(cache.path());
    let hub = Hub::new(cache.path());
    let listed = hub.list().unwrap();
    assert_eq!((listed.len(), listed[0].repo.as_str(), listed[0].bytes), (1, REPO, 5040));
    assert_eq!((listed[0].files[0].name.as_str(), listed[0].files[0].bytes), ("m-Q8_0.gguf", 5000));
    assert_eq!(hub.remove(&REPO.parse().unwrap()).unwrap(), 5040);
    assert_eq!(hub.remove(&REPO.parse().unwrap()).unwrap_err().kind(), Kind::NotFound);
    assert!(hub.list().unwrap().is_empty() && cache.path().join("datasets--acme--words").exists());
}
