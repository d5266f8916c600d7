//! Folders that can be opened, and those that cannot.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::local::decoder::Decoder;
use crate::local::shape::Shape;

/// Copies the smallest Llama of the fixtures.
fn copied() -> tempfile::TempDir {
    let from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf/llama-bf16"));
    let folder = tempfile::tempdir().expect("there is room");
    for name in ["config.json", WEIGHTS] {
        fs::copy(from.join(name), folder.path().join(name)).expect("it can be copied");
    }
    folder
}

fn opened(folder: &Path) -> Result<Decoder> {
    Folder::open(folder).and_then(|folder| Decoder::new(Shape::of_config(folder.config(), 100)?, &folder))
}

/// A safetensors file of one tensor.
fn shard(name: &str, dtype: &str, shape: &[usize], bytes: usize) -> Vec<u8> {
    let header = json!({name: {"dtype": dtype, "shape": shape, "data_offsets": [0, bytes]}}).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + bytes, 0);
    file
}

#[test]
fn weights_may_lie_in_several_files() {
    let folder = copied();
    let path = |name: &str| folder.path().join(name);
    fs::rename(path(WEIGHTS), path("model-00001-of-00002.safetensors")).unwrap();
    fs::write(path("model-00002-of-00002.safetensors"), shard("model.rotary_emb.inv_freq", "F32", &[2], 8)).unwrap();
    let map = json!({"weight_map": {
        "model.norm.weight": "model-00001-of-00002.safetensors",
        "model.rotary_emb.inv_freq": "model-00002-of-00002.safetensors",
    }});
    fs::write(path(INDEX), map.to_string()).unwrap();
    opened(folder.path()).expect("both parts are read");
    fs::remove_file(path("model-00002-of-00002.safetensors")).unwrap();
    assert_eq!(opened(folder.path()).unwrap_err().kind(), Kind::NotFound);
    fs::write(path(INDEX), json!({"weight_map": {"a": "../../etc/passwd"}}).to_string()).unwrap();
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("\"../../etc/passwd\" is no name of a file beside it"), "{error}");
}

#[test]
fn the_template_is_a_file_or_part_of_the_configuration() {
    let folder = copied();
    let template = || Folder::open(folder.path()).and_then(|folder| folder.template()).expect("it can be read");
    assert_eq!(template(), None);
    let config = |value: Value| {
        let config = json!({"chat_template": value}).to_string();
        fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
    };
    config(json!("one"));
    assert_eq!(template().as_deref(), Some("one"));
    config(json!([{"name": "tool_use", "template": "two"}, {"name": "default", "template": "three"}]));
    assert_eq!(template().as_deref(), Some("three"));
    fs::write(folder.path().join("chat_template.jinja"), "four").unwrap();
    assert_eq!(template().as_deref(), Some("four"));
}

#[test]
fn what_is_damaged_is_said() {
    let folder = copied();
    let path = |name: &str| folder.path().join(name);
    let whole = fs::read(path(WEIGHTS)).unwrap();
    for len in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(path(WEIGHTS), &whole[..len]).unwrap();
        let error = opened(folder.path()).unwrap_err();
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("no whole safetensors"), "{len}: {error}");
    }
    fs::write(path(WEIGHTS), shard("model.embed_tokens.weight", "I64", &[4, 2], 64)).unwrap();
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.contains("`model.embed_tokens.weight` is stored as I64; F32, F16 and BF16 can be read"), "{error}");
    fs::write(path(WEIGHTS), shard("model.embed_tokens.weight", "F32", &[4, 2], 32)).unwrap();
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.contains("lacks the tensor `model.layers.0.self_attn.q_proj.weight`"), "{error}");
    fs::write(path(WEIGHTS), shard("bert.embeddings.weight", "F32", &[4, 2], 32)).unwrap();
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.contains("have no `model.embed_tokens.weight`"), "{error}");
    fs::write(path(WEIGHTS), &whole).unwrap();
    let config = fs::read_to_string(path("config.json")).unwrap();
    fs::write(path("config.json"), config.replace("\"intermediate_size\": 64", "\"intermediate_size\": 96")).unwrap();
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has the shape [64, 32], and its metadata asks for [96, 32]"), "{error}");
    fs::write(path("config.json"), "{").unwrap();
    let error = opened(folder.path()).unwrap_err();
    assert!(error.kind() == Kind::BadInput && error.to_string().contains("config.json"), "{error}");
    fs::remove_file(path("config.json")).unwrap();
    assert_eq!(opened(folder.path()).unwrap_err().kind(), Kind::NotFound);
}
