//! Full disks, files of others, files that are broken, files as a power cut leaves them.

use super::*;

/// Opens a file of these bytes and returns the error.
async fn open(bytes: &[u8]) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.sqlite");
    fs::write(&path, bytes).unwrap();
    let error = Sqlite::open(&path).await.map(drop).unwrap_err();
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
    let foreign = "is not a Lorewell checkpoint store";
    check(other("CREATE TABLE notes (text)"), Kind::BadInput, foreign).await;
    check(other("PRAGMA application_id = 7; CREATE TABLE notes (text)"), Kind::BadInput, foreign).await;
    let newer = "PRAGMA application_id = 0x4c72776c; PRAGMA user_version = 2; CREATE TABLE threads (id)";
    check(other(newer), Kind::Config, "newer Lorewell").await;
    let negative = "PRAGMA application_id = 0x4c72776c; PRAGMA user_version = -1; CREATE TABLE threads (id)";
    check(other(negative), Kind::Corrupt, "impossible version").await;
    check(b"Dear diary, this is no database.".repeat(200), Kind::Corrupt, "is not a database").await;
    let mut random = vec![0; 20_000];
    getrandom::fill(&mut random).unwrap();
    check(random, Kind::Corrupt, "is not a database").await;
}

#[tokio::test]
async fn places_without_a_file_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |path: PathBuf, kind, message: &str| {
        let error = Sqlite::open(path).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    check(folder.path().join("no/threads.sqlite"), Kind::NotFound, "make it first").await;
    check(folder.path().to_owned(), Kind::Io, "is a folder").await;
    let locked = folder.path().join("locked.sqlite");
    fs::write(&locked, "").unwrap();
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).unwrap();
    // Whoever may do everything may write to it all the same.
    if fs::OpenOptions::new().write(true).open(&locked).is_err() {
        check(locked, Kind::Io, "check its permissions").await;
    }
}

#[tokio::test]
async fn a_truncated_file_is_noticed() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..400 {
        drop(bench.store.write(&claim, step(seq)));
    }
    let path = bench.path();
    let Bench { store, folder } = bench;
    drop(store);
    let whole = fs::read(path).unwrap();
    for length in [1, 99, 100, 4096, 4097, 8192, whole.len() - 4096, whole.len() - 1] {
        let error = open(&whole[..length]).await;
        assert_eq!(error.kind(), Kind::Corrupt, "{length} bytes: {error}");
    }
    drop(folder);
}

#[tokio::test]
async fn a_damaged_page_is_reported_and_nothing_else_breaks() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..400 {
        drop(bench.store.write(&claim, step(seq)));
    }
    let path = bench.path();
    let Bench { store, folder } = bench;
    drop(store);
    let whole = fs::read(&path).unwrap();
    // Each page in turn, so also those of threads, of lines and of indexes.
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        fs::write(&path, damaged).unwrap();
        let Ok(store) = Sqlite::open(&path).await else { continue };
        let steps = store.steps("a", "", &TRUNK, None, usize::MAX).await;
        if let Err(error) = steps {
            assert_eq!(error.kind(), Kind::Corrupt, "page {page}: {error}");
        }
        if let Err(error) = store.claim("a").await {
            assert_eq!(error.kind(), Kind::Corrupt, "page {page}: {error}");
        }
    }
    drop(folder);
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let bench = Bench::new().await;
    let a = bench.store.claim("a").await.unwrap();
    let b = bench.store.claim("b").await.unwrap();
    bench.store.write(&a, durable(step(0))).await.unwrap();
    bench.execute("PRAGMA max_page_count = 30").await;
    let other = bench.hold_up();
    let before = bench.store.write(&b, step(0));
    let mut half = step(1);
    half.records.extend(step_of(2, vec![b'x'; 1 << 20]).records);
    let big = bench.store.write(&a, durable(half));
    let gap = bench.store.write(&a, step(3));
    let after = bench.store.write(&b, step(1));
    drop(other);
    let full = big.await.unwrap_err();
    assert_eq!(full.kind(), Kind::Io, "{full}");
    assert!(full.to_string().contains("nothing of this step was stored; free space and resume"), "{full}");
    assert_eq!(gap.await.unwrap_err().kind(), Kind::Conflict, "nothing is written after a gap");
    before.await.unwrap();
    after.await.unwrap();
    assert_eq!((bench.newest("a").await, bench.newest("b").await), (Some(0), Some(1)), "the other run goes on");
    bench.store.release(&a);
    let a = bench.store.claim("a").await.unwrap();
    let still = bench.store.write(&a, step_of(1, vec![b'x'; 1 << 20])).await.unwrap_err();
    assert_eq!(still.kind(), Kind::Io, "{still}");
    bench.execute("PRAGMA max_page_count = 100000").await;
    bench.store.release(&a);
    let a = bench.store.claim("a").await.unwrap();
    bench.store.write(&a, step_of(1, vec![b'x'; 1 << 20])).await.unwrap();
    assert_eq!(bench.newest("a").await, Some(1), "with space again, it resumes");
    sound(&bench.connection());
}

/// What lies on the disk at any moment is what a killed process leaves.
#[tokio::test]
async fn a_copy_of_the_open_files_has_what_was_acknowledged() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..60 {
        bench.store.write(&claim, Batch { durable: seq % 3 == 0, ..step(seq) }).await.unwrap();
        if seq % 7 != 0 {
            continue;
        }
        let image = tempfile::tempdir().unwrap();
        for file in ["threads.sqlite", "threads.sqlite-wal"] {
            fs::copy(bench.folder.path().join(file), image.path().join(file)).unwrap();
        }
        let store = Sqlite::open(image.path().join("threads.sqlite")).await.unwrap();
        let steps = store.steps("a", "", &TRUNK, None, usize::MAX).await.unwrap();
        let numbers: Vec<_> = steps.iter().map(|step| step.place.seq).collect();
        assert_eq!(numbers, (0..=seq).rev().collect::<Vec<_>>(), "everything acknowledged, and nothing else");
        let claim = store.claim("a").await.unwrap();
        store.write(&claim, step(seq + 1)).await.unwrap();
        sound(&Connection::open(store.path()).unwrap());
    }
}

/// A log that a power cut has torn ends at its last whole transaction.
#[tokio::test]
async fn a_torn_log_ends_at_a_whole_batch() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..20 {
        let mut batch = step(2 * seq);
        batch.records.extend(step(2 * seq + 1).records);
        bench.store.write(&claim, batch).await.unwrap();
    }
    let file = fs::read(bench.path()).unwrap();
    let log = fs::read(bench.folder.path().join("threads.sqlite-wal")).unwrap();
    let mut counts = Vec::new();
    for length in (0..log.len()).step_by(1371) {
        let image = tempfile::tempdir().unwrap();
        fs::write(image.path().join("threads.sqlite"), &file).unwrap();
        fs::write(image.path().join("threads.sqlite-wal"), &log[..length]).unwrap();
        // Before the first transaction, there is an empty file.
        let store = Sqlite::open(image.path().join("threads.sqlite")).await.unwrap();
        let steps = store.steps("a", "", &TRUNK, None, usize::MAX).await.unwrap();
        assert_eq!(steps.len() % 2, 0, "half a batch after {length} bytes");
        counts.push(steps.len());
    }
    assert!(counts.is_sorted() && counts.last() > Some(&30), "{counts:?}");
}

fn sound(connection: &Connection) {
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    assert!(!connection.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap());
}
