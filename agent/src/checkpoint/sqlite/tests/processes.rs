//! One file, several handles and processes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use super::*;

/// Tells the child where the store is.
const STORE: &str = "LOREWELL_TEST_CHECKPOINT_STORE";

#[tokio::test]
async fn two_handles_exclude_each_other() {
    let bench = Bench::new().await;
    let other = Sqlite::open(bench.path()).await.unwrap();
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(0)).await.unwrap();
    let refused = other.claim("a").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(refused.to_string().contains("thread `a` is being run by another process"), "{refused}");
    assert_eq!(other.delete("a").await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(other.write(&claim, step(1)).await.unwrap_err().kind(), Kind::Conflict, "a claim is of one handle");
    other.release(&claim);
    other.claim("b").await.unwrap();
    assert_eq!(other.claim("a").await.unwrap_err().kind(), Kind::Conflict, "and given back by it");
    assert_eq!(newest(&other, "a").await, Some(0), "both see what is stored");
    drop(bench.store);
    let taken = other.claim("a").await.unwrap();
    assert!(taken.epoch > claim.epoch);
    other.write(&taken, step(1)).await.unwrap();
}

#[tokio::test]
async fn a_handle_that_lost_its_claim_changes_nothing() {
    let bench = Bench::new().await;
    let old = bench.store.claim("a").await.unwrap();
    bench.store.write(&old, step(0)).await.unwrap();
    // Someone has removed the lock file of the living.
    fs::remove_dir_all(bench.folder.path().join("threads.sqlite-owners")).unwrap();
    let other = Sqlite::open(bench.path()).await.unwrap();
    let new = other.claim("a").await.unwrap();
    other.write(&new, step(1)).await.unwrap();
    assert_eq!(bench.store.write(&old, step(7)).await.unwrap_err().kind(), Kind::Conflict);
    bench.store.release(&old);
    other.write(&new, step(2)).await.unwrap();
    assert_eq!(bench.newest("a").await, Some(2));
}

#[tokio::test]
async fn a_line_that_another_handle_made_anew_is_found_again() {
    let bench = Bench::new().await;
    let other = Sqlite::open(bench.path()).await.unwrap();
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(0)).await.unwrap();
    bench.store.release(&claim);
    bench.store.delete("none").await.unwrap(); // comes after the release, which nobody can wait for
    assert!(other.delete("a").await.unwrap());
    let b = other.claim("b").await.unwrap();
    other.write(&b, step(5)).await.unwrap(); // takes the numbers of the rows that went
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(1)).await.unwrap();
    assert_eq!((bench.newest("a").await, bench.newest("b").await), (Some(1), Some(5)));
    let steps = bench.store.steps("b", "", &TRUNK, None, 9).await.unwrap();
    assert_eq!(steps.len(), 1, "nothing has gone to the wrong line");
}

#[tokio::test]
async fn lock_files_of_the_dead_are_cleared_away() {
    let bench = Bench::new().await;
    let owners = bench.folder.path().join("threads.sqlite-owners");
    fs::create_dir(&owners).unwrap();
    let names = ["00112233445566778899aabbccddeeff.lock", "readme.txt"];
    names.iter().for_each(|name| fs::write(owners.join(name), "").unwrap());
    bench.store.claim("a").await.unwrap();
    assert!(!owners.join(names[0]).exists(), "nobody holds it");
    assert!(owners.join(names[1]).exists(), "it is none of ours");
    assert_eq!(fs::read_dir(&owners).unwrap().count(), 2, "one is this handle's own");
}

#[tokio::test]
async fn a_token_does_not_lead_out_of_the_folder() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.release(&claim);
    let outside = bench.folder.path().join("outside.lock");
    fs::write(&outside, "").unwrap();
    bench.store.thread("a").await.unwrap();
    bench.connection().execute("UPDATE threads SET owner = '../outside'", []).unwrap();
    bench.store.claim("a").await.unwrap();
    assert!(outside.exists());
}

/// Is run by the next test, in a process of its own.
#[test]
#[ignore = "is a part of `a_killed_process_loses_its_claims`"]
fn child() {
    let Ok(path) = std::env::var(STORE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(path).await.unwrap();
        let claim = store.claim("a").await.unwrap();
        for seq in 0..10 {
            store.write(&claim, Batch { durable: seq == 5, ..step(seq) }).await.unwrap();
        }
        println!("\nit is held");
        let _ = std::io::stdin().read(&mut [0]); // returns when the parent is gone
    });
}

fn spawn(store: &Path) -> Child {
    let child = "checkpoint::sqlite::tests::processes::child";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", child]).env(STORE, store);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn a_killed_process_loses_its_claims() {
    let bench = Bench::new().await;
    let mut child = spawn(&bench.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "it is held"), "the child holds the thread");
    let refused = bench.store.claim("a").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict, "{refused}");
    assert_eq!(bench.newest("a").await, Some(9));
    child.kill().unwrap();
    child.wait().unwrap();
    let claim = bench.store.claim("a").await.unwrap();
    assert_eq!(claim.epoch, 2);
    assert_eq!(bench.newest("a").await, Some(9), "what was written survives");
    bench.store.write(&claim, step(10)).await.unwrap();
    let owners = fs::read_dir(bench.folder.path().join("threads.sqlite-owners")).unwrap();
    assert_eq!(owners.count(), 1, "the file of the dead is gone");
}
