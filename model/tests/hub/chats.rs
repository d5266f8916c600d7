//! Chat models of a hub: fetched, opened, and asked.

use std::path::Path;

use lorewell_model::{Request, model};

use crate::hub;
use crate::server::{REPO, Server, Setup};

/// The files of the tiny model.
fn tiny(names: &[&'static str]) -> Vec<(&'static str, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny");
    names.iter().map(|name| (*name, std::fs::read(folder.join(name)).unwrap())).collect()
}

async fn told(server: &Server, cache: &Path, name: &str) -> String {
    let model = model(name).hub(hub(server, cache)).await.unwrap();
    let request = Request::from("Tell me a story about a fox and a kite.").temperature(0.0).output_tokens_max(30);
    model.chat(request).await.unwrap().text()
}

const BEGINNING: &str = "Once upon a time there was a fox named ";

#[tokio::test(flavor = "multi_thread")]
async fn a_gguf_of_a_hub_tells_a_story_and_needs_the_hub_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Setup::new(&tiny(&["tiny-Q8_0.gguf", "config.json"])));
    let name = format!("hf:{REPO}:Q8_0");
    let story = told(&server, cache.path(), &name).await;
    assert!(story.starts_with(BEGINNING), "{story}");
    server.asked();
    assert_eq!(told(&server, cache.path(), &name).await, story);
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_a_hub_tells_a_story() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];
    let server = Server::start(Setup::new(&tiny(&names)));
    let story = told(&server, cache.path(), &format!("hf:{REPO}")).await;
    assert!(story.starts_with(BEGINNING), "{story}");
}
