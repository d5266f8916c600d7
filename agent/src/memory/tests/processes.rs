//! One file, several handles and processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// Tells the child where the store is.
const STORE: &str = "LOREWELL_TEST_MEMORY_STORE";

#[tokio::test(flavor = "multi_thread")]
async fn handles_share_a_file() {
    let bench = Bench::new().await;
    let other = MemoryStore::open(bench.path()).embedder(embedder("a")).await.unwrap();
    let spaces = [bench.anna(), other.namespace(["user", "anna"]).unwrap()];
    let write = |n: usize| {
        let space = spaces[n % 2].clone();
        tokio::spawn(async move {
            // Each text is remembered by both.
            let new = space.remember(format!("note {}", n / 2)).await.unwrap().is_new;
            space.fact(Fact::new("counter", "is", format!("{n}"))).await.unwrap();
            space.search("note").await.unwrap();
            usize::from(new)
        })
    };
    let tasks: Vec<_> = (0..40).map(write).collect();
    let mut new = 0;
    for task in tasks {
        new += task.await.unwrap();
    }
    assert_eq!(new, 20);
    assert_eq!(all(&spaces[0]).await.iter().filter(|text| text.starts_with("note")).count(), 20);
    assert_eq!(spaces[1].facts("counter").await.unwrap().len(), 1, "there is one value at a time");
    assert!(spaces[0].search("note 7").await.unwrap().iter().any(|hit| hit.item.text == "note 7"));
}

/// Is run by the next test, in a process of its own.
#[test]
#[ignore = "is a part of `a_killed_process_leaves_a_whole_store`"]
fn child() {
    let Ok(path) = std::env::var(STORE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = MemoryStore::open(path).embedder(embedder("a")).await.unwrap();
        let space = store.namespace(["a"]).unwrap();
        let run = std::process::id();
        for n in 0..100_000 {
            let id = space.remember(format!("The dog of run {run} has the number {n}.")).await.unwrap().id;
            space.fact(Fact::new("dog", "number", format!("{run}.{n}"))).await.unwrap();
            if n % 3 == 0 {
                space.forget(id).await.unwrap();
            } else if n % 3 == 1 {
                space.update(id, format!("The puppy of run {run} has the number {n}.")).await.unwrap();
            }
            println!("\n{n}");
        }
    });
}

fn spawn(store: &Path) -> Child {
    let child = "memory::tests::processes::child";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", child]).env(STORE, store);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn a_killed_process_leaves_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.sqlite");
    for kill_at in [1, 8, 20] {
        let mut child = spawn(&path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let done = format!("{kill_at}");
        assert!(lines.any(|line| line.unwrap() == done), "the child writes");
        child.kill().unwrap();
        child.wait().unwrap();
        let store = MemoryStore::open(&path).embedder(embedder("a")).await.unwrap();
        let status = store.status().await.unwrap();
        assert_eq!(status.pending, 0, "no text is without its vector");
        let space = store.namespace(["a"]).unwrap();
        let items = space.list(&MemoryFilter::new(), 1000).await.unwrap();
        for item in &items {
            let hits = space.search(&*item.text).limit(HITS_MAX).await.unwrap();
            let hit = hits.iter().find(|hit| hit.item.id == item.id);
            assert!(hit.is_some_and(|hit| hit.words.is_some()), "no text is without its words: {}", item.text);
        }
        assert_eq!(space.facts("dog").await.unwrap().len(), 1);
        assert!(items.iter().any(|item| item.text.contains("number")), "what was remembered survives");
        let connection = Connection::open(&path).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let strays = "SELECT count(*) FROM postings WHERE memory NOT IN (SELECT row FROM memories)";
        assert_eq!(connection.query_row(strays, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}
