//! Files of others, files that are broken, rows that nobody wrote.

use std::fs;
use std::path::Path;

use super::*;

/// Opens a file of these bytes and returns the error.
async fn open(bytes: &[u8]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.sqlite");
    fs::write(&path, bytes).unwrap();
    let error = MemoryStore::open(&path).await.map(drop).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), bytes, "what cannot be used is left as it is");
    error
}

#[tokio::test]
async fn files_of_others_are_left_alone() {
    let other = |sql: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.sqlite");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        fs::read(path).unwrap()
    };
    let check = async |bytes: Vec<u8>, kind, message: &str| {
        let error = open(&bytes).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    check(other("CREATE TABLE notes (text)"), Kind::BadInput, "is not a Lorewell memory").await;
    let checkpoints = "PRAGMA application_id = 0x4c72776c; PRAGMA user_version = 1; CREATE TABLE threads (id)";
    check(other(checkpoints), Kind::BadInput, "is not a Lorewell memory").await;
    let newer = "PRAGMA application_id = 0x4c72776d; PRAGMA user_version = 2; CREATE TABLE memories (id)";
    check(other(newer), Kind::Config, "newer Lorewell").await;
    check(b"Dear diary, this is no database.".repeat(200), Kind::Corrupt, "is not a database").await;
    let missing = MemoryStore::open(Path::new("no/such/folder/memory.sqlite")).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound, "{missing}");
}

/// A store with some pages, closed.
async fn some_pages() -> Vec<u8> {
    let bench = Bench::new().await;
    let anna = bench.anna();
    for n in 0..100 {
        anna.remember(format!("A note about dog number {n} of the town.")).await.unwrap();
    }
    drop(anna);
    let path = bench.path();
    let Bench { store, folder } = bench;
    drop(store);
    let bytes = fs::read(path).unwrap();
    drop(folder);
    bytes
}

#[tokio::test]
async fn damage_is_an_error_and_no_panic() {
    let whole = some_pages().await;
    for length in [1, 4095, 4097, whole.len() - 1] {
        assert_eq!(open(&whole[..length]).await.kind(), Kind::Corrupt, "{length} bytes");
    }
    let mut noticed = 0;
    for page in 1..whole.len() / 4096 {
        let mut broken = whole.clone();
        broken[page * 4096..(page + 1) * 4096].fill(0xa5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.sqlite");
        fs::write(&path, &broken).unwrap();
        let Ok(store) = MemoryStore::open(&path).embedder(embedder("a")).await else { continue };
        let anna = store.namespace(["user", "anna"]).unwrap();
        let mut faults = vec![anna.search("dog of the town").limit(100).await.map(drop).err()];
        faults.push(anna.remember("one more").await.map(drop).err());
        faults.push(anna.list(&MemoryFilter::new(), 1000).await.map(drop).err());
        for fault in faults.into_iter().flatten() {
            assert!(matches!(fault.kind(), Kind::Corrupt | Kind::Conflict), "page {page}: {fault:?}");
            noticed += 1;
        }
    }
    assert!(noticed > 10, "most pages are read by something: {noticed}");
}

#[tokio::test]
async fn rows_that_nobody_wrote_are_told() {
    for sql in [
        "UPDATE memories SET origin = 'god'",
        "UPDATE memories SET kind = 'rumour'",
        "UPDATE memories SET id = 'short'",
        "UPDATE memories SET hash = x'00'",
        "UPDATE vectors SET value = x'0000'",
    ] {
        let bench = Bench::new().await;
        let anna = bench.anna();
        anna.remember("A dog.").await.unwrap();
        bench.connection().execute_batch(sql).unwrap();
        let told = anna.search("dog").await.unwrap_err();
        assert_eq!(told.kind(), Kind::Corrupt, "{sql}: {told:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new().await;
    bench.anna().sync(bench.folder.path().join("anna.md")).await.unwrap();
    for file in fs::read_dir(bench.folder.path()).unwrap() {
        let mode = file.as_ref().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
}
