//! Tests of the store on disk: the suite that every store passes, damage, sudden ends, space. How well it finds is
//! measured in `quality`.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::sparse::conformance;

fn chunk(id: u64, text: &str) -> Terms<'_> {
    Terms { id: ChunkId(id), title: "", path: "", headings: &[], text, language: None }
}

async fn filled(dir: &Path) -> TantivySparse {
    let store = TantivySparse::open(dir, Access::Write).await.unwrap();
    let texts: Vec<String> = (0..500).map(|n| format!("alpha beta{n} gamma{}", n % 7)).collect();
    let chunks: Vec<Terms<'_>> = (0..).zip(&texts).map(|(id, text)| chunk(id, text)).collect();
    store.add(&chunks).await.unwrap();
    store.commit().await.unwrap();
    store.remove(&[ChunkId(3)]).await.unwrap();
    store.commit().await.unwrap();
    store
}

#[tokio::test]
async fn it_conforms() {
    let root = TempDir::new().unwrap();
    conformance(|name, access| TantivySparse::open(root.path().join(name), access)).await;
}

#[tokio::test]
async fn damage_is_an_error_and_never_a_panic() {
    let root = TempDir::new().unwrap();
    let sound = root.path().join("sound");
    drop(filled(&sound).await);
    let mut refused = 0;
    for entry in fs::read_dir(&sound).unwrap() {
        let name = entry.unwrap().file_name();
        for cut in [0, 1, 2] {
            let broken = root.path().join(format!("{}-{cut}", name.display()));
            fs::create_dir(&broken).unwrap();
            for file in fs::read_dir(&sound).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), broken.join(file.file_name())).unwrap();
            }
            let bytes = fs::read(broken.join(&name)).unwrap();
            fs::write(broken.join(&name), &bytes[..bytes.len() * cut / 3]).unwrap();
            refused += usize::from(use_all(&broken).await.is_err_and(|error| {
                assert!(matches!(error.kind(), Kind::Corrupt | Kind::NotFound), "{}: {error:?}", name.display());
                true
            }));
        }
    }
    assert!(refused >= 10, "only {refused} kinds of damage were noticed");
}

async fn use_all(dir: &Path) -> Result<()> {
    let store = TantivySparse::open(dir, Access::Read).await?;
    store.search("alpha gamma3", 10, None).await?;
    store.explain("alpha", ChunkId(1)).await?;
    store.ids().await.map(drop)
}

#[tokio::test]
async fn an_index_of_another_version_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut schema = tantivy::schema::Schema::builder();
    schema.add_text_field("terms_0", tantivy::schema::TEXT);
    Index::create_in_dir(dir.path(), schema.build()).unwrap();
    let error = TantivySparse::open(dir.path(), Access::Read).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("another version"), "{error}");
}

#[tokio::test]
async fn a_killed_writer_leaves_no_leftovers() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    fs::write(dir.path().join(".tmpAbCdEf"), "half a file").unwrap();
    store.add(&[chunk(1000, "uncommitted")]).await.unwrap();
    drop(store);
    let store = TantivySparse::open(dir.path(), Access::Write).await.unwrap();
    assert!(!dir.path().join(".tmpAbCdEf").exists());
    assert!(store.search("uncommitted", 1, None).await.unwrap().is_empty());
    assert_eq!(store.ids().await.unwrap().len(), 499);
}

#[tokio::test]
async fn compaction_gives_back_space() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    let size = || fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
    let before = size();
    store.remove(&(0..450).map(ChunkId).collect::<Vec<_>>()).await.unwrap();
    store.commit().await.unwrap();
    store.compact().await.unwrap();
    assert!(size() < before / 2, "{} of {before} bytes are left", size());
    assert_eq!(store.ids().await.unwrap().len(), 50);
}

#[tokio::test]
async fn queued_changes_are_not_lost_by_compaction() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    store.add(&[chunk(1000, "queued")]).await.unwrap();
    assert_eq!(store.compact().await.unwrap_err().kind(), Kind::Conflict);
    store.commit().await.unwrap();
    store.compact().await.unwrap();
    assert_eq!(store.search("queued", 1, None).await.unwrap()[0].id, ChunkId(1000));
}
