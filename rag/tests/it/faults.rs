//! Damage on disk and embedders that fail: errors say what and what to do, and whatever a failed run left is mended by
//! the next one.

use std::path::{Path, PathBuf};

use lorewell_model::{Error, Kind};
use lorewell_rag::index::Index;

use crate::world::{World, agrees, export, section, sections};

async fn damaged(damage: impl FnOnce(&Path)) -> Error {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    world.ingest(&index).await;
    drop(index);
    damage(&world.kb());
    let result = async {
        let index = Index::open(world.kb(), world.options()).await?;
        index.search("kettle").await?;
        index.verify().await?;
        index.add([world.tree()]).await
    };
    result.await.unwrap_err()
}

fn check(error: &Error, kind: Kind, says: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for words in says {
        assert!(error.to_string().contains(words), "`{words}` is not in: {error}");
    }
}

/// Returns the files below a folder, largest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
    found
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    for byte in bytes.iter_mut().skip(40).step_by(7) {
        *byte ^= 0x5A;
    }
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_manifest() {
    let error = damaged(|kb| std::fs::write(kb.join("manifest.json"), "{").unwrap()).await;
    check(&error, Kind::Corrupt, &["manifest.json", "delete the folder and ingest again"]);
}

#[tokio::test]
async fn a_damaged_table() {
    let error = damaged(|kb| std::fs::write(kb.join("gen-1/table.sqlite"), "not a database at all").unwrap()).await;
    check(&error, Kind::Corrupt, &["document table", "ingest again"]);
}

#[tokio::test]
async fn a_table_that_is_gone() {
    let error = damaged(|kb| {
        for file in files(&kb.join("gen-1")) {
            if file.file_name().unwrap().to_str().unwrap().starts_with("table.sqlite") {
                std::fs::remove_file(file).unwrap();
            }
        }
    });
    check(&error.await, Kind::Corrupt, &["table.sqlite", "ingest again"]);
}

#[tokio::test]
async fn words_that_are_gone() {
    let error = damaged(|kb| std::fs::remove_dir_all(kb.join("gen-1/sparse")).unwrap()).await;
    check(&error, Kind::Corrupt, &["sparse", "ingest again"]);
}

#[tokio::test]
async fn vectors_that_are_gone() {
    let error = damaged(|kb| std::fs::remove_dir_all(kb.join("gen-1/dense")).unwrap()).await;
    check(&error, Kind::Corrupt, &["dense", "ingest again"]);
}

#[tokio::test]
async fn damaged_words() {
    let error = damaged(|kb| std::fs::write(kb.join("gen-1/sparse/meta.json"), "{").unwrap()).await;
    check(&error, Kind::Corrupt, &["sparse"]);
}

#[tokio::test]
async fn damaged_vectors() {
    let error = damaged(|kb| flip(&files(&kb.join("gen-1/dense"))[0])).await;
    check(&error, Kind::Corrupt, &["dense"]);
}

#[tokio::test]
async fn an_embedder_that_fails_at_any_call_costs_nothing_but_time() {
    let world = World::new();
    for number in 0..520 {
        world.write(&format!("{number}.md"), format!("Note {number} speaks of kettle {}.", number % 7));
    }
    let calm = Index::open(world.dir.path().join("calm"), world.options()).await.unwrap();
    world.ingest(&calm).await;
    world.words.take();
    for calls in 0..3 {
        let index = world.open().await;
        world.words.fail_after(calls);
        let error = index.add([world.tree()]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(index.verify().await.unwrap().holds());
        let status = index.status().await.unwrap();
        assert_eq!((status.indexed, status.embedded), (520, 256 * calls as u64), "what was made stays");
        world.words.fail_after(usize::MAX);
        if calls == 2 {
            world.ingest(&index).await;
            assert_eq!(world.words.take().len(), 520, "nothing was embedded twice");
            let questions = ["kettle 3", "note 400", "speaks"];
            assert_eq!(export(&index, &questions).await, export(&calm, &questions).await);
        } else {
            drop(index);
            std::fs::remove_dir_all(world.kb()).unwrap();
            world.words.take();
        }
    }
}

#[tokio::test]
async fn an_edit_whose_vectors_fail_is_found_by_words_and_mended() {
    let world = World::new();
    world.write("a.md", sections(&["kettle", "lamp"]));
    let index = world.open().await;
    world.ingest(&index).await;
    world.write("a.md", sections(&["mirror", "lamp"]));
    world.words.fail_after(0);
    index.add([world.tree()]).await.unwrap_err();
    assert_eq!(crate::world::found(&index, "mirror").await, ["a.md"]);
    assert!(index.status().await.unwrap().interrupted);
    world.words.fail_after(usize::MAX);
    world.words.take();
    index.add_text("note", section("clock")).await.unwrap();
    assert_eq!(world.words.take().len(), 2, "the next writer makes what is missing, whatever it came for");
    assert!(!index.status().await.unwrap().interrupted);
    agrees(&index).await;
}
